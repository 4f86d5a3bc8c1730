"""A few patterns of a table of balances, from which the tangents of any number of controls are composed.

The derivatives of a run of ice dynamics to the patterns give the derivative to every control, except for the part of
the control's tangent that is outside the patterns.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HEIGHT_UNIT = 1000.0  # m; a mode that is linear in height rises by 1 over this


class Modes(NamedTuple):
    """Patterns of a table.

    Attributes
    ----------
    names : list of str
    fields : float64 array (M, Y, N)
        m w.e.
    """

    names: list[str]
    fields: NDArray[np.float64]


def table_modes(
    years: NDArray[np.int_],
    heights: NDArray[np.float64],
    weights: NDArray[np.float64],
    block: int | None = 10,
    degree: int = 1,
) -> Modes:
    """Return patterns that are powers of height, in each block of years by itself.

    Parameters
    ----------
    years : int array (Y,)
    heights, weights : arrays (N,)
        m; shares of the glacier's area, which add up to 1
    block : int, optional
        years in a block, the last takes the rest; None for all years together
    degree : int
        0: constant with height; 1: also linear, 1 m w.e. over 1000 m around the mean height; and so on

    Raises
    ------
    ValueError
        for blocks without years, or degrees below 0

    Examples
    --------
    >>> modes = table_modes(np.arange(2000, 2020), np.array([2500.0, 3500.0]), np.array([0.5, 0.5]))
    >>> modes.names
    ['2000-2009', '2000-2009 height', '2010-2019', '2010-2019 height']
    >>> modes.fields[3, [0, 10]].tolist()
    [[-0.0, 0.0], [-0.5, 0.5]]
    """
    if (block is not None and block < 1) or degree < 0:
        raise ValueError(f"expected block of at least 1 year and degree of at least 0, found {block} and {degree}")
    number = np.zeros(years.size, int) if block is None else np.arange(years.size) // block
    x = (heights - heights @ weights) / HEIGHT_UNIT
    names, fields = [], []
    for i in range(number.max() + 1):
        inside = years[number == i]
        for power in range(degree + 1):
            what = "" if power == 0 else " height" if power == 1 else f" height^{power}"
            names.append(f"{inside[0]}-{inside[-1]}{what}")
            fields.append((number == i)[:, None] * x**power)
    return Modes(names, np.array(fields))


class Projection(NamedTuple):
    """Tangents as sums of modes.

    Attributes
    ----------
    coefficients : float64 array (K, M)
    outside : float64 array (K,)
        root mean square of the part outside the sum, m w.e.
    share : float64 array (K,)
        the same relative to the tangent's own, 0 to 1
    """

    coefficients: NDArray[np.float64]
    outside: NDArray[np.float64]
    share: NDArray[np.float64]


def project(tangents: NDArray[np.floating], modes: Modes, weights: NDArray[np.float64]) -> Projection:
    """Approximate tangents (K, Y, N) by sums of modes, least squares weighted by area.

    The derivative of anything to a control is then the same sum of its derivatives to the modes, up to the part
    outside.
    """
    root = np.sqrt(weights)
    design = (modes.fields * root).reshape(len(modes.names), -1).T
    targets = (np.asarray(tangents, np.float64) * root).reshape(len(tangents), -1).T
    coefficients = np.asarray(np.linalg.lstsq(design, targets, rcond=None)[0], np.float64)
    left = targets - design @ coefficients
    years = modes.fields.shape[1]
    outside, whole = (np.sqrt(np.sum(part**2, axis=0) / years) for part in (left, targets))
    return Projection(coefficients.T, outside, np.divide(outside, whole, out=np.zeros_like(whole), where=whole > 0))
