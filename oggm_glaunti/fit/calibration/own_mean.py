"""One glacier to its own mean balance: the most probable precipitation and melt, or one parameter after the other.

What is known of most glaciers is a mean balance, from surveys of their surface. It is one number, and precipitation and
melt are two, so what is expected of both decides: a melt factor alone that makes up for missing snow makes up for it in
the wrong season. The most probable pair under a prior and the mean balance, with its error, is found with NumPy alone,
so that it runs in OGGM's pools of processes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from oggm_glaunti import settings
from oggm_glaunti.coupling.model.calibration import find_reference, search_bounds, turn
from oggm_glaunti.coupling.model.calibration_file import UnfittedMassBalance, model_record, write_calibration
from oggm_glaunti.coupling.model.choice import CALIBRATION_KWARGS, checked_mb_kwargs
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.model.params import FIT_ENTRIES
from oggm_glaunti.coupling.model.reference_period import Reference, ReferencePeriod, SpecificBalance, require_kg
from oggm_glaunti.coupling.oggm.from_oggm import (
    GlacierDirectory,
    InvalidParamsError,
    MassBalanceCalibrationError,
    entity_task,
)
from oggm_glaunti.fit.calibration.errors import (
    MEDIANS,
    Effects,
    ErrorSizes,
    Floats,
    bound,
    effects,
    sizes_as_dict,
    sizes_from_dict,
)
from oggm_glaunti.fit.calibration.hierarchy import BETWEEN
from oggm_glaunti.fit.calibration.priors import MORE, SPREAD, STORED
from oggm_glaunti.fit.calibration.sites import as_table
from oggm_glaunti.fit.observations import COLUMNS, DEFAULT_SIGMA, check_observations

settings.register()
log = logging.getLogger(__name__)

PUBLISHED = "published"
TURNED = {"prcp_fac": "prec_scale", "melt_f": "ddf_snow"}
"""Tunable parameters that are estimated, and the parameters of the temperature index that they change."""
# Distance from the prior mean, in its standard deviations, beyond which a reference is out of reach.
FARTHEST = 4.0
# Of unknowns, in standard deviations a priori. Differences over much smaller steps are rounding errors, as tables are
# float32; steps of the search converge quadratically, so that the last one is far larger than what is left.
STEP, TOLERANCE = 0.01, 0.01


class Prior(NamedTuple):
    """What is expected of the logarithms of precipitation and melt, beside those that the model has.

    Attributes
    ----------
    mean : float64 array (2,)
    cov : float64 array (2, 2)
    sizes : ErrorSizes
        of the differences between model and observations, m w.e.
    """

    mean: Floats
    cov: Floats
    sizes: ErrorSizes


class Observed(NamedTuple):
    """What a glacier is calibrated to, with functions that model it.

    Attributes
    ----------
    modelled : list of callable
        of the model as it is, m w.e.
    values, variances : float64 arrays (O,)
        m w.e., m2 w.e.
    """

    modelled: list[Callable[[], float]]
    values: Floats
    variances: Floats


@entity_task(log, writes=["glaunti_params", "mb_calib"])
def calibrate_glaunti(
    gdir: GlacierDirectory,
    *,
    ref_mb: float | None = None,
    ref_mb_err: float | None = None,
    ref_period: str | None = None,
    ref_source: str = "geodetic",
    winters: pd.DataFrame | None = None,
    prior: str = PUBLISHED,
    order: Sequence[str] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    use_2d_mb: bool = False,
    filesuffix: str = "",
    mb_kwargs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Calibrate a glacier to its own mean balance: the most probable ``prcp_fac`` and ``melt_f``.

    Both are estimated together from the balance with its error, a prior, and winter balances where there are any. With
    `order` one tunable parameter after the other is turned instead, until the balance is met exactly.

    Whole years are calendar years, as everywhere in OGGM. The corrections of models C and D are
    computed with all tunable parameters at zero effect and do not change during the calibration.

    Parameters
    ----------
    gdir : GlacierDirectory
        glacier with daily climate, ``glaunti_features`` (models C and D) and inversion flowlines
    ref_mb, ref_mb_err : float, optional
        reference balance and its standard error, kg m-2 yr-1; default: that of `ref_source`. Without an error it is
        taken to be 200 kg m-2 yr-1, of the WGMS' balances 340 over the root of their number
    ref_period : str, optional
        ``'2000-01-01_2020-01-01'``, OGGM's notation; any day may begin and end it. The last day belongs to it, unless
        it is the first of a month. `ref_mb` is the balance of the period divided by its years. Default:
        ``cfg.PARAMS['geodetic_mb_period']``
    ref_source : {'geodetic', 'wgms'}
        source of the reference if `ref_mb` is not given: OGGM's geodetic table, or ``gdir.get_ref_mb_data``
        over all its years within the record
    winters : DataFrame, optional
        observations (see :mod:`oggm_glaunti.fit.observations`), of which the winter balances of the whole glacier
        count; a glacier of which there are none does without
    prior : str
        ``'published'``: around the weights' own numbers, with more precipitation; or the suffix of a calibration that
        :func:`~oggm_glaunti.tasks.fit_glaunti_region` has written here: the region's parameters and their spread
    order : sequence of str, optional
        of ``melt_f``, ``prcp_fac``, ``temp_bias``: turn these. One that cannot reach the reference stays at its bound
        and the next one is turned. ``('melt_f',)`` is the usual calibration of OGGM,
        ``('prcp_fac', 'melt_f', 'temp_bias')`` its informed three steps, with ``prcp_fac`` between 0.8 and 1.2
    bounds : mapping, optional
        with `order`: ``{tunable: (lowest, highest)}``; default: OGGM's (``cfg.PARAMS['melt_f_min']`` and so on)
    use_2d_mb : bool
        average over the cells of the glacier (``topo_smoothed``) instead of the inversion flowlines, as in OGGM
    filesuffix : str
        suffix of ``glaunti_params.json``, for more than one calibration in a directory
    mb_kwargs : mapping, optional
        `model`, `corrector` (default ``auto``), `weights` and `variant` of :class:`~oggm_glaunti.GlaUnTIMassBalance`;
        all other parameters are the weights' own, or those of `prior`, even if a fit was made before

    Returns
    -------
    dict
        what is written to ``glaunti_params.json``; without `order` with the covariance of both parameters under
        ``fit``. OGGM's own tasks find the same values in ``mb_calib_glaunti.json``.

    Raises
    ------
    MassBalanceCalibrationError
        if the reference is out of reach; says how close it came
    InvalidWorkflowError, InvalidParamsError
        if there is no reference, or an argument is invalid

    Examples
    --------
    A region of which some glaciers have stakes: all are calibrated to their own mean balances, around its parameters.

    >>> from oggm_glaunti import tasks as gtasks
    >>> gtasks.fit_glaunti_region(gdirs, observations=stakes, filesuffix="_region")  # doctest: +SKIP
    >>> workflow.execute_entity_task(gtasks.calibrate_glaunti, gdirs, prior="_region")  # doctest: +SKIP
    """
    if ref_mb is not None:
        require_kg(ref_mb, ref_mb_err, gdir.rgi_id)
    elif ref_mb_err is not None:
        raise InvalidParamsError(f"{gdir.rgi_id}: ref_mb_err={ref_mb_err:g} belongs to ref_mb, which is not given")
    _require_one_way(gdir.rgi_id, order, bounds, prior, winters)
    if prior == filesuffix:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: prior={prior!r} is the suffix that the calibration is written to; let "
            "fit_glaunti_region write to a filesuffix of its own, such as '_region'"
        )
    chosen = checked_mb_kwargs("calibrate_glaunti", mb_kwargs, CALIBRATION_KWARGS)
    chosen = {"corrector": "auto", **chosen}
    if order is not None or prior == PUBLISHED:
        mb_model: GlaUnTIMassBalance = UnfittedMassBalance(gdir, **chosen)
    else:
        mb_model = GlaUnTIMassBalance(gdir, **chosen, mb_params_filesuffix=prior)
    ref = find_reference(mb_model, ref_mb, ref_mb_err, ref_period, ref_source)
    balance = SpecificBalance(gdir, mb_model, use_2d_mb)
    if order is not None:
        residual, turned = turn(
            mb_model, lambda: balance.of(ref) - ref.mb, order, search_bounds(order, bounds, gdir.rgi_id)
        )
        found: dict[str, Any] = {"calibrated": turned, "residual": residual}
    else:
        expected = _prior(mb_model, prior)
        found = _most_probable(mb_model, expected, _observed(mb_model, balance, ref, winters, expected.sizes))
        found["residual"] = balance.of(ref) - ref.mb
        found["fit"]["prior"] = prior
    params = {**model_record(gdir, mb_model), **_kept(mb_model), **ref.record(), **found}
    write_calibration(gdir, params, filesuffix)
    mb_model.keep_table(filesuffix)
    return params


def _require_one_way(rgi_id: str, order: Any, bounds: Any, prior: str, winters: Any) -> None:
    if order is None and bounds is not None:
        raise InvalidParamsError(f"{rgi_id}: bounds: belong to order, which is not given; without it, a prior decides")
    if order is not None and (prior != PUBLISHED or winters is not None):
        raise InvalidParamsError(f"{rgi_id}: order={order!r} turns to one number, without prior and winters: leave out")


def _kept(mb_model: GlaUnTIMassBalance) -> dict[str, Any]:
    """Return the other parameters that a prior's fit has found."""
    return {name: mb_model.calib_params[name] for name in FIT_ENTRIES if name in mb_model.calib_params}


def _prior(mb_model: GlaUnTIMassBalance, prior: str) -> Prior:
    if prior == PUBLISHED:
        names = TURNED.values()
        sd = np.array([SPREAD[name] for name in names]) * np.hypot(1.0, BETWEEN)
        more = MORE[mb_model.variant]
        return Prior(np.array([more.get(name, 0.0) for name in names]), np.diag(sd**2), MEDIANS)
    label, fit = mb_model.gdir.rgi_id, mb_model.calib_params.get("fit", {})
    if "prior" in fit:
        raise InvalidParamsError(
            f"{label}: prior={prior!r}: the calibration by that suffix knows the glacier's own mean balance already; "
            "expected one by fit_glaunti_region"
        )
    stored = [STORED[name] for name in TURNED.values()]
    posterior = fit.get("posterior", {"stored": []})
    missing = sorted(set(stored) - set(posterior["stored"]))
    if missing:
        raise InvalidParamsError(
            f"{label}: prior={prior!r}: the calibration by that suffix has no distribution of {missing}; expected one "
            "by fit_glaunti_region with prec_scale and ddf_snow free"
        )
    at = [posterior["stored"].index(name) for name in stored]
    return Prior(np.zeros(2), np.array(posterior["covariance"])[np.ix_(at, at)], sizes_from_dict(fit["error_sizes"]))


def _observed(
    mb_model: GlaUnTIMassBalance, balance: SpecificBalance, ref: Reference, winters: Any, sizes: ErrorSizes
) -> Observed:
    """Return the mean balance of a year, and the winters of the glacier, with the errors that a fit gives to both."""
    sigma = DEFAULT_SIGMA["glacier-wide"] / len(ref.years) ** 0.5 if ref.source == "WGMS" else DEFAULT_SIGMA["geodetic"]
    err = sigma if ref.mb_err is None else ref.mb_err / 1000.0
    table = _winters_of(mb_model, winters)
    rows = _rows(ref, err, table, mb_model.gdir.hemisphere == "sh")
    variances = bound(rows, sizes)
    variances[0] /= rows.years[0] ** 2
    modelled: list[Callable[[], float]] = [lambda: balance.of(ref) / 1000.0]
    for row in table.itertuples():
        days = ReferencePeriod(*(np.datetime64(day, "D") for day in (row.begin, row.end)))
        modelled.append(partial(_of_days, balance, days))
    return Observed(modelled, np.array([ref.mb / 1000.0, *table["value"]]), variances)


def _rows(ref: Reference, err: float, winters: pd.DataFrame, southern: bool) -> Effects:
    """Return the errors of the reference, as the sum of its years, and of winters."""
    spans = [ref.days] if ref.days is not None else list(map(ReferencePeriod.of_year, ref.years))
    own = pd.DataFrame([{"begin": span.begin, "end": span.end} for span in spans])
    own = own.assign(kind="geodetic", season="annual", sigma=0.0)
    rows = effects(pd.concat([own, winters]) if len(winters) else own, southern)

    def together(of_rows: Floats) -> Floats:
        return np.concatenate([of_rows[: len(spans)].sum(axis=0, keepdims=True), of_rows[len(spans) :]])

    years = together(rows.years)
    sigma = np.array([err * years[0], *winters["sigma"]])
    return Effects(together(rows.winter), together(rows.summer), sigma, years, np.ones(years.size, bool), rows.few)


def _of_days(balance: SpecificBalance, days: ReferencePeriod) -> float:
    """Return the balance over a period, m w.e."""
    return balance.of_days(days) * days.years / 1000.0


def _winters_of(mb_model: GlaUnTIMassBalance, winters: Any) -> pd.DataFrame:
    """Return the glacier's winter balances, with the reasons in the log why some or all are left out."""
    if winters is None:
        return pd.DataFrame(columns=[*COLUMNS])
    gdir, table = mb_model.gdir, as_table(winters)
    table = table[(table["kind"] == "glacier-wide") & (table["season"] == "winter")]
    if table.empty:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: winters: no winter balance of a whole glacier among {len(as_table(winters))} rows; leave "
            "winters out, or fit stakes with fit_glaunti"
        )
    good, bad = check_observations(table[table["glacier"].isin({gdir.rgi_id, gdir.name or gdir.rgi_id})])
    known = (good["begin"].dt.year >= mb_model.ys) & (good["end"].dt.year <= mb_model.ye)
    reasons = [f"row {row.row}, {row.problem}" for row in bad.itertuples()]
    reasons += [f"row {row}, not within the weather, {mb_model.ys} to {mb_model.ye}" for row in good.index[~known]]
    if reasons or not known.any():
        log.warning("(%s) winters: %d are used; left out: %s", gdir.rgi_id, known.sum(), "; ".join(reasons) or "none")
    return good[known]


def _most_probable(mb_model: GlaUnTIMassBalance, prior: Prior, observed: Observed) -> dict[str, Any]:
    """Set the most probable tunable parameters; return their distribution; an error far from the prior."""
    first = {name: float(getattr(mb_model, name)) for name in TURNED}
    root = np.linalg.cholesky(prior.cov)

    def model(z: Floats) -> Floats:
        for (name, number), x in zip(first.items(), prior.mean + root @ z, strict=True):
            setattr(mb_model, name, number * float(np.exp(x)))
        return np.array([one() for one in observed.modelled])

    def residuals(z: Floats) -> Floats:
        return np.concatenate([(model(z) - observed.values) / np.sqrt(observed.variances), z])

    def slopes(z: Floats) -> Floats:
        here = residuals(z)
        return np.stack([(residuals(z + STEP * unit) - here) / STEP for unit in np.eye(z.size)], axis=1)

    limits = (-FARTHEST - 1.0, FARTHEST + 1.0)
    tolerances = {"xtol": TOLERANCE, "ftol": TOLERANCE}
    found = least_squares(residuals, np.zeros(2), slopes, limits, "dogbox", **tolerances)
    missed = float(model(found.x)[0] - observed.values[0])
    if not np.isfinite(found.cost) or np.linalg.norm(found.x) > FARTHEST:
        turned = ", ".join(f"{name} {getattr(mb_model, name):.3g}" for name in TURNED)
        raise MassBalanceCalibrationError(
            f"{mb_model.gdir.rgi_id}: the reference balance of {1000.0 * observed.values[0]:.0f} kg m-2 yr-1 is out of "
            f"reach: the most probable parameters ({turned}) are {np.linalg.norm(found.x):.1f} standard deviations "
            f"from what is expected and miss it by {1000.0 * missed:.0f}. Check the climate and the reference, or turn "
            "parameters to it with order="
        )
    cov = root @ np.linalg.inv(found.jac.T @ found.jac) @ root.T
    at = [mb_model.ti.prec_scale_log + np.log(mb_model.prcp_fac), np.log(mb_model.melt_f / 1000.0)]
    return {
        "calibrated": list(TURNED),
        "fit": {
            "posterior": {
                "stored": [STORED[name] for name in TURNED.values()],
                "mean": [float(number) for number in at],
                "covariance": cov.tolist(),
            },
            "error_sizes": sizes_as_dict(prior.sizes),
        },
    }
