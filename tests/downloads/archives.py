"""An archive of flat daily files, as the repository of Antarctica Today is packed, from maps."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rasterio import MemoryFile
from rasterio.transform import from_origin

from oggm_glaunti.companions.meltwater import antarctica_archive as aa

ROOT = "Antarctica_Today-73c91f1aafc16488f7bc20e645c1264e560e0612"


def pack(path: Path, static: dict[str, np.ndarray], days: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write the archive; `days` are dates and maps, `static` maps by the names of their variables."""
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for file, name in aa.STATIC.items():
            if name in static:
                _add(tar, f"baseline_datasets/{file}", _geotiff(static[name]))
        for date, melt in days:
            name = f"antarctica_melt_{date.replace('-', '')}_S3B_20210129.bin"
            _add(tar, f"data/daily_melt_bin_files/{name}", melt.astype("<i2").tobytes())
        _add(tar, "LICENSE.md", b"MIT")


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(f"{ROOT}/{name}")
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _geotiff(values: np.ndarray) -> bytes:
    rows, columns = values.shape
    how = {"driver": "GTiff", "height": rows, "width": columns, "count": 1, "dtype": "float32"}
    with MemoryFile() as file:
        with file.open(**how, transform=from_origin(aa.WEST, aa.NORTH, aa.CELL, aa.CELL)) as raster:
            raster.write(values.astype(np.float32), 1)
        return file.read()
