"""Scenes of melt on one grid, with daily and constant layers: what all other modules take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating[Any]]
Days = NDArray[np.datetime64]
Index = NDArray[np.intp]

DAYS_OF_YEAR = 365


class SceneStack(NamedTuple):
    """Days of some seasons on one grid.

    Attributes
    ----------
    time : datetime64[D] array (T,)
        rising; days without a scene count as well
    target : float32 array (T, H, W)
        melt fraction 0 to 1; NaN where nothing was observed
    layers : dict of float32 arrays (T, H, W)
        daily predictors, NaN where missing
    static : dict of float32 arrays (H, W)
        predictors that do not change, e.g. elevation
    valid : bool array (H, W)
        cells that are predicted and scored: land, ice
    first_month : int
        month in which a season begins: 1 in the north, 7 in the south
    """

    time: Days
    target: Floats
    layers: dict[str, Floats]
    static: dict[str, Floats]
    valid: NDArray[np.bool_]
    first_month: int = 1

    @property
    def scenes(self) -> Index:
        """Indices of the days on which some valid cell was observed."""
        return np.flatnonzero((np.isfinite(self.target) & self.valid).any(axis=(1, 2)))

    @property
    def seasons(self) -> NDArray[np.int_]:
        """Year in which the season of each day begins (T,)."""
        return season_of(self.time, self.first_month)

    def with_target(self, target: Floats) -> SceneStack:
        """Return the same with other scenes."""
        return self._replace(target=target)


def season_of(time: Days, first_month: int) -> NDArray[np.int_]:
    """Return the year in which each day's season begins.

    Examples
    --------
    >>> season_of(np.array(["2019-12-31", "2020-01-01"], "datetime64[D]"), 7).tolist()
    [2019, 2019]
    """
    months = np.asarray(time, "datetime64[M]").astype(int) - (first_month - 1)
    return months // 12 + 1970


def day_of_year(time: Days) -> NDArray[np.int_]:
    """Return the day of the year, 0 to 364, the same in leap years; 29 February counts as 28 February.

    Examples
    --------
    >>> day_of_year(np.array(["2020-02-29", "2020-03-01", "2021-03-01"], "datetime64[D]")).tolist()
    [58, 59, 59]
    """
    days = np.asarray(time, "datetime64[D]")
    years = days.astype("datetime64[Y]")
    count = (days - years.astype("datetime64[D]")).astype(int)
    is_leap = (years + 1).astype("datetime64[D]") - years.astype("datetime64[D]") == np.timedelta64(366, "D")
    return count - (is_leap & (count >= 59))


def days_apart(one: NDArray[np.int_], other: int) -> NDArray[np.int_]:
    """Return the distance between days of the year, over the new year where that is shorter."""
    apart = np.abs(one - other)
    return np.minimum(apart, DAYS_OF_YEAR - apart)


def checked_days(label: str, time: ArrayLike) -> Days:
    """Return dates as days.

    Raises
    ------
    ValueError
        if they are no dates, have a time zone, are not rising, or one is there twice
    """
    zone = getattr(getattr(time, "dt", time), "tz", None)
    values = np.asarray(time)
    if values.dtype == object and values.size:
        zone = zone or getattr(values.flat[0], "tzinfo", None)
    if zone is not None:
        raise ValueError(
            f"{label}: time: expected dates without a time zone, found {zone}; convert to local solar days"
        )
    try:
        days = values.astype("datetime64[D]")
    except (TypeError, ValueError) as err:
        raise ValueError(f"{label}: time: expected dates, found {values.dtype}") from err
    if np.isnat(days).any():
        raise ValueError(f"{label}: time: {np.isnat(days).sum()} of {days.size} are no date")
    step = np.diff(days).astype(int)
    if (step <= 0).any():
        k = int(np.flatnonzero(step <= 0)[0])
        what = "is there twice" if step[k] == 0 else f"follows {days[k]}"
        raise ValueError(f"{label}: time: expected rising days, each once, but {days[k + 1]} {what}")
    return days


def checked_stack(
    time: ArrayLike,
    target: ArrayLike,
    layers: Mapping[str, ArrayLike] | None = None,
    static: Mapping[str, ArrayLike] | None = None,
    valid: ArrayLike | None = None,
    first_month: int = 1,
    label: str = "scenes",
) -> SceneStack:
    """Return scenes and predictors, checked.

    Parameters
    ----------
    time, target, layers, static, valid, first_month
        see :class:`SceneStack`; every cell is valid by default
    label : str
        begins messages

    Raises
    ------
    ValueError
        if shapes differ, fractions lie outside 0 to 1, days are not rising, or no cell was observed on any day

    Examples
    --------
    >>> stack = checked_stack(["2020-06-01", "2020-06-02"], np.array([[[0.0]], [[np.nan]]]))
    >>> stack.scenes.tolist()
    [0]
    """
    days, fractions = checked_days(label, time), np.asarray(target, np.float32)
    if fractions.ndim != 3 or len(fractions) != days.size:
        raise ValueError(f"{label}: expected a target ({days.size}, H, W), found {fractions.shape}")
    shape = fractions.shape[1:]
    daily = {name: _of_shape(label, name, layer, fractions.shape) for name, layer in (layers or {}).items()}
    constant = {name: _of_shape(label, name, layer, shape) for name, layer in (static or {}).items()}
    cells = np.ones(shape, bool) if valid is None else _of_shape(label, "valid", valid, shape, bool)
    outside = (fractions < 0) | (fractions > 1)
    if outside.any():
        k = np.flatnonzero(outside.any(axis=(1, 2)))
        raise ValueError(
            f"{label}: melt fraction of {days[k[0]]}: expected 0 to 1, found {np.nanmin(fractions[k[0]]):g} to "
            f"{np.nanmax(fractions[k[0]]):g} ({k.size} scenes so); divide percentages by 100, make missing values NaN"
        )
    stack = SceneStack(days, fractions, daily, constant, cells, first_month)
    if not stack.scenes.size:
        raise ValueError(f"{label}: nothing was observed on any valid cell; is the target of another place?")
    return stack


def _of_shape(label: str, name: str, values: ArrayLike, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    array = np.asarray(values, dtype)
    if array.shape != shape:
        raise ValueError(f"{label}: {name}: expected the target's shape {shape}, found {array.shape}")
    return array
