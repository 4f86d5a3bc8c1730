"""Images made fit for tracking: slow brightness taken off, nodata kept out of every mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Filters, and the pixels beyond a pixel that its value depends on, in units of sigma.
METHODS = ("highpass", "wallis", "orientation", "none")
REACH = 3.0
# px. Standard deviation of the Gaussian: texture longer than some three times this is taken off.
SIGMA = 3.0
# Share of a Gaussian's weight on valid pixels below which a mean counts as unknown.
_LEAST_WEIGHT = 1e-3


def smoothed(values: ArrayLike, valid: Mask, sigma: float) -> Image:
    """Return Gaussian means over valid pixels only (normalised convolution); 0 far from any valid one.

    Examples
    --------
    >>> row = np.array([[1.0, 1.0, 9.0, 1.0, 1.0]])
    >>> smoothed(row, row < 5, 1.0).tolist()
    [[1.0, 1.0, 1.0, 1.0, 1.0]]
    """
    blur = lambda field: ndimage.gaussian_filter(field, sigma, truncate=REACH, mode="constant")
    weight = blur(valid.astype(np.float32))
    total = blur(np.where(valid, values, 0.0).astype(np.float32))
    return np.where(weight > _LEAST_WEIGHT, total / np.maximum(weight, _LEAST_WEIGHT), 0.0).astype(np.float32)


def prepare(image: ArrayLike, valid: Mask | None = None, method: str = "highpass", sigma: float = SIGMA) -> Image:
    """Return an image (H, W) with its slow brightness taken off, 0 where it is not valid.

    Parameters
    ----------
    image : array (H, W)
        Brightness in any unit
    valid : bool array (H, W), optional
        Pixels with data; by default those that are finite
    method : {'highpass', 'wallis', 'orientation', 'none'}
        ``highpass`` takes the Gaussian mean off; ``wallis`` divides the result by the local standard deviation, which
        makes sun and shade alike; ``orientation`` keeps the direction of the gradient, as cosine of twice the angle
        weighted by nothing, for images whose contrast reverses; ``none`` takes the mean of the whole image off
    sigma : float
        Standard deviation of the Gaussian, px

    Raises
    ------
    ValueError
        For another method, or a sigma that is not positive

    Examples
    --------
    >>> rows, columns = np.indices((40, 40))
    >>> texture = (rows % 2 - 0.5) * np.ones((40, 40))
    >>> plain, sloping = (prepare(texture + light)[10:30, 10:30] for light in (0.0, columns * 5.0))
    >>> bool(np.abs(plain - sloping).max() < 1e-3)
    True
    """
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, found {method!r}")
    if not sigma > 0:
        raise ValueError(f"sigma: expected more than 0 px, found {sigma}")
    values = np.asarray(image, np.float32)
    valid = np.isfinite(values) if valid is None else valid & np.isfinite(values)
    if not valid.any():
        return np.zeros(values.shape, np.float32)
    # Far from zero, float32 has no digits to spare for squares.
    values = np.where(valid, values - values[valid].mean(dtype=np.float64), 0.0).astype(np.float32)
    if method == "none":
        return values
    if method == "orientation":
        return _orientation(values, valid, sigma)
    high = np.where(valid, values - smoothed(values, valid, sigma), 0.0).astype(np.float32)
    if method == "highpass":
        return high
    spread = np.sqrt(smoothed(high**2, valid, 2 * sigma))
    return (high / np.maximum(spread, 1e-3 * max(float(spread.max()), 1e-30))).astype(np.float32)


def _orientation(values: Image, valid: Mask, sigma: float) -> Image:
    filled = np.where(valid, values, smoothed(values, valid, sigma))
    down, right = (ndimage.gaussian_filter(filled, 1.0, order=order) for order in ((1, 0), (0, 1)))
    length = down**2 + right**2
    cosine = (right**2 - down**2) / np.maximum(length, 1e-12 * max(float(length.max()), 1e-30))
    inside = ndimage.binary_erosion(valid, iterations=3)
    return np.where(inside, cosine - smoothed(cosine, inside, sigma), 0.0).astype(np.float32)


def margin(method: str, sigma: float = SIGMA) -> int:
    """Return the pixels around a pixel that its filtered value depends on."""
    return 0 if method == "none" else int(np.ceil(REACH * sigma * (3 if method == "wallis" else 1))) + 5
