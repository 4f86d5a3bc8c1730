"""The information of one more stake or snow pit, before it is measured.

Model results are uncertain because parameters and weather are, and because the model errs in each winter and summer.
All of these also affect what a stake would show, so that a measurement there removes part of the uncertainty. How much
follows from derivatives, without the measurement: with `j` the derivatives of the wanted quantity and `k` those of a
measurement to all uncertain inputs, `C` their covariance and `s` the standard error of the measurement, it is
``(j C k)^2 / (k C k + s^2)``. This is exact if the model is linear over the range of the uncertainty; the measured
value does not matter.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from oggm_glaunti.analysis.measure_next.period_jacobians import Jacobians, Periods, balance_jacobians
from oggm_glaunti.analysis.trajectory import Trajectory
from oggm_glaunti.analysis.uncertainty.blocks import Blocks
from oggm_glaunti.analysis.uncertainty.draws import WeatherErrors
from oggm_glaunti.analysis.uncertainty.propagation import unit_errors
from oggm_glaunti.core.arrays import EXACT, AnyArray
from oggm_glaunti.core.on_heights import Tuned

SMB = "smb"
"""Name of the wanted quantity that is not a parameter: the glacier's mean balance over the last of the periods."""


class ModelErrors(NamedTuple):
    """Errors of the model that measurements and the wanted balance share, by month; M of them of unit variance.

    Attributes
    ----------
    measured : array (S, M)
        their effect on a measurement in each of the seasons, m w.e.
    wanted : array (M,)
        on the wanted balance, m w.e.
    own : array ()
        standard deviation of the wanted balance's own error, of which no measurement tells, m w.e.
    """

    measured: Float[AnyArray, "season month"]
    wanted: Float[AnyArray, " month"]
    own: Float[AnyArray, ""]


class Uncertainty(NamedTuple):
    """How well the inputs are known. Errors of parameters, temperature, precipitation and model are independent.

    Attributes
    ----------
    params : array (P, P)
        a root of the covariance of the stored numbers, ``params @ params.T``
    weather : WeatherErrors
        of the weather of a week
    model : ModelErrors, optional
        default: none
    """

    params: Float[AnyArray, "parameter parameter"]
    weather: WeatherErrors
    model: ModelErrors | None = None


class Chosen(NamedTuple):
    """The most informative set of measurements, each the best in addition to those before.

    Made by :func:`best_in_turn`, one wanted quantity at a time.

    Attributes
    ----------
    candidate : int array (K,)
        number of the candidate; -1 if none is left
    before, after : arrays (K,)
        variance of the wanted quantity without and with it
    """

    candidate: Int[AnyArray, " rank"]
    before: Float[AnyArray, " rank"]
    after: Float[AnyArray, " rank"]


class Survey(NamedTuple):
    """The information of every measurement.

    Made by :func:`survey`.

    Attributes
    ----------
    variance : array (Q,)
        present variance of each wanted quantity, (m w.e.)^2 or that of a stored number
    reduction : array (Q, S, N)
        share of the variance that one measurement removes, by season and height; 0 to 1
    chosen : Chosen
        with a leading axis Q; candidates are numbered season by season, ``season * N + height``
    """

    variance: Float[AnyArray, " target"]
    reduction: Float[AnyArray, "target season height"]
    chosen: Chosen


def spreads(jacobians: Jacobians, weeks: Blocks, uncertainty: Uncertainty) -> Float[Array, "balance error"]:
    """Return the effect of independent errors of unit size on each balance: products of two rows are covariances.

    Parameters
    ----------
    jacobians : Jacobians
        of balances (M,)
    weeks : Blocks
    uncertainty : Uncertainty

    Returns
    -------
    array (M, P + 2 W)
    """
    params = jnp.matmul(jacobians.params, uncertainty.params, precision=EXACT)
    return jnp.concatenate([params, *unit_errors(jacobians, weeks, uncertainty.weather)], axis=-1)


def wanted(
    jacobians: Jacobians, area: Float[AnyArray, " height"], names: Sequence[str], targets: Sequence[str]
) -> Jacobians:
    """Return the derivatives of the wanted quantities to all uncertain inputs.

    Parameters
    ----------
    jacobians : Jacobians
        of balances (S, N); the last of the periods is that of the wanted balance
    area : array (N,)
        shares of the glacier's area
    names : sequence of str
        of the uncertain parameters
    targets : sequence of str
        :data:`SMB`, or some of `names`

    Returns
    -------
    Jacobians
        of (Q,) quantities; those of a parameter are 1 to itself
    """
    mean = Jacobians(*(jnp.tensordot(area, field[-1], 1, precision=EXACT) for field in jacobians))
    nothing = jax.tree.map(jnp.zeros_like, mean)
    each = [
        mean if target == SMB else nothing._replace(params=nothing.params.at[[*names].index(target)].set(1.0))
        for target in targets
    ]
    return Jacobians(*(jnp.stack(fields) for fields in zip(*each, strict=True)))


def variance_removed(
    target: Float[AnyArray, " error"],
    candidates: Float[AnyArray, "candidate error"],
    sigma: Float[AnyArray, " candidate"],
) -> Float[Array, " candidate"]:
    """How much each measurement by itself takes from the variance of what is wanted.

    Parameters
    ----------
    target : array (E,)
        see :func:`spreads`
    candidates : array (O, E)
        the same of the measurements
    sigma : array (O,)
        their standard errors

    Examples
    --------
    >>> measurements = jnp.array([[2.0, 0.0], [0.0, 3.0]])
    >>> variance_removed(jnp.array([2.0, 0.0]), measurements, jnp.array([2.0, 1.0])).tolist()
    [2.0, 0.0]
    """
    shared = jnp.matmul(candidates, target, precision=EXACT)
    return shared**2 / (jnp.sum(candidates**2, axis=-1) + sigma**2)


def best_in_turn(
    target: Float[AnyArray, " error"],
    candidates: Float[AnyArray, "candidate error"],
    sigma: Float[AnyArray, " candidate"],
    allowed: Bool[AnyArray, " candidate"],
    near: Bool[AnyArray, "candidate candidate"],
    n: int,
) -> Chosen:
    """Choose the best measurement, then the best one given the first, and so on.

    Parameters
    ----------
    target, candidates, sigma
        as :func:`variance_removed`
    allowed : bool array (O,)
        False for candidates that cannot be measured
    near : bool array (O, O)
        ``[i, j]``: whether j cannot be chosen after i. If the diagonal is False a candidate may be chosen again: a
        second stake at the same place, with an error of its own
    n : int
        number of measurements to choose
    """
    everything = jnp.concatenate([target[None], candidates])
    start = jnp.matmul(everything, everything.T, precision=EXACT)

    def one_more(state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Chosen]:
        cov, allowed = state
        of_each = jnp.diag(cov)[1:] + sigma**2
        best, possible = jnp.argmax(jnp.where(allowed, cov[0, 1:] ** 2 / of_each, -1.0)), jnp.any(allowed)
        shared = cov[1 + best]
        after = jnp.where(possible, cov - jnp.outer(shared, shared) / of_each[best], cov)
        return (after, allowed & ~near[best]), Chosen(jnp.where(possible, best, -1), cov[0, 0], after[0, 0])

    return jax.lax.scan(one_more, (start, jnp.asarray(allowed)), None, length=n)[1]


@partial(jax.jit, static_argnames=("names", "targets", "n_best"))
def survey(
    tuned: Tuned,
    trajectory: Trajectory,
    periods: Periods,
    uncertainty: Uncertainty,
    sigma: Float[AnyArray, " season"],
    allowed: Bool[AnyArray, " height"],
    apart: Float[AnyArray, ""],
    names: tuple[str, ...],
    targets: tuple[str, ...] = (SMB,),
    n_best: int = 5,
) -> Survey:
    """Compute the information of a measurement at each height in each season, and the best ones together.

    Parameters
    ----------
    tuned : Tuned
    trajectory : Trajectory
    periods : Periods
        the seasons that can be measured, then the period of the wanted balance
    uncertainty : Uncertainty
    sigma : array (S,)
        standard errors of a measurement in each of the seasons, with the errors of the model that are its own, m w.e.
    allowed : bool array (N,)
        heights that can be measured
    apart : array ()
        minimum difference in height of the chosen measurements of a season, m; 0: a place may be chosen again
    names : tuple of str
        of the uncertain parameters
    targets : tuple of str
        wanted quantities: :data:`SMB`, or some of `names`
    n_best : int
        number of measurements to choose for each of the targets
    """
    jacobians = balance_jacobians(tuned, trajectory, periods, names)
    of_targets = spreads(wanted(jacobians, trajectory.area, names, targets), periods.weeks, uncertainty)
    seasons, heights = jacobians.params.shape[0] - 1, jacobians.params.shape[1]
    one_by_one = Jacobians(*(field[:-1].reshape(seasons * heights, -1) for field in jacobians))
    candidates, sigma = spreads(one_by_one, periods.weeks, uncertainty), jnp.repeat(sigma, heights)
    if uncertainty.model is not None:
        of_targets, candidates = _with_model_errors(of_targets, candidates, uncertainty.model, targets)
    variance = jnp.sum(of_targets**2, axis=-1)
    removed = jax.vmap(variance_removed, (0, None, None))(of_targets, candidates, sigma)
    # A quantity without uncertainty is not improved.
    reduction = removed / jnp.where(variance > 0.0, variance, jnp.inf)[:, None]
    can_be, near = jnp.tile(allowed, seasons), _near(trajectory.above_ref, seasons, apart)
    chosen = jax.vmap(lambda target: best_in_turn(target, candidates, sigma, can_be, near, n_best))(of_targets)
    return Survey(variance, reduction.reshape(-1, seasons, heights), chosen)


def _with_model_errors(
    of_targets: Float[AnyArray, "target error"],
    candidates: Float[AnyArray, "candidate error"],
    model: ModelErrors,
    targets: Sequence[str],
) -> tuple[Float[Array, "target more"], Float[Array, "candidate more"]]:
    """Append the effects of the model's errors, the last column that of the wanted balance's own."""
    is_smb = jnp.array([target == SMB for target in targets], of_targets.dtype)
    wanted = is_smb[:, None] * jnp.append(model.wanted, model.own)
    measured = jnp.repeat(jnp.pad(model.measured, ((0, 0), (0, 1))), candidates.shape[0] // model.measured.shape[0], 0)
    return jnp.concatenate([of_targets, wanted], axis=1), jnp.concatenate([candidates, measured], axis=1)


def _near(
    heights: Float[AnyArray, " height"], seasons: int, apart: Float[AnyArray, ""]
) -> Bool[Array, "candidate candidate"]:
    """Mark pairs of candidates of the same season less than `apart` from each other."""
    height, season = jnp.tile(heights, seasons), jnp.repeat(jnp.arange(seasons), heights.shape[0])
    distance = jnp.abs(height[:, None] - height)
    # A tolerance, so that rounding does not decide about heights one step apart.
    return (season[:, None] == season) & (distance < apart - 0.01)
