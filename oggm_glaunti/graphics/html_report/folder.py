"""What lies in a region's working directory beside its dataset: outlines, tables, calibrations, failures, options.

Files are read one by one and without OGGM's glacier directories, which take ten times as long to open. Whatever cannot
be read is missing from the report, which says so.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import shapely

from oggm_glaunti.coupling.gridded.training_range import outside_training
from oggm_glaunti.coupling.ground.heights import ABOVE, BELOW
from oggm_glaunti.coupling.oggm.balance_year import FIRST_MONTH, hemisphere_of
from oggm_glaunti.coupling.oggm.netcdf import netcdf_file
from oggm_glaunti.coupling.table.file import read_monthly_balance
from oggm_glaunti.settings import BASENAMES, DAILY_SUFFIX, RUN_OPTIONS, RUN_STATUS

_OUTLINE = ("outlines.shp", "outlines.shx")
PROFILE_LEVELS = 40  # heights of a profile at most
_STEMS = {name: file.partition(".")[0] for name, (file, _) in BASENAMES.items()}


class Profile(NamedTuple):
    """Balance by height over the years of the dataset.

    Attributes
    ----------
    heights : array (K,)
        m
    mean, low, high : arrays (K,)
        mean, lowest and highest annual balance, m w.e. a year
    """

    heights: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


class GlacierFiles(NamedTuple):
    """What a glacier directory tells.

    Attributes
    ----------
    outline : shapely geometry or None
        longitude and latitude, degrees
    profile : Profile or None
    weights : str
        SHA-256 of the weights of its table; empty if there is no table
    calibration : dict or None
        ``glaunti_params.json``; None if there is none
    warnings : tuple of str
    """

    outline: Any = None
    profile: Profile | None = None
    weights: str = ""
    calibration: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()


class Beside(NamedTuple):
    """What lies beside a dataset.

    Attributes
    ----------
    glaciers : dict of GlacierFiles
        by id, of those that have a directory
    failures : dict of str
        by id, stage and reason, of ``glaciers.csv``
    options : str
        text of ``run.yml``
    """

    glaciers: dict[str, GlacierFiles]
    failures: dict[str, str]
    options: str = ""


def directories_in(working_dir: Path) -> dict[str, Path]:
    """Return the glacier directories of a working directory by id."""
    return {path.parent.name: path.parent for path in sorted(working_dir.glob("per_glacier/*/*/*/outlines.*"))}


def read_beside(working_dir: Path | None, directories: dict[str, Path], ds: Any) -> Beside:
    """Read what lies beside a dataset.

    Parameters
    ----------
    working_dir : path or None
        where failures and options are; None if there is none
    directories : dict of path
        glacier directories by id
    ds : xarray.Dataset
        of balances, see :mod:`oggm_glaunti.graphics.html_report.dataset`

    Returns
    -------
    Beside
    """
    failures = {} if working_dir is None else _failures(working_dir / RUN_STATUS)
    of_dataset = {str(rgi_id): row for row, rgi_id in enumerate(ds["rgi_id"].to_numpy())}
    glaciers = {}
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        for rgi_id, folder in directories.items():
            if rgi_id in of_dataset:
                glaciers[rgi_id] = _read_glacier(folder, scratch, ds.isel(rgi_id=of_dataset[rgi_id]))
            elif rgi_id in failures:
                glaciers[rgi_id] = GlacierFiles(read_outline(folder, scratch))
    options = ""
    if working_dir is not None:
        with suppress(OSError, UnicodeDecodeError):
            options = (working_dir / RUN_OPTIONS).read_text("utf-8")
    return Beside(glaciers, failures, options)


def _failures(path: Path) -> dict[str, str]:
    try:
        table = pd.read_csv(path, keep_default_na=False, dtype=str)
        failed = table[table["status"] == "failed"]
        return dict(zip(failed["rgi_id"], failed["stage"] + ": " + failed["message"], strict=True))
    except (OSError, KeyError, ValueError):
        return {}


def _read_glacier(folder: Path, scratch: Path, ds: Any) -> GlacierFiles:
    warnings: list[str] = []
    calibration = None
    with suppress(FileNotFoundError, NotADirectoryError):
        try:
            calibration = json.loads((folder / f"{_STEMS['glaunti_params']}.json").read_text("utf-8"))
        except ValueError:
            warnings.append("its calibration (glaunti_params.json) cannot be read")
    model = str(ds["model"].item()) if "model" in ds else ""
    table = read_monthly_balance(folder / f"{_STEMS['glaunti_table']}_{model}.nc") if model else None
    profile = None
    if table is not None:
        bias = float((calibration or {}).get("bias") or 0.0)
        profile = _profile(folder, table, ds, bias)
        if profile is None:
            warnings.append("the height-year table in its directory is not that of these balances: no profile")
    if model in ("C", "D"):
        warnings += [f"outside the range of training: {what}" for what in _outside_training(folder)]
    weights = "" if table is None else str(table.attributes.get("weights_sha256", ""))
    return GlacierFiles(read_outline(folder, scratch), profile, weights, calibration, tuple(warnings))


def read_outline(folder: Path, scratch: Path) -> Any:
    """Read the outline of a glacier directory in degrees; None if there is none that can be read.

    Parameters
    ----------
    folder : path
    scratch : path
        folder for what is unpacked, the same for all glaciers
    """
    import pyogrio
    from pyproj import Proj

    try:
        grid = json.loads((folder / "glacier_grid.json").read_text("utf-8"))
        plain, packed = folder / "outlines.shp", folder / "outlines.tar.gz"
        if packed.exists():
            plain = scratch / "outlines.shp"
            for name in _OUTLINE:
                (scratch / name).unlink(missing_ok=True)  # of the glacier before
            with tarfile.open(packed) as archive:
                for member in archive:
                    # No coordinate system, which takes most of the time to read: it is the grid's.
                    if member.name in _OUTLINE and (file := archive.extractfile(member)):
                        (scratch / member.name).write_bytes(file.read())
        shapes = shapely.from_wkb(pyogrio.raw.read(plain, columns=[])[2])
        proj = Proj(grid["proj"])
        return shapely.transform(shapes[0], lambda xy: np.column_stack(proj(xy[:, 0], xy[:, 1], inverse=True)))
    except (OSError, ValueError, LookupError, RuntimeError, tarfile.TarError):
        return None


def _profile(folder: Path, table: Any, ds: Any, bias: float) -> Profile | None:
    """Average a table over the dataset's years; None if the balances of these cannot come from it."""
    from oggm_glaunti.region.outputs import yearly_profiles

    balance, years = np.asarray(ds["specific_mb"], np.float64), np.asarray(ds["year"], int)
    known = np.isfinite(balance)
    of_seasons = ds.attrs.get("balance_years") != "calendar"
    months = 12 * (years[known] - table.years[0]) if known.any() else np.array([-1])
    if (months - 12 * of_seasons).min() < 0 or years[known].max() > table.years[-1]:
        return None
    start = FIRST_MONTH[hemisphere_of(float(ds["cenlat"]), region_of(str(ds["rgi_id"].item())))] if of_seasons else None
    # It asks for the solid precipitation as well, which is of no use here.
    of_table: Any = SimpleNamespace(**table._asdict(), solid_prcp=np.zeros_like(table.smb))
    smb = yearly_profiles(of_table, years[known], start, bias).smb
    # A glacier's mean lies between its lowest and highest value; 2 mm for float32 and what lies beyond the table.
    if (smb.min(axis=1) > balance[known] + 0.002).any() or (smb.max(axis=1) < balance[known] - 0.002).any():
        return None
    low, high = _range_of_heights(folder, table.heights)
    inside = np.flatnonzero((table.heights >= low) & (table.heights <= high))
    inside = inside[:: -(-inside.size // PROFILE_LEVELS) or 1]
    if inside.size < 2:
        return None
    chosen = smb[:, inside]
    return Profile(table.heights[inside], chosen.mean(axis=0), chosen.min(axis=0), chosen.max(axis=0))


def region_of(rgi_id: str) -> float:
    """Return the number of the first-order region in an id, NaN if it has none.

    Examples
    --------
    >>> region_of("RGI60-11.00897"), region_of("RGI2000-v7.0-G-16-00012"), region_of("a glacier")
    (11.0, 16.0, nan)
    """
    digits = rgi_id.split("-")[-2 if rgi_id.startswith("RGI2000") else -1].split(".")[0]
    return float(digits) if digits.isdigit() else float("nan")


def _range_of_heights(folder: Path, of_table: np.ndarray) -> tuple[float, float]:
    """Lowest and highest height of a glacier's surface, m; a table reaches beyond both by a fixed distance."""
    with suppress(OSError, RuntimeError), netcdf_file(folder / "gridded_data.nc") as nc:
        found = tuple(float(getattr(nc, name, np.nan)) for name in ("min_h_glacier", "max_h_glacier"))
        if np.isfinite(found).all():
            return found[0] - 10.0, found[1] + 10.0
    return float(of_table[0]) + BELOW, float(of_table[-1]) - ABOVE


def _outside_training(folder: Path) -> list[str]:
    features, climate = folder / f"{_STEMS['glaunti_features']}.nc", folder / f"climate_historical{DAILY_SUFFIX}.nc"
    try:
        with netcdf_file(features) as nc:
            elevation = np.asarray(nc["elevation"][:])
        with netcdf_file(climate) as nc:
            wettest = float(np.max(nc["prcp"][:])) * 1e-3
    except (OSError, RuntimeError, LookupError):
        return []
    return outside_training(float(elevation.max()), wettest, elevation.shape)
