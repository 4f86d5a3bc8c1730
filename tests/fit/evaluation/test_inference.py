"""Predictions: the published numbers season by season, states carried over the years, maps read where points are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oggm_glaunti import shop
from oggm_glaunti.core.forcing import GriddedForcing, StationForcing
from oggm_glaunti.core.glaunti import Season, geometry_fields
from oggm_glaunti.core.run import run_ti, season_weights
from oggm_glaunti.core.weights import embedded_a
from oggm_glaunti.fit.data.year import YearData
from oggm_glaunti.fit.evaluation import inference
from oggm_glaunti.fit.training import arrays
from tests.core import worlds

from ..valleys import Valley, targets

PARITY = 2e-5  # m w.e.


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "reference" / "glaunti_reference.npz") as arrays:
        return {name: arrays[name] for name in arrays.files if name.startswith(("in_", "a_", "b_", "c_", "d_"))}


def reference_year(r: dict[str, np.ndarray], seasonal: bool, facies: bool = False) -> YearData:
    dates, mid = r["in_dates"].astype("datetime64[D]"), int(r["in_mid_index"])
    parts = [slice(0, mid + 1), slice(mid, None)] if seasonal else [slice(None)]
    seasons = tuple(
        Season(GriddedForcing(r["in_temperature"][p], r["in_precipitation"][p]), season_weights(dates[p].size))
        for p in parts
    )
    place = (r["in_outlines"], r["in_elevation"])
    fields = np.asarray(geometry_fields(*place, r["in_elevation_std"], r["in_facies"] if facies else None))
    mid_day = dates[mid] if seasonal else None
    return YearData(2019, dates[0], mid_day, dates[-1], seasons, fields, r["in_climate_monthly"], *place, {})


def predict_reference(model, year: YearData):
    return inference.predict_year(model, inference.start_state(model, year.elevation.shape), year)


@pytest.mark.slow
@pytest.mark.parametrize("name", "ABCD")
def test_winter_and_summer_are_those_of_the_published_code(name, reference, weights_dir):
    model = shop.load_model(name, weights_dir / f"{name.lower()}.eqx")
    found = predict_reference(model, reference_year(reference, seasonal=True, facies=name == "D"))
    for season in ("winter", "summer"):
        expected = reference[f"{name.lower()}_{season}_smb"]
        np.testing.assert_allclose(found.maps[season], expected, rtol=0, atol=PARITY)


@pytest.mark.slow
@pytest.mark.parametrize("name", "ABC")
def test_a_year_without_a_day_between_is_the_published_annual_run(name, reference, weights_dir):
    model = shop.load_model(name, weights_dir / f"{name.lower()}.eqx")
    found = predict_reference(model, reference_year(reference, seasonal=False))
    assert set(found.maps) == {"annual"}
    np.testing.assert_allclose(found.maps["annual"], reference[f"{name.lower()}_annual_smb"], rtol=0, atol=PARITY)
    if name == "C":
        np.testing.assert_allclose(found.ds, reference["c_annual_ds"], rtol=0, atol=PARITY)


# --- seasons and years ---


@pytest.mark.slow
def test_the_day_that_seasons_share_counts_half_in_each_so_that_they_add_up_to_the_year():
    model = embedded_a()
    whole, halves = (Valley(no_mid=no_mid, mid="07-10") for no_mid in ([2001], []))
    state = inference.start_state(model, whole.shape)
    annual = inference.predict_year(model, state, whole.load(2001)).maps["annual"]
    found = inference.predict_year(model, state, halves.load(2001), daily=True)
    np.testing.assert_array_equal(found.maps["annual"], found.maps["winter"] + found.maps["summer"])
    # The shared day runs twice with half of its snow: not quite the same as once with all of it.
    half_a_day = np.abs(found.daily[1][0]).max()
    assert np.abs(found.maps["annual"] - annual).max() < 0.3 * half_a_day


@pytest.mark.slow
@pytest.mark.parametrize("name", "ABC")
def test_days_add_up_to_their_season_and_every_day_is_there_once(name):
    model, valley = worlds.model(name), Valley()
    data = valley.load(2001)
    found = inference.predict_year(model, inference.start_state(model, valley.shape), data, daily=True)
    for daily, season, key in zip(found.daily, data.seasons, ("winter", "summer"), strict=True):
        assert daily.shape == (season.weights.size, *valley.shape)
        np.testing.assert_allclose(daily.sum(axis=0), found.maps[key], atol=PARITY * max(1, np.abs(daily).max()))


@pytest.mark.slow
def test_snow_is_carried_from_season_to_season_and_year_to_year():
    model, valley = embedded_a(), Valley(no_mid=[2002])
    predicted = {p.year: p for _, p in inference.predict_glacier(model, valley)}
    swe = inference.start_state(model, valley.shape).values
    for year in valley.years:
        total = 0.0
        for season in valley.load(year).seasons:
            swe, smb, _ = run_ti(model.ti.resolve(), swe, *season)
            total = total + np.asarray(smb)
        np.testing.assert_allclose(predicted[year].maps["annual"], total, atol=PARITY)
    np.testing.assert_allclose(predicted[2003].state.values, swe, atol=PARITY)
    ((_, fresh),) = inference.predict_glacier(model, Valley(years=[2003]))
    assert np.abs(fresh.maps["annual"] - predicted[2003].maps["annual"]).max() > 1e-3


def test_spin_up_years_come_first_and_are_not_predicted():
    model = embedded_a()
    spun_up = Valley(years=[2003], spin_up=[2001, 2002], no_mid=[2002])
    ((_, found),) = inference.predict_glacier(model, spun_up)
    *_, (_, expected) = inference.predict_glacier(model, Valley(no_mid=[2002]))
    np.testing.assert_array_equal(found.maps["annual"], expected.maps["annual"])


@pytest.mark.slow
def test_the_hidden_state_passes_a_shared_day_once():
    """Model B run over all days at once equals the run season by season, but for the half weights of shared days."""
    model, valley = worlds.model("B"), Valley(years=(2001, 2002))
    predicted = [p for _, p in inference.predict_glacier(model, valley, daily=True)]
    days = [daily for p in predicted for daily in p.daily]
    first, last = predicted[0].begin, predicted[-1].end
    _, temp, prcp = valley.weather(first, last)
    whole = Season(StationForcing(temp, prcp, valley.offset), np.ones(temp.size, np.float32))
    data = valley.load(2001)._replace(seasons=(whole,), mid=None, end=last)
    state = inference.start_state(model, valley.shape)
    continuous = inference.predict_year(model, state, data, daily=True).daily[0]
    joined = np.zeros_like(continuous)
    begins = [day for p in predicted for day in (p.begin, p.mid)]
    for begin, daily in zip(begins, days, strict=True):
        start = int((begin - first).astype(int))
        joined[start : start + len(daily)] += daily
    np.testing.assert_allclose(joined[1:-1], continuous[1:-1], atol=PARITY)


@pytest.mark.slow
def test_a_gap_between_years_lets_the_hidden_state_advance_on_the_first_day():
    model = worlds.model("B")
    state = inference.start_state(model, (20, 17))
    data = Valley(begin="10-01").load(2001)
    seen, unseen = (
        inference.predict_year(model, state._replace(last=last), data).maps["annual"]
        for last in (np.datetime64("2000-10-01"), np.datetime64("2000-09-30"))
    )
    fresh = inference.predict_year(model, state, data).maps["annual"]
    np.testing.assert_array_equal(unseen, fresh)
    assert np.abs(seen - fresh).max() > 1e-6


def test_padded_days_change_nothing(monkeypatch):
    model, valley = embedded_a(), Valley()
    state = inference.start_state(model, valley.shape)
    padded = inference.predict_year(model, state, valley.load(2001))
    monkeypatch.setattr(arrays, "PADDED_DAYS", 1)
    plain = inference.predict_year(model, state, valley.load(2001))
    np.testing.assert_allclose(padded.maps["summer"], plain.maps["summer"], atol=1e-6)
    np.testing.assert_allclose(padded.state.values, plain.state.values, atol=1e-6)


@pytest.mark.slow
def test_years_of_different_length_share_a_program():
    compiled = inference.run_glaunti
    before = compiled._cached._cache_size() if hasattr(compiled, "_cached") else None
    if before is None:
        pytest.skip("this equinox does not tell how many programs it has compiled")
    list(inference.predict_glacier(embedded_a(), Valley(shape=(16, 19), years=range(2001, 2007))))
    assert compiled._cached._cache_size() - before <= 2  # 12 or 13 calendar months


@pytest.mark.slow
def test_only_model_d_asks_for_facies():
    for name, asked in (("A", False), ("D", True)):
        valley = Valley(shape=(16, 16), years=(2001,))
        list(inference.predict_glacier(worlds.model(name), valley))
        assert valley.asked_facies == [asked]


# --- observations ---


def test_predictions_are_the_maps_at_the_points_and_their_mean_over_the_outline():
    valley = Valley(
        years=(2001, 2002),
        targets={
            2001: {"winter": targets([10, 11], [8, 7], [1.0, 2.0], glacier=1.5)},
            2002: {"annual": targets([12], [8], [-1.0]), "summer": targets(glacier=-2.0)},
        },
    )
    model = embedded_a()
    table = inference.predict_observations(model, [valley], "A")
    predicted = {p.year: p.maps for _, p in inference.predict_glacier(model, valley)}
    assert list(table.columns) == ["glacier", "kind", "season", "year", "true", "pred_a"]
    assert table[["kind", "season", "year", "true"]].values.tolist() == [
        ["point", "annual", 2002, -1.0],
        ["point", "winter", 2001, 1.0],
        ["point", "winter", 2001, 2.0],
        ["glacier-wide", "winter", 2001, 1.5],
        ["glacier-wide", "summer", 2002, -2.0],
    ]
    winter, summer = predicted[2001]["winter"], predicted[2002]["summer"]
    expected = [predicted[2002]["annual"][12, 8], winter[10, 8], winter[11, 7]]
    expected += [winter[valley.outline > 0].mean(), summer[valley.outline > 0].mean()]
    np.testing.assert_allclose(table["pred_a"], expected, rtol=1e-5)


def test_glaciers_keep_their_order_and_one_without_observations_adds_nothing():
    seen = {2001: {"annual": targets(glacier=0.0)}}
    glaciers = [Valley(name, years=(2001,), targets=of) for name, of in (("z", seen), ("m", {}), ("a", seen))]
    assert inference.predict_observations(embedded_a(), glaciers, "A")["glacier"].tolist() == ["z", "a"]


def test_a_point_outside_the_rectangle_is_an_error():
    valley = Valley(years=(2001,), targets={2001: {"annual": targets([-1], [3], [0.0])}})
    with pytest.raises(ValueError, match="1 of 1 points lie outside the grid of 20 x 17 cells, the first at row -1"):
        inference.predict_observations(embedded_a(), [valley], "A")


def test_a_winter_balance_without_the_day_it_ends_on_is_an_error():
    valley = Valley(years=(2001,), no_mid=[2001], targets={2001: {"winter": targets(glacier=1.0)}})
    with pytest.raises(
        ValueError, match="Valley, 2001: winter balances were observed, the year has no mid-season date"
    ):
        inference.predict_observations(embedded_a(), [valley], "A")


def test_a_gap_in_the_weather_names_glacier_and_year():
    class Broken(Valley):
        def weather(self, first, last):
            time, temp, prcp = super().weather(first, last)
            return time, np.where(time == np.datetime64("2002-01-05"), np.nan, temp).astype(np.float32), prcp

    with pytest.raises(ValueError, match="Valley, 2002: temp: 1 of"):
        list(inference.predict_glacier(embedded_a(), Broken()))


def test_years_with_a_hole_are_refused():
    with pytest.raises(ValueError, match=r"Valley: years \[2001, 2003\] are not consecutive"):
        list(inference.predict_glacier(embedded_a(), Valley(years=(2001, 2003))))


def test_a_state_of_another_grid_is_refused():
    model = embedded_a()
    with pytest.raises(ValueError, match=r"the state is on \(3, 3\) cells, the year on \(20, 17\)"):
        inference.predict_year(model, inference.start_state(model, (3, 3)), Valley().load(2001))
