"""Figures of meltwater maps draw what they are given."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from oggm_glaunti import graphics

rng = np.random.default_rng(0)


def test_a_scene_is_drawn_beside_what_was_observed_and_their_difference():
    p, y = rng.random((6, 7)), rng.random((6, 7))
    y[0, 0] = np.nan
    figure = graphics.plot_scene(p, y, np.arange(7)[None] > np.zeros((6, 1)), "scene")
    shown = [ax.images[0].get_array() for ax in figure.axes[:3]]
    assert shown[0].mask[:, 0].all()
    assert shown[1].mask.sum() == 1
    np.testing.assert_allclose(shown[2][1:, 1:], (p - y)[1:, 1:])


def test_errors_by_gap_are_the_scores_of_their_bins():
    y = (rng.random((3, 9, 9)) < 0.3).astype(float)
    gap = rng.integers(1, 10, y.shape)
    figure = graphics.plot_error_by_gap({"nothing": 0 * y, "half": 0 * y + 0.5}, y, gap)
    nothing, half = (line.get_ydata() for line in figure.axes[0].lines)
    assert nothing[0] == pytest.approx(y[gap == 1].mean())
    np.testing.assert_allclose(half, 0.25)


def test_reliability_is_drawn_of_bins_with_enough_cells():
    p = np.concatenate([np.full(300, 0.15), np.full(300, 0.85), np.full(10, 0.5)])
    y = np.concatenate([np.zeros(300), np.ones(300), np.ones(10)])
    figure = graphics.plot_reliability({"sharp": p}, y)
    np.testing.assert_allclose(figure.axes[0].lines[1].get_xydata(), [[0.15, 0.0], [0.85, 1.0]])


def test_bars_of_an_ablation_are_means():
    figure = graphics.plot_ablation({"all": [0.1, 0.3], "without DEM": [0.4]})
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx([0.2, 0.4])


def test_the_extent_is_the_sum_of_probabilities_with_its_band():
    time = np.datetime64("2020-06-01") + np.arange(3)
    p = np.array([[[0.0, 0.05]], [[0.5, 1.0]], [[0.95, np.nan]]])
    figure = graphics.plot_extent(time, {"map": p}, 2.0, (time, np.zeros(3)))
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [0.1, 3.0, 1.9])
    band = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == 4.0


def test_melt_by_height_is_the_mean_of_each_band():
    melt = np.array([[[0.01, 0.03], [0.05, np.nan]]] * 2)
    elevation = np.array([[2950.0, 2960.0], [3010.0, np.nan]])
    season = xr.Dataset(
        {
            "melt": (("time", "y", "x"), melt),
            "elevation": (("y", "x"), elevation),
            "melt_line": ("time", [3000.0, 3100.0]),
        },
        {"time": np.array(["2020-06-01", "2020-06-02"], "datetime64[ns]")},
    )
    figure = graphics.plot_melt_by_height(season, (season.time.values, np.array([2900.0, 3000.0])))
    values = figure.axes[0].collections[0].get_array()
    np.testing.assert_allclose(np.reshape(values, (2, 2))[:, 0], [20.0, 50.0])
    assert len(figure.axes[0].lines) == 2
