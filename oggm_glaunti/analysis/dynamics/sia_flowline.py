"""A glacier of one flowline that can be differentiated: OGGM's semi-implicit shallow-ice model in JAX.

The discretisation is that of :class:`oggm.core.flowline.SemiImplicitModel` for rectangular and trapezoidal beds, with
the same number of equal time steps in every month instead of an adaptive one. The whole run, the balance read at the
moving surface included, is one function of the table of balances: its derivative to every year and height of the table
comes from one reverse pass, exact for this model to rounding, and so does that to anything the table depends on.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from oggm_glaunti.core.arrays import AnyArray

MONTHS = 12
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
        by how much the width grows with thickness, 1; 0 where walls are upright
    dx : array ()
        distance of the points, m
    creep, sliding : arrays ()
        s-1 m-3 and s-1 m-1 as in OGGM: ``2 A / (n + 2)`` and ``fs``, each times ``(rho g)^n``, per unit of slope^n
    """

    height: Float[AnyArray, " point"]
    width: Float[AnyArray, " point"]
    flare: Float[AnyArray, " point"]
    dx: Float[AnyArray, ""]
    creep: Float[AnyArray, ""]
    sliding: Float[AnyArray, ""]


def volume(bed: Bed, thick: Float[AnyArray, "... point"]) -> Float[Array, "..."]:
    """Of the ice, km3."""
    return M3_TO_KM3 * bed.dx * jnp.sum((bed.width + 0.5 * bed.flare * thick) * thick, axis=-1)


def one_step(
    bed: Bed, thick: Float[AnyArray, " point"], smb: Float[AnyArray, " point"], dt: float, glen_n: int = 3
) -> Float[Array, " point"]:
    """Thickness after a time step: fluxes by the old thickness and the new slope.

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
    width, surface = bed.width + bed.flare * thick, bed.height + thick
    at_middle = lambda field: 0.5 * (field[:-1] + field[1:])
    h, slope = at_middle(thick), jnp.diff(surface) / bed.dx
    # A power of the square: the derivative of |x| at 0 is not asked for.
    steepness = (slope**2) ** ((glen_n - 1) // 2) if glen_n % 2 else jnp.abs(slope) ** (glen_n - 1)
    diffusivity = (bed.creep * h ** (glen_n + 2) + bed.sliding * h**glen_n) * steepness
    # No ice flows through the ends.
    d = jnp.pad(diffusivity * 0.5 * (at_middle(bed.width) + at_middle(width)), 1)
    b = d * jnp.pad(jnp.diff(bed.height), 1) / bed.dx
    share = dt / (bed.dx**2 * width)
    right = thick + smb * dt + dt / width * (b[1:] - b[:-1]) / bed.dx
    solve = jax.lax.linalg.tridiagonal_solve
    new = solve(-share * d[:-1], 1.0 + share * (d[:-1] + d[1:]), -share * d[1:], right[:, None])[:, 0]
    return jnp.maximum(new, 0.0)


def run(
    bed: Bed,
    thick: Float[AnyArray, " point"],
    heights: Float[AnyArray, " height"],
    ice: Float[AnyArray, "year height"],
    steps: int,
    seconds: float,
    glen_n: int = 3,
) -> Float[Array, "year point"]:
    """Thickness at the end of each year.

    Parameters
    ----------
    bed : Bed
    thick : array (X,)
        at the beginning, m
    heights : array (N,)
        of the table, evenly spaced, m; it goes on with the slopes at its ends
    ice : array (Y, N)
        the table, m of ice a year
    steps : int
        in a month
    seconds : float
        in a year
    glen_n : int

    Returns
    -------
    array (Y, X)
        m
    """
    dt = seconds / (MONTHS * steps)

    # Years are computed again on the way back: in memory is one year at a time.
    @jax.checkpoint
    def one_year(thick, of_year):
        smb = read(heights, of_year, bed.height + thick) / seconds
        step = lambda thick, _: (one_step(bed, thick, smb, dt, glen_n), None)
        thick = jax.lax.scan(step, thick, None, length=MONTHS * steps)[0]
        return thick, thick

    return jax.lax.scan(one_year, thick, ice)[1]


def read(
    heights: Float[AnyArray, " height"], row: Float[AnyArray, " height"], at: Float[AnyArray, "..."]
) -> Float[Array, "..."]:
    """A row of the table at any heights: linear, beyond its ends with the slopes there."""
    position = (at - heights[0]) / (heights[1] - heights[0])
    lower = jnp.clip(jax.lax.stop_gradient(position).astype(int), 0, heights.shape[0] - 2)
    return row[lower] + (position - lower) * (row[lower + 1] - row[lower])


@partial(jax.jit, static_argnames=("steps", "seconds", "glen_n"))
def volumes(
    bed: Bed,
    thick: Float[AnyArray, " point"],
    heights: Float[AnyArray, " height"],
    ice: Float[AnyArray, "year height"],
    steps: int,
    seconds: float,
    glen_n: int = 3,
) -> Float[Array, " year"]:
    """Volume at the end of each year, km3; arguments as in :func:`run`."""
    return volume(bed, run(bed, thick, heights, ice, steps, seconds, glen_n))


class Gradient(NamedTuple):
    """Of the last volume.

    Attributes
    ----------
    volumes : array (Y,)
        at the end of each year, km3
    gradient : array (Y, N)
        derivative of the last of them to every number of the table, km3 (m of ice)-1
    """

    volumes: Float[AnyArray, " year"]
    gradient: Float[AnyArray, "year height"]


@partial(jax.jit, static_argnames=("steps", "seconds", "glen_n"))
def volume_gradient(
    bed: Bed,
    thick: Float[AnyArray, " point"],
    heights: Float[AnyArray, " height"],
    ice: Float[AnyArray, "year height"],
    steps: int,
    seconds: float,
    glen_n: int = 3,
) -> Gradient:
    """Volumes, and the derivative of the last to the whole table by one reverse pass; arguments as in :func:`run`."""

    def last(ice):
        every = volumes(bed, thick, heights, ice, steps, seconds, glen_n)
        return every[-1], every

    (_, every), gradient = jax.value_and_grad(last, has_aux=True)(ice)
    return Gradient(every, gradient)
