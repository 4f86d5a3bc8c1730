"""Figures of filled voids: they are where they are, differences are drawn and not heights, errors are in their bins."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from PIL import Image

from oggm_glaunti import graphics
from oggm_glaunti.companions.dem.coregister import shifted
from oggm_glaunti.companions.dem.impute import impute_dem_stack
from oggm_glaunti.companions.dem.scores import HeldOut, joined
from oggm_glaunti.graphics.dem import hidden_pixels
from oggm_glaunti.graphics.style import save_png

ROWS, COLUMNS = 24, 30
X, Y = 500_050.0 + 100.0 * np.arange(COLUMNS), 5_202_350.0 - 100.0 * np.arange(ROWS)


def ground() -> np.ndarray:
    rows, columns = np.indices((ROWS, COLUMNS))
    return 3000.0 - 20.0 * rows + 80.0 * np.sin(columns / 4.0)


@pytest.fixture
def filled() -> xr.Dataset:
    """Three years, one void of two cells by three, a surface that sinks by 1 m a year in the south."""
    trend = np.zeros((ROWS, COLUMNS))
    trend[12:] = -1.0
    z = ground() + 50.0 + np.arange(3)[:, None, None] * trend
    imputed = np.zeros(z.shape, bool)
    imputed[:, 4:6, 10:13] = True
    cells = ("year", "y", "x")
    return xr.Dataset(
        {
            "z": (cells, z),
            "z_std": (cells, np.where(imputed, 40.0, 4.0)),
            "imputed": (cells, imputed),
            "dh_trend": (cells[1:], trend),
        },
        {"year": [2000, 2001, 2002], "y": Y, "x": X},
    )


def panel(figure, words):
    return next(ax for ax in figure.axes if ax.get_title().startswith(words))


def bar_labels(figure) -> list[str]:
    return [ax.get_xlabel() for ax in figure.axes if ax.get_label() == "<colorbar>"]


def image_of(ax) -> np.ndarray:
    return np.asarray(ax.images[0].get_array())


# --- the map ---


def test_maps_are_named_with_units_and_the_title_says_how_much_was_filled(filled):
    figure = graphics.plot_voids(filled, title="Ice")
    assert [ax.get_title() for ax in figure.axes[:3]] == ["surface", "standard deviation", "trend"]
    assert bar_labels(figure) == ["elevation (m)", "standard deviation (m)", "trend (m a$^{-1}$)"]
    assert figure.get_suptitle() == "Ice, 2000-2002: 6 of 720 cells filled (red edges)"
    np.testing.assert_array_equal(image_of(panel(figure, "surface")), filled["z"].median("year"))


def test_voids_are_outlined_along_the_edges_of_their_cells(filled):
    ax = panel(graphics.plot_voids(filled), "trend")
    corners = np.concatenate([path.vertices for path in ax.collections[0].get_paths()])
    assert len(ax.collections[0].get_paths()) == 2 * (2 + 3)
    np.testing.assert_allclose(corners.min(axis=0), [501.0, 5201.8])
    np.testing.assert_allclose(corners.max(axis=0), [501.3, 5202.0])


@pytest.mark.slow
def test_a_raster_whose_first_row_is_south_gives_the_same_figure(filled, tmp_path):
    reference, outline = shifted(ground(), -0.4, 0.2), ground() > 2800
    pictures = []
    for name, order in {"north": slice(None), "south": slice(None, None, -1)}.items():
        figure = graphics.plot_voids(filled.isel(y=order), dem_ref=reference[order], outline=outline[order])
        pictures.append(np.asarray(Image.open(save_png(figure, tmp_path / f"{name}.png", dpi=50)).convert("RGB")))
    np.testing.assert_array_equal(*pictures)


def test_colours_of_trends_and_differences_are_centred_on_zero(filled):
    figure = graphics.plot_voids(filled, dem_ref=ground())
    for ax in (panel(figure, "trend"), panel(figure, "above the reference")):
        low, high = ax.images[0].get_clim()
        assert low == -high < 0


def test_the_reference_of_the_dataset_is_compared_with_and_the_median_is_said(filled):
    filled["z"] = filled["z"] - filled["dh_trend"] * xr.DataArray([0, 1, 2], dims="year")
    figure = graphics.plot_voids(filled.assign(reference=(("y", "x"), ground() - 3.0)))
    np.testing.assert_allclose(image_of(panel(figure, "above")), 0.0, atol=1e-9)
    assert "less the median of +53.0 m" in panel(figure, "above").get_title()
    given = graphics.plot_voids(filled.assign(reference=(("y", "x"), ground())), dem_ref=ground() + 5.0)
    assert "less the median of +45.0 m" in panel(given, "above").get_title()


def test_values_beyond_a_colour_bar_get_an_arrow(filled):
    filled["dh_trend"][0, 0] = -50.0
    figure = graphics.plot_voids(filled)
    assert panel(figure, "trend").images[0].colorbar.extend == "min"
    assert panel(figure, "surface").images[0].colorbar.extend == "neither"


def test_what_an_imputation_returns_is_drawn():
    z = np.stack([ground(), ground() - 1.0])
    z[:, 5:7, 5:9] = np.nan
    stack = xr.DataArray(z, {"year": [2000, 2010], "y": Y, "x": X}, ("year", "y", "x"))
    made = impute_dem_stack(stack, np.full(z.shape, 3.0), ground(), coregister=False, method="idw")
    figure = graphics.plot_voids(made)
    assert "8 of 720 cells" in figure.get_suptitle()
    assert panel(figure, "above the reference")


def test_what_cannot_be_drawn_is_named(filled):
    with pytest.raises(ValueError, match=r"no z_std, dh_trend; it holds z, imputed"):
        graphics.plot_voids(filled[["z", "imputed"]])
    with pytest.raises(ValueError, match=r"outline has the shape \(3, 3\); expected \(24, 30\)"):
        graphics.plot_voids(filled, outline=np.ones((3, 3)))


# --- hidden pixels ---


def made_hold_out(error: float = 2.0) -> HeldOut:
    """Four pixels, two years: true heights 10, 20, 30, 40 m above the reference; predicted more."""
    pixels = np.zeros((ROWS, COLUMNS), bool)
    pixels[3, 5:7] = pixels[8, 20:22] = True
    reference = ground()[pixels]
    above = reference + np.array([10.0, 20.0, 30.0, 40.0])
    true = np.stack([above, above + 1.0])
    distance, slope = np.array([1.0, 1.4, 2.2, 3.0]), np.array([5.0, 15.0, 15.0, 70.0])
    return HeldOut(true, true + error * distance, np.full((2, 4), 3.0), reference, slope, distance, pixels)


def test_differences_to_the_reference_are_drawn_and_not_heights():
    found = made_hold_out()
    points = np.asarray(graphics.plot_held_out(found).axes[0].collections[0].get_offsets())
    expected = {10.0, 20.0, 30.0, 40.0, 11.0, 21.0, 31.0, 41.0}
    assert set(points[:, 0].round(6)) == expected
    np.testing.assert_allclose(sorted(set((points[:, 1] - points[:, 0]).round(6))), [2.0, 2.8, 4.4, 6.0])


def test_the_legend_says_the_scores_of_all_heights_and_how_many_lie_outside():
    found = made_hold_out()
    text = graphics.plot_held_out(found).axes[0].get_legend().get_texts()[0].get_text()
    errors = np.tile(2.0 * found.distance, 2)
    assert "1:1 (8 heights" in text
    assert f"RMSE {np.sqrt(np.mean(errors**2)):.1f} m, median |error| {np.median(errors):.1f} m" in text
    assert "75 % within 90 % intervals" in text


def test_many_heights_are_drawn_as_a_density_that_counts_each_once(monkeypatch):
    found = made_hold_out()
    monkeypatch.setattr(hidden_pixels, "MANY", 4)
    monkeypatch.setattr(hidden_pixels, "OUTSIDE", 0.0)
    axes = graphics.plot_held_out([found, joined([found, found])]).axes
    assert axes[0].collections[0].get_array().sum() == 24
    assert "heights in a hexagon" in [ax.get_ylabel() for ax in axes]


def test_errors_are_in_the_bins_of_their_distance_and_slope():
    found = made_hold_out()
    _, by_distance, by_slope = graphics.plot_held_out(found).axes
    labels = [[tick.get_text().splitlines() for tick in ax.get_xticklabels()] for ax in (by_distance, by_slope)]
    assert labels[0] == [["1–2", "50 %"], ["2–3", "25 %"], ["3–4", "25 %"]]
    assert [label[0] for label in labels[1]] == ["0–10", "10–20", "50+"]
    median, high = by_distance.get_lines()
    np.testing.assert_allclose(median.get_ydata(), [2.4, 4.4, 6.0])
    assert high.get_ydata()[0] == pytest.approx(2.8)


def test_years_without_a_height_are_left_out():
    found = made_hold_out()
    found.true[1] = np.nan
    figure = graphics.plot_held_out(found)
    assert len(figure.axes[0].collections[0].get_offsets()) == 4
    assert "1:1 (4 heights" in figure.axes[0].get_legend().get_texts()[0].get_text()


def test_methods_have_colours_and_markers_of_their_own():
    few, many = made_hold_out(1.0), made_hold_out(4.0)
    figure = graphics.plot_errors({"good": few, "bad": [many, many]}, "Ice")
    lines = figure.axes[0].get_lines()
    assert [line.get_label() for line in lines[::2]] == ["good: median", "bad: median"]
    assert len({(line.get_color(), line.get_marker()) for line in lines[::2]}) == 2
    np.testing.assert_allclose(lines[2].get_ydata(), 4.0 * lines[0].get_ydata())
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


# --- what a moving surface changes ---


def balances(smb) -> dict[str, np.ndarray]:
    ends = np.array([f"{year}-09-30" for year in range(2001, 2004)], "datetime64[D]")
    return {"time": ends, "smb": np.asarray(smb)}


def test_bars_are_yearly_minus_fixed():
    figure = graphics.plot_surface_change(balances([-1.0, 0.5, 0.0]), balances([-1.2, 0.6, -0.3]), "Ice")
    bars = figure.axes[1].patches
    np.testing.assert_allclose([bar.get_height() for bar in bars], [-0.2, 0.1, -0.3])
    np.testing.assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in bars], [2001, 2002, 2003])
    losses, gains = mpl.colors.to_hex(bars[0].get_facecolor()), mpl.colors.to_hex(bars[1].get_facecolor())
    assert (losses, gains) == ("#b2182b", "#2166ac")
    assert figure.axes[1].texts[0].get_text() == "mean −0.133"
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["fixed surface, mean −0.167", "surface of the year, mean −0.300"]


def test_a_change_of_height_has_a_panel_of_its_own():
    series = balances([-1.0, 0.5, 0.0])
    figure = graphics.plot_surface_change(series, series, height_change=[1.0, 0.0, -2.0])
    assert [ax.get_ylabel().split(":")[0] for ax in figure.axes[1:]] == ["balance", "height"]
    assert [bar.get_height() for bar in figure.axes[2].patches] == [1.0, 0.0, -2.0]


def test_other_years_are_an_error():
    fixed = balances([-1.0, 0.5, 0.0])
    later = {**fixed, "time": fixed["time"] + np.timedelta64(365, "D")}
    with pytest.raises(ValueError, match="fixed has 3 periods to 2003, yearly 3 to 2004"):
        graphics.plot_surface_change(fixed, later)
