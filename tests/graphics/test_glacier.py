"""Figures: what is drawn is what was given, colours are centred on zero, and the legend has the scores."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from oggm_glaunti.coupling.ground.features import Features
from oggm_glaunti.graphics import glacier as graphics
from oggm_glaunti.graphics.style import save_png


@pytest.fixture
def features() -> Features:
    """A glacier of 2 x 5 cells on a slope that rises 100 m a cell to the east, with 15 cells around it."""
    outline = np.pad(np.ones((2, 5)), 15)
    x, y = 630_050.0 + 100.0 * np.arange(35), 5_188_050.0 - 100.0 * np.arange(32)
    elevation = np.broadcast_to(1000.0 + 100.0 * np.arange(35), outline.shape)
    return Features(outline, elevation, np.full(outline.shape, 5.0), None, x, y, "EPSG:32632")


@pytest.fixture
def ax():
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.subplots()


def on_glacier(features: Features, values) -> np.ndarray:
    field = np.full(features.shape, np.nan)
    field[features.glacier] = values
    return field


# --- maps ---


@pytest.mark.parametrize(
    ("largest", "limit"), [(0.03, 0.04), (0.9, 1.2), (1.3, 1.6), (3.2, 4.0), (8.0, 8.0), (9.5, 12.0), (0.0, 1.0)]
)
def test_colours_are_centred_on_zero_and_end_at_a_round_number(features, ax, largest, limit):
    image = graphics.plot_balance_map(on_glacier(features, np.linspace(-largest, largest / 3, 10)), features, ax)
    assert image.get_clim() == pytest.approx((-limit, limit))


def test_no_shade_of_a_balance_map_holds_both_loss_and_gain(features, ax):
    image = graphics.plot_balance_map(on_glacier(features, 1.0), features, ax, limit=8.0)
    loss, gain = image.cmap(image.norm([-0.01, 0.01]))
    assert loss[0] > loss[2]  # red
    assert gain[2] > gain[0]  # blue


@pytest.mark.parametrize(
    ("values", "arrow"), [((-9.0, 1.0), "min"), ((-1.0, 9.0), "max"), ((-9.0, 9.0), "both"), ((-8.0, 8.0), "neither")]
)
def test_values_beyond_the_limit_give_the_colour_bar_an_arrow(features, ax, values, arrow):
    image = graphics.plot_balance_map(on_glacier(features, np.resize(values, 10)), features, ax, limit=8.0)
    assert ax.figure.colorbar(image).extend == arrow


def test_map_shows_the_values_on_their_cells_and_nothing_beside_the_glacier(features, ax):
    values = on_glacier(features, np.arange(10.0) - 4.0)
    image = graphics.plot_balance_map(values, features, ax)
    np.testing.assert_array_equal(image.get_array().filled(np.nan), values)
    assert image.cmap(np.ma.masked)[3] == 0.0


def test_map_holds_the_glacier_with_a_margin_in_kilometres_and_north_is_up(features, ax):
    graphics.plot_balance_map(on_glacier(features, 1.0), features, ax)
    assert ax.get_xlim() == pytest.approx((631.0, 632.5))
    assert ax.get_ylim() == pytest.approx((5185.9, 5187.1))


def test_elevation_map_shows_every_cell_that_the_corrector_sees(features, ax):
    image = graphics.plot_elevation(features, ax)
    np.testing.assert_array_equal(image.get_array(), features.elevation)
    assert ax.get_xlim() == pytest.approx((features.x[0] / 1000 - 0.05, features.x[-1] / 1000 + 0.05))


def test_a_map_of_other_cells_is_refused_with_both_shapes(features, ax):
    with pytest.raises(ValueError, match=r"expected a map of \(32, 35\).*found \(35, 32\)"):
        graphics.plot_balance_map(np.zeros((35, 32)), features, ax)


def test_a_map_without_values_is_refused(features, ax):
    with pytest.raises(ValueError, match="no finite value"):
        graphics.plot_balance_map(np.full(features.shape, np.nan), features, ax)


def test_functions_draw_on_the_current_axes_where_none_are_given(features):
    from matplotlib import pyplot as plt

    figure = plt.figure()
    try:
        graphics.plot_hypsometry(features)
        assert len(figure.axes) == 1
        assert figure.axes[0].patches
    finally:
        plt.close(figure)


# --- heights ---


def test_hypsometry_adds_up_to_the_area_of_the_glacier(features, ax):
    graphics.plot_hypsometry(features, ax)
    assert sum(bar.get_width() for bar in ax.patches) == pytest.approx(0.01 * features.glacier.sum())


def linear_model(**kwargs):
    """Loses a metre of water a year at 2000 m, gradient 1 m per 100 m, 10 cm more every year."""
    rate = lambda heights, year: ((heights - 2100.0) / 100.0 - 0.1 * (year - 2000)) / 0.9 / (365 * 86400.0)
    return SimpleNamespace(get_annual_mb=rate, rho=900.0, **kwargs)


def test_mean_profile_is_in_metres_of_water_and_the_mean_of_its_years():
    heights = [2000.0, 2100.0, 2300.0]
    profile = graphics.mean_profile(linear_model(sec_in_year=lambda year: 365 * 86400.0), heights, [2000, 2002])
    np.testing.assert_allclose(profile, [-1.1, -0.1, 1.9], rtol=1e-12)


def test_a_model_that_does_not_say_its_year_is_taken_for_one_of_365_days(oggm_env):
    np.testing.assert_allclose(graphics.mean_profile(linear_model(), [2000.0], [2000]), [-1.0], rtol=1e-12)


def test_profiles_can_be_told_apart_without_colour(ax):
    graphics.plot_profiles({name: [-1.0, 1.0] for name in "ABCDEF"}, [2000.0, 3000.0], ax)
    lines = ax.get_lines()[1:]  # the first marks zero
    assert [line.get_label() for line in lines] == list("ABCDEF")
    assert len({line._dash_pattern[1] and tuple(line._dash_pattern[1]) for line in lines}) == 6


# --- observations ---


def test_scatter_holds_all_points_between_equal_ends_and_says_the_scores(ax):
    found = graphics.plot_against_observations([-1.0, 0.0, 1.0], {"A": [-3.0, 0.0, 1.0]}, ax)
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.get_xlim()[0] < -3.0 < 1.0 < ax.get_xlim()[1]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["A: r 0.96, RMSE 1.15, bias −0.67"]
    assert found["A"].n == 3


def test_series_draws_observations_in_black_and_every_model(ax):
    graphics.plot_series([2001, 2002], [-1.0, 0.5], {"A": [0.0, 1.0], "C": [0.1, 0.9]}, ax)
    drawn = {line.get_label(): line for line in ax.get_lines()[1:]}
    assert list(drawn) == ["observed", "A", "C"]
    assert drawn["observed"].get_color() == "black"
    np.testing.assert_array_equal(drawn["C"].get_ydata(), [0.1, 0.9])


def test_scatter_leaves_out_missing_values_and_says_so(ax):
    found = graphics.plot_against_observations([-1.0, 0.0, 1.0, np.nan], {"A": [-1.0, np.nan, 1.5, 9.0]}, ax)
    assert found["A"].n_dropped == 2
    assert np.isfinite(ax.get_xlim()).all()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["A: r 1.00, RMSE 0.35, bias +0.25, 2 left out"]


def test_scatter_of_nothing_is_refused(ax):
    with pytest.raises(ValueError, match="no pair of an observed and a modelled value"):
        graphics.plot_against_observations([np.nan], {"A": [1.0]}, ax)


# --- files ---


def test_png_has_the_size_asked_for_and_nothing_else_is_left(tmp_path, ax):
    path = save_png(ax.figure, tmp_path / "figure.png", dpi=50)
    with Image.open(path) as image:
        assert image.size == tuple((50 * ax.figure.get_size_inches()).astype(int))
    assert [entry.name for entry in tmp_path.iterdir()] == ["figure.png"]


def test_a_figure_that_cannot_be_written_leaves_the_old_one(tmp_path, ax, monkeypatch):
    path = tmp_path / "figure.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(Image.Image, "quantize", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_png(ax.figure, path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["figure.png"]
