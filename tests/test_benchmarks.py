"""The benchmarks compare like with like, and all of them run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.benchmarks import (
    __main__ as program,
    cases,
    command,
    coupled,
    plain,
    region_runs,
    regions,
    report,
    runner,
    scaling,
    synthetic,
    world,
)

REPOSITORY = Path(__file__).resolve().parents[1]
DATA_CASES = ("corrected_table", "carried_snow", *(case.name for case in coupled.CASES))
COMMANDS = tuple(case.name for case in (*command.CASES, *region_runs.CASES))
REGIONS = tuple(case.name for case in (*regions.CASES, *world.CASES))
COMPARED = ("gridded_c", "gradient_a", "gradient_c", "table")
RUN_ONLY = [n for n in cases.all_cases() if n not in (*DATA_CASES, *REGIONS, *COMMANDS, *COMPARED)]


@pytest.fixture
def compiled_quickly():
    """Programs that run once are not optimised."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()


@pytest.fixture(scope="module")
def glacier():
    return synthetic.glacier(24)


@pytest.mark.slow
def test_the_plain_baseline_is_the_exact_path(glacier, compiled_quickly):
    from tests.benchmarks import kernels, subjects

    for baseline, exact in ((kernels.plain_a, subjects.a_exact), (kernels.plain_c, subjects.c_exact)):
        np.testing.assert_allclose(baseline(glacier)(), exact(glacier)(), atol=2e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPARED)
def test_all_sides_of_a_case_compute_the_same_and_it_runs(name, compiled_quickly, capsys):
    baseline, *others = (
        np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(subject.run())])
        for subject in cases.all_cases()[name].make(True)
    )
    assert others
    for other in others:
        assert np.linalg.norm(other - baseline) < 1e-3 * np.linalg.norm(baseline)
    assert program.main(["--quick", "--case", name]) == 0
    assert f"<!-- {name} -->" in capsys.readouterr().out


@pytest.mark.slow
def test_the_plain_baseline_runs_seasons_like_the_package(glacier):
    from oggm_glaunti.core.forcing import StationForcing
    from oggm_glaunti.core.glaunti import Season, run_seasons

    parts = slice(0, 212), slice(211, 365)
    weights = [plain.season_weights(part.stop - part.start) for part in parts]
    seasons = tuple(
        Season(StationForcing(glacier.temp[p], glacier.prcp[p], glacier.offset), w)
        for p, w in zip(parts, weights, strict=True)
    )
    swe, smb, _ = run_seasons(synthetic.model("A").ti.resolve(), glacier.swe, seasons)
    plain_swe, plain_smb = plain.station_a(
        synthetic.leaves("A"), glacier.swe, glacier.temp, glacier.prcp, glacier.offset, weights
    )
    np.testing.assert_allclose(plain_smb, sum(smb), atol=1e-5, rtol=0)
    np.testing.assert_allclose(plain_swe, swe, atol=2e-5, rtol=0)


def test_plain_months_are_the_packages():
    from oggm_glaunti.core.forcing import monthly_climate

    temp, prcp = synthetic.weather(380)
    time = np.datetime64("2018-09-20") + np.arange(380)
    np.testing.assert_allclose(plain.monthly_climate(time, temp, prcp), monthly_climate(time, temp, prcp), rtol=1e-6)


def test_the_synthetic_glacier_is_as_described():
    glacier = synthetic.glacier(100)
    assert glacier.outline.mean() == pytest.approx(synthetic.COVER, abs=0.01)
    assert glacier.elevation.min() == synthetic.LOWEST
    assert glacier.elevation.max() == synthetic.HIGHEST


def test_work_is_done_in_turn_and_first_calls_are_apart():
    order = []

    def slow_at_first() -> str:
        time.sleep(0.0 if "a" in order else 0.05)
        order.append("a")
        return "of a"

    medians, first, results = runner.alternate({"a": slow_at_first, "b": lambda: order.append("b")}, 3, 0.0)
    assert order == list("ab" * 5)  # first call, one for the caches, three rounds
    assert results["a"] == "of a"
    assert first["a"] > 0.05 > medians["a"]


def test_more_rounds_are_run_while_there_is_time():
    order = []
    runner.alternate({"a": lambda: order.append("a")}, 3, 60.0)
    assert len(order) == 1 + 5 * 3 + 1


def test_a_median_of_nothing_is_an_error():
    assert runner.median([3.0, 1.0, 100.0]) == 3.0
    with pytest.raises(ValueError, match="no times"):
        runner.median([])


def fake_case() -> runner.Case:
    subjects = [
        runner.Subject("slow", lambda: time.sleep(0.02)),
        runner.Subject("fast", lambda: time.sleep(0.002), lambda _: "1e-6 m", needed=2.0),
        runner.Subject("late", lambda: time.sleep(0.002), limit=1e-4),
        runner.Subject("steps", lambda: time.sleep(0.02), needed=5.0, units=lambda: 10),
    ]
    return runner.Case("fake", "A fake", lambda quick: subjects, measures_memory=False, rounds=1)


def test_ratios_are_per_unit_and_what_is_not_met_is_said():
    rows = runner.measure(fake_case())
    assert [row.met() for row in rows] == [None, True, False, True]
    lines = report.table(fake_case(), rows).splitlines()
    assert "2x: met | 1e-6 m" in lines[3]
    assert "NOT MET" in lines[4]
    assert fake_case().body(False, False, None)[1] is False


def test_too_much_memory_is_not_met():
    row = runner.Row("a", 1.0, 1.0, 20.0, "", 1200.0, 1.0, runner.Subject("a", lambda: None, memory_limit=1000.0))
    assert row.met() is False
    assert "1000 MB: NOT MET" in report.needed(row)


def test_one_block_of_the_document_is_replaced_alone(tmp_path):
    path = tmp_path / "benchmarks.md"
    order = ["one", "two", "three"]
    block = lambda name, body: report.block(name, f"Title of {name}", "machine", body)
    report.write({"three": block("three", "| 3 |"), "one": block("one", "| 1 |")}, order, path)
    report.write({"two": block("two", "| 2 |"), "three": block("three", "| new |")}, order, path)
    text = path.read_text()
    assert text.startswith("# Benchmarks")
    assert [text.index(part) for part in ("| 1 |", "| 2 |", "| new |")] == sorted(
        text.index(part) for part in ("| 1 |", "| 2 |", "| new |")
    )
    assert "| 3 |" not in text
    assert text.count("# Benchmarks") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["benchmarks.md"]


def test_proportional_cost_has_slope_one(tmp_path):
    times = {n: 0.003 * n for n in (1, 10, 100, 1000)}
    assert scaling.slope(times) == pytest.approx(1.0)
    scaling.draw(tmp_path / "a.png", "Cost", "cells", {"work": times})
    assert (tmp_path / "a.png").stat().st_size > 5000


def test_peak_memory_is_that_of_the_process_itself():
    # In a process of its own: a peak that lies behind this one would hide what is taken here.
    code = (
        "import numpy as np; from tests.benchmarks.runner import own_peak_mb; before = own_peak_mb();"
        "taken = np.ones(40_000_000); print(own_peak_mb() - before)"  # 320 MB
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert 200 < float(done.stdout) < 500


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN_ONLY)
def test_every_other_case_of_the_numerics_runs(name, compiled_quickly, capsys):
    assert program.main(["--quick", "--case", name]) == 0
    assert f"<!-- {name} -->" in capsys.readouterr().out


@pytest.mark.slow
def test_cases_of_the_command_run(shared, weights, capsys, monkeypatch, tmp_path):
    run_module = command.last_line_of

    def keeping(*arguments, **kwargs):
        line = run_module(*arguments, **kwargs)
        shutil.copytree(arguments[-1], tmp_path / "out", dirs_exist_ok=True)
        return line

    def kept(*arguments, **kwargs):
        shutil.copytree(tmp_path / "out", arguments[-1])

    # What the first case prepares serves the second.
    for name, prepare in (("command", keeping), ("region_runs", kept)):
        monkeypatch.setattr(command, "last_line_of", prepare)
        assert program.main(["--quick", "--case", name]) == 0
        assert f"<!-- {name} -->" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["corrected_table", "carried_snow"])
def test_every_case_on_real_data_runs(shared, name, capsys):
    assert program.main(["--quick", "--case", name]) == 0
    assert f"<!-- {name} -->" in capsys.readouterr().out


@pytest.mark.slow
def test_every_case_in_oggm_runs(weights_dir, oggm_env, capsys):
    names = [case.name for case in coupled.CASES]
    assert program.main(["--quick", *(word for name in names for word in ("--case", name))]) == 0
    out = capsys.readouterr().out
    assert all(f"<!-- {name} -->" in out for name in names)


@pytest.mark.slow
def test_a_region_is_measured_in_a_process_of_its_own(weights):
    measured = regions.measure_apart(1, 2)
    assert (measured.glaciers, measured.years) == (1, 2)
    assert 0 < measured.warm < measured.first
    assert json.dumps(measured._asdict())


@pytest.mark.slow
def test_size_classes_of_the_world_and_clusters_are_measured(weights, oggm_env, monkeypatch, capsys):
    def here(module, *arguments, timeout):
        assert program.main([str(argument) for argument in arguments]) == 0
        return capsys.readouterr().out.splitlines()[-1]

    monkeypatch.setattr(world, "last_line_of", here)
    small = world.measure_apart(world.CLASSES[0], "A", 2, 2)
    assert small.glaciers == 2
    assert 0 < small.warm < small.first
    ((cluster,), alone) = world.measure_clusters((1,), chunks=3, glaciers=2, chunk_size=1, size=3)
    assert min(cluster.start, cluster.chunk, cluster.region, alone) > 0
    rows = {(model, world.CLASSES[0]): small for model in world.MODELS}
    assert "the largest glacier" in world.sums(rows, [cluster])


def test_size_classes_are_those_of_the_inventory():
    assert sum(c.count for c in world.CLASSES) == world.WORLD
    areas = [c.areas(2000) for c in world.CLASSES]
    assert sum(c.count * own.mean() for c, own in zip(world.CLASSES, areas, strict=True)) == pytest.approx(
        world.WORLD_AREA, rel=0.005
    )
    ends = [(own.min(), own.max()) for own in areas]
    assert all(c.low <= low <= high <= c.high for c, (low, high) in zip(world.CLASSES, ends, strict=True))


def test_an_unknown_case_is_named(capsys):
    assert program.main(["--case", "nonsense"]) == 2
    assert "no case nonsense; there are a_100" in capsys.readouterr().err


def test_quick_numbers_are_never_written():
    with pytest.raises(SystemExit):
        program.main(["--quick", "--write"])
