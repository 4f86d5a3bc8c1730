"""Task: where one more stake or snow pit would reduce the uncertainty most."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from oggm_glaunti import settings
from oggm_glaunti.analysis.glaciers import GlacierRun, MbKwargs, Years, errors_name, first_and_last, glacier_run
from oggm_glaunti.analysis.measure_next.places import Campaign, maps_of, places_on, table_of
from oggm_glaunti.analysis.uncertainty.draws import NO_WEATHER_ERRORS, WeatherErrors
from oggm_glaunti.analysis.uncertainty.spread import spread_with_priors
from oggm_glaunti.coupling.ground.features import read_features
from oggm_glaunti.coupling.model.choice import checked_mb_kwargs
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.oggm.balance_year import WINTER_MONTHS
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, entity_task
from oggm_glaunti.fit.calibration.errors import ErrorSizes
from oggm_glaunti.fit.calibration.intervals import error_sizes, in_words, month_errors
from oggm_glaunti.fit.calibration.priors import STORED
from oggm_glaunti.fit.observations import DEFAULT_SIGMA

if TYPE_CHECKING:
    from oggm_glaunti.analysis.measure_next.period_jacobians import Periods
    from oggm_glaunti.analysis.measure_next.survey import ModelErrors

settings.register()
log = logging.getLogger(__name__)

MEASURABLE_SEASONS = ("annual", "winter", "summer")
APART = 100.0  # m
TABLE_UNITS = {"height": "m", "lon": "degrees_east", "lat": "degrees_north", "sigma": "m w.e."}
TABLE_UNITS |= dict.fromkeys(("variance_before", "variance_after"), "square of the target's unit")
TABLE_UNITS |= dict.fromkeys(("reduction", "alone", "left"), "%")


class WhereToMeasure(NamedTuple):
    """What one more measurement would tell.

    Attributes
    ----------
    table : DataFrame
        the most informative measurements, best first, each in addition to those before it: ``target``, ``rank``,
        ``season``, ``begin`` and ``end`` (days, both included), ``height`` (m), ``row, col`` and ``lon, lat`` of a cell
        at that height, ``sigma`` (m w.e., of the measurement), ``variance_before`` and ``variance_after`` of the
        target, ``reduction`` (%, of the variance before), ``alone`` (%, reduction of the target's present variance by
        this measurement alone) and ``left`` (%, of that variance, with this measurement and all before it). Units are
        in ``table.attrs['units']``
    maps : Dataset
        ``reduction(season, y, x)``, share of the target's variance that one measurement there removes, NaN outside
        the glacier; ``reduction_by_height(season, height)`` the same by height; present ``variance`` and ``sd`` of the
        target, and ``elevation(y, x)``, m. With several targets all but it have a first dimension ``target``
    """

    table: pd.DataFrame
    maps: xr.Dataset


def _check_campaign(seasons: Sequence[str], n_best: int, **not_negative: float) -> None:
    if not seasons or set(seasons) - set(MEASURABLE_SEASONS):
        raise ValueError(f"seasons: expected some of {MEASURABLE_SEASONS}, found {seasons}")
    if n_best < 1:
        raise ValueError(f"n_best: expected 1 or more, found {n_best}")
    if wrong := {name: value for name, value in not_negative.items() if not 0.0 <= value < np.inf}:
        raise ValueError(f"expected 0 or more, found {wrong}")


@entity_task(log)
def where_to_measure(
    gdir: GlacierDirectory,
    *,
    year: int | None = None,
    years: Years = None,
    target: str | Sequence[str] = "smb",
    seasons: Sequence[str] = MEASURABLE_SEASONS,
    n_best: int = 5,
    heights: tuple[float, float] | None = None,
    apart: float = APART,
    sigma: float | Mapping[str, float] | None = None,
    model_errors: bool | ErrorSizes = True,
    free: Sequence[str] | None = None,
    spread: Mapping[str, float] | None = None,
    errors: WeatherErrors = NO_WEATHER_ERRORS,
    mb_kwargs: MbKwargs = None,
) -> WhereToMeasure:
    """Find where, and in which season, one more stake or snow pit reduces the uncertainty most.

    The balance is uncertain because parameters are, and because the model errs in each winter and summer; both affect
    what a stake shows. The reduction follows from derivatives alone, see
    :mod:`oggm_glaunti.analysis.measure_next.survey`: it is exact if the model is linear over the range of the
    uncertainty. Parameters have the covariance of the glacier's fit (`fit_glaunti`), or the priors of a fit if there
    was none. Errors of winters and summers are common to stakes and glacier, and each balance has one of its own; the
    uncertainty is that of :func:`~oggm_glaunti.tasks.smb_uncertainty`. The arguments are many because they describe a
    campaign: period, seasons, places, instruments and what is uncertain.

    Parameters
    ----------
    gdir : GlacierDirectory
        with daily climate and ``glaunti_features``
    year : int, optional
        mass-balance year of the measurements; default: the last of `years`, otherwise of the record
    years : (first, last), optional
        mass-balance years whose mean balance is wanted, both included; default: `year`
    target : str or list of str
        wanted quantity: ``'smb'``, the glacier-wide balance (m w.e., mean of `years`), or a parameter in `free`: its
        stored number, the logarithm for factors (so the standard deviation is a relative error)
    seasons : sequence of {'annual', 'winter', 'summer'}
        what can be measured: the year's balance (a stake), from the year's first day to 30 April (a snow pit), from
        1 May to the year's end; in the south to 31 October and from 1 November
    n_best : int
        number of measurements in the table for each target, fewer if there are no more places
    heights : (low, high), optional
        accessible range of heights, m; default: the whole glacier
    apart : float
        minimum difference in height of measurements of the same season in the table, m. With 0 a place may be chosen
        again: a second stake there, with an error of its own, may tell more than one elsewhere
    sigma : float or mapping of season to float, optional
        standard error of a measurement, m w.e.; default: that of point observations in
        :mod:`oggm_glaunti.fit.observations` (0.2, after Thibert et al. 2008)
    model_errors : bool or ErrorSizes
        sizes of the errors of the model, of points for measurements and of whole glaciers for the wanted balance: True
        for those of the glacier's fit, or those expected where nothing was fitted; False for none; or others
    free : sequence of str, optional
        uncertain parameters; default: those of the glacier's fit, otherwise those that a fit adjusts
    spread : mapping, optional
        standard deviations of parameters that were not fitted, if they differ from what a fit expects of a glacier's
    errors : WeatherErrors
        statistics of errors of each week's weather, the same at all heights, in addition; default: none, since the
        errors of the model hold what they make of a balance
    mb_kwargs : mapping, optional
        arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`: `model`, `corrector`, `mb_params_filesuffix` and so on

    Returns
    -------
    WhereToMeasure

    Raises
    ------
    InvalidParamsError
        for invalid arguments, or if nothing is uncertain
    InvalidWorkflowError
        if the directory lacks what the model or the maps need

    Examples
    --------
    >>> best, maps = where_to_measure(gdir, year=2019, mb_kwargs={"model": "A"})  # doctest: +SKIP
    >>> best[["season", "height", "reduction"]].iloc[0].round(1).tolist()  # doctest: +SKIP
    ['annual', 2750.0, 84.6]
    """
    from oggm_glaunti.analysis.measure_next.survey import Uncertainty, survey

    seasons = (seasons,) if isinstance(seasons, str) else tuple(dict.fromkeys(seasons))
    with errors_name(gdir):
        errors.check()
        _check_campaign(seasons, n_best, apart=apart)
    features = read_features(gdir)
    chosen = checked_mb_kwargs(f"{gdir.rgi_id}: where_to_measure", mb_kwargs)
    wanted = None if years is None else first_and_last(gdir, years)
    if year is None:
        year = GlaUnTIMassBalance(gdir, **chosen).ye if wanted is None else wanted[1]
    first, last = wanted or (int(year), int(year))
    run = glacier_run(gdir, (min(year, first), max(year, last)), mb_kwargs=chosen)
    names, root, origin = parameter_root(run, free, spread)
    targets, sigmas = _targets(gdir, target, names), _sigmas(gdir, sigma, seasons)
    campaign = Campaign(targets, seasons, *season_days(run, year, seasons), sigmas, run.heights)
    places = places_on(features, run.heights, heights, gdir.rgi_id)
    sizes, origin_of_sizes = error_sizes(run.mb_model.calib_params, model_errors, gdir.rgi_id)
    own, of_model = campaign_model_errors(run, campaign, (first, last), sizes)
    standard_errors = np.hypot(campaign.sigma, own).astype(np.float32)
    periods = campaign_periods(run, campaign, (first, last), errors.block_days)
    of_glacier = run.tuned, run.trajectory, periods, Uncertainty(root.astype(np.float32), errors, of_model)
    found = survey(*of_glacier, standard_errors, places.allowed, np.float32(apart), names, targets, n_best)
    if nothing := [target for target, v in zip(targets, np.asarray(found.variance), strict=True) if not v > 0.0]:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: nothing makes {nothing} uncertain: a parameter has to be in free, or model_errors or "
            "errors above 0"
        )
    about = {
        "rgi_id": gdir.rgi_id,
        "model": run.mb_model.model_name,
        "corrector": run.mb_model.corrector,
        "variant": run.tuned.ti.day.name,
        "year": int(year),
        "years": [first, last],
        "uncertain_parameters": [*names],
        "parameter_errors": origin,
        "model_errors": in_words(sizes.points, origin_of_sizes) + in_words(sizes.whole, "; of the glacier's mean"),
        **{name: float(value) for name, value in zip(errors._fields[:3], errors, strict=False)},
    }
    table, maps = table_of(found, campaign, places), maps_of(found, campaign, places, features).assign_attrs(about)
    table.attrs = {**about, "units": TABLE_UNITS}
    return WhereToMeasure(table, maps.squeeze("target") if isinstance(target, str) else maps)


def _targets(gdir: GlacierDirectory, target: str | Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    from oggm_glaunti.analysis.measure_next.survey import SMB

    chosen = (target,) if isinstance(target, str) else tuple(dict.fromkeys(target))
    if not chosen or set(chosen) - {SMB, *names}:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: target: expected {SMB!r} or uncertain parameters, here {[*names]}, found {chosen}; a "
            "parameter is uncertain where free names it"
        )
    return chosen


def _sigmas(
    gdir: GlacierDirectory, sigma: float | Mapping[str, float] | None, seasons: Sequence[str]
) -> NDArray[np.float64]:
    default = DEFAULT_SIGMA["point"]
    of_all = default if sigma is None else sigma
    each = of_all if isinstance(of_all, Mapping) else dict.fromkeys(MEASURABLE_SEASONS, of_all)
    if set(each) - set(MEASURABLE_SEASONS):
        raise InvalidParamsError(f"{gdir.rgi_id}: sigma: expected seasons of {MEASURABLE_SEASONS}, found {[*each]}")
    values = np.array([each.get(season, default) for season in seasons], np.float64)
    if not ((values > 0.0) & np.isfinite(values)).all():
        raise InvalidParamsError(f"{gdir.rgi_id}: sigma: expected m w.e. above 0, found {sigma}")
    return values


def parameter_root(
    run: GlacierRun, free: Sequence[str] | None = None, spread: Mapping[str, float] | None = None
) -> tuple[tuple[str, ...], NDArray[np.float64], str]:
    """Return the uncertain parameters, a root (P, P) of their stored numbers' covariance, and its origin in words.

    Parameters
    ----------
    run : GlacierRun
        its calibration may hold a fit; parameters that were not fitted have their priors
    free, spread
        see :func:`~oggm_glaunti.analysis.measure_next.tasks.where_to_measure`

    Raises
    ------
    InvalidParamsError
        for invalid names or standard deviations
    """
    label, name_of = run.gdir.rgi_id, {stored: name for name, stored in STORED.items()}
    with errors_name(run.gdir):
        found = spread_with_priors(run.mb_model.calib_params, run.tuned, label, free, spread)
    # Scaled: the numbers differ by orders of magnitude.
    sd = np.sqrt(np.abs(np.diag(found.covariance)))
    try:
        root = sd[:, None] * np.linalg.cholesky(found.covariance / np.outer(sd, sd))
    except np.linalg.LinAlgError as err:
        raise InvalidParamsError(
            f"{label}: fit.posterior of glaunti_params.json is no covariance: {found.covariance.tolist()}; fit the "
            "glacier again"
        ) from err
    return tuple(name_of.get(name, name) for name in found.names), root, found.origin


def season_days(
    run: GlacierRun, year: int, seasons: Sequence[str]
) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64]]:
    """Return the first and last day of seasons of a mass-balance year, datetime64[D] arrays (S,)."""
    of_year = run.days[np.asarray(run.trajectory.period) == year - run.years[0]]
    first, last = of_year[0], of_year[-1]
    spring = (first.astype("M8[M]") + WINTER_MONTHS).astype("M8[D]")
    days = {"annual": (first, last), "winter": (first, spring - 1), "summer": (spring, last)}
    begin, end = zip(*(days[season] for season in seasons), strict=True)
    return np.array(begin), np.array(end)


def campaign_periods(run: GlacierRun, campaign: Campaign, years: tuple[int, int], block_days: int = 7) -> Periods:
    """Return the seasons of the measurements, then the years (first, last) of the wanted mean balance."""
    from oggm_glaunti.analysis.measure_next.period_jacobians import periods_between
    from oggm_glaunti.analysis.uncertainty.blocks import weekly_blocks

    (first, _), (_, last) = (season_days(run, year, ["annual"]) for year in years)
    begin, end = np.append(campaign.begin, first), np.append(campaign.end, last)
    days = zip(np.searchsorted(run.days, begin).tolist(), (np.searchsorted(run.days, end) + 1).tolist(), strict=True)
    scale = [1.0] * len(campaign.seasons) + [1.0 / (years[1] - years[0] + 1)]
    return periods_between(weekly_blocks(run.trajectory.period, block_days), [*days], scale)


def campaign_model_errors(
    run: GlacierRun, campaign: Campaign, years: tuple[int, int], sizes: ErrorSizes
) -> tuple[NDArray[np.float64], ModelErrors]:
    """Return the own errors of a measurement in each season (S,), m w.e., and those that it shares with the balance.

    Parameters
    ----------
    run : GlacierRun
    campaign : Campaign
    years : (first, last)
        of the wanted mean balance
    sizes : ErrorSizes
        of points for the measurements, of whole glaciers for the wanted balance
    """
    from oggm_glaunti.analysis.measure_next.survey import ModelErrors

    (first, _), (_, last) = (season_days(run, year, ["annual"]) for year in years)
    span = min(first[0], *campaign.begin), max(last[0], *campaign.end)
    of_points, of_whole = (month_errors(*span, of, run.gdir.hemisphere) for of in (sizes.points, sizes.whole))
    measured = of_points.shares(campaign.begin, campaign.end + 1)
    wanted = of_whole.shares(first, last + 1)[0] / (years[1] - years[0] + 1)
    own = np.linalg.norm(wanted * of_whole.own)
    numbers = measured * of_points.season, wanted * of_whole.season, own
    shared = ModelErrors(*(np.asarray(array, np.float32) for array in numbers))
    return np.linalg.norm(measured * of_points.own, axis=1), shared
