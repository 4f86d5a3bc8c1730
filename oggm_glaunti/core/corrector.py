"""The network of models C and D: glacier geometry and monthly climate in, five correction fields out.

Pure functions over the leaves of a weight file; no convolution but the last has a bias. Maslov et al. 2026, the
corrector. Two rewritings of the published layers, both exact, make it fast: the 1x1 convolution in front is multiplied
into the first 3x3 kernel (zeros around the grid stay zeros through it), and the nine facies bands, all -1 if no map
exists, become one channel of ones.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from oggm_glaunti.core.arrays import EXACT, AnyArray, Climate
from oggm_glaunti.core.network import InsideCells, cells_of, conv_block, in_groups, keep, max_pool, mean_pool, stretch
from oggm_glaunti.core.units import MISSING_FACIES, N_FACIES

N_FIELDS = 15
N_WITHOUT_FACIES = N_FIELDS - N_FACIES
MIN_SIDE = 16
OUTPUT_SCALE = 0.1
# Convolutions on CPUs take twice as long with one channel less than this.
CHANNELS_AT_ONCE = 8
# Measured on CPUs with 2 MB of cache a core: half the time a glacier of a batch that is not divided.
CELLS_AT_ONCE = 2**15


class ConvBlock(eqx.Module):
    """Convolution (3-wide, SAME), RMS norm with scale and shift, swish. Leaves: 2D (O, I, 3, 3) or 1D (O, I, 3)."""

    conv: Float[AnyArray, "out inp *window"]
    scale: Float[AnyArray, "out *ones"]
    shift: Float[AnyArray, "out *ones"]


class DoubleConv(eqx.Module):
    """Two blocks one after the other."""

    block1: ConvBlock
    block2: ConvBlock


class Branch(eqx.Module):
    """A 1x1 convolution and double convolutions, pooled in between."""

    in_conv: Float[AnyArray, "out inp *ones"]
    downs: tuple[DoubleConv, ...]
    bottleneck: DoubleConv | None


class Corrector(eqx.Module):
    """Weights of the corrector, in the order of the published files."""

    branch_2d: Branch
    branch_1d: Branch
    reproj_1d_to_2d: Float[AnyArray, "32 8 1"]
    fuse: DoubleConv
    out_conv: Float[AnyArray, "5 32 1 1"]
    out_bias: Float[AnyArray, "5 1 1"]


def run_corrector(model: Corrector, fields: Float[AnyArray, "field h w"], climate: Climate) -> Float[Array, "5 h w"]:
    """Correction fields of one mass-balance year.

    Parameters
    ----------
    model : Corrector
    fields : array (15, H, W) or (6, H, W)
        normalised: smb0/10, d(smb0)/dT, d(smb0)/dP, outlines, elevation, elevation_std; then the nine facies bands, or
        nothing if no map exists, which means the same as -1 in all of them and is faster; H and W at least 16
    climate : array (2, M)
        normalised monthly temperature and precipitation of the 12 to 14 months the period touches

    Returns
    -------
    array (5, H, W)
        d1 ln prec_scale, d2 ln ddf_snow, d3 ln ddf_relative_ice, d4 snow_to_rain_centre (K), d5 t_pos_shift (K)

    Raises
    ------
    ValueError
        for another number of fields or months, or a grid too small for the three pools

    See Also
    --------
    run_corrector_batch : many glaciers at once

    Notes
    -----
    The norm and the floor of the pools depend on the whole rectangle: the same glacier with another margin gets other
    corrections. Always give 100 m cells, north up, with 15 cells around the outline's bounding box.
    """
    if fields.shape[0] not in (N_WITHOUT_FACIES, N_FIELDS):
        wanted = f"fields ({N_FIELDS}, H, W), or {N_WITHOUT_FACIES} without facies bands,"
        raise ValueError(_expected(wanted, fields, climate))
    inputs = jnp.moveaxis(fields, 0, -1)
    _require_inputs(inputs, climate)
    h, w = inputs.shape[:2]
    if min(h, w) < MIN_SIDE:
        raise ValueError(f"the corrector needs at least 16 x 16 cells, found {h} x {w}: widen the margin")
    whole = jnp.array([[h, w]], jnp.int32)
    return stretch(_coarse(model, inputs[None], climate[None], [None] * 4), whole, (h, w))[0]


def run_corrector_batch(
    model: Corrector,
    inputs: Float[AnyArray, "g h w field"],
    climate: Float[AnyArray, "g 2 month"],
    sizes: Int[AnyArray, "g 2"],
) -> Float[Array, "g h w 5"]:
    """Correction fields of many glaciers of different sizes, each as if it were alone.

    Parameters
    ----------
    model : Corrector
    inputs : array (G, H, W, 6) or (G, H, W, 15)
        as in :func:`run_corrector`, fields last; a glacier occupies the top left of the bucket, what lies beyond is
        never looked at and may be anything
    climate : array (G, 2, M)
    sizes : int array (G, 2)
        rows and columns of each glacier, see :func:`require_sizes`; (0, 0) is an empty slot

    Returns
    -------
    array (G, H, W, 5)
        0 beyond each glacier's size

    Raises
    ------
    ValueError
        for another number of fields or months, or arrays that do not belong together

    Examples
    --------
    >>> import jax, numpy as np
    >>> from oggm_glaunti.core.weights import leaf_shapes, model_from_leaves
    >>> weights = [np.full(shape, 0.1, np.float32) for shape in leaf_shapes("C")]
    >>> corrector = model_from_leaves("C", weights).corrector
    >>> inputs, climate = np.ones((3, 24, 24, 6), np.float32), np.ones((3, 2, 12), np.float32)
    >>> sizes = np.array([[24, 17], [16, 24], [0, 0]])
    >>> ds = jax.jit(run_corrector_batch)(corrector, inputs, climate, sizes)
    >>> ds.shape, float(abs(ds[0, :, 17:]).max()), float(abs(ds[2]).max())
    ((3, 24, 24, 5), 0.0, 0.0)
    """
    _require_inputs(inputs, climate)
    if not inputs.shape[0] == climate.shape[0] == sizes.shape[0] or sizes.shape[1:] != (2,):
        raise ValueError(_expected("one row of sizes (G, 2) for each glacier", inputs, climate, sizes))
    sizes = jnp.asarray(sizes, jnp.int32)
    return _in_groups_on_cpu(model, inputs, climate, sizes)


@jax.custom_jvp
def _in_groups_on_cpu(model: Corrector, inputs, climate, sizes) -> Float[Array, "g h w 5"]:
    if jax.default_backend() != "cpu":
        return _together(model, inputs, climate, sizes)
    at_once = max(1, CELLS_AT_ONCE // (inputs.shape[1] * inputs.shape[2]))
    return in_groups(lambda *group: _together(model, *group), at_once, inputs, climate, sizes)


@_in_groups_on_cpu.defjvp
def _undivided(primals, tangents):
    # The reverse pass of a loop over groups takes five times as long as that of all glaciers at once.
    return jax.jvp(_together, primals, tangents)


def _together(model: Corrector, inputs, climate, sizes) -> Float[Array, "g h w 5"]:
    shape = inputs.shape[1:3]
    levels = [cells_of(sizes // 2**k, (shape[0] // 2**k, shape[1] // 2**k), inputs.dtype) for k in range(4)]
    coarse = _coarse(model, inputs, climate, levels)
    return keep(jnp.moveaxis(stretch(coarse, sizes, shape), 1, -1), levels[0])


def require_sizes(sizes: Int[AnyArray, "g 2"], shape: tuple[int, int]) -> None:
    """Refuse sizes of glaciers that no bucket of this shape can hold; for numbers, outside of compiled functions.

    Raises
    ------
    ValueError
        naming the first that is neither (0, 0) nor from 16 cells up to the shape
    """
    for slot, (h, w) in enumerate(sizes.tolist()):
        if (h, w) != (0, 0) and not (MIN_SIDE <= h <= shape[0] and MIN_SIDE <= w <= shape[1]):
            raise ValueError(
                f"glacier {slot} of the batch: expected a size from {MIN_SIDE} x {MIN_SIDE} to {shape[0]} x {shape[1]} "
                f"cells, or 0 x 0 for an empty slot, found {h} x {w}"
            )


def run_branch_2d(branch: Branch, fields: Float[AnyArray, "15 h w"]) -> Float[Array, "32 h8 w8"]:
    """Geometry branch: fields (15, H, W) to (32, H//8, W//8)."""
    return jnp.moveaxis(_geometry(branch, jnp.moveaxis(fields, 0, -1)[None], [None] * 4)[0], -1, 0)


def run_branch_1d(branch: Branch, climate: Climate) -> Float[Array, "8 1"]:
    """Climate branch: (2, 12 to 14 months) to (8, 1)."""
    return _climate(branch, climate[None])[0, :, None]


def first_kernel(branch: Branch, n_fields: int) -> Float[Array, "3 3 channel 32"]:
    """First 3x3 convolution and the 1x1 convolution before it in one; channels as of :func:`first_channels`."""
    kernel = jnp.einsum("omij,mc->ijco", branch.downs[0].block1.conv, branch.in_conv[:, :, 0, 0], precision=EXACT)
    if n_fields == N_WITHOUT_FACIES:
        facies = MISSING_FACIES * kernel[:, :, N_WITHOUT_FACIES:].sum(axis=2, keepdims=True)
        kernel = jnp.concatenate([kernel[:, :, :N_WITHOUT_FACIES], facies], axis=2)
    return jnp.pad(kernel, ((0, 0), (0, 0), (0, -kernel.shape[2] % CHANNELS_AT_ONCE), (0, 0)))


def first_channels(inputs: Float[AnyArray, "g h w field"], cells: InsideCells | None) -> Float[Array, "g h w channel"]:
    """Return the inputs, ones in place of missing facies bands, and zeros up to a number of channels that CPUs like."""
    channels = [inputs]
    if inputs.shape[-1] == N_WITHOUT_FACIES:
        channels.append(jnp.ones_like(inputs[..., :1]))
    n = sum(x.shape[-1] for x in channels)
    channels.append(jnp.zeros((*inputs.shape[:-1], -n % CHANNELS_AT_ONCE), inputs.dtype))
    return keep(jnp.concatenate(channels, axis=-1), cells)


def _coarse(model: Corrector, inputs, climate, levels: Sequence[InsideCells | None]) -> Float[Array, "g h8 w8 5"]:
    """All layers but the resize."""
    season = _climate(model.branch_1d, climate) @ model.reproj_1d_to_2d[:, :, 0].T
    x = _geometry(model.branch_2d, inputs, levels) + season[:, None, None]
    x = _double_conv(model.fuse, keep(x, levels[3]), levels[3])
    x = jnp.matmul(x, model.out_conv[:, :, 0, 0].T, precision=EXACT)
    return OUTPUT_SCALE * (x + model.out_bias.reshape(1, 1, 1, -1))


def _geometry(branch: Branch, inputs, levels: Sequence[InsideCells | None]) -> Float[Array, "g h8 w8 32"]:
    assert branch.bottleneck is not None
    x, kernel = first_channels(inputs, levels[0]), first_kernel(branch, inputs.shape[-1])
    for k, down in enumerate(branch.downs):
        x = max_pool(_double_conv(down, x, levels[k], kernel if k == 0 else None), levels[k + 1])
    return _double_conv(branch.bottleneck, x, levels[3])


def _climate(branch: Branch, climate: Float[AnyArray, "g 2 month"]) -> Float[Array, "g 8"]:
    x = jnp.einsum("gim,oi->gmo", climate, branch.in_conv[:, :, 0], precision=EXACT)
    for down in branch.downs:
        x = mean_pool(_double_conv(down, x))
    return x.mean(axis=1)


def _double_conv(double: DoubleConv, x, cells: InsideCells | None = None, kernel=None):
    """Both blocks; `kernel`, if given, in place of the first one's."""
    first, second = double.block1, double.block2
    kernel = _channels_last(first.conv) if kernel is None else kernel
    x = conv_block(x, kernel, first.scale.reshape(-1), first.shift.reshape(-1), cells)
    return conv_block(x, _channels_last(second.conv), second.scale.reshape(-1), second.shift.reshape(-1), cells)


def _channels_last(kernel: Float[AnyArray, "out inp *window"]) -> Float[Array, "*window inp out"]:
    return jnp.moveaxis(kernel, (0, 1), (-1, -2))


def _require_inputs(inputs, climate) -> None:
    n_fields, (n_series, months) = inputs.shape[-1], climate.shape[-2:]
    if n_fields not in (N_WITHOUT_FACIES, N_FIELDS) or n_series != 2 or not 12 <= months <= 14:
        raise ValueError(_expected(f"inputs (H, W, {N_WITHOUT_FACIES} or {N_FIELDS})", inputs, climate))


def _expected(what: str, inputs, climate, *more) -> str:
    found = ", ".join(str(x.shape) for x in (inputs, climate, *more))
    return f"expected {what} and climate (2, 12 to 14), found {found}"
