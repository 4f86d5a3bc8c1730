"""How uncertain the balances of a glacier directory are."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from oggm_glaunti import settings
from oggm_glaunti.analysis.glaciers import GlacierRun, glacier_run
from oggm_glaunti.analysis.uncertainty.draws import (
    PARAMETERS,
    SCALES,
    SIGMA_LOG_PRCP,
    SIGMA_TEMP,
    WEATHER,
    draw_errors,
    draw_parameters,
)
from oggm_glaunti.analysis.uncertainty.spread import NOTHING_KNOWN, ParameterSpread, parameter_spread
from oggm_glaunti.core.units import NORMAL_90
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError, entity_task
from oggm_glaunti.fit.calibration.priors import STORED, TEMP_BIAS, TEMP_GRADIENT

if TYPE_CHECKING:
    from oggm import GlacierDirectory


settings.register()
log = logging.getLogger(__name__)

PARTS = {
    "sd": "standard deviation",
    "sd_temp": "its part from errors of temperature",
    "sd_prcp": "its part from errors of precipitation",
    "sd_parameters": "its part from the parameters of the fit",
}


@entity_task(log)
def smb_uncertainty(
    gdir: GlacierDirectory,
    years: Sequence[int] | None = None,
    sigma_temp: float = SIGMA_TEMP,
    sigma_log_prcp: float = SIGMA_LOG_PRCP,
    correlation_days: float = 0.0,
    parameters: bool = True,
    block_days: int = 7,
    year_type: str = "hydrological",
    **kwargs: Any,
) -> xr.Dataset:
    """Standard deviation of a glacier's balance, cumulative and by year, to first order and without sampling.

    Errors of the weather are one number per block of days, for temperature and for the logarithm of precipitation; they
    and the parameters are carried through the whole run by its exact derivatives. Where errors are so large that a
    straight line will not do, see :func:`smb_linearity` and :func:`smb_ensemble`.

    Parameters
    ----------
    gdir : GlacierDirectory
    years : (first, last), optional
        see :func:`~oggm_glaunti.analysis.glaciers.glacier_run`; errors begin with the first day of the first year
    sigma_temp, sigma_log_prcp : float
        standard deviations of the errors of a block: K, and of the logarithm of precipitation
    correlation_days : float
        days over which the correlation of two blocks' errors falls to 1/e: 0 independent, inf one error for all
    parameters : bool
        count the parameters' covariance of the directory's fit, where there is one (attribute ``parameters``)
    block_days : int
        days of a block; the last block of each year takes what is left
    year_type : {'hydrological', 'calendar'}
    **kwargs
        of :class:`~oggm_glaunti.GlaUnTIMassBalance`

    Returns
    -------
    xarray.Dataset
        by ``time`` (last day of each block) ``smb``, the balance since the first day, ``sd`` and its parts (their
        squares add up), ``low`` and ``high`` (5 and 95 %); by ``year`` the same as ``annual_...``, and the covariance
        of the years ``annual_covariance``; m w.e.

    Raises
    ------
    InvalidParamsError, InvalidWorkflowError
        as :func:`~oggm_glaunti.analysis.glaciers.glacier_run`, and for impossible standard deviations or lengths
    """
    from oggm_glaunti.analysis.uncertainty import propagation as u

    sigmas = _checked(gdir, sigma_temp, sigma_log_prcp, correlation_days)
    run, blocks = _prepared(gdir, years, year_type, block_days, kwargs)
    spread = _spread(run, parameters)
    ends = u.year_ends(run.trajectory.period, blocks)
    series = u.run_propagate(run.tuned, run.trajectory, blocks)
    slopes = u.run_parameter_jacobian(run.tuned, run.trajectory, blocks, names=spread.names)
    annual, annual_slopes = series.rows(ends), np.asarray(u.between(slopes, ends), np.float64)
    by_year = u.run_forcing_covariance(annual, blocks, *sigmas)
    by_time = u.run_forcing_variance(series, blocks, *sigmas)
    by_year_sd = [np.diagonal(field) for field in by_year]
    fields = {
        **_fields("time", series.smb, [*by_time, u.parameter_variance(slopes, spread.covariance)]),
        **_fields("year", annual.smb, [*by_year_sd, u.parameter_variance(annual_slopes, spread.covariance)], "annual_"),
        "annual_covariance": (
            ("year", "other_year"),
            np.asarray(by_year.total) + annual_slopes @ spread.covariance @ annual_slopes.T,
        ),
    }
    return _dataset(run, blocks, fields, sigmas, block_days, spread)


@entity_task(log)
def smb_ensemble(
    gdir: GlacierDirectory,
    years: Sequence[int] | None = None,
    members: int = 500,
    seed: int = 0,
    sigma_temp: float = SIGMA_TEMP,
    sigma_log_prcp: float = SIGMA_LOG_PRCP,
    correlation_days: float = 0.0,
    parameters: bool = True,
    draws: pd.DataFrame | None = None,
    mean_preserving: bool = False,
    block_days: int = 7,
    year_type: str = "hydrological",
    **kwargs: Any,
) -> xr.Dataset:
    """Cumulative and annual balances of members with drawn errors of the weather and drawn parameters.

    Parameters
    ----------
    gdir, years, sigma_temp, sigma_log_prcp, correlation_days, block_days, year_type, **kwargs
        see :func:`smb_uncertainty`
    members : int
        ignored where `draws` are given
    seed : int
    parameters : bool
        draw the parameters from the covariance of the directory's fit, where there is one
    draws : DataFrame, optional
        parameters of the members in physical units, a row for each, columns as of
        :func:`~oggm_glaunti.fit.calibration.nuts.sample_glaunti`; they take the place of the directory's fit
    mean_preserving : bool
        see :func:`~oggm_glaunti.analysis.uncertainty.draws.draw_errors`

    Returns
    -------
    xarray.Dataset
        ``smb`` (member, time) since the first day, and ``annual_smb`` (member, year), m w.e.

    Raises
    ------
    InvalidParamsError, InvalidWorkflowError
        as :func:`smb_uncertainty`, and for columns of `draws` that are no parameters
    """
    from oggm_glaunti.analysis.uncertainty import propagation as u

    _require_members(gdir, members, seed)
    sigmas = _checked(gdir, sigma_temp, sigma_log_prcp, correlation_days)
    run, blocks = _prepared(gdir, years, year_type, block_days, kwargs)
    if draws is None:
        spread = _spread(run, parameters)
        names = spread.names
        by = (
            draw_parameters([seed, PARAMETERS], members, spread.covariance)
            if names
            else np.zeros((members, 0), np.float32)
        )
    else:
        names, by = _deviations(run, draws)
    errors = draw_errors([seed, WEATHER], len(by), blocks.middles, *sigmas, mean_preserving)
    series = u.run_ensemble(run.tuned, run.trajectory, blocks, errors, names=names, by=by)
    annual = u.between(series.T, u.year_ends(run.trajectory.period, blocks)).T
    fields = {
        "smb": (("member", "time"), np.asarray(series)),
        "annual_smb": (("member", "year"), np.asarray(annual)),
    }
    result = _dataset(run, blocks, fields, sigmas, block_days, NOTHING_KNOWN._replace(names=names))
    return result.assign_attrs(
        method="runs of the model with drawn errors", seed=seed, mean_preserving=int(mean_preserving)
    )


@entity_task(log)
def smb_linearity(
    gdir: GlacierDirectory,
    years: Sequence[int] | None = None,
    sigma_temp: float = SIGMA_TEMP,
    sigma_log_prcp: float = SIGMA_LOG_PRCP,
    correlation_days: float = 0.0,
    scales: Sequence[float] = SCALES,
    members: int = 500,
    seed: int = 0,
    mean_preserving: bool = False,
    block_days: int = 7,
    year_type: str = "hydrological",
    **kwargs: Any,
) -> pd.DataFrame:
    """First order against an ensemble for errors of several sizes: how far :func:`smb_uncertainty` can be trusted.

    Errors of the weather only; the parameters stay as they are.

    Parameters
    ----------
    gdir, years, sigma_temp, sigma_log_prcp, correlation_days, block_days, year_type, **kwargs
        see :func:`smb_uncertainty`
    scales : sequence of float
        factors on both standard deviations, from small to large
    members, seed, mean_preserving
        see :func:`smb_ensemble`

    Returns
    -------
    DataFrame
        a row for each scale, of the balance over all years: standard deviations of the first order, of the ensemble and
        of the first order over the ensemble's draws, the bias of the ensemble's mean (all m w.e.), and the ratio of the
        last two standard deviations; ``attrs['sentence']`` says in words where the first order ends
    """
    from oggm_glaunti.analysis.uncertainty.linearity import linearity

    _require_members(gdir, members, seed)
    sigmas = _checked(gdir, sigma_temp, sigma_log_prcp, correlation_days)
    if not len(scales) or not (np.diff(scales, prepend=0.0) > 0.0).all() or max(sigmas[:2]) == 0.0:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: expected rising scales above 0 and an error of the weather, found {[*scales]} and "
            f"{sigmas[:2]}"
        )
    run, blocks = _prepared(gdir, years, year_type, block_days, kwargs)
    found = linearity(run.tuned, run.trajectory, blocks, *sigmas, scales, members, seed, mean_preserving)
    columns = {
        "scale": found.scale,
        "first_order_sd": found.first_order,
        "ensemble_sd": found.ensemble,
        "same_draws_sd": found.same_draws,
        "ratio": found.ratio,
        "bias": found.bias,
    }
    table = pd.DataFrame(columns).set_index("scale")
    table.attrs = {"sentence": found.sentence(), "units": "m w.e. (ratio: 1)", "members": members}
    return table


def _checked(gdir: GlacierDirectory, *sigmas: float) -> tuple[float, float, float]:
    names = ("sigma_temp", "sigma_log_prcp", "correlation_days")
    if any(not value >= 0.0 for value in sigmas) or not np.isfinite(sigmas[:2]).all():
        raise InvalidParamsError(f"{gdir.rgi_id}: expected 0 or more, found {dict(zip(names, sigmas, strict=True))}")
    return tuple(float(value) for value in sigmas)


def _require_members(gdir: GlacierDirectory, members: int, seed: int) -> None:
    if members < 1 or seed < 0 or int(seed) != seed:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: expected one member or more and a seed of 0 or more, found members={members}, seed={seed}"
        )


def _prepared(
    gdir: GlacierDirectory, years: Any, year_type: str, block_days: int, kwargs: dict[str, Any]
) -> tuple[GlacierRun, Any]:
    """The glacier's trajectory, and blocks that begin anew with each year."""
    run = glacier_run(gdir, years, year_type, **kwargs)
    from oggm_glaunti.analysis.uncertainty.blocks import weekly_blocks, year_cuts

    period = run.trajectory.period
    try:
        return run, weekly_blocks(period, block_days, year_cuts(period))
    except ValueError as err:
        raise InvalidParamsError(f"{gdir.rgi_id}: block_days: {err}") from err


def _spread(run: GlacierRun, parameters: bool) -> ParameterSpread:
    if not parameters:
        return NOTHING_KNOWN
    spread = parameter_spread(run.mb_model.calib_params, run.gdir.rgi_id)
    if not spread.names:
        log.info("(%s) no fit in glaunti_params.json: the parameters are taken as known", run.gdir.rgi_id)
    return spread


def _deviations(run: GlacierRun, draws: pd.DataFrame) -> tuple[tuple[str, ...], np.ndarray]:
    """Stored numbers minus those of the model, from parameters in physical units."""
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
    """Stored numbers of a parameter from its values in physical units: the reverse of ``fit.posterior.physical``.

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
    fields = {"smb": smb, **dict(zip(PARTS, sds, strict=True))}
    fields |= {"low": smb - NORMAL_90 * sds[0], "high": smb + NORMAL_90 * sds[0]}
    return {f"{prefix}{name}": (dim, values) for name, values in fields.items()}


def _dataset(
    run: GlacierRun, blocks: Any, fields: dict[str, Any], sigmas: tuple[float, ...], block_days: int, spread: Any
) -> xr.Dataset:
    last = run.days[np.asarray(blocks.stops) - 1].astype("M8[ns]")
    dims = {dim for dims, _ in fields.values() for dim in ((dims,) if isinstance(dims, str) else dims)}
    coords = {"time": last, "year": run.years, "other_year": run.years}
    result = xr.Dataset(fields, {name: (name, values) for name, values in coords.items() if name in dims})
    for name, field in result.items():
        plain = name.removeprefix("annual_")
        field.attrs["units"] = "m2 w.e." if name.endswith("covariance") else "m w.e."
        what = PARTS.get(plain, {"low": "5 %", "high": "95 %"}.get(plain, "glacier-wide balance"))
        since = "of the year" if name.startswith("annual") else f"since {run.days[int(blocks.starts[0])]}"
        field.attrs["long_name"] = f"{what}, {since}"
    result.attrs = {
        "rgi_id": run.gdir.rgi_id,
        "model": run.mb_model.model_name,
        "year_type": run.year_type,
        "method": "first order: exact derivatives to every block of days and to the parameters",
        "sigma_temp": sigmas[0],
        "sigma_log_prcp": sigmas[1],
        "correlation_days": sigmas[2],
        "block_days": block_days,
        "parameters": ", ".join(spread.names) or "taken as known",
    }
    return result
