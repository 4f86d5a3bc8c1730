"""What GlaUnTI is compared with: OGGM's temperature index, with monthly and with daily temperatures.

The equations of OGGM's MonthlyTIModel and DailyTIModel (Maussion et al. 2019): snow fraction linear between 0 and 2
degC, melt above 0 degC, one degree-day factor. Both see daily precipitation; the monthly one the mean temperature of
the month. They are fitted with the same freedom, the same priors' widths and the same model of errors as GlaUnTI.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import least_squares

from oggm_glaunti.fit.calibration.errors import MEDIANS, Effects, bound, estimate_sizes
from oggm_glaunti.fit.calibration.predictions import Site
from oggm_glaunti.fit.calibration.priors import SPREAD
from oggm_glaunti.fit.calibration.sites import GlacierSite

ROUNDS = 2
ALL_SOLID, ALL_LIQUID, MELTING = 0.0, 2.0, 0.0  # degC
FIRST_GUESS = {"prec_scale": np.log(1.4), "ddf_snow": np.log(0.005), "temp_bias": 0.0, "temp_gradient": -0.0060}


def monthly_means(glacier: GlacierSite) -> Site:
    """The same site with the mean temperature of the month on all its days."""
    month = glacier.days.astype("M8[M]").astype(int)
    month -= month[0]
    temp = np.asarray(glacier.site.temp, np.float64)
    means = np.stack([np.bincount(month, row) / np.bincount(month) for row in temp])
    return glacier.site.replace(temp=means[:, month])


def predictions(numbers: dict[str, float], site: Site) -> np.ndarray:
    """What OGGM's temperature index says of every observation, m w.e."""
    offset = numbers["temp_bias"] + numbers["temp_gradient"] * np.asarray(site.above_ref, np.float64)
    temp = np.asarray(site.temp[0], np.float64)[:, None] + offset
    solid = np.clip((ALL_LIQUID - temp) / (ALL_LIQUID - ALL_SOLID), 0.0, 1.0) * np.asarray(site.prcp[0])[:, None]
    melt = np.maximum(temp - MELTING, 0.0)
    smb = np.exp(numbers["prec_scale"]) * solid - np.exp(numbers["ddf_snow"]) * melt
    sums = np.zeros((site.spans.shape[1], smb.shape[1]))
    for index in (site.before, site.after):
        np.add.at(sums, index, 0.5 * smb)
    return ((site.spans @ sums) * site.areas).sum(axis=1)


def fit(sites: Sequence[Site], rows: Sequence[Effects], free: Sequence[str]) -> dict[str, float]:
    """Most probable numbers, as :func:`oggm_glaunti.fit.calibration.map_estimate.fit_map` finds them for GlaUnTI.

    They are the same for all sites, so the spread between glaciers is part of the errors.
    """
    first, sd = (np.array([values[name] for name in free]) for values in (FIRST_GUESS, SPREAD))

    def differences(z):
        numbers = {**FIRST_GUESS, **dict(zip(free, first + sd * z, strict=True))}
        return [predictions(numbers, site) - site.observed for site in sites]

    z, sizes = np.zeros(len(free)), MEDIANS
    for _ in range(ROUNDS):
        expected = np.sqrt(np.concatenate([bound(of, sizes) for of in rows]))
        z = least_squares(lambda z, e=expected: np.concatenate([np.concatenate(differences(z)) / e, z]), z).x
        sizes = estimate_sizes(differences(z), rows)
    return {**FIRST_GUESS, **dict(zip(free, first + sd * z, strict=True))}
