"""Inverse forcing by a series: the monthly or daily weather that gives a series of annual balances.

A prior describes how far the weather may deviate from the record and how long errors persist. In coordinates in which
the prior is standard normal, L-BFGS finds the maximum a posteriori series; since the balances are few, the covariance
around it is exact to first order.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.optimize import minimize

from oggm_glaunti.analysis.inverse.newton import SearchOutcome
from oggm_glaunti.analysis.trajectory import Change, Trajectory, annual, on_days
from oggm_glaunti.core.arrays import EXACT, AnyArray
from oggm_glaunti.core.on_heights import Tuned

LBFGS_ITERATIONS = 300
# Of the gradient, in units of the prior's standard deviations. Near the minimum the Hessian is about 1 or more in all
# directions, so that the distance from it is at most about the length of the gradient; float32 resolves little more.
GRADIENT_TOLERANCE = 2e-3


class SeriesProblem(NamedTuple):
    """The search for a series of forcing: model, prior and targets.

    Attributes
    ----------
    tuned : Tuned
    trajectory : Trajectory
    slot : int array (T,)
        number of the value of the series (K values) that applies on a day, -1 for none
    carried : array (K,)
        correlation of each value with the one before, 0 for the first: ``exp(-time / length)``
    sd : Change
        prior standard deviations, K and 1; 0 holds one of the two fixed
    weights : array (O, Y)
        of the years in each target
    target, sigma : arrays (O,)
        m w.e.
    """

    tuned: Tuned
    trajectory: Trajectory
    slot: Int[AnyArray, " time"]
    carried: Float[AnyArray, " slot"]
    sd: Change
    weights: Float[AnyArray, "o year"]
    target: Float[AnyArray, " o"]
    sigma: Float[AnyArray, " o"]


class SeriesSolution(NamedTuple):
    """The maximum a posteriori series.

    All arrays are in double precision, whatever that of the model.

    Attributes
    ----------
    change : Change
        arrays (K,): K and logarithm of a factor
    sd : Change
        arrays (K,), posterior standard deviations
    annual : array (Y,)
        balances of all years under it, m w.e.
    annual_sd : array (Y,)
        their posterior standard deviations, those of the weather alone
    annual_before : array (Y,)
        without a change
    annual_before_sd : array (Y,)
        from the prior's errors of the weather, to first order
    gradient : float
        largest entry of the gradient at the end, in units of the prior's standard deviations
    outcome : SearchOutcome
    iterations : int
        of L-BFGS
    runs : int
        of the model with its derivatives
    """

    change: Change
    sd: Change
    annual: np.ndarray
    annual_sd: np.ndarray
    annual_before: np.ndarray
    annual_before_sd: np.ndarray
    gradient: float
    outcome: SearchOutcome
    iterations: int
    runs: int


def carried(times: np.ndarray, length: float) -> np.ndarray:
    """Return the correlation of each value of a series with the one before, for an exponential decay.

    Parameters
    ----------
    times : array (K,)
        of the values, increasing
    length : float
        decay time to 1/e, in the same unit; 0 for independent values

    Returns
    -------
    array (K,)
        0 for the first

    Raises
    ------
    ValueError
        for a length below 0

    Examples
    --------
    >>> carried(np.array([0.0, 7.0, 14.0]), 7.0).round(3).tolist()
    [0.0, 0.368, 0.368]
    """
    if not 0.0 <= length < np.inf:
        raise ValueError(f"correlation length: expected a finite number of 0 or more, found {length}")
    left = np.zeros(times.size)
    if length > 0.0:
        left[1:] = np.exp(-np.diff(times) / length)
    return left


def _coloured(z: Float[AnyArray, "2 slot"], problem: SeriesProblem) -> Change:
    """Multiply independent standard normal numbers by the Cholesky factor of the prior's covariance."""
    fresh = jnp.sqrt(1.0 - problem.carried**2)

    def one(before: Array, of_value: tuple) -> tuple[Array, Array]:
        z, left, fresh = of_value
        now = left * before + fresh * z
        return now, now

    series = jax.lax.scan(one, jnp.zeros(2, z.dtype), (z.T, problem.carried, fresh))[1]
    return Change(problem.sd.temp * series[:, 0], problem.sd.log_prcp * series[:, 1])


def _balances(z: Float[AnyArray, "2 slot"], problem: SeriesProblem) -> Float[Array, " year"]:
    by_day = Change(*(on_days(field, problem.slot) for field in _coloured(z, problem)))
    return annual(problem.tuned, problem.trajectory, by_day)


@jax.jit
def cost_and_gradient(
    z: Float[AnyArray, "2 slot"], problem: SeriesProblem
) -> tuple[Float[Array, ""], Float[Array, "2 slot"]]:
    """Compute half the sum of squares of misfits and of the series, in standard deviations, and its gradient.

    Parameters
    ----------
    z : array (2, K)
        temperature and logarithm of precipitation in coordinates in which the prior is standard normal
    problem : SeriesProblem
    """

    def cost(z: Array) -> Array:
        modelled = jnp.matmul(problem.weights, _balances(z, problem), precision=EXACT)
        misfit = (modelled - problem.target) / problem.sigma
        return 0.5 * (jnp.sum(misfit**2) + jnp.sum(z**2))

    return jax.value_and_grad(cost)(z)


@jax.jit
def _jacobian(z: Array, problem: SeriesProblem) -> tuple[Array, Array]:
    """Compute the balances (Y,) and their derivatives (Y, 2, K): one reverse pass a year, all in one scan."""
    value, pull = jax.vjp(lambda z: _balances(z, problem), z)
    return value, jax.vmap(pull)(jnp.eye(value.size, dtype=value.dtype))[0]


coloured_rows = jax.jit(jax.vmap(_coloured, (0, None)))
_coloured_one = jax.jit(_coloured)


def solve_series(problem: SeriesProblem, max_iterations: int = LBFGS_ITERATIONS) -> SeriesSolution:
    """Find the maximum a posteriori series of forcing given balances, and its uncertainty.

    Parameters
    ----------
    problem : SeriesProblem
    max_iterations : int

    Raises
    ------
    ValueError
        for invalid standard deviations
    """
    if not (np.isfinite(problem.sigma).all() and (np.asarray(problem.sigma) > 0.0).all()):
        raise ValueError(f"sigma: expected numbers above 0, found {np.unique(problem.sigma)}")
    if not (min(problem.sd) >= 0.0 and 0.0 < max(problem.sd) < np.inf):
        raise ValueError(f"prior: expected standard deviations of 0 or more, one above, found {problem.sd}")
    dtype, shape = problem.trajectory.temp.dtype, (2, problem.carried.size)

    def flat(z: np.ndarray) -> tuple[float, np.ndarray]:
        cost, gradient = cost_and_gradient(z.reshape(shape).astype(dtype), problem)
        return float(cost), np.asarray(gradient, np.float64).ravel()

    options = {"maxiter": max_iterations, "maxcor": 20, "gtol": 0.1 * GRADIENT_TOLERANCE, "ftol": 1e-12}
    found = minimize(flat, np.zeros(np.prod(shape)), jac=True, method="L-BFGS-B", options=options)
    gradient = float(np.abs(found.jac).max())
    outcome = SearchOutcome.NO_CONVERGENCE if found.nit >= max_iterations else SearchOutcome.STALLED
    outcome = SearchOutcome.CONVERGED if gradient <= GRADIENT_TOLERANCE else outcome
    outcome = outcome if np.isfinite(gradient) else SearchOutcome.NOT_FINITE
    how = gradient, outcome, int(found.nit), int(found.nfev)
    return SeriesSolution(*_posterior(found.x.reshape(shape).astype(dtype), problem), *how)


def _posterior(
    z: np.ndarray, problem: SeriesProblem
) -> tuple[Change, Change, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the first six fields of the solution, by the covariance ``C - C J' (J C J' + R)^-1 J C`` of a series."""
    before, at_prior = _jacobian(np.zeros_like(z), problem)
    value, rows = _jacobian(z, problem)
    flat, weights = np.asarray(rows, np.float64).reshape(len(rows), -1), np.asarray(problem.weights, np.float64)
    years = flat @ flat.T
    seen = weights @ years @ weights.T + np.diag(np.asarray(problem.sigma, np.float64) ** 2)
    # C J' is the prior's factor times the derivatives in its coordinates.
    shared = np.stack([np.asarray(field, np.float64) for field in coloured_rows(rows, problem)])
    shared = np.einsum("oy,cyk->cok", weights, shared)
    less = np.einsum("cok,cok->ck", shared, np.stack([np.linalg.solve(seen, part) for part in shared]))
    prior = np.asarray(problem.sd, np.float64)[:, None] ** 2
    across = weights @ years
    annual_var = np.diag(years) - np.einsum("oy,oy->y", across, np.linalg.solve(seen, across))
    change = Change(*(np.asarray(field, np.float64) for field in _coloured_one(z, problem)))
    sd, annual_sd = Change(*np.sqrt(np.maximum(prior - less, 0.0))), np.sqrt(np.maximum(annual_var, 0.0))
    before_sd = np.sqrt(np.sum(np.asarray(at_prior, np.float64) ** 2, axis=(1, 2)))
    return change, sd, np.asarray(value, np.float64), annual_sd, np.asarray(before, np.float64), before_sd
