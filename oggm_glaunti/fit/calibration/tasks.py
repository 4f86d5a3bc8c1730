"""Tasks that fit the temperature index to all observations of a glacier, or of several together."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from oggm_glaunti import settings
from oggm_glaunti.coupling.model.calibration_file import UnfittedMassBalance, model_record, write_calibration
from oggm_glaunti.coupling.model.choice import CALIBRATION_KWARGS, CLIMATE_KWARGS, checked_mb_kwargs
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.model.params import FITTED_GRADIENT, fitted_gradient, fitted_parameters
from oggm_glaunti.coupling.oggm.from_oggm import (
    GlacierDirectory,
    InvalidParamsError,
    MassBalanceCalibrationError,
    entity_task,
    global_task,
    utils,
)
from oggm_glaunti.coupling.oggm.processes import require_jax
from oggm_glaunti.fit.calibration.errors import ErrorSizes, checked_sizes
from oggm_glaunti.fit.calibration.gauge import Gauge
from oggm_glaunti.fit.calibration.posterior import fit_record
from oggm_glaunti.fit.calibration.priors import FEW, priors_around
from oggm_glaunti.fit.calibration.sites import GlacierSite, as_table, glacier_site

if TYPE_CHECKING:
    from oggm_glaunti.core.on_heights import Tuned
    from oggm_glaunti.fit.calibration.hierarchy import Estimated, Posterior

settings.register()
log = logging.getLogger(__name__)

OUTSIDE_FACTOR = 2.0
REGION_KM = 300.0  # from the nearest glacier of a fit: farther ones are of another region


@entity_task(log, writes=["glaunti_params", "mb_calib"])
def fit_glaunti(
    gdir: GlacierDirectory,
    *,
    observations: pd.DataFrame,
    free: Sequence[str] = FEW,
    spread: Mapping[str, float] | None = None,
    errors: ErrorSizes | None = None,
    gauge: Gauge | None = None,
    filesuffix: str = "",
    mb_kwargs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Fit a glacier's parameters to any mix of observations: stakes, bands, whole-glacier and geodetic balances.

    The fit is the maximum a posteriori estimate, with priors around the parameters of the model. Observations of the
    same winter or summer share an error, so that many stakes of one year do not count as many years. Parameters that
    the observations do not constrain stay at their prior, and the result says so.

    Parameters
    ----------
    gdir : GlacierDirectory
        with daily climate and ``glaunti_features`` (or, for model A, at least inversion flowlines)
    observations : DataFrame or Read
        see :mod:`oggm_glaunti.fit.observations` and the readers; rows of other glaciers are ignored. Periods may be
        of any length and overlap
    free : sequence of str
        parameters to fit, of the keys of :data:`~oggm_glaunti.fit.calibration.priors.SPREAD`; default ``prec_scale``,
        ``ddf_snow`` and ``temp_gradient``
    spread : mapping, optional
        standard deviations of priors that replace those of :data:`~oggm_glaunti.fit.calibration.priors.SPREAD`
    errors : ErrorSizes, optional
        sizes of the differences expected in addition to the sigma of the observations, m w.e.; default: estimated.
        Where observations are of fewer than three years, the level of the glacier is uncertain besides
    gauge : Gauge, optional
        catchment of the rows of discharge, which count only with it, and with ``variant='mass_conserving'``. Discharge
        commonly asks for less precipitation than balances: what each asks for alone is logged, and written with the fit
    filesuffix : str
        suffix of ``glaunti_params.json``, for more than one calibration in a directory
    mb_kwargs : mapping, optional
        `model`, `corrector` (default ``auto``), `weights`, `variant`, `filename` and `input_filesuffix` of
        :class:`~oggm_glaunti.GlaUnTIMassBalance`; numbers of an earlier fit have no effect

    Returns
    -------
    dict
        content of ``glaunti_params.json``: the parameters, used by :class:`~oggm_glaunti.GlaUnTIMassBalance` and all
        tasks from now on, and under ``fit`` their ranges, covariance and scores, the sizes of errors, and in words what
        is not constrained

    Raises
    ------
    InvalidParamsError
        if no observation can be used, or an argument is invalid
    MassBalanceCalibrationError
        if no minimum is found, or one with parameters that no run can have

    Examples
    --------
    >>> from oggm_glaunti.fit.readers import read_csv
    >>> observations = read_csv("stakes.csv").observations  # doctest: +SKIP
    >>> fit_glaunti(gdir, observations=observations)["parameters"]["ddf_snow"]  # doctest: +SKIP
    {'value': 0.0057, 'units': 'm w.e. K-1 day-1'}
    """
    found = estimate([gdir], observations, free, spread, errors, mb_kwargs, gauge)
    (params,) = _write_fit(found, [gdir], filesuffix)
    return params


@global_task(log)
def fit_glaunti_region(
    gdirs: Sequence[GlacierDirectory],
    *,
    observations: pd.DataFrame,
    fit_on: Sequence[GlacierDirectory] | None = None,
    free: Sequence[str] = FEW,
    spread: Mapping[str, float] | None = None,
    errors: ErrorSizes | None = None,
    outside_factor: float = OUTSIDE_FACTOR,
    filesuffix: str = "",
    mb_kwargs: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Fit the parameters of a region's glaciers to all their observations, and write them to those without any too.

    Glaciers resemble each other: the parameters of each are those of the region plus something of its own. A glacier
    with observations gets its own, any other the region's mean; the uncertainty of the latter has the spread between
    glaciers in it.

    Parameters
    ----------
    gdirs : list of GlacierDirectory
        glaciers that get parameters
    observations : DataFrame or Read
        see :func:`fit_glaunti`
    fit_on : list of GlacierDirectory, optional
        glaciers to fit to; default: all of `gdirs` that the table names
    free, spread, errors, filesuffix, mb_kwargs
        see :func:`fit_glaunti`; model and variant default to those of the first glacier in `fit_on`
    outside_factor : float
        on the spread between glaciers for those more than 300 km from every glacier of the fit: regions differ more
        than glaciers of one region. Where the fit's glaciers are in more than one region themselves, it is estimated
        from them, and this is what is expected a priori

    Returns
    -------
    list of dict
        content of each ``glaunti_params.json``, in the order of `gdirs`

    Raises
    ------
    InvalidParamsError, MassBalanceCalibrationError
        see :func:`fit_glaunti`
    """
    observations = as_table(observations)
    named = set(observations["glacier"])
    fit_on = [gdir for gdir in gdirs if {gdir.rgi_id, gdir.name} & named] if fit_on is None else fit_on
    if not fit_on:
        raise InvalidParamsError(f"observations name none of {[gdir.rgi_id for gdir in gdirs]}, but {sorted(named)}")
    if not 1.0 <= outside_factor < np.inf:
        raise InvalidParamsError(f"outside_factor: expected 1 or more, found {outside_factor}")
    found = estimate(fit_on, observations, free, spread, errors, mb_kwargs)
    return _write_fit(found, gdirs, filesuffix, outside_factor)


def modelled(
    gdir: GlacierDirectory,
    observations: pd.DataFrame,
    published: bool = False,
    mb_kwargs: Mapping[str, Any] | None = None,
    gauge: Gauge | None = None,
) -> pd.DataFrame:
    """Compute the modelled values of observations; those that cannot be modelled are named in the log.

    Parameters
    ----------
    gdir : GlacierDirectory
    observations : DataFrame or Read
        see :func:`fit_glaunti`
    published : bool
        use the published parameters, also if the directory is calibrated
    mb_kwargs : mapping, optional
        arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`: `model`, `corrector`, `mb_params_filesuffix` etc.
    gauge : Gauge, optional
        catchment of rows of discharge

    Returns
    -------
    DataFrame
        rows that can be modelled, with a column ``modelled`` (m w.e., over the period of the row)
    """
    require_jax(f"{gdir.rgi_id}: modelling observations")
    from oggm_glaunti.fit.calibration.map_estimate import predict

    chosen = checked_mb_kwargs("modelled", mb_kwargs)
    mb_model = UnfittedMassBalance(gdir, **chosen) if published else GlaUnTIMassBalance(gdir, **chosen)
    glacier = glacier_site(gdir, mb_model, as_table(observations), gauge)
    _report_rejected(gdir, glacier)
    (values,) = predict(as_tuned(gdir.rgi_id, mb_model), [glacier.site])
    # Of discharge the weights of the balance are those of the glacier in the catchment, below 0.
    of_balance = np.asarray(glacier.site.areas)[:, : glacier.site.above_ref.size].sum(axis=1)
    of_balance = np.where(glacier.rows.is_balance, 1.0, of_balance)
    return glacier.used.assign(modelled=values - mb_model.bias / 1000.0 * glacier.site.years * of_balance)


def as_tuned(label: str, mb_model: GlaUnTIMassBalance) -> Tuned:
    """Return the parameters of a mass-balance model, with its tunable parameters applied, as the start of a fit.

    Raises
    ------
    InvalidParamsError
        if tunable parameters vary by month
    """
    from oggm_glaunti.core.on_heights import Tuned

    tunables = {name: getattr(mb_model, name) for name in ("melt_f", "prcp_fac", "temp_bias")}
    if any(np.ndim(value) for value in tunables.values()):
        words = "tunable parameters by month can be neither fitted nor differentiated"
        raise InvalidParamsError(f"{label}: {words}: {tunables}")
    moved: dict[str, Any] = {
        "ddf_snow_log": np.float32(np.log(tunables["melt_f"] / 1000.0)),
        "prec_scale_log": np.float32(mb_model.ti.prec_scale_log + np.log(tunables["prcp_fac"])),
    }
    return Tuned(replace(mb_model.ti, **moved), float(tunables["temp_bias"]), float(mb_model.temp_default_gradient))


class Estimate(NamedTuple):
    """A fit and its inputs.

    Attributes
    ----------
    posterior : Posterior
    gdirs : list of GlacierDirectory
        glaciers fitted to
    sites : list of GlacierSite
        their observations
    model : GlaUnTIMassBalance
        model of the first of them, before the fit
    chosen : dict
        arguments that make the same model of another glacier
    discharge : dict or None
        what there is to say of discharge, see :func:`~oggm_glaunti.fit.calibration.conflict.discharge_record`
    """

    posterior: Posterior
    gdirs: Sequence[GlacierDirectory]
    sites: list[GlacierSite]
    model: GlaUnTIMassBalance
    chosen: dict[str, Any]
    discharge: dict[str, Any] | None = None


def estimate(
    gdirs: Sequence[GlacierDirectory],
    observations: pd.DataFrame,
    free: Sequence[str] = FEW,
    spread: Mapping[str, float] | None = None,
    errors: ErrorSizes | None = None,
    mb_kwargs: Mapping[str, Any] | None = None,
    gauge: Gauge | None = None,
) -> Estimate:
    """Fit parameters to the observations of one or more glaciers; nothing is written.

    Parameters
    ----------
    gdirs : list of GlacierDirectory
        glaciers to fit to
    observations, free, spread, errors, mb_kwargs, gauge
        see :func:`fit_glaunti`; a gauge is that of one glacier

    Raises
    ------
    InvalidParamsError, MassBalanceCalibrationError
        see :func:`fit_glaunti`
    """
    label = ", ".join(gdir.rgi_id for gdir in gdirs)
    require_jax(f"{label}: fitting to observations")
    from oggm_glaunti.fit.calibration.conflict import discharge_record
    from oggm_glaunti.fit.calibration.map_estimate import NoConvergence, fit_map

    allowed = (*CALIBRATION_KWARGS, *CLIMATE_KWARGS)
    chosen = {"corrector": "auto", **checked_mb_kwargs("fit_glaunti", mb_kwargs, allowed)}
    first = UnfittedMassBalance(gdirs[0], **chosen)
    chosen = {**chosen, "model": first.model_name, "variant": first.variant}
    models = [first, *(_same_model(first, gdir, chosen) for gdir in gdirs[1:])]
    table = as_table(observations)
    if gauge is not None and len(gdirs) > 1:
        raise InvalidParamsError(f"{label}: gauge: discharge counts in the fit of one glacier only")
    sites = [glacier_site(gdir, m, table, gauge) for gdir, m in zip(gdirs, models, strict=True)]
    for gdir, glacier in zip(gdirs, sites, strict=True):
        _report_rejected(gdir, glacier)
    start = as_tuned(label, first)
    try:
        priors = priors_around(start, free, spread)
        if errors is not None:
            errors = checked_sizes(errors)
    except ValueError as err:
        raise InvalidParamsError(f"{label}: {err}") from err
    of_sites, rows = [glacier.site for glacier in sites], [glacier.rows for glacier in sites]
    try:
        posterior = fit_map(start, of_sites, rows, priors, errors)
        of_river = None if gauge is None else discharge_record(sites[0], gauge, start, priors, posterior, errors)
    except NoConvergence as err:
        raise MassBalanceCalibrationError(f"{label}: {err}. {_remedy(priors.names)}") from err
    for sentence in of_river["words"] if of_river else ():
        log.warning("(%s) %s", label, sentence)
    return Estimate(posterior, gdirs, sites, first, chosen, of_river)


def _write_fit(
    found: Estimate, gdirs: Sequence[GlacierDirectory], filesuffix: str, outside_factor: float = OUTSIDE_FACTOR
) -> list[dict[str, Any]]:
    from oggm_glaunti.core.weights import physical_values
    from oggm_glaunti.fit.calibration.map_estimate import place

    results = []
    for gdir in gdirs:
        mb_model = _same_model(found.model, gdir, found.chosen)
        own, record = _parameters_of(found, gdir, outside_factor)
        tuned = place(as_tuned(gdir.rgi_id, mb_model), own.names, own.mean)
        parameters = physical_values(tuned.ti)
        results.append(
            {
                **model_record(gdir, mb_model),
                "melt_f": 1000.0 * parameters["ddf_snow"]["value"],
                "prcp_fac": 1.0,
                "temp_bias": float(tuned.temp_bias),
                FITTED_GRADIENT: float(tuned.temp_gradient),
                "parameters": parameters,
                "calibrated": list(own.names),
                "fit": {**record, **fit_record(found.sites, found.posterior, own), **_of_discharge(found)},
            }
        )
        _check_possible(results[-1], own.names)
    for gdir, params in zip(gdirs, results, strict=True):
        write_calibration(gdir, params, filesuffix)
    return results


def _of_discharge(found: Estimate) -> dict[str, Any]:
    return {} if found.discharge is None else {"discharge": found.discharge}


def _check_possible(params: dict[str, Any], free: Sequence[str]) -> None:
    """Raise MassBalanceCalibrationError if no run can have these parameters, before any file is written."""
    try:
        fitted_parameters(params, params["rgi_id"])
        fitted_gradient(params)
    except InvalidParamsError as err:
        raise MassBalanceCalibrationError(f"{err}, after a fit. {_remedy(free)}") from err


def _remedy(free: Sequence[str]) -> str:
    return f"Check the observations, or free fewer parameters than {list(free)}."


def _parameters_of(found: Estimate, gdir: GlacierDirectory, outside_factor: float) -> tuple[Estimated, dict[str, Any]]:
    """Return a glacier's parameters, its own or its region's, and words on where they are from."""
    posterior, ids = found.posterior, [of.rgi_id for of in found.gdirs]
    if gdir.rgi_id in ids:
        return posterior.glacier(ids.index(gdir.rgi_id)), {"parameters_from": "own observations"}
    away = min(float(utils.haversine(gdir.cenlon, gdir.cenlat, of.cenlon, of.cenlat)) for of in found.gdirs) / 1000.0
    outside = away > REGION_KM
    regions = [of.rgi_region for of in found.gdirs]  # first-order, of the RGI
    factor = posterior.factor_between(regions, outside_factor) if outside else np.ones(posterior.w.size)
    log.info(
        "(%s) parameters of the region's mean, fitted to %d other glaciers, the nearest %.0f km away%s",
        *(gdir.rgi_id, len(ids), away),
        f"; outside of the region, the spread is taken times {', '.join(f'{f:.2f}' for f in factor)}" * outside,
    )
    return posterior.unseen(factor), {"parameters_from": "region", "km_to_nearest": round(away, 1)}


def _same_model(first: GlaUnTIMassBalance, gdir: GlacierDirectory, chosen: dict[str, Any]) -> GlaUnTIMassBalance:
    """Make the same model of another glacier, which must have the same weights."""
    mb_model = UnfittedMassBalance(gdir, **chosen)
    if mb_model.weights_sha256 != first.weights_sha256:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: its calibration names other weights ({mb_model.choice.weights_path}) than that of "
            f"{first.gdir.rgi_id} ({first.choice.weights_path}); choose them with mb_kwargs={{'weights': ...}}"
        )
    return mb_model


def _report_rejected(gdir: GlacierDirectory, glacier: GlacierSite) -> None:
    for row in glacier.rejected.itertuples():
        log.warning("(%s) observation %s is left out: %s", gdir.rgi_id, row.row, row.problem)
