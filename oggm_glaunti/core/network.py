"""The layers of the corrector network, channels last, for one glacier or for many of different sizes at once.

All arrays are (G, ..., C): glaciers, space, channels. Glaciers of different sizes share a rectangle (a bucket): each
occupies the top left of it, which :class:`InsideCells` describes. Layers keep the rest at exactly 0, so that
nothing depends on how large the bucket is. Maslov et al. 2026, the corrector.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from oggm_glaunti.core.arrays import EXACT, AnyArray

NORM_EPS = 1e-6

# GPUs would round products to TF32 by default, which is coarser than the published results are reproduced.
DIMENSIONS = {3: ("NHC", "HIO", "NHC"), 4: ("NHWC", "HWIO", "NHWC")}


class InsideCells(NamedTuple):
    """The part of a bucket that belongs to each of its glaciers.

    Attributes
    ----------
    inside : bool array (G, H, W, 1)
    size : array (G, 1, 1, 1)
        number of cells inside, 1 in an empty slot
    """

    inside: Bool[AnyArray, "g h w 1"]
    size: Float[AnyArray, "g 1 1 1"]


def cells_of(sizes: Int[AnyArray, "g 2"], shape: tuple[int, int], dtype: jnp.dtype) -> InsideCells:
    """Which cells of a bucket of this shape belong to glaciers of these sizes."""
    rows, cols = (jnp.arange(n, dtype=sizes.dtype)[None] < sizes[:, k, None] for k, n in enumerate(shape))
    count = jnp.maximum(sizes[:, 0] * sizes[:, 1], 1).astype(dtype)
    return InsideCells((rows[:, :, None] & cols[:, None, :])[..., None], count[:, None, None, None])


def keep(x: Float[Array, "g *space c"], cells: InsideCells | None) -> Float[Array, "g *space c"]:
    """Set cells that belong to no glacier to zero, whatever was there."""
    # A choice, not a product: NaN times zero is NaN.
    return x if cells is None else jnp.where(cells.inside, x, jnp.zeros((), x.dtype))


@jax.custom_jvp
def convolve(x: Float[AnyArray, "g *space i"], kernel: Float[AnyArray, "*window i o"]) -> Float[Array, "g *space o"]:
    """Convolution with zeros around the grid and stride 1; differentiable in both modes.

    Parameters
    ----------
    x : array (G, ..., I)
        one or two axes of space
    kernel : array (..., I, O)
        3-wide along each axis of space

    Returns
    -------
    array (G, ..., O)
    """
    strides, order = (1,) * (x.ndim - 2), DIMENSIONS[x.ndim]
    x, kernel = jnp.asarray(x), jnp.asarray(kernel)
    return jax.lax.conv_general_dilated(x, kernel, strides, "SAME", dimension_numbers=order, precision=EXACT)


@convolve.defjvp
def _convolve_jvp(primals, tangents):
    (x, kernel), (dx, dkernel) = primals, tangents
    # With respect to the kernel, the reverse of a convolution is one whose window is the whole grid: slow on a CPU.
    along_kernel = convolve_by_products if x.ndim == 4 and jax.default_backend() == "cpu" else convolve
    return convolve(x, kernel), convolve(dx, kernel) + along_kernel(x, dkernel)


def convolve_by_products(x: Float[AnyArray, "g h w i"], kernel: Float[AnyArray, "3 3 i o"]) -> Float[Array, "g h w o"]:
    """:func:`convolve` in 2D as a product of two matrices, whose reverse with respect to the kernel is another one."""
    (g, h, w, i), o = x.shape, kernel.shape[-1]
    padded = jnp.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    beside = jnp.concatenate([padded[:, :, k : k + w] for k in range(3)], axis=-1)
    by_row = kernel.transpose(1, 2, 0, 3).reshape(3 * i, 3 * o)
    rows = jnp.matmul(beside.reshape(g * h * w, 3 * i), by_row, precision=EXACT).reshape(g, h, w, 3 * o)
    rows = jnp.pad(rows, ((0, 0), (1, 1), (0, 0), (0, 0)))
    return rows[:, :h, :, :o] + rows[:, 1 : h + 1, :, o : 2 * o] + rows[:, 2:, :, 2 * o :]


def inverse_rms(x: Float[AnyArray, "g *space c"], cells: InsideCells | None = None) -> Float[Array, "g *ones c"]:
    """One over the root mean square of each channel over the glacier's own cells; `x` is 0 elsewhere."""
    squares = jnp.sum(x * x, axis=tuple(range(1, x.ndim - 1)), keepdims=True)
    count = jnp.asarray(x[0, ..., 0].size, x.dtype) if cells is None else cells.size
    return jax.lax.rsqrt(squares / count + NORM_EPS)


def conv_block(
    x: Float[AnyArray, "g *space i"],
    kernel: Float[AnyArray, "*window i o"],
    scale: Float[AnyArray, "o"],
    shift: Float[AnyArray, "o"],
    cells: InsideCells | None = None,
) -> Float[Array, "g *space o"]:
    """Convolution, RMS norm with scale and shift, swish.

    Parameters
    ----------
    x : array (G, ..., I)
        0 in cells that are not inside
    kernel : array (..., I, O)
    scale, shift : arrays (O,)
    cells : InsideCells, optional
        what belongs to each glacier, all if missing

    Returns
    -------
    array (G, ..., O)
        0 in cells that are not inside
    """
    x = keep(convolve(x, kernel), cells)
    broadcast = (1,) * (x.ndim - 1) + scale.shape
    factor = inverse_rms(x, cells) * scale.reshape(broadcast)
    return keep(jax.nn.swish(x * factor + shift.reshape(broadcast)), cells)


def max_pool(x: Float[AnyArray, "g h w c"], cells: InsideCells | None = None) -> Float[Array, "g h2 w2 c"]:
    """2x2 maximum with stride 2; an odd last row or column is dropped. `cells` are those of the result."""
    g, h, w, c = x.shape
    x = x[:, : h // 2 * 2, : w // 2 * 2].reshape(g, h // 2, 2, w // 2, 2, c)
    # The reverse of two maxima of pairs is five times faster than that of one maximum over two axes.
    x = jnp.maximum(x[:, :, 0], x[:, :, 1])
    return keep(jnp.maximum(x[:, :, :, 0], x[:, :, :, 1]), cells)


def mean_pool(x: Float[AnyArray, "g n c"]) -> Float[Array, "g n2 c"]:
    """Mean of pairs; an odd last entry is dropped."""
    g, n, c = x.shape
    return x[:, : n // 2 * 2].reshape(g, n // 2, 2, c).mean(axis=2)


def in_groups(function: Callable[..., Array], size: int, *arrays: AnyArray) -> Array:
    """Apply a function of arrays (G, ...) to at most `size` glaciers at a time, the last group filled up with zeros.

    Parameters
    ----------
    function : callable
        takes all arrays, returns one (G, ...)
    size : int
    *arrays : arrays (G, ...)
        zeros have to be a valid input

    Returns
    -------
    array (G, ...)
    """
    n = arrays[0].shape[0]
    if n <= size:
        return function(*arrays)
    n_groups = -(-n // size)
    # Evenly: 9 glaciers in groups of at most 8 are 5 and 4.
    size = -(-n // n_groups)
    padded = (jnp.pad(x, ((0, n_groups * size - n), *((0, 0),) * (x.ndim - 1))) for x in arrays)
    groups = tuple(x.reshape(n_groups, size, *x.shape[1:]) for x in padded)
    result = jax.lax.map(lambda group: function(*group), groups)
    return result.reshape(n_groups * size, *result.shape[2:])[:n]


def stretch_weights(
    n_from: Int[AnyArray, "g"], n_to: Int[AnyArray, "g"], longest: tuple[int, int], dtype: jnp.dtype
) -> Float[Array, "g to from"]:
    """Linear interpolation from `n_from` cells to `n_to` of the same length in sum, as a matrix for each glacier.

    Parameters
    ----------
    n_from, n_to : int arrays (G,)
    longest : (int, int)
        the matrix's columns and rows: at least all of `n_from`, of `n_to`
    dtype : dtype

    Returns
    -------
    array (G, to, from)
        centres half a cell inside; beyond the outermost centres the value there
    """
    to, at = (jnp.arange(n, dtype=n_from.dtype) for n in (longest[1], longest[0]))
    # In whole numbers as long as possible: a place is then rounded once.
    twice = (2 * to[None] + 1) * n_from[:, None] - n_to[:, None]
    place = twice.astype(dtype) / (2 * jnp.maximum(n_to, 1)[:, None]).astype(dtype)
    place = jnp.clip(place, 0.0, jnp.maximum(n_from - 1, 0)[:, None].astype(dtype))
    return jnp.maximum(1.0 - jnp.abs(place[:, :, None] - at[None, None].astype(dtype)), 0.0)


def stretch(
    x: Float[AnyArray, "g h8 w8 c"], sizes: Int[AnyArray, "g 2"], shape: tuple[int, int]
) -> Float[Array, "g c h w"]:
    """Bilinear resize of each glacier's ``sizes // 8`` cells to its `sizes`, without antialiasing; channels first.

    What lies beyond `sizes` in the result has no meaning.
    """
    from_rows, from_cols = x.shape[1:3]
    rows = stretch_weights(sizes[:, 0] // 8, sizes[:, 0], (from_rows, shape[0]), x.dtype)
    cols = stretch_weights(sizes[:, 1] // 8, sizes[:, 1], (from_cols, shape[1]), x.dtype)
    x = jnp.einsum("ghr,grsc->gchs", rows, x, precision=EXACT)
    return jnp.einsum("gchs,gws->gchw", x, cols, precision=EXACT)
