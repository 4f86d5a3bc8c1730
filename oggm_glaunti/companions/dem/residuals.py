"""What is left of a regression, carried from the known pixels around a void into it; far inside it dies away."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

# Voids are filled some pixels at a time: a matrix of neighbours each.
AT_A_TIME = 2048


class Residual(NamedTuple):
    """Values for some pixels (M,) and their variance in units of the residuals' local variance, 0 to 1."""

    value: NDArray[np.float64]
    share: NDArray[np.float64]


def nothing(values: NDArray[np.float64], known: NDArray[np.bool_], wanted: NDArray[np.bool_], **_: object) -> Residual:
    """No residual: the regression stands alone."""
    del values, known
    count = int(wanted.sum())
    return Residual(np.zeros(count), np.ones(count))


def krige(
    values: NDArray[np.float64],
    known: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    *,
    distance: float,
    nugget: float,
    neighbours: int,
    **_: object,
) -> Residual:
    """Simple kriging with a mean of zero from the nearest known pixels.

    The correlation of two pixels d apart is ``(1 - nugget) exp(-d / distance)``.

    Parameters
    ----------
    values : array (H, W)
        residuals
    known, wanted : bool arrays (H, W)
        where they are known, and where they are sought
    distance : float
        over which the correlation falls to 1/e, pixels
    nugget : float
        share of the variance that neighbours have not in common
    neighbours : int

    Notes
    -----
    The mean is zero and not estimated from the neighbours (ordinary kriging), because the regression already is the
    best guess far from all of them.

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
    for first in range(0, len(far), AT_A_TIME):
        part = slice(first, first + AT_A_TIME)
        around = places[nearest[part]]
        apart = np.linalg.norm(around[:, :, None] - around[:, None], axis=-1)
        among = (1.0 - nugget) * np.exp(-apart / distance) + nugget * np.eye(count)
        to_target = (1.0 - nugget) * np.exp(-far[part] / distance)
        weights = np.linalg.solve(among, to_target[..., None])[..., 0]
        value[part] = (weights * source[nearest[part]]).sum(axis=1)
        share[part] = 1.0 - (weights * to_target).sum(axis=1)
    return Residual(value, share)


def idw(
    values: NDArray[np.float64], known: NDArray[np.bool_], wanted: NDArray[np.bool_], *, neighbours: int, **_: object
) -> Residual:
    """Mean of the nearest known pixels, weighted by one over the square of their distance."""
    source = values[known]
    far, nearest = _nearest(np.argwhere(known), wanted, neighbours)
    weights = 1.0 / far**2
    mean = (weights * source[nearest]).sum(axis=1) / weights.sum(axis=1)
    return Residual(mean, np.ones(len(far)))


def local_variance(
    values: NDArray[np.float64], known: NDArray[np.bool_], wanted: NDArray[np.bool_], neighbours: int
) -> NDArray[np.float64]:
    """Mean square of the nearest known residuals for some pixels (M,): cliffs scatter more than snow fields."""
    _, nearest = _nearest(np.argwhere(known), wanted, neighbours)
    return (values[known][nearest] ** 2).mean(axis=1)


def _nearest(
    places: NDArray[np.intp], wanted: NDArray[np.bool_], neighbours: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distances and indices (M, n) of the places nearest to each pixel wanted, all of them where there are fewer."""
    count = min(neighbours, len(places))
    return KDTree(places).query(np.argwhere(wanted), k=[*range(1, count + 1)])
