"""A stack of yearly DEMs and its reference, checked: same cells, distinct years, valid values."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from oggm_glaunti.companions.dem.arrays import Floats, Mask
from oggm_glaunti.companions.dem.predictors import ReferenceSurface, reference_surface

# Share of a pixel by which the coordinates of the same pixels may differ.
SAME_PIXEL = 0.01
# m. Smaller steps between pixels are taken for degrees.
LEAST_STEP = 0.1
# Least number of pixels with a height to learn from.
LEAST_KNOWN = 50


class Stack(NamedTuple):
    """Yearly surfaces and a reference on the same pixels, float64.

    Made by :func:`checked_stack`.

    Attributes
    ----------
    years : int array (K,)
        Calendar years, increasing
    z, z_std : arrays (K, H, W)
        Height and its standard deviation, m; NaN if missing
    reference : ReferenceSurface
        Reference (H, W), without NaN
    ice : bool array (H, W) or None
        True where the surface may have moved relative to the reference
    pieces : int array (H, W) or None
        Labels of parts with offsets of their own to the reference
    """

    years: NDArray[np.int64]
    z: Floats
    z_std: Floats
    reference: ReferenceSurface
    ice: Mask | None
    pieces: NDArray[np.int64] | None = None

    @property
    def void(self) -> Mask:
        """Pixels (H, W) without a height in any year."""
        return np.asarray(np.isnan(self.z).all(axis=0))


def checked_stack(
    z: xr.DataArray,
    z_std: ArrayLike,
    dem_ref: ArrayLike,
    slope: ArrayLike | None = None,
    aspect: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    pieces: ArrayLike | None = None,
) -> Stack:
    """Check all inputs of an imputation and put them together.

    Years are sorted; infinite values, and standard deviations without a height, become NaN.

    Parameters
    ----------
    z : DataArray (year, y, x)
        Heights, m, NaN in voids; with coordinates
    z_std : DataArray or array (year, y, x)
        Standard deviations of the heights, m, greater than 0
    dem_ref : DataArray or array (y, x)
        Heights of the reference, m
    slope, aspect : DataArray or array (y, x), optional
        Slope and aspect of the reference, degrees (aspect is NaN, or not within 0 to 360, on flat ground); by default
        computed from its heights
    mask : DataArray or array (y, x), optional
        True on ice, which is left out of the co-registration
    pieces : DataArray or array (y, x), optional
        Integer labels of parts with offsets of their own, each of which gets its own shift; for mosaics of tiles of one
        degree see :func:`~oggm_glaunti.companions.dem.tiles.degree_tiles`

    Raises
    ------
    ValueError
        If a field is on other pixels or does not overlap, there are no heights or fewer than two years, or values are
        invalid or missing
    """
    if not isinstance(z, xr.DataArray) or z.dims != ("year", "y", "x") or set(z.dims) - set(z.coords):
        found = f"{z.dims} with {list(z.coords)}" if isinstance(z, xr.DataArray) else type(z).__name__
        raise ValueError(f"z: expected a DataArray of year, y, x with coordinates, found {found}")
    if not np.issubdtype(z.year.dtype, np.integer):
        raise ValueError(f"z: year holds {z.year.values[:3]} ({z.year.dtype}); expected whole numbers, calendar years")
    order = np.argsort(z.year.values)
    years = z.year.values[order].astype(np.int64)
    if np.unique(years).size != years.size or years.size < 2:
        raise ValueError(
            f"z: found the years {years.tolist()}; expected two or more that differ: a single year "
            "does not tell how the surface changes in time"
        )
    heights, spread = (_on_pixels_of(z, field, name)[order] for field, name in ((z, "z"), (z_std, "z_std")))
    heights[~np.isfinite(heights)] = np.nan
    spread[np.isnan(heights) | ~np.isfinite(spread)] = np.nan
    _check_values(heights, spread, years)
    steepness = None if slope is None else _complete(z[0], slope, "slope")
    angle = None if aspect is None else _on_pixels_of(z[0], aspect, "aspect")
    ground = reference_surface(_complete(z[0], dem_ref, "dem_ref"), steps_of(z), steepness, angle)
    ice = None if mask is None else _on_pixels_of(z[0], mask, "mask") > 0
    parts = None if pieces is None else _complete(z[0], pieces, "pieces").astype(np.int64)
    return Stack(years, heights, spread, ground, ice, parts)


def steps_of(z: xr.DataArray) -> tuple[float, float]:
    """Return the distance (m) from a row to the next towards north and from a column to the next towards east."""
    steps = []
    for name in ("y", "x"):
        apart = np.diff(z[name].values)
        if not apart.size or not apart[0] or not np.allclose(apart, apart[0], rtol=1e-3):
            found = f"{apart.min():g} to {apart.max():g} m" if apart.size else "a single one"
            raise ValueError(f"z: {name} has steps of {found}; expected even ones")
        if abs(apart[0]) < LEAST_STEP:
            raise ValueError(f"z: {name} has steps of {apart[0]:g}; expected metres (are these degrees?)")
        steps.append(float(apart[0]))
    return steps[0], steps[1]


def _on_pixels_of(z: xr.DataArray, field: ArrayLike, name: str) -> Floats:
    """Return the values of a field that has to be on the pixels of `z`."""
    values = np.asarray(field, np.float64)
    if values.shape != z.shape:
        raise ValueError(
            f"{name} has the shape {values.shape}; expected {z.shape}, the pixels of z ({_axes_in_words(z)})"
        )
    if isinstance(field, xr.DataArray):
        for axis in (axis for axis in z.dims if axis in field.coords):
            own, other = z[axis].values, field[axis].values
            tolerance = SAME_PIXEL * abs(own[1] - own[0]) if own.size > 1 and axis != "year" else 0.0
            if not np.allclose(own, other, rtol=0.0, atol=tolerance):
                apart = own.max() < other.min() or other.max() < own.min()
                raise ValueError(
                    f"{name} {'does not overlap z' if apart else 'is on other pixels than z'}: {_axes_in_words(field)} "
                    f"against {_axes_in_words(z)}; bring both onto the same pixels first"
                )
    return values


def _axes_in_words(field: xr.DataArray) -> str:
    return ", ".join(
        f"{name} {field[name].values[0]:g} to {field[name].values[-1]:g} ({field[name].size})"
        for name in field.dims
        if name in field.coords
    )


def _check_values(z: Floats, z_std: Floats, years: NDArray[np.int64]) -> None:
    known = np.isfinite(z)
    seen = int(known.any(axis=0).sum())
    if seen < LEAST_KNOWN:
        raise ValueError(
            f"z: {seen} of {z[0].size} pixels have a height in any year; expected {LEAST_KNOWN} or more to learn from"
            + ("; all of it is void" if seen == 0 else "")
        )
    useless = years[~(known & np.isfinite(z_std)).any(axis=(1, 2))]
    if useless.size:
        raise ValueError(
            f"z and z_std: no pixel has both in {', '.join(map(str, useless))}; leave out years without heights, and "
            "give a standard deviation for those with heights"
        )
    bad = known & (z_std <= 0)
    if bad.any():
        year = years[bad.any(axis=(1, 2))][0]
        raise ValueError(
            f"z_std: {bad.sum()} values are {z_std[bad].min():g} m where there is a height, first in {year}; "
            "expected more than 0: set the unknown ones to NaN"
        )


def _complete(z: xr.DataArray, field: ArrayLike, name: str) -> Floats:
    """Return the values of a field that has to be on the pixels of `z`, without gaps."""
    values = _on_pixels_of(z, field, name)
    missing = ~np.isfinite(values)
    if missing.any():
        raise ValueError(
            f"{name}: {missing.sum()} of {missing.size} pixels have no value; it has to be known everywhere"
        )
    return values
