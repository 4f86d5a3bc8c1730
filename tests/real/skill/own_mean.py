"""What a glacier's own mean balance is worth, and which parameters should take it up.

The mean of a glacier's annual rows is taken to be known, with :data:`ERROR`; single rows are judged. Parameters in
`free` follow it from where they start (as published, or as fitted on other glaciers), as far as their spread there and
the model's errors allow; the others stay. ``exactly`` turns them until the mean is met, as OGGM calibrates ``melt_f``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from oggm_glaunti.fit.calibration.errors import ErrorSizes, covariance
from oggm_glaunti.fit.calibration.hierarchy import Estimated
from oggm_glaunti.fit.calibration.map_estimate import linearised, place
from oggm_glaunti.fit.calibration.sites import GlacierSite
from tests.real.skill.scores import Predicted
from tests.real.skill.sites import published

ERROR = 0.1  # m w.e. a year: of a geodetic balance over two decades
STEPS, SETTLED = 20, 1e-4  # m w.e.


class Way(NamedTuple):
    """Parameters that follow the mean balance, and whether they meet it exactly."""

    free: Sequence[str]
    exactly: bool = False


WAYS = {
    "ddf": Way(("ddf_snow",), True),
    "precipitation": Way(("prec_scale",), True),
    "both, by spread": Way(("prec_scale", "ddf_snow")),
}


def with_own_mean(numbers: Estimated, sizes: ErrorSizes, glacier: GlacierSite, way: Way) -> Predicted:
    """What the model says of a site after it has been told the mean of the site's annual rows.

    Parameters
    ----------
    numbers : Estimated
        where the parameters start, and their spread
    sizes : ErrorSizes
    glacier : GlacierSite
    way : Way
    """
    annual = (glacier.used["season"] == "annual").to_numpy()
    weights = annual / annual.sum()
    free = np.isin(numbers.names, way.free)
    spread = np.where(free[:, None] & free, numbers.cov, 0.0)
    errors = covariance(glacier.rows, sizes)
    variance = 1e-9 if way.exactly else ERROR**2 + weights @ errors @ weights
    observed, start, mean = weights @ glacier.used["value"].to_numpy(), published(), numbers.mean
    for _ in range(STEPS):
        value, slopes = linearised(place(start, numbers.names, mean), glacier.site, numbers.names)
        slope = weights @ slopes
        gain = spread @ slope / (slope @ spread @ slope + variance)
        moved = numbers.mean + gain * (observed - weights @ value + slope @ (mean - numbers.mean))
        step, mean = moved - mean, moved
        if abs(slope @ step) < SETTLED:
            break
    left = np.eye(mean.size) - np.outer(gain, slope)
    cov = left @ numbers.cov @ left.T + np.outer(gain, gain) * variance
    value, slopes = linearised(place(start, numbers.names, mean), glacier.site, numbers.names)
    return Predicted(value, slopes @ cov @ slopes.T + errors)
