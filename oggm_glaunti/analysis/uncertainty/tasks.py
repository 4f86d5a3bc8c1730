"""Tasks: the uncertainty of a glacier directory's balances."""

import logging
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from oggm_glaunti import settings
from oggm_glaunti.analysis.glaciers import GlacierRun, MbKwargs, Years, errors_name, glacier_run
from oggm_glaunti.analysis.uncertainty import draws as d
from oggm_glaunti.analysis.uncertainty.draws import WEEKLY_ERRORS, WeatherErrors
from oggm_glaunti.analysis.uncertainty.spread import (
    TAKEN_AS_KNOWN,
    ParameterSpread,
    parameter_spread,
    spread_with_priors,
)
from oggm_glaunti.core.units import NORMAL_90
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, entity_task
from oggm_glaunti.fit.calibration.priors import STORED, TEMP_BIAS, TEMP_GRADIENT

settings.register()
log = logging.getLogger(__name__)

CAUSES = {"temp": "errors of temperature", "prcp": "errors of precipitation", "parameters": "errors of the parameters"}
SD_PARTS = {"sd": "standard deviation"} | {f"sd_{name}": f"its part from {what}" for name, what in CAUSES.items()}


@entity_task(log)
def smb_uncertainty(
    gdir: GlacierDirectory,
    years: Years = None,
    errors: WeatherErrors = WEEKLY_ERRORS,
    parameters: bool | Literal["priors"] = True,
    year_type: str = "hydrological",
    mb_kwargs: MbKwargs = None,
) -> xr.Dataset:
    """Compute the standard deviation of a glacier's balance, cumulative and by year, to first order without sampling.

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
    year_type : {'hydrological', 'calendar'}
    mb_kwargs : mapping, optional
        arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`

    Returns
    -------
    xarray.Dataset
        by ``time`` (last day of each block) ``smb``, the balance since the first day, ``sd`` and its parts (their
        squares add up), ``low`` and ``high`` (5 and 95 %); by ``year`` the same as ``annual_...``, and the covariance
        of the years ``annual_covariance``; m w.e.

    Raises
    ------
    InvalidParamsError, InvalidWorkflowError
        as :func:`~oggm_glaunti.analysis.glaciers.glacier_run`, and if `errors` are invalid
    """
    from oggm_glaunti.analysis.uncertainty import propagation as u

    run, blocks = _prepared(gdir, errors, years, year_type, mb_kwargs, "smb_uncertainty")
    spread = _spread(run, parameters)
    ends = u.year_ends(run.trajectory.period, blocks)
    series = u.propagate(run.tuned, run.trajectory, blocks)
    slopes = u.parameter_jacobian(run.tuned, run.trajectory, blocks, names=spread.names)
    annual, annual_slopes = series.rows(ends), np.asarray(u.between(slopes, ends), np.float64)
    by_year = u.forcing_covariance(annual, blocks, errors)
    by_time = u.forcing_variance(series, blocks, errors)
    by_year_sd = [np.diagonal(field) for field in by_year]
    fields = {
        **_fields("time", series.smb, [*by_time, u.parameter_variance(slopes, spread.covariance)]),
        **_fields("year", annual.smb, [*by_year_sd, u.parameter_variance(annual_slopes, spread.covariance)], "annual_"),
    }
    covariance = np.asarray(by_year.total) + annual_slopes @ spread.covariance @ annual_slopes.T
    fields["annual_covariance"] = (("year", "other_year"), covariance)
    return _uncertainty_dataset(run, blocks, fields, errors, spread)


@entity_task(log)
def smb_ensemble(
    gdir: GlacierDirectory,
    years: Years = None,
    members: int = 500,
    seed: int = 0,
    errors: WeatherErrors = WEEKLY_ERRORS,
    parameters: bool | Literal["priors"] = True,
    draws: pd.DataFrame | None = None,
    year_type: str = "hydrological",
    mb_kwargs: MbKwargs = None,
) -> xr.Dataset:
    """Run an ensemble with drawn errors of the weather and drawn parameters: cumulative and annual balances.

    Parameters
    ----------
    gdir, years, errors, year_type, mb_kwargs
        see :func:`smb_uncertainty`
    members : int
        number of members; ignored if `draws` are given
    seed : int
    parameters : bool or 'priors'
        draw the parameters from the covariance of the directory's fit, if there is one, see :func:`smb_uncertainty`
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
    series = u.ensemble(run.tuned, run.trajectory, blocks, drawn, names=spread.names, by=by)
    annual = u.between(series.T, u.year_ends(run.trajectory.period, blocks)).T
    fields = {"smb": (("member", "time"), np.asarray(series)), "annual_smb": (("member", "year"), np.asarray(annual))}
    result = _uncertainty_dataset(run, blocks, fields, errors, spread)
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


def _fields(dim: str, smb: Any, variances: Sequence[Any], prefix: str = "") -> dict[str, Any]:
    smb, parts = np.asarray(smb, np.float64), np.asarray(variances, np.float64)
    sds = np.sqrt([parts.sum(axis=0), *parts])
    fields = {"smb": smb, **dict(zip(SD_PARTS, sds, strict=True))}
    fields |= {"low": smb - NORMAL_90 * sds[0], "high": smb + NORMAL_90 * sds[0]}
    return {f"{prefix}{name}": (dim, values) for name, values in fields.items()}


def _uncertainty_dataset(
    run: GlacierRun, blocks: Any, fields: dict[str, Any], errors: WeatherErrors, spread: ParameterSpread
) -> xr.Dataset:
    last = run.days[np.asarray(blocks.stops) - 1].astype("M8[s]")
    dims = {dim for dims, _ in fields.values() for dim in ((dims,) if isinstance(dims, str) else dims)}
    coords = {"time": last, "year": run.years, "other_year": run.years}
    result = xr.Dataset(fields, {name: (name, values) for name, values in coords.items() if name in dims})
    for name in fields:
        field, plain = result[name], name.removeprefix("annual_")
        field.attrs["units"] = "m2 w.e." if name.endswith("covariance") else "m w.e."
        what = SD_PARTS.get(plain, {"low": "5 %", "high": "95 %"}.get(plain, "glacier-wide balance"))
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
    }
    return result
