"""The Oetztal as a region, as numbers: ``python -m tests.real.region`` prints them.

Real outlines and DEM, one station's weather: it shows that a region runs through, not how its glaciers fared.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.real.measured import shared_data


def largest_difference_one_by_one(gdirs: list) -> float:
    """Tables made in batches against those that each glacier's model builds alone, m w.e. a month."""
    from oggm_glaunti import GlaUnTIMassBalanceC

    worst = 0.0
    for gdir in gdirs:
        mb_model = GlaUnTIMassBalanceC(gdir)
        together = mb_model.store.read(mb_model.tunable_params()).smb
        Path(mb_model.store.path()).unlink()
        alone = GlaUnTIMassBalanceC(gdir)
        alone.get_annual_mb([3000.0], year=alone.years[0])
        worst = max(worst, float(np.abs(alone.store.read(alone.tunable_params()).smb - together).max()))
    return worst


def run_in_two_processes(gdirs: list) -> Any:
    """Ice dynamics over the record in OGGM's pool, and the compiled output."""
    from oggm import cfg, tasks, workflow

    from oggm_glaunti import GlaUnTIMassBalanceC, tasks as gtasks

    cfg.PARAMS.update(use_multiprocessing=True, mp_processes=2, use_mp_spawn=True)
    workflow.reset_multiprocessing()
    settings = {"mb_model_class": GlaUnTIMassBalanceC, "store_fl_diagnostics": True, "output_filesuffix": "_c"}
    try:
        workflow.execute_entity_task(tasks.run_from_climate_data, gdirs, ys=2014, ye=2023, **settings)
        return gtasks.compile_glaunti_output(gdirs, input_filesuffix="_c", mb_kwargs={"model": "C"})
    finally:
        workflow.reset_multiprocessing()
        cfg.PARAMS["use_multiprocessing"] = False


def print_region(folder: Path, shared: Path) -> None:
    """Run it all and print what came out."""
    from oggm_glaunti import tasks as gtasks
    from tests.region.oetztal import prepare_oetztal

    gdirs = prepare_oetztal(folder, shared)
    for call in ("first", "second"):
        start = time.perf_counter()
        statuses = gtasks.glaunti_tables(gdirs, mb_kwargs={"model": "C"}, progress=False)["status"]
        counts = statuses.value_counts().to_dict()
        print(f"glaunti_tables, {len(gdirs)} outlines, {call} call: {counts}, {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    ds = run_in_two_processes(gdirs)
    took = time.perf_counter() - start
    print(f"run_from_climate_data 2014-2022 in 2 processes, compiled: {int(ds['compiled'].sum())} done, {took:.1f} s")
    for year in ds["year"].to_numpy()[[0, -1]]:
        at = ds.isel(time=int(np.flatnonzero(ds["year"].to_numpy() == year)[0]))
        print(
            f"{year}: {int(at['region_count'])} outlines, {float(at['region_area']):.1f} km2, "
            f"{float(at['region_specific_mb']):+.3f} m w.e."
        )
    print(f"tables in batches against one by one: {largest_difference_one_by_one(gdirs):.1e} m w.e. a month")


def main() -> None:
    """Print the numbers."""
    shared = shared_data()
    with tempfile.TemporaryDirectory() as folder:
        print_region(Path(folder), shared)


if __name__ == "__main__":
    main()
