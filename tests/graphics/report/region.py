"""Regions made by code for reports: working directories with everything that a report reads, or datasets alone.

The balance of a glacier grows with height, by the same amount every year; years differ by their equilibrium line, and
glaciers by their heights, area, place and outline. Everything follows from the seed.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import netCDF4
import numpy as np
import shapely
import xarray as xr

from oggm_glaunti.coupling.table.file import write_table
from oggm_glaunti.coupling.table.table import Table
from oggm_glaunti.region.dataset import region_dataset
from oggm_glaunti.region.outputs import GlacierBalance, balance_of, yearly_profiles
from oggm_glaunti.region.store import write_region
from tests.region.synthetic import areas

GRADIENT, HALF_RANGE = 0.007, 400.0  # m w.e. a year and m; m
HTML = ("<script>alert(1)</script>", '"><img src=x onerror=alert(2)>')
NAMES = ("Großer Aletschgletscher", "Jökulsárlón", "Ледник", "冰川", *HTML)


class Glacier(SimpleNamespace):
    """What `region_dataset` reads of a glacier directory, and the glacier's table and outline (m around its centre)."""

    def get_task_status(self, name: str) -> str:
        return f"{name} failed"


def make_glaciers(
    n: int, seed: int = 0, place: tuple[float, float] = (10.8, 46.8), spread: float = 0.6
) -> list[Glacier]:
    """Glaciers around a place (longitude and latitude), with areas like those of the Alps."""
    rng = np.random.default_rng((seed, 5))
    lat = np.clip(place[1] + spread * rng.uniform(-0.5, 0.5, n), -89.9, 89.9)
    lon = place[0] + spread * rng.uniform(-1, 1, n) / np.cos(np.deg2rad(lat))
    lon = (lon + 180.0) % 360.0 - 180.0
    glaciers = []
    for k, area in enumerate(areas(n, seed)):
        about = {
            "rgi_id": f"RGI60-11.{k + 1:05d}",
            "name": NAMES[k] if k < len(NAMES) else "",
            "rgi_area_km2": float(area),
        }
        where = {"cenlon": float(lon[k]), "cenlat": float(lat[k]), "hemisphere": "nh" if lat[k] > 0 else "sh"}
        glaciers.append(Glacier(**about, **where, middle=float(rng.normal(3000.0, 150.0)), outline=_outline(area, rng)))
    return glaciers


def _outline(area: float, rng: np.random.Generator) -> shapely.Polygon:
    """A ragged ring of 160 points around a rock, m."""
    angle = np.linspace(0.0, 2 * np.pi, 160, endpoint=False)
    radius = 1.0 + sum(rng.normal(0.0, 0.5 / k) * np.cos(k * angle + rng.uniform(0, 6)) for k in (2, 3, 5, 9, 20)) * 0.3
    radius = np.maximum(radius, 0.3)
    ring = shapely.Polygon(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))
    ring = shapely.transform(ring, lambda xy: xy * np.sqrt(area * 1e6 / ring.area))
    rock = ring.representative_point().buffer(0.05 * np.sqrt(area * 1e6))
    return ring.difference(rock)


def table_of(glacier: Glacier, years: Sequence[int], seed: int = 0) -> Table:
    """The height-year table of a glacier, from the calendar year before the first on."""
    years = np.arange(years[0] - 1, years[-1] + 1)
    lines = 3100.0 + 150.0 * np.random.default_rng((seed, 6)).standard_normal(years.size)
    heights = np.arange(
        *np.round([glacier.middle - HALF_RANGE - 1000.0, glacier.middle + HALF_RANGE + 510.0], -1), 10.0
    )
    # Snow in seven months of twelve, melt in the others.
    winter = np.isin(np.arange(12), (9, 10, 11, 0, 1, 2, 3)) / 7.0
    annual = GRADIENT * (heights - lines[:, None])
    smb = 1.2 * winter[None, :, None] + ((1 - 7 * winter) / 5)[None, :, None] * (annual - 1.2)[:, None, :]
    flat = np.zeros(smb.shape)
    return Table(
        years, heights, smb, flat, flat, np.zeros((years.size, 12)), np.zeros((years.size, 12)), flat + 1.0, annual * 0
    )


def balance_of_glacier(glacier: Glacier, years: Sequence[int], seed: int = 0) -> GlacierBalance:
    """Its balance, with an area that shrinks by half a per cent a year."""
    profiles = yearly_profiles(table_of(glacier, years, seed), np.asarray(years), 10)
    heights = glacier.middle + HALF_RANGE * np.linspace(-0.9, 0.9, 10)
    rows = []
    for k in range(len(years)):
        area = glacier.rgi_area_km2 * 1e6 * (1 - 0.005 * k)
        rows.append(balance_of(profiles, k, heights, np.full(10, area / 10), 0.033 * (area * 1e-6) ** 1.36 * 1e9))
    fields = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    origin = {"model": "A", "corrector": "off", "climate_source": "synthetic"}
    return GlacierBalance(np.asarray(years), fields, origin)


def make_dataset(
    glaciers: list[Glacier], years: Sequence[int], failed: Sequence[int] = (), seed: int = 0
) -> xr.Dataset:
    """The dataset of their balances, as `compile_glaunti_output` makes it."""
    balances = [None if k in failed else balance_of_glacier(g, years, seed) for k, g in enumerate(glaciers)]
    return region_dataset(glaciers, balances, "mass_balance", "_glaunti")


def make_working_dir(
    folder: Path, n: int, years: Sequence[int] = range(2001, 2021), seed: int = 0, failed: Sequence[int] = (), **where
) -> xr.Dataset:
    """Write a region as `oggm-glaunti run` leaves it, and return its dataset."""
    glaciers = make_glaciers(n, seed, **where)
    for k, glacier in enumerate(glaciers):
        write_directory(folder, glacier, years, seed, table=k not in failed)
    ds = make_dataset(glaciers, years, failed, seed)
    write_region(ds, folder / "glaunti_output.nc")
    rows = [
        f"{g.rgi_id},{'failed,climate,no weather <b>there</b>' if k in failed else 'done,,'}"
        for k, g in enumerate(glaciers)
    ]
    (folder / "glaciers.csv").write_text("\n".join(["rgi_id,status,stage,message", *rows]), "utf-8")
    (folder / "run.yml").write_text("model: A\nyears: [2000, 2020]\n")
    return ds


def write_directory(
    working_dir: Path, glacier: Glacier, years: Sequence[int], seed: int = 0, table: bool = True
) -> Path:
    """Write what a report reads of a glacier directory."""
    rgi_id = glacier.rgi_id
    folder = working_dir / "per_glacier" / rgi_id[:-6] / rgi_id[:-3] / rgi_id
    folder.mkdir(parents=True)
    proj = f"+proj=laea +lat_0={glacier.cenlat} +lon_0={glacier.cenlon} +datum=WGS84 +units=m"
    (folder / "glacier_grid.json").write_text(json.dumps({"proj": proj}))
    with tempfile.TemporaryDirectory() as temporary:
        gpd.GeoDataFrame(geometry=[glacier.outline], crs=proj).to_file(
            Path(temporary) / "outlines.shp", engine="pyogrio"
        )
        with tarfile.open(folder / "outlines.tar.gz", "w:gz") as archive:
            for path in Path(temporary).iterdir():
                archive.add(path, path.name)
    with netCDF4.Dataset(folder / "gridded_data.nc", "w") as nc:
        nc.min_h_glacier, nc.max_h_glacier = glacier.middle - HALF_RANGE, glacier.middle + HALF_RANGE
    if table:
        about = {"model": "A", "weights_sha256": "12ab" * 16, "rgi_id": rgi_id}
        write_table(folder / "glaunti_table_A.nc", table_of(glacier, years, seed), about)
    return folder
