"""Integrated gradients of one year's balance: the contribution of each input to a difference.

On a straight line from a baseline ``b`` to the year ``x``, ``u(a) = b + a (x - b)``, input i contributes
``(x_i - b_i) * integral of dF/du_i(u(a)) over a from 0 to 1`` (Sundararajan et al. 2017), and all contributions add up
to ``F(x) - F(b)``. With several baselines (each year of a climate) contributions are means over them (expected
gradients, Erion et al. 2021) and add up to ``F(x) - mean F(b)``. The integral is a Gauss-Legendre sum.

Heights are independent of each other, so the gradient of the sum over the heights holds those of every height: one
reverse pass gives contributions by day *and* height. Inputs are temperature, precipitation (itself, not its logarithm),
the snow on the first day, the corrections and the heights.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.core.glaunti import correct
from oggm_glaunti.core.on_heights import Tuned
from oggm_glaunti.core.run import ti_step

NODES_AT_ONCE = 8
MOST_NODES = 256
GAP_TOLERANCE = 1e-3  # of the difference
# m w.e. A tenth of a millimetre: if years hardly differ, a share of the difference would be below rounding.
FLOOR = 1e-4


class YearInputs(NamedTuple):
    """Inputs of a year's balance, or contributions of each of them.

    YearInputs are parts of the difference of the balance *at each height*, m w.e.: arrays (T, N), (T, N), (N,),
    (S, 5, N) and (N,). Times the area they add up to that of the glacier.

    Attributes
    ----------
    temp, prcp : arrays (R, T)
        daily weather at the reference height, degC and m w.e. day-1
    swe : array (R, N)
        snow at the beginning of the first day, m w.e.
    ds : array (S, 5, N)
        corrections of the mass-balance years that the year overlaps (one, or two for a calendar year)
    above_ref : array (N,)
        heights minus the reference height, m
    """

    temp: Float[AnyArray, "..."]
    prcp: Float[AnyArray, "..."]
    swe: Float[AnyArray, "..."]
    ds: Float[AnyArray, "*baseline slot 5 height"]
    above_ref: Float[AnyArray, "*baseline height"]


class Path(NamedTuple):
    """Straight lines from baselines to a year.

    Made by :mod:`oggm_glaunti.analysis.attribution.paths`; the variable along them is ``alpha``, 0 to 1.

    Attributes
    ----------
    end : YearInputs
        of the year
    start : YearInputs
        of B baselines, each array with a leading axis (B, ...)
    slot : int array (T,)
        set of corrections that applies on a day
    area : array (N,)
        shares of the glacier's area
    bias : array ()
        subtracted from every day's balance, m w.e. day-1
    """

    end: YearInputs
    start: YearInputs
    slot: Int[AnyArray, " time"]
    area: Float[AnyArray, " height"]
    bias: Float[AnyArray, ""]


class Integrated(NamedTuple):
    """YearInputs, and how accurately they add up.

    Made by :func:`until_complete`; of a batch of glaciers, the difference and the gap are arrays (G,) and the nodes are
    those of the glacier that needs most.

    Attributes
    ----------
    contributions : YearInputs
        or other inputs that were integrated
    difference : array ()
        of the balances at the ends of the path, glacier-wide, m w.e.
    gap : array ()
        that difference minus the sum of all contributions, m w.e.
    nodes : int
        of the quadrature
    complete : bool
        whether the gap is within the tolerance
    """

    contributions: Any
    difference: Any
    gap: Any
    nodes: int
    complete: bool


def balance(
    tuned: Tuned, path: Path, alpha: Float[AnyArray, " node"], more: YearInputs | None = None
) -> Float[Array, "baseline node height"]:
    """Compute the balance of the year at points of the path, by height.

    Parameters
    ----------
    tuned : Tuned
    path : Path
    alpha : array (K,)
        0 at the baselines, 1 at the year
    more : YearInputs, optional
        added to `alpha`, separately for every input; the variable of differentiation

    Returns
    -------
    array (B, K, N)
        m w.e., mean over the realisations
    """
    more = nowhere(path) if more is None else more
    run = partial(_one_baseline, tuned, path, jnp.asarray(alpha), more)
    # One baseline after the other: a few hundred columns fit in a core's cache.
    return jax.lax.map(run, path.start)


def nowhere(path: Path) -> YearInputs:
    """Return zeros of the shape of the contributions to `path`."""
    (days, heights), dtype = (path.slot.shape[-1], path.area.shape[-1]), path.end.temp.dtype
    shapes = (days, heights), (days, heights), (heights,), path.end.ds.shape[-3:], (heights,)
    return YearInputs(*(jnp.zeros(shape, dtype) for shape in shapes))


def _one_baseline(tuned, path, alpha, more, start):
    """Compute the balance (K, N) along the path from one baseline."""
    whole = jax.tree.map(jnp.subtract, path.end, start)

    def between(name: str) -> Array:
        low, up, step = getattr(start, name), getattr(whole, name), getattr(more, name)
        return low + (alpha.reshape(-1, *[1] * low.ndim) + step) * up

    offset = (tuned.temp_bias + tuned.temp_gradient * between("above_ref"))[:, None]
    corrected = correct(tuned.ti.resolve(), jnp.moveaxis(between("ds"), 2, 0))
    corrected = jax.tree.map(lambda field: field[..., None, :] if field.ndim else field, corrected)
    share, one = alpha[:, None, None], jnp.ones((), alpha.dtype)

    @partial(jax.checkpoint, prevent_cse=False)
    def one_day(carry, day):
        (swe, total), (low, up, d_temp, d_prcp, slot) = carry, day
        temp, prcp = (low[i][:, None] + (share + d) * up[i][:, None] for i, d in enumerate((d_temp, d_prcp)))
        of_day = jax.tree.map(lambda field: field[:, slot] if field.ndim else field, corrected)
        swe, smb = ti_step(of_day)(swe, temp + offset, prcp, one)
        return (swe, total + smb - path.bias), None

    ends = (jnp.stack([jnp.moveaxis(x, -1, 0) for x in (side.temp, side.prcp)], axis=1) for side in (start, whole))
    swe = between("swe")
    days = (*ends, more.temp, more.prcp, path.slot)
    (_, total), _ = jax.lax.scan(one_day, (swe, jnp.zeros_like(swe)), days)
    return jnp.mean(total, axis=1)


def contributions(
    tuned: Tuned, path: Path, alpha: Float[AnyArray, " node"], weights: Float[AnyArray, " node"]
) -> YearInputs:
    """Sum gradient times difference, weighted over the nodes of the path and averaged over the baselines.

    Parameters
    ----------
    tuned : Tuned
    path : Path
    alpha, weights : arrays (K,)
        nodes of a quadrature on 0 to 1

    Returns
    -------
    YearInputs
        m w.e.; over all nodes of a quadrature they add up to the difference of the balances at the ends of the path
    """

    def weighted(more: YearInputs) -> Array:
        # A shift of alpha of one input alone: its derivative is gradient times difference.
        by_node = balance(tuned, path, alpha, more)
        return jnp.sum(by_node * jnp.asarray(weights)[:, None]) / by_node.shape[0]

    return jax.grad(weighted)(nowhere(path))


def at_ends(tuned: Tuned, path: Path) -> tuple[Float[Array, " height"], Float[Array, " height"]]:
    """Return the balance by height (N,), m w.e.: mean of the baselines, and of the year."""
    ends = balance(tuned, path, jnp.array([0.0, 1.0], path.end.temp.dtype), None)
    return ends[:, 0].mean(axis=0), ends[0, 1]


def added_up(of_path: YearInputs, area: Float[AnyArray, " height"]) -> Float[Array, ""]:
    """Add up all contributions to the glacier-wide balance, m w.e."""
    by_height = [values.reshape(-1, area.shape[-1]).sum(axis=0) for values in of_path]
    return jnp.sum(sum(by_height) * area)


def gauss_legendre(n: int, dtype: Any = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of a quadrature on 0 to 1.

    Examples
    --------
    >>> nodes, weights = gauss_legendre(4)
    >>> round(float(weights @ nodes**7), 6)  # exact up to the power of 2 n - 1
    0.125
    """
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (0.5 * (nodes + 1.0)).astype(dtype), (0.5 * weights).astype(dtype)


def until_complete(
    program: Callable[[np.ndarray, np.ndarray], Any],
    total: Callable[[Any], Any],
    difference: Any,
    dtype: Any = np.float32,
    tolerance: float = GAP_TOLERANCE,
    most: int = MOST_NODES,
) -> Integrated:
    """Double the number of nodes until the contributions add up.

    Parameters
    ----------
    program : callable
        ``program(alpha, weights)``: contributions of some nodes; called with :data:`NODES_AT_ONCE` at a time, so that
        it is compiled once
    total : callable
        ``total(contributions)``: their sum, one number or one per glacier
    difference : array () or (G,)
        what they add up to, m w.e.
    dtype : dtype
        of the nodes
    tolerance : float
        accepted gap as a share of the difference, but at least :data:`FLOOR` m w.e., which applies to differences below
        0.1 m w.e.
    most : int
        largest number of nodes; if they do not suffice, the result is marked as incomplete
    """
    difference = np.asarray(difference)
    allowed = np.maximum(tolerance * np.abs(difference), FLOOR)
    n = NODES_AT_ONCE
    while True:
        alpha, weights = (x.reshape(-1, NODES_AT_ONCE) for x in gauss_legendre(n, dtype))
        found = program(alpha[0], weights[0])
        for some in zip(alpha[1:], weights[1:], strict=True):
            found = jax.tree.map(jnp.add, found, program(*some))
        gap = difference - np.asarray(total(found))
        complete = bool((np.abs(gap) <= allowed).all())
        if complete or 2 * n > most:
            return Integrated(found, difference, gap, n, complete)
        n *= 2


compiled_contributions = eqx.filter_jit(contributions)
_at_ends = eqx.filter_jit(at_ends)
_added_up = jax.jit(added_up)
_contributions_of_each = eqx.filter_jit(jax.vmap(contributions, (None, 0, None, None)))
_at_ends_of_each = eqx.filter_jit(jax.vmap(at_ends, (None, 0)))
_added_up_of_each = jax.jit(jax.vmap(added_up))


def ends_of(tuned: Tuned, path: Path) -> tuple[Any, Any]:
    """Return the glacier-wide balance of the baselines (mean) and of the year, m w.e.; (G,) for a batch of glaciers."""
    ends = (_at_ends_of_each if path.area.ndim == 2 else _at_ends)(tuned, path)
    area = np.asarray(path.area, np.float64)
    base, here = (np.sum(np.asarray(by_height, np.float64) * area, axis=-1) for by_height in ends)
    return base, here


def integrated_gradients(
    tuned: Tuned, path: Path, tolerance: float = GAP_TOLERANCE, most: int = MOST_NODES
) -> Integrated:
    """Compute the contribution of every input to the difference between a year and its baselines.

    Parameters
    ----------
    tuned : Tuned
    path : Path
        see :func:`oggm_glaunti.analysis.attribution.paths.path_of`; or those of several glaciers with a leading axis,
        see :func:`oggm_glaunti.analysis.attribution.paths.stack_paths`
    tolerance, most
        see :func:`until_complete`; a batch is complete if every glacier is

    Returns
    -------
    Integrated
        of :class:`YearInputs`, m w.e.
    """
    several = path.area.ndim == 2
    program, total = (_contributions_of_each, _added_up_of_each) if several else (compiled_contributions, _added_up)
    base, here = ends_of(tuned, path)
    how = here - base, path.end.temp.dtype, tolerance, most
    return until_complete(partial(program, tuned, path), lambda found: total(found, path.area), *how)
