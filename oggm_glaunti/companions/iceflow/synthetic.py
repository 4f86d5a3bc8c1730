"""Made-up images of a glacier whose motion is known.

The texture is made on pixels four times finer, moved there with splines, and averaged to the pixels of a sensor, so
every image is sampled alike and a tracker's bias by sub-pixel phase is not hidden. Ice flows along straight lines with
a speed that depends on the distance from the centre line only, so that the motion of every pixel is exact at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]

FINER = 4
# px. Texture length of the images (standard deviation of the Gaussian that noise is smoothed with), and of light.
TEXTURE, LIGHT = 1.0, 60.0


class Scene(NamedTuple):
    """Images with the motion that they were made with.

    Attributes
    ----------
    images : float32 (K, H, W)
        Brightness; texture has a standard deviation of 1
    days : float (K,)
        Days since the first image
    velocity : float (2, H, W)
        Rows and columns, px a day; 0 on rock
    shifts : float (K, 2)
        Misregistration of each image, px
    ice : bool (H, W)
        Trunk of the glacier
    cloud : bool (K, H, W)
        Pixels under a cloud
    """

    images: NDArray[np.float32]
    days: Floats
    velocity: Floats
    shifts: Floats
    ice: NDArray[np.bool_]
    cloud: NDArray[np.bool_]


def texture(shape: tuple[int, int], rng: np.random.Generator, length: float = TEXTURE) -> Floats:
    """Return noise with a Gaussian spectrum of a given length (px of the sensor) on fine pixels, mean 0, sd 1."""
    noise = rng.standard_normal([FINER * n for n in shape])
    field = ndimage.gaussian_filter(noise, length * FINER, mode="wrap")
    field += 0.6 * _unit(ndimage.gaussian_filter(noise[::-1], 4 * length * FINER, mode="wrap")) * field.std()
    return _unit(field)


def _unit(field: Floats) -> Floats:
    return (field - field.mean()) / field.std()


def trunk(
    shape: tuple[int, int],
    fastest: float = 1.0,
    direction: float = 30.0,
    half_width: float | None = None,
    power: float = 2.0,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the velocity (2, H, W) of a straight glacier and its cells.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns
    fastest : float
        Speed on the centre line, px a day
    direction : float
        Degrees from the columns' direction towards higher rows
    half_width : float, optional
        px; by default 0.3 of the shorter side
    power : float
        Power of the distance from the centre line with which the speed falls to 0 at the margins; the higher, the
        stronger the shear there
    """
    rows, columns = np.indices(shape, np.float64)
    angle = np.deg2rad(direction)
    along = np.array([np.sin(angle), np.cos(angle)])
    across = (rows - shape[0] / 2) * along[1] - (columns - shape[1] / 2) * along[0]
    width = 0.3 * min(shape) if half_width is None else half_width
    speed = fastest * np.clip(1.0 - np.abs(across / width) ** power, 0.0, None)
    return along[:, None, None] * speed, np.abs(across) < width


def moved(field: Floats, displacement: Floats) -> Floats:
    """Return fine texture as a sensor sees it (H, W) after its pixels have moved by `displacement` (2, H, W), px."""
    fine = np.repeat(np.repeat(displacement, FINER, axis=1), FINER, axis=2)
    # Smooth between sensor pixels: steps of the motion would print edges into the texture.
    fine = ndimage.uniform_filter(fine, (0, FINER, FINER), mode="nearest")
    rows, columns = np.indices(field.shape, np.float64)
    at = np.stack([rows - FINER * fine[0], columns - FINER * fine[1]])
    seen = ndimage.map_coordinates(field, at, order=3, mode="grid-wrap")
    height, width = (n // FINER for n in field.shape)
    return seen.reshape(height, FINER, width, FINER).mean(axis=(1, 3))


def light(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Return a smooth factor of brightness, 1 +- 0.2."""
    return 1.0 + 0.2 * _unit(ndimage.gaussian_filter(rng.standard_normal(shape), LIGHT, mode="wrap"))


def clouds(shape: tuple[int, int], cover: float, rng: np.random.Generator) -> Floats:
    """Return the opacity (H, W) of clouds that cover some share of an image."""
    if cover <= 0:
        return np.zeros(shape)
    field = _unit(ndimage.gaussian_filter(rng.standard_normal(shape), 24.0, mode="wrap"))
    return np.clip((field - np.quantile(field, 1 - cover)) / 0.3, 0.0, 1.0)


def scene(
    shape: tuple[int, int] = (256, 256),
    days: Sequence[float] = (0.0, 7.0),
    *,
    fastest: float = 1.0,
    direction: float = 30.0,
    power: float = 2.0,
    noise: float = 0.0,
    decorrelation: float = 0.0,
    illumination: bool = False,
    shift_sd: float = 0.0,
    cover: float = 0.0,
    seed: int = 0,
) -> Scene:
    """Make images of a glacier between still margins.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns
    days : sequence of float
        When each image was taken
    fastest, direction, power
        Of the flow, see :func:`trunk`; px a day
    noise : float
        Standard deviation of white noise, in units of the texture's
    decorrelation : float
        Share of the texture's variance that is replaced by another between the first image and each later one
    illumination : bool
        Whether each image has light of its own: a smooth factor, and an offset
    shift_sd : float
        Standard deviation of the shift of each image after the first, px
    cover : float
        Share of each image under clouds
    seed : int
        Of all random numbers

    Examples
    --------
    >>> made = scene((64, 64), (0.0, 5.0, 10.0), shift_sd=0.5)
    >>> made.images.shape, made.shifts.shape, bool(made.velocity[:, ~made.ice].any())
    ((3, 64, 64), (3, 2), False)
    """
    rng = np.random.default_rng(seed)
    velocity, ice = trunk(shape, fastest, direction, power=power)
    first, at = texture(shape, rng), np.asarray(days, np.float64)
    shifts = shift_sd * rng.standard_normal((at.size, 2))
    shifts[0] = 0.0
    images, opaque = [], []
    for k, day in enumerate(at - at[0]):
        seen = moved(first, velocity * day + shifts[k][:, None, None])
        if decorrelation and k:
            other = moved(texture(shape, rng), np.zeros((2, *shape)))
            seen = np.sqrt(1 - decorrelation) * seen + np.sqrt(decorrelation) * other
        seen = seen + noise * rng.standard_normal(shape)
        if illumination:
            factor = light(shape, rng)
            seen = seen * factor + 5.0 * factor + rng.normal()
        cloud = clouds(shape, cover, rng)
        # Clouds have a texture too, of longer waves.
        veil = 4.0 + ndimage.gaussian_filter(rng.standard_normal(shape), 3.0) * 5.0
        images.append(seen * (1 - cloud) + veil * cloud)
        opaque.append(cloud > 0.1)
    return Scene(np.array(images, np.float32), at, velocity, shifts, ice, np.array(opaque))
