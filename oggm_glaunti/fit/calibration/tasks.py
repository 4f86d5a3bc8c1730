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
from oggm_glaunti.coupling.model.params import FITTED_GRADIENT
from oggm_glaunti.coupling.oggm.from_oggm import (
    GlacierDirectory,
    InvalidParamsError,
    MassBalanceCalibrationError,
    entity_task,
    global_task,
)
from oggm_glaunti.coupling.oggm.processes import require_jax
from oggm_glaunti.fit.calibration.posterior import identifiability, spread_of, summary
from oggm_glaunti.fit.calibration.priors import FEW, priors_around
from oggm_glaunti.fit.calibration.sites import GlacierSite, as_table, glacier_site

if TYPE_CHECKING:
    from oggm_glaunti.core.on_heights import Tuned
    from oggm_glaunti.fit.calibration.map_estimate import Posterior

settings.register()
log = logging.getLogger(__name__)


@entity_task(log, writes=["glaunti_params", "mb_calib"])
def fit_glaunti(
    gdir: GlacierDirectory,
    *,
    observations: pd.DataFrame,
    free: Sequence[str] = FEW,
    spread: Mapping[str, float] | None = None,
    model_error: float | None = None,
    filesuffix: str = "",
    mb_kwargs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Fit a glacier's parameters to any mix of observations: stakes, bands, whole-glacier and geodetic balances.

    The fit is the maximum a posteriori estimate, with priors around the parameters of the model. Parameters that the
    observations do not constrain stay at their prior, and the result says so.

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
    model_error : float, optional
        structural model error, expected in addition to the sigma of the observations, m w.e. a year; default: estimated
    filesuffix : str
        suffix of ``glaunti_params.json``, for more than one calibration in a directory
    mb_kwargs : mapping, optional
        `model`, `corrector` (default ``auto``), `weights`, `variant`, `filename` and `input_filesuffix` of
        :class:`~oggm_glaunti.GlaUnTIMassBalance`; numbers of an earlier fit have no effect

    Returns
    -------
    dict
        content of ``glaunti_params.json``: the parameters, used by :class:`~oggm_glaunti.GlaUnTIMassBalance` and all
        tasks from now on, and under ``fit`` their ranges, covariance and scores, and in words what is not constrained

    Raises
    ------
    InvalidParamsError
        if no observation can be used, or an argument is invalid
    MassBalanceCalibrationError
        if no minimum is found

    Examples
    --------
    >>> from oggm_glaunti.fit.readers import read_csv
    >>> observations = read_csv("stakes.csv").observations  # doctest: +SKIP
    >>> fit_glaunti(gdir, observations=observations)["parameters"]["ddf_snow"]  # doctest: +SKIP
    {'value': 0.0057, 'units': 'm w.e. K-1 day-1'}
    """
    found = estimate([gdir], observations, free, spread, model_error, mb_kwargs)
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
    model_error: float | None = None,
    filesuffix: str = "",
    mb_kwargs: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Fit one set of parameters to the observations of some glaciers of a region, and write it to all.

    Parameters
    ----------
    gdirs : list of GlacierDirectory
        glaciers that get the parameters
    observations : DataFrame or Read
        see :func:`fit_glaunti`
    fit_on : list of GlacierDirectory, optional
        glaciers to fit to; default: all of `gdirs` that the table names
    free, spread, model_error, filesuffix, mb_kwargs
        see :func:`fit_glaunti`; model and variant default to those of the first glacier in `fit_on`

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
    return _write_fit(estimate(fit_on, observations, free, spread, model_error, mb_kwargs), gdirs, filesuffix)


def modelled(
    gdir: GlacierDirectory,
    observations: pd.DataFrame,
    published: bool = False,
    mb_kwargs: Mapping[str, Any] | None = None,
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

    Returns
    -------
    DataFrame
        rows that can be modelled, with a column ``modelled`` (m w.e., over the period of the row)
    """
    require_jax(f"{gdir.rgi_id}: modelling observations")
    from oggm_glaunti.fit.calibration.map_estimate import predict

    chosen = checked_mb_kwargs("modelled", mb_kwargs)
    mb_model = UnfittedMassBalance(gdir, **chosen) if published else GlaUnTIMassBalance(gdir, **chosen)
    glacier = glacier_site(gdir, mb_model, as_table(observations))
    _report_rejected(gdir, glacier)
    (values,) = predict(as_tuned(gdir.rgi_id, mb_model), [glacier.site])
    return glacier.used.assign(modelled=values - mb_model.bias / 1000.0 * glacier.site.years)


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
    sites : list of GlacierSite
        glaciers fitted to
    model : GlaUnTIMassBalance
        model of the first of them, before the fit
    chosen : dict
        arguments that make the same model of another glacier
    """

    posterior: Posterior
    sites: list[GlacierSite]
    model: GlaUnTIMassBalance
    chosen: dict[str, Any]


def estimate(
    gdirs: Sequence[GlacierDirectory],
    observations: pd.DataFrame,
    free: Sequence[str] = FEW,
    spread: Mapping[str, float] | None = None,
    model_error: float | None = None,
    mb_kwargs: Mapping[str, Any] | None = None,
) -> Estimate:
    """Fit one set of parameters to the observations of one or more glaciers; nothing is written.

    Parameters
    ----------
    gdirs : list of GlacierDirectory
        glaciers to fit to
    observations, free, spread, model_error, mb_kwargs
        see :func:`fit_glaunti`

    Raises
    ------
    InvalidParamsError, MassBalanceCalibrationError
        see :func:`fit_glaunti`
    """
    label = ", ".join(gdir.rgi_id for gdir in gdirs)
    require_jax(f"{label}: fitting to observations")
    from oggm_glaunti.fit.calibration.map_estimate import NoConvergence, fit_map

    allowed = (*CALIBRATION_KWARGS, *CLIMATE_KWARGS)
    chosen = {"corrector": "auto", **checked_mb_kwargs("fit_glaunti", mb_kwargs, allowed)}
    first = UnfittedMassBalance(gdirs[0], **chosen)
    chosen = {**chosen, "model": first.model_name, "variant": first.variant}
    models = [first, *(_same_model(first, gdir, chosen) for gdir in gdirs[1:])]
    table = as_table(observations)
    sites = [glacier_site(gdir, m, table) for gdir, m in zip(gdirs, models, strict=True)]
    for gdir, glacier in zip(gdirs, sites, strict=True):
        _report_rejected(gdir, glacier)
    start = as_tuned(label, first)
    try:
        priors = priors_around(start, free, spread)
        if model_error is not None and not 0.0 <= model_error < np.inf:
            raise ValueError(f"model_error: expected 0 or more, found {model_error}")
    except ValueError as err:
        raise InvalidParamsError(f"{label}: {err}") from err
    try:
        posterior = fit_map(start, [glacier.site for glacier in sites], priors, model_error)
    except NoConvergence as err:
        remedy = f"Check the observations, or free fewer parameters than {list(priors.names)}."
        raise MassBalanceCalibrationError(f"{label}: {err}. {remedy}") from err
    return Estimate(posterior, sites, first, chosen)


def _write_fit(found: Estimate, gdirs: Sequence[GlacierDirectory], filesuffix: str) -> list[dict[str, Any]]:
    from oggm_glaunti.core.weights import physical_values

    record = _fit_record(found.posterior, found.sites)
    results = []
    for gdir in gdirs:
        mb_model = _same_model(found.model, gdir, found.chosen)
        tuned = found.posterior.tuned(as_tuned(gdir.rgi_id, mb_model))
        parameters = physical_values(tuned.ti)
        results.append(
            {
                **model_record(gdir, mb_model),
                "melt_f": 1000.0 * parameters["ddf_snow"]["value"],
                "prcp_fac": 1.0,
                "temp_bias": float(tuned.temp_bias),
                FITTED_GRADIENT: float(tuned.temp_gradient),
                "parameters": parameters,
                "calibrated": list(found.posterior.priors.names),
                "fit": record,
            }
        )
    for gdir, params in zip(gdirs, results, strict=True):
        write_calibration(gdir, params, filesuffix)
    return results


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


def _fit_record(posterior: Posterior, sites: Sequence[GlacierSite]) -> dict[str, Any]:
    """Describe the observations, the scores and the posterior of a fit."""
    used = pd.concat([glacier.used for glacier in sites])
    difference = np.concatenate(posterior.predicted) - used["value"].to_numpy()
    by_kind = used.groupby(["kind", "season"]).size()
    return {
        "observations": {f"{kind} {season}": int(n) for (kind, season), n in by_kind.items()},
        "glaciers": sorted(used["glacier"].unique().tolist()),
        "sources": sorted(used["source"].unique().tolist()),
        "first": f"{used['begin'].min():%Y-%m-%d}",
        "last": f"{used['end'].max():%Y-%m-%d}",
        "rejected": int(sum(len(glacier.rejected) for glacier in sites)),
        "rmse": float(np.sqrt(np.mean(difference**2))),
        "bias": float(difference.mean()),
        "model_error": posterior.model_error,
        "parameters": summary(posterior),
        "identifiability": identifiability(posterior),
        "posterior": spread_of(posterior),
    }
