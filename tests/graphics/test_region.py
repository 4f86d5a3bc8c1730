"""Figures of a region: every glacier is drawn, in its colour and size, and what is missing is seen."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from shapely.geometry import box

from oggm_glaunti.graphics.region import plot_region_map, plot_region_series
from oggm_glaunti.region.dataset import region_sums

IDS = ["RGI60-11.00001", "RGI60-11.00002", "RGI60-11.00003"]


def make_region(seasons: bool = True, missing: bool = False) -> xr.Dataset:
    """Three glaciers of 1, 10 and 4 km2 over four years; the last may lack values."""
    years = np.arange(2001, 2005)
    smb = np.array([[-1.0, -2.0, -1.5, -3.5], [0.5, -0.5, 0.2, -1.0], [-0.5, -1.0, -0.8, -2.0]])
    area = np.array([1.0, 10.0, 4.0])[:, None] * np.ones(4)
    if missing:
        smb[2], area[2] = np.nan, np.nan
    dims = ("rgi_id", "time")
    ds = xr.Dataset(
        {"specific_mb": (dims, smb, {"units": "m year-1"}), "area": (dims, area), "ela": (dims, 3000 - 200 * smb)},
        coords={
            "rgi_id": IDS,
            "time": years.astype(str).astype("M8[Y]").astype("M8[ns]") + np.timedelta64(272, "D"),
            "year": ("time", years),
            "cenlon": ("rgi_id", [10.6, 10.8, 11.0]),
            "cenlat": ("rgi_id", [46.7, 46.8, 46.9]),
            "rgi_area": ("rgi_id", [1.0, 10.0, 4.0]),
        },
    )
    if seasons:
        ds["winter_mb"] = 1.2 + 0 * ds["specific_mb"]
        ds["summer_mb"] = ds["specific_mb"] - ds["winter_mb"]
    for name, values in region_sums(ds).items():
        ds[name] = ("time", values)
    return ds


@pytest.fixture
def ax():
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.subplots()


@pytest.fixture
def outlines() -> gpd.GeoDataFrame:
    squares = [
        box(lon - 0.05, lat - 0.05, lon + 0.05, lat + 0.05) for lon, lat in ((10.6, 46.7), (10.8, 46.8), (11, 46.9))
    ]
    return gpd.GeoDataFrame({"RGIId": IDS}, geometry=squares, crs=4326).iloc[[2, 0, 1]]


def coloured(ax):
    """The artists that carry values."""
    return next(c for c in ax.collections if c.get_array() is not None)


# --- the map ---


def test_every_glacier_is_where_it_is_with_its_value(ax):
    ds = make_region()
    plot_region_map(ds, ax=ax, time=2004)
    discs = coloured(ax)
    places = [(round(float(x), 1), round(float(y), 1)) for x, y in discs.get_offsets()]
    found = dict(zip(places, discs.get_array(), strict=True))
    assert found == {(10.6, 46.7): -3.5, (10.8, 46.8): -1.0, (11.0, 46.9): -2.0}
    assert "3 glaciers, 2004" in ax.get_title()


def test_discs_have_areas_like_the_glaciers_and_small_ones_lie_on_top(ax):
    plot_region_map(make_region(), ax=ax)
    sizes = coloured(ax).get_sizes()
    assert sizes[1] / sizes[0] == pytest.approx(0.4)
    assert sizes[2] / sizes[0] == pytest.approx(0.1)


@pytest.mark.parametrize(("largest", "said"), [(9.9, "5"), (4.0, "2"), (1.9, "1"), (0.3, "0.2")])
def test_the_largest_disc_of_the_legend_is_of_the_order_of_the_largest_glacier(ax, largest, said):
    ds = make_region()
    ds["rgi_area"] = ds["rgi_area"] * largest / 10.0
    plot_region_map(ds, ax=ax)
    assert ax.get_legend().get_texts()[0].get_text() == f"{said} km$^2$"


def test_without_a_time_the_mean_of_all_years_is_drawn(ax):
    plot_region_map(make_region(), ax=ax)
    assert coloured(ax).get_array()[0] == pytest.approx((0.5 - 0.5 + 0.2 - 1.0) / 4)
    assert "mean of 2001 to 2004" in ax.get_title()


def test_colours_of_a_balance_are_centred_on_zero_and_named_with_units(ax):
    plot_region_map(make_region(), ax=ax)
    assert coloured(ax).get_clim() == (-2.0, 2.0)
    assert "m w.e." in ax.figure.axes[-1].get_ylabel()


def test_other_variables_have_the_range_of_their_values(ax):
    plot_region_map(make_region(), "ela", ax=ax, time=2004)
    assert coloured(ax).get_clim() == (3200.0, 3700.0)
    assert ax.figure.axes[-1].get_ylabel() == "equilibrium line altitude (m)"


def test_values_beyond_the_limit_get_an_arrow(ax):
    plot_region_map(make_region(), ax=ax, time=2004, limit=2.0)
    assert coloured(ax).colorbar.extend == "min"


@pytest.mark.parametrize("with_outlines", [False, True])
def test_glaciers_without_values_are_seen_and_counted(ax, outlines, with_outlines):
    plot_region_map(make_region(missing=True), ax=ax, time=2002, outlines=outlines if with_outlines else None)
    assert ax.get_title() == f"2 glaciers, 2002, 1 without values ({'hatched' if with_outlines else 'rings'})"
    assert len(coloured(ax).get_array()) == 2
    empty = [c for c in ax.collections if c.get_array() is None and len(c.get_facecolor()) == 0]
    assert any(len(c.get_paths()) == 1 for c in empty)


def test_outlines_have_the_colours_of_their_own_glaciers(ax, outlines):
    plot_region_map(make_region(), ax=ax, time=2004, outlines=outlines.to_crs(32632))
    polygons = coloured(ax)
    places = [round(path.vertices[:, 0].mean(), 1) for path in polygons.get_paths()]
    assert dict(zip(places, polygons.get_array(), strict=True)) == {10.6: -3.5, 10.8: -1.0, 11.0: -2.0}


def test_outlines_that_lack_a_glacier_are_an_error(ax, outlines):
    with pytest.raises(ValueError, match=r"1 are missing, for example RGI60-11\.00002"):
        plot_region_map(make_region(), ax=ax, outlines=outlines.iloc[:2])


def test_a_mean_is_of_the_glaciers_with_all_years_only(ax):
    ds = make_region()
    ds["specific_mb"][0, 1] = np.nan
    plot_region_map(ds, ax=ax)
    assert "2 glaciers" in ax.get_title()
    assert "1 without values" in ax.get_title()


def test_a_region_across_the_date_line_stays_together(ax):
    ds = make_region().assign_coords(cenlon=("rgi_id", [179.5, -179.8, -179.0]))
    plot_region_map(ds, ax=ax)
    assert np.ptp(coloured(ax).get_offsets()[:, 0]) < 2
    assert [ax.xaxis.get_major_formatter()(lon) for lon in (179.5, 181.0)] == ["179.5°E", "179°W"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variable": "debris"}, r"no variable 'debris'.*specific_mb"),
        ({"variable": "region_count"}, r"no variable 'region_count' with dimensions"),
        ({"time": "1990"}, r"no time '1990'; the dataset holds 2001 to 2004"),
    ],
)
def test_what_cannot_be_drawn_is_named(ax, arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_region_map(make_region(), ax=ax, **arguments)


# --- the years ---


def test_the_lines_are_the_regions_means_and_their_sum():
    ds = make_region()
    fig, axes = plot_region_series(ds)
    annual, _, cumulative = axes
    np.testing.assert_array_equal(annual.lines[-1].get_ydata(), ds["region_specific_mb"])
    np.testing.assert_allclose(cumulative.lines[-1].get_ydata(), [0, *np.cumsum(ds["region_specific_mb"].values)])
    assert cumulative.lines[-1].get_xdata().tolist() == [2000, 2001, 2002, 2003, 2004]
    assert annual.get_title() == "3 of 3 glaciers, 15 km$^2$ in 2001"
    plt.close(fig)


def test_winter_is_up_and_summer_is_down():
    ds = make_region()
    fig, (_, seasons, _) = plot_region_series(ds)
    winter, summer = ([bar.get_height() for bar in bars] for bars in seasons.containers)
    np.testing.assert_allclose(winter, ds["region_winter_mb"])
    np.testing.assert_allclose(summer, ds["region_summer_mb"])
    plt.close(fig)


def test_the_shading_holds_four_of_five_glaciers():
    ds = make_region()
    fig, axes = plot_region_series(ds)
    (shade,) = axes[0].collections
    low, high = np.quantile(ds["specific_mb"].isel(time=0), (0.1, 0.9))
    ys = shade.get_paths()[0].vertices
    assert sorted(set(ys[np.isclose(ys[:, 0], 2001), 1].round(9))) == pytest.approx([low, high])
    plt.close(fig)


def test_calendar_years_have_two_panels():
    ds = make_region(seasons=False).assign_attrs(balance_years="calendar")
    fig, axes = plot_region_series(ds)
    assert len(axes) == 2
    assert axes[-1].get_xlabel() == "calendar year"
    plt.close(fig)


def test_the_number_of_glaciers_counted_is_said():
    fig, axes = plot_region_series(make_region(missing=True))
    assert axes[0].get_title().startswith("2 of 3 glaciers, 11 km")
    plt.close(fig)


def test_wrong_axes_and_empty_regions_are_named():
    ds = make_region()
    fig, axes = plt.subplots(2)
    with pytest.raises(ValueError, match="expected 3 axes, found 2"):
        plot_region_series(ds, axes)
    ds["region_specific_mb"][:] = np.nan
    with pytest.raises(ValueError, match="no value in any year"):
        plot_region_series(ds)
    plt.close(fig)
