"""What a user takes from daily melt maps: extent by height, onset, end, duration, melt line, volumes, a comparison."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oggm_glaunti.companions.meltwater.scores import WET, date_errors, melt_dates
from oggm_glaunti.companions.meltwater.stack import Days, Floats

BAND = 100.0  # m
HALF, TENTH, FIVE_OF_SEVEN = 0.5, 0.1, 5 / 7


class Bands(NamedTuple):
    """Bands of height that hold cells.

    Attributes
    ----------
    lower : array (B,)
        lower ends, m
    of_cell : int array (P,)
        band of each cell
    cells : int array (B,)
        number of cells of each band
    """

    lower: NDArray[np.float64]
    of_cell: NDArray[np.intp]
    cells: NDArray[np.intp]


def bands_of(elevation: Floats, width: float = BAND) -> Bands:
    """Sort cells into bands of height.

    Examples
    --------
    >>> bands_of(np.array([2950.0, 3010.0, 3090.0])).lower.tolist()
    [2900.0, 3000.0]
    """
    lower, index = np.unique(np.floor(np.asarray(elevation, np.float64) / width) * width, return_inverse=True)
    return Bands(lower, index, np.bincount(index))


def share_by_band(wet: NDArray[np.bool_], bands: Bands) -> Floats:
    """Return the wet share of each band on each day (T, B) from cells (T, P)."""
    return np.stack([np.bincount(bands.of_cell, day, bands.lower.size) / bands.cells for day in wet]).astype(np.float32)


def melt_line(shares: Floats, bands: Bands) -> Floats:
    """Return the height up to which half of every band and more is wet, by day (T,), m; NaN if the lowest is not.

    Examples
    --------
    >>> bands = bands_of(np.array([2950.0, 3010.0, 3090.0]))
    >>> melt_line(np.array([[1.0, 0.5], [0.9, 0.1], [0.0, 1.0]]), bands).tolist()
    [3100.0, 3000.0, nan]
    """
    rising = np.logical_and.accumulate(shares >= HALF, axis=1).sum(axis=1)
    width = np.diff(bands.lower).min() if bands.lower.size > 1 else BAND
    upper = bands.lower + width
    return np.where(rising > 0, upper[np.maximum(rising - 1, 0)], np.nan).astype(np.float32)


def lasting(wet: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which days with water lie in a week that has five such days: not those of a warm spell in winter.

    Examples
    --------
    >>> lasting(np.array([1, 0, 0, 0, 1, 1, 0, 1, 1, 1, 0], bool)).astype(int).tolist()
    [0, 0, 0, 0, 1, 1, 0, 1, 1, 1, 0]
    """
    week = min(7, wet.size)
    weeks = np.lib.stride_tricks.sliding_window_view(wet, week)
    found = np.zeros_like(wet)
    for first in np.flatnonzero(weeks.sum(axis=1) >= FIVE_OF_SEVEN * week):
        found[first : first + week] = True
    return found & wet


def season_row(
    time: Days,
    wet: NDArray[np.bool_],
    melt: Floats,
    runoff: Floats,
    elevation: Floats,
    cell_area: float,
    observed_line: Floats | None = None,
) -> dict[str, float | str]:
    """Sum up one season of a glacier's cells.

    Parameters
    ----------
    time : array (T,)
    wet : bool array (T, P)
        where there is water
    melt, runoff : arrays (T, P)
        of each day, m w.e.
    elevation : array (P,)
        m
    cell_area : float
        m2
    observed_line : array (T,), optional
        height up to which water was observed, m; NaN where unknown

    Returns
    -------
    dict
        ``onset`` and ``end`` (first and last day of weeks in which a tenth of the cells is wet on five days and more;
        empty if there is none),
        ``days`` with water (mean over cells), ``largest_area`` (km2), ``melt_line`` (highest, m), ``melt_volume`` and
        ``runoff_volume`` (m3 w.e.), ``melt_below_line`` (share of the melt below the observed line, on days with one)
    """
    bands = bands_of(elevation)
    share = wet.mean(axis=1)
    days = time[lasting(share >= TENTH)]
    lines = melt_line(share_by_band(wet, bands), bands)
    row: dict[str, float | str] = {
        "onset": str(days[0]) if days.size else "",
        "end": str(days[-1]) if days.size else "",
        "days": float(wet.sum(axis=0).mean()),
        "largest_area": float(share.max() * wet.shape[1] * cell_area * 1e-6),
        "melt_line": float(np.nanmax(lines)) if np.isfinite(lines).any() else float("nan"),
        "melt_volume": float(melt.sum(dtype=np.float64) * cell_area),
        "runoff_volume": float(runoff.sum(dtype=np.float64) * cell_area),
        "melt_below_line": float("nan"),
    }
    if observed_line is not None and np.isfinite(observed_line).any():
        known = np.isfinite(observed_line)
        below = elevation[None] <= observed_line[known][:, None]
        total = melt[known].sum(dtype=np.float64)
        row["melt_below_line"] = float((melt[known] * below).sum(dtype=np.float64) / total) if total > 0 else np.nan
    return row


class Comparison(NamedTuple):
    """Modelled against observed water.

    Attributes
    ----------
    by_height : DataFrame
        by lower end of the band (m): cell-days with ``hits``, ``misses``, ``false_alarms``, ``dry``, the ``hit_rate``
        (share of observed water that is modelled) and ``false_alarm_ratio`` (share of modelled water not observed);
        NaN where nothing is wet
    by_day : DataFrame
        by day: cells ``observed``, and wet shares of these, ``observed_wet`` and ``modelled_wet``
    lag : dict
        ``onset`` and ``end``: modelled minus observed date over cells that melt in both, mean (``_bias``) and mean
        absolute (``_mae``), days; observed days only
    """

    by_height: pd.DataFrame
    by_day: pd.DataFrame
    lag: dict[str, float]


def compare(time: Days, modelled: NDArray[np.bool_], observed: Floats, elevation: Floats) -> Comparison:
    """Compare modelled water (T, P) with observed melt fractions (T, P), NaN where nothing was observed.

    Raises
    ------
    ValueError
        if nothing was observed
    """
    seen = np.isfinite(observed)
    if not seen.any():
        raise ValueError("nothing was observed on the glacier's cells on any of the days")
    was_wet, bands = np.where(seen, observed > WET, False), bands_of(elevation)
    kinds = {
        "hits": modelled & was_wet,
        "misses": ~modelled & was_wet,
        "false_alarms": modelled & ~was_wet & seen,
        "dry": ~modelled & ~was_wet & seen,
    }
    by_cell = {name: kind.sum(axis=0) for name, kind in kinds.items()}
    by_height = pd.DataFrame({name: np.bincount(bands.of_cell, cells) for name, cells in by_cell.items()}).astype(int)
    by_height.index = pd.Index(bands.lower, name="height")
    with np.errstate(invalid="ignore"):
        by_height["hit_rate"] = by_height.hits / (by_height.hits + by_height.misses)
        by_height["false_alarm_ratio"] = by_height.false_alarms / (by_height.hits + by_height.false_alarms)
    days = seen.any(axis=1)
    count = seen[days].sum(axis=1)
    by_day = pd.DataFrame(
        {
            "observed": count,
            "observed_wet": was_wet[days].sum(axis=1) / count,
            "modelled_wet": (modelled & seen)[days].sum(axis=1) / count,
        },
        index=pd.Index(time[days], name="time"),
    )
    dates = (melt_dates(time[days], wet[days]) for wet in (modelled & seen, was_wet))
    return Comparison(by_height, by_day, date_errors(*dates))
