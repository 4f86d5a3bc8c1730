"""``oggm-glaunti impute-dem``: the file, what is printed, exit status."""

from __future__ import annotations

import os
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr

from oggm_glaunti.cli import dem as dem_cli
from oggm_glaunti.cli.main import main
from oggm_glaunti.companions.dem.fill import METHODS
from tests.companions.dem.valley_stack import EAST, NORTH, OFFSET, YEARS, axes, write_tiles
from tests.full_disk import files_up_to

NAME = "Old_Valley 2"


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    return write_tiles(tmp_path / "tiles", NAME)


def impute(tiles: Path, out: Path, *more: str) -> int:
    return main(["impute-dem", str(tiles), str(out), "--method", "hypsometric", *more])


def test_the_methods_are_those_of_the_imputation():
    assert tuple(METHODS) == dem_cli.METHODS


def test_voids_are_filled_flagged_and_told(tiles, tmp_path, capsys):
    out = tmp_path / "new" / "valley.nc"
    assert impute(tiles, out) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{NAME}, 2001-2004: 12 of 6603 cells void, 48 heights filled by hypsometric in ")
    assert second.startswith("  reference moved by +0.")
    assert "median difference to the reference +4" in second
    assert "RMSE" in third
    assert "% within 90 % intervals" in third
    with xr.open_dataset(out) as made:
        assert made.z.dims == ("year", "y", "x")
        assert made.year.values.tolist() == list(YEARS)
        assert int(made.imputed.sum()) == 48
        assert bool(np.isfinite(made.z).all())
        assert float(made.z_std.where(made.imputed == 1).min()) >= 6.0
        assert made.attrs["shift_cols"] == pytest.approx(EAST / 100, abs=0.1)
        assert made.attrs["shift_rows"] == pytest.approx(-NORTH / 100, abs=0.1)
        assert made.attrs["median_dh"] == pytest.approx(OFFSET, abs=2.0)


@pytest.mark.slow
def test_a_figure_is_drawn_where_one_is_asked_for(tiles, tmp_path):
    figure = tmp_path / "figures" / "valley.png"
    assert impute(tiles, tmp_path / "valley.nc", "--figure", str(figure)) == 0
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_the_file_says_what_it_holds_and_where_it_lies(tiles, tmp_path):
    out = tmp_path / "valley.nc"
    assert impute(tiles, out, "--no-coregister", "--seed", "5", "--glacier", NAME) == 0
    with netCDF4.Dataset(out) as nc:
        assert nc.Conventions == "CF-1.8"
        assert (nc.glacier, nc.method, nc.seed, float(nc.shift_rows)) == (NAME, "hypsometric", 5, 0.0)
        assert nc.source_files.startswith(f"Z_{NAME}_2001.tif, ")
        assert "that of the input" in nc.vertical_datum
        for name in ("z", "z_std", "imputed", "dh_trend"):
            assert nc[name].grid_mapping == "crs"
            assert nc[name].units
        assert nc["imputed"].flag_meanings == "measured imputed"
        transform = [float(number) for number in nc["crs"].GeoTransform.split()]
        assert rasterio.crs.CRS.from_wkt(nc["crs"].crs_wkt).to_epsg() == 32632
        np.testing.assert_array_equal(nc["x"][:], axes()[0])
    assert transform == [628500.0, 100.0, 0.0, 5189000.0, 0.0, -100.0]


def test_what_is_wrong_is_one_line_and_status_2(tiles, tmp_path, capsys):
    out = tmp_path / "valley.nc"
    assert impute(tiles, out, "--glacier", "Sarenne") == 2
    assert f"no glacier 'Sarenne'; there are: {NAME}" in capsys.readouterr().err
    write_tiles(tiles, "Valley")
    assert impute(tiles, out) == 2
    assert f"say which one: {NAME}, Valley" in capsys.readouterr().err
    for path in tiles.rglob("*_Valley_200[2-4].tif"):
        path.unlink()
    assert impute(tiles, out, "--glacier", "Valley") == 2
    error = capsys.readouterr().err
    assert error.startswith(f"oggm-glaunti: error: {tiles}: Valley: ")
    assert error.count("\n") == 1
    assert not out.exists()


@pytest.fixture
def small_files():
    """Writes beyond 20 kB fail as on a full disk."""
    with files_up_to(20_000):
        yield


def test_a_full_disk_leaves_no_half_of_a_file(tiles, tmp_path, small_files, capsys):
    out = tmp_path / "out" / "valley.nc"
    assert impute(tiles, out) == 2
    assert f"oggm-glaunti: error: {out} cannot be written (" in capsys.readouterr().err
    assert list(out.parent.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("when", ["while writing", "while renaming"])
def test_an_interrupted_call_keeps_the_old_file(tiles, tmp_path, monkeypatch, when):
    out = tmp_path / "out" / "valley.nc"
    assert impute(tiles, out) == 0
    before = out.read_bytes()

    def fails(*args, **kwargs):
        raise KeyboardInterrupt

    def fails_half_way(dataset, path, **kwargs):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if when == "while writing":
            patch.setattr(xr.Dataset, "to_netcdf", fails_half_way)
        else:
            patch.setattr(os, "replace", fails)
        with pytest.raises(KeyboardInterrupt):
            impute(tiles, out, "--seed", "1")
    assert out.read_bytes() == before
    assert [path.name for path in out.parent.iterdir()] == ["valley.nc"]
