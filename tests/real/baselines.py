"""What GlaUnTI is compared with: OGGM's temperature index, with monthly and with daily temperatures.

The equations of OGGM's MonthlyTIModel and DailyTIModel (Maussion et al. 2019): snow fraction linear between 0 and 2
degC, melt above 0 degC, one degree-day factor. Both see daily precipitation; the monthly one the mean temperature of
the month. They are fitted with the same freedom, the same priors' widths and the same model error as GlaUnTI.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import least_squares

from oggm_glaunti.fit.calibration.map_estimate import FIRST_MODEL_ERROR, ROUNDS, estimated_model_error
from oggm_glaunti.fit.calibration.predictions import Site
from oggm_glaunti.fit.calibration.priors import SPREAD
from oggm_glaunti.fit.calibration.sites import GlacierSite

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


def fit(sites: Sequence[Site], free: Sequence[str]) -> dict[str, float]:
    """Most probable numbers, as :func:`oggm_glaunti.fit.calibration.map_estimate.fit_map` finds them for GlaUnTI."""
    observed, sigma, years = (
        np.concatenate([getattr(s, name) for s in sites]) for name in ("observed", "sigma", "years")
    )
    first, sd = (np.array([values[name] for name in free]) for values in (FIRST_GUESS, SPREAD))

    def difference(z):
        numbers = {**FIRST_GUESS, **dict(zip(free, first + sd * z, strict=True))}
        return np.concatenate([predictions(numbers, site) for site in sites]) - observed

    z, error = np.zeros(len(free)), FIRST_MODEL_ERROR
    for _ in range(ROUNDS + 1):
        expected = np.sqrt(sigma**2 + error**2 * years)
        z = least_squares(lambda z, e=expected: np.concatenate([difference(z) / e, z]), z).x
        error = estimated_model_error(difference(z), sigma, years)
    return {**FIRST_GUESS, **dict(zip(free, first + sd * z, strict=True))}
