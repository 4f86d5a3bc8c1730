"""The benchmark's layout and melt maps on disk: read as written, and every fault named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from oggm.exceptions import InvalidParamsError
from pyproj import CRS
from rasterio import Affine

from oggm_glaunti.companions.meltwater import bench as layout
from oggm_glaunti.companions.meltwater.antarctica import overpasses, read_antarctic_melt
from oggm_glaunti.companions.meltwater.bench import LAND, LAYERS, TARGET, MeltwaterBench, file_name, write_bench
from oggm_glaunti.companions.meltwater.maps_file import open_maps, write_maps
from oggm_glaunti.companions.meltwater.splits import random_days
from tests.companions.meltwater.worlds import small_stack
from tests.full_disk import files_up_to


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """Ten days in the layout of the benchmark. Never write here: use `root`."""
    stack, _ = small_stack()
    few = stack._replace(time=stack.time[:10], target=stack.target[:10], layers={"water": stack.layers["water"][:10]})
    folder = tmp_path_factory.mktemp("bench")
    write_bench(folder, few, random_days(few, 0))
    return folder


@pytest.fixture
def root(written, tmp_path) -> Path:
    """A copy of hard links; files that are changed are replaced."""
    for path in filter(Path.is_file, written.rglob("*")):
        target = tmp_path / path.relative_to(written)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)
    return tmp_path


def opened(root: Path, **kwargs) -> MeltwaterBench:
    return MeltwaterBench(root, root / "splits", ("water",), **kwargs)


def layer(root: Path, values, day: int = 0, folder: str = LAYERS["water"], crs: str = "EPSG:3413", **kwargs) -> None:
    """Replace a day's file."""
    days = sorted((root / TARGET).glob("*.tif"))
    layout.write_layer(root / folder / days[day].name, values, kwargs.get("transform", layout.UNPLACED), crs)


def test_scenes_and_split_are_read_as_they_were_written(root):
    stack, _ = small_stack()
    data = opened(root)
    found = data.read()
    scenes = stack.scenes[stack.scenes < 10]
    assert found.time.tolist() == stack.time[scenes].tolist()
    expected = np.where(stack.valid, stack.target[scenes], np.nan)
    np.testing.assert_array_equal(found.target, expected)
    np.testing.assert_allclose(found.layers["water"], stack.layers["water"][scenes])
    split = data.split_of(found)
    assert sorted(np.concatenate([split.learn, split.validation, split.test])) == list(range(scenes.size))
    every = data.read(days=data.every_day)
    assert every.time.size == 10
    assert every.scenes.tolist() == scenes.tolist()


def test_a_window_is_the_window_of_the_whole(root):
    data = opened(root)
    whole, part = data.read(), data.read(slice(2, 9), slice(5, 16))
    np.testing.assert_array_equal(part.target, whole.target[:, 2:9, 5:16])
    np.testing.assert_array_equal(part.static["elevation"], whole.static["elevation"][2:9, 5:16])


def test_file_names_are_the_published_ones():
    assert file_name(np.datetime64("2020-02-29")) == "2020_02_29.tif"


def test_layers_on_another_grid_or_crs_are_refused(root):
    layout.write_layer(root / LAND, np.ones((16, 15)), layout.UNPLACED, "EPSG:3413")
    with pytest.raises(InvalidParamsError, match=r"landMask_100m.tif: expected the target's grid, 16 x 16 .*16 x 15"):
        opened(root)
    layout.write_layer(root / LAND, np.ones((16, 16)), layout.UNPLACED, "EPSG:3031")
    with pytest.raises(InvalidParamsError, match=r"in EPSG:3413; found .* in EPSG:3031; resample it"):
        opened(root)


def test_a_file_on_another_grid_is_found_when_it_is_read(root):
    moved = Affine(100.0, 0.0, 100.0, 0.0, -100.0, 0.0)
    layer(root, np.ones((16, 16)), day=2, transform=moved)
    data = opened(root)
    with pytest.raises(InvalidParamsError, match=r"expected the target's grid, .*from x 0, .*found .*from x 100,"):
        data.read()


def test_a_day_missing_in_a_layer_is_named(root):
    name = sorted((root / TARGET).glob("*.tif"))[1].name
    (root / LAYERS["water"] / name).unlink()
    with pytest.raises(InvalidParamsError, match=r"layer water \(interim/glaunti_water\) lacks 1 of \d+ days"):
        opened(root)


def test_splits_of_other_data_are_refused(root):
    train = root / "splits" / "train.csv"
    lines = train.read_text()
    (root / "splits" / "absent.csv").write_text("1999_01_01.tif\n")
    paths = {name: root / "splits" / f"{name}.csv" for name in layout.SPLITS}
    with pytest.raises(InvalidParamsError, match="names 1 days without a target: 1999-01-01"):
        MeltwaterBench(root, {**paths, "val": root / "splits/absent.csv"}, ("water",))
    train.unlink()
    train.write_text("name\n" + lines + (root / "splits" / "test.csv").read_text())
    with pytest.raises(InvalidParamsError, match=r"test.csv: .* is in train as well"):
        opened(root)
    train.write_text("2020_01_01.tif\nnothing\n")
    with pytest.raises(InvalidParamsError, match=r"expected a file name YYYY_MM_DD.tif in every line, found 'nothing'"):
        opened(root)


def test_impossible_values_and_empty_scenes_are_refused(root):
    scene = np.full((16, 16), 50.0)
    layer(root, scene, folder=TARGET)
    with pytest.raises(InvalidParamsError, match="expected 0 to 1, found 50 to 50"):
        opened(root).read()
    layer(root, np.full((16, 16), np.nan), folder=TARGET)
    with pytest.raises(InvalidParamsError, match=r"2018_06_01.tif: no cell on land has a value"):
        opened(root).read()


def test_brightness_in_degrees_celsius_is_refused(root):
    for k in range(len(list((root / TARGET).glob("*.tif")))):
        layer(root, np.full((16, 16), -20.0), k, LAYERS["pmw"])
    with pytest.raises(InvalidParamsError, match="expected brightness temperatures in K"):
        MeltwaterBench(root, inputs=("pmw",)).read()


def test_a_damaged_file_and_unknown_layers_are_named(root):
    path = sorted((root / TARGET).glob("*.tif"))[3]
    path.unlink()
    path.write_bytes(b"II*\0broken")
    with pytest.raises(InvalidParamsError, match=f"{path.name}: cannot be read"):
        opened(root).read()
    with pytest.raises(InvalidParamsError, match=r"inputs: expected some of .* found \['snow'\]"):
        MeltwaterBench(root, inputs=("snow",))
    with pytest.raises(InvalidParamsError, match=r"expected files YYYY_MM_DD.tif"):
        MeltwaterBench(root / "splits")


def test_a_full_disk_leaves_no_half_layer(tmp_path):
    noise = np.random.default_rng(0).random((100, 100))
    with files_up_to(5000), pytest.raises(OSError, match="cannot be written"):
        layout.write_layer(tmp_path / "a.tif", noise, layout.UNPLACED, "EPSG:3413")
    assert list(tmp_path.iterdir()) == []


# --- maps ---


def maps(tmp_path: Path) -> Path:
    stack, _ = small_stack()
    path, p = tmp_path / "maps.nc", np.full_like(stack.target, 0.25)
    x, y = 50.0 + 100.0 * np.arange(16), -50.0 - 100.0 * np.arange(16)
    write_maps(path, stack.time, x, y, CRS.from_epsg(3413), p, stack.target, np.zeros_like(p), {"network": "unet"})
    return path


def test_maps_hold_observations_where_there_are_any_and_probabilities_elsewhere(tmp_path):
    stack, _ = small_stack()
    with xr.open_dataset(maps(tmp_path)) as found:
        seen = np.isfinite(stack.target)
        np.testing.assert_array_equal(found.observed == 1, seen)
        np.testing.assert_array_equal(found.melt_fraction.values, np.where(seen, stack.target, 0.25).astype(np.float32))
        assert CRS.from_wkt(found.crs.spatial_ref) == CRS.from_epsg(3413)
        assert found.time.values[0] == stack.time[0]
    assert open_maps(tmp_path / "maps.nc").melt_fraction.shape == stack.target.shape


def test_a_folder_of_scenes_is_read_as_maps(root):
    found = open_maps(root / TARGET)
    assert found.melt_fraction.dims == ("time", "y", "x")
    assert found.y.values[0] == -50.0
    layer(root, np.ones((16, 15)), 1, TARGET)
    with pytest.raises(InvalidParamsError, match="lies on another grid"):
        open_maps(root / TARGET)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.rename(melt_fraction="melt"), r"expected melt_fraction\(time, y, x\), found \['melt'\]"),
        (lambda d: d * np.nan, "melt_fraction is NaN everywhere"),
        (lambda d: d * 100, "expected 0 to 1, found 0 to 100"),
        (lambda d: d.isel(time=[0, 0]), "2020-06-01 is there twice"),
        (lambda d: d.assign_coords(time=d.indexes["time"].tz_localize("UTC").astype(object)), "time zone"),
    ],
)
def test_bad_maps_are_named(change, message):
    times = pd.date_range("2020-06-01", periods=3)
    good = xr.Dataset({"melt_fraction": (("time", "y", "x"), np.arange(12).reshape(3, 2, 2) / 11.0)}, {"time": times})
    with pytest.raises(InvalidParamsError, match=message):
        open_maps(change(good), "RGI60-11.00897")


def test_unreadable_maps_are_named(tmp_path):
    (tmp_path / "maps.nc").write_bytes(b"nothing")
    for path in (tmp_path / "maps.nc", tmp_path):
        with pytest.raises(InvalidParamsError, match="cannot be read"):
            open_maps(path)


# --- Antarctica ---


def test_real_antarctic_melt_is_as_described(shared):
    stack = read_antarctic_melt(shared / "data" / "antarctica_daily_melt", months=(1,))
    assert stack.target.shape == (18 * 31, 64, 64)
    assert np.nanmean(stack.target[:, stack.valid]) == pytest.approx(0.039, abs=0.01)
    assert set(stack.seasons) == set(range(2002, 2020))
    hidden = overpasses(stack, 0.4, seed=1)
    share = np.isfinite(hidden.target).sum() / np.isfinite(stack.target).sum()
    assert share == pytest.approx(0.2, abs=0.03)
    seen = np.isfinite(hidden.target)
    np.testing.assert_array_equal(hidden.target[seen], stack.target[seen])


def test_antarctic_files_that_are_missing_or_damaged_are_named(tmp_path):
    with pytest.raises(InvalidParamsError, match="found no melt file"):
        read_antarctic_melt(tmp_path)
    (tmp_path / "melt_2002.nc").write_bytes(b"nothing")
    with pytest.raises(InvalidParamsError, match="cannot be read"):
        read_antarctic_melt(tmp_path)
