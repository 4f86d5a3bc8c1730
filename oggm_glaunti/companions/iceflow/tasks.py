"""Tasks that bring velocities into a glacier directory, compare them, and set their flux against the balance."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pyproj import Transformer

from oggm_glaunti import settings
from oggm_glaunti.companions.iceflow import quality
from oggm_glaunti.companions.iceflow.gridded import Maps, maps_of, velocity_maps, write_maps
from oggm_glaunti.companions.iceflow.images import Image, Pair, PathLike, read_stack
from oggm_glaunti.companions.iceflow.mapping import Points, on_grid
from oggm_glaunti.companions.iceflow.preprocess import smoothed
from oggm_glaunti.companions.iceflow.velocity import Velocity, cropped, pair_velocity, stack_velocity
from oggm_glaunti.companions.iceflow.velocity_file import read_velocity
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, entity_task

settings.register()

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Stable ground: distance from the outline, m, steepest slope, degrees, and darkest share left out as shadow.
STABLE_DISTANCE, STABLE_SLOPE, SHADOW = 200.0, 35.0, 0.1
# px. Brightness is averaged over these before it is called a shadow.
SHADOW_SIZE = 4.0
# Classes of compare_velocities: speed, m yr-1, and distance to the outline, m.
SPEEDS, DISTANCES = (0.0, 10.0, 50.0, 100.0, np.inf), (0.0, 200.0, 500.0, 1000.0, np.inf)
_UNITS = "m yr-1"
# Options of the tracker that the task passes on.
TRACKING = {"chips", "step", "search", "method", "sigma", "least_peak", "least_ratio", "memory"}


@entity_task(log, writes=["gridded_data"])
def iceflow_velocity(
    gdir: GlacierDirectory,
    *,
    images: PathLike | Sequence[PathLike] | None = None,
    velocity: PathLike | None = None,
    dates: Sequence[Any] | None = None,
    band: int | None = None,
    nodata: float | None = None,
    stable: ArrayLike | str = "outline",
    guess: str | None = None,
    longest: float = np.inf,
    leave_out: bool = False,
    **tracking: Any,
) -> None:
    """Write velocities to ``gridded_data.nc``: tracked from images, or read from a file.

    Images are tracked on their own pixels; two give one pair, more a velocity from all pairs with the shift of each
    image solved for. Vectors are then averaged on the map's cells, weighted by their errors. Written are ``iceflow_v``,
    ``iceflow_vx``, ``iceflow_vy`` (m yr-1, along the map's axes, vy positive to the north, as OGGM's shop has it),
    ``iceflow_v_error``, ``iceflow_corr``, ``iceflow_count`` and ``iceflow_mask`` (1 where there is a velocity).

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
        Glacier directory with glacier masks
    images : path or sequence of paths
        A folder, or two or more GeoTIFFs of one pixel grid that cover the glacier
    velocity : path
        A NetCDF file or Zarr folder with velocities in the layout of ITS_LIVE, instead of images
    dates, band, nodata
        See :func:`~oggm_glaunti.companions.iceflow.images.read_image`
    stable : 'outline', bool array (H, W) of the map, or 'none'
        Ground that does not move: by default what lies more than 200 m from the outline, is less than 35 degrees steep
        and not in the darkest tenth; give a mask where other glaciers are near. ``'none'`` takes no shift off
    guess : {'itslive', 'millan'}, optional
        Maps of the directory to take a first guess of the motion from
    longest : float
        Longest time between the images of a pair, days
    leave_out : bool
        Whether to do without images that are distorted within, of three or more; they are named in any case
    **tracking
        `chips`, `step`, `search`, `method`, `sigma`, `least_peak` and `least_ratio` of the tracker

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        If the directory has no masks, or the file cannot be written
    oggm.exceptions.InvalidParamsError
        If input is missing, does not cover the glacier, has no place, or no velocity on the map is valid
    """
    if unknown := sorted(set(tracking) - TRACKING):
        raise InvalidParamsError(
            f"{gdir.rgi_id}: unknown options {', '.join(unknown)}; expected {', '.join(sorted(TRACKING))}"
        )
    if (images is None) == (velocity is None):
        raise InvalidParamsError(
            f"{gdir.rgi_id}: give either images or velocity, found {'neither' if images is None else 'both'}"
        )
    maps = maps_of(gdir)
    try:
        if velocity is not None:
            vectors = _of_file(velocity, maps)
        else:
            stack = read_stack(images, dates=dates, band=band, nodata=nodata)  # type: ignore[arg-type]
            solving = {"longest": longest, "leave_out": leave_out}
            vectors = _of_images(_tracked(gdir, maps, stack, stable, guess, solving, tracking), maps)
    except InvalidParamsError as err:
        raise err if str(err).startswith(gdir.rgi_id) else InvalidParamsError(f"{gdir.rgi_id}: {err}") from err
    on_cells = on_grid(vectors.points, maps.x, maps.y, vectors.spacing)
    valid = np.isfinite(on_cells.vx)
    if not (valid & maps.glacier).any():
        raise InvalidParamsError(
            f"{gdir.rgi_id}: no valid velocity on the glacier, of {int(valid.sum())} cells with one on the map. Do the "
            "images cover the glacier, and is the search larger than the motion?"
        )
    write_maps(gdir, _variables(on_cells, valid, vectors.common, vectors.about))
    share = 100 * valid[maps.glacier].mean()
    anchor = vectors.about["shift_anchor"]
    log.info("(%s) iceflow velocities on %.0f %% of the glacier, shift by %s", gdir.rgi_id, share, anchor)


class _Vectors(NamedTuple):
    """Velocities in the map's projection, their distance (m) and common error (m yr-1), and attributes of the maps."""

    points: Points
    spacing: float
    common: float
    about: dict[str, Any]


def _of_file(velocity: PathLike, maps: Maps) -> _Vectors:
    file = read_velocity(velocity)
    about = {"data_source": Path(velocity).name, "dates": file.dates, "shift_anchor": "that of the file"}
    return _Vectors(_to_map(file.points, file.crs, maps), file.spacing, 0.0, about)


def _of_images(found: Velocity, maps: Maps) -> _Vectors:
    pixel = float(found.images[0].pixel or np.nan)
    common = float(np.nan_to_num(found.common_error) * pixel * 365.25)
    about = {
        "data_source": " ".join(image.path.name for image in found.images),
        "dates": " ".join(image.date.isoformat() for image in found.images),
        "shift_anchor": found.anchor,
        "common_error": common,
    }
    return _Vectors(found.points(maps.crs), float(found.row[1] - found.row[0]) * pixel, common, about)


def _variables(on_cells: Any, valid: Mask, common: float, about: dict[str, Any]) -> dict[str, Any]:
    words = {
        "v": (on_cells.v, "Ice velocity by feature tracking", _UNITS),
        "vx": (on_cells.vx, "Ice velocity by feature tracking in x map direction", _UNITS),
        "vy": (on_cells.vy, "Ice velocity by feature tracking in y map direction", _UNITS),
        "v_error": (
            np.hypot(on_cells.error, common),
            "Standard error of a component of the velocity, with the common error of the shifts",
            _UNITS,
        ),
        "corr": (on_cells.corr, "Correlation of the match", "-"),
        "count": (np.where(valid, on_cells.vectors, np.nan), "Vectors that a cell is the weighted mean of", "-"),
    }
    made = {
        f"iceflow_{name}": (values.astype(np.float32), {"units": unit, "long_name": text, **about})
        for name, (values, text, unit) in words.items()
    }
    made["iceflow_mask"] = (valid.astype(np.int8), {"units": "-", "long_name": "Cells with a velocity", **about})
    return made


def _to_map(points: Points, crs: Any, maps: Maps) -> Points:
    """Take velocities of another projection to the map by moving end points."""
    to_map = Transformer.from_crs(crs, maps.crs, always_xy=True).transform
    # A hundredth of a year's motion: short enough for any curvature, long enough for the digits.
    x0, y0 = to_map(points.x, points.y)
    x1, y1 = to_map(points.x + 0.01 * points.vx, points.y + 0.01 * points.vy)
    vx, vy = 100 * (x1 - x0), 100 * (y1 - y0)
    # Speeds are those of the ground in either projection.
    factor = np.hypot(points.vx, points.vy) / np.maximum(np.hypot(vx, vy), 1e-9)
    return points._replace(x=x0, y=y0, vx=vx * factor, vy=vy * factor)


def _tracked(
    gdir: GlacierDirectory,
    maps: Maps,
    stack: list[Image],
    stable: ArrayLike | str,
    guess: str | None,
    solving: dict[str, Any],
    tracking: dict[str, Any],
) -> Velocity:
    if stack[0].crs is None:
        raise InvalidParamsError(
            f"{stack[0].path} has no coordinate system, so its pixels have no place on the glacier's map. Give it one "
            "(gdal_edit -a_srs -a_ullr), or track it with oggm-glaunti iceflow track, in pixels"
        )
    stack = _around_glacier(maps, stack, margin=int(tracking.get("search", 12)) + 64)
    ground = _on_pixels(maps, stack[0], _stable_cells(maps, stable, gdir.rgi_id))
    if ground is not None and isinstance(stable, str):
        ground &= _lit(stack, ground)
    if guess is not None:
        tracking = {**tracking, "guess": _guess(gdir, maps, stack, guess, tracking)}
    if len(stack) == 2:
        return pair_velocity(Pair(*stack), ground, **tracking)
    return stack_velocity(stack, ground, **solving, **tracking)


def _around_glacier(maps: Maps, stack: list[Image], margin: int) -> list[Image]:
    """Cut images to the map, with some pixels around it."""
    first = stack[0]
    x, y = np.meshgrid(maps.x, maps.y)
    col, row = ~first.transform @ Transformer.from_crs(maps.crs, first.crs, always_xy=True).transform(x, y)
    height, width = first.values.shape
    rows = slice(max(0, int(row.min()) - margin), min(height, int(row.max()) + margin))
    cols = slice(max(0, int(col.min()) - margin), min(width, int(col.max()) + margin))
    on_ice = (row >= 0) & (row < height) & (col >= 0) & (col < width) & maps.glacier
    if rows.start >= rows.stop or cols.start >= cols.stop or not on_ice.any():
        left, top = first.transform @ (0, 0)
        right, bottom = first.transform @ (width, height)
        raise InvalidParamsError(
            f"{first.path} misses the glacier: it covers x {left:.0f} to {right:.0f}, y {bottom:.0f} to {top:.0f} of "
            f"its projection, the glacier's outline lies at columns {col[maps.glacier].min():.0f} to "
            f"{col[maps.glacier].max():.0f} and rows {row[maps.glacier].min():.0f} to {row[maps.glacier].max():.0f} of "
            f"{width} x {height} pixels"
        )
    return [cropped(image, rows, cols) for image in stack]


def _stable_cells(maps: Maps, stable: ArrayLike | str, rgi_id: str) -> Mask | None:
    if isinstance(stable, str):
        if stable == "none":
            return None
        if stable != "outline":
            raise InvalidParamsError(f"{rgi_id}: stable: expected 'outline', 'none' or a mask, found {stable!r}")
        slope = np.degrees(np.arctan(np.hypot(*np.gradient(maps.topo, maps.dx))))
        return (maps.distance() < -STABLE_DISTANCE) & (slope < STABLE_SLOPE)
    mask = np.asarray(stable, bool)
    if mask.shape != maps.glacier.shape:
        raise InvalidParamsError(f"{rgi_id}: stable: has shape {mask.shape}, the map {maps.glacier.shape}")
    return mask


def _on_pixels(maps: Maps, image: Image, cells: Mask | None) -> Mask | None:
    """Return cells of the map on the pixels of an image (nearest)."""
    if cells is None:
        return None
    rows, cols = _cells_of_pixels(maps, image, np.arange(image.values.shape[0]), np.arange(image.values.shape[1]))
    inside = (rows >= 0) & (rows < cells.shape[0]) & (cols >= 0) & (cols < cells.shape[1])
    return np.where(inside, cells[np.clip(rows, 0, cells.shape[0] - 1), np.clip(cols, 0, cells.shape[1] - 1)], False)


def _cells_of_pixels(
    maps: Maps, image: Image, row: NDArray[Any], col: NDArray[Any]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    rows, cols = np.meshgrid(row, col, indexing="ij")
    x, y = image.transform @ (cols + 0.5, rows + 0.5)
    x, y = Transformer.from_crs(image.crs, maps.crs, always_xy=True).transform(x, y)
    return np.rint((maps.y[0] - y) / maps.dx).astype(int), np.rint((x - maps.x[0]) / maps.dx).astype(int)


def _lit(stack: list[Image], ground: Mask) -> Mask:
    """Return the ground that is not among the darkest in any image: shadows move with the sun."""
    lit = ground.copy()
    for image in stack:
        brightness = smoothed(image.values, image.valid, SHADOW_SIZE)
        lit &= brightness >= np.quantile(brightness[ground], SHADOW) if ground.any() else True
    return lit


def _guess(
    gdir: GlacierDirectory, maps: Maps, stack: list[Image], name: str, tracking: dict[str, Any]
) -> tuple[Floats, Floats]:
    """Return the motion that another velocity map expects for the first pair, px."""
    if len(stack) > 2:
        raise InvalidParamsError(f"{gdir.rgi_id}: guess: expected two images with a first guess, found {len(stack)}")
    vx, vy, _ = velocity_maps(gdir, name)
    chips = sorted(tracking.get("chips", (16, 32, 64)))
    step = int(tracking.get("step") or chips[0])
    row, col = (np.arange(chips[-1] // 2, n - chips[-1] // 2 + 1, step) for n in stack[0].values.shape)
    rows, cols = _cells_of_pixels(maps, stack[0], row, col)
    inside = (rows >= 0) & (rows < maps.y.size) & (cols >= 0) & (cols < maps.x.size)
    at = np.clip(rows, 0, maps.y.size - 1), np.clip(cols, 0, maps.x.size - 1)
    factor = Pair(*stack).days / 365.25 / float(stack[0].pixel or np.nan)
    part = lambda field: np.where(inside, np.nan_to_num(field[at]), 0.0) * factor
    return -part(vy), part(vx)


@entity_task(log)
def compare_velocities(gdir: GlacierDirectory, one: str = "iceflow", two: str = "millan") -> pd.DataFrame:
    """Compare two velocity maps of a directory: speed and direction, by speed and by distance to the outline.

    Zeros where a map has no data (Millan et al. 2022) are found, named in the log and left out.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
    one, two : str
        Names before ``_vx`` and ``_vy``: ``iceflow``, ``itslive``, ``millan``; `two` is the reference

    Returns
    -------
    DataFrame
        A row for the glacier and for each class: ``cells``; ``bias`` and ``nmad`` of the speed (one - two, m yr-1);
        ``direction`` and ``direction_nmad``, degrees, where both move more than 5 m yr-1

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        If a map is missing
    oggm.exceptions.InvalidParamsError
        If a map is empty, or no cell of the glacier has both
    """
    maps = maps_of(gdir)
    fields = {}
    for name in (one, two):
        vx, vy, zeros = velocity_maps(gdir, name)
        fields[name] = vx, vy
        if zeros:
            log.warning(
                "%s: %s holds zeros where it has no data: %.0f %% of the map left out", gdir.rgi_id, name, 100 * zeros
            )
    (ax, ay), (bx, by) = fields[one], fields[two]
    both = maps.glacier & np.isfinite(ax + ay + bx + by)
    if not both.any():
        raise InvalidParamsError(f"{gdir.rgi_id}: no cell of the glacier has a velocity in both {one} and {two}")
    speed, other, distance = np.hypot(ax, ay), np.hypot(bx, by), maps.distance()
    turn = np.degrees(np.angle((ax + 1j * ay) * np.conj(bx + 1j * by)))
    moving = (speed > 5) & (other > 5)
    classes = {"glacier": both}
    classes |= {
        f"speed {a:g} to {b:g} m yr-1": both & (other >= a) & (other < b) for a, b in itertools.pairwise(SPEEDS)
    }
    classes |= {
        f"{a:g} to {b:g} m from the outline": both & (distance >= a) & (distance < b)
        for a, b in itertools.pairwise(DISTANCES)
    }
    rows = {}
    for name, mask in classes.items():
        if mask.any():
            apart, angle = (speed - other)[mask], turn[mask & moving]
            middle = float(np.median(angle)) if angle.size else np.nan
            rows[name] = (int(mask.sum()), float(np.median(apart)), quality.nmad(apart), middle, quality.nmad(angle))
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["cells", "bias", "nmad", "direction", "direction_nmad"]
    )
