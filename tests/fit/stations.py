"""A made-up weather station with stakes above it: what a fit asks of a glacier, without files."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd

from oggm_glaunti.core.on_heights import Tuned
from oggm_glaunti.core.temperature_index import ti_weights, with_day
from oggm_glaunti.fit.calibration import predictions as forward
from oggm_glaunti.fit.calibration.errors import Effects, ErrorSizes, Sizes, effects
from oggm_glaunti.fit.calibration.predictions import Site, stretches

GRADIENT = -0.006
FIRST = np.datetime64("2000-10-01")
ABOVE_REF = np.array([-500.0, -200.0, 200.0, 600.0])

NO_ERRORS = ErrorSizes(Sizes(0.0, 0.0, 0.0), Sizes(0.0, 0.0, 0.0))
"""Rows differ from the truth by their sigma alone."""

predictions = jax.jit(forward.predictions)


def start(dtype=np.float32, variant="smooth", **values) -> Tuned:
    """The priors before calibration, with other values where some are given."""
    others = {name: values.pop(name, default) for name, default in (("temp_bias", 0.0), ("temp_gradient", GRADIENT))}
    return Tuned(
        with_day(ti_weights(**values, dtype=dtype), variant), *(np.asarray(value, dtype) for value in others.values())
    )


def weather(n_years, n_realisations=1, seed=1):
    """Days, and temperature (degC) and precipitation (m w.e.) of each realisation (R, T)."""
    days = np.arange(FIRST, FIRST + int(n_years * 365.25) + 1)
    random = np.random.default_rng(seed)
    of_year = 2 * np.pi * ((days - days.astype("M8[Y]")).astype(int) - 200) / 365.25
    temp = 1.0 + 8.0 * np.cos(of_year) + random.normal(0.0, 3.0, (n_realisations, days.size))
    wet = random.random((n_realisations, days.size)) < 0.4
    return days, temp, np.where(wet, random.gamma(0.8, 0.008, wet.shape), 0.0)


def periods(n_years, seasons=("winter", "summer")):
    """First and last day of every season of every year; the last year ends a day before the record."""
    begin, end = [], []
    for year in range(2000, 2000 + n_years):
        autumn, spring = np.datetime64(f"{year}-10-05"), np.datetime64(f"{year + 1}-05-01")
        nxt = min(np.datetime64(f"{year + 1}-10-05"), FIRST + int(n_years * 365.25) - 1)
        dates = {"winter": (autumn, spring), "summer": (spring, nxt), "annual": (autumn, nxt)}
        for season in seasons:
            begin.append(dates[season][0])
            end.append(dates[season][1])
    return np.array(begin), np.array(end)


def site(n_years=3, seasons=("winter", "summer"), n_realisations=1, ds=None, seed=1, dtype=np.float32):
    """A site with a stake at each height in each season; nothing observed yet (zeros).

    `ds` (K, 5, 4) are corrections of periods of equal length.
    """
    days, temp, prcp = weather(n_years, n_realisations, seed)
    begin, end = (np.repeat(dates, ABOVE_REF.size) for dates in periods(n_years, seasons))
    before, after, spans = stretches(days, begin, end, dtype)
    ds = np.zeros((1, 5, ABOVE_REF.size)) if ds is None else ds
    n = begin.size
    return Site(
        temp=temp.astype(dtype),
        prcp=prcp.astype(dtype),
        above_ref=ABOVE_REF.astype(dtype),
        ds=ds.astype(dtype),
        ds_index=(np.arange(days.size) * len(ds) // days.size).astype(np.int32),
        before=before,
        after=after,
        spans=spans,
        areas=np.tile(np.eye(ABOVE_REF.size, dtype=dtype), (n // ABOVE_REF.size, 1)),
        observed=np.zeros(n, dtype),
        years=((end - begin).astype(float) / 365.25).astype(dtype),
    )


def rows(n_years=3, seasons=("winter", "summer"), sigma=0.2, few=None) -> Effects:
    """What the stakes of a site share; `few` replaces whether their years are few."""
    begin, end = (np.repeat(dates, ABOVE_REF.size) for dates in periods(n_years, seasons))
    season = np.repeat(np.tile(seasons, n_years), ABOVE_REF.size)
    found = effects(
        pd.DataFrame({"kind": "point", "season": season, "begin": begin, "end": end, "sigma": float(sigma)})
    )
    return found if few is None else found._replace(few=few)


def observed(place: Site, truth: Tuned, noise=0.0, seed=2) -> Site:
    """The site with what the truth has there, with as much noise as `noise` (m w.e., one or by observation)."""
    exact = np.asarray(predictions(truth, place))
    random = np.random.default_rng(seed)
    return place.replace(observed=(exact + noise * random.normal(size=exact.size)).astype(exact.dtype))
