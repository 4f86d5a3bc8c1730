"""Figures of an evaluation: every observation is drawn where it belongs, and gaps stay gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from oggm_glaunti.graphics import fit as fit_graphics


@pytest.fixture
def predictions() -> pd.DataFrame:
    rows = [
        ("Ice", "point", "annual", 2001, -1.0, -1.5, -1.1),
        ("Ice", "point", "annual", 2002, 0.5, np.nan, 0.4),
        ("Snow", "point", "summer", 2001, -3.0, -2.0, -3.5),
        ("Ice", "glacier-wide", "annual", 2001, -1.0, -1.5, -1.1),
        ("Ice", "glacier-wide", "annual", 2004, -0.5, -1.0, -0.1),
        ("Snow", "glacier-wide", "annual", 2004, -2.5, -2.0, -2.1),
    ]
    return pd.DataFrame(rows, columns=["glacier", "kind", "season", "year", "true", "pred_a", "pred_c"])


def points_of(ax, i: int = 0) -> np.ndarray:
    return np.ma.filled(ax.collections[i].get_offsets(), np.nan)


def test_scatter_has_a_row_per_model_and_a_column_per_season(predictions):
    figure = fit_graphics.plot_scatter(predictions, "point")
    assert [ax.get_title() for ax in figure.axes] == ["point, annual", "point, summer", "", ""]
    assert figure.axes[0].get_ylabel() == "model A\npredicted (m w.e.)"
    assert figure.axes[3].get_xlabel() == "observed (m w.e.)"
    np.testing.assert_array_equal(points_of(figure.axes[1]), [[-3.0, -2.0]])
    np.testing.assert_array_equal(points_of(figure.axes[3]), [[-3.0, -3.5]])


def test_panels_of_a_season_have_the_same_limits_and_hold_everything(predictions):
    figure = fit_graphics.plot_scatter(predictions, "point")
    first, _, second, _ = figure.axes
    assert first.get_xlim() == first.get_ylim() == second.get_xlim()
    assert first.get_xlim()[0] < -1.5 < 0.5 < first.get_xlim()[1]


def test_panels_say_the_scores_and_what_they_are_of(predictions):
    text = fit_graphics.plot_scatter(predictions, "glacier-wide").axes[0].texts[0].get_text()
    assert text.splitlines() == ["n = 3", "r 0.96", "RMSE 0.50", "bias −0.17"]
    text = fit_graphics.plot_scatter(predictions, "point").axes[1].texts[0].get_text()
    assert text.splitlines() == ["n = 1", "RMSE 1.00", "bias +1.00"]  # r of one point is not said


def test_residuals_are_predicted_minus_observed_with_their_mean_dashed(predictions):
    ax = fit_graphics.plot_residuals(predictions, "glacier-wide").axes[0]
    np.testing.assert_allclose(points_of(ax)[:, 1], [-0.5, -0.5, 0.5])
    assert ax.get_lines()[1].get_ydata()[0] == pytest.approx(-1 / 6)
    assert ax.texts[0].get_text().splitlines() == ["bias −0.17", "RMSE 0.50"]


def test_residuals_by_glacier_are_means_in_alphabetical_order(predictions):
    ax = fit_graphics.plot_residuals_by_glacier(predictions, "glacier-wide").axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Ice", "Snow"]
    means = points_of(ax, [c.get_label() for c in ax.collections].index("model A, mean"))
    np.testing.assert_allclose(means[:, 0], [-0.5, 0.5])
    assert np.all(np.abs(means[:, 1] - [0, 1]) < 0.5)


def test_series_are_broken_where_a_year_is_missing(predictions):
    (figure,) = fit_graphics.plot_glacier_series(predictions, "annual")
    observed = figure.axes[0].get_lines()[1]
    assert (observed.get_color(), list(observed.get_xdata())) == ("black", [2001, 2002, 2003, 2004])
    np.testing.assert_array_equal(np.isnan(observed.get_ydata()), [False, True, True, False])


def test_many_glaciers_are_on_several_pages(predictions):
    wide = predictions[predictions["kind"] == "glacier-wide"]
    many = pd.concat([wide.assign(glacier=f"{wide['glacier'].iloc[0]} {i:02d}") for i in range(20)])
    pages = fit_graphics.plot_glacier_series(many, "annual")
    assert [sum(bool(ax.get_title()) for ax in page.axes) for page in pages] == [16, 4]


@pytest.mark.slow
def test_only_figures_with_data_are_written(predictions, tmp_path):
    written = fit_graphics.save_figures(predictions, tmp_path, dpi=40)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in written)
    assert {path.stem for path in written} == {
        *(
            f"{what}_{kind}"
            for what in ("scatter", "residuals", "residuals_by_glacier")
            for kind in ("point", "glacier-wide")
        ),
        "series_annual",
    }
    with Image.open(written[0]) as image:
        assert image.width > 100


def test_a_model_without_any_prediction_has_an_empty_panel(predictions):
    empty = predictions.assign(pred_c=np.nan)
    for plot in (fit_graphics.plot_scatter, fit_graphics.plot_residuals, fit_graphics.plot_residuals_by_glacier):
        figure = plot(empty, "point")
        assert all(np.isfinite(ax.get_xlim()).all() for ax in figure.axes)


def test_a_kind_without_observations_is_refused(predictions):
    with pytest.raises(ValueError, match="no geodetic balances among the 6 predictions"):
        fit_graphics.plot_scatter(predictions, "geodetic")
