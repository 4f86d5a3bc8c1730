"""Predictors of a pixel's height difference: its position, elevation, slope and aspect."""

from typing import NamedTuple

import numpy as np

from oggm_glaunti.companions.dem.arrays import Floats

PREDICTORS = ("x", "y", "elevation", "slope", "sin_aspect", "cos_aspect")


class ReferenceSurface(NamedTuple):
    """Reference surface; aspect as sine and cosine, since an angle cannot be interpolated across north.

    Attributes
    ----------
    elevation : array (H, W)
        Height, m
    slope : array (H, W)
        Slope, degrees
    sin_aspect, cos_aspect : arrays (H, W)
        Sine and cosine of the downslope direction, clockwise from north
    """

    elevation: Floats
    slope: Floats
    sin_aspect: Floats
    cos_aspect: Floats


def reference_surface(
    elevation: Floats, steps: tuple[float, float], slope: Floats | None = None, aspect: Floats | None = None
) -> ReferenceSurface:
    """Make a reference surface, with slope and aspect from its heights unless they are given.

    Parameters
    ----------
    elevation : array (H, W)
        Height, m
    steps : (float, float)
        Distance from a row to the next towards north and from a column to the next towards east, m
    slope, aspect : arrays (H, W), optional
        Slope and aspect, degrees; an aspect that is NaN, or not within 0 to 360, is that of flat ground

    Examples
    --------
    >>> falls_to_the_south = np.array([[200.0, 200.0], [100.0, 100.0]])
    >>> ground = reference_surface(falls_to_the_south, (-100.0, 100.0))
    >>> ground.slope[0, 0].round(3).item(), ground.cos_aspect[0, 0].item()
    (45.0, -1.0)
    """
    north, east = (np.gradient(elevation, step, axis=axis) for axis, step in enumerate(steps))
    steepness = np.hypot(north, east)
    if slope is None:
        slope = np.degrees(np.arctan(steepness))
    if aspect is None:
        flat = steepness == 0
        length = np.where(flat, 1.0, steepness)
        # Flat ground has no aspect: sine and cosine are both 0.
        return ReferenceSurface(elevation, slope, -east / length, -north / length)
    flat = ~((aspect >= 0) & (aspect <= 360))
    angle = np.radians(np.where(flat, 0.0, aspect))
    return ReferenceSurface(elevation, slope, np.where(flat, 0.0, np.sin(angle)), np.where(flat, 0.0, np.cos(angle)))


def predictors(ground: ReferenceSurface) -> Floats:
    """Return the fields of :data:`PREDICTORS`, each scaled to 0..1 over the raster (H, W, 6); a constant one is 0."""
    rows, columns = np.indices(ground.elevation.shape, dtype=np.float64)
    fields = np.stack([columns, rows, *ground], axis=-1)
    least, most = fields.min(axis=(0, 1)), fields.max(axis=(0, 1))
    return (fields - least) / np.where(most > least, most - least, 1.0)
