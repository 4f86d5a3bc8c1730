"""Simple alternatives with the same information: OGGM's temperature index and boosted trees.

A method is a function: ``method(sites) -> predict``, and ``predict(site)`` what it says of the observations of any
site, seen in the fit or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from oggm_glaunti.fit.calibration.priors import FEW
from oggm_glaunti.fit.calibration.sites import GlacierSite
from tests.real import baselines
from tests.real.skill.scores import Floats, Predicted

Predict = Callable[[GlacierSite], Predicted]
LAPSE_RATE = -0.0060  # K m-1, from the height of the weather to that of an observation
ALL_LIQUID = 2.0  # degC, as in the temperature index
TREES = {"max_iter": 200, "learning_rate": 0.05, "min_samples_leaf": 20, "l2_regularization": 1.0, "random_state": 0}


def monthly_ti(sites: Sequence[GlacierSite]) -> Predict:
    """OGGM's temperature index with monthly means."""
    return _temperature_index(sites, baselines.monthly_means)


def daily_ti(sites: Sequence[GlacierSite]) -> Predict:
    """OGGM's temperature index with daily temperatures."""
    return _temperature_index(sites, lambda glacier: glacier.site)


def _temperature_index(sites: Sequence[GlacierSite], weather: Callable) -> Predict:
    numbers = baselines.fit([weather(glacier) for glacier in sites], [glacier.rows for glacier in sites], FEW)
    return lambda glacier: Predicted(baselines.predictions(numbers, weather(glacier)))


def boosted_trees(sites: Sequence[GlacierSite]) -> Predict:
    """Gradient boosting on :func:`properties`."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    inputs = np.concatenate([properties(glacier) for glacier in sites])
    observed = np.concatenate([np.asarray(glacier.site.observed, np.float64) for glacier in sites])
    trees = HistGradientBoostingRegressor(**TREES).fit(inputs, observed)
    return lambda glacier: Predicted(trees.predict(properties(glacier)))


def properties(glacier: GlacierSite) -> Floats:
    """What trees are told of observations (O, 30), as the temperature index knows it.

    Height (NaN for a whole glacier), mean height above that of the weather, length of the period in days; over the
    period positive degree days, snow and precipitation at the height, and by calendar month mean temperature at the
    height and precipitation, 0 degC and 0 m where the period has no day of it.
    """
    site = glacier.site
    areas, spans = np.asarray(site.areas, np.float64), np.asarray(site.spans, np.float64)
    above = areas @ np.asarray(site.above_ref, np.float64)
    temp, prcp = (np.asarray(values, np.float64).mean(axis=0) for values in (site.temp, site.prcp))
    n_stretches, month = spans.shape[1], glacier.days.astype("M8[M]").astype(int) % 12

    def sums(daily: Floats) -> Floats:
        """Sum over the period of each observation; a day on which it begins or ends counts half."""
        halves = [np.bincount(index, daily, n_stretches) for index in (site.before, site.after)]
        return spans @ (0.5 * (halves[0] + halves[1]))

    days = np.stack([sums((month == k).astype(float)) for k in range(12)], axis=1)
    by_month = np.stack([sums(np.where(month == k, temp, 0.0)) for k in range(12)], axis=1)
    mean_temp = np.where(days > 0, by_month / np.maximum(days, 0.5) + LAPSE_RATE * above[:, None], 0.0)
    prcp_by_month = np.stack([sums(np.where(month == k, prcp, 0.0)) for k in range(12)], axis=1)
    pdd, snow = _at_heights(glacier)
    whole = np.stack([glacier.used["height"].to_numpy(), above, days.sum(axis=1), pdd, snow], axis=1)
    return np.concatenate([whole, prcp_by_month.sum(axis=1, keepdims=True), mean_temp, prcp_by_month], axis=1)


def _at_heights(glacier: GlacierSite) -> tuple[Floats, Floats]:
    """Positive degree days and snow of observations: the temperature index with one of its two terms."""
    alone = {"temp_bias": 0.0, "temp_gradient": LAPSE_RATE}
    none, unit = -50.0, 0.0
    pdd = -baselines.predictions({"prec_scale": none, "ddf_snow": unit, **alone}, glacier.site)
    snow = baselines.predictions({"prec_scale": unit, "ddf_snow": none, **alone}, glacier.site)
    return pdd, snow
