from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from oggm_glaunti import tasks as gtasks
from oggm_glaunti.companions.iceflow import synthetic, velocity
from oggm_glaunti.companions.iceflow.balance import band_targets
from oggm_glaunti.companions.iceflow.gridded import maps_of, velocity_maps
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError, InvalidWorkflowError
from tests.companions.iceflow.worlds import as_16_bit, write_image
from tests.full_disk import files_up_to

PIXEL = 50.0
HOW = {"chips": (32,), "step": 8, "search": 6}


def images_of(gdir, folder, days=36.525, speed=50.0, **where):
    """Two images of the glacier whose ice moves to the south-east at a speed in m yr-1."""
    maps = maps_of(gdir)
    height, width = (int(np.ceil(n * maps.dx / PIXEL)) + 40 for n in maps.glacier.shape)
    west, north = maps.x[0] - maps.dx / 2 - 20 * PIXEL, maps.y[0] + maps.dx / 2 + 20 * PIXEL
    x, y = west + PIXEL * (np.arange(width) + 0.5), north - PIXEL * (np.arange(height) + 0.5)
    rows = np.clip(np.rint((maps.y[0] - y) / maps.dx).astype(int), 0, maps.y.size - 1)
    cols = np.clip(np.rint((x - maps.x[0]) / maps.dx).astype(int), 0, maps.x.size - 1)
    ice = maps.glacier[np.ix_(rows, cols)]
    step = speed * days / 365.25 / PIXEL / np.sqrt(2)
    fine = synthetic.texture(ice.shape, np.random.default_rng(0))
    shift = np.array([0.4, -0.3])[:, None, None]
    moved = [np.zeros((2, *ice.shape)), np.where(ice, step, 0.0) + shift]
    paths = []
    for date, displacement in zip(("20200101", "20200206T123600"), moved, strict=True):
        values = as_16_bit(synthetic.moved(fine, displacement))
        paths.append(
            write_image(folder / f"{date}.tif", values, **{"west": west, "north": north, "pixel": PIXEL, **where})
        )
    return paths


@pytest.fixture
def images(aletsch_gdir, tmp_path):
    return images_of(aletsch_gdir, tmp_path)


def test_images_become_velocities_in_oggms_conventions(aletsch_gdir, images):
    gtasks.iceflow_velocity(aletsch_gdir, images=images, **HOW)
    with xr.open_dataset(aletsch_gdir.get_filepath("gridded_data")) as data:
        data = data.load()
    glacier = data.glacier_mask.values > 0
    inner = maps_of(aletsch_gdir).distance() > 800
    assert np.isfinite(data.iceflow_v.values[inner]).mean() > 0.95
    # The shift of the second image, 200 and 150 m yr-1, is gone; 5 m yr-1 are a hundredth of a pixel.
    assert np.nanmedian(data.iceflow_vx.values[inner]) == pytest.approx(50 / np.sqrt(2), abs=5)
    assert np.nanmedian(data.iceflow_vy.values[inner]) == pytest.approx(-50 / np.sqrt(2), abs=5)
    assert abs(np.nanmedian(data.iceflow_vx.values[~glacier])) < 5
    assert data.iceflow_v.attrs["units"] == "m yr-1"
    assert data.iceflow_v.attrs["data_source"] == "20200101.tif 20200206T123600.tif"
    assert data.iceflow_v.attrs["dates"] == "2020-01-01T00:00:00 2020-02-06T12:36:00"
    assert data.iceflow_v.attrs["shift_anchor"].startswith("stable ground")
    np.testing.assert_array_equal(data.iceflow_mask.values == 1, np.isfinite(data.iceflow_v.values))
    assert (data.iceflow_v_error.values[inner] > 0).all()
    assert "topo" in data
    table = gtasks.compare_velocities(aletsch_gdir, one="iceflow", two="millan")
    assert table.loc["glacier", "cells"] > 5000
    assert list(table) == ["cells", "bias", "nmad", "direction", "direction_nmad"]


@pytest.mark.slow
def test_images_that_are_distorted_within_are_left_out_on_demand(aletsch_gdir, images, monkeypatch, caplog):
    for date in ("20200309", "20200413"):
        images.append(images[-1].with_name(f"{date}.tif"))
        images[-1].write_bytes(images[1].read_bytes())
    monkeypatch.setattr(velocity, "distortions", lambda data, *_: np.r_[0.04, 0.04, 0.04, 0.3][: data.days.size])
    gtasks.iceflow_velocity(aletsch_gdir, images=images, leave_out=True, **{**HOW, "step": 32})
    assert "parts of 20200413.tif (0.30 px) are off the image's shift" in caplog.text
    with xr.open_dataset(aletsch_gdir.get_filepath("gridded_data")) as data:
        assert data.iceflow_v.attrs["data_source"] == "20200101.tif 20200206T123600.tif 20200309.tif"


def test_an_own_file_is_read_as_well(aletsch_gdir, images, tmp_path):
    from oggm_glaunti.companions.iceflow.images import read_pair
    from oggm_glaunti.companions.iceflow.velocity import pair_velocity
    from oggm_glaunti.companions.iceflow.velocity_file import write_velocity

    write_velocity(tmp_path / "v.nc", pair_velocity(read_pair(*images), chips=(32,), step=16, search=6))
    gtasks.iceflow_velocity(aletsch_gdir, velocity=tmp_path / "v.nc")
    vx, _, zeros = velocity_maps(aletsch_gdir, "iceflow")
    inner = maps_of(aletsch_gdir).distance() > 800
    assert np.nanmedian(vx[inner]) == pytest.approx(50 / np.sqrt(2) - 0.3 * PIXEL * 10, abs=5)
    assert zeros == 0.0


def test_zeros_without_data_are_named_and_left_out(aletsch_gdir, caplog):
    table = gtasks.compare_velocities(aletsch_gdir, one="millan", two="millan")
    assert "RGI60-11.01450: millan holds zeros where it has no data: 57 % of the map left out" in caplog.text
    assert (table[["bias", "nmad", "direction"]] == 0).all(axis=None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({}, "give either images or velocity, found neither"),
        ({"images": "a", "velocity": "b"}, "give either images or velocity, found both"),
        ({"images": "a", "chip": 32}, "unknown options chip; expected chips, least_peak"),
        ({"velocity": "no.nc"}, "RGI60-11.01450: no.nc does not exist"),
        ({"images": "no_folder"}, "RGI60-11.01450: no_folder is no folder"),
    ],
)
def test_what_is_missing_is_named(aletsch_gdir, call, message):
    with pytest.raises(InvalidParamsError, match=message):
        gtasks.iceflow_velocity(aletsch_gdir, **call)


def test_images_elsewhere_and_without_a_place_are_errors(aletsch_gdir, tmp_path):
    texture = np.random.default_rng(0).integers(1, 5000, (100, 100)).astype(np.uint16)
    far = [write_image(tmp_path / f"far_2020010{k}.tif", texture + np.uint16(k), west=1e5) for k in (1, 2)]
    with pytest.raises(
        InvalidParamsError, match=r"RGI60-11.01450: .*far_20200101\.tif misses the glacier: it covers x 100000"
    ):
        gtasks.iceflow_velocity(aletsch_gdir, images=far)
    plain = [write_image(tmp_path / f"2020010{k}.png", texture + np.uint16(k), crs=None) for k in (1, 2)]
    with pytest.raises(InvalidParamsError, match="has no coordinate system, so its pixels have no place"):
        gtasks.iceflow_velocity(aletsch_gdir, images=plain)


def test_missing_maps_name_the_task_that_makes_them(aletsch_gdir):
    with pytest.raises(InvalidWorkflowError, match=r"holds no itslive_vx, itslive_vy; run oggm\.shop\.its_live"):
        gtasks.compare_velocities(aletsch_gdir, one="itslive", two="millan")
    with pytest.raises(InvalidWorkflowError, match="holds no iceflow_vx, iceflow_vy; run iceflow_velocity first"):
        gtasks.apparent_balance(aletsch_gdir)


def test_a_full_disk_leaves_the_maps_as_they_were(aletsch_gdir, images):
    from pathlib import Path

    path = Path(aletsch_gdir.get_filepath("gridded_data"))
    before = path.read_bytes()
    with files_up_to(500_000), pytest.raises(InvalidWorkflowError, match=r"gridded_data\.nc cannot be written"):
        gtasks.iceflow_velocity(aletsch_gdir, images=images, **HOW)
    assert path.read_bytes() == before


def test_the_flux_of_aletsch_asks_for_the_measured_balance(aletsch_gdir):
    edges = (1500.0, 2000.0, 2500.0, 3000.0, 3500.0, 5000.0)
    table = gtasks.apparent_balance(
        aletsch_gdir, velocity="millan", bands=edges, mb_kwargs={"model": "A", "check_calib_params": False}
    )
    np.testing.assert_allclose(table["balance"], (-9.5, -6.4, -3.2, 0.5, 1.6), atol=0.1)
    assert abs(table.attrs["left_over"]) < 0.1
    assert np.isfinite(table["glaunti"]).all()
    assert np.corrcoef(table["glaunti"], table["balance"])[0, 1] > 0.95
    targets = band_targets(table, aletsch_gdir.rgi_id)
    assert targets["value"].tolist() == pytest.approx((table["balance_we"] * 20).tolist())
    other = gtasks.apparent_balance(
        aletsch_gdir, velocity="millan", thickness="millan_ice_thickness", bands=edges, glaunti=False
    )
    np.testing.assert_allclose(other["balance"], (-11.9, -8.0, -4.2, 1.6, 1.8), atol=0.1)
    assert "glaunti" not in other
