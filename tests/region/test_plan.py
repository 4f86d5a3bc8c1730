"""The plan: every glacier once, in shapes that hold it, within the memory; all of it without JAX."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from oggm_glaunti.region.plan import (
    CPU_COLUMNS,
    SIDES,
    Batch,
    Planner,
    Size,
    bucket_side,
    corrections_memory,
    table_memory,
)


def make_plan(sizes: list[Size], memory: float, gpu: bool = False) -> list[Batch]:
    """All batches for some glaciers, in the order in which they fill up; without maps the table only."""
    planner = Planner(memory, gpu)
    corrected = [planner.add(size) for size in sizes if size.rows]
    plan = [batch for batch in corrected if batch] + planner.flush()
    tables = [planner.add_table(size) for size in sizes]
    return plan + [batch for batch in tables if batch] + planner.flush()


@st.composite
def sizes(draw):
    """A region of glaciers of two models, with records of different lengths."""
    region = []
    for index in range(draw(st.integers(1, 60))):
        rows, cols = draw(st.integers(16, 300)), draw(st.integers(16, 300))
        years = draw(st.sampled_from([3, 19, 20, 21, 40]))
        corrected = draw(st.booleans())
        shape = {"rows": rows, "cols": cols, "channels": draw(st.sampled_from([6, 15]))} if corrected else {}
        about = {"nodes": draw(st.integers(4, 400)), "cells": draw(st.integers(1, rows * cols)), "years": years - 1}
        periods = draw(st.sampled_from([1, years - 1]))
        about |= {"bands": draw(st.integers(1, 90)), "periods": periods}
        model = draw(st.sampled_from(["C", "D"]))
        region.append(Size(str(index), model, heights=draw(st.integers(10, 700)), table_years=years, **shape, **about))
    return region


@given(sizes(), st.sampled_from([1e6, 3e7, 5e8]), st.booleans())
def test_every_glacier_gets_its_table_once_and_its_corrections_once_before(region, memory, gpu):
    plan = make_plan(region, memory, gpu)
    for stage, wanted in (("corrections", [s for s in region if s.rows]), ("tables", region)):
        found = Counter(key for batch in plan if batch.stage == stage for key in batch.keys)
        assert found == Counter(size.key for size in wanted)
    stages = [batch.stage for batch in plan]
    assert stages == sorted(stages)


@given(sizes(), st.sampled_from([1e6, 3e7, 5e8]), st.booleans())
def test_a_batch_holds_all_its_glaciers_and_no_more_than_the_memory_allows(region, memory, gpu):
    known = {size.key: size for size in region}
    for batch in make_plan(region, memory, gpu):
        own = [known[key] for key in batch.keys]
        assert 1 <= len(own) <= batch.slots
        assert batch.memory <= memory or batch.slots == 1
        assert {size.model for size in own} == {batch.model}
        if batch.stage == "tables":
            assert batch.heights >= max(size.heights for size in own)
            assert batch.table_years >= max(size.table_years for size in own)
            assert batch.periods >= max(size.periods for size in own)
            continue
        assert batch.side >= max(max(size.rows, size.cols) for size in own)
        assert {size.channels for size in own} == {batch.channels}
        assert batch.years >= max(size.years for size in own)
        assert batch.nodes >= max(size.nodes for size in own)
        assert batch.bands >= max(size.bands for size in own)
        assert 16 * batch.lanes >= sum(size.cells for size in own)


def small(index, **kwargs):
    about = {"rows": 40, "cols": 33, "channels": 6, "nodes": 140, "cells": 12, "bands": 8, "years": 19, "periods": 19}
    return Size(str(index), "C", **{"heights": 180, "table_years": 20, **about, **kwargs})


def shapes(plan):
    return {dataclasses.replace(batch, keys=()) for batch in plan}


def test_a_thousand_small_glaciers_need_two_programs_and_full_batches():
    plan = make_plan([small(i) for i in range(1000)], 5e8)
    assert len(shapes(plan)) == 2
    assert len(plan) == 125 + 200
    assert all(len(batch.keys) == batch.slots for batch in plan)


def test_on_a_cpu_the_columns_of_a_batch_of_tables_fit_a_block():
    for batch in make_plan([small(i) for i in range(9)], 5e8):
        if batch.stage == "tables":
            assert batch.slots * batch.heights <= CPU_COLUMNS


def test_a_gpu_takes_many_at_once():
    region = [small(i) for i in range(1000)]
    assert len(make_plan(region, 8e9, gpu=True)) < len(make_plan(region, 8e9)) / 20


def test_less_memory_means_smaller_batches_and_a_glacier_too_large_runs_alone():
    each = corrections_memory(40, 6, 20)
    region = [small(i) for i in range(8)] + [small(8, rows=700, cols=650, cells=90_000)]
    by_slots = {
        slots: [batch.slots for batch in make_plan(region, (slots + 0.5) * each) if batch.side == 40]
        for slots in (1, 3, 8)
    }
    assert by_slots == {1: [1] * 8, 3: [3] * 3, 8: [8]}
    (large,) = [batch for batch in make_plan(region, 3 * each) if batch.side > 40]
    assert (large.side, large.slots, large.keys) == (704, 1, ("8",))
    assert large.memory > 3 * each


def test_inputs_that_wait_are_bounded_by_the_memory():
    """Forty models, so that no batch is full for long: the queue with the most inputs is run half empty."""
    planner, waiting, most = Planner(5e7), {}, 0
    for index in range(400):
        size = dataclasses.replace(small(index, held=1_000_000), model=f"weights {index % 40}")
        waiting[size.key] = size.held
        batch = planner.add(size)
        for key in batch.keys if batch else ():
            del waiting[key]
        most = max(most, sum(waiting.values()))
    assert 4.8e7 < most <= 5e7
    assert {key for batch in planner.flush() for key in batch.keys} == set(waiting)


@pytest.mark.parametrize("stage", ["corrections", "tables"])
def test_batches_are_handed_out_as_soon_as_they_are_full(stage):
    planner = Planner(5e8)
    add = planner.add if stage == "corrections" else planner.add_table
    handed = [batch for batch in (add(small(i)) for i in range(20)) if batch]
    slots = handed[0].slots
    assert [batch.keys for batch in handed] == [
        tuple(str(i) for i in range(first, first + slots)) for first in range(0, 20 - slots + 1, slots)
    ]
    waiting = planner.flush()
    assert sum(len(batch.keys) for batch in waiting) == 20 - slots * len(handed)
    assert planner.flush() == []


def test_estimates_grow_with_what_they_estimate():
    assert corrections_memory(64, 6, 20) > corrections_memory(48, 6, 20) > corrections_memory(48, 6, 10)
    assert corrections_memory(48, 15, 20) > corrections_memory(48, 6, 20)
    assert table_memory(256, 20, 20) > table_memory(192, 20, 20) > table_memory(192, 20, 1) > table_memory(192, 10, 1)


def test_buckets_pad_little():
    padded = [bucket_side(side, side) ** 2 / side**2 for side in range(31, max(SIDES) + 1)]
    assert min(padded) >= 1.0
    assert max(padded) < 2.25
    assert sum(padded) / len(padded) < 1.45


@pytest.mark.slow
def test_planning_needs_no_jax():
    code = "import sys, oggm_glaunti.region.plan; print(sorted({'jax', 'equinox'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
