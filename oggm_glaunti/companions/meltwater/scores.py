"""Scores of melt maps: those published, and those that rare melt does not flatter.

Melt that fills 3 % of the cell-days lets "nothing melts" be right on 97 % of them: judge by Brier score, F1, extent and
dates.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from oggm_glaunti.companions.meltwater.stack import Days, Floats

PUBLISHED_WET, WET = 0.1, 0.5
GAPS = (1, 2, 4, 7)
"""Lower ends of the bins of days to the nearest scene: 1, 2-3, 4-6, more."""
_SSIM_SIGMA, _C1, _C2 = 10.0, 0.01**2, 0.03**2
FEWEST_IN_BIN = 200


class Pooled(NamedTuple):
    """Scores over all observed cells together.

    Attributes
    ----------
    brier : float
        mean square of probability minus melt fraction
    skill : float
        1 - Brier / that of the reference (climatology); NaN without a reference, or if that makes no error
    f1, iou : float
        of maps wet above 0.5; 1 if nothing is wet in either, since nothing is missed then
    wet_share : float
        observed share of wet cells
    cells : int
    """

    brier: float
    skill: float
    f1: float
    iou: float
    wet_share: float
    cells: int


def pooled(predicted: Floats, target: Floats, reference: Floats | None = None, wet: Floats | None = None) -> Pooled:
    """Score a prediction where the target is not NaN.

    Parameters
    ----------
    predicted, target : arrays of one shape
        probability or fraction, and observed fraction
    reference : array, optional
        prediction of climatology
    wet : array, optional
        map of 0 and 1 for F1 and IoU, in place of the prediction above 0.5: of rules that give no probability

    Examples
    --------
    >>> found = pooled(np.array([0.9, 0.2, 0.2]), np.array([1.0, 0.0, np.nan]))
    >>> round(found.brier, 3), found.f1
    (0.025, 1.0)
    """
    seen = np.isfinite(target)
    p, y = predicted[seen].astype(np.float64), target[seen].astype(np.float64)
    if not y.size:
        raise ValueError("nothing to score: the target has no observed cell")
    if not np.isfinite(p).all():
        raise ValueError(f"prediction: {np.isnan(p).sum()} of {p.size} observed cells have none")
    brier = float(np.mean((p - y) ** 2))
    of_reference = np.nan if reference is None else float(np.mean((reference[seen] - y) ** 2))
    skill = 1.0 - brier / of_reference if of_reference > 0 else np.nan
    is_wet, was_wet = (p > WET) if wet is None else wet[seen] > WET, y > WET
    both, either = int((is_wet & was_wet).sum()), int((is_wet | was_wet).sum())
    f1 = 2.0 * both / (both + either) if either else 1.0
    return Pooled(brier, skill, f1, both / either if either else 1.0, float(was_wet.mean()), int(y.size))


def f1_of(wet: NDArray[np.bool_], observed: NDArray[np.bool_]) -> float:
    """F1 of two maps or series of true and false; 1 if neither has any true."""
    total = int(wet.sum()) + int(observed.sum())
    return 2.0 * int((wet & observed).sum()) / total if total else 1.0


def by_gap(predicted: Floats, target: Floats, gap: Floats, reference: Floats | None = None) -> pd.DataFrame:
    """Score by days to the nearest scene, by cell: a row for each bin of :data:`GAPS` that has cells."""
    names = [f"{low}" if low + 1 == high else f"{low}-{high - 1}" for low, high in itertools.pairwise(GAPS)]
    return _by(np.digitize(gap, GAPS) - 1, [*names, f"{GAPS[-1]}+"], "gap_days", predicted, target, reference)


def by_season(predicted: Floats, target: Floats, season: NDArray[np.int_], reference: Floats | None = None):
    """Score by season; `season` is that of each scene (N,)."""
    years = np.unique(season)
    place = np.broadcast_to(np.searchsorted(years, season)[:, None, None], target.shape)
    return _by(place, [str(year) for year in years], "season", predicted, target, reference)


def _by(place, names: Sequence[str], what: str, predicted, target, reference) -> pd.DataFrame:
    rows = {}
    for k, name in enumerate(names):
        here = place == k
        if (here & np.isfinite(target)).any():
            rows[name] = pooled(predicted[here], target[here], None if reference is None else reference[here])
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(Pooled._fields)).rename_axis(what)


def reliability(predicted: Floats, target: Floats, bins: int = 10) -> pd.DataFrame:
    """Compare predicted probabilities with observed melt, in equal bins of probability.

    Returns
    -------
    DataFrame
        ``predicted`` and ``observed`` means and the number of ``cells``, a row for each bin that has cells

    Examples
    --------
    >>> reliability(np.array([0.05, 0.95]), np.array([0.0, 1.0]), 2).observed.tolist()
    [0.0, 1.0]
    """
    seen = np.isfinite(target)
    table = pd.DataFrame({"predicted": predicted[seen], "observed": target[seen]}, dtype=np.float64)
    place = np.minimum((table.predicted * bins).astype(int), bins - 1)
    means = table.groupby(place).mean()
    return means.assign(cells=table.groupby(place).size()).rename_axis("bin")


class Published(NamedTuple):
    """Scores of the published benchmark: means over scenes, with their standard deviations.

    Attributes
    ----------
    mean, sd : dict of str to float
        ``mae``, ``mse``, ``r2`` (not below -1), ``accuracy``, ``precision``, ``recall`` (of maps above 0.1), ``ssim``
    precision_by_convention, recall_by_convention : int
        scenes in which it is 1 since nothing was predicted (or observed) wet
    scenes : int
    """

    mean: dict[str, float]
    sd: dict[str, float]
    precision_by_convention: int
    recall_by_convention: int
    scenes: int


def published(predicted: Floats, target: Floats) -> Published:
    """Compute the scores of the published benchmark over scenes (N, H, W).

    Examples
    --------
    >>> dry = published(np.zeros((1, 4, 4)), np.zeros((1, 4, 4)))
    >>> dry.mean["accuracy"], dry.precision_by_convention
    (1.0, 1)
    """
    rows, conventions = [], np.zeros(2, int)
    for p, y in zip(predicted, target, strict=True):
        seen = np.isfinite(y)
        if not seen.any():
            raise ValueError("a scene without any observed cell cannot be scored; take it out of the split")
        error, spread = p[seen] - y[seen], float(np.var(y[seen]))
        mse = float(np.mean(error**2))
        is_wet, was_wet = p[seen] > PUBLISHED_WET, y[seen] > PUBLISHED_WET
        both, n_predicted, n_observed = (int(x.sum()) for x in (is_wet & was_wet, is_wet, was_wet))
        conventions += (n_predicted == 0, n_observed == 0)
        # A scene of one value has no variance to explain.
        r2 = max(-1.0, 1.0 - mse / spread) if spread > 0 else (1.0 if mse == 0 else -1.0)
        row = {
            "mae": float(np.mean(np.abs(error))),
            "mse": mse,
            "r2": r2,
            "accuracy": float(np.mean(is_wet == was_wet)),
        }
        row["precision"] = both / n_predicted if n_predicted else 1.0
        row["recall"] = both / n_observed if n_observed else 1.0
        rows.append(row | {"ssim": masked_ssim(p, y)})
    table = pd.DataFrame(rows)
    dry_precision, dry_recall = map(int, conventions)
    return Published(table.mean().to_dict(), table.std(ddof=0).to_dict(), dry_precision, dry_recall, len(rows))


def masked_ssim(predicted: Floats, target: Floats) -> float:
    """Structural similarity of two maps where the target is not NaN, with Gaussian windows (sigma 10 cells)."""
    seen = np.isfinite(target)
    weight = gaussian_filter(seen.astype(np.float64), _SSIM_SIGMA, mode="constant")

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = np.where(seen, values, 0.0)
        return gaussian_filter(inside, _SSIM_SIGMA, mode="constant")[seen] / weight[seen]

    p, y = np.where(seen, predicted, 0.0).astype(np.float64), np.where(seen, target, 0.0).astype(np.float64)
    mean_p, mean_y = mean(p), mean(y)
    var_p, var_y, both = mean(p * p) - mean_p**2, mean(y * y) - mean_y**2, mean(p * y) - mean_p * mean_y
    luminance = (2 * mean_p * mean_y + _C1) / (mean_p**2 + mean_y**2 + _C1)
    return float(np.mean(luminance * (2 * both + _C2) / (var_p + var_y + _C2)))


class Dates(NamedTuple):
    """First and last wet day and number of wet days of each cell, (H, W); NaT and 0 for cells that never are wet."""

    onset: Days
    end: Days
    days: NDArray[np.int_]


def melt_dates(time: Days, wet: NDArray[np.bool_]) -> Dates:
    """Return onset, end and duration of melt from daily maps (T, H, W) of one season.

    Examples
    --------
    >>> days = np.datetime64("2020-06-01") + np.arange(4)
    >>> found = melt_dates(days, np.array([False, True, False, True]).reshape(4, 1, 1))
    >>> str(found.onset[0, 0]), str(found.end[0, 0]), int(found.days[0, 0])
    ('2020-06-02', '2020-06-04', 2)
    """
    ever = wet.any(axis=0)
    never = np.datetime64("NaT", "D")
    onset = np.where(ever, time[wet.argmax(axis=0)], never)
    end = np.where(ever, time[len(time) - 1 - wet[::-1].argmax(axis=0)], never)
    return Dates(onset, end, wet.sum(axis=0))


def date_errors(predicted: Dates, observed: Dates) -> dict[str, float]:
    """Mean and mean absolute errors of onset and end, days, over cells that melt in both; NaN if there are none."""
    found: dict[str, float] = {}
    for name in ("onset", "end"):
        error = (getattr(predicted, name) - getattr(observed, name)).astype("timedelta64[D]")
        days = error[~np.isnat(error)].astype(float)
        found |= {f"{name}_bias": days.mean() if days.size else np.nan}
        found |= {f"{name}_mae": np.abs(days).mean() if days.size else np.nan}
    return found


def extent_errors(predicted: Floats, target: Floats, cell_area: float) -> dict[str, float]:
    """Errors of the melt area of each day, km2: mean (bias), mean absolute; and observed mean.

    Areas are sums of probabilities (and of observed fractions) over the cells observed that day, (N, H, W).
    """
    seen = np.isfinite(target)
    areas = [np.where(seen, x, 0.0).sum(axis=(1, 2), dtype=np.float64) * cell_area for x in (predicted, target)]
    error = areas[0] - areas[1]
    return {"bias": error.mean(), "mae": np.abs(error).mean(), "observed": areas[1].mean()}
