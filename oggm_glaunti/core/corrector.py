"""The network of models C and D: glacier geometry and monthly climate in, five correction fields out.

Pure functions over the leaves of a weight file; no convolution but the last has a bias. Maslov et al. 2026, the
corrector.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

NORM_EPS = 1e-6
N_FIELDS = 15
N_CORRECTIONS = 5
OUTPUT_SCALE = 0.1


class ConvBlock(eqx.Module):
    """Convolution (3-wide, SAME), RMS norm with scale and shift, swish. Leaves: 2D (O, I, 3, 3) or 1D (O, I, 3)."""

    conv: Float[Array, "out inp *window"]
    scale: Float[Array, "out *ones"]
    shift: Float[Array, "out *ones"]

    def __call__(self, x: Float[Array, "inp *space"]) -> Float[Array, "out *space"]:
        """Apply the block."""
        x = convolve(x, self.conv)
        return jax.nn.swish(rms_norm(x) * self.scale + self.shift)


class DoubleConv(eqx.Module):
    """Two blocks one after the other."""

    block1: ConvBlock
    block2: ConvBlock

    def __call__(self, x: Float[Array, "inp *space"]) -> Float[Array, "out *space"]:
        """Apply both."""
        return self.block2(self.block1(x))


class Branch(eqx.Module):
    """A 1x1 convolution and double convolutions, pooled in between."""

    in_conv: Float[Array, "out inp *ones"]
    downs: tuple[DoubleConv, ...]
    bottleneck: DoubleConv | None


class Corrector(eqx.Module):
    """Weights of the corrector, in the order of the published files."""

    branch_2d: Branch
    branch_1d: Branch
    reproj_1d_to_2d: Float[Array, "32 8 1"]
    fuse: DoubleConv
    out_conv: Float[Array, "5 32 1 1"]
    out_bias: Float[Array, "5 1 1"]


def convolve(x: Float[Array, "inp *space"], kernel: Float[Array, "out inp *window"]) -> Float[Array, "out *space"]:
    """Convolution of one example with SAME padding, stride 1, channels first."""
    # GPUs would round products to TF32 by default, which is coarser than the published results are reproduced.
    strides, precision = (1,) * (x.ndim - 1), jax.lax.Precision.HIGHEST
    return jax.lax.conv_general_dilated(x[None], kernel, strides, padding="SAME", precision=precision)[0]


def rms_norm(x: Float[Array, "channel *space"]) -> Float[Array, "channel *space"]:
    """Each channel divided by its root mean square over space."""
    axes = tuple(range(1, x.ndim))
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=axes, keepdims=True) + NORM_EPS)


def max_pool(x: Float[Array, "channel h w"]) -> Float[Array, "channel h2 w2"]:
    """2x2 maximum with stride 2; an odd last row or column is dropped."""
    c, h, w = x.shape
    x = x[:, : h // 2 * 2, : w // 2 * 2]
    return x.reshape(c, h // 2, 2, w // 2, 2).max(axis=(2, 4))


def mean_pool(x: Float[Array, "channel n"]) -> Float[Array, "channel n2"]:
    """Mean of pairs; an odd last entry is dropped."""
    c, n = x.shape
    return x[:, : n // 2 * 2].reshape(c, n // 2, 2).mean(axis=2)


def run_branch_2d(branch: Branch, fields: Float[Array, "15 h w"]) -> Float[Array, "32 h8 w8"]:
    """Geometry branch: fields (15, H, W) to (32, H//8, W//8)."""
    x = convolve(fields, branch.in_conv)
    for down in branch.downs:
        x = max_pool(down(x))
    assert branch.bottleneck is not None
    return branch.bottleneck(x)


def run_branch_1d(branch: Branch, climate: Float[Array, "2 month"]) -> Float[Array, "8 1"]:
    """Climate branch: (2, 12 to 14 months) to (8, 1)."""
    x = convolve(climate, branch.in_conv)
    for down in branch.downs:
        x = mean_pool(down(x))
    return x.mean(axis=1, keepdims=True)


def run_corrector(
    model: Corrector, fields: Float[Array, "15 h w"], climate: Float[Array, "2 month"]
) -> Float[Array, "5 h w"]:
    """Correction fields of one mass-balance year.

    Parameters
    ----------
    model : Corrector
    fields : array (15, H, W)
        normalised: smb0/10, d(smb0)/dT, d(smb0)/dP, outlines, elevation, elevation_std, nine facies bands; H and W at
        least 16
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

    Notes
    -----
    The norm and the floor of the pools depend on the whole rectangle: the same glacier with another margin gets other
    corrections. Always give 100 m cells, north up, with 15 cells around the outline's bounding box.
    """
    if fields.shape[0] != N_FIELDS or climate.shape[0] != 2 or not 12 <= climate.shape[1] <= 14:
        raise ValueError(f"expected fields (15, H, W) and climate (2, 12 to 14), found {fields.shape}, {climate.shape}")
    h, w = fields.shape[1:]
    if min(h, w) < 16:
        raise ValueError(f"the corrector needs at least 16 x 16 cells, found {h} x {w}: widen the margin")
    x = run_branch_2d(model.branch_2d, fields)
    season = convolve(run_branch_1d(model.branch_1d, climate), model.reproj_1d_to_2d)
    x = model.fuse(x + season[:, :, None])
    x = OUTPUT_SCALE * (convolve(x, model.out_conv) + model.out_bias)
    return jax.image.resize(x, (N_CORRECTIONS, h, w), method="bilinear", antialias=False)
