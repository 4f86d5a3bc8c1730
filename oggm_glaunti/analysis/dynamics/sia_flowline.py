"""A differentiable glacier of one flowline: OGGM's semi-implicit shallow-ice model in JAX.

The discretisation is that of :class:`oggm.core.flowline.SemiImplicitModel` for rectangular and trapezoidal beds, with
the same number of equal time steps in every month instead of an adaptive one. The whole run, including the balance read
at the moving surface, is one function of the table of balances: its derivative to every year and height of the table
comes from one reverse pass, exact for this model up to rounding, and so does that to anything the table depends on.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from oggm_glaunti.core.arrays import AnyArray

MONTHS_A_YEAR = 12
M3_TO_KM3 = 1e-9


class Bed(NamedTuple):
    """A flowline without its ice.

    Attributes
    ----------
    height : array (X,)
        m
    width : array (X,)
        at the bottom, m
    flare : array (X,)
        increase of the width with thickness, 1; 0 for vertical walls
    dx : array ()
        distance of the points, m
    creep, sliding : arrays ()
        s-1 m-3 and s-1 m-1 as in OGGM: ``2 A / (n + 2)`` and ``fs``, each times ``(rho g)^n``, per unit of slope^n
    """

    height: Float[AnyArray, " point"]
    width: Float[AnyArray, " point"]
    flare: Float[AnyArray, " point"]
    dx: float | Float[AnyArray, ""]
    creep: float | Float[AnyArray, ""]
    sliding: float | Float[AnyArray, ""]


class Flowline(NamedTuple):
    """A glacier at the beginning of a run, and the heights of its table of balances.

    What :func:`run_flowline` starts from.

    Attributes
    ----------
    bed : Bed
    thick : array (X,)
        m
    heights : array (N,)
        of the table, evenly spaced, m; the table is extrapolated with the slopes at its ends
    """

    bed: Bed
    thick: Float[AnyArray, " point"]
    heights: Float[AnyArray, " height"]


class Steps(NamedTuple):
    """Time steps and the exponent of the flow law.

    Static: a program is compiled for each.

    Attributes
    ----------
    a_month : int
        steps in a month
    seconds : float
        in a year
    glen_n : int
    """

    a_month: int
    seconds: float
    glen_n: int = 3


def volume(bed: Bed, thick: Float[AnyArray, "... point"]) -> Float[Array, "..."]:
    """Return the volume of the ice, km3."""
    return jnp.asarray(M3_TO_KM3 * bed.dx * jnp.sum((bed.width + 0.5 * bed.flare * thick) * thick, axis=-1))


def one_step(
    bed: Bed, thick: Float[AnyArray, " point"], smb: Float[AnyArray, " point"], dt: float, glen_n: int = 3
) -> Float[Array, " point"]:
    """Compute the thickness after a time step: fluxes by the old thickness and the new slope.

    Parameters
    ----------
    bed : Bed
    thick : array (X,)
        m
    smb : array (X,)
        m of ice a second
    dt : float
        s
    glen_n : int
    """
    width, surface = bed.width + bed.flare * thick, jnp.asarray(bed.height + thick)
    at_middle = lambda field: 0.5 * (field[:-1] + field[1:])
    h, slope = at_middle(thick), jnp.diff(surface) / bed.dx
    # A power of the square avoids the derivative of |x| at 0.
    steepness = (slope**2) ** ((glen_n - 1) // 2) if glen_n % 2 else jnp.abs(slope) ** (glen_n - 1)
    diffusivity = (bed.creep * h ** (glen_n + 2) + bed.sliding * h**glen_n) * steepness
    # No ice flows through the ends.
    d = jnp.pad(diffusivity * 0.5 * (at_middle(bed.width) + at_middle(width)), 1)
    b = d * jnp.pad(jnp.diff(jnp.asarray(bed.height)), 1) / bed.dx
    share = jnp.asarray(dt / (bed.dx**2 * width))
    right = thick + smb * dt + dt / width * (b[1:] - b[:-1]) / bed.dx
    lower, main, upper = -share * d[:-1], 1.0 + share * (d[:-1] + d[1:]), -share * d[1:]
    new = jax.lax.linalg.tridiagonal_solve(lower, main, upper, jnp.asarray(right)[:, None])
    return jnp.maximum(new[:, 0], 0.0)


def run_flowline(line: Flowline, ice: Float[AnyArray, "year height"], steps: Steps) -> Float[Array, "year point"]:
    """Compute the thickness (Y, X) at the end of each year, m, under a table of balances (Y, N), m of ice a year."""
    bed, dt = line.bed, steps.seconds / (MONTHS_A_YEAR * steps.a_month)

    # Years are recomputed in the reverse pass: memory holds one year at a time.
    @jax.checkpoint
    def one_year(thick: Array, of_year: Array) -> tuple[Array, Array]:
        smb = read_row(line.heights, of_year, bed.height + thick) / steps.seconds
        step = lambda thick, _: (one_step(bed, thick, smb, dt, steps.glen_n), None)
        thick = jax.lax.scan(step, thick, None, length=MONTHS_A_YEAR * steps.a_month)[0]
        return thick, thick

    return jax.lax.scan(one_year, jnp.asarray(line.thick), jnp.asarray(ice))[1]


def read_row(
    heights: Float[AnyArray, " height"], row: Float[AnyArray, " height"], at: Float[AnyArray, "..."]
) -> Float[Array, "..."]:
    """Interpolate a row of the table linearly to any heights; beyond its ends with the slopes there."""
    position = (at - heights[0]) / (heights[1] - heights[0])
    lower = jnp.clip(jax.lax.stop_gradient(position).astype(int), 0, heights.shape[0] - 2)
    return row[lower] + (position - lower) * (row[lower + 1] - row[lower])


@partial(jax.jit, static_argnames="steps")
def volumes(line: Flowline, ice: Float[AnyArray, "year height"], steps: Steps) -> Float[Array, " year"]:
    """Compute the volume at the end of each year, km3; arguments as in :func:`run_flowline`."""
    return volume(line.bed, run_flowline(line, ice, steps))


@partial(jax.jit, static_argnames="steps")
def last_volume_gradient(
    line: Flowline, ice: Float[AnyArray, "year height"], steps: Steps
) -> tuple[Float[Array, " year"], Float[Array, "year height"]]:
    """Compute all volumes and, by one reverse pass, the derivative of the last one to the whole table.

    Arguments as in :func:`run_flowline`.

    Returns
    -------
    volumes : array (Y,)
        at the end of each year, km3
    gradient : array (Y, N)
        derivative of the last volume to every number of the table, km3 (m of ice)-1
    """

    def last(ice: Array) -> tuple[Array, Array]:
        every = volumes(line, ice, steps)
        return every[-1], every

    (_, every), gradient = jax.value_and_grad(last, has_aux=True)(ice)
    return every, gradient
