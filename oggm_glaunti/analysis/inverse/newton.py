"""Roots and minima of a batch of problems with one or two unknowns and exact derivatives."""

import enum
from collections.abc import Callable

import numpy as np

BALANCE_TOLERANCE = 1e-5  # m w.e.
BALANCE_ROUNDING = 5e-6  # m w.e.: rounding error of a year's balance in float32, an upper estimate
NEWTON_ITERATIONS = 60
# In units of the prior's standard deviation: the largest next step of a converged minimisation.
STEP_TOLERANCE = 1e-3
# Added to the diagonal, so that a control without any effect is undetermined and not an error.
NOTHING = 1e-30


class SearchOutcome(enum.Enum):
    """How a search ended; the values are sentences for the user."""

    CONVERGED = "The search has converged."
    NOT_REACHABLE = "The target is out of reach: no change within the range tried gives it."
    NO_CONVERGENCE = "The iterations ran out before the search had converged."
    STALLED = "The search cannot get closer in single precision: give the targets a larger sigma."
    NOT_FINITE = "The balance is not finite: check the weather for missing values and the parameters."


Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
Found = tuple[np.ndarray, list[SearchOutcome], np.ndarray]


def roots(evaluate: Evaluate, target: np.ndarray, limit: float, rising: bool) -> Found:
    """Find where monotone functions reach their targets: Newton's method within a shrinking bracket.

    Parameters
    ----------
    evaluate : callable
        values (G,) and derivatives (G,) at arguments (G,)
    target : array (G,)
    limit : float
        arguments between ``-limit`` and ``limit`` are tried, starting with 0
    rising : bool
        whether the functions rise or fall

    Returns
    -------
    x : array (G,)
    outcome : list of SearchOutcome
    runs : int array (G,)
        calls of `evaluate`

    Examples
    --------
    >>> x, outcome, _ = roots(lambda x: (x**3, 3 * x**2), np.array([8.0, 1e9]), 10.0, rising=True)
    >>> x.round(6).tolist(), [o.name for o in outcome]
    ([2.0, 10.0], ['CONVERGED', 'NOT_REACHABLE'])
    """
    n = target.size
    x, ends = np.zeros(n), np.tile([-limit, limit], (n, 1))
    known, last, each = np.zeros((n, 2), bool), np.full(n, np.inf), np.arange(n)
    outcome: list[SearchOutcome | None] = [None] * n
    runs = np.ones(n, int)
    value, slope = evaluate(x)
    for _ in range(NEWTON_ITERATIONS):
        misfit = value - target
        too_far = (misfit > 0.0) == rising
        _settle(outcome, ~np.isfinite(misfit), SearchOutcome.NOT_FINITE)
        _settle(outcome, np.abs(misfit) <= BALANCE_TOLERANCE, SearchOutcome.CONVERGED)
        _settle(outcome, x == np.where(too_far, -limit, limit), SearchOutcome.NOT_REACHABLE)
        active = np.array([o is None for o in outcome])
        if not active.any():
            break
        here = too_far.astype(int)
        ends[each, here], known[each, here] = x, True
        # Newton's step; if it leaves the bracket, the end not yet evaluated, otherwise the middle.
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = x - misfit / slope
        end_known = known[each, 1 - here]
        slow = end_known & (np.abs(misfit) > 0.5 * last)
        inside = (ends[:, 0] < newton) & (newton < ends[:, 1]) & ~slow
        otherwise = np.where(end_known, ends.mean(axis=1), ends[each, 1 - here])
        x = np.where(active, np.where(inside, newton, otherwise), x)
        last = np.abs(misfit)
        value, slope = evaluate(x)
        runs += active
    return x, [o or SearchOutcome.NO_CONVERGENCE for o in outcome], runs


def _settle(outcome: list[SearchOutcome | None], where: np.ndarray, how: SearchOutcome) -> None:
    for i in np.flatnonzero(where):
        outcome[i] = outcome[i] or how


def information(jacobian: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Return the Gauss-Newton Hessians (G, K, K) of Jacobians (G, O, K) in units of sigma and of the priors (K,)."""
    return np.swapaxes(jacobian, -1, -2) @ jacobian + np.diag(precision + NOTHING)


def minima(
    evaluate: Evaluate, target: np.ndarray, sigma: np.ndarray, scale: np.ndarray, precision: np.ndarray
) -> Found:
    """Minimise sums of squares of misfits and of priors by Gauss-Newton steps, damped only if they fail.

    Parameters
    ----------
    evaluate : callable
        values (G, O) and derivatives (G, O, K) at arguments (G, K)
    target, sigma : arrays (G, O)
    scale : array (K,)
        units of the arguments: their prior standard deviations, 0 for an argument that is held fixed
    precision : array (K,)
        weights of their squares in these units, 0 for no prior

    Returns
    -------
    x : array (G, K)
    outcome : list of SearchOutcome
    runs : int array (G,)
        calls of `evaluate`
    """
    n = target.shape[0]
    z, damping, runs = np.zeros((n, scale.size)), np.zeros(n), np.ones(n, int)
    outcome: list[SearchOutcome | None] = [None] * n

    def cost(value: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.sum(((value - target) / sigma) ** 2, axis=1) + z**2 @ precision

    value, slope = evaluate(scale * z)
    for _ in range(NEWTON_ITERATIONS):
        jacobian = slope * scale / sigma[..., None]
        gradient = np.einsum("gok,go->gk", jacobian, (value - target) / sigma) + precision * z
        hessian = information(jacobian, precision)
        whole = _solved(hessian, gradient)
        effect = np.abs(np.einsum("gok,gk->go", slope * scale, whole)).max(axis=1)
        _settle(outcome, ~np.isfinite(gradient).all(axis=1), SearchOutcome.NOT_FINITE)
        # The undamped step, so that a strongly damped search does not pass for a converged one.
        arrived = (effect <= BALANCE_TOLERANCE) & (np.abs(whole).max(axis=1) <= STEP_TOLERANCE)
        _settle(outcome, arrived, SearchOutcome.CONVERGED)
        active = np.array([o is None for o in outcome])
        if not active.any():
            break
        damped = hessian * (1.0 + damping[:, None, None] * np.eye(scale.size))
        trial = np.where(active[:, None], z - _solved(damped, gradient), z)
        new_value, new_slope = evaluate(scale * trial)
        # Near the minimum the sum of squares changes less than its rounding error long before its gradient is 0.
        rounding = 2.0 * BALANCE_ROUNDING * np.sum(np.abs(value - target) / sigma**2, axis=1)
        better = active & (cost(new_value, trial) < cost(value, z) + rounding)
        z, value = np.where(better[:, None], trial, z), np.where(better[:, None], new_value, value)
        slope = np.where(better[:, None, None], new_slope, slope)
        damping = np.where(better, damping / 10.0, np.maximum(10.0 * damping, 1e-2))
        runs += active
    return scale * z, [o or SearchOutcome.NO_CONVERGENCE for o in outcome], runs


def _solved(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return np.linalg.solve(matrix, vector[..., None])[..., 0]
