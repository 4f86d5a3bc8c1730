"""All cases by name, in the order of the document."""

from __future__ import annotations

from tests.benchmarks import coupled, kernels, regions, scaling, training


def all_cases() -> dict:
    """Cases by name."""
    return {
        case.name: case for case in [*kernels.CASES, *training.CASES, *coupled.CASES, *scaling.CASES, *regions.CASES]
    }
