"""The most probable parameters given observations, and how well they are known.

Differences from the observations and from the priors, in units of what is expected of them, are squared and summed;
Levenberg-Marquardt finds the minimum with exact derivatives. At the minimum the inverse of the Gauss-Newton
Hessian is the posterior covariance (Laplace's approximation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import brentq, least_squares

from oggm_glaunti.core.on_heights import Site, Tuned, predictions
from oggm_glaunti.fit.calibration.priors import STORED, Priors

MAX_EVALUATIONS = 200
# Of the sum of squares and of the parameters in units of their priors' standard deviations; float32 resolves no more.
TOLERANCE = 1e-5
# m w.e. in a year: what is expected before anything was compared, and the range within which it is estimated.
FIRST_MODEL_ERROR = 0.5
MODEL_ERRORS = (0.05, 5.0)
# It is estimated after each of so many fits, before the last one: it depends little on them.
ROUNDS = 2


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
        mean square of the differences between model and observations in units of what was expected
    model_error : float
        m w.e. in a year, given or estimated
    evaluations : int
        runs of the model
    """

    priors: Priors
    mean: np.ndarray
    cov: np.ndarray
    information: np.ndarray
    predicted: list[np.ndarray]
    misfit: float
    model_error: float
    evaluations: int

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations of the stored numbers (P,)."""
        return np.sqrt(np.diag(self.cov))

    def tuned(self, start: Tuned) -> Tuned:
        """The model with the fitted numbers in place."""
        return place(start, self.priors.names, self.mean)


def place(start: Tuned, names: Sequence[str], numbers: Sequence[float] | Array) -> Tuned:
    """Put numbers in place: stored ones of the temperature index, ``temp_bias`` (K), ``temp_gradient`` (K m-1)."""
    dtype = jnp.result_type(start.ti.ddf_snow_log)
    given = {name: jnp.asarray(number, dtype) for name, number in zip(names, numbers, strict=True)}
    stored = {STORED[name]: given.pop(name) for name in tuple(given) if name in STORED}
    return Tuned(replace(start.ti, **stored), start.temp_bias, start.temp_gradient)._replace(**given)


class Problem(eqx.Module):
    """Everything that stays the same during a fit.

    Attributes
    ----------
    start : Tuned
    mean, sd : arrays (P,)
        of the priors
    expected : array (O,)
        difference expected between model and observation, all sites in a row, m w.e.
    sites : tuple of Site
    names : tuple of str
        of the parameters
    """

    start: Tuned
    mean: Float[Array, " parameter"]
    sd: Float[Array, " parameter"]
    expected: Float[Array, " observation"]
    sites: tuple[Site, ...]
    names: tuple[str, ...] = eqx.field(static=True)


def _data_residuals(z: Float[Array, " parameter"], problem: Problem) -> Float[Array, " observation"]:
    """Model minus observation in units of the expected difference, all sites in a row."""
    tuned = place(problem.start, problem.names, problem.mean + problem.sd * z)
    modelled = [predictions(tuned, site) - site.observed for site in problem.sites]
    return jnp.concatenate(modelled) / problem.expected


def _data_and_jacobian(z: Float[Array, " parameter"], problem: Problem) -> tuple[Array, Array]:
    """Residuals of the data and their derivatives (O, P), in one run through the days."""

    def twice(z: Array) -> tuple[Array, Array]:
        data = _data_residuals(z, problem)
        return data, data

    jacobian, data = jax.jacfwd(twice, has_aux=True)(z)
    return data, jacobian


_linearised = eqx.filter_jit(_data_and_jacobian)


def log_posterior(z: Float[Array, " parameter"], problem: Problem) -> tuple[Array, Array]:
    """Log of the posterior density, but for a constant, and its gradient; `z` in units of the priors from their means.

    Not to be differentiated again: forward mode through the days is much faster than reverse mode.
    """
    data, jacobian = _data_and_jacobian(z, problem)
    return -0.5 * (data @ data + z @ z), -(data @ jacobian + z)


def problem_of(posterior: Posterior, start: Tuned, sites: Sequence[Site]) -> Problem:
    """What :func:`log_posterior` needs of a fit; `start` and `sites` as :func:`fit_map` was given them."""
    sites = tuple(jax.tree.map(jnp.asarray, site) for site in sites)
    return _problem(_as_arrays(start), sites, posterior.priors, posterior.model_error)


def predict(tuned: Tuned, sites: Sequence[Site]) -> list[np.ndarray]:
    """What a model says of every observation, m w.e., by site."""
    return [np.asarray(p, np.float64) for p in _predict(_as_arrays(tuned), tuple(sites))]


@jax.jit
def _predict(tuned, sites):
    return [predictions(tuned, site) for site in sites]


def _as_arrays(tree):
    """Numbers of a model as arrays of its own precision."""
    dtype = jnp.result_type(tree.ti.ddf_snow_log)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)


def fit_map(
    start: Tuned,
    sites: Sequence[Site],
    priors: Priors,
    model_error: float | None = None,
) -> Posterior:
    """Fit parameters to everything observed at one or more sites.

    Parameters
    ----------
    start : Tuned
        the model; what is not in `priors` stays as it is
    sites : sequence of Site
        parameters are common to all
    priors : Priors
    model_error : float, optional
        how far the model is expected to be from a true balance, m w.e. in a year; over several years it grows with the
        root of time. By default it is estimated, see :func:`estimated_model_error`

    Raises
    ------
    NoConvergence
        with the optimiser's reason
    """
    sites = tuple(jax.tree.map(jnp.asarray, site) for site in sites)
    start, error = _as_arrays(start), FIRST_MODEL_ERROR if model_error is None else model_error
    z, runs = np.zeros(len(priors.names)), 0
    for last in [False] * ROUNDS * (model_error is None) + [True]:
        problem = _problem(start, sites, priors, error)
        found = _minimum(problem, z)
        z, runs = found.z, runs + found.runs
        if not last:
            error = estimated_model_error(*_differences(problem, found), _parameters_told(found))
    return _posterior(problem, priors, found, error, runs)


def _problem(start: Tuned, sites: tuple[Site, ...], priors: Priors, model_error: float) -> Problem:
    dtype = jnp.result_type(start.ti.ddf_snow_log)
    sigma, years = (np.concatenate([np.asarray(getattr(site, name)) for site in sites]) for name in ("sigma", "years"))
    expected = np.sqrt(sigma**2 + model_error**2 * years)
    mean, sd, expected = (jnp.asarray(values, dtype) for values in (priors.mean, priors.sd, expected))
    return Problem(start, mean, sd, expected, sites, priors.names)


def _differences(problem: Problem, found: _Minimum) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Model minus observation, sigma of the observations and lengths of their periods, all sites in a row."""
    parts = ([np.asarray(getattr(site, name), np.float64) for site in problem.sites] for name in ("sigma", "years"))
    return found.data * np.asarray(problem.expected, np.float64), *(np.concatenate(part) for part in parts)


def _parameters_told(found: _Minimum) -> float:
    """How many parameters the data tell (trace of the hat matrix); so many differences a fit makes vanish."""
    known = np.linalg.eigvalsh(found.jacobian.T @ found.jacobian)
    return float(np.sum(known / (1.0 + known)))


def estimated_model_error(difference: np.ndarray, sigma: np.ndarray, years: np.ndarray, told: float = 0.0) -> float:
    """Model error for which the differences that a fit has left are as large as expected, m w.e. in a year.

    Parameters
    ----------
    difference, sigma, years : arrays (O,)
        model minus observation and the observations' own errors, m w.e.; lengths of their periods
    told : float
        how many parameters were told by them: that many differences less are left

    Returns
    -------
    float
        between 0.05 and 5. The error expected beforehand counts as much as one observation of one year, so that few
        observations, which a fit can always meet, do not make the model look perfect

    Examples
    --------
    >>> round(estimated_model_error(np.full(999, 0.5), np.full(999, 0.3), np.ones(999)), 3)
    0.4
    >>> round(estimated_model_error(np.zeros(1), np.full(1, 0.1), np.ones(1), told=1.0), 3)
    0.5
    """

    def excess(error: float) -> float:
        left = np.sum(difference**2 / (sigma**2 + error**2 * years)) + (FIRST_MODEL_ERROR / error) ** 2
        return float(left - (difference.size - told + 1.0))

    low, high = MODEL_ERRORS
    if excess(low) <= 0.0:
        return low
    return high if excess(high) >= 0.0 else float(brentq(excess, low, high))


def _posterior(problem: Problem, priors: Priors, found: _Minimum, model_error: float, runs: int) -> Posterior:
    information = found.jacobian.T @ found.jacobian
    cov = np.linalg.inv(information + np.eye(found.z.size)) * np.outer(priors.sd, priors.sd)
    mean = priors.mean + priors.sd * found.z
    observed = [np.asarray(site.observed, np.float64) for site in problem.sites]
    predicted = _differences(problem, found)[0] + np.concatenate(observed)
    by_site = np.split(predicted, np.cumsum([values.size for values in observed])[:-1])
    misfit = float(np.mean(found.data**2))
    return Posterior(priors, mean, cov, information, by_site, misfit, model_error, runs)


def _at(z: np.ndarray, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """:func:`_linearised` in NumPy, float64."""
    data, jacobian = _linearised(jnp.asarray(z, problem.mean.dtype), problem)
    return np.asarray(data, np.float64), np.asarray(jacobian, np.float64)


class _Minimum(NamedTuple):
    """Parameters in units of their priors, residuals of the data there and their derivatives, and runs of the model."""

    z: np.ndarray
    data: np.ndarray
    jacobian: np.ndarray
    runs: int


def _minimum(problem: Problem, first_guess: np.ndarray) -> _Minimum:
    """Levenberg-Marquardt."""
    last: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def run(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        key = z.tobytes()
        if key not in last:
            last.clear()
            last[key] = _at(z, problem)
        return last[key]

    result = least_squares(
        lambda z: np.concatenate([run(z)[0], z]),
        first_guess,
        jac=lambda z: np.concatenate([run(z)[1], np.eye(first_guess.size)]),
        method="lm",
        ftol=TOLERANCE,
        xtol=TOLERANCE,
        max_nfev=MAX_EVALUATIONS,
    )
    if not result.success or not np.isfinite([*result.x, result.cost]).all():
        raise NoConvergence(f"no minimum after {result.nfev} runs of the model: {result.message}")
    return _Minimum(result.x, *run(result.x), result.nfev)
