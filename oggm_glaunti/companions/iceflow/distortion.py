"""Images that no one shift puts in place: clouds, haze and errors of the terrain correction move parts of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oggm_glaunti.companions.iceflow.series import Displacements, Series

Floats = NDArray[np.float64]

# px. Side of the blocks of which the shifts are compared, and windows that each needs; blocks that an image needs.
BLOCK, LEAST_WINDOWS, LEAST_BLOCKS = 256.0, 20, 3
# An image is distorted whose blocks are off by this many times the median image's, and by this much, px.
TIMES, LEAST = 2.0, 0.05


def distortions(data: Displacements, solved: Series, place: ArrayLike, block: float = BLOCK) -> Floats:
    """Return how far parts of each image are off its shift (K,), px: root mean square over blocks, of a component.

    What all pairs with an image have in common that motion and shifts do not explain is taken for the image's; the
    median over a block averages the errors of windows out.

    Parameters
    ----------
    data : Displacements
    solved : Series
    place : array (2, N)
        Rows and columns of the windows, px
    block : float
        px

    Returns
    -------
    float (K,)
        NaN for images with fewer than three blocks

    Examples
    --------
    >>> from oggm_glaunti.companions.iceflow.series import solve
    >>> rng, days = np.random.default_rng(0), np.arange(4.0)
    >>> pairs = np.array([(a, b) for a in range(4) for b in range(a + 1, 4)])
    >>> place = np.indices((32, 32)).reshape(2, -1) * 16.0
    >>> at = rng.normal(0, 0.02, (2, 4, 1024)) + 0.2 * days[:, None]
    >>> at[0, 2] += np.where(place[0] < 256, 0.2, -0.2)
    >>> d = at[:, pairs[:, 1]] - at[:, pairs[:, 0]]
    >>> data = Displacements(pairs, days, d, np.full(d.shape[1:], 0.05), np.zeros(1024, bool))
    >>> distortions(data, solve(data), place).round(1).tolist()
    [0.0, 0.0, 0.1, 0.0]
    """
    places = (np.asarray(place, float) // block).astype(int)
    of_block = np.unique(places, axis=1, return_inverse=True)[1].ravel()
    result = np.full(data.days.size, np.nan)
    for k, sign in enumerate(data.incidence.T):
        off = solved.residual[:, sign != 0] * sign[sign != 0][None, :, None]
        there = np.isfinite(off[0]).any(axis=0)
        own = np.nanmedian(off[:, :, there], axis=1)
        inside = [own[:, of_block[there] == b] for b in np.unique(of_block[there])]
        blocks = [part for part in inside if part.shape[1] >= LEAST_WINDOWS]
        if len(blocks) >= LEAST_BLOCKS:
            square = [np.mean(np.median(part, axis=1) ** 2) for part in blocks]
            result[k] = np.sqrt(np.average(square, weights=[part.shape[1] for part in blocks]))
    return result


def distorted(found: ArrayLike) -> list[int]:
    """Return the images whose parts are off twice as far as the median image's, and 0.05 px at least.

    Examples
    --------
    >>> distorted([0.03, 0.10, 0.02, 0.04, 0.06])
    [1]
    """
    off = np.asarray(found, float)
    known = np.isfinite(off)
    if not known.any():
        return []
    limit = max(TIMES * float(np.median(off[known])), LEAST)
    return np.flatnonzero(known & (np.nan_to_num(off) > limit)).tolist()
