"""The most probable parameters given observations, and how well they are known.

Residuals in units of their standard deviations, those of the observations and those of the priors, are squared and
summed; Levenberg-Marquardt finds the minimum with exact derivatives. At the minimum the inverse of the Gauss-Newton
Hessian is the posterior covariance (Laplace's approximation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import least_squares

from oggm_glaunti.core.temperature_index import TIParameters, TIWeights
from oggm_glaunti.fit.forward import Site, predictions
from oggm_glaunti.fit.priors import STORED, TEMP_BIAS, Priors

MAX_EVALUATIONS = 200
# Of the sum of squares and of the parameters in units of their priors' standard deviations; float32 resolves no more.
TOLERANCE = 1e-5


class NoConvergence(RuntimeError):
    """The fit found no minimum."""


@dataclass(frozen=True)
class Posterior:
    """Parameters after a fit: a normal distribution of the stored numbers around the most probable ones.

    Attributes
    ----------
    priors : Priors
    mean : float64 array (P,)
        most probable stored numbers
    cov : float64 array (P, P)
        their covariance
    information : float64 array (P, P)
        of the data alone, in units of the priors' standard deviations
    predicted : list of float64 arrays (O,)
        of each site, m w.e.
    misfit : float
        mean square of the data's residuals in units of sigma: about 1 where sigma says how far model and observations
        differ
    inflation : float
        factor on the covariance for a misfit above 1
    evaluations : int
        runs of the model
    """

    priors: Priors
    mean: np.ndarray
    cov: np.ndarray
    information: np.ndarray
    predicted: list[np.ndarray]
    misfit: float
    inflation: float
    evaluations: int

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations of the stored numbers (P,)."""
        return np.sqrt(np.diag(self.cov))

    def values(self, weights: TIWeights) -> tuple[TIWeights, float]:
        """The model's weights with the fitted numbers in place, and the temperature bias (K)."""
        return place(weights, self.priors.names, self.mean)


def place(weights: TIWeights, names: Sequence[str], numbers: Sequence[float] | Array) -> tuple[TIWeights, float]:
    """Put stored numbers in place; returns the weights and the temperature bias (K), 0 where it is not named."""
    given = dict(zip(names, numbers, strict=True))
    stored = {field.name: getattr(weights, field.name) for field in fields(TIWeights)}
    dtype = jnp.result_type(weights.ddf_snow_log)
    stored |= {STORED[name]: jnp.asarray(given[name], dtype) for name in given if name != TEMP_BIAS}
    return TIWeights(**stored), jnp.asarray(given.get(TEMP_BIAS, 0.0), dtype)


def biased(params: TIParameters, temp_bias: Float[Array, ""]) -> TIParameters:
    """Parameters that do to the weather as it is what `params` do to weather warmer by `temp_bias` (K).

    Temperature enters in two places only: less of it is snow, more of it melts.
    """
    moved = {
        "snow_to_rain_centre": params.snow_to_rain_centre - temp_bias,
        "t_pos_shift": params.t_pos_shift + temp_bias,
    }
    return TIParameters(**{field.name: moved.get(field.name, getattr(params, field.name)) for field in fields(params)})


class _Problem(eqx.Module):
    """Everything that stays the same during a fit."""

    weights: TIWeights
    mean: Float[Array, " parameter"]
    sd: Float[Array, " parameter"]
    sites: tuple[Site, ...]
    names: tuple[str, ...] = eqx.field(static=True)
    variant: str = eqx.field(static=True)


def _matvec(matrix: Array, vector: Array) -> Array:
    return jnp.matmul(matrix, vector, precision=jax.lax.Precision.HIGHEST)


def _data_residuals(z: Float[Array, " parameter"], problem: _Problem) -> Float[Array, " observation"]:
    """Model minus observation in units of sigma, all sites in a row."""
    ti, temp_bias = place(problem.weights, problem.names, problem.mean + problem.sd * z)
    params = biased(ti.resolve(), temp_bias)
    return jnp.concatenate(
        [_matvec(site.whitener, predictions(params, site, problem.variant) - site.observed) for site in problem.sites]
    )


@eqx.filter_jit
def _linearised(z: Float[Array, " parameter"], problem: _Problem) -> tuple[Array, Array]:
    """Residuals of the data and their derivatives (O, P)."""
    return _data_residuals(z, problem), jax.jacfwd(_data_residuals)(z, problem)


def predict(
    weights: TIWeights, sites: Sequence[Site], temp_bias: float = 0.0, variant: str = "smooth"
) -> list[np.ndarray]:
    """What a model says of every observation, m w.e., by site."""
    return [np.asarray(p, np.float64) for p in _predict(weights, jnp.asarray(temp_bias), tuple(sites), variant)]


@partial(jax.jit, static_argnames="variant")
def _predict(weights, temp_bias, sites, variant):
    params = biased(weights.resolve(), temp_bias.astype(sites[0].temp.dtype))
    return [predictions(params, site, variant) for site in sites]


def fit_map(
    weights: TIWeights, sites: Sequence[Site], priors: Priors, variant: str = "smooth", inflate: bool = True
) -> Posterior:
    """Fit parameters to everything observed at one or more sites.

    Parameters
    ----------
    weights : TIWeights
        the model; what is not in `priors` stays as it is
    sites : sequence of Site
        parameters are common to all
    priors : Priors
    variant : str
        see :data:`~oggm_glaunti.core.temperature_index.DAYS`
    inflate : bool
        where model and observations differ by more than sigma says, widen the posterior accordingly

    Raises
    ------
    NoConvergence
        with the optimiser's reason
    """
    sites = tuple(jax.tree.map(jnp.asarray, site) for site in sites)
    dtype = sites[0].temp.dtype
    mean, sd = jnp.asarray(priors.mean, dtype), jnp.asarray(priors.sd, dtype)
    problem = _Problem(weights, mean, sd, sites, priors.names, variant)
    z, evaluations = _minimum(problem, len(priors.names))
    data, jacobian = _at(z, problem)
    misfit = float(np.mean(data**2))
    inflation = max(1.0, misfit * data.size / max(1, data.size - z.size)) if inflate else 1.0
    information = jacobian.T @ jacobian / inflation
    cov = np.linalg.inv(information + np.eye(z.size)) * np.outer(priors.sd, priors.sd)
    best = priors.mean + priors.sd * z
    ti, temp_bias = place(weights, priors.names, best)
    return Posterior(
        priors,
        best,
        cov,
        information,
        predict(ti, sites, float(temp_bias), variant),
        misfit,
        inflation,
        evaluations,
    )


def _at(z: np.ndarray, problem: _Problem) -> tuple[np.ndarray, np.ndarray]:
    """:func:`_linearised` in NumPy, float64."""
    data, jacobian = _linearised(jnp.asarray(z, problem.mean.dtype), problem)
    return np.asarray(data, np.float64), np.asarray(jacobian, np.float64)


def _minimum(problem: _Problem, n_parameters: int) -> tuple[np.ndarray, int]:
    """Levenberg-Marquardt; the parameters in units of their priors, and how often the model was run."""
    last: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def run(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        key = z.tobytes()
        if key not in last:
            last.clear()
            last[key] = _at(z, problem)
        return last[key]

    result = least_squares(
        lambda z: np.concatenate([run(z)[0], z]),
        np.zeros(n_parameters),
        jac=lambda z: np.concatenate([run(z)[1], np.eye(n_parameters)]),
        method="lm",
        ftol=TOLERANCE,
        xtol=TOLERANCE,
        max_nfev=MAX_EVALUATIONS,
    )
    if not result.success or not np.isfinite(result.x).all():
        raise NoConvergence(f"no minimum after {result.nfev} runs of the model: {result.message}")
    return result.x, result.nfev
