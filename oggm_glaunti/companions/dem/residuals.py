"""Residuals of a regression, carried from the known pixels around a void into it; they decay towards its interior."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from oggm_glaunti.companions.dem.arrays import Floats, Mask

# Pixels that are filled at once, each with a matrix of neighbours.
KRIGED_AT_ONCE = 2048


class Residual(NamedTuple):
    """Residuals of some pixels (M,), and their variance as a share (0 to 1) of the local variance of residuals."""

    value: Floats
    share: Floats


def nothing(values: Floats, known: Mask, wanted: Mask, **_: object) -> Residual:
    """Return no residual: the regression stands alone."""
    del values, known
    count = int(wanted.sum())
    return Residual(np.zeros(count), np.ones(count))


def krige(
    values: Floats, known: Mask, wanted: Mask, *, distance: float, nugget: float, neighbours: int, **_: object
) -> Residual:
    """Interpolate residuals by simple kriging with a mean of zero from the nearest known pixels.

    The correlation of two pixels d apart is ``(1 - nugget) exp(-d / distance)``.

    Parameters
    ----------
    values : array (H, W)
        Residuals
    known, wanted : bool arrays (H, W)
        True where they are known, and where they are wanted
    distance : float
        Distance over which the correlation falls to 1/e, pixels
    nugget : float
        Share of the variance that is uncorrelated between neighbours
    neighbours : int
        Number of known pixels to use

    Notes
    -----
    The mean is zero and not estimated from the neighbours (ordinary kriging), because far from all of them the
    regression already is the best estimate.

    Examples
    --------
    >>> known = np.array([[True, False, False, False, False, False]])
    >>> near = krige(np.full((1, 6), 8.0), known, ~known, distance=1.0, nugget=0.0, neighbours=1)
    >>> near.value.round(2).tolist()
    [2.94, 1.08, 0.4, 0.15, 0.05]
    """
    places, source = np.argwhere(known), values[known]
    far, nearest = _nearest(places, wanted, neighbours)
    count = nearest.shape[1]
    value, share = np.empty(len(far)), np.empty(len(far))
    for first in range(0, len(far), KRIGED_AT_ONCE):
        part = slice(first, first + KRIGED_AT_ONCE)
        around = places[nearest[part]]
        apart = np.linalg.norm(around[:, :, None] - around[:, None], axis=-1)
        among = (1.0 - nugget) * np.exp(-apart / distance) + nugget * np.eye(count)
        to_target = (1.0 - nugget) * np.exp(-far[part] / distance)
        weights = np.linalg.solve(among, to_target[..., None])[..., 0]
        value[part] = (weights * source[nearest[part]]).sum(axis=1)
        share[part] = 1.0 - (weights * to_target).sum(axis=1)
    return Residual(value, share)


def idw(values: Floats, known: Mask, wanted: Mask, *, neighbours: int, **_: object) -> Residual:
    """Average the nearest known pixels, weighted by their inverse squared distance."""
    source = values[known]
    far, nearest = _nearest(np.argwhere(known), wanted, neighbours)
    weights = 1.0 / far**2
    mean = (weights * source[nearest]).sum(axis=1) / weights.sum(axis=1)
    return Residual(mean, np.ones(len(far)))


def local_variance(values: Floats, known: Mask, wanted: Mask, neighbours: int) -> Floats:
    """Return the mean square of the nearest known residuals for some pixels (M,): cliffs scatter more than snow."""
    _, nearest = _nearest(np.argwhere(known), wanted, neighbours)
    return (values[known][nearest] ** 2).mean(axis=1)


def _nearest(places: NDArray[np.intp], wanted: Mask, neighbours: int) -> tuple[Floats, NDArray[np.intp]]:
    """Return distances and indices (M, n) of the `neighbours` places nearest to each wanted pixel, or of all places."""
    count = min(neighbours, len(places))
    return KDTree(places).query(np.argwhere(wanted), k=[*range(1, count + 1)])
