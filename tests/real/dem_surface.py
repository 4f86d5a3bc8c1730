"""Grosser Aletsch on its yearly surface and on a fixed one, 2000-2019: ``python -m tests.real.dem_surface [FIGURES]``.

Models A and C as published, CAMELS-CH forcing, mass-balance years. The fixed surface is the directory's DEM
(Copernicus, 2011-2014); also against the surface of 2000 kept for all years, in which only what the glacier lost
counts. With a folder, the figures for the documentation are written to it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests import glaciers
from tests.real.measured import shared_data, timed

FIRST, LAST = 2000, 2019
KEPT = "_kept"  # suffix of a stack in which every year is that of 2000
SHOWN = ("method", "tiles", "shift_east", "shift_north", "seams", "nmad_before", "nmad_after")
SHOWN += ("vertical_datum", "vertical_shift", "stable_ground")
SCORES = ("imputed_share", "imputed_share_glacier", "rmse", "median_error", "nmad", "coverage_90", "std_scale")


def prepared(folder: Path, shared: Path) -> Any:
    """The directory with features and surfaces."""
    from oggm_glaunti import tasks as gtasks

    gdir = glaciers.prepare_aletsch(folder / "aletsch", shared)
    gtasks.glaunti_features(gdir)
    tiles = shared / "data" / "demimputation"
    gtasks.process_dem_stack(gdir, z=tiles, glacier="Grosser Aletsch", vertical_datum="ellipsoid")
    keep_first_year(gdir)
    return gdir


def keep_first_year(gdir: Any) -> None:
    """Write the same stack, but with the surface of its first year in all years."""
    from dataclasses import replace

    from oggm_glaunti.coupling.ground.dem_stack_file import read_dem_stack, read_dem_stack_attributes, write_dem_stack

    stack = read_dem_stack(gdir)
    fixed = replace(stack, z=np.repeat(stack.z[:1], len(stack.years), axis=0))
    datum = {"vertical_datum": read_dem_stack_attributes(gdir)["vertical_datum"]}
    write_dem_stack(gdir, fixed, datum, KEPT)


def run(gdir: Any, model: str, **surface: str) -> dict[str, np.ndarray]:
    """Glacier-wide balances of a model as published."""
    from oggm_glaunti import tasks as gtasks

    span = {"ys": FIRST, "ye": LAST, "years": "mass_balance"}
    return gtasks.glaunti_smb(gdir, mb_kwargs={"model": model, "check_calib_params": False}, **span, **surface)


def height_change(gdir: Any) -> np.ndarray:
    """Mean height of every year's surface less the fixed one over the glacier, m."""
    from oggm_glaunti.coupling.ground.dem_stack_file import read_dem_stack
    from oggm_glaunti.coupling.ground.features import read_features

    stack, features = read_dem_stack(gdir), read_features(gdir)
    rise = (stack.z - features.elevation)[:, features.glacier].mean(axis=1, dtype=np.float64)
    return rise[np.isin(stack.years, np.arange(FIRST, LAST + 1))]


def print_years(model: str, balances: dict[str, dict[str, np.ndarray]], rise: np.ndarray) -> None:
    """A line a year, and the means."""
    fixed, yearly, kept = (balances[name]["smb"] for name in ("fixed", "yearly", "kept"))
    years = balances["fixed"]["time"].astype("datetime64[Y]").astype(int) + 1970
    print(f"\nmodel {model}: balance of mass-balance years, m w.e.; height in m")
    print("year   fixed  yearly  yearly-fixed  yearly-2000's  mean height yearly-fixed")
    rows = [fixed, yearly, yearly - fixed, yearly - kept, rise]
    for label, values in [*zip(years, zip(*rows, strict=True), strict=True), ("mean", [r.mean() for r in rows])]:
        numbers = "{:+8.3f}{:+8.3f}{:+14.3f}{:+15.3f}{:+15.1f}".format(*values)
        print(f"{label!s:4s}{numbers}")


def write_figures(gdir: Any, balances: dict[str, dict[str, np.ndarray]], rise: np.ndarray, folder: Path) -> None:
    """Of the yearly surface and its effect."""
    import xarray as xr

    from oggm_glaunti.coupling.ground.features import read_features
    from oggm_glaunti.graphics import plot_surface_change, plot_voids
    from oggm_glaunti.graphics.style import save_png

    title = "Grosser Aletsch, model A as published"
    figure = plot_surface_change(balances["fixed"], balances["yearly"], title, height_change=rise)
    save_png(figure, folder / "aletsch_yearly_surface.png")
    with xr.open_dataset(gdir.get_filepath("glaunti_dem_stack")) as stack:
        outline = read_features(gdir).outline
        save_png(plot_voids(stack, title="Grosser Aletsch", outline=outline), folder / "aletsch_dem_stack.png")


def main() -> None:
    """Print everything."""
    shared = shared_data()
    with tempfile.TemporaryDirectory() as folder:
        gdir = prepared(Path(folder), shared)
        from oggm_glaunti.coupling.ground.dem_stack_file import read_dem_stack_attributes

        about = read_dem_stack_attributes(gdir)
        for name in (*SHOWN, *SCORES):
            print(f"{name}: {about[name] if isinstance(about[name], str) else np.round(about[name], 3)}")
        rise = height_change(gdir)
        for model in ("A", "C"):
            surfaces = {"fixed": {}, "yearly": {"surface": "yearly"}}
            surfaces["kept"] = {"surface": "yearly", "dem_stack_filesuffix": KEPT}
            seconds = {name: timed(lambda m=model, s=s: run(gdir, m, **s), 1) for name, s in surfaces.items()}
            balances = {name: of.result for name, of in seconds.items()}
            print_years(model, balances, rise)
            warm = ", ".join(f"{name} {of.warm:.1f} s" for name, of in seconds.items() if name != "kept")
            print(f"the second time: {warm}")
            if model == "A" and len(sys.argv) == 2:
                write_figures(gdir, balances, rise, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
