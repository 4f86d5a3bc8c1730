"""All cases by name, in the order of the document."""

from __future__ import annotations

from tests.benchmarks import (
    analysis,
    calibrations,
    command,
    coupled,
    hydro,
    kernels,
    region_runs,
    regions,
    scaling,
    training,
    world,
)

MODULES = (kernels, training, analysis, coupled, hydro, calibrations, command, region_runs, scaling, regions, world)


def all_cases() -> dict:
    """Cases by name."""
    return {case.name: case for module in MODULES for case in module.CASES}
