"""Tables of trial parameters: the numbers of whole tables, from less work."""

import dataclasses

import numpy as np
import pytest
from oggm.core.massbalance import UncertainMassBalance
from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti import GlaUnTIMassBalanceA
from oggm_glaunti.coupling.table import store as table_store, trial as trial_module
from oggm_glaunti.coupling.table.band_corrections import BandCorrections
from oggm_glaunti.coupling.table.inputs import TunableParams
from oggm_glaunti.coupling.table.interpolation import Interpolator
from oggm_glaunti.coupling.table.table import build_table, sums_in_order
from oggm_glaunti.coupling.table.trial import AskedHeights, TrialTable

TURNED = (TunableParams(8.0, 1.6, -1.2), TunableParams(3.0, 0.5, 3.0), TunableParams(np.linspace(4.0, 7.0, 12)))
# m w.e. a year: rounding only, a thousandth of what a table's own interpolation errs by.
TOLERANCE = 1e-6


def trial_of(inputs, tunables, asked=None) -> TrialTable:
    return TrialTable(asked or AskedHeights(inputs), tunables, lambda smb: smb, lambda: build_table(inputs, tunables))


def flowline_heights(gdir) -> np.ndarray:
    return gdir.read_pickle("inversion_flowlines")[0].surface_h


@pytest.fixture
def inputs(aletsch_gdir):
    return GlaUnTIMassBalanceA(aletsch_gdir).table_inputs


def corrected(inputs, years):
    ds = np.random.default_rng(1).normal(0.0, 0.3, (len(years), 5, 6)).astype(np.float32)
    return dataclasses.replace(
        inputs, corrections=BandCorrections(np.asarray(years), np.linspace(1500.0, 4000.0, 6), ds)
    )


@pytest.mark.slow
@pytest.mark.parametrize("corrections", ["none", "one", "yearly"])
def test_a_trial_gives_the_numbers_of_the_whole_table(inputs, aletsch_gdir, corrections):
    inputs = {"none": inputs, "one": corrected(inputs, [1990]), "yearly": corrected(inputs, range(1982, 2021))}[
        corrections
    ]
    heights, worst = flowline_heights(aletsch_gdir), 0.0
    for tunables in TURNED:
        trial, whole = trial_of(inputs, tunables), Interpolator.of(build_table(inputs, tunables))
        for year in (25, 0, 39, 11):
            worst = max(worst, np.abs(trial.annual(heights, year) - whole.annual(heights, year)).max())
    print(f"largest difference, corrections {corrections}: {worst:.1e} m w.e. a year")
    assert worst < TOLERANCE


def test_the_order_of_the_calls_does_not_matter(inputs):
    ways = [(trial_of(inputs, TURNED[0]), order) for order in ((3, 17, 38), (38, 3, 17))]
    # The second trial computes other heights as well, those that an earlier one was asked for.
    asked = AskedHeights(inputs)
    trial_of(inputs, TURNED[1], asked).annual([2105.0], 3)
    ways.append((trial_of(inputs, TURNED[0], asked), (17, 3, 38)))
    results = [{year: trial.annual([2000.0, 3333.0], year) for year in order} for trial, order in ways]
    for year in (3, 17, 38):
        for other in results[1:]:
            np.testing.assert_allclose(other[year], results[0][year], rtol=0, atol=TOLERANCE)


def test_only_the_heights_read_and_the_years_up_to_the_last_one_asked_for_are_computed(inputs, monkeypatch):
    runs = []

    def counting(one, tunables):
        run = {"heights": one.heights.tolist(), "years": 0}
        runs.append(run)
        for sums in sums_in_order(one, tunables):
            run["years"] += len(sums[0])
            yield sums

    monkeypatch.setattr(trial_module, "sums_in_order", counting)
    asked = AskedHeights(inputs)
    trial = trial_of(inputs, TURNED[0], asked)
    for year in (4, 12, 7):
        trial.annual([2004.0, 3000.0], year)
    assert runs == [{"heights": [2000.0, 2010.0, 2990.0, 3000.0], "years": 20}]
    # What other heights the first trial was asked for, the next one computes from the start.
    trial.annual([2504.0], 4)
    second = trial_of(inputs, TURNED[1], asked)
    second.annual([2004.0], 4)
    second.annual([2504.0], 4)
    assert runs[1:] == [{"heights": [2000.0, 2010.0, 2500.0, 2510.0, 2990.0, 3000.0], "years": 10}]


@pytest.mark.parametrize("ask", ["above", "below", "month", "heights never asked before"])
def test_whatever_else_is_asked_comes_from_the_whole_table(inputs, ask):
    trial, whole = trial_of(inputs, TURNED[0]), Interpolator.of(build_table(inputs, TURNED[0]))
    trial.annual([3000.0], 5)

    def answer(table):
        if ask == "month":
            return table.monthly("solid_prcp", [2000.0, 3000.0], 5, 6)
        return table.annual({"above": [3000.0, 6000.0], "below": [-100.0]}.get(ask, [2222.0]), 5)

    np.testing.assert_array_equal(answer(trial), answer(whole))
    np.testing.assert_array_equal(trial.table.swe, whole.table.swe)


def test_no_heights_have_no_balances(inputs):
    assert trial_of(inputs, TURNED[0]).annual([], 5).shape == (0,)


def test_uncertain_balances_make_no_table_at_all(aletsch_gdir, monkeypatch):
    heights = flowline_heights(aletsch_gdir)
    model = GlaUnTIMassBalanceA(aletsch_gdir)
    before = model.get_annual_mb(heights, year=2010)

    def never(*args):
        raise AssertionError("a whole table was made")

    monkeypatch.setattr(table_store, "build_table", never)
    uncertain = UncertainMassBalance(model, rdn_temp_bias_seed=1, rdn_prcp_fac_seed=2, rdn_bias_seed=3)
    found = {year: uncertain.get_annual_mb(heights, year=year) for year in range(2005, 2011)}
    np.testing.assert_array_equal(model.get_annual_mb(heights, year=2010), before)
    monkeypatch.undo()
    turned = GlaUnTIMassBalanceA(
        aletsch_gdir,
        temp_bias=uncertain._get_state_temp(2007),
        prcp_fac=1.0 + uncertain._get_state_prcp(2007),
        bias=uncertain._get_state_bias(2007),
    )
    turned.store.table_of(turned.tunable_params(), on_disk=False)
    expected = (
        (
            1000.0 * Interpolator.of(build_table(turned.table_inputs, turned.tunable_params())).annual(heights, 26)
            - turned.bias
        )
        / turned.rho
        / (365 * 86400)
    )
    np.testing.assert_allclose(found[2007], expected, rtol=0, atol=1000.0 * TOLERANCE / turned.rho / (365 * 86400))


def test_a_turn_below_float32_costs_nothing(hef_gdir, monkeypatch):
    """The runs are in float32: the last twenty steps of a root finder would compute the same table again."""
    model = GlaUnTIMassBalanceA(hef_gdir)
    model.melt_f = 5.0
    first, runs = model.get_annual_mb([3000.0], year=2018), []
    monkeypatch.setattr(trial_module, "sums_in_order", lambda *args: runs.append(args) or sums_in_order(*args))
    model.melt_f = 5.0 + 1e-9
    np.testing.assert_array_equal(model.get_annual_mb([3000.0], year=2018), first)
    assert not runs
    model.melt_f = 5.0 + 1e-5
    assert model.get_annual_mb([3000.0], year=2018) != first
    assert len(runs) == 1


def test_a_trial_that_is_not_finite_says_so(hef_gdir):
    model = GlaUnTIMassBalanceA(hef_gdir)
    model.get_annual_mb([3000.0], year=2018)
    vars(model).update(_melt_f=1e40, _table=None)  # which is refused where it is checked
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.00897: the balance is not finite with .*melt_f=1e\+40"):
        model.get_annual_mb([3000.0], year=2018)
