"""The verb ``hydro``: the daily water of a run of the ice dynamics."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oggm_glaunti import settings
from oggm_glaunti.cli import common
from oggm_glaunti.cli.directories import (
    ALIASES,
    DIRECTORY,
    Outputs,
    add_chosen_model,
    add_directory,
    for_each,
    mb_kwargs_of,
)
from oggm_glaunti.files import write_text

if TYPE_CHECKING:
    from oggm import GlacierDirectory

WORDS = f"""\
{DIRECTORY}
Runs the ice dynamics over the years and writes glaunti_hydro_daily.nc to the glacier's directory, a copy of the daily
sums as CSV, and a figure. The day is the mass-conserving one unless the calibration is another's: with the published
day melt of snow and of ice are not known apart, and there is no figure.
"""
COLUMNS = (
    "liq_prcp_on_glacier",
    "liq_prcp_off_glacier",
    "snowfall_on_glacier",
    "snowfall_off_glacier",
    "melt_on_glacier",
    "melt_off_glacier",
    "snow_melt_on_glacier",
    "ice_melt_on_glacier",
    "swe_on_glacier",
    "snow_bucket",
    "discharge",
)


def add_hydro(subparsers: common.Subparsers) -> None:
    """Add ``hydro``."""
    what = "rain, snow, melt and runoff of every day, with the ice moving"
    epilog = "example:\n  oggm-glaunti hydro DIR --years 1982 2020 --units catchments.gpkg --routing 5 --out runoff"
    parser = common.add_verb(subparsers, "hydro", _run, what, WORDS, epilog, ALIASES, reads_calibration=True)
    add_directory(parser)
    common.add_out(parser)
    common.add_years(parser, help="first and last year of the run (default: all years of the record)")
    where = "polygons or raster of sub-catchments or model cells (default: the run's largest glacier area)"
    parser.add_argument("--units", type=Path, metavar="FILE", help=where)
    parser.add_argument("--routing", type=float, metavar="DAYS", help="residence time on the way to the gauge")
    parser.add_argument("--discharge", type=Path, metavar="CSV", help="measured daily discharge, for scores and figure")
    parser.add_argument("--area", type=float, metavar="KM2", help="of the gauge's catchment")
    parser.add_argument("--output-suffix", default="", metavar="SUFFIX", help="of the run's files (default: none)")
    model = add_chosen_model(parser)
    model.add_argument("--calibration", metavar="SUFFIX", help="suffix of glaunti_params (default: none)")
    model.add_argument("--uncalibrated", action="store_true", help="run as published if there is no calibration")
    kinds = ("none", "woodward", "cold_content")
    model.add_argument("--refreezing", choices=kinds, help="of rain and melt (default: none)")
    model.add_argument("--debris", action="store_true", help="ice melts as glaunti_debris.json says")
    model.add_argument("--variant", choices=settings.VARIANTS, help="default: as calibrated, otherwise mass_conserving")


def _run(args: argparse.Namespace) -> int:
    return for_each(args, lambda gdir: _hydro(gdir, args, Outputs(args.out, gdir.rgi_id)))


def _hydro(gdir: GlacierDirectory, args: argparse.Namespace, outputs: Outputs) -> None:
    from oggm.core.massbalance import MultipleFlowlineMassBalance

    from oggm_glaunti.analysis.runoff.discharge import read_discharge
    from oggm_glaunti.coupling.hydro.file import read_daily_hydro
    from oggm_glaunti.coupling.hydro.task import run_with_daily_hydro
    from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
    from oggm_glaunti.graphics import plot_runoff, save_png

    measured = None if args.discharge is None else read_discharge(args.discharge, args.area)
    kwargs = mb_kwargs_of(gdir, args)
    calibrated = gdir.has_file("glaunti_params", filesuffix=args.calibration or "")
    if args.variant or not calibrated:
        kwargs["variant"] = args.variant or "mass_conserving"
    kwargs |= common.given(args, "refreezing") | ({"debris": True} if args.debris else {})
    settings.set_params({"store_model_geometry": True})
    mb_model = MultipleFlowlineMassBalance(gdir, mb_model_class=GlaUnTIMassBalance, **kwargs)
    record = mb_model.flowline_mb_models[0].years
    first, last = args.years or (int(record[0]), int(record[-1]))
    how: dict[str, Any] = {"ys": first, "ye": last + 1, "output_filesuffix": args.output_suffix}
    run_with_daily_hydro(gdir, mb_model=mb_model, units=args.units, routing=args.routing, **how)
    water = read_daily_hydro(gdir, args.output_suffix)
    known = [name for name in COLUMNS if name in water]
    table = water[known].sum("unit") if "unit" in water.dims else water[known]
    table = table.mean("realisation") if "realisation" in table.dims else table
    write_text(outputs.path("_hydro.csv"), table.to_dataframe()[known].to_csv(float_format="%.6g"))
    years = last - first + 1
    print(f"{gdir.rgi_id}, {first} to {last}, in Mt a year:")
    for name in known:
        if water[name].attrs["units"] == "kg day-1":
            print(f"  {name:24s}{float(table[name].sum()) / years / 1e9:9.2f}")
    if "snow_bucket" not in water:
        print(f"  {water.attrs['without_snow_and_ice']}")
        return
    save_png(plot_runoff(water, measured=measured), outputs.path("_hydro.png"))
    if measured is not None:
        _print_scores(gdir, args, measured)


def _print_scores(gdir: GlacierDirectory, args: argparse.Namespace, measured: Any) -> None:
    from oggm_glaunti.analysis.runoff.routing import fit_routing

    found = fit_routing(gdir, measured, area=args.area, filesuffix=args.output_suffix)
    times = ", ".join(f"{name} {days:.1f}" for name, days in found.days.items())
    print(f"  routed in 5 days: NSE {found.default.nse:.3f}, volume {100 * found.default.volume:+.0f} %")
    print(f"  residence times fitted ({times} days): NSE {found.fitted.nse:.3f}, KGE {found.fitted.kge:.3f}")
