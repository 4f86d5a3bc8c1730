"""The package's own fit as a method of the tests of skill: model A, the default parameters, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from oggm_glaunti.core.on_heights import Tuned
from oggm_glaunti.fit.calibration.errors import covariance
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
    start = published()
    found = fit_map(start, [g.site for g in sites], [g.rows for g in sites], priors_around(start))
    seen = {name_of(glacier): number for number, glacier in enumerate(sites)}

    def of(glacier: GlacierSite) -> Predicted:
        number = seen.get(name_of(glacier))
        if number is None:
            return with_intervals(start, found, found.unseen(), glacier, False)
        return with_intervals(start, found, found.glacier(number), glacier, sites[number].rows.few)

    return of


def name_of(glacier: GlacierSite) -> str:
    """Name of the glacier of a site."""
    return str(glacier.used["glacier"].iloc[0])


def with_intervals(start: Tuned, found: Posterior, numbers: Estimated, glacier: GlacierSite, few: bool) -> Predicted:
    """What a fit says of a site under a distribution of parameters, with all errors in which observations differ."""
    tuned = place(start, numbers.names, numbers.mean)
    value, slopes = linearised(tuned, glacier.site, numbers.names)
    errors = covariance(glacier.rows._replace(few=few), found.sizes)
    return Predicted(value, slopes @ numbers.cov @ slopes.T + errors)


def width(predicted: Predicted) -> float:
    """Median standard error of single rows, m w.e."""
    assert predicted.cov is not None
    return float(np.median(np.sqrt(np.diag(predicted.cov))))
