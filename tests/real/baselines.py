"""What GlaUnTI is compared with: OGGM's temperature index, with monthly and with daily temperatures.

The equations of OGGM's MonthlyTIModel and DailyTIModel (Maussion et al. 2019): snow fraction linear between 0 and 2
degC, melt above 0 degC, one degree-day factor. Both see daily precipitation; the monthly one the mean temperature of
the month. They are fitted with the same freedom, the same priors' widths and the same model of errors as GlaUnTI.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares

from oggm_glaunti.fit.calibration.errors import MEDIANS, Effects, bound, estimate_sizes
from oggm_glaunti.fit.calibration.predictions import Site
from oggm_glaunti.fit.calibration.priors import SPREAD
from oggm_glaunti.fit.calibration.sites import GlacierSite

ROUNDS = 2
ALL_SOLID, ALL_LIQUID, MELTING = 0.0, 2.0, 0.0  # degC
FIRST_GUESS = {"prec_scale": np.log(1.4), "ddf_snow": np.log(0.005), "temp_bias": 0.0, "temp_gradient": -0.0060}
TOLERANCE = 1e-5  # float32 resolves no more


def monthly_means(glacier: GlacierSite) -> Site:
    """The same site with the mean temperature of the month on all its days."""
    month = glacier.days.astype("M8[M]").astype(int)
    month -= month[0]
    temp = np.asarray(glacier.site.temp, np.float64)
    means = np.stack([np.bincount(month, row) / np.bincount(month) for row in temp])
    return glacier.site.replace(temp=means[:, month].astype(np.float32))


def predictions(numbers: dict[str, float], site: Site) -> np.ndarray:
    """What OGGM's temperature index says of every observation, m w.e.: the mean over realisations of the weather."""
    return _of_rows(_balances(_values(numbers), one_row(site)), site)


def _values(numbers: dict[str, float]) -> jax.Array:
    return jnp.array([numbers[name] for name in FIRST_GUESS], jnp.float32)


def one_row(site: Site) -> Site:
    """The same site with one observation: programs are then the same however many there are."""
    of_rows = ("spans", "areas", "observed", "years")
    return site.replace(**{name: np.asarray(getattr(site, name))[:1] for name in of_rows})


def _of_rows(balances: jax.Array, site: Site) -> np.ndarray:
    """Observations (O, ...) from balances, or their slopes, of stretches at heights (S, N, ...)."""
    of_periods = np.tensordot(np.asarray(site.spans, np.float64), np.asarray(balances, np.float64), 1)
    return np.einsum("on...,on->o...", of_periods, np.asarray(site.areas, np.float64))


@jax.jit
def _balances(values: jax.Array, site: Site) -> jax.Array:
    """Balances of stretches at heights (S, N), m w.e., from the numbers in the order of the first guess."""
    prec_scale, ddf, bias, gradient = values
    offset = bias + gradient * site.above_ref

    def of_realisation(temp, prcp):
        at_height = temp[:, None] + offset
        solid = jnp.clip((ALL_LIQUID - at_height) / (ALL_LIQUID - ALL_SOLID), 0.0, 1.0) * prcp[:, None]
        smb = jnp.exp(prec_scale) * solid - jnp.exp(ddf) * jnp.maximum(at_height - MELTING, 0.0)
        sums = jnp.zeros((site.spans.shape[1], smb.shape[1]), smb.dtype)
        return sums.at[site.before].add(0.5 * smb).at[site.after].add(0.5 * smb)

    return jax.lax.map(lambda weather: of_realisation(*weather), (site.temp, site.prcp)).mean(axis=0)


_slopes = jax.jit(jax.jacfwd(_balances))


def fit(sites: Sequence[Site], rows: Sequence[Effects], free: Sequence[str]) -> dict[str, float]:
    """Most probable numbers, as :func:`oggm_glaunti.fit.calibration.map_estimate.fit_map` finds them for GlaUnTI.

    They are the same for all sites, so the spread between glaciers is part of the errors.
    """
    first, sd = (np.array([values[name] for name in free]) for values in (FIRST_GUESS, SPREAD))
    places = [list(FIRST_GUESS).index(name) for name in free]

    def numbers_of(z):
        return {**FIRST_GUESS, **dict(zip(free, first + sd * z, strict=True))}

    def differences(z):
        return [predictions(numbers_of(z), site) - np.asarray(site.observed, np.float64) for site in sites]

    def slopes(z):
        found = [_of_rows(_slopes(_values(numbers_of(z)), one_row(site)), site) for site in sites]
        return np.concatenate(found)[:, places] * sd

    z, sizes, tolerances = np.zeros(len(free)), MEDIANS, {"xtol": TOLERANCE, "ftol": TOLERANCE}
    for _ in range(ROUNDS):
        expected = np.sqrt(np.concatenate([bound(of, sizes) for of in rows]))
        residuals = lambda z, e=expected: np.concatenate([np.concatenate(differences(z)) / e, z])
        jacobian = lambda z, e=expected: np.concatenate([slopes(z) / e[:, None], np.eye(z.size)])
        z = least_squares(residuals, z, jacobian, **tolerances).x
        sizes = estimate_sizes(differences(z), rows)
    return numbers_of(z)
