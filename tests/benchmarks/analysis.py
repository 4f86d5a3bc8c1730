"""Cases of what derivatives are for: errors carried through twenty years, and the climate of a glacier in balance."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from oggm_glaunti.analysis.inverse.shifts import solve_shift
from oggm_glaunti.analysis.trajectory import NO_CHANGE, Change, annual
from oggm_glaunti.analysis.uncertainty import propagation as u
from oggm_glaunti.analysis.uncertainty.blocks import weekly_blocks
from oggm_glaunti.analysis.uncertainty.draws import SIGMA_LOG_PRCP, SIGMA_TEMP, BlockErrors
from tests.analysis import worlds
from tests.benchmarks.runner import Case, Subject

YEARS, HEIGHTS = 20, 100
CHUNK = 32  # derivatives that the baseline carries at a time
MILLIMETRE = 1e-3  # m w.e.
STEPS, RATE = 500, 0.1


@functools.cache
def glacier(quick: bool) -> tuple[Any, Any]:
    """Parameters and a trajectory of some heights."""
    years, heights = (2, 3) if quick else (YEARS, HEIGHTS)
    return worlds.tuned("float32"), worlds.trajectory(years, heights, dtype="float32")


# --- errors of every week ---


@functools.partial(jax.jit, static_argnums=3)
def columns(tuned: Any, trajectory: Any, blocks: Any, n: int) -> Any:
    """Variance at the end of every week, one forward-mode derivative for each week's temperature and precipitation."""
    nothing = BlockErrors(*jnp.zeros((2, n)))

    def column(week: Any) -> Any:
        one = (jnp.arange(n) == week).astype(jnp.float32)
        along = (BlockErrors(SIGMA_TEMP * one, 0.0 * one), BlockErrors(0.0 * one, SIGMA_LOG_PRCP * one))
        series = [
            jax.jvp(lambda errors: u.cumulative(tuned, trajectory, blocks, errors), (nothing,), (tangent,))[1]
            for tangent in along
        ]
        return series[0] ** 2 + series[1] ** 2

    return jnp.sum(jax.lax.map(column, jnp.arange(n), batch_size=CHUNK), axis=0)


def uncertainty(quick: bool) -> list[Subject]:
    """Standard deviation of the cumulative balance at the end of every week."""
    tuned, trajectory = glacier(quick)
    blocks = weekly_blocks(trajectory.period)

    def by_columns() -> Any:
        return jnp.sqrt(columns(tuned, trajectory, blocks, blocks.n))

    def by_blocks() -> Any:
        series = u.propagate(tuned, trajectory, blocks)
        return jnp.sqrt(u.forcing_variance(series, blocks).total)

    exact = functools.cache(lambda: np.asarray(by_columns(), np.float64))

    def error(found: Any) -> str:
        return f"{np.max(np.abs(np.asarray(found) / exact() - 1.0)):.1e} (relative)"

    return [Subject("forward mode, week by week", by_columns), Subject("blocks", by_blocks, error, 10.0, 2.0)]


# --- the shift of temperature for a balance of zero ---


@jax.jit
def loss_and_slope(tuned: Any, trajectory: Any, shift: Any) -> Any:
    """Squared mean balance with the published pull to no shift, by reverse mode; and the mean balance."""

    def loss(shift: Any) -> Any:
        mean = jnp.mean(annual(tuned, trajectory, Change(shift, NO_CHANGE.log_prcp)))
        return mean**2, mean

    return jax.value_and_grad(loss, has_aux=True)(shift)


def inversion(quick: bool) -> list[Subject]:
    """A root by a loop over gradients and by Newton's method."""
    tuned, trajectory = glacier(quick)
    years = trajectory.years.size

    def by_gradients() -> Any:
        shift = np.float32(0.0)
        for _ in range(STEPS):
            (_, mean), slope = loss_and_slope(tuned, trajectory, shift)
            if abs(float(mean)) < MILLIMETRE:
                break
            shift = np.float32(shift - RATE * float(slope))
        return shift

    def by_newton() -> Any:
        return solve_shift(tuned, trajectory, 0.0, np.full(years, 1.0 / years), 0.1).shift[0]

    def error(found: Any) -> str:
        mean = loss_and_slope(tuned, trajectory, np.float32(found))[0][1]
        return f"{1000.0 * abs(float(mean)):.3f} mm w.e. from zero"

    return [
        Subject("gradient loop, reverse mode", by_gradients, error),
        Subject("Newton, forward mode", by_newton, error, 2.0, 2.0),
    ]


def _case(name: str, title: str, make: Callable[[bool], list[Subject]], note: str) -> Case:
    return Case(name, title, make, note, rounds=3)


CASES = [
    _case(
        "uncertainty",
        f"Standard deviation of the cumulative balance at every week of {YEARS} years",
        uncertainty,
        f"{HEIGHTS} heights, errors of temperature and precipitation of every week. The baseline carries {CHUNK} "
        "derivatives at a time through all days.",
    ),
    _case(
        "inversion",
        f"The shift of temperature for a mean balance of zero in {YEARS} years",
        inversion,
        f"{HEIGHTS} heights. The baseline goes down the gradient of the squared balance in steps of {RATE} times it, "
        "to a millimetre; Newton's method goes to a hundredth of one.",
    ),
]
