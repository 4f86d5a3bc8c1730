from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS

from oggm_glaunti.companions.iceflow import synthetic, velocity
from oggm_glaunti.companions.iceflow.images import read_pair, read_stack
from oggm_glaunti.companions.iceflow.mapping import on_grid, on_map
from oggm_glaunti.companions.iceflow.series import Cycle
from oggm_glaunti.companions.iceflow.velocity import pair_velocity, stack_velocity
from oggm_glaunti.companions.iceflow.velocity_file import read_velocity, write_velocity
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.files import WriteError
from tests.companions.iceflow.worlds import as_16_bit, write_image, write_scene
from tests.full_disk import files_up_to

HOW = {"chips": (32,), "step": 16, "search": 6}
DATES = ("20200101", "20200111", "20200121")


@pytest.fixture(scope="module")
def scene():
    return synthetic.scene((192, 192), (0.0, 10.0, 20.0), fastest=0.3, shift_sd=0.5, seed=2)


@pytest.fixture(scope="module")
def files(scene, tmp_path_factory):
    return write_scene(tmp_path_factory.mktemp("scene"), scene, DATES)


@pytest.fixture(scope="module")
def found(scene, files):
    return pair_velocity(read_pair(*files[:2]), ~scene.ice, **HOW)


def test_stable_ground_takes_the_shift_of_the_images_off(scene, found):
    assert found.shifts[1] == pytest.approx(scene.shifts[1], abs=0.03)
    r, c = (axis.astype(int) for axis in (found.row, found.col))
    off = found.rows - scene.velocity[0][np.ix_(r, c)]
    assert abs(np.nanmedian(off)) < 0.003
    assert found.anchor.startswith("stable ground")
    assert 0 < found.common_error < 0.01


def test_the_order_of_the_images_does_not_turn_the_velocity(scene, files, found):
    back = pair_velocity(read_pair(files[1], files[0]), ~scene.ice, **HOW)
    assert back.days == -10
    both = np.isfinite(back.rows) & np.isfinite(found.rows)
    assert np.abs(np.median((back.cols - found.cols)[both])) < 0.003
    assert np.median(back.cols[both & scene.ice[np.ix_(found.row.astype(int), found.col.astype(int))]]) > 0.1


def test_a_stack_solves_for_all_shifts(scene, files):
    solved = stack_velocity(read_stack(files), ~scene.ice, **HOW)
    assert np.abs(solved.shifts - scene.shifts).max() < 0.05
    assert solved.count.max() == 3
    assert solved.days == 20
    free = stack_velocity(read_stack(files), **HOW)
    assert free.anchor.startswith("none")
    with pytest.raises(InvalidParamsError, match="no two of 3 images are at most 5 days apart"):
        stack_velocity(read_stack(files), longest=5.0, **HOW)


def test_distorted_images_are_named_and_left_out_on_demand(scene, files, monkeypatch, caplog):
    copy = write_image(files[0].parent / "scene_20200131.tif", as_16_bit(scene.images[2]))
    images = read_stack([*files, copy])
    monkeypatch.setattr(velocity, "distortions", lambda data, *_: np.where(np.arange(data.days.size) == 3, 0.3, 0.04))
    kept = stack_velocity(images, ~scene.ice, **HOW)
    assert "parts of scene_20200131.tif (0.30 px) are off the image's shift, usual is 0.04 px; kept" in caplog.text
    assert len(kept.images) == len(kept.shifts) == 4
    monkeypatch.setattr(velocity, "distortions", lambda data, *_: np.r_[0.04, 0.04, 0.04, 0.3][: data.days.size])
    less = stack_velocity(images, ~scene.ice, leave_out=True, **HOW)
    assert [image.path.name for image in less.images] == [path.name for path in files]
    assert less.distortion.tolist() == [0.04, 0.04, 0.04]
    np.testing.assert_array_equal(less.rows, stack_velocity(images[:3], ~scene.ice, **HOW).rows)


def test_too_little_stable_ground_is_said(scene, files):
    one = np.zeros(scene.ice.shape, bool)
    one[:34, :34] = True
    with pytest.raises(InvalidParamsError, match=r"20200111\.tif: no stable ground: 1 windows on it have a vector"):
        pair_velocity(read_pair(*files[:2]), one, **HOW)


def test_nothing_valid_is_an_error_in_words(tmp_path, files):
    noise = np.random.default_rng(5).integers(0, 60000, (192, 192)).astype(np.uint16)
    other = write_image(tmp_path / "noise_20200111.tif", noise)
    with pytest.raises(
        InvalidParamsError, match=r"no vector is valid: of \d+ windows .* disagree with their neighbours"
    ):
        pair_velocity(read_pair(files[0], other), **HOW)


def test_a_file_is_laid_out_as_a_granule_and_read_back(tmp_path, found, shared):
    path = tmp_path / "new" / "v.nc"
    write_velocity(path, found)
    (granule,) = (shared / "data" / "itslive_granule").glob("*.nc")
    with xr.open_dataset(path, mask_and_scale=False) as ours, xr.open_dataset(granule, mask_and_scale=False) as theirs:
        for name in ("vx", "vy", "v", "v_error", "chip_size_width", "chip_size_height", "interp_mask"):
            assert ours[name].dtype == theirs[name].dtype
            assert ours[name].attrs["_FillValue"] == theirs[name].attrs["_FillValue"]
            assert ours[name].attrs.get("units") == theirs[name].attrs.get("units")
        assert set(ours["img_pair_info"].attrs) <= set(theirs["img_pair_info"].attrs)
        assert ours["img_pair_info"].attrs["date_dt"] == 10.0
    read = read_velocity(path)
    assert read.dates == "2020-01-01/2020-01-11"
    assert read.crs.to_epsg() == 32632
    assert read.spacing == 160.0
    points = found.points(CRS.from_epsg(32632))
    np.testing.assert_allclose(np.sort(read.points.vx), np.sort(points.vx), atol=0.51)


def test_a_cycle_is_written_with_the_day_of_the_year(tmp_path, found):
    flat = np.full(found.rows.shape, 0.01)
    cycle = Cycle(flat, flat + 360.0, flat / 10, 4.0)
    own = np.array([0.1, 0.2])
    write_velocity(tmp_path / "v.nc", replace(found, cycle=cycle, image_error=own, distortion=own / 2))
    with xr.open_dataset(tmp_path / "v.nc", decode_timedelta=False) as data:
        assert float(data.cycle_amplitude[0, 0]) == pytest.approx(0.01)
        # 360 days after the first of January, day 361.
        assert float(data.cycle_day[0, 0]) == pytest.approx(361.01)
        assert data.attrs["image_error"].tolist() == [0.1, 0.2]
        assert data.attrs["image_distortion"].tolist() == [0.05, 0.1]


def test_a_granule_without_data_is_an_error_in_words(shared):
    (granule,) = (shared / "data" / "itslive_granule").glob("*.nc")
    with pytest.raises(
        InvalidParamsError, match="holds no valid velocity: all 3788064 values of vx and vy are missing"
    ):
        read_velocity(granule)


def test_a_cube_on_the_disk_is_averaged_by_its_errors(tmp_path, found):
    pytest.importorskip("zarr")
    path = tmp_path / "v.nc"
    write_velocity(path, found)
    with xr.open_dataset(path, decode_timedelta=False) as one:
        cube = xr.concat([one[["vx", "vy", "v_error"]], one[["vx", "vy", "v_error"]] + 8.0], "mid_date")
        cube["v_error"][:] = np.array([1.0, 2.0])[:, None, None]
        cube["vx"].attrs = {"grid_mapping": "mapping"}
        cube = cube.assign(mapping=one["mapping"])
        for name in cube.variables:
            cube[name].encoding = {}
        cube.to_zarr(tmp_path / "cube.zarr")
    read, cube = read_velocity(path), read_velocity(tmp_path / "cube.zarr")
    np.testing.assert_allclose(cube.points.vx, read.points.vx + 8.0 / 5, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_damaged_file_is_an_error(tmp_path, found, share):
    path = tmp_path / "v.nc"
    write_velocity(path, found)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InvalidParamsError, match=r"v\.nc cannot be read as a velocity file"):
        read_velocity(path)
    with pytest.raises(InvalidParamsError, match=r"no\.nc does not exist"):
        read_velocity(tmp_path / "no.nc")


def test_a_full_disk_leaves_nothing(tmp_path, found):
    with files_up_to(20_000), pytest.raises(WriteError, match=r"v\.nc cannot be written"):
        write_velocity(tmp_path / "v.nc", found)
    assert list(tmp_path.iterdir()) == []


def test_end_points_are_moved_through_the_projections():
    # Between the zones directions turn by the meridians' convergence: 6 degrees times the sine of 46.9 degrees north.
    one = np.ones(1)
    crs, to = CRS.from_epsg(32632), CRS.from_epsg(32633)
    points = on_map(0 * one, 0 * one, (0 * one, one), one, one, (10.0, 0.0, 6.9e5, 0.0, -10.0, 5.2e6), crs, to)
    angle = np.degrees(np.arctan2(points.vy, points.vx))[0]
    assert angle == pytest.approx(-4.38, abs=0.02)
    assert np.hypot(points.vx, points.vy)[0] == pytest.approx(3652.5, rel=2e-3)


def test_cells_are_means_weighted_by_errors(found):
    points = found.points(CRS.from_epsg(32632))._replace()
    exact = points._replace(vx=np.full(points.x.size, 100.0), error=np.where(points.x < points.x.mean(), 1.0, 50.0))
    wrong = exact._replace(vx=np.full(points.x.size, 900.0), error=np.full(points.x.size, 1e4))
    both = type(points)(*(np.r_[a, b] for a, b in zip(exact, wrong, strict=True)))
    x, y = np.linspace(points.x.min(), points.x.max(), 9), np.linspace(points.y.max(), points.y.min(), 9)
    cells = on_grid(both, x, y, 160.0)
    assert np.nanmax(np.abs(cells.vx - 100.0)) < 0.1
    assert cells.vectors.max() >= 2
