"""Inputs of ``where_to_measure`` from a glacier: how well its parameters are known, and days of its seasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.analysis.glaciers import GlacierRun, errors_name
from oggm_glaunti.analysis.measure_next.places import Campaign
from oggm_glaunti.analysis.uncertainty.spread import parameter_spread
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.fit.calibration.priors import FEW, STORED, priors_around

if TYPE_CHECKING:
    from oggm_glaunti.analysis.measure_next.period_jacobians import Periods

MONTHS_TO_SPRING = 7  # of the mass-balance year: to 30 April in the north, to 31 October in the south


def parameter_root(
    run: GlacierRun, free: Sequence[str] | None = None, spread: Mapping[str, float] | None = None
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the uncertain parameters and a root (P, P) of the covariance of their stored numbers.

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
    left_open = parameter_spread(run.mb_model.calib_params, label)
    fitted = [name_of.get(stored, stored) for stored in left_open.names]
    with errors_name(run.gdir):
        priors = priors_around(run.tuned, free or fitted or FEW, spread)
    if twice := set(fitted) & {*(spread or {})}:
        raise InvalidParamsError(
            f"{label}: spread: {sorted(twice)} were fitted, their covariance is that of the fit; leave them out, or "
            "name another calibration by mb_params_filesuffix"
        )
    cov = np.diag(priors.sd**2)
    both = [name for name in priors.names if name in fitted]
    here, there = ([names.index(name) for name in both] for names in (priors.names, fitted))
    cov[np.ix_(here, here)] = left_open.covariance[np.ix_(there, there)]
    # Scaled: the numbers differ by orders of magnitude.
    sd = np.sqrt(np.abs(np.diag(cov)))
    try:
        return priors.names, sd[:, None] * np.linalg.cholesky(cov / np.outer(sd, sd))
    except np.linalg.LinAlgError as err:
        raise InvalidParamsError(
            f"{label}: fit.posterior of glaunti_params.json is no covariance: {left_open.covariance.tolist()}; fit the "
            "glacier again"
        ) from err


def season_days(
    run: GlacierRun, year: int, seasons: Sequence[str]
) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64]]:
    """Return the first and last day of seasons of a mass-balance year, datetime64[D] arrays (S,)."""
    of_year = run.days[np.asarray(run.trajectory.period) == year - run.years[0]]
    first, last = of_year[0], of_year[-1]
    spring = (first.astype("M8[M]") + MONTHS_TO_SPRING).astype("M8[D]")
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
