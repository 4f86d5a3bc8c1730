"""Debris on Grosser Aletsch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError
from rasterio.transform import from_origin

from oggm_glaunti import GlaUnTIMassBalanceA
from oggm_glaunti.coupling.ground.debris import DebrisProfile, melt_under, read_debris
from oggm_glaunti.coupling.ground.features import read_features
from oggm_glaunti.coupling.table.table import build_table
from oggm_glaunti.coupling.table.water_days import days_by_height
from oggm_glaunti.tasks import glaunti_features, glaunti_smb, process_debris
from tests.coupling.hydro.worlds import TUNABLES, climate, inputs

HEIGHTS = np.array([1800.0, 2200.0, 2700.0, 3500.0])


def with_factor(one, factor):
    from dataclasses import replace

    return replace(one, debris=DebrisProfile(np.array([2000.0, 3000.0]), np.array([factor, 1.0])))


@pytest.mark.parametrize("variant", ["smooth", "mass_conserving"])
def test_less_ice_melts_by_the_factor_and_snow_as_before(variant):
    one = inputs(climate(2003, 2004), variant, heights=5)
    bare, under = (build_table(x, TUNABLES) for x in (one, with_factor(one, 0.25)))
    same = build_table(with_factor(one, 1.0), TUNABLES)
    np.testing.assert_array_equal(same.smb, bare.smb)
    np.testing.assert_allclose(under.swe, bare.swe, atol=1e-7)
    assert (under.smb.sum(axis=(0, 1))[0] - bare.smb.sum(axis=(0, 1))[0]) > 1.0
    np.testing.assert_allclose(under.smb[..., -1], bare.smb[..., -1], atol=1e-7)
    backends = [build_table(with_factor(one, 0.25), TUNABLES, backend).smb for backend in ("jax", "numpy")]
    np.testing.assert_allclose(*backends, atol=1e-5)


def test_daily_melt_of_ice_is_the_factor_times_that_of_bare_ice():
    one = inputs(climate(2003, 2003), heights=5)
    bare, under = (next(days_by_height(x, TUNABLES, 2003)).values for x in (one, with_factor(one, 0.25)))
    np.testing.assert_allclose(under["ice_melt"][:, 0], 0.25 * bare["ice_melt"][:, 0], rtol=1e-6)
    np.testing.assert_array_equal(under["snow_melt"], bare["snow_melt"])


def raster(path: Path, gdir, values: np.ndarray) -> Path:
    grid = gdir.grid
    where = from_origin(grid.corner_grid.x0, grid.corner_grid.y0, grid.dx, -grid.dy)
    about = {"height": grid.ny, "width": grid.nx, "count": 1, "dtype": "float32", "crs": grid.proj.srs, "nodata": -1}
    with rasterio.open(path, "w", driver="GTiff", transform=where, **about) as tif:
        tif.write(values.astype(np.float32), 1)
    return path


@pytest.fixture
def gdir(aletsch_gdir):
    glaunti_features(aletsch_gdir)
    return aletsch_gdir


def test_a_map_of_thickness_slows_the_melt_of_the_tongue(gdir, tmp_path):
    from oggm_glaunti.coupling.oggm.netcdf import netcdf_file

    with netcdf_file(gdir.get_filepath("gridded_data")) as nc:
        height = np.asarray(nc["topo"][:])
    thickness = np.where(height < 2100.0, 0.3, -1.0)  # nodata above
    path = raster(tmp_path / "debris.tif", gdir, thickness)
    profile = process_debris(gdir, path=path, kind="thickness", half_thickness=0.1)
    np.testing.assert_allclose(profile.at(np.array([1900.0, 2500.0, 3800.0])), [0.25, 1.0, 1.0], atol=1e-6)
    how = {"variant": "mass_conserving"}
    bare, covered = GlaUnTIMassBalanceA(gdir, **how), GlaUnTIMassBalanceA(gdir, debris=True, **how)
    melts = [model.get_annual_melt(2003, HEIGHTS)[2] for model in (bare, covered)]
    np.testing.assert_allclose(melts[1], melts[0] * [0.25, 1.0, 1.0, 1.0], rtol=1e-3, atol=1e-3)
    assert covered.get_annual_mb(HEIGHTS, year=2003)[0] > bare.get_annual_mb(HEIGHTS, year=2003)[0]
    # Another profile makes another table.
    content = json.loads(Path(gdir.get_filepath("glaunti_debris")).read_text())
    content["factor"] = [1.0] * len(content["factor"])
    Path(gdir.get_filepath("glaunti_debris")).write_text(json.dumps(content))
    again = GlaUnTIMassBalanceA(gdir, debris=True, **how)
    np.testing.assert_allclose(again.get_annual_mb(HEIGHTS, year=2003), bare.get_annual_mb(HEIGHTS, year=2003))


def test_more_debris_is_never_more_melt_but_for_the_first_centimetres():
    thickness = np.linspace(0.0, 5.0, 1001)
    for peak in (1.0, 2.0):
        factors = melt_under(thickness, 0.08, peak)
        assert factors[0] == 1.0
        assert (np.diff(factors[thickness >= 0.02 if peak > 1 else slice(None)]) < 0).all()
        assert 0 < factors[-1] < 0.05
        assert factors.max() == pytest.approx(max(1.0, peak / (1.0 + 0.02 / 0.08)))
        assert np.abs(np.diff(melt_under(np.array([0.02 - 1e-9, 0.02 + 1e-9]), 0.08, peak))) < 1e-6


@pytest.mark.slow
def test_maps_have_the_factor_of_their_cells(gdir):
    Path(gdir.get_filepath("glaunti_debris")).write_text('{"heights": [2500.0, 2550.0], "factor": [0.3, 1.0]}')
    kwargs = {"model": "A", "variant": "mass_conserving"}
    maps = []
    for name in ("bare", "covered"):
        how = {"output_filesuffix": f"_{name}", "ys": 1982, "ye": 1982}
        glaunti_smb(gdir, mb_kwargs={**kwargs, "debris": name == "covered"}, **how)
        with xr.open_dataset(gdir.get_filepath("glaunti_smb", filesuffix=f"_{name}")) as ds:
            maps.append(ds["smb"].isel(time=0).values)
            assert ("debris_sha256" in ds.attrs) == (name == "covered")
    features = read_features(gdir)
    gain, on = maps[1] - maps[0], features.glacier
    np.testing.assert_array_equal(gain[on & (features.elevation > 2551.0)], 0.0)
    assert gain[on & (features.elevation < 2500.0)].min() > 0.5
    # As in the table.
    model = GlaUnTIMassBalanceA(gdir, variant="mass_conserving", debris=True)
    of_table = model.get_annual_mb(features.elevation[on], 1982) * model.sec_in_year(1982) * model.rho / 1000.0
    np.testing.assert_allclose(maps[1][on], of_table, atol=0.02)


@pytest.mark.parametrize(
    ("value", "kwargs", "words"),
    [
        (20.0, {}, "debris.tif: expected a factor of 0 to 3, found 20"),
        (80.0, {"kind": "thickness", "half_thickness": 0.1}, "thickness of 0 to 50 m, found 80"),
        (0.5, {"kind": "thickness"}, "half_thickness: expected metres"),
        (0.5, {"half_thickness": 0.1}, "half_thickness: expected metres"),
        (0.5, {"kind": "cover"}, "kind: expected one of"),
        (0.5, {"peak": 2.0}, "peak: expected 1 to 3 for kind='thickness', and none otherwise"),
        (0.5, {"kind": "thickness", "half_thickness": 0.1, "peak": 0.5}, "peak: expected 1 to 3"),
    ],
)
def test_what_is_no_debris_is_refused(gdir, tmp_path, value, kwargs, words):
    path = raster(tmp_path / "debris.tif", gdir, np.full((gdir.grid.ny, gdir.grid.nx), value))
    with pytest.raises(InvalidParamsError, match=words):
        process_debris(gdir, path=path, **kwargs)
    assert not gdir.has_file("glaunti_debris")


def test_a_missing_or_damaged_profile_is_named(gdir):
    with pytest.raises(InvalidWorkflowError, match="run process_debris"):
        GlaUnTIMassBalanceA(gdir, debris=True)
    for text in ("{", '{"heights": [1, 2], "factor": [1]}', '{"heights": [2, 1], "factor": [1, 1]}'):
        Path(gdir.get_filepath("glaunti_debris")).write_text(text)
        with pytest.raises(InvalidWorkflowError, match=r"glaunti_debris.json is damaged"):
            read_debris(gdir)
