"""Maps: the scale bar is as long as it says, the arrow points to true north, light comes from the north-west."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, AuxTransformBox, DrawingArea, TextArea
from matplotlib.patches import FancyArrow
from pyproj import CRS, Geod, Proj, Transformer
from rasterio import Affine

from oggm_glaunti import graphics
from oggm_glaunti.companions.iceflow.images import Image
from oggm_glaunti.companions.iceflow.velocity import Velocity
from oggm_glaunti.coupling.ground.features import Features
from oggm_glaunti.graphics import maps
from oggm_glaunti.graphics.map_frame import emptiest_corner, frame_map
from tests.graphics.test_region import make_region


@pytest.fixture
def ax():
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.subplots()


@pytest.fixture(scope="module")
def features() -> Features:
    """A glacier of 10 x 4 cells in the south-west of a slope that rises 50 m a cell to the east."""
    outline = np.pad(np.ones((10, 4)), ((30, 15), (15, 30)))
    rows, cols = outline.shape
    x, y = 630_050.0 + 100.0 * np.arange(cols), 5_188_050.0 - 100.0 * np.arange(rows)
    elevation = np.broadcast_to(2000.0 + 50.0 * np.arange(cols), outline.shape)
    return Features(outline, elevation, np.full(outline.shape, 5.0), None, x, y, "EPSG:32632")


def parts(ax) -> tuple[float, str, FancyArrow | None]:
    """Length of the scale bar in the units of the axis, what is written below it, and the arrow."""
    (box,) = (artist for artist in ax.artists if isinstance(artist, AnchoredOffsetbox))
    every = list(box.findobj())
    (bar,) = (artist for artist in every if isinstance(artist, AuxTransformBox))
    (words,) = (artist for artist in every if isinstance(artist, TextArea))
    arrows = [
        a for area in every if isinstance(area, DrawingArea) for a in area.get_children() if isinstance(a, FancyArrow)
    ]
    return bar.get_children()[0].get_width(), words.get_text(), arrows[0] if arrows else None


def in_km(words: str) -> float:
    number, unit = words.split()[:2]
    return float(number) * {"km": 1.0, "m": 0.001}[unit]


# --- scale ---


@pytest.mark.parametrize("width", [0.9, 3.0, 7.0, 14.0, 120.0, 2500.0])
def test_a_scale_bar_is_as_long_as_it_says_and_takes_a_tenth_to_a_third_of_the_map(ax, width):
    frame_map(ax, maps.Extent((400.0, 400.0 + width), (5000.0, 5000.0 + width)))
    bar, words, arrow = parts(ax)
    assert bar == pytest.approx(in_km(words))
    assert 0.1 * width <= bar <= width / 3
    assert arrow is None


def test_a_scale_bar_in_degrees_is_right_at_the_mean_latitude(ax):
    graphics.plot_region_map(make_region(), ax=ax)
    bar, words, arrow = parts(ax)
    metres = Geod(ellps="WGS84").inv(10.8, 46.8, 10.8 + bar, 46.8)[2]
    assert metres / 1000.0 == pytest.approx(in_km(words), rel=0.005)
    assert arrow is not None


def test_a_region_too_tall_for_one_scale_says_where_it_holds(ax):
    ds = make_region().assign_coords(cenlat=("rgi_id", [-55.0, -45.0, -32.0]))
    graphics.plot_region_map(ds, ax=ax)
    assert parts(ax)[1].endswith("km at 44°S")


# --- north ---


@pytest.mark.parametrize(
    ("epsg", "lon", "lat"), [(32632, 11.9, 46.8), (32718, -73.1, -50.5), (3031, -63.0, -69.0), (32632, 9, 70)]
)
def test_the_arrow_points_to_true_north_in_both_hemispheres(ax, epsg, lon, lat):
    crs = CRS(epsg)
    x, y = (at / 1000.0 for at in Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat))
    frame_map(ax, maps.Extent((x - 5, x + 5), (y - 5, y + 5)), crs=crs)
    arrow = parts(ax)[2]
    east, north = arrow._dx, arrow._dy
    # The angle from true north to the north of the grid, clockwise.
    convergence = Proj(crs).get_factors(lon, lat).meridian_convergence
    assert np.degrees(np.arctan2(east, north)) == pytest.approx(-convergence, abs=0.01)


def test_scale_and_arrow_stand_where_no_ice_is():
    occupied = np.zeros((8, 8), bool)
    occupied[:4] = True
    assert emptiest_corner(occupied) == "lower left"
    assert emptiest_corner(occupied[::-1]) == "upper left"
    occupied[:, :4] = True
    assert emptiest_corner(occupied) == "lower right"


# --- ground and heights ---


def test_slopes_that_face_north_west_are_brightest():
    rows, cols = np.indices((41, 41)) - 20.0
    shade = maps.hillshade(2000.0 - 20.0 * np.hypot(rows, cols), 100.0)
    flanks = {"north-west": (10, 10), "north-east": (10, 30), "south-west": (30, 10), "south-east": (30, 30)}
    by_flank = {name: shade[at] for name, at in flanks.items()}
    assert max(by_flank, key=by_flank.get) == "north-west"
    assert min(by_flank, key=by_flank.get) == "south-east"
    assert by_flank["north-east"] == pytest.approx(by_flank["south-west"], abs=0.01)


def test_a_balance_map_has_shaded_ground_below_its_values_and_heights_where_they_are(ax, features):
    image = graphics.plot_balance_map(np.where(features.glacier, -1.0, np.nan), features, ax)
    (ground,) = ax.images
    assert ground.get_zorder() < image.get_zorder()
    contours = next(c for c in ax.collections if getattr(c, "levels", [0])[0] > 1000.0)
    # The map begins five cells west of the glacier, in the cell that is 2500 m high, and ends in that of 3150 m.
    assert list(contours.levels) == list(np.arange(2500.0, 3150.0, 100.0))
    for level, segments in zip(contours.levels, contours.allsegs, strict=True):
        east = 630.05 + (level - 2000.0) / 500.0
        assert all(np.allclose(line[:, 0], east, atol=1e-6) for line in segments)
    assert any(text.get_text().endswith(" m") for text in ax.texts)


def test_heights_that_no_line_crosses_have_none(ax):
    frame_map(ax, maps.Extent((0.0, 1.0), (0.0, 1.0)))
    x = np.array([0.0, 0.5, 1.0])
    assert maps.draw_heights(ax, x, x[::-1], np.full((3, 3), 2005.0)) is None


def test_the_line_of_zero_runs_between_loss_and_gain(ax, features):
    values = np.where(features.glacier, np.sign(features.elevation - 2850.0 + 1.0) * 1.0, np.nan)
    graphics.plot_balance_map(values, features, ax)
    zero = next(c for c in ax.collections if list(getattr(c, "levels", [])) == [0.0])
    line = np.concatenate(zero.allsegs[0])  # in two, with the number between them
    assert np.ptp(line[:, 0]) < 1e-6
    assert 630.05 + 16 * 0.1 < line[0, 0] < 630.05 + 17 * 0.1


# --- images and meltwater ---


def tracked(crs: CRS | None, pixel: float | None) -> Velocity:
    """Two images of 60 x 80 pixels, the ice in them moving to the right and down."""
    at, transform = np.arange(10.0, 60.0, 10.0), Affine(10.0, 0.0, 600_000.0, 0.0, -10.0, 4_400_000.0)
    values = np.add.outer(np.arange(60.0), np.arange(80.0))
    placed = transform if crs is not None else Affine.identity()
    images = [
        Image(values, values < 999, datetime.datetime(2020, 1, day), placed, crs, pixel, Path("a.tif"))
        for day in (1, 11)
    ]
    one = np.ones((5, 5))
    return Velocity(
        at, at, 0.1 * one, 0.3 * one, 0.01 * one, 0.0, one, one, 32 * one.astype(int), one < 0, one.astype(int),
        images, np.zeros((2, 2)), "stable ground", one < 0,
    )  # fmt: skip


@pytest.mark.parametrize("pixel", [None, 10.0])
def test_velocities_without_a_place_are_drawn_in_pixels_and_have_a_scale_if_these_have_a_size(pixel):
    ax = graphics.plot_ice_velocity(tracked(None, pixel)).axes[0]
    assert (ax.get_xlabel(), ax.get_ylim()) == ("column (px)", (59.5, -0.5))
    if pixel is None:
        assert not [artist for artist in ax.artists if isinstance(artist, AnchoredOffsetbox)]
    else:
        bar, words, arrow = parts(ax)
        assert bar * pixel / 1000.0 == pytest.approx(in_km(words))
        assert arrow is None


def test_velocities_with_a_place_are_drawn_in_its_kilometres_with_arrows_downstream():
    ax = graphics.plot_ice_velocity(tracked(CRS(32718), 10.0)).axes[0]
    assert ax.get_xlim() == pytest.approx((600.0, 600.8))
    assert ax.get_ylim() == pytest.approx((4399.4, 4400.0))
    arrows = next(c for c in ax.collections if hasattr(c, "U"))
    assert (arrows.U > 0).all()
    assert (arrows.V < 0).all()  # rows count to the south
    # Pixel (10, 10) has its centre 10.5 pixels from the corner.
    np.testing.assert_allclose(arrows.XY[0], [600.105, 4399.895])
    assert parts(ax)[2] is not None


def test_a_scene_with_a_place_is_drawn_there_and_half_a_place_is_refused():
    x, y = 25_000.0 * np.arange(7) - 2_400_000.0, 1_500_000.0 - 25_000.0 * np.arange(6)
    p = np.full((6, 7), 0.5)
    heights = 100.0 * np.add.outer(np.arange(6.0), np.arange(7.0))
    ax = graphics.plot_scene(p, p, x=x, y=y, crs=3412, elevation=heights).axes[0]
    assert ax.get_xlim() == pytest.approx((-2412.5, -2237.5))
    bar, words, arrow = parts(ax)
    assert bar == pytest.approx(in_km(words))
    assert arrow is not None
    with pytest.raises(ValueError, match="expected x and y with any of them"):
        graphics.plot_scene(p, p, x=x)
    with pytest.raises(ValueError, match=r"for a map of \(6, 7\); found \(7, 6\)"):
        graphics.plot_scene(p, p, x=y, y=x)
