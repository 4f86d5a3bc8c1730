"""The package's own fit as a method of the tests of skill: model A, the default parameters, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oggm_glaunti.fit.calibration.errors import ErrorSizes, covariance
from oggm_glaunti.fit.calibration.hierarchy import Estimated, Posterior
from oggm_glaunti.fit.calibration.map_estimate import fit_map, linearised, place, predict
from oggm_glaunti.fit.calibration.priors import priors_around
from oggm_glaunti.fit.calibration.sites import GlacierSite
from tests.real.skill.scores import Predicted
from tests.real.skill.sites import published

Predict = Callable[[GlacierSite], Predicted]


def no_fit(sites: Sequence[GlacierSite]) -> Predict:
    """Model A as published."""
    return lambda glacier: Predicted(predict(published(), [glacier.site])[0])


def hierarchical(sites: Sequence[GlacierSite]) -> Predict:
    """The region's mean, and each glacier's own parameters where the fit has seen it."""
    return of_fit(fitted(sites), sites)


def fitted(sites: Sequence[GlacierSite]) -> Posterior:
    """Fit the default parameters to all rows of sites, from the published ones."""
    start = published()
    return fit_map(start, [g.site for g in sites], [g.rows for g in sites], priors_around(start))


def of_fit(found: Posterior, sites: Sequence[GlacierSite]) -> Predict:
    """What a fit says of glaciers, those of the fit (in its order) or others."""
    seen = {name_of(glacier): number for number, glacier in enumerate(sites)}

    def of(glacier: GlacierSite) -> Predicted:
        number = seen.get(name_of(glacier))
        if number is None:
            return with_intervals(found.sizes, found.unseen(), glacier)
        return with_intervals(found.sizes, found.glacier(number), glacier, few=sites[number].rows.few)

    return of


def name_of(glacier: GlacierSite) -> str:
    """Name of the glacier of a site."""
    return str(glacier.used["glacier"].iloc[0])


def with_intervals(sizes: ErrorSizes, numbers: Estimated, glacier: GlacierSite, few: bool = False) -> Predicted:
    """What a distribution of parameters says of a site, with all errors in which observations differ from a model.

    `few` says whether the level of the glacier's seasons was left uncertain, as by stakes of one year.
    """
    value, slopes = linearised(place(published(), numbers.names, numbers.mean), glacier.site, numbers.names)
    return Predicted(value, slopes @ numbers.cov @ slopes.T + covariance(glacier.rows._replace(few=few), sizes))
