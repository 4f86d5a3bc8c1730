from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rasterio import Affine

from oggm_glaunti.companions.iceflow import frames, predictors, synthetic
from oggm_glaunti.companions.iceflow.images import Image
from oggm_glaunti.companions.iceflow.predict import Prediction
from oggm_glaunti.companions.iceflow.velocity import Velocity
from oggm_glaunti.graphics import (
    plot_apparent_balance,
    plot_ice_velocity,
    plot_image_shifts,
    plot_predictions,
    plot_stable_scatter,
    plot_table1,
    save_png,
)


@pytest.fixture(scope="module")
def velocity():
    """What a perfect tracker would find."""
    made = synthetic.scene((96, 96), (0.0, 10.0), fastest=0.2)
    at = np.arange(8, 96, 8)
    images = [
        Image(image, image < 99, datetime.datetime(2020, 1, 1 + 10 * k), Affine.identity(), None, None, Path("a.png"))
        for k, image in enumerate(made.images)
    ]
    rows, cols = (part[np.ix_(at, at)] for part in made.velocity)
    one = np.ones(rows.shape)
    return Velocity(
        at.astype(float), at.astype(float), rows, cols, 0.01 * one, 0.002, 0.9 * one, 3 * one, 32 * one.astype(int),
        one < 0, one.astype(int), images, np.array([[0.0, 0.0], [0.4, -0.2]]), "stable ground",
        ~made.ice[np.ix_(at, at)],
    )  # fmt: skip


@pytest.fixture(scope="module")
def chips():
    rng = np.random.default_rng(0)
    target = rng.normal(size=(6, 16, 16)).astype(np.float32)
    past = (target[:, None] + rng.normal(size=(6, 3, 16, 16))).astype(np.float32)
    return frames.Chips(target, past, past, np.array([30.0, 20.0, 10.0]), rng.uniform(0, 99, (6, 2)), 0)


def test_velocities_show_arrows_speed_and_error_in_pixels_or_metres(velocity, tmp_path):
    figure = plot_ice_velocity(velocity)
    labels = [ax.get_ylabel() for ax in figure.axes]
    assert "speed (px day$^{-1}$)" in labels
    assert "error of a component,\n1 sd (px day$^{-1}$)" in labels
    assert figure.get_suptitle() == "2020-01-01 to 2020-01-11, 2 images"
    assert save_png(figure, tmp_path / "v.png").exists()


def test_shifts_and_stable_ground_are_drawn(velocity, tmp_path):
    figure = plot_image_shifts(velocity)
    assert figure.get_suptitle() == "fixed by stable ground"
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.0, 0.4]
    save_png(figure, tmp_path / "s.png")
    scatter = plot_stable_scatter(0.4 + 0 * velocity.rows, -0.2 + 0 * velocity.cols, velocity.stable)
    assert scatter.axes[0].get_title() == f"{velocity.stable.sum()} windows, NMAD 0.00 and 0.00 px"
    save_png(scatter, tmp_path / "t.png")


def test_predictions_show_their_correlation_and_what_came(chips, tmp_path):
    made = {name: predict(chips) for name, predict in predictors.PREDICTORS.items()}
    table = predictors.table1([predictors.scores(chips)], [True])
    figure = plot_predictions(Prediction(chips, made, table, None, np.zeros(2)), rows=2)
    assert [ax.get_title() for ax in figure.axes[:6]] == [
        "persistence", "high-pass", "advected last", "advected median", "agreement", "what came",
    ]  # fmt: skip
    assert len(figure.axes) == 12
    save_png(figure, tmp_path / "p.png")
    bars = plot_table1(table)
    assert [label.get_text() for label in bars.axes[0].get_yticklabels()] == list(table.index)
    save_png(bars, tmp_path / "b.png")


def test_apparent_balances_stand_next_to_glaunti(tmp_path):
    table = pd.DataFrame(
        {"low": [2000.0, 2500.0], "high": [2500.0, 3000.0], "area": [1.0, 3.0], "dhdt": [-2.0, -1.0]}
        | {"balance": [-5.0, 0.5], "error": [1.0, 0.3], "glaunti": [-5.5, 0.4]}
    )
    table.attrs = {"velocity": "millan", "thickness": "consensus_ice_thickness", "years": (2000, 2019)}
    figure = plot_apparent_balance([table, table.drop(columns="glaunti")])
    words = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert "GlaUnTI, 2000–2019" in words
    assert words.count("millan velocity, consensus ice thickness") == 2
    save_png(figure, tmp_path / "a.png")
