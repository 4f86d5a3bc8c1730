"""Derivatives of runs of ice dynamics: tables of balances, their tangents, and differences along them.

OGGM's ice dynamics sees the balance as a table, one row a year and one column a height. The derivative of that table to
temperature, precipitation or a parameter is exact (forward mode through every day). Dynamics that cannot be
differentiated itself is then run on the table changed a little along its tangent, in both directions
(:func:`difference_along`, :func:`secant_along`); or along each of a few patterns of the table
(:mod:`oggm_glaunti.analysis.dynamics.table_modes`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from oggm_glaunti.analysis.trajectory import Change, Trajectory, annual_by_height
from oggm_glaunti.core.on_heights import Tuned
from oggm_glaunti.fit.calibration.priors import STORED, TEMP_BIAS, TEMP_GRADIENT

TEMP, PRCP = "dT", "dP"
K, TEN_PERCENT = (1.0, "1 K"), (math.log(1.1), "10 %")
# Change of each control that results are for (of the logarithm if it is a share), and its name.
PER: dict[str, tuple[float, str]] = {
    TEMP: K,
    PRCP: TEN_PERCENT,
    **dict.fromkeys(STORED, TEN_PERCENT),
    "snow_to_rain_centre": K,
    "ddf_relative_ice": (math.log(1.1), "10 % of its excess over 1"),
    TEMP_BIAS: K,
    TEMP_GRADIENT: (0.001, "1 K km-1"),
}

SHORTEST_STEP = 0.05  # of the size of a step: nearly infinitesimal, yet far above rounding


class Control(NamedTuple):
    """A quantity that the balance depends on.

    Attributes
    ----------
    name : str
        a key of :data:`PER`: ``dT`` (a shift of temperature), ``dP`` (a share of precipitation), or a parameter
    month : int, optional
        1 to 12, for weather changed in that calendar month of every year only
    """

    name: str
    month: int | None = None

    @property
    def label(self) -> str:
        """Name with the month: ``dT_07``."""
        return self.name if self.month is None else f"{self.name}_{self.month:02d}"

    @property
    def size(self) -> float:
        """Change of the control that results are for, in the variable of differentiation."""
        return PER[self.name][0]

    @property
    def per(self) -> str:
        """Change of the control that results are for, in words."""
        return PER[self.name][1]


def controls_of(names: Sequence[str], by_month: bool = False) -> list[Control]:
    """Return the controls of the given names, those of the weather by month if requested.

    Raises
    ------
    ValueError
        for unknown names

    Examples
    --------
    >>> [control.label for control in controls_of(["dT", "ddf_snow"], by_month=True)][-3:]
    ['dT_11', 'dT_12', 'ddf_snow']
    """
    unknown = [name for name in names if name not in PER]
    if unknown or not names:
        raise ValueError(f"controls: expected some of {[*PER]}, found {unknown or 'none'}")
    months = {name: range(1, 13) if by_month and name in (TEMP, PRCP) else [None] for name in names}
    return [Control(name, month) for name in names for month in months[name]]


class Tangents(NamedTuple):
    """A table and its derivatives.

    Attributes
    ----------
    table : array (Y, N)
        annual balance by year and height, m w.e.
    tangents : array (K, Y, N)
        its change for the control's :attr:`Control.per`, to first order, m w.e.
    """

    table: NDArray[np.floating]
    tangents: NDArray[np.floating]


def table_tangents(
    tuned: Tuned, trajectory: Trajectory, months: NDArray[np.int_], controls: Sequence[Control]
) -> Tangents:
    """Compute the table of a trajectory and its exact derivatives to the controls.

    Parameters
    ----------
    tuned : Tuned
    trajectory : Trajectory
        in calendar years, on the heights of the table
    months : int array (T,)
        calendar month (1 to 12) of each of its days
    controls : sequence of Control

    Returns
    -------
    Tangents
        in the precision of the trajectory
    """
    dtype = trajectory.temp.dtype
    tuned = jax.tree.map(lambda number: jnp.asarray(number, dtype), tuned)
    # One after the other: one program for any number of controls, and the memory of one.
    each = [tangent_along(tuned, trajectory, direction(control, tuned, months)) for control in controls]
    return Tangents(np.asarray(each[0][0]), np.stack([tangent for _, tangent in each]))


def direction(control: Control, tuned: Tuned, months: NDArray[np.int_]) -> tuple[Tuned, Change]:
    """Return the changes of the parameters and of each day's weather that make up a control.

    Parameters
    ----------
    control : Control
    tuned : Tuned
        of arrays
    months : int array (T,)
        calendar month of each day
    """
    still, dtype = jax.tree.map(jnp.zeros_like, tuned), jnp.asarray(tuned.temp_bias).dtype
    zero = np.zeros(months.shape, dtype)
    if control.name in (TEMP, PRCP):
        days = np.where((months == control.month) | (control.month is None), control.size, 0.0).astype(dtype)
        return still, Change(days, zero) if control.name == TEMP else Change(zero, days)
    size = jnp.asarray(control.size, dtype)
    if control.name in STORED:
        moved = still._replace(ti=replace(still.ti, **{STORED[control.name]: size}))
    else:
        moved = still._replace(**{control.name: size})
    return moved, Change(zero, zero)


@jax.jit
def tangent_along(
    tuned: Tuned, trajectory: Trajectory, direction: tuple[Tuned, Change]
) -> tuple[Float[Array, "year height"], Float[Array, "year height"]]:
    """Compute the table and its derivative along one direction; arguments as in :func:`table_tangents`."""
    here = (tuned, jax.tree.map(jnp.zeros_like, direction[1]))
    return jax.jvp(lambda tuned, change: annual_by_height(tuned, trajectory, change), here, direction)


class Difference(NamedTuple):
    """A derivative by differences, for one unit of the direction.

    Attributes
    ----------
    value : float64 array (...)
    error : float64 array (...)
        difference from slopes over changes of other sizes: an estimate, not a bound
    """

    value: NDArray[np.float64]
    error: NDArray[np.float64]


def rms(field: NDArray[np.floating], weights: NDArray[np.float64]) -> float:
    """Compute the root mean square of a field (Y, N) over years and, with weights (N,) that add up to 1, heights."""
    return float(np.sqrt(np.mean(np.asarray(field, np.float64) ** 2 @ weights)))


class Line(NamedTuple):
    """A run along a line through its table.

    Attributes
    ----------
    run : callable
        from a table (Y, N) to numbers (...)
    table, tangent : arrays (Y, N)
        m w.e.
    weights : array (N,)
        shares of the glacier's area; they add up to 1
    """

    run: Callable[[NDArray[np.float64]], Any]
    table: NDArray[np.float64]
    tangent: NDArray[np.float64]
    weights: NDArray[np.float64]

    def at(self, step: float) -> NDArray[np.float64]:
        """Run the table changed by `step` times the tangent."""
        return self.run(self.table + step * self.tangent)

    def slope(self, step: float) -> NDArray[np.float64]:
        """Return the central difference over a step in both directions."""
        return (self.at(step) - self.at(-step)) / (2.0 * step)


def difference_along(line: Line, size: float) -> Difference:
    """Differentiate the result of a run along a line by central differences and Richardson's extrapolation.

    The error is the largest difference between the derivative and the slopes of three steps: the two it is computed
    from, and a much shorter one. If a result has many kinks, the slope over finite changes is not that at the point
    itself, however well two long steps may agree.

    Parameters
    ----------
    line : Line
        its run is called six times
    size : float
        change of the table by the middle step, root mean square, m w.e.; the longest step is twice that, the shortest a
        twentieth

    Examples
    --------
    >>> table, tangent = np.zeros((2, 3)), np.ones((2, 3))
    >>> cubic = Line(lambda table: np.sum(table + table**3), table, tangent, np.full(3, 1 / 3))
    >>> difference = difference_along(cubic, 0.1)
    >>> float(difference.value.round(12)), float(difference.error.round(12))
    (6.0, 0.24)
    """
    length = rms(line.tangent, line.weights)
    if length == 0.0:
        nothing = np.zeros_like(line.at(0.0))
        return Difference(nothing, nothing)
    slopes = np.stack([line.slope(factor * size / length) for factor in (SHORTEST_STEP, 1.0, 2.0)])
    value = (4.0 * slopes[1] - slopes[2]) / 3.0
    return Difference(value, np.max(np.abs(slopes - value), axis=0))


def secant_along(line: Line, size: float, here: NDArray[np.float64], grain: NDArray[np.float64]) -> Difference:
    """Compute the slope of a result that changes in steps, between two runs far apart.

    Parameters
    ----------
    line, size
        see :func:`difference_along`; the run is called twice
    here : array (...)
        result of the table itself
    grain : array (...)
        height of one step of the result; the error is the effect of one step at one of the ends, plus the difference
        between the two halves

    Examples
    --------
    >>> table, tangent = np.zeros((2, 3)), np.ones((2, 3))
    >>> cells = lambda table: np.floor(10.0 * table.sum() + 0.5) / 10.0
    >>> slope = secant_along(Line(cells, table, tangent, np.full(3, 1 / 3)), 0.5, cells(table), np.array(0.1))
    >>> float(slope.value.round(12)), float(slope.error.round(12))
    (6.0, 0.1)
    """
    length = rms(line.tangent, line.weights)
    if length == 0.0:
        return Difference(np.zeros_like(here), np.zeros_like(here))
    step = size / length
    more, less = line.at(step), line.at(-step)
    halves = np.abs(more - 2.0 * here + less) / (2.0 * step)
    return Difference((more - less) / (2.0 * step), halves + grain / (2.0 * step))
