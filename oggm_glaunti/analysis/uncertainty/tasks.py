"""Tasks: the uncertainty of a glacier directory's balances."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from oggm_glaunti import settings
from oggm_glaunti.analysis.glaciers import GlacierRun, MbKwargs, Years, errors_name, glacier_run
from oggm_glaunti.analysis.uncertainty import draws as d
from oggm_glaunti.analysis.uncertainty.draws import NO_WEATHER_ERRORS, WEEKLY_ERRORS, WeatherErrors
from oggm_glaunti.analysis.uncertainty.spread import (
    TAKEN_AS_KNOWN,
    ParameterSpread,
    parameter_spread,
    spread_with_priors,
)
from oggm_glaunti.core.units import NORMAL_90
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, entity_task
from oggm_glaunti.fit.calibration.errors import ErrorSizes
from oggm_glaunti.fit.calibration.intervals import MonthErrors, error_sizes, in_words, month_errors
from oggm_glaunti.fit.calibration.priors import STORED, TEMP_BIAS, TEMP_GRADIENT

settings.register()
log = logging.getLogger(__name__)

CAUSES = {"parameters": "the parameters", "model": "the model", "weather": "the weather"}
CAUSES |= {"temp": "temperature, a part of the weather's", "prcp": "precipitation, a part of the weather's"}
SDS = {"sd": "standard deviation"} | {
    f"sd_{name}": f"standard deviation from errors of {c}" for name, c in CAUSES.items()
}


@entity_task(log)
def smb_uncertainty(
    gdir: GlacierDirectory,
    years: Years = None,
    errors: WeatherErrors = WEEKLY_ERRORS,
    parameters: bool | Literal["priors"] = True,
    model_errors: bool | ErrorSizes = True,
    weather: bool = False,
    year_type: str = "hydrological",
    mb_kwargs: MbKwargs = None,
) -> xr.Dataset:
    """Compute the standard deviation of a glacier's balance, cumulative and by year, to first order without sampling.

    The standard deviation and its interval are those of a fit: from errors of the parameters, and from errors of the
    model in each winter, in each summer and of the balance's own, see :mod:`oggm_glaunti.fit.calibration.errors`. What
    errors of the weather make of the balance is given apart: the errors of the model are estimated from differences
    between observed and modelled balances, which have the weather's errors in them already.

    Errors of the weather are one number per block of days, for temperature and for the logarithm of precipitation; they
    and those of the parameters are propagated through the whole run by its exact derivatives. If errors are so large
    that the first order does not suffice, see :func:`smb_linearity` and :func:`smb_ensemble`.

    Parameters
    ----------
    gdir : GlacierDirectory
    years : (first, last), optional
        see :func:`~oggm_glaunti.analysis.glaciers.glacier_run`; errors begin with the first day of the first year
    errors : WeatherErrors
        statistics of the errors of the weather; the last block of each year takes the days that are left
    parameters : bool or 'priors'
        include the covariance of the parameters from the directory's fit, if there is one; ``'priors'`` takes the
        priors of a fit for a glacier that was not fitted, as :func:`~oggm_glaunti.tasks.where_to_measure` does. The
        attribute ``parameter_errors`` of the result says in words which errors were taken
    model_errors : bool or ErrorSizes
        sizes of the errors of the model: True for those that the directory's fit has estimated, or those expected where
        nothing was fitted; False for none; or others. Those of the glacier's mean count. The attribute ``model_errors``
        of the result says in words which were taken
    weather : bool
        count the errors of the weather too, in all that is said of ``sd``: for weather whose errors the fit has not
        seen, or, with ``model_errors=False``, instead of those of the model
    year_type : {'hydrological', 'calendar'}
    mb_kwargs : mapping, optional
        arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`

    Returns
    -------
    xarray.Dataset
        by ``time`` (last day of each block) ``smb``, the balance since the first day, ``sd`` and its parts
        ``sd_parameters`` and ``sd_model`` (their squares add up), ``low`` and ``high`` (5 and 95 %), and ``sd_weather``
        with its parts ``sd_temp`` and ``sd_prcp``; by ``year`` the same as ``annual_...``, and the covariance of the
        years ``annual_covariance``; m w.e.

    Raises
    ------
    InvalidParamsError, InvalidWorkflowError
        as :func:`~oggm_glaunti.analysis.glaciers.glacier_run`, and if `errors` or `model_errors` are invalid
    """
    from oggm_glaunti.analysis.uncertainty import propagation as u

    run, blocks = _prepared(gdir, errors, years, year_type, mb_kwargs, "smb_uncertainty")
    spread, model = _spread(run, parameters), _ModelErrors.of(run, blocks, model_errors)
    ends = u.year_ends(run.trajectory.period, blocks)
    series = u.propagate(run.tuned, run.trajectory, blocks)
    slopes = u.parameter_jacobian(run.tuned, run.trajectory, blocks, names=spread.names)
    annual, annual_slopes = series.rows(ends), np.asarray(u.between(slopes, ends), np.float64)
    of_model = model.since_the_first_day * model.months.sd
    annual_model = np.diff(of_model[ends], axis=0, prepend=0.0)
    by_year = u.forcing_covariance(annual, blocks, errors)
    by_time = u.forcing_variance(series, blocks, errors)

    def parts(slopes: Any, of_model: Any, of_weather: Sequence[Any]) -> dict[str, Any]:
        temp, prcp = (np.asarray(variance, np.float64) for variance in of_weather)
        of_parameters = u.parameter_variance(slopes, spread.covariance)
        of_model = (of_model**2).sum(axis=1)
        return {"parameters": of_parameters, "model": of_model, "weather": temp + prcp, "temp": temp, "prcp": prcp}

    counted = ("parameters", "model", "weather") if weather else ("parameters", "model")
    of_years = parts(annual_slopes, annual_model, [np.diagonal(field) for field in by_year])
    fields = {
        **_fields("time", series.smb, parts(slopes, of_model, by_time), counted),
        **_fields("year", annual.smb, of_years, counted, "annual_"),
    }
    covariance = annual_slopes @ spread.covariance @ annual_slopes.T + annual_model @ annual_model.T
    covariance += np.asarray(by_year.total) if weather else 0.0
    fields["annual_covariance"] = (("year", "other_year"), covariance)
    *before, last = (CAUSES[name] for name in counted)
    result = _uncertainty_dataset(run, blocks, fields, errors, spread, model)
    return result.assign_attrs(counted=f"errors of {', '.join(before)} and {last}")


@entity_task(log)
def smb_ensemble(
    gdir: GlacierDirectory,
    years: Years = None,
    members: int = 500,
    seed: int = 0,
    errors: WeatherErrors = NO_WEATHER_ERRORS,
    parameters: bool | Literal["priors"] = True,
    model_errors: bool | ErrorSizes = True,
    draws: pd.DataFrame | None = None,
    year_type: str = "hydrological",
    mb_kwargs: MbKwargs = None,
) -> xr.Dataset:
    """Run an ensemble with drawn parameters and errors of the model: cumulative and annual balances.

    Its members spread as the intervals of :func:`smb_uncertainty` say, up to what the first order leaves out.

    Parameters
    ----------
    gdir, years, year_type, mb_kwargs
        see :func:`smb_uncertainty`
    errors : WeatherErrors
        statistics of errors of the weather drawn in addition; default: none
    members : int
        number of members; ignored if `draws` are given
    seed : int
    parameters : bool or 'priors'
        draw the parameters from the covariance of the directory's fit, if there is one, see :func:`smb_uncertainty`
    model_errors : bool or ErrorSizes
        sizes of the drawn errors of the model, see :func:`smb_uncertainty`
    draws : DataFrame, optional
        parameters of the members in physical units, one row each, columns as of
        :func:`~oggm_glaunti.fit.calibration.nuts.sample_glaunti`; they replace those of the directory's fit

    Returns
    -------
    xarray.Dataset
        ``smb`` (member, time) since the first day, and ``annual_smb`` (member, year), m w.e.

    Raises
    ------
    InvalidParamsError, InvalidWorkflowError
        as :func:`smb_uncertainty`, and for columns of `draws` that are not parameters
    """
    from oggm_glaunti.analysis.uncertainty import propagation as u

    _require_members(gdir, members, seed)
    run, blocks = _prepared(gdir, errors, years, year_type, mb_kwargs, "smb_ensemble")
    if draws is None:
        spread = _spread(run, parameters)
        by = d.draw_parameters([seed, d.PARAMETER_SEED], members, spread.covariance)
    else:
        names, by = _deviations(run, draws)
        spread = TAKEN_AS_KNOWN._replace(names=names, origin=f"of the given draws: {', '.join(draws.columns)}")
    drawn = d.draw_errors([seed, d.WEATHER_SEED], len(by), blocks.middles, errors)
    model = _ModelErrors.of(run, blocks, model_errors)
    of_months = d.draw_model_errors([seed, d.MODEL_SEED], len(by), model.months)
    series = np.asarray(u.ensemble(run.tuned, run.trajectory, blocks, drawn, names=spread.names, by=by))
    series = series + (of_months @ model.since_the_first_day.T).astype(series.dtype)
    annual = np.diff(series[:, u.year_ends(run.trajectory.period, blocks)], axis=1, prepend=0.0)
    fields = {"smb": (("member", "time"), series), "annual_smb": (("member", "year"), annual)}
    result = _uncertainty_dataset(run, blocks, fields, errors, spread, model)
    return result.assign_attrs(
        method="runs of the model with drawn errors", seed=seed, mean_preserving=int(errors.mean_preserving)
    )


@entity_task(log)
def smb_linearity(
    gdir: GlacierDirectory,
    years: Years = None,
    errors: WeatherErrors = WEEKLY_ERRORS,
    scales: Sequence[float] = d.SCALES,
    members: int = 500,
    seed: int = 0,
    year_type: str = "hydrological",
    mb_kwargs: MbKwargs = None,
) -> pd.DataFrame:
    """Compare the first order with an ensemble for errors of several sizes: the range of :func:`smb_uncertainty`.

    Errors of the weather only; the parameters are not changed.

    Parameters
    ----------
    gdir, years, errors, year_type, mb_kwargs
        see :func:`smb_uncertainty`
    scales : sequence of float
        factors on both standard deviations, in increasing order
    members, seed
        see :func:`smb_ensemble`

    Returns
    -------
    DataFrame
        a row for each scale, for the balance over all years: standard deviations of the first order, of the ensemble
        and of the first order applied to the ensemble's draws, the bias of the ensemble's mean (all m w.e.), and the
        ratio of the last two standard deviations; ``attrs['sentence']`` says in words where the first order ends
    """
    from oggm_glaunti.analysis.uncertainty.linearity import linearity

    _require_members(gdir, members, seed)
    if not len(scales) or not (np.diff(scales, prepend=0.0) > 0.0).all() or max(errors[:2]) == 0.0:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: expected increasing scales above 0 and an error of the weather, found {[*scales]} and "
            f"{errors[:2]}"
        )
    run, blocks = _prepared(gdir, errors, years, year_type, mb_kwargs, "smb_linearity")
    found = linearity(run.tuned, run.trajectory, blocks, errors, scales, members, seed)
    columns = {f"{name}_sd": getattr(found, name) for name in ("first_order", "ensemble", "same_draws")}
    columns |= {"ratio": found.ratio, "bias": found.bias}
    table = pd.DataFrame(columns, index=pd.Index(found.scale, name="scale"))
    table.attrs = {"sentence": found.sentence(), "units": "m w.e. (ratio: 1)", "members": members}
    return table


def _require_members(gdir: GlacierDirectory, members: int, seed: int) -> None:
    if members < 1 or seed < 0 or int(seed) != seed:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: expected one member or more and a seed of 0 or more, found members={members}, seed={seed}"
        )


def _prepared(gdir: GlacierDirectory, errors: WeatherErrors, *how: Any) -> tuple[GlacierRun, Any]:
    """Return the glacier, prepared by :func:`glacier_run`, and blocks of days that start anew with each year."""
    with errors_name(gdir):
        errors.check()
    run = glacier_run(gdir, *how)
    from oggm_glaunti.analysis.uncertainty.blocks import weekly_blocks, year_cuts

    period = np.asarray(run.trajectory.period)
    return run, weekly_blocks(period, errors.block_days, year_cuts(period))


def _spread(run: GlacierRun, parameters: bool | str) -> ParameterSpread:
    if parameters not in (True, False, "priors"):
        raise InvalidParamsError(
            f"{run.gdir.rgi_id}: parameters: expected True, False or 'priors', found {parameters!r}"
        )
    if not parameters:
        return TAKEN_AS_KNOWN
    if parameters == "priors":
        with errors_name(run.gdir):
            return spread_with_priors(run.mb_model.calib_params, run.tuned, run.gdir.rgi_id)
    spread = parameter_spread(run.mb_model.calib_params, run.gdir.rgi_id)
    if not spread.names:
        log.info("(%s) no fit in glaunti_params.json: the parameters are taken as known", run.gdir.rgi_id)
    return spread


class _ModelErrors(NamedTuple):
    """Errors of the model: of each month, the shares (B, M) of them in sums since the first day, and their origin."""

    months: MonthErrors
    since_the_first_day: np.ndarray
    origin: str

    @classmethod
    def of(cls, run: GlacierRun, blocks: Any, wanted: bool | ErrorSizes) -> _ModelErrors:
        sizes, origin = error_sizes(run.mb_model.calib_params, wanted, run.gdir.rgi_id)
        first, stops = run.days[int(blocks.starts[0])], run.days[np.asarray(blocks.stops) - 1] + 1
        months = month_errors(first, run.days[int(blocks.stops[-1]) - 1], sizes.whole, run.gdir.hemisphere)
        return cls(months, months.shares(first, stops), in_words(sizes.whole, origin))


def _deviations(run: GlacierRun, draws: pd.DataFrame) -> tuple[tuple[str, ...], np.ndarray]:
    """Return ``drawn - calibrated`` stored numbers (M, P) of parameters given in physical units, and their names."""
    known = {**STORED, TEMP_BIAS: TEMP_BIAS, TEMP_GRADIENT: TEMP_GRADIENT}
    unknown = [name for name in draws.columns if name not in known]
    if unknown or draws.empty or not np.isfinite(draws.to_numpy(float)).all():
        raise InvalidParamsError(
            f"{run.gdir.rgi_id}: draws: expected finite columns of {sorted(known)}, found {list(draws.columns)} with "
            f"{len(draws)} rows"
        )
    names = tuple(known[name] for name in draws.columns)
    here = [float(getattr(run.tuned if name in (TEMP_BIAS, TEMP_GRADIENT) else run.tuned.ti, name)) for name in names]
    numbers = np.stack([stored(name, draws[name].to_numpy(float)) for name in draws.columns], axis=1)
    return names, (numbers - np.array(here)).astype(np.float32)


def stored(name: str, values: Any) -> Any:
    """Convert values of a parameter in physical units to stored numbers: the inverse of ``fit.posterior.physical``.

    Examples
    --------
    >>> float(stored("ddf_relative_ice", 2.0)), float(stored("temp_bias", 0.5))
    (0.0, 0.5)
    """
    if not STORED.get(name, "").endswith("_log"):
        return np.asarray(values)
    return np.log(np.asarray(values) - (1.0 if name == "ddf_relative_ice" else 0.0))


def _fields(dim: str, smb: Any, variances: dict[str, Any], counted: Sequence[str], prefix: str = "") -> dict[str, Any]:
    smb, sd = np.asarray(smb, np.float64), np.sqrt(sum(variances[name] for name in counted))
    fields = {"smb": smb, "sd": sd, **{f"sd_{name}": np.sqrt(variance) for name, variance in variances.items()}}
    fields |= {"low": smb - NORMAL_90 * sd, "high": smb + NORMAL_90 * sd}
    return {f"{prefix}{name}": (dim, values) for name, values in fields.items()}


def _uncertainty_dataset(
    run: GlacierRun,
    blocks: Any,
    fields: dict[str, Any],
    errors: WeatherErrors,
    spread: ParameterSpread,
    model: _ModelErrors,
) -> xr.Dataset:
    last = run.days[np.asarray(blocks.stops) - 1].astype("M8[s]")
    dims = {dim for dims, _ in fields.values() for dim in ((dims,) if isinstance(dims, str) else dims)}
    coords = {"time": last, "year": run.years, "other_year": run.years}
    result = xr.Dataset(fields, {name: (name, values) for name, values in coords.items() if name in dims})
    for name in fields:
        field, plain = result[name], name.removeprefix("annual_")
        field.attrs["units"] = "m2 w.e." if name.endswith("covariance") else "m w.e."
        what = SDS.get(plain, {"low": "5 %", "high": "95 %"}.get(plain, "glacier-wide balance"))
        since = "of the year" if name.startswith("annual") else f"since {run.days[int(blocks.starts[0])]}"
        field.attrs["long_name"] = f"{what}, {since}"
    result.attrs = {
        "rgi_id": run.gdir.rgi_id,
        "model": run.mb_model.model_name,
        "year_type": run.year_type,
        "method": "first order: exact derivatives to every block of days and to the parameters",
        **{name: float(value) for name, value in zip(errors._fields[:3], errors, strict=False)},
        "block_days": errors.block_days,
        "parameters": ", ".join(spread.names) or "taken as known",
        "parameter_errors": spread.origin,
        "model_errors": model.origin,
    }
    return result
