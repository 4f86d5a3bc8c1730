"""Derivatives of a glacier's volume through years of ice dynamics, against runs of everything anew."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from oggm_glaunti.analysis.dynamics import flowline_runs, sia_flowline, table_modes, tables as dynamics
from oggm_glaunti.analysis.dynamics.setup import prepare_volume_runs, with_tunables
from oggm_glaunti.analysis.dynamics.tables import controls_of, direction, table_tangents, tangent_along
from oggm_glaunti.analysis.dynamics.tasks import (
    SIZE,
    bed_of,
    steps_needed,
    volume_gradient,
    volume_sensitivity,
    volume_summary,
)
from oggm_glaunti.analysis.trajectory import Change, annual_by_height, stack_trajectories
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError, InvalidWorkflowError, cfg
from oggm_glaunti.coupling.oggm.versions import HAS_SETTINGS
from oggm_glaunti.fit.calibration.priors import STORED
from tests.core.worlds import x64

from .. import worlds

A = {"mb_kwargs": {"model": "A"}}
YEARS = {"ys": 2014, "ye": 2023}
STEPS = sia_flowline.Steps(4, 3.1536e7)
annual_by_height = jax.jit(annual_by_height)


def calendar(trajectory):
    """A month for each day: what the controls by month act on."""
    return np.arange(trajectory.temp.shape[1]) % 365 * 12 // 365 + 1


# --- the table's tangents ---


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["smooth", "mass_conserving"])
def test_tangents_of_the_table_are_its_central_differences(variant):
    with x64():
        tuned = jax.tree.map(np.asarray, worlds.tuned(variant=variant))
        t = worlds.trajectory(realisations=2, periods=2)
        controls = [*controls_of(["dT", "dP", *STORED, "temp_gradient"]), *controls_of(["dT", "dP"], True)[9::12]]
        if variant == "mass_conserving":  # in which the steepness of snow depletion has no part
            controls = [control for control in controls if control.name != "snow_depletion_steepness"]
        found = table_tangents(tuned, t, calendar(t), controls)
        np.testing.assert_allclose(found.table, annual_by_height(tuned, t), atol=1e-12)
        for control, tangent in zip(controls, found.tangents, strict=True):
            move, ends = direction(control, jax.tree.map(jax.numpy.asarray, tuned), calendar(t)), []
            for step in (1e-4, -1e-4):
                moved, change = jax.tree.map(
                    lambda here, move, step=step: here + step * move, (tuned, Change(np.zeros(()), np.zeros(()))), move
                )
                ends.append(np.asarray(annual_by_height(moved, t, change)))
            expected = (ends[0] - ends[1]) / 2e-4
            assert np.abs(tangent).max() > 1e-4, control.label
            np.testing.assert_allclose(tangent, expected, rtol=1e-5, atol=1e-5 * np.abs(tangent).max())


def test_twelve_months_are_the_year():
    with x64():
        t = worlds.trajectory()
        whole = table_tangents(worlds.tuned(), t, calendar(t), controls_of(["dT", "dP"])).tangents
        months = table_tangents(worlds.tuned(), t, calendar(t), controls_of(["dT", "dP"], by_month=True)).tangents
        np.testing.assert_allclose(months.reshape(2, 12, *whole.shape[1:]).sum(axis=1), whole, rtol=1e-10)


@pytest.mark.slow
def test_a_batch_of_glaciers_has_the_tangents_of_each():
    each = [worlds.trajectory(seed=seed, heights=3 + seed, dtype="float32") for seed in range(2)]
    tuned, controls = worlds.tuned("float32"), controls_of(["dT", "ddf_snow"])
    move = direction(controls[1], jax.tree.map(jax.numpy.asarray, tuned), calendar(each[0]))
    together = jax.vmap(tangent_along, (None, 0, None))(tuned, stack_trajectories(each), move)[1]
    for i, t in enumerate(each):
        alone = table_tangents(tuned, t, calendar(t), controls).tangents[1]
        np.testing.assert_allclose(together[i, ..., : t.area.size], alone, rtol=1e-4, atol=1e-5)


def test_an_unknown_control_is_named():
    with pytest.raises(ValueError, match=r"dT.*found \['dQ'\]"):
        controls_of(["dT", "dQ"])


# --- patterns ---


def table(years=20, heights=6, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.5, 1.5, heights)
    return np.arange(1990, 1990 + years), np.linspace(2500.0, 3500.0, heights), weights / weights.sum()


def test_a_tangent_made_of_modes_is_found_in_them():
    years, heights, weights = table()
    modes = table_modes.table_modes(years, heights, weights, block=10, degree=2)
    made = np.array([0.3, -2.0, 0.0, 1.0, 0.5, -1.0])
    found = table_modes.project(np.tensordot(made, modes.fields, axes=1)[None], modes, weights)
    np.testing.assert_allclose(found.coefficients[0], made, atol=1e-10)
    assert found.share[0] < 1e-10


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), block=st.sampled_from([2, 5, 10]), degree=st.integers(0, 2))
def test_more_modes_leave_less_outside_and_what_is_left_is_orthogonal(seed, block, degree):
    years, heights, weights = table(seed=seed)
    tangent = np.random.default_rng(seed).normal(size=(1, years.size, heights.size))
    few, more = (
        table_modes.table_modes(years, heights, weights, *how) for how in ((None, degree), (block, degree + 1))
    )
    by_few, by_more = (table_modes.project(tangent, modes, weights) for modes in (few, more))
    assert by_more.outside[0] <= by_few.outside[0] + 1e-12
    left = tangent[0] - np.tensordot(by_few.coefficients[0], few.fields, axes=1)
    np.testing.assert_allclose(np.sum(few.fields * left * weights, axis=(1, 2)), 0.0, atol=1e-10)
    assert by_few.share[0] == pytest.approx(by_few.outside[0] / dynamics.rms(tangent[0], weights))


def test_a_tangent_of_nothing_moves_nothing():
    nothing = np.zeros((2, 3))
    line = dynamics.Line(np.sum, nothing, nothing, np.full(3, 1 / 3))
    for slope in (dynamics.difference_along(line, 0.1), dynamics.secant_along(line, 0.1, np.array(0.0), np.array(0.1))):
        assert slope == (0.0, 0.0)


# --- the differentiable flowline by itself ---


def valley(points=40, flare=1.0):
    """A slope of 1 in 7, 500 m wide, and half a glacier on it."""
    x = np.arange(points) * 100.0
    thick = np.maximum(0.0, 90.0 * (1.0 - (x / 2200.0) ** 2))
    bed = sia_flowline.Bed(3200.0 - 0.14 * x, np.full(points, 500.0), np.full(points, flare), 100.0, 9e-13, 4e-17)
    return bed, thick


def balances(years=4):
    heights = np.arange(2000.0, 4000.0, 50.0)
    return heights, np.tile(np.clip((heights - 3000.0) * 0.006, -5.0, 1.5), (years, 1))


@pytest.mark.slow
def test_the_gradient_of_the_flowline_is_its_central_differences():
    with x64():
        (heights, ice), (bed, thick) = balances(), valley()
        line = sia_flowline.Flowline(bed, thick, heights)
        volumes, gradient = sia_flowline.last_volume_gradient(line, ice, STEPS)
        np.testing.assert_allclose(volumes, sia_flowline.volumes(line, ice, STEPS), rtol=1e-12)
        rng = np.random.default_rng(0)
        for _ in range(3):
            way = rng.normal(size=ice.shape)
            ends = [sia_flowline.volumes(line, ice + step * way, STEPS)[-1] for step in (1e-5, -1e-5)]
            assert float(np.sum(gradient * way)) == pytest.approx(float(ends[0] - ends[1]) / 2e-5, rel=1e-5)


@settings(max_examples=5)
@given(smb=st.floats(0.1, 2.0), flow=st.floats(0.2, 2.0))
def test_between_upright_walls_the_volume_changes_by_the_balance_alone(smb, flow):
    with x64():
        bed, thick = valley(flare=0.0)
        bed = bed._replace(creep=flow * bed.creep)
        line = sia_flowline.Flowline(bed, thick, np.array([0.0, 5000.0]))
        after = sia_flowline.volumes(line, np.full((2, 2), smb), STEPS)
        gain = smb * 500.0 * 100.0 * thick.size * 1e-9
        np.testing.assert_allclose(np.diff(after, prepend=sia_flowline.volume(bed, thick)), gain, rtol=1e-9)


# --- Hintereisferner ---


@pytest.mark.slow
def test_the_derivative_is_that_of_the_table_built_anew_and_the_run_again(hef_gdir):
    found = volume_summary(volume_sensitivity(hef_gdir, **YEARS, controls=["dT", "dP", "ddf_snow"], **A))
    ready = prepare_volume_runs(hef_gdir, **YEARS, controls=["dT"], **A)
    for control, tunable, step in (("dT", "temp", 0.1), ("dP", "prcp", 0.5), ("ddf_snow", "melt", 0.25)):
        ends = [
            with_tunables(ready, **{tunable: sign * step if tunable == "temp" else 1.1 ** (sign * step)})
            for sign in (1, -1)
        ]
        volume = (ends[0] - ends[1])[-1, 0] / (2.0 * step)
        assert found.loc[control, "volume (km3)"] == pytest.approx(volume, rel=3e-3), control
        assert 0.0 < found.loc[control, "volume error (km3)"] < 1e-2 * abs(volume), control
    # Warmer or melting more is less ice, wetter is more.
    assert np.sign(found["volume (km3)"]).tolist() == [-1.0, 1.0, -1.0]
    ends = [with_tunables(ready, temp=shift)[-1, 1:] for shift in (0.55, -0.55)]
    slope, error = (found.loc["dT", [f"area{e} (km2)", f"length{e} (m)"]].to_numpy(float) for e in ("", " error"))
    assert (np.abs(slope - (ends[0] - ends[1]) / 1.1) <= error).all()
    assert (slope < 0.0).all()


@pytest.mark.slow
def test_the_flowline_in_jax_is_oggms_model_and_its_derivative_that_of_small_changes(hef_gdir):
    ready = prepare_volume_runs(hef_gdir, **YEARS, controls=["dT", "dP", "ddf_snow", "temp_gradient"], **A)
    found = volume_gradient(hef_gdir, **YEARS, controls=["dT", "dP", "ddf_snow", "temp_gradient"], **A)
    steps = found.attrs["steps_a_month"]
    equal = ready.experiment._replace(kwargs={**ready.experiment.kwargs, "fixed_dt": cfg.SEC_IN_MONTH / steps})
    expected = equal.run_table(ready.heights, ready.table)[:, 0]
    # From OGGM 1.7 on, the steps of OGGM's model end with the months of the calendar.
    np.testing.assert_allclose(found["volume"], expected, rtol=1e-6 if HAS_SETTINGS else 1e-9)
    assert found.attrs["largest_difference_to_oggm"] < 1e-3
    for i, control in enumerate(found["control"].to_numpy()):
        small = dynamics.difference_along(
            dynamics.Line(lambda table: ready.run(table)[-1, 0], ready.table, ready.tangents[i], ready.weights), 0.002
        )
        exact = float(found["d_volume"].sel(control=control))
        assert exact == pytest.approx(float(small.value), rel=2e-3), control
        usual = dynamics.difference_along(
            dynamics.Line(lambda table: ready.run(table)[-1, 0], ready.table, ready.tangents[i], ready.weights), SIZE
        )
        assert abs(exact - usual.value) < usual.error + 1e-3 * abs(exact), control
    np.testing.assert_allclose(found["d_volume_of_year"].sum("year"), found["d_volume"])


@pytest.mark.slow
def test_twice_the_change_is_twice_the_effect_where_it_is_small(hef_gdir):
    ready = prepare_volume_runs(hef_gdir, **YEARS, controls=["dT"], **A)
    here, tangent = ready.run(ready.table)[-1, 0], ready.tangents[0]
    once, twice = (ready.run(ready.table + factor * tangent)[-1, 0] - here for factor in (0.002, 0.004))
    assert twice / once == pytest.approx(2.0, abs=1e-3)
    much = ready.run(ready.table + 4.0 * tangent)[-1, 0] - here
    assert abs(much / once / 2000.0 - 1.0) > 0.02  # and not where it is large


@pytest.mark.slow
def test_modes_give_the_derivatives_within_what_they_say_they_miss(hef_gdir):
    controls = ["dT", "dP", "ddf_snow", "temp_gradient"]
    direct = volume_sensitivity(hef_gdir, **YEARS, controls=controls, **A)
    few, more = (
        volume_sensitivity(hef_gdir, **YEARS, controls=controls, modes=True, **how, **A)
        for how in ({"block": None, "degree": 0}, {"block": 3, "degree": 2})
    )
    for by_modes in (few, more):
        off = np.abs(by_modes["d_volume"] - direct["d_volume"]).isel(time=-1)
        assert (off <= by_modes["d_volume_error"].isel(time=-1)).all()
    assert (more["outside_share"] < few["outside_share"]).all()
    assert more.sizes["mode"] == 9
    close = (more["d_volume"] / direct["d_volume"]).isel(time=-1).sel(control=["dT", "dP", "ddf_snow"])
    np.testing.assert_allclose(close, 1.0, atol=0.02)


def test_a_change_that_leaves_the_map_is_named_with_what_to_do(hef_gdir):
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11.00897: the run itself is fine, .* smaller size or wide"):
        volume_sensitivity(hef_gdir, **YEARS, controls=["dT"], wide=300.0, **A)


@pytest.mark.slow
def test_ice_that_sinks_melts_more(hef_gdir):
    steady = {"ys": 2020, "ye": 2045, "forcing": "constant", "controls": ["dT"], **A}
    alive, frozen = (
        float(volume_sensitivity(hef_gdir, **steady, mb_elev_feedback=how)["d_volume"].isel(control=0, time=-1))
        for how in ("annual", "never")
    )
    assert alive < 1.02 * frozen < 0.0


def test_a_run_is_oggms_own_and_leaves_its_files_alone(hef_gdir):
    from oggm import tasks

    from oggm_glaunti import GlaUnTIMassBalanceA

    kwargs = {"mb_model_class": GlaUnTIMassBalanceA, "ys": 2014, "ye": 2018, "output_filesuffix": "_own"}
    own = tasks.run_from_climate_data(hef_gdir, store_model_geometry=True, **kwargs)
    before = {path.name: path.read_bytes() for path in Path(hef_gdir.dir).iterdir()}
    found = volume_sensitivity(hef_gdir, ye=2020, ys=2018, init_model_filesuffix="_own", **A)
    assert float(found["volume"].isel(time=0)) == pytest.approx(own.volume_km3, rel=1e-9)
    goes_on = volume_sensitivity(hef_gdir, ye=2020, init_model_filesuffix="_own", **A)
    assert int(goes_on["time"][0]) == 2018
    np.testing.assert_allclose(goes_on["volume"], found["volume"])
    again = volume_sensitivity(hef_gdir, ys=2014, ye=2018, **A)
    assert float(again["volume"].isel(time=-1)) == pytest.approx(own.volume_km3, rel=1e-6)
    assert float(again["area"].isel(time=-1)) == pytest.approx(own.area_km2, rel=1e-6)
    after = {path.name: path.read_bytes() for path in Path(hef_gdir.dir).iterdir()}
    assert {name for name in after if after[name] != before.get(name)} <= {"log.txt"}
    assert (found["d_volume"].isel(time=0) == 0.0).all()


def test_drawn_years_are_those_of_the_record(hef_gdir):
    drawn = {"ys": 0, "ye": 12, "forcing": "random", "climate_years": (2016, 2018), "controls": ["dP"], **A}
    ready, again, other = (prepare_volume_runs(hef_gdir, **drawn, seed=seed) for seed in (1, 1, 2))
    record = prepare_volume_runs(hef_gdir, 2016, 2019, ["dP"], **A).table
    assert all(any(np.allclose(row, year) for year in record) for row in ready.table)
    np.testing.assert_array_equal(ready.table, again.table)
    assert not np.array_equal(ready.table, other.table)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ys": 2010, "ye": 2015}, "holds 2014 to 2022, the run needs 2010"),
        ({"ys": 2015, "ye": 2015}, "an end after the beginning"),
        ({"forcing": "cyclic"}, "forcing: expected one of"),
        ({"climate_years": (2014, 2016)}, "climate_years are for"),
        ({"forcing": "constant", "climate_years": (2010, 2016)}, "found 2010 to 2016"),
        ({"controls": ["rain"]}, r"found \['rain'\]"),
        ({"mb_elev_feedback": "monthly"}, "whole years"),
        ({"mb_kwargs": {"model": "A", "ys": 2015}}, r"mb_kwargs: unknown \['ys'\]"),
        ({"modes": True, "block": 0}, "block of at least 1"),
    ],
)
def test_what_cannot_be_run_is_refused_in_words(hef_gdir, wrong, message):
    with pytest.raises(InvalidParamsError, match=rf"{hef_gdir.rgi_id}.*{message}"):
        volume_sensitivity(hef_gdir, **{**YEARS, **A, **wrong})


def test_what_the_differentiable_flowline_is_not_is_refused(hef_gdir, monkeypatch):
    ready = prepare_volume_runs(hef_gdir, **YEARS, controls=["dT"], **A)
    run, (line,) = ready.experiment, ready.experiment.flowlines
    for other, message in (
        (run._replace(flowlines=[line, line]), "2 flowlines"),
        (run._replace(kwargs={**run.kwargs, "mb_elev_feedback": "never"}), "never"),
        (run._replace(kwargs={**run.kwargs, "flux_gate": 1.0}), "flux_gate"),
        (run._replace(kwargs={**run.kwargs, "do_calving": True, "water_level": 2600.0}), "calving"),
    ):
        with pytest.raises(InvalidParamsError, match=rf"{hef_gdir.rgi_id}.*{message}"):
            bed_of(other)
    monkeypatch.setattr("oggm_glaunti.analysis.dynamics.tasks.STEPS", (1, 2))
    with pytest.raises(InvalidWorkflowError, match=r"2 equal time steps a month the volume differs by .*e-02"):
        steps_needed(ready, 1.1 * ready.run(ready.table)[:, 0])


def test_a_table_is_checked_and_read_within_its_years(oggm_env):
    years, heights = np.arange(2000, 2002), np.array([2000.0, 3000.0])
    with pytest.raises(ValueError, match="found \\(2, 3\\)"):
        flowline_runs.TableMassBalance(years, heights, np.zeros((2, 3)))
    with pytest.raises(ValueError, match="1 that are not"):
        flowline_runs.TableMassBalance(years, heights, np.array([[0.0, 1.0], [np.nan, 1.0]]))
    model = flowline_runs.TableMassBalance(years, heights, np.zeros((2, 2)))
    model.get_annual_mb(heights, year=2002)  # the end of the last year
    with pytest.raises(ValueError, match="2002"):
        model.get_annual_mb(heights, year=2002.1)
    with pytest.raises(InvalidParamsError, match="whole years"):
        model.get_monthly_mb(heights, year=2000.5)
    assert "TableMassBalance" in repr(model)


# --- figures ---


@pytest.mark.slow
def test_figures_show_volumes_their_slopes_and_months(hef_gdir):
    from oggm_glaunti.graphics.dynamics import plot_gradient, plot_months, plot_volume

    found = volume_sensitivity(hef_gdir, **YEARS, **A)
    reruns = {2.0: with_tunables(prepare_volume_runs(hef_gdir, **YEARS, controls=["dT"], **A), temp=2.0)[:, 0]}
    above, below = plot_volume(found, "dT", reruns).axes
    lines = {line.get_label(): line.get_ydata() for line in above.lines}
    assert [*lines] == ["as it is", "dT +2 K, first order", "dT +2 K, whole run"]
    np.testing.assert_allclose(
        lines["dT +2 K, first order"], found["volume"] + 2.0 * found["d_volume"].sel(control="dT")
    )
    np.testing.assert_array_equal(lines["dT +2 K, whole run"], reruns[2.0])
    assert below.get_ylabel() == "derivative, with its error\n(km$^3$ per 1 K)"
    months = volume_gradient(hef_gdir, **YEARS, controls=["dT", "dP"], by_month=True, **A)
    bars = [bar.get_height() for bar in plot_months(months).axes[0].patches]
    np.testing.assert_allclose(bars, months["d_volume"][:12])
    assert np.argmin(bars) in (6, 7)
    figure = plot_gradient(months)
    shown = figure.axes[0].collections[0].get_array().sum() / 1000.0
    assert shown == pytest.approx(float(months["gradient"].sum()), rel=1e-3)
    of_year = figure.axes[2].lines[0].get_ydata()
    np.testing.assert_allclose(of_year, months["d_volume_of_year"][:12].sum("control"))
    with pytest.raises(ValueError, match="by_month=True"):
        plot_months(found)
