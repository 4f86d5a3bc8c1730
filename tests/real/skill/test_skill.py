"""The parts of the tests of skill that need no real data, on tables small enough to count."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from oggm_glaunti.fit.observations import as_observations
from tests.real.skill import norway, scores, sites, splits
from tests.real.skill.alternatives import properties
from tests.real.skill.experiments import peers
from tests.real.skill.hierarchical import no_fit
from tests.real.skill.judging import judge


def stakes(glacier: str, years: range, seasons=("annual", "winter"), each: int = 6) -> pd.DataFrame:
    rows = [
        {
            "glacier": glacier,
            "kind": "point",
            "season": season,
            "begin": f"{year - 1}-10-01",
            "end": f"{year}-{'09-30' if season == 'annual' else '04-30'}",
            "height": 2500.0 + 100.0 * k,
            "value": 1.0 + 0.1 * k,
        }
        for year in years
        for season in seasons
        for k in range(each)
    ]
    return as_observations(pd.DataFrame(rows))


@pytest.fixture
def small() -> sites.SkillSet:
    days = np.arange("2000-01-01", "2010-01-01", dtype="M8[D]")
    temp = 10.0 * np.sin(2.0 * np.pi * np.arange(days.size) / 365.25)[None].astype(np.float32) - 3.0
    weather = sites.Weather(days, temp, np.full_like(temp, 0.005), 2600.0)
    tables = (stakes("one", range(2003, 2009)), stakes("two", range(2004, 2007)))
    return sites.SkillSet("small", [sites.site_without_directory(weather, table) for table in tables])


def test_rows_that_are_judged_are_never_fitted_to(small):
    rows = small.rows
    for split in (splits.leave_one_glacier_out, splits.own_other_years, splits.unseen_glaciers_and_years):
        judged = np.zeros(len(rows), int)
        for found in split(rows):
            assert found.fit.any()
            assert not (found.fit & found.judge).any()
            assert set(rows["glacier"][found.judge]) == {found.glacier}
            judged += found.judge
        assert (judged == 1).all(), split.__name__


def test_unseen_glaciers_and_years_share_neither_with_the_fit(small):
    rows = small.rows
    for found in splits.unseen_glaciers_and_years(rows):
        assert found.glacier not in set(rows["glacier"][found.fit])
        assert not set(rows["year"][found.fit]) & set(rows["year"][found.judge])


def test_five_stakes_are_annual_of_one_year_which_is_not_judged(small):
    rows = small.rows
    found = list(splits.few_stakes(rows, seed=1))
    assert [split.glacier for split in found] == ["one"] * 5 + ["two"] * 3
    for split in found:
        known = rows[split.fit]
        assert len(known) == 5
        assert set(known["season"]) == {"annual"}
        assert set(known["year"]).isdisjoint(rows["year"][split.judge])
        assert len(known.drop_duplicates("height")) == 5
    with_others = next(splits.few_stakes(rows, with_region=True, seed=1))
    assert with_others.fit.sum() == 5 + (rows["glacier"] == "two").sum()
    assert (next(splits.few_stakes(rows, seed=1)).fit == found[0].fit).all()


def test_sites_of_some_rows_are_those_rows(small):
    keep = (small.rows["season"] == "winter").to_numpy() & (small.rows["glacier"] == "two").to_numpy()
    (glacier,) = small.where(keep).sites
    assert glacier.used["season"].eq("winter").all()
    assert len(glacier.used) == keep.sum() == glacier.site.spans.shape[0] == glacier.rows.winter.shape[0]
    assert glacier.rows.summer.sum() == 0.0


def test_intervals_of_year_means_are_those_of_errors_that_rows_share():
    table = stakes("one", range(2003, 2005), ("annual",), each=4).assign(year=[2003] * 4 + [2004] * 4)
    same_year = np.kron(np.eye(2), np.ones((4, 4)))
    predicted = scores.Predicted(np.zeros(8), 0.09 * same_year + 0.16 * np.eye(8))
    assert scores.averaged(table, predicted, "rows")["se"].to_numpy() == pytest.approx(0.5)
    assert scores.averaged(table, predicted, "year means")["se"].to_numpy() == pytest.approx(np.sqrt(0.09 + 0.04))
    assert scores.averaged(table, predicted, "glacier means")["se"].item() == pytest.approx(np.sqrt(0.045 + 0.02))


def test_scores_of_known_differences():
    table = pd.DataFrame({"value": [0.0, 1.0, 2.0, 3.0], "modelled": [0.5, 1.5, 1.5, 4.0], "se": 0.4})
    found = scores.score(table)
    assert (found.n, found.bias, found.coverage) == (4, 0.375, 0.75)
    assert found.rmse == pytest.approx(np.sqrt(1.75 / 4.0))
    assert np.isnan(scores.score(table.assign(se=np.nan)).coverage)


def test_the_bootstrap_draws_glaciers_not_rows():
    off = np.repeat([0.1, 1.0], 50)
    table = pd.DataFrame({"glacier": np.repeat(["a", "b"], 50), "value": 0.0, "modelled": off})
    assert scores.bootstrap(table) == pytest.approx((0.1, 1.0))
    assert scores.bootstrap(table, np.full(100, 0.5)) == pytest.approx((-0.8, 1.0))


def test_months_that_a_cell_lacks_follow_the_best_cell():
    index = pd.period_range("2001-01", "2004-12", freq="M")
    best = pd.Series(np.arange(48.0), index)
    cell = (best + 2.0).where(index.year < 2003)
    filled = norway.filled(pd.DataFrame({1000.0: best, 1200.0: cell}), norway._difference)
    assert (filled[1200.0] - best).to_numpy() == pytest.approx(2.0)
    ratio = norway.filled(pd.DataFrame({1000.0: best, 1200.0: (1.5 * best).where(index.year < 2003)}), norway._ratio)
    assert ratio[1200.0].to_numpy() == pytest.approx(1.5 * best.to_numpy())


def test_trees_are_told_what_the_temperature_index_sees(small):
    glacier = small.sites[1]
    found = properties(glacier)
    annual = (glacier.used["season"] == "annual").to_numpy()
    days, pdd, snow, prcp = found[:, 2], found[:, 3], found[:, 4], found[:, 5]
    assert days[annual] == pytest.approx((glacier.used["end"] - glacier.used["begin"]).dt.days[annual])
    assert prcp == pytest.approx(0.005 * days, rel=1e-5)
    assert (snow <= prcp * 1.0001).all()
    assert (pdd[annual] > pdd[~annual]).all()  # at the same heights in the same years
    # Higher stakes are colder: less to melt, more snow.
    of_year = annual & (glacier.used["year"] == 2005).to_numpy()
    assert (np.diff(pdd[of_year]) < 0.0).all()
    assert (np.diff(snow[of_year]) > 0.0).all()
    # A winter has no day of July.
    assert (found[~annual, 6 + 6] == 0.0).all()


@pytest.mark.slow
def test_the_published_model_on_the_sets_that_need_no_directory(shared, tmp_path):
    swiss, norwegian = sites.load("ch", tmp_path), sites.load("norway", tmp_path)
    found = judge(swiss, splits.leave_one_glacier_out, no_fit)["rows"]
    assert {group: (of.n, round(of.rmse, 2)) for group, of in scores.by_season(found).items()} == {
        ("point", "annual"): (1145, 1.37),
        ("point", "winter"): (67, 0.84),
    }
    assert norwegian.rows["season"].value_counts().to_dict() == {"annual": 1125, "summer": 1114, "winter": 1046}
    again = sites.load("ch", tmp_path)
    pd.testing.assert_frame_equal(again.rows, swiss.rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{n}-{sites.VERSION}.pickle" for n in ("ch", "norway")]


@pytest.mark.slow
def test_other_models_err_on_whole_glaciers_as_far_as_their_authors_say(shared, tmp_path):
    rows = sites.load("norway_wide", tmp_path).rows
    ours = rows.assign(modelled=rows["value"], se=0.1)
    found = {
        key.method: [round(of.rmse, 2) for of in scores.by_season(judged["rows"]).values()]
        for key, judged in peers(ours, shared)
    }
    # Annual, summer, winter, m w.e.
    assert found["OGGM"] == [0.66, 0.83, 0.81]
    assert found["PyGEM"] == [1.00, 0.81, 0.70]
    assert found["GloGEM"] == [0.51, 0.43, 0.28]
    assert found["GlaUnTI in the years of GloGEM"] == [0.0, 0.0, 0.0]
