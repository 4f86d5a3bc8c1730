"""Inverse forcing by two numbers: the warming or the additional precipitation that gives a balance; sensitivities.

A shift of temperature, of the logarithm of precipitation, or of both is found by Newton's method with exact derivatives
from one forward-mode run. One glacier is a batch of one.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import ArrayLike

from oggm_glaunti.analysis.inverse.newton import information, minima, roots
from oggm_glaunti.analysis.trajectory import Change, Trajectory, annual, on_days
from oggm_glaunti.core.arrays import EXACT, AnyArray
from oggm_glaunti.core.on_heights import Tuned

CONTROLS = {"dT": (True, False), "dP": (False, True), "both": (True, True)}
# Range of the search for a root: K, and the logarithm of a factor on precipitation of 20 or 1/20.
LIMITS = {"dT": 20.0, "dP": math.log(20.0)}
# Heights of all glaciers and realisations run in parallel on a CPU: more of them are slower (measured, 100 to 3400).
CACHED_COLUMNS = 512


class Solution(NamedTuple):
    """A shift of the forcing and the balances under it; every array has a leading axis G for a batch.

    Attributes
    ----------
    shift : float64 array (2,)
        of temperature, K, and of the logarithm of precipitation, 1
    cov : float64 array (2, 2)
        covariance of the two given the uncertainty of the target and the prior (Laplace's approximation with the
        Gauss-Newton Hessian); 0 for what was held
    balance : float64 array (O,)
        under the shift, to be compared with the target, m w.e.
    slope : float64 array (O, 2)
        its derivatives to the two, m w.e. K-1 and m w.e.
    annual : float64 array (Y,)
        balances of all years under the shift, m w.e.
    annual_slope : float64 array (Y, 2)
        their derivatives
    annual_before : float64 array (Y,)
        without a shift, m w.e.
    outcome : SearchOutcome, or list of them for a batch
    iterations : int array ()
        runs of the model
    """

    shift: np.ndarray
    cov: np.ndarray
    balance: np.ndarray
    slope: np.ndarray
    annual: np.ndarray
    annual_slope: np.ndarray
    annual_before: np.ndarray
    outcome: Any
    iterations: np.ndarray


def balance_and_slope(
    tuned: Tuned, trajectory: Trajectory, shift: Change, weights: Float[AnyArray, "*o year"]
) -> tuple[Float[Array, "*o"], Change]:
    """Compute the mean balance under a shift of all days' weather and its exact derivatives in one forward-mode run.

    Parameters
    ----------
    tuned : Tuned
    trajectory : Trajectory
    shift : Change
        of two numbers: K, and logarithm of a factor on precipitation
    weights : array (Y,) or (O, Y)
        of the years: 1 / Y each for their mean; one row for each mean asked for

    Returns
    -------
    balance : array () or (O,)
        m w.e.
    slope : Change
        derivatives of the same shape, m w.e. K-1 and m w.e. (to the logarithm)

    Examples
    --------
    >>> from oggm_glaunti.analysis.trajectory import NO_CHANGE, one_height
    >>> from oggm_glaunti.core import ti_weights
    >>> temp, prcp = np.full((1, 100), 5.0, np.float32), np.full((1, 100), 0.01, np.float32)
    >>> valley, tuned = one_height(temp, prcp), Tuned(ti_weights(), np.float32(0.0), np.float32(-0.006))
    >>> _, slope = jax.jit(balance_and_slope)(tuned, valley, NO_CHANGE, np.ones(1, np.float32))
    >>> bool(slope.temp < 0.0 < slope.log_prcp)
    True
    """

    def balance(change: Change) -> Array:
        return jnp.matmul(weights, annual(tuned, trajectory, change), precision=EXACT)

    one_each = Change(*jnp.eye(2, dtype=jnp.result_type(shift.temp)))
    value, slopes = jax.vmap(lambda tangent: jax.jvp(balance, (shift,), (tangent,)), out_axes=(None, 0))(one_each)
    return value, Change(slopes[0], slopes[1])


@jax.jit
def annual_and_slope(tuned: Tuned, trajectories: Trajectory, shift: Change) -> tuple[Array, Array]:
    """Compute the balances of all years (G, Y) of a batch and their derivatives (G, Y, 2)."""
    each = jnp.eye(trajectories.years.shape[-1], dtype=trajectories.temp.dtype)

    def one(of_one: tuple[Tuned, Trajectory, Change]) -> tuple[Array, Array]:
        value, slope = balance_and_slope(*of_one, each)
        return value, jnp.stack(slope, axis=-1)

    every, n = (tuned, trajectories, shift), shift.temp.size
    columns = trajectories.temp.shape[1] * trajectories.area.shape[-1]
    # On a CPU as many glaciers in parallel as its cache holds.
    together = max(1, CACHED_COLUMNS // columns) if jax.default_backend() == "cpu" else n
    return jax.vmap(one)(every) if n <= together else jax.lax.map(one, every, batch_size=together)


def solve_shift(
    tuned: Tuned,
    trajectory: Trajectory,
    target: ArrayLike,
    weights: ArrayLike,
    sigma: ArrayLike,
    control: str = "dT",
    prior: ArrayLike | None = None,
) -> Solution:
    """Find the shift of one glacier's forcing that gives the target; see :func:`solve_shifts`.

    Parameters
    ----------
    tuned : Tuned
    trajectory : Trajectory
    target : float or array (O,)
        m w.e.
    weights : array (Y,) or (O, Y)
    sigma : float or array (O,)
        m w.e.
    control, prior
        see :func:`solve_shifts`

    Raises
    ------
    ValueError
        as :func:`solve_shifts`
    """
    target = np.atleast_1d(np.asarray(target, np.float64))
    weights, sigma = np.atleast_2d(np.asarray(weights)), np.broadcast_to(np.asarray(sigma, np.float64), target.shape)
    tuned = jax.tree.map(lambda leaf: np.asarray(leaf, trajectory.temp.dtype)[None], tuned)
    trajectory = jax.tree.map(lambda leaf: np.asarray(leaf)[None], trajectory)
    found = solve_shifts(tuned, trajectory, target[None], weights[None], sigma[None], control, prior)
    return Solution(*(field[0] for field in found))


def solve_shifts(
    tuned: Tuned,
    trajectories: Trajectory,
    target: np.ndarray,
    weights: np.ndarray,
    sigma: np.ndarray,
    control: str = "dT",
    prior: ArrayLike | None = None,
) -> Solution:
    """Find the shifts of the forcing of several glaciers at once that give their targets.

    One target without a prior is met: a root of the balance, which falls with temperature and rises with
    precipitation, by Newton's method within a bracket. Otherwise the sum of squares ``((balance - target) / sigma)²
    + (shift / prior)²`` is made smallest by damped Gauss-Newton steps. With ``sigma=1`` and ``prior=100`` K that is
    the loss of the paper, ``(balance - target)² + 1e-4 dT²``.

    Parameters
    ----------
    tuned : Tuned
        with a leading axis G
    trajectories : Trajectory
        of :func:`~oggm_glaunti.analysis.trajectory.stack_trajectories`
    target : array (G, O)
        m w.e.
    weights : array (G, O, Y)
        of the years in each target
    sigma : array (G, O)
        standard deviation of the targets, m w.e.; of no effect on a root but for its uncertainty
    control : {'dT', 'dP', 'both'}
    prior : float or (2,), optional
        standard deviation of the shift, K and 1 (a logarithm); two numbers for ``both``, which needs them

    Returns
    -------
    Solution
        if the outcome is not ``CONVERGED``, the numbers are those at which the search ended

    Raises
    ------
    ValueError
        for another control, a missing or invalid prior, or invalid sigmas
    """
    scale, precision = prior_scales(control, prior)
    if not (np.isfinite(sigma).all() and (sigma > 0.0).all()):
        raise ValueError(f"sigma: expected numbers above 0, found {np.unique(sigma)}")
    dtype, weights = trajectories.temp.dtype, np.asarray(weights, np.float64)

    runs_so_far: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def years(shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        change = shift.T.astype(dtype)
        if change.tobytes() not in runs_so_far:
            value, slope = annual_and_slope(tuned, trajectories, Change(*change))
            runs_so_far[change.tobytes()] = np.asarray(value, np.float64), np.asarray(slope, np.float64)
        return runs_so_far[change.tobytes()]

    def evaluate(shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, slope = years(shift)
        return (weights @ value[..., None])[..., 0], weights @ slope

    if prior is None and target.shape[1] == 1:
        which = ("dT", "dP").index(control)

        def of_one(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            value, slope = evaluate(x[:, None] * scale)
            return value[:, 0], slope[:, 0, which]

        x, outcome, runs = roots(of_one, target[:, 0], LIMITS[control], rising=control == "dP")
        shift = np.zeros((x.size, 2))
        shift[:, which] = x
    else:
        shift, outcome, runs = minima(evaluate, target, sigma, scale, precision)
    (annual, annual_slope), (balance, slope) = years(shift), evaluate(shift)
    cov = scale[:, None] * scale * np.linalg.inv(information(slope * scale / sigma[..., None], precision))

    before = years(np.zeros_like(shift))[0]
    return Solution(shift, cov, balance, slope, annual, annual_slope, before, outcome, runs)


def prior_scales(control: str, prior: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the units of the two controls (0 if held) and the weights of their squares in those units."""
    if control not in CONTROLS:
        raise ValueError(f"control: expected one of {tuple(CONTROLS)}, found {control!r}")
    free = np.asarray(CONTROLS[control])
    if prior is None:
        if free.all():
            raise ValueError("prior: control 'both' has two unknowns and needs (K, 1), one standard deviation for each")
        return free.astype(float), (~free).astype(float)
    given = np.atleast_1d(np.asarray(prior, np.float64))
    if given.shape != (free.sum(),) or not (np.isfinite(given).all() and (given > 0.0).all()):
        raise ValueError(f"prior: expected {free.sum()} number(s) above 0 for control {control!r}, found {prior}")
    scale = np.zeros(2)
    scale[free] = given
    return scale, np.ones(2)


@partial(jax.jit, static_argnames="slots")
def sensitivity(tuned: Tuned, trajectory: Trajectory, slot: Int[AnyArray, " time"], slots: int) -> Change:
    """Compute the derivatives of every year's balance to shifts of the weather in parts of the record.

    Parameters
    ----------
    tuned : Tuned
    trajectory : Trajectory
    slot : int array (T,)
        part that each day belongs to, -1 for none: the calendar month, for example
    slots : int
        number of parts K

    Returns
    -------
    Change
        of arrays (Y, K): m w.e. K-1, and m w.e. (to the logarithm of precipitation). If the parts contain every day,
        they add up to the derivatives to a shift of all days.
    """

    def balances(shifts: Change) -> Array:
        return annual(tuned, trajectory, Change(*(on_days(field, slot) for field in shifts)))

    nothing = jnp.zeros(slots, trajectory.temp.dtype)
    return jax.jacfwd(balances)(Change(nothing, nothing))
