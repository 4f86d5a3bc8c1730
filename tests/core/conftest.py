"""Tests of the numerics; with OGGM_GLAUNTI_CHECK_SHAPES=1 all of them run with shape annotations checked."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import jax
import pytest

from .worlds import CHECKED, import_checked_core, x64

if CHECKED:
    if any(name.startswith("oggm_glaunti.core") for name in sys.modules):
        raise pytest.UsageError("OGGM_GLAUNTI_CHECK_SHAPES works for tests/core by itself: core is imported already")
    import_checked_core()


@pytest.fixture
def float64() -> Iterator[None]:
    """The test runs with 64-bit mode on."""
    with x64():
        yield


@pytest.fixture(params=["float32", "float64"])
def strict(request: pytest.FixtureRequest) -> Iterator[str]:
    """Nothing is promoted in silence, neither dtypes nor ranks; the value is the dtype to work in."""
    with x64(request.param == "float64"), jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield request.param
