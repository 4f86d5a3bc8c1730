"""The change of forcing that gives a glacier a balance, with its uncertainty and the balances under it by year."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from oggm_glaunti.analysis.glaciers import GlacierRun
from oggm_glaunti.analysis.inverse.targets import Target
from oggm_glaunti.coupling.oggm.from_oggm import MassBalanceCalibrationError

CHANGE_UNITS = {"dT": "K", "dP": "1 (logarithm of a factor)"}
SLOPE_UNITS = {"dT": "m w.e. K-1", "dP": "m w.e."}
FIELDS = {"dT": "temp", "dP": "log_prcp"}


@dataclass(frozen=True)
class Inversion:
    """A change of the forcing that gives a balance.

    Attributes
    ----------
    rgi_id : str
    control : {'dT', 'dP', 'both'}
    resolution : {'scalar', 'monthly', 'daily'}
    year_type : {'hydrological', 'calendar'}
    change : DataFrame
        scalar: a row ``dT`` (K) and/or ``dP`` (logarithm of a factor on precipitation) with ``value``, ``sd``,
        ``units``, and ``slope``, the derivative of the mean balance to it in ``slope_units``; else a row for each
        month or day with ``dT``, ``dT_sd``, ``dP``, ``dP_sd``
    balances : DataFrame
        annual balances by year, m w.e.: ``before`` and ``after`` the change, ``before_sd`` and ``after_sd`` from what
        is known of the forcing (before: series only), ``target`` and ``target_sd`` where a series was given
    target, target_sd : float
        the mean balance asked for and its standard deviation, m w.e.; of a series the mean over its years
    mean_before, mean_after : float
        mean balances of the years of the target, m w.e.
    outcome : SearchOutcome
        how the search ended, in words
    iterations : int
    """

    rgi_id: str
    control: str
    resolution: str
    year_type: str
    change: pd.DataFrame
    balances: pd.DataFrame
    target: float
    target_sd: float
    mean_before: float
    mean_after: float
    outcome: Any
    iterations: int

    @property
    def prcp_fac(self) -> pd.Series | float:
        """Factor on precipitation: ``exp(dP)``; 1 if only temperature changes."""
        if self.control == "dT":
            return 1.0
        return np.exp(self.change["dP"]) if self.resolution != "scalar" else math.exp(self.change.loc["dP", "value"])


def invert_shift(run: GlacierRun, wanted: Target, control: str, prior: Any) -> Inversion:
    """Find one change for all days; see :func:`~oggm_glaunti.analysis.inverse.tasks.invert_forcing`.

    Raises
    ------
    ValueError
        for an invalid control or prior
    MassBalanceCalibrationError
        if the target is not reached
    """
    from oggm_glaunti.analysis.inverse.shifts import solve_shift

    weights, sigma = wanted.weights(run.years), wanted.sigmas(run.years)
    found = solve_shift(run.tuned, run.trajectory, wanted.value, weights, sigma, control, prior)
    mean = weights.mean(axis=0)
    require_reached(run.gdir.rgi_id, found.outcome, control, found.shift, float(mean @ found.annual), wanted)
    free = list(CHANGE_UNITS) if control == "both" else [control]
    columns = {"value": found.shift, "sd": np.sqrt(np.diag(found.cov)), "units": list(CHANGE_UNITS.values())}
    columns |= {"slope": mean @ found.annual_slope, "slope_units": list(SLOPE_UNITS.values())}
    change = pd.DataFrame(columns, index=pd.Index(list(CHANGE_UNITS), name="control")).loc[free]
    both = control == "both"
    change.attrs["correlation"] = float(found.cov[0, 1] / math.sqrt(np.diag(found.cov).prod())) if both else 0.0
    after_sd = np.sqrt(np.einsum("yk,kl,yl->y", found.annual_slope, found.cov, found.annual_slope))
    balances = {"before": found.annual_before, "after": found.annual, "after_sd": after_sd}
    return _inversion(run, wanted, (control, "scalar"), change, found, **balances)


def require_reached(rgi_id: str, outcome: Any, control: str, shift: np.ndarray, balance: float, wanted: Target) -> None:
    """Check that a search has converged.

    Raises
    ------
    MassBalanceCalibrationError
        otherwise, with the outcome in words and the range that was tried
    """
    from oggm_glaunti.analysis.inverse.newton import SearchOutcome
    from oggm_glaunti.analysis.inverse.shifts import LIMITS

    if outcome is SearchOutcome.CONVERGED:
        return
    tried = ""
    if outcome is SearchOutcome.NOT_REACHABLE:
        limit = LIMITS[control]
        factors = f"factors of precipitation from {math.exp(-limit):.3g} to {math.exp(limit):.3g}."
        tried = f" Tried {factors if control == 'dP' else f'{-limit:g} to {limit:g} K.'}"
    raise MassBalanceCalibrationError(
        f"{rgi_id}: {outcome.value}{tried} Wanted: {wanted.value.mean():.3f} m w.e. a year; the search ended at dT "
        f"{shift[0]:.3g} K and a factor of {math.exp(shift[1]):.3g} with {balance:.3f} m w.e."
    )


def invert_series(
    run: GlacierRun, wanted: Target, control: str, resolution: str, prior: Any, correlation: float
) -> Inversion:
    """Find a change for each month or day; see :func:`~oggm_glaunti.analysis.inverse.tasks.invert_forcing`.

    Raises
    ------
    ValueError
        for an invalid control, prior or correlation
    MassBalanceCalibrationError
        if the search does not converge
    """
    from oggm_glaunti.analysis.inverse.series import SeriesProblem, carried, solve_series
    from oggm_glaunti.analysis.inverse.shifts import prior_scales
    from oggm_glaunti.analysis.trajectory import Change

    if prior is None:
        raise ValueError(f"prior: a {resolution} series has more values than targets and needs standard deviations")
    slot, times = slots_of(run, resolution)
    number, days = run.trajectory.temp.dtype.type, (times - times[0]).astype(float)
    left, sd = carried(days, correlation).astype(number), Change(*map(number, prior_scales(control, prior)[0]))
    targets = (wanted.weights(run.years), wanted.value, wanted.sigmas(run.years))
    problem = SeriesProblem(run.tuned, run.trajectory, slot, left, sd, *(field.astype(number) for field in targets))
    found = solve_series(problem)
    mean = float(problem.weights.mean(axis=0) @ found.annual)
    require_reached(run.gdir.rgi_id, found.outcome, control, np.mean(found.change, axis=1), mean, wanted)
    free = list(CHANGE_UNITS) if control == "both" else [control]
    columns = {f"{n}{e}": getattr(v, FIELDS[n]) for n in free for e, v in (("", found.change), ("_sd", found.sd))}
    change = pd.DataFrame(columns, index=pd.DatetimeIndex(times, name="time"))
    change.attrs["units"] = {name: CHANGE_UNITS[name.removesuffix("_sd")] for name in columns}
    balances = {"before": found.annual_before, "before_sd": found.annual_before_sd}
    balances |= {"after": found.annual, "after_sd": found.annual_sd}
    return _inversion(run, wanted, (control, resolution), change, found, **balances)


def slots_of(run: GlacierRun, resolution: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the value of a monthly or daily series on each day, int array (T,), and the first days (K,).

    The number is -1 for days outside the years that are analysed.
    """
    counted = np.asarray(run.trajectory.period) >= 0
    unit = {"monthly": "M", "daily": "D"}[resolution]
    starts, number = np.unique(run.days[counted].astype(f"M8[{unit}]"), return_inverse=True)
    slot = np.full(counted.size, -1, np.int32)
    slot[counted] = number
    return slot, starts.astype("M8[D]")


def _inversion(
    run: GlacierRun, wanted: Target, kind: tuple[str, str], change: pd.DataFrame, found: Any, **balances: np.ndarray
) -> Inversion:
    """Collect the result of a search for a kind of change (control, resolution)."""
    sigmas, mean = wanted.sigmas(run.years), wanted.weights(run.years).mean(axis=0)
    table = pd.DataFrame(balances, index=pd.Index(run.years, name="year"))
    if wanted.of_years is not None:
        for name, values in (("target", wanted.value), ("target_sd", sigmas)):
            table[name] = pd.Series(values, wanted.of_years)
    table.attrs["units"] = "m w.e."
    target_sd = float(np.sqrt(np.sum(sigmas**2)) / wanted.value.size)
    numbers = float(wanted.value.mean()), target_sd, float(mean @ table["before"]), float(mean @ table["after"])
    search = found.outcome, int(found.iterations)
    return Inversion(run.gdir.rgi_id, *kind, run.year_type, change, table, *numbers, *search)
