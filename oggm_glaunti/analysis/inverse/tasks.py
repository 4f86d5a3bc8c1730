"""Tasks of inverse forcing: the weather that would have given a balance, and the sensitivity of the balance."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from oggm_glaunti import settings
from oggm_glaunti.analysis.glaciers import GlacierRun, MbKwargs, Years, errors_name, glacier_run
from oggm_glaunti.analysis.inverse import inversion
from oggm_glaunti.analysis.inverse.inversion import CHANGE_UNITS, SLOPE_UNITS, Inversion
from oggm_glaunti.analysis.inverse.targets import Target, target_of
from oggm_glaunti.coupling.model.choice import checked_mb_kwargs
from oggm_glaunti.coupling.oggm.balance_year import WINTER_MONTHS, months_of_year
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, entity_task, global_task

settings.register()
log = logging.getLogger(__name__)

RESOLUTIONS = ("scalar", "monthly", "daily")
MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Of the region's glaciers that are solved together.
BATCH = 256
COLUMN_UNITS = CHANGE_UNITS | {f"{name}_sd": units for name, units in CHANGE_UNITS.items()}
COLUMN_UNITS |= dict.fromkeys(("target", "balance_before", "balance_after"), "m w.e.")
COLUMN_UNITS |= {f"slope_{name}": units for name, units in SLOPE_UNITS.items()}
REGION_COLUMNS = [*COLUMN_UNITS, "iterations", "problem"]


@entity_task(log)
def invert_forcing(
    gdir: GlacierDirectory,
    *,
    target: Any = 0.0,
    years: Years = None,
    control: str = "dT",
    resolution: str = "scalar",
    prior: Any = None,
    correlation: float = 0.0,
    sigma: Any = None,
    year_type: str | None = None,
    mb_kwargs: MbKwargs = None,
) -> Inversion:
    """Find the change of temperature or precipitation under which the glacier has a given balance.

    Parameters
    ----------
    gdir : GlacierDirectory
        with daily climate and ``glaunti_features`` (or, for model A, at least inversion flowlines)
    target : float, Series, 'geodetic' or Geodetic
        mean annual balance of the years, m w.e.; annual balances by year, m w.e.; or the rate of the glacier's row in
        OGGM's geodetic table, in the calendar years of the survey
        (:class:`~oggm_glaunti.analysis.inverse.targets.Geodetic` selects a period or a table of your own)
    years : (first, last), optional
        both included; default: all years of the record, of the series, or of the survey
    control : {'dT', 'dP', 'both'}
        what changes: temperature (K), precipitation (logarithm of a factor), or both
    resolution : {'scalar', 'monthly', 'daily'}
        one number for all days (and for the years of snow before the first), or a value for each month or day of
        the years
    prior : float or (float, float), optional
        standard deviation of the change: K, 1, or the pair. Without a prior, the single shift that meets a single
        target is found; ``both`` and series have more unknowns than targets and need a prior
    correlation : float
        days after which 1/e of a deviation is left, for series; 0 for independent values
    sigma : float or Series, optional
        standard deviation of the target, m w.e.; default: that of the survey, or 0.34 m of a glacier-wide balance of
        one year
    year_type : {'hydrological', 'calendar'}, optional
        see :func:`~oggm_glaunti.analysis.glaciers.glacier_run`; default: hydrological, and calendar for a survey
    mb_kwargs : mapping, optional
        arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`: `model`, `filename`, `input_filesuffix` and so on

    Returns
    -------
    Inversion

    Raises
    ------
    InvalidParamsError
        for invalid arguments or years outside the record
    InvalidWorkflowError
        if an input is missing
    MassBalanceCalibrationError
        if no change reaches the target, or the search does not converge

    Examples
    --------
    >>> found = invert_forcing(gdir, target=0.0, years=(2010, 2019), mb_kwargs={"model": "A"})  # doctest: +SKIP
    >>> found.change.loc["dT", ["value", "units"]].tolist()  # doctest: +SKIP
    [-1.377, 'K']
    """
    if resolution not in RESOLUTIONS:
        raise InvalidParamsError(f"{gdir.rgi_id}: resolution: expected one of {RESOLUTIONS}, found {resolution!r}")
    wanted = target_of(gdir, target, years, sigma, year_type)
    run = glacier_run(gdir, wanted.years, wanted.year_type, mb_kwargs, "invert_forcing")
    with errors_name(gdir):
        if resolution == "scalar":
            return inversion.invert_shift(run, wanted, control, prior)
        return inversion.invert_series(run, wanted, control, resolution, prior, correlation)


@entity_task(log)
def equilibrium_temperature(
    gdir: GlacierDirectory, *, years: Years = None, year_type: str = "hydrological", mb_kwargs: MbKwargs = None
) -> pd.Series:
    """Find how much cooler or warmer the years would have to be for a balanced mass budget.

    The glacier's surface is the present one in all years.

    Parameters
    ----------
    gdir : GlacierDirectory
    years : (first, last), optional
        both included; default: all years of the record
    year_type : {'hydrological', 'calendar'}
    mb_kwargs : mapping, optional
        arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`, for example another climate: `filename="gcm_data"`

    Returns
    -------
    Series
        ``dT`` (K), the shift of all days that makes the mean balance zero; ``dT_per_100mm``, the change of it for a
        target that is higher by 0.1 m w.e. a year (K, negative); ``balance``, the mean balance without a shift (m w.e.
        a year); and the air temperature at the glacier's mean height, of the year and of the summer months, as it was
        and in equilibrium (degC): ``annual``, ``annual_equilibrium``, ``summer``, ``summer_equilibrium``. Units in
        ``attrs["units"]``.

    Raises
    ------
    InvalidParamsError, InvalidWorkflowError, MassBalanceCalibrationError
        as :func:`invert_forcing`
    """
    from oggm_glaunti.analysis.inverse.shifts import solve_shift

    wanted = target_of(gdir, 0.0, years, None, year_type)
    run = glacier_run(gdir, wanted.years, year_type, mb_kwargs, "equilibrium_temperature")
    weights = wanted.weights(run.years)
    found = solve_shift(run.tuned, run.trajectory, wanted.value, weights, wanted.sigmas(run.years))
    inversion.require_reached(gdir.rgi_id, found.outcome, "dT", found.shift, float(found.balance[0]), wanted)
    shift = float(found.shift[0])
    numbers = {"dT": shift, "dT_per_100mm": 0.1 / float(found.slope[0, 0]), "balance": found.annual_before.mean()}
    # The model's air temperature at the mean height, of the years and of their summers, degC.
    t, counted = run.trajectory, np.asarray(run.trajectory.period) >= 0
    gradient, height = float(run.tuned.temp_gradient), float(t.area @ t.above_ref)
    of_days = t.temp.mean(axis=0) + float(run.tuned.temp_bias) + gradient * height
    summer = np.isin(_month(run) + 1, months_of_year(gdir.hemisphere)[WINTER_MONTHS:])
    for season, days in (("annual", counted), ("summer", counted & summer)):
        temp = float(of_days[days].mean())
        numbers |= {season: temp, f"{season}_equilibrium": temp + shift}
    result = pd.Series(numbers, name=gdir.rgi_id)
    units = {"dT": "K", "dT_per_100mm": "K", "balance": "m w.e. a year"}
    result.attrs["units"] = dict.fromkeys(numbers, "degC") | units
    return result


def _month(run: GlacierRun) -> np.ndarray:
    """Return the calendar month of each day, 0 to 11."""
    return (run.days.astype("M8[M]").astype(int) % 12).astype(np.int32)


@entity_task(log)
def climate_sensitivity(
    gdir: GlacierDirectory, *, years: Years = None, year_type: str = "hydrological", mb_kwargs: MbKwargs = None
) -> pd.DataFrame:
    """Compute the sensitivity of the mean balance to warming and to more precipitation, by month and season.

    Parameters
    ----------
    gdir, years, year_type, mb_kwargs
        see :func:`equilibrium_temperature`

    Returns
    -------
    DataFrame
        a row for a shift of the weather in each calendar month, then ``winter``, ``summer`` (May to September in the
        north, November to March in the south) and ``annual`` (all days); columns: ``temp``, m w.e. a year per K;
        ``log_prcp``, per unit of the logarithm of precipitation; ``prcp_10pct``, for 10 % more. Exact derivatives
        at the weather as it was, with the present surface; months add up to seasons, seasons to the year.

    Raises
    ------
    InvalidParamsError, InvalidWorkflowError
        as :func:`~oggm_glaunti.analysis.glaciers.glacier_run`
    """
    from oggm_glaunti.analysis.inverse.shifts import sensitivity

    run = glacier_run(gdir, years, year_type, mb_kwargs, "climate_sensitivity")
    found = sensitivity(run.tuned, run.trajectory, _month(run), slots=12)
    by_month = {name: np.asarray(values, np.float64).mean(axis=0) for name, values in found._asdict().items()}
    table = pd.DataFrame({**by_month, "prcp_10pct": math.log(1.1) * by_month["log_prcp"]}, index=list(MONTH_NAMES))
    summer = table.index.isin([MONTH_NAMES[month - 1] for month in months_of_year(gdir.hemisphere)[WINTER_MONTHS:]])
    seasons = {"winter": table[~summer].sum(), "summer": table[summer].sum(), "annual": table.sum()}
    table = pd.concat([table, pd.DataFrame(seasons).T])
    table.attrs["units"] = {"temp": "m w.e. K-1", "log_prcp": "m w.e.", "prcp_10pct": "m w.e."}
    return table.rename_axis("part")


@global_task(log)
def invert_forcing_region(
    gdirs: Sequence[GlacierDirectory],
    *,
    target: Any = 0.0,
    years: Years = None,
    control: str = "dT",
    prior: Any = None,
    sigma: float | None = None,
    year_type: str | None = None,
    mb_kwargs: MbKwargs = None,
) -> pd.DataFrame:
    """Find the shift of the forcing of every glacier of a region at once.

    Parameters
    ----------
    gdirs : list of GlacierDirectory
    target : float, mapping, Series, 'geodetic' or Geodetic
        mean annual balance, m w.e.: the same for all, by RGI id, or that of OGGM's geodetic table; or balances by year
    years, control, prior, sigma, year_type, mb_kwargs
        see :func:`invert_forcing`

    Returns
    -------
    DataFrame
        by RGI id: ``dT`` (K) and ``dP`` (logarithm of a factor), 0 if held, with ``_sd``; ``target``,
        ``balance_before`` and ``balance_after``, means of the years, m w.e.; their derivatives ``slope_dT`` (m w.e.
        K-1) and ``slope_dP`` (m w.e.); ``iterations``; and ``problem``, in words, empty if there is none. The numbers
        of a glacier with a problem are missing; the others are not affected.

    Raises
    ------
    InvalidParamsError
        for an invalid control, prior or sigma
    """
    chosen = checked_mb_kwargs("invert_forcing_region", mb_kwargs)
    runs: dict[str, tuple[GlacierRun, Target]] = {}
    rows: dict[str, dict[str, Any]] = {}
    named = isinstance(target, pd.Series) and not pd.api.types.is_integer_dtype(target.index)
    by_glacier = isinstance(target, Mapping) or named
    for gdir in gdirs:
        of_one = target.get(gdir.rgi_id) if by_glacier else target
        try:
            if of_one is None:
                raise InvalidParamsError(f"{gdir.rgi_id}: no target among the {len(target)} given")
            wanted = target_of(gdir, of_one, years, sigma, year_type)
            runs[gdir.rgi_id] = glacier_run(gdir, wanted.years, wanted.year_type, chosen), wanted
        except Exception as err:
            # The others go on, whatever is wrong with one glacier.
            log.warning("(%s) left out: %s", gdir.rgi_id, err)
            rows[gdir.rgi_id] = {"problem": f"{type(err).__name__}: {err}"}
    # Solved together are glaciers with the same numbers of years, realisations and targets.
    alike: dict[tuple, list[str]] = {}
    for rgi_id, (run, wanted) in runs.items():
        kind = run.years.size, run.trajectory.temp.shape[0], wanted.value.size, run.tuned.ti.day
        alike.setdefault(kind, []).append(rgi_id)
    for ids in alike.values():
        for i in range(0, len(ids), BATCH):
            rows |= _solved_together({rgi_id: runs[rgi_id] for rgi_id in ids[i : i + BATCH]}, control, prior)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=REGION_COLUMNS)
    table = table.reindex([gdir.rgi_id for gdir in gdirs])
    table.attrs["units"] = COLUMN_UNITS
    return table.rename_axis("rgi_id")


def _solved_together(runs: Mapping[str, tuple], control: str, prior: Any) -> dict[str, dict[str, Any]]:
    """Solve a group of glaciers at once and return their rows of the table."""
    import jax

    from oggm_glaunti.analysis.inverse.newton import SearchOutcome
    from oggm_glaunti.analysis.inverse.shifts import solve_shifts
    from oggm_glaunti.analysis.trajectory import stack_trajectories

    both = list(runs.values())
    batch = stack_trajectories([run.trajectory for run, _ in both])
    tuned = jax.tree.map(lambda *of_all: np.array(of_all, batch.temp.dtype), *(run.tuned for run, _ in both))
    weights, sigma = (np.stack([getattr(w, name)(run.years) for run, w in both]) for name in ("weights", "sigmas"))
    target = np.stack([wanted.value for _, wanted in both])
    try:
        found = solve_shifts(tuned, batch, target, weights, sigma, control, prior)
    except ValueError as err:
        raise InvalidParamsError(str(err)) from err
    sd, mean = np.sqrt(np.diagonal(found.cov, axis1=1, axis2=2)), weights.mean(axis=1)
    rows: dict[str, dict[str, Any]] = {}
    for i, (rgi_id, outcome) in enumerate(zip(runs, found.outcome, strict=True)):
        if outcome is not SearchOutcome.CONVERGED:
            rows[rgi_id] = {"problem": outcome.value}
            continue
        balances = (target[i].mean(), mean[i] @ found.annual_before[i], mean[i] @ found.annual[i])
        numbers = (*found.shift[i], *sd[i], *balances, *(mean[i] @ found.annual_slope[i]), int(found.iterations[i]))
        rows[rgi_id] = dict(zip(REGION_COLUMNS, (*numbers, ""), strict=True))
    return rows
