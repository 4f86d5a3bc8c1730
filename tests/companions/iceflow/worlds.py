"""Images of a glacier whose motion is known, as arrays and as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio import Affine

from oggm_glaunti.companions.iceflow import synthetic

UTM = "EPSG:32632"
WEST, NORTH, PIXEL = 400_000.0, 5_100_000.0, 10.0


def write_image(
    path: Path,
    values: np.ndarray,
    *,
    crs: str | None = UTM,
    west: float = WEST,
    north: float = NORTH,
    pixel: float = PIXEL,
    **how,
) -> Path:
    """A GeoTIFF, or what the ending of the name says."""
    layers = values if values.ndim == 3 else values[None]
    profile = {"count": len(layers), "height": layers.shape[1], "width": layers.shape[2], "dtype": layers.dtype, **how}
    if crs is not None:
        profile |= {"crs": crs, "transform": Affine(pixel, 0.0, west, 0.0, -pixel, north)}
    driver = {".png": "PNG", ".jpg": "JPEG"}.get(path.suffix, "GTiff")
    with rasterio.open(path, "w", driver=driver, **profile) as target:
        target.write(layers)
    return path


def as_16_bit(images: np.ndarray) -> np.ndarray:
    """Brightness as a sensor stores it."""
    return np.clip(images * 500 + 8000, 1, 60000).astype(np.uint16)


def write_scene(folder: Path, made: synthetic.Scene, dates: Sequence[str], **where) -> list[Path]:
    """A GeoTIFF for each image of a scene."""
    return [
        write_image(folder / f"scene_{date}.tif", as_16_bit(image), **where)
        for date, image in zip(dates, made.images, strict=True)
    ]
