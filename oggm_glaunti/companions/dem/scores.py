"""Scores of an imputation: hidden heights against those imputed in their place."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from oggm_glaunti.companions.dem.arrays import Floats, Mask
from oggm_glaunti.companions.dem.coregister import Registration, nmad
from oggm_glaunti.companions.dem.fill import FillOptions, fill, what_is_known
from oggm_glaunti.companions.dem.stack import Stack
from oggm_glaunti.core.units import NORMAL_90


class HeldOut(NamedTuple):
    """True and imputed heights of hidden pixels (M,) in all years (K,).

    Attributes
    ----------
    true, predicted, std : arrays (K, M)
        Heights and standard deviation of the predicted ones, m; `true` is NaN if a year has no height
    reference : array (M,)
        Height of the reference, m
    slope : array (M,)
        Slope of the reference, degrees
    distance : array (M,)
        Distance from the nearest known pixel, pixels
    pixels : bool array (H, W)
        True at the hidden pixels
    """

    true: Floats
    predicted: Floats
    std: Floats
    reference: Floats
    slope: Floats
    distance: Floats
    pixels: Mask

    @property
    def error(self) -> Floats:
        """Predicted minus true height, m."""
        return self.predicted - self.true


class VoidScores(NamedTuple):
    """Scores of imputed heights, made by :func:`score`.

    Attributes
    ----------
    rmse : float
        Root mean squared error, m; dominated by few pixels on cliffs
    median_error : float
        Median of the absolute errors, m
    nmad : float
        Normalised median absolute deviation of the errors, m
    coverage_90 : float
        Share of the heights within the 90 % interval
    std_scale : float
        Factor on the standard deviations with which that would be 90 %
    """

    rmse: float
    median_error: float
    nmad: float
    coverage_90: float
    std_scale: float


def hold_out(
    stack: Stack,
    hidden: Mask,
    method: str = "rff_kriging",
    options: FillOptions | None = None,
    seed: int = 0,
    coregister: bool = True,
    registration: Registration | None = None,
) -> HeldOut:
    """Hide pixels of a stack in all years and fill them from the rest.

    The shifts of the reference, if they are not given, are found without these pixels as well.

    Parameters
    ----------
    stack : Stack
    hidden : bool array (H, W)
        Pixels to hide, see :func:`~oggm_glaunti.companions.dem.voids.place_voids`
    method, options, seed, coregister, registration
        See :func:`~oggm_glaunti.companions.dem.fill.fill` and :func:`~oggm_glaunti.companions.dem.fill.what_is_known`
    """
    known = what_is_known(stack, coregister, hidden, registration)
    predicted, std = fill(known, hidden, method, options, seed).at(stack.years)
    distance = ndimage.distance_transform_edt(~known.pixels)
    ground = known.ground.elevation[hidden], known.ground.slope[hidden]
    return HeldOut(stack.z[:, hidden], predicted, std, *ground, distance[hidden], hidden)


def joined(parts: Sequence[HeldOut]) -> HeldOut:
    """Join several hold-outs of one stack; `pixels` are those hidden in any of them."""
    fields = {name: np.concatenate([getattr(p, name) for p in parts], axis=-1) for name in HeldOut._fields[:-1]}
    return HeldOut(**fields, pixels=np.any([part.pixels for part in parts], axis=0))


def score(held_out: HeldOut, std_scale: float = 1.0) -> VoidScores:
    """Compute the scores of hidden pixels, all years together.

    Parameters
    ----------
    held_out : HeldOut
    std_scale : float
        Factor on the standard deviations, from another hold-out

    Raises
    ------
    ValueError
        If no height was hidden

    Examples
    --------
    >>> one = np.ones((2, 3))
    >>> score(HeldOut(0 * one, 3 * one, 2 * one, *one[[0, 0]], one[0], one > 0)).rmse
    3.0
    """
    error, std = held_out.error, std_scale * held_out.std
    seen = np.isfinite(error)
    if not seen.any():
        raise ValueError("no height was hidden, so there is none to compare with")
    error, std = error[seen], std[seen]
    ratio = np.abs(error) / std
    return VoidScores(
        float(np.sqrt(np.mean(error**2))),
        float(np.median(np.abs(error))),
        nmad(error),
        float(np.mean(ratio <= NORMAL_90)),
        float(np.quantile(ratio, 0.9) / NORMAL_90),
    )
