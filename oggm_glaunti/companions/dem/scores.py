"""How good an imputation is: heights that were hidden against those that were put in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from oggm_glaunti.companions.dem.coregister import Registration, nmad
from oggm_glaunti.companions.dem.fill import Options, fill, what_is_known
from oggm_glaunti.companions.dem.stack import Stack
from oggm_glaunti.core.units import NORMAL_90


class HeldOut(NamedTuple):
    """Hidden pixels (M,) in all years (K,), m.

    Attributes
    ----------
    true, predicted, std : arrays (K, M)
        NaN where a year has no height
    reference : array (M,)
        its height under the surface, m
    slope : array (M,)
        of the reference, degrees
    distance : array (M,)
        from the nearest pixel that was known, pixels
    pixels : bool array (H, W)
        where they are
    """

    true: NDArray[np.float64]
    predicted: NDArray[np.float64]
    std: NDArray[np.float64]
    reference: NDArray[np.float64]
    slope: NDArray[np.float64]
    distance: NDArray[np.float64]
    pixels: NDArray[np.bool_]

    @property
    def error(self) -> NDArray[np.float64]:
        """Predicted minus true height, m."""
        return self.predicted - self.true


class Scores(NamedTuple):
    """Of hidden heights.

    Attributes
    ----------
    rmse : float
        m; ruled by few pixels on cliffs, so also
    median_error : float
        of the absolute errors, m
    nmad : float
        normalised median absolute deviation of the errors, m
    coverage_90 : float
        share of the heights within the 90 % interval
    std_scale : float
        factor on the standard deviations with which that would be 90 %
    """

    rmse: float
    median_error: float
    nmad: float
    coverage_90: float
    std_scale: float


def hold_out(
    stack: Stack,
    hidden: NDArray[np.bool_],
    method: str = "rff_kriging",
    options: Options | None = None,
    seed: int = 0,
    coregister: bool = True,
    registration: Registration | None = None,
) -> HeldOut:
    """Hide pixels of a stack in all years and fill them from the rest.

    Parameters
    ----------
    stack : Stack
    hidden : bool array (H, W)
        see :func:`~oggm_glaunti.companions.dem.voids.place_voids`
    method, options, seed, coregister, registration
        see :func:`~oggm_glaunti.companions.dem.fill.fill` and :func:`~oggm_glaunti.companions.dem.fill.what_is_known`
    """
    known = what_is_known(stack, coregister, hidden, registration)
    predicted, std = fill(known, hidden, method, options, seed).at(stack.years)
    distance = ndimage.distance_transform_edt(~known.pixels)
    ground = known.ground.elevation[hidden], known.ground.slope[hidden]
    return HeldOut(stack.z[:, hidden], predicted, std, *ground, distance[hidden], hidden)


def joined(parts: Sequence[HeldOut]) -> HeldOut:
    """Several hold-outs of one stack as one; `pixels` are those hidden in any of them."""
    fields = zip(*(part[:-1] for part in parts), strict=True)
    return HeldOut(*(np.concatenate(field, axis=-1) for field in fields), np.any([p.pixels for p in parts], axis=0))


def score(held_out: HeldOut, std_scale: float = 1.0) -> Scores:
    """Scores of hidden pixels, all years together.

    Parameters
    ----------
    held_out : HeldOut
    std_scale : float
        factor on the standard deviations, from another hold-out

    Raises
    ------
    ValueError
        where nothing was hidden

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
    return Scores(
        float(np.sqrt(np.mean(error**2))),
        float(np.median(np.abs(error))),
        nmad(error),
        float(np.mean(ratio <= NORMAL_90)),
        float(np.quantile(ratio, 0.9) / NORMAL_90),
    )
