"""The notebooks run on real data; where those are missing they are skipped, with the reason.

What they print and draw is kept for the documentation (``docs/_ext/notebooks.py``), so that they are executed once only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbmake.nb_result import NotebookResult
from nbmake.nb_run import NotebookRun

from oggm_glaunti.files import write_text

SHARED_ENV = "OGGM_GLAUNTI_SHARED"
HERE = Path(__file__).resolve().parent
EXECUTED = HERE.parent / "docs" / "_build" / "executed"
ALETSCH = ("data/aletsch_gdir", "data/camels_ch_glaciers")
NEEDED = {
    "01_first_glacier.ipynb": (
        "data/aletsch_gdir",
        "data/camels_ch_glaciers",
        "data/glamos_massbalance",
        "reference/upstream",
        "reference/aletsch_real.csv",
    ),
    "02_from_outline.ipynb": (
        "data/oggm-sample-data",
        "data/rofental_openamundsen",
        "reference/upstream",
        "reference/hef_real_rows.csv",
    ),
    "03_region.ipynb": ("data/oggm-sample-data", "reference/upstream", "reference/hef_real.npz"),
    "04_your_own_observations.ipynb": (
        "data/aletsch_gdir",
        "data/camels_ch_glaciers",
        "data/glamos_massbalance",
        "reference/upstream",
    ),
    "05_train.ipynb": (),  # made-up glaciers
    "06_inverse.ipynb": (*ALETSCH, "data/glamos_massbalance"),
    "07_what_made_this_year.ipynb": (*ALETSCH, "data/glamos_massbalance"),
    "08_uncertainty.ipynb": (*ALETSCH, "data/glamos_massbalance"),
    "09_dem_voids.ipynb": (*ALETSCH, "data/demimputation"),
    "10_ice_flow.ipynb": (*ALETSCH, "data/perito_moreno_sentinel2"),
    "12_daily_runoff.ipynb": ALETSCH,
    "11_meltwater.ipynb": (*ALETSCH, "data/antarctica_daily_melt"),
}


def shared_folder() -> Path:
    """The folder a notebook will look in."""
    given = os.environ.get(SHARED_ENV)
    return Path(given) if given else HERE.parents[1] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = shared_folder()
    for item in items:
        if item.path.parent != HERE or item.path.suffix != ".ipynb":
            continue
        missing = [name for name in NEEDED[item.path.name] if not (folder / name).exists()]
        if missing:
            reason = f"real data: {', '.join(missing)} not in {folder}; set {SHARED_ENV} to the folder that holds them"
            item.add_marker(pytest.mark.skip(reason=reason))


def keeping_outputs(execute: Callable[[NotebookRun], NotebookResult]) -> Callable[[NotebookRun], NotebookResult]:
    """Execute a notebook and, if that went well, keep a copy with its outputs."""

    def execute_and_keep(run: NotebookRun) -> NotebookResult:
        result = execute(run)
        if result.error is None:
            EXECUTED.mkdir(parents=True, exist_ok=True)
            write_text(EXECUTED / Path(run.filename).name, nbformat.writes(result.nb))
        return result

    return execute_and_keep


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        # nbmake drops the outputs, or writes them into the notebook itself.
        patch.setattr(NotebookRun, "execute", keeping_outputs(NotebookRun.execute))
        return (yield)
