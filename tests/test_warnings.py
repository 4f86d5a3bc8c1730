"""Which warnings fail the suite: those that our own code gives rise to, not those of a dependency's release."""

from __future__ import annotations

import warnings

import pytest


@pytest.mark.parametrize("module", ["oggm_glaunti.core.run", "tests.core.test_run"])
def test_a_warning_from_our_modules_is_an_error(module):
    with pytest.raises(RuntimeWarning, match="invalid value"):
        warnings.warn_explicit("invalid value", RuntimeWarning, "run.py", 1, module=module)


@pytest.mark.parametrize(
    ("module", "category"),
    [("rasterio.windows", RuntimeWarning), ("oggm_glaunti.core.run", DeprecationWarning), ("xarray", FutureWarning)],
)
def test_what_a_new_release_of_a_dependency_says_is_no_error(module, category):
    shown = []
    with warnings.catch_warnings():
        warnings.showwarning = lambda *args, **kwargs: shown.append(args[0])
        warnings.warn_explicit("changes soon", category, "windows.py", 1, module=module)
    assert [str(message) for message in shown] == ["changes soon"]
