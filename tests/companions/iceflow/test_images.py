from __future__ import annotations

import datetime
import re

import numpy as np
import pytest

from oggm_glaunti.companions.iceflow.images import date_in_name, read_image, read_pair, read_stack
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from tests.companions.iceflow.worlds import NORTH, PIXEL, WEST, write_image


@pytest.fixture(scope="module")
def texture():
    return np.random.default_rng(0).integers(100, 5000, (60, 80)).astype(np.uint16)


def test_a_geotiff_keeps_its_type_place_and_date(tmp_path, texture):
    found = read_image(write_image(tmp_path / "S2_20200207T141711_B08.tif", texture))
    assert found.values.dtype == np.uint16
    np.testing.assert_array_equal(found.values, texture)
    assert found.date == datetime.datetime(2020, 2, 7, 14, 17, 11)
    assert found.crs.to_epsg() == 32632
    assert found.pixel == PIXEL
    assert found.transform @ (0, 0) == (WEST, NORTH)
    assert found.valid.all()


def test_a_png_has_no_place_but_may_have_a_scale(tmp_path, texture):
    path = write_image(tmp_path / "a.png", texture, crs=None)
    found = read_image(path, date="2020-02-07", scale=7.5)
    assert found.crs is None
    assert found.pixel == 7.5
    with pytest.raises(InvalidParamsError, match=r"a\.png has no date: none in its name \(YYYYMMDD\).*dates= for"):
        read_image(path)
    with pytest.raises(InvalidParamsError, match="expected a date as 2020-02-07, found '7 Feb'"):
        read_image(path, date="7 Feb")


def test_bands_are_averaged_or_chosen(tmp_path, texture):
    path = write_image(tmp_path / "20200101.tif", np.stack([texture, 2 * texture, 3 * texture]))
    np.testing.assert_allclose(read_image(path).values, 2.0 * texture)
    np.testing.assert_array_equal(read_image(path, band=3).values, 3 * texture)
    with pytest.raises(InvalidParamsError, match="has bands 1 to 3; asked for 4"):
        read_image(path, band=4)


def test_nodata_of_a_jpeg_is_found_though_it_is_blurred(tmp_path):
    image = np.random.default_rng(0).integers(60, 200, (128, 128)).astype(np.uint8)
    image[:, :48] = 0
    found = read_image(write_image(tmp_path / "20200101.jpg", image, crs=None), nodata=0)
    assert not found.valid[:, :52].any()
    assert found.valid[:, 64:].all()


def test_a_tag_names_the_date(tmp_path, texture):
    import rasterio

    path = write_image(tmp_path / "scene.tif", texture)
    with rasterio.open(path, "r+") as target:
        target.update_tags(TIFFTAG_DATETIME="2019:08:03 10:30:31")
    assert read_image(path).date == datetime.datetime(2019, 8, 3, 10, 30, 31)


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("S1A_IW_2018-03-04.tif", "2018-03-04"),
        ("LT05_L1GS_219121_19841206_20200918_02_T2.tif", "1984-12-06"),
        ("x_20201399_20200101.tif", "2020-01-01"),
        ("no_12345678.tif", None),
    ],
)
def test_dates_in_names(name, date):
    found = date_in_name(name)
    assert (found and found.date().isoformat()) == date


def test_images_are_cut_to_what_both_have(tmp_path, texture):
    one = write_image(tmp_path / "20200101.tif", texture)
    two = write_image(tmp_path / "20200111.tif", texture[5:, 10:50], west=WEST + 10 * PIXEL, north=NORTH - 5 * PIXEL)
    pair = read_pair(one, two)
    np.testing.assert_array_equal(pair.first.values, pair.second.values)
    assert pair.first.transform == pair.second.transform
    assert pair.days == 10
    assert read_pair(two, one).days == -10


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"crs": "EPSG:32633"}, "EPSG:32632, origin 400000, 5100000, 60 x 80 px of 10; 20200111.tif: EPSG:32633"),
        ({"pixel": 15.0}, "60 x 80 px of 10; 20200111.tif: EPSG:32632, origin 400000, 5100000, 60 x 80 px of 15"),
        ({"west": WEST + 3.0}, "not on one pixel grid: 20200101.tif: EPSG:32632, origin 400000, 5100000"),
        ({"crs": None}, "20200111.tif: no coordinate system, 60 x 80 px"),
        ({"west": WEST + 5000.0}, "images do not overlap: 20200101.tif: EPSG:32632, origin 400000"),
    ],
)
def test_other_grids_are_named(tmp_path, texture, how, message):
    one = write_image(tmp_path / "20200101.tif", texture)
    two = write_image(tmp_path / "20200111.tif", texture, **how)
    with pytest.raises(InvalidParamsError, match=re.escape(message)):
        read_pair(one, two)


def test_equal_dates_are_refused(tmp_path, texture):
    one, two = (write_image(tmp_path / f"{name}_20200101.tif", texture) for name in "ab")
    with pytest.raises(InvalidParamsError, match=r"a_20200101\.tif and .*b_20200101\.tif are both of 2020-01-01"):
        read_pair(one, two)
    with pytest.raises(InvalidParamsError, match="expected one image a date"):
        read_stack(tmp_path)


def test_a_stack_is_in_the_order_of_its_dates(tmp_path, texture):
    for name in ("b_20200111", "a_20200121", "c_20200101"):
        write_image(tmp_path / f"{name}.tif", texture)
    (tmp_path / "notes_20200101.txt").write_text("no image")
    assert [image.path.name[0] for image in read_stack(tmp_path)] == ["c", "b", "a"]
    with pytest.raises(InvalidParamsError, match="dates: 1 for 2 images"):
        read_stack(sorted(tmp_path.glob("*.tif"))[:2], dates=["2020-01-01"])
    with pytest.raises(InvalidParamsError, match="1 images with a date in their name; expected two or more"):
        read_stack(sorted(tmp_path.glob("a*.tif")))


@pytest.mark.parametrize("name", ["20200101.tif", "20200101.jpg", "20200101.png"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_a_file_that_is_cut_off_is_an_error(tmp_path, name, share):
    image = np.random.default_rng(0).integers(1, 250, (300, 300)).astype(np.uint8)
    path = write_image(tmp_path / name, image, crs=None)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InvalidParamsError, match=rf"{name} cannot be read as an image .*damaged or cut off"):
        read_image(path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((40, 40), np.uint8), r"is constant: all valid pixels are 0"),
        (np.full((40, 40), np.nan, np.float32), r"has no valid pixel: all 1600 are nodata"),
        (np.zeros((40, 40), np.complex64), "holds complex numbers"),
    ],
)
def test_images_without_contrast(tmp_path, value, message):
    path = write_image(tmp_path / "20200101.tif", value)
    with pytest.raises(InvalidParamsError, match=message):
        read_image(path)


def test_a_saturated_image_is_refused(tmp_path):
    image = np.random.default_rng(0).integers(50, 200, (60, 60)).astype(np.uint8)
    image[:40] = 255
    assert read_image(write_image(tmp_path / "20200101.tif", image)).valid.all()
    image[:58] = 255
    with pytest.raises(InvalidParamsError, match="is saturated: 97 % of its valid pixels are 255; use another band"):
        read_image(write_image(tmp_path / "20200102.tif", image))


def test_degrees_and_turned_images_are_refused(tmp_path, texture):
    path = write_image(tmp_path / "20200101.tif", texture, crs="EPSG:4326", west=8.0, north=46.0, pixel=1e-4)
    with pytest.raises(InvalidParamsError, match=r"is in degrees, where pixels are not square"):
        read_image(path)
