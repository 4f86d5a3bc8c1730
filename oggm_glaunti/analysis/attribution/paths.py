"""Paths for integrated gradients: years cut out of a trajectory and aligned day by day."""

from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from oggm_glaunti.analysis.attribution.integrated_gradients import Path, YearInputs
from oggm_glaunti.analysis.trajectory import Trajectory, annual
from oggm_glaunti.core.on_heights import Tuned, stepper


@eqx.filter_jit
def snow_at(tuned: Tuned, trajectory: Trajectory) -> Float[Array, "time realisation height"]:
    """Return the snow at the beginning of every day of the whole run, m w.e."""
    swe, step = stepper(tuned, trajectory)

    def one_day(swe: Array, day: Any) -> tuple[Array, Array]:
        temp, prcp, index = day
        return jax.vmap(step, (0, (0, 0, None)))(swe, (temp, prcp, index))[0], swe

    days = (trajectory.temp.T, trajectory.prcp.T, trajectory.ds_index)
    return jax.lax.scan(one_day, jnp.broadcast_to(swe, (trajectory.temp.shape[0], *swe.shape)), days)[1]


annual_balance = eqx.filter_jit(annual)


def year_of(tuned: Tuned, trajectory: Trajectory, year: int) -> tuple[Trajectory, Float[Array, "realisation height"]]:
    """Cut one year out of a trajectory, and return it with the snow (R, N), m w.e., it begins with in the whole run.

    Parameters
    ----------
    tuned : Tuned
    trajectory : Trajectory
    year : int
        one of ``trajectory.years``

    Raises
    ------
    ValueError
        for another year
    """
    return _cut_year(trajectory, year), snow_at(tuned, trajectory)[days_of(trajectory, year)[0]]


def days_of(trajectory: Trajectory, year: int) -> np.ndarray:
    """Return the rows of the days of a year, int array.

    Raises
    ------
    ValueError
        if the trajectory does not hold it
    """
    years = np.asarray(trajectory.years)
    if year not in years:
        raise ValueError(f"year {year} is not in the trajectory, which holds {years[0]} to {years[-1]}")
    return np.flatnonzero(np.asarray(trajectory.period) == np.flatnonzero(years == year)[0])


def _cut_year(trajectory: Trajectory, year: int) -> Trajectory:
    rows = days_of(trajectory, year)
    used, slot = np.unique(np.asarray(trajectory.ds_index)[rows], return_inverse=True)
    temp, prcp = (np.asarray(field)[:, rows] for field in (trajectory.temp, trajectory.prcp))
    ds, index = np.asarray(trajectory.ds)[used], slot.astype(np.int32)
    in_year = {"period": np.zeros(rows.size, np.int32), "years": np.array([year], np.int32)}
    return trajectory.replace(temp=temp, prcp=prcp, ds=ds, ds_index=index, **in_year)


def path_of(tuned: Tuned, trajectory: Trajectory, year: int, reference: Sequence[int]) -> Path:
    """Return paths from each of the reference years to a year, all with the snow they begin with in the whole run.

    A reference year is aligned with the year day by day from its first day on: if the year is a day longer (a leap
    year) the reference year's last day is repeated, if it is a day shorter the last day is left out.

    Parameters
    ----------
    tuned : Tuned
    trajectory : Trajectory
        that holds all these years
    year : int
    reference : sequence of int
        years, one baseline each

    Raises
    ------
    ValueError
        for years outside the trajectory, or no reference year
    """
    if len(reference) == 0:
        raise ValueError("reference: expected at least one year, found none")
    here, *others = (_cut_year(trajectory, y) for y in (year, *reference))
    snow = np.asarray(snow_at(tuned, trajectory))
    swe = [snow[days_of(trajectory, y)[0]] for y in (year, *reference)]
    # A calendar year overlaps two sets of corrections, but only one at either end of the record.
    widest = max((here, *others), key=lambda one: one.ds.shape[0])
    shape = here.temp.shape[1], widest.ds.shape[0]
    end, *start = (_inputs(one, at_start, *shape) for one, at_start in zip((here, *others), swe, strict=True))
    slot = widest.ds_index[_laid_on(widest, shape[0])]
    baselines = jax.tree.map(lambda *fields: np.stack(fields), *start)
    return Path(end, baselines, slot, np.asarray(trajectory.area), np.asarray(trajectory.bias))


def _inputs(one: Trajectory, swe: Any, days: int, slots: int) -> YearInputs:
    rows, sets = _laid_on(one, days), np.minimum(np.arange(slots), one.ds.shape[0] - 1)
    return YearInputs(one.temp[:, rows], one.prcp[:, rows], np.asarray(swe), one.ds[sets], np.asarray(one.above_ref))


def _laid_on(one: Trajectory, days: int) -> np.ndarray:
    return np.minimum(np.arange(days), one.temp.shape[1] - 1)


def mean_baseline(path: Path) -> Path:
    """Return the path from one baseline: the mean weather of each day of all baselines (it drizzles every day)."""
    return path._replace(start=jax.tree.map(lambda field: field.mean(axis=0, keepdims=True), path.start))


def to_heights(tuned: Tuned, trajectory: Trajectory, year: int) -> Path:
    """Return the path from a glacier with all of its area at its mean height to the real glacier, in a year's weather.

    The baseline is run through the same years at the mean height, under the corrections there, so that it begins the
    year with the snow it would have. Arguments and errors as for :func:`year_of`.
    """
    end, swe = year_of(tuned, trajectory, year)
    flat, swe_flat = year_of(tuned, at_mean_height(trajectory), year)
    shape = end.temp.shape[1], end.ds.shape[0]
    start = jax.tree.map(lambda field: np.asarray(field)[None], _inputs(flat, swe_flat, *shape))
    area, bias = np.asarray(trajectory.area), np.asarray(trajectory.bias)
    return Path(_inputs(end, swe, *shape), start, end.ds_index, area, bias)


def at_mean_height(trajectory: Trajectory) -> Trajectory:
    """Return the trajectory with all heights at the glacier's mean height, under the corrections there."""
    heights, area = (np.asarray(x, np.float64) for x in (trajectory.above_ref, trajectory.area))
    mean, dtype = float(heights @ area), trajectory.above_ref.dtype
    ds = [np.interp(mean, heights, row) for row in np.asarray(trajectory.ds, np.float64).reshape(-1, heights.size)]
    everywhere = np.reshape(ds, (*trajectory.ds.shape[:2], 1)) * np.ones(heights.size)
    return trajectory.replace(above_ref=np.full(heights.size, mean, dtype), ds=everywhere.astype(dtype))


def stack_paths(paths: Sequence[Path]) -> Path:
    """Stack the paths of several glaciers along a leading axis.

    Smaller glaciers are padded with heights without area, which have no effect.

    Raises
    ------
    ValueError
        if the numbers of days, baselines, realisations or sets of corrections differ
    """
    shapes = [(*path.start.temp.shape, path.end.ds.shape[0]) for path in paths]
    if len(set(shapes)) > 1:
        raise ValueError(
            "paths of one batch have the same number of baselines, realisations, days and sets of corrections; found "
            f"{shapes}"
        )
    most = max(path.area.shape[0] for path in paths)
    return jax.tree.map(lambda *fields: np.stack(fields), *(_widened(path, most) for path in paths))


def _widened(path: Path, heights: int) -> Path:
    def wider(field: Any, mode: Literal["edge", "constant"]) -> np.ndarray:
        after = heights - field.shape[-1]
        return np.pad(np.asarray(field), [(0, 0)] * (field.ndim - 1) + [(0, after)], mode=mode)

    def side(inputs: YearInputs) -> YearInputs:
        return inputs._replace(**{name: wider(getattr(inputs, name), "edge") for name in ("swe", "ds", "above_ref")})

    return path._replace(end=side(path.end), start=side(path.start), area=wider(path.area, "constant"))
