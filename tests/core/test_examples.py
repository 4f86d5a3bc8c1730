from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import oggm_glaunti.core as core

MODULES = [module.name for module in pkgutil.iter_modules(core.__path__)]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_are_true(name):
    failed, _ = doctest.testmod(importlib.import_module(f"oggm_glaunti.core.{name}"))
    assert failed == 0


def test_examples_are_found():
    modules = (importlib.import_module(f"oggm_glaunti.core.{name}") for name in MODULES)
    found = [test.examples for module in modules for test in doctest.DocTestFinder().find(module)]
    assert sum(map(len, found)) > 15
