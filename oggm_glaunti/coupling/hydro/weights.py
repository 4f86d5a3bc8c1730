"""Areas at heights as weights of the columns between which they lie."""

from __future__ import annotations

import numpy as np


def spread(heights: np.ndarray, areas: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Share areas out between the nodes next to their heights, as linear interpolation reads them.

    The sum of values at the nodes times the result is the sum of the interpolated values times the areas.

    Parameters
    ----------
    heights : array (B,)
        m, within the nodes
    areas : array (B, U)
        m2
    nodes : array (N,)
        heights of the columns, m, rising

    Returns
    -------
    float64 array (N, U)

    Examples
    --------
    >>> spread(np.array([1004.0]), np.array([[100.0]]), np.array([1000.0, 1010.0]))
    array([[60.],
           [40.]])
    """
    above = np.clip(np.searchsorted(nodes, heights), 1, nodes.size - 1)
    upper = ((heights - nodes[above - 1]) / (nodes[above] - nodes[above - 1]))[:, None]
    found = np.zeros((nodes.size, areas.shape[1]))
    np.add.at(found, above - 1, areas * (1.0 - upper))
    np.add.at(found, above, areas * upper)
    return found
