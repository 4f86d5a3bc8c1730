"""Inverse forcing of glacier directories: what weather would have given a balance, and how sensitive it is."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from oggm_glaunti import settings
from oggm_glaunti.analysis.glaciers import GlacierRun, glacier_run
from oggm_glaunti.analysis.inverse.inversion import UNITS, Inversion, invert_series, invert_shift, require_reached
from oggm_glaunti.analysis.inverse.targets import target_of
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError, entity_task, global_task

if TYPE_CHECKING:
    from oggm import GlacierDirectory


settings.register()
log = logging.getLogger(__name__)

RESOLUTIONS = ("scalar", "monthly", "daily")
# Winter and summer of mass balances as the WGMS has them; six months later in the south.
SUMMER = {"nh": (5, 6, 7, 8, 9), "sh": (11, 12, 1, 2, 3)}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Of the region's glaciers that are solved together.
BATCH = 256
COLUMN_UNITS = {
    "dT": "K",
    "dP": UNITS["dP"],
    "dT_sd": "K",
    "dP_sd": UNITS["dP"],
    "target": "m w.e.",
    "balance_before": "m w.e.",
    "balance_after": "m w.e.",
    "slope_dT": "m w.e. K-1",
    "slope_dP": "m w.e.",
}
COLUMNS = [*COLUMN_UNITS, "iterations", "problem"]


@entity_task(log)
def invert_forcing(
    gdir: GlacierDirectory,
    *,
    target: Any = 0.0,
    years: Sequence[int] | None = None,
    control: str = "dT",
    resolution: str = "scalar",
    prior: Any = None,
    correlation: float = 0.0,
    sigma: Any = None,
    year_type: str | None = None,
    period: str | None = None,
    geodetic_file: str | Path | None = None,
    **kwargs: Any,
) -> Inversion:
    """Find the change of temperature or precipitation under which the glacier has a given balance.

    Parameters
    ----------
    gdir : GlacierDirectory
        with daily climate and ``glaunti_features`` (or, for model A, at least inversion flowlines)
    target : float, Series or 'geodetic'
        mean annual balance of the years, m w.e.; annual balances by year, m w.e.; or the rate of the glacier's row in
        OGGM's geodetic table, in the calendar years of the survey
    years : (first, last), optional
        both included; by default all of the record, of the series, or of the survey
    control : {'dT', 'dP', 'both'}
        what changes: temperature (K), precipitation (logarithm of a factor), or both
    resolution : {'scalar', 'monthly', 'daily'}
        one number for all days (and for the years of snow before the first), or a value for each month or day of
        the years
    prior : float or (float, float), optional
        standard deviation of the change: K, 1, or the pair. Without one a single shift that meets a single target is
        found; ``both`` and series have more unknowns than targets and need it
    correlation : float
        days after which 1/e of a deviation is left, for series; 0 for independent values
    sigma : float or Series, optional
        standard deviation of the target, m w.e.; by default that of the survey, or 0.34 m of a glacier-wide
        balance of one year
    year_type : {'hydrological', 'calendar'}, optional
        see :func:`~oggm_glaunti.analysis.glaciers.glacier_run`; by default hydrological, and calendar for a survey
    period, geodetic_file
        of the survey: see :func:`~oggm_glaunti.fit.readers.read_geodetic`
    **kwargs
        of :class:`~oggm_glaunti.GlaUnTIMassBalance`: `model`, `filename`, `input_filesuffix` and so on

    Returns
    -------
    Inversion

    Raises
    ------
    InvalidParamsError
        for impossible arguments or years that the record does not hold
    InvalidWorkflowError
        where an input is missing
    MassBalanceCalibrationError
        where no change reaches the target, or the search does not converge

    Examples
    --------
    >>> found = invert_forcing(gdir, target=0.0, years=(2010, 2019), model="A")  # doctest: +SKIP
    >>> found.change.loc["dT", ["value", "units"]].tolist()  # doctest: +SKIP
    [-1.377, 'K']
    """
    if resolution not in RESOLUTIONS:
        raise InvalidParamsError(f"{gdir.rgi_id}: resolution: expected one of {RESOLUTIONS}, found {resolution!r}")
    wanted = target_of(gdir, target, years, sigma, year_type, period, geodetic_file)
    run = glacier_run(gdir, wanted.years, wanted.year_type, **kwargs)
    try:
        if resolution == "scalar":
            return invert_shift(run, wanted, control, prior)
        return invert_series(run, wanted, control, resolution, prior, correlation)
    except ValueError as err:
        raise InvalidParamsError(f"{gdir.rgi_id}: {err}") from err


@entity_task(log)
def equilibrium_temperature(
    gdir: GlacierDirectory, *, years: Sequence[int] | None = None, year_type: str = "hydrological", **kwargs: Any
) -> pd.Series:
    """How much cooler, or warmer, the years would have to be for the glacier to keep its mass.

    Its surface is the present one, whatever the years.

    Parameters
    ----------
    gdir : GlacierDirectory
    years : (first, last), optional
        both included; by default all of the record
    year_type : {'hydrological', 'calendar'}
    **kwargs
        of :class:`~oggm_glaunti.GlaUnTIMassBalance`: any climate that it takes, `filename="gcm_data"` for example

    Returns
    -------
    Series
        ``dT`` (K), the shift of all days that makes the mean balance zero; ``dT_per_100mm``, what a target 0.1 m w.e. a
        year higher would add to it (K, negative); ``balance``, the mean balance without a shift (m w.e. a year); and
        the temperature of the air at the glacier's mean height, in the year and in the months of summer, as it was and
        in equilibrium (degC): ``annual``, ``annual_equilibrium``, ``summer``, ``summer_equilibrium``. Units in
        ``attrs["units"]``.

    Raises
    ------
    InvalidParamsError, InvalidWorkflowError, MassBalanceCalibrationError
        as :func:`invert_forcing`
    """
    from oggm_glaunti.analysis.inverse.shifts import solve_shift

    wanted = target_of(gdir, 0.0, years, None, year_type)
    run = glacier_run(gdir, wanted.years, year_type, **kwargs)
    weights = wanted.weights(run.years)
    found = solve_shift(run.tuned, run.trajectory, wanted.value, weights, wanted.sigmas(run.years))
    require_reached(gdir.rgi_id, found.outcome, "dT", found.shift, float(found.balance[0]), wanted)
    shift = float(found.shift[0])
    air = _mean_temp(run)
    numbers = {"dT": shift, "dT_per_100mm": 0.1 / float(found.slope[0, 0])}
    numbers["balance"] = float(found.annual_before.mean())
    for season, temp in air.items():
        numbers |= {season: temp, f"{season}_equilibrium": temp + shift}
    result = pd.Series(numbers, name=gdir.rgi_id)
    result.attrs["units"] = dict.fromkeys(numbers, "degC") | {
        "dT": "K",
        "dT_per_100mm": "K",
        "balance": "m w.e. a year",
    }
    return result


def _mean_temp(run: GlacierRun) -> dict[str, float]:
    """Temperature at the mean height in the years and in their summers, as the model takes it, degC."""
    t, counted = run.trajectory, np.asarray(run.trajectory.period) >= 0
    height = float(t.area @ t.above_ref)
    temp = t.temp.mean(axis=0) + float(run.tuned.temp_bias) + float(run.tuned.temp_gradient) * height
    summer = counted & np.isin(_month(run) + 1, SUMMER[run.gdir.hemisphere])
    return {"annual": float(temp[counted].mean()), "summer": float(temp[summer].mean())}


def _month(run: GlacierRun) -> np.ndarray:
    """Calendar month of each day, 0 to 11."""
    return (run.days.astype("M8[M]").astype(int) % 12).astype(np.int32)


@entity_task(log)
def climate_sensitivity(
    gdir: GlacierDirectory, *, years: Sequence[int] | None = None, year_type: str = "hydrological", **kwargs: Any
) -> pd.DataFrame:
    """How the mean balance answers to warming and to more precipitation, in which months and seasons.

    Parameters
    ----------
    gdir : GlacierDirectory
    years : (first, last), optional
        both included; by default all of the record
    year_type : {'hydrological', 'calendar'}
    **kwargs
        of :class:`~oggm_glaunti.GlaUnTIMassBalance`

    Returns
    -------
    DataFrame
        a row for a shift of the weather in each calendar month, then ``winter``, ``summer`` (May to September in the
        north, November to March in the south) and ``annual``, all days; columns: ``temp``, m w.e. a year per K;
        ``log_prcp``, per unit of the logarithm of precipitation; ``prcp_10pct``, for 10 % more. Exact derivatives
        at the weather as it was, with the present surface; months add up to seasons, seasons to the year.

    Raises
    ------
    InvalidParamsError, InvalidWorkflowError
        as :func:`~oggm_glaunti.analysis.glaciers.glacier_run`
    """
    from oggm_glaunti.analysis.inverse.shifts import sensitivity

    run = glacier_run(gdir, years, year_type, **kwargs)
    found = sensitivity(run.tuned, run.trajectory, _month(run), slots=12)
    by_month = {name: np.asarray(values, np.float64).mean(axis=0) for name, values in found._asdict().items()}
    table = pd.DataFrame({**by_month, "prcp_10pct": math.log(1.1) * by_month["log_prcp"]}, index=list(MONTHS))
    summer = table.index.isin([MONTHS[month - 1] for month in SUMMER[gdir.hemisphere]])
    seasons = {"winter": table[~summer].sum(), "summer": table[summer].sum(), "annual": table.sum()}
    table = pd.concat([table, pd.DataFrame(seasons).T])
    table.attrs["units"] = {"temp": "m w.e. K-1", "log_prcp": "m w.e.", "prcp_10pct": "m w.e."}
    return table.rename_axis("part")


@global_task(log)
def invert_forcing_region(
    gdirs: Sequence[GlacierDirectory],
    *,
    target: Any = 0.0,
    years: Sequence[int] | None = None,
    control: str = "dT",
    prior: Any = None,
    sigma: float | None = None,
    year_type: str | None = None,
    period: str | None = None,
    geodetic_file: str | Path | None = None,
    **kwargs: Any,
) -> pd.DataFrame:
    """Find the shift of the forcing of every glacier of a region, all at once.

    Parameters
    ----------
    gdirs : list of GlacierDirectory
    target : float, mapping, Series or 'geodetic'
        mean annual balance, m w.e.: the same for all, by RGI id, or that of OGGM's geodetic table; or balances by year
    years, control, prior, sigma, year_type, period, geodetic_file, **kwargs
        see :func:`invert_forcing`

    Returns
    -------
    DataFrame
        by RGI id: ``dT`` (K) and ``dP`` (logarithm of a factor), 0 where held, with ``_sd``; ``target``,
        ``balance_before`` and ``balance_after``, means of the years, m w.e.; their derivatives ``slope_dT`` (m w.e.
        K-1) and ``slope_dP`` (m w.e.); ``iterations``; and ``problem``, in words, where there is one. Numbers of such
        a glacier are missing; the others are not affected.

    Raises
    ------
    InvalidParamsError
        for an impossible control, prior or sigma
    """
    runs, problems = {}, {}
    named = isinstance(target, pd.Series) and not pd.api.types.is_integer_dtype(target.index)
    by_glacier = isinstance(target, Mapping) or named
    for gdir in gdirs:
        of_one = target.get(gdir.rgi_id) if by_glacier else target
        try:
            if of_one is None:
                raise InvalidParamsError(f"{gdir.rgi_id}: no target among the {len(target)} given")
            wanted = target_of(gdir, of_one, years, sigma, year_type, period, geodetic_file)
            runs[gdir.rgi_id] = glacier_run(gdir, wanted.years, wanted.year_type, **kwargs), wanted
        except Exception as err:
            # Whatever is wrong with one glacier, the others go on.
            log.warning("(%s) left out: %s", gdir.rgi_id, err)
            problems[gdir.rgi_id] = f"{type(err).__name__}: {err}"
    rows = {rgi_id: {"problem": problem} for rgi_id, problem in problems.items()}
    for ids in _alike(runs):
        rows |= _solved_together({rgi_id: runs[rgi_id] for rgi_id in ids}, control, prior)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS).reindex([gdir.rgi_id for gdir in gdirs])
    table.attrs["units"] = COLUMN_UNITS
    return table.rename_axis("rgi_id")


def _alike(runs: Mapping[str, tuple]) -> Iterator[list[str]]:
    """Glaciers that can be solved together: the same numbers of years, realisations and targets."""
    groups: dict[tuple, list[str]] = {}
    for rgi_id, (run, wanted) in runs.items():
        kind = run.years.size, run.trajectory.temp.shape[0], wanted.value.size, run.tuned.ti.day
        groups.setdefault(kind, []).append(rgi_id)
    for ids in groups.values():
        yield from (ids[i : i + BATCH] for i in range(0, len(ids), BATCH))


def _solved_together(runs: Mapping[str, tuple], control: str, prior: Any) -> dict[str, dict[str, Any]]:
    import jax

    from oggm_glaunti.analysis.inverse.shifts import Outcome, solve_shifts
    from oggm_glaunti.analysis.trajectory import stack_trajectories

    both = list(runs.values())
    batch = stack_trajectories([run.trajectory for run, _ in both])
    tuned = jax.tree.map(
        lambda *of_all: np.stack([np.asarray(a, batch.temp.dtype) for a in of_all]), *(r.tuned for r, _ in both)
    )
    weights, sigma = (np.stack([getattr(w, name)(run.years) for run, w in both]) for name in ("weights", "sigmas"))
    target = np.stack([wanted.value for _, wanted in both])
    try:
        found = solve_shifts(tuned, batch, target, weights, sigma, control, prior)
    except ValueError as err:
        raise InvalidParamsError(str(err)) from err
    sd, mean = np.sqrt(np.diagonal(found.cov, axis1=1, axis2=2)), weights.mean(axis=1)
    rows = {}
    for i, rgi_id in enumerate(runs):
        slope = mean[i] @ found.annual_slope[i]
        numbers = (
            *found.shift[i],
            *sd[i],
            target[i].mean(),
            mean[i] @ found.annual_before[i],
            mean[i] @ found.annual[i],
        )
        reached = found.outcome[i] is Outcome.CONVERGED
        rows[rgi_id] = (
            dict(zip(COLUMNS, (*numbers, *slope, int(found.iterations[i]), ""), strict=True))
            if reached
            else {"problem": found.outcome[i].value}
        )
    return rows
