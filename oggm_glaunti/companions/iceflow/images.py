"""Images with their date and place: GeoTIFF, or PNG and JPEG, with what their names and tags say."""

from __future__ import annotations

import datetime
import itertools
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio import Affine
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from scipy import ndimage

from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK

PathLike = str | os.PathLike[str]
Mask = NDArray[np.bool_]
Date = datetime.datetime

# Grey levels by which JPEG changes nodata, and px that it smears an edge (its blocks are 8 x 8).
JPEG_LEVELS, JPEG_SMEAR = 8, 10
# Share of pixels at the type's largest number from which an image is refused. Flat parts of others have no texture.
SATURATED = 0.9
# Pixels by which grids may lie off whole pixels and still count as one.
SAME_PIXEL = 0.01
ENDINGS = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
_LOSSY = {"JPEG"}
_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_]?)(\d\d)\2(\d\d)(?:T(\d\d)(\d\d)(\d\d))?(?!\d)")
_TAGS = ("ACQUISITION_DATE", "DATE_ACQUIRED", "EXIF_DateTimeOriginal", "EXIF_DateTime", "TIFFTAG_DATETIME")


@dataclass(frozen=True, eq=False)
class Image:
    """An image of one band.

    Attributes
    ----------
    values : array (H, W)
        Brightness, in the file's type unless bands were averaged
    valid : bool array (H, W)
        Pixels with data
    date : datetime
        When it was taken
    transform : rasterio.Affine
        Column and row to map coordinates; pixels alone if the image has no place
    crs : pyproj.CRS or None
        None without a place
    pixel : float or None
        Side of a pixel, m; None if unknown: displacements in px only
    path : Path
        Where it came from
    """

    values: NDArray[Any]
    valid: Mask
    date: Date
    transform: Affine
    crs: CRS | None
    pixel: float | None
    path: Path


@dataclass(frozen=True)
class Pair:
    """Two images on the same pixels.

    Attributes
    ----------
    first, second : Image
    days : float
        From the first to the second; negative if the second is the earlier one
    """

    first: Image
    second: Image

    @property
    def days(self) -> float:
        """Days from the first image to the second."""
        return days_between(self.first.date, self.second.date)


def days_between(first: Date, second: Date) -> float:
    """Return the days from one date to another.

    Examples
    --------
    >>> days_between(Date(2020, 2, 7), Date(2020, 2, 20, 12))
    13.5
    """
    return (second - first).total_seconds() / 86400.0


def date_in_name(name: str) -> Date | None:
    """Return the first date in a file's name: YYYYMMDD, YYYY-MM-DD or YYYY_MM_DD, with THHMMSS if that follows.

    Examples
    --------
    >>> date_in_name("LC08_L1TP_233095_20180304_20180319_01.tif").date().isoformat()
    '2018-03-04'
    >>> date_in_name("IMG_8902.jpg") is None
    True
    """
    for match in _IN_NAME.finditer(name):
        year, _, month, day, *time = match.groups()
        try:
            numbers = [int(part or 0) for part in (year, month, day, *time)]
            return Date(*numbers)  # type: ignore[arg-type]
        except ValueError:
            continue
    return None


def read_image(
    path: PathLike,
    *,
    date: Date | datetime.date | str | None = None,
    band: int | None = None,
    nodata: float | None = None,
    scale: float | None = None,
) -> Image:
    """Read an image.

    Parameters
    ----------
    path : path
        GeoTIFF, PNG or JPEG, of 8 or 16 bit or float
    date : date or str, optional
        When it was taken; by default the first date in its name, else in its tags
    band : int, optional
        Number of a band, from 1; by default the mean of all (without transparency)
    nodata : float, optional
        Value of pixels without data, in addition to what the file says. In JPEG, which blurs it, also values up to
        eight levels away, and pixels up to ten from there
    scale : float, optional
        Side of a pixel, m, for an image without a place

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If the file is missing or damaged, has no such band, no date, no valid pixel or one value only
    """
    path = Path(path)
    if not path.exists():
        raise InvalidParamsError(f"{path} does not exist; expected an image")
    try:
        # A JPEG that is cut off would be grey where it ends, with a warning.
        with HDF5_LOCK, rasterio.Env(GDAL_ERROR_ON_LIBJPEG_WARNING=True), warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            source = rasterio.open(path)
        with HDF5_LOCK, rasterio.Env(GDAL_ERROR_ON_LIBJPEG_WARNING=True), source:
            values, known = _values(path, source, band)
            transform, crs = source.transform, source.crs
            when, lossy = _date_of(path, date, source), source.driver in _LOSSY
    except (RasterioError, OSError) as err:
        raise InvalidParamsError(f"{path} cannot be read as an image ({err}); it may be damaged or cut off") from err
    if path.suffix.lower() == ".png" and b"IEND" not in path.read_bytes()[-16:]:
        # GDAL fills what is missing of a PNG with zeros.
        raise InvalidParamsError(
            f"{path} cannot be read as an image (its end is missing); it may be damaged or cut off"
        )
    if nodata is not None:
        known &= ~_without_data(values, nodata, lossy)
    _require_contrast(path, values, known)
    _require_unsaturated(path, values, known)
    if crs is None:
        return Image(values, known, when, Affine.identity(), None, scale, path)
    projected = CRS.from_wkt(crs.to_wkt())
    if transform.b or transform.d or transform.e >= 0:
        raise InvalidParamsError(f"{path} is not north up; bring it into that form first (gdalwarp)")
    return Image(values, known, when, transform, projected, _pixel_in_metres(path, transform, projected), path)


def _values(path: Path, source: Any, band: int | None) -> tuple[NDArray[Any], Mask]:
    colours = [k for k, of in enumerate(source.colorinterp, 1) if of != ColorInterp.alpha]
    if band is not None:
        if band not in source.indexes:
            raise InvalidParamsError(f"{path} has bands 1 to {source.count}; asked for {band}")
        colours = [band]
    known = source.read_masks(colours[0]) > 0
    if len(colours) == 1:
        values = source.read(colours[0])
    else:
        values = np.zeros(source.shape, np.float32)
        for k in colours:
            values += source.read(k)
        values /= len(colours)
    if np.issubdtype(values.dtype, np.complexfloating):
        raise InvalidParamsError(f"{path} holds complex numbers; expected brightness or amplitude")
    if np.issubdtype(values.dtype, np.floating):
        known &= np.isfinite(values)
    return values, known


def _without_data(values: NDArray[Any], nodata: float, lossy: bool) -> Mask:
    if not lossy:
        return values == nodata
    dark = ndimage.binary_opening(np.abs(values - nodata) <= JPEG_LEVELS, iterations=2)
    return ndimage.binary_dilation(dark, iterations=JPEG_SMEAR) if dark.any() else dark


def _require_contrast(path: Path, values: NDArray[Any], known: Mask) -> None:
    if not known.any():
        raise InvalidParamsError(f"{path} has no valid pixel: all {values.size} are nodata")
    low, high = values[known].min(), values[known].max()
    if low == high:
        raise InvalidParamsError(f"{path} is constant: all valid pixels are {low}; nothing can be tracked")


def _require_unsaturated(path: Path, values: NDArray[Any], known: Mask) -> None:
    """Refuse an image of which nearly all is at the largest number of its type."""
    if not np.issubdtype(values.dtype, np.integer):
        return
    top = np.iinfo(values.dtype).max
    share = float((values[known] == top).mean())
    if share > SATURATED:
        raise InvalidParamsError(
            f"{path} is saturated: {100 * share:.0f} % of its valid pixels are {top}; use another band, or the "
            "16-bit image"
        )


def _date_of(path: Path, date: Any, source: Any) -> Date:
    if date is not None:
        return as_date(date, str(path))
    found = date_in_name(path.name)
    if found is not None:
        return found
    tags = source.tags()
    for name in _TAGS:
        text = str(tags.get(name, "")).replace(":", "-", 2)
        if text.strip():
            return as_date(text.strip(), f"{path}: tag {name}")
    raise InvalidParamsError(
        f"{path} has no date: none in its name (YYYYMMDD) nor in its tags; give its date (date=, dates= for several)"
    )


def as_date(given: Any, label: str) -> Date:
    """Return a date or a text in ISO form as datetime."""
    if isinstance(given, Date):
        return given.replace(tzinfo=None)
    if isinstance(given, datetime.date):
        return Date(given.year, given.month, given.day)
    try:
        return Date.fromisoformat(str(given)).replace(tzinfo=None)
    except ValueError as err:
        raise InvalidParamsError(f"{label}: expected a date as 2020-02-07, found {given!r}") from err


def _pixel_in_metres(path: Path, transform: Affine, crs: CRS) -> float:
    if crs.is_geographic:
        raise InvalidParamsError(
            f"{path} is in degrees, where pixels are not square; bring it into a projection first (gdalwarp -t_srs)"
        )
    if abs(transform.a + transform.e) > 1e-6 * transform.a:
        raise InvalidParamsError(f"{path} has pixels of {transform.a:g} x {-transform.e:g}; expected square ones")
    return float(transform.a * crs.axis_info[0].unit_conversion_factor)


def read_pair(first: PathLike, second: PathLike, *, dates: Sequence[Any] = (None, None), **how: Any) -> Pair:
    """Read two images and cut them to the pixels that both have.

    Parameters
    ----------
    first, second : path
        Images of one pixel grid; one may reach further than the other
    dates : (date, date)
        When they were taken, if that is not in names or tags
    **how
        `band`, `nodata` and `scale` of :func:`read_image`

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If an image cannot be read, dates are equal, or grids differ or do not overlap
    """
    images = [read_image(path, date=date, **how) for path, date in zip((first, second), dates, strict=True)]
    pair = Pair(*on_common_pixels(images))
    if pair.days == 0:
        raise InvalidParamsError(
            f"{pair.first.path} and {pair.second.path} are both of {pair.first.date}; a velocity needs two dates"
        )
    return pair


def read_stack(paths: PathLike | Sequence[PathLike], *, dates: Sequence[Any] | None = None, **how: Any) -> list[Image]:
    """Read two or more images, cut to the pixels that all have, in the order of their dates.

    Parameters
    ----------
    paths : path or sequence of paths
        A folder, of which all images with a date in their name are taken, or the images
    dates : sequence, optional
        When each was taken
    **how
        As for :func:`read_pair`

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        As for :func:`read_pair`; if there are fewer than two images
    """
    if isinstance(paths, str | os.PathLike):
        folder = Path(paths)
        if not folder.is_dir():
            raise InvalidParamsError(f"{folder} is no folder; expected one with images, or a list of images")
        files = [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and date_in_name(path.name)]
        chosen = sorted(files, key=lambda path: (date_in_name(path.name), path.name))
    else:
        chosen = [Path(path) for path in paths]
    if len(chosen) < 2:
        raise InvalidParamsError(
            f"{paths}: {len(chosen)} images with a date in their name; expected two or more ({', '.join(ENDINGS)})"
        )
    given = [None] * len(chosen) if dates is None else list(dates)
    if len(given) != len(chosen):
        raise InvalidParamsError(f"dates: {len(given)} for {len(chosen)} images; expected one for each")
    images = [read_image(path, date=date, **how) for path, date in zip(chosen, given, strict=True)]
    images = sorted(on_common_pixels(images), key=lambda image: image.date)
    for one, two in itertools.pairwise(images):
        if one.date == two.date:
            raise InvalidParamsError(f"{one.path} and {two.path} are both of {one.date}; expected one image a date")
    return images


def on_common_pixels(images: Sequence[Image]) -> list[Image]:
    """Return images cut to the rectangle of pixels that all have.

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If one is on another pixel grid than the first, or there is no such rectangle
    """
    first = images[0]
    offsets = [_offset(first, image) for image in images]
    rows = (max(r for r, _ in offsets), min(r + i.values.shape[0] for (r, _), i in zip(offsets, images, strict=True)))
    cols = (max(c for _, c in offsets), min(c + i.values.shape[1] for (_, c), i in zip(offsets, images, strict=True)))
    if rows[0] >= rows[1] or cols[0] >= cols[1]:
        grids = "; ".join(_grid_text(image) for image in images[:2])
        raise InvalidParamsError(f"images do not overlap: {grids}")
    return [
        _cut(image, (rows[0] - r, rows[1] - r), (cols[0] - c, cols[1] - c))
        for image, (r, c) in zip(images, offsets, strict=True)
    ]


def _cut(image: Image, rows: tuple[int, int], cols: tuple[int, int]) -> Image:
    if rows == (0, image.values.shape[0]) and cols == (0, image.values.shape[1]):
        return image
    part = slice(*rows), slice(*cols)
    moved = image.transform @ Affine.translation(cols[0], rows[0])
    return replace(image, values=image.values[part], valid=image.valid[part], transform=moved)


def _offset(first: Image, image: Image) -> tuple[int, int]:
    """Return the row and column of an image's first pixel on the grid of the first image."""
    same_crs = (first.crs is None) == (image.crs is None) and (first.crs is None or first.crs.equals(image.crs))
    same_size = all(abs(getattr(first.transform, k) - getattr(image.transform, k)) < 1e-9 for k in "abde")
    col, row = ~first.transform @ (image.transform.c, image.transform.f)
    whole = abs(col - round(col)) < SAME_PIXEL and abs(row - round(row)) < SAME_PIXEL
    placed = first.crs is not None or first.values.shape == image.values.shape
    if not (same_crs and same_size and whole and placed):
        raise InvalidParamsError(
            f"images are not on one pixel grid: {_grid_text(first)}; {_grid_text(image)}. Bring one onto the other "
            "first (gdalwarp -te -tr); tracking resamples nothing"
        )
    return round(row), round(col)


def _grid_text(image: Image) -> str:
    height, width = image.values.shape
    if image.crs is None:
        return f"{image.path.name}: no coordinate system, {height} x {width} px"
    epsg = image.crs.to_epsg()
    name = f"EPSG:{epsg}" if epsg else image.crs.name
    t = image.transform
    return f"{image.path.name}: {name}, origin {t.c:.10g}, {t.f:.10g}, {height} x {width} px of {t.a:.6g}"
