"""Daily weather made from the months of the Massa, held to its bounds against the true days."""

from __future__ import annotations

import pytest

from tests.real import monthly_to_daily as m2d

BIAS, RMSE, R = 0.05, 0.18, 0.96


@pytest.fixture
def scored(aletsch_gdir, shared):
    """A function from a name and balances to the scores by kind of year, which it prints."""
    m2d.write_months(aletsch_gdir, shared)
    true = m2d.balances(aletsch_gdir, "")

    def score(name, balance):
        scores = {kind: m2d.scores(balance[kind], true[kind]) for kind in m2d.FIRST_MONTH}
        for kind, s in scores.items():
            print(f"{name}, {kind}: bias {s.bias:+.3f}, RMSE {s.rmse:.3f}, r from {s.lowest_r:.3f}")
        return list(scores.values())

    return score


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [{}, {"seed": 1}, m2d.REFERENCE], ids=["default", "other seed", "reference"])
def test_five_realisations_have_the_balance_of_the_true_days(aletsch_gdir, scored, arguments):
    for s in scored(f"five realisations {arguments}", m2d.made(aletsch_gdir, **arguments)):
        assert abs(s.bias) <= BIAS
        assert s.rmse <= RMSE
        assert s.lowest_r >= R


def test_months_as_steps_do_not(aletsch_gdir, scored):
    m2d.write_by_month(aletsch_gdir, interpolated=False)
    for s in scored("monthly steps", m2d.balances(aletsch_gdir, "_by_month")):
        assert 0.3 < s.lowest_bias < s.highest_bias < 0.9
        assert s.rmse > 2 * RMSE


def test_the_wettest_day_of_every_realisation_is_near_the_one_observed(aletsch_gdir, shared):
    from oggm_glaunti.coupling.weather.file import read_daily_climate
    from oggm_glaunti.coupling.weather.task import process_daily_climate

    m2d.write_months(aletsch_gdir, shared)
    process_daily_climate(aletsch_gdir, source="monthly", input_filesuffix="_true", filesuffix="_made_daily")
    wettest = [1000 * one.prcp.max() for one in read_daily_climate(aletsch_gdir, input_filesuffix="_made").realisations]
    assert 1000 * read_daily_climate(aletsch_gdir).prcp.max() == pytest.approx(159.07, abs=0.01)
    assert len(wettest) == 5
    assert 150 < min(wettest) <= max(wettest) < 165
