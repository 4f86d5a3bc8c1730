"""The verbs ``invert``, ``attribute``, ``uncertainty`` and ``measure``: analyses of a glacier directory on disk."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from oggm_glaunti.cli import common
from oggm_glaunti.cli.directories import (
    ALIASES,
    DIRECTORY,
    OWN_BALANCE,
    Outputs,
    add_chosen_model,
    add_directory,
    for_each,
    mb_kwargs_of,
)
from oggm_glaunti.files import replacing, write_text

if TYPE_CHECKING:
    import xarray as xr
    from oggm import GlacierDirectory

    from oggm_glaunti.analysis.uncertainty.draws import WeatherErrors

RESULTS = f"""\
{DIRECTORY}
Tables are CSV, fields NetCDF, figures PNG. The first glacier that cannot be analysed ends the command.
"""

# What messages of invert advise in the words of Python.
INSTEAD = "--target and --years instead of --geodetic"
OF_GEODETIC = {
    "target 'geodetic'": "--geodetic",
    "Give a number and years instead": f"Give {INSTEAD}",
    "give its mean as a number": "give its mean with --target",
    OWN_BALANCE: f"a balance of your own ({INSTEAD})",
}

# Analyses one glacier directory and leaves files.
Analysis = Callable[["GlacierDirectory", argparse.Namespace, Outputs], None]


def add_invert(subparsers: common.Subparsers) -> None:
    """Add ``invert``."""
    what = "the change of temperature or precipitation that gives a balance, and the sensitivity to both"
    parser = _add_analysis(subparsers, "invert", what, "--years 2010 2019 --model A --out inverse", _invert)
    parser.add_argument("--target", type=float, default=0.0, help="mean annual balance, m w.e. (default: %(default)s)")
    parser.add_argument("--geodetic", action="store_true", help="target and years are those of OGGM's geodetic table")
    parser.add_argument("--control", choices=("dT", "dP", "both"), default="dT", help="what changes (default: dT)")
    parser.add_argument("--resolution", choices=("scalar", "monthly", "daily"), default="scalar")
    prior = "standard deviation of the change: K, or 1 for dP; both: two of them"
    parser.add_argument("--prior", type=float, nargs="+", help=prior)


def add_attribute(subparsers: common.Subparsers) -> None:
    """Add ``attribute``."""
    what = "what made a year's balance different: by day, month, height and on the map"
    example = "--year 2003 --reference 1991 2020 --out attribution"
    parser = _add_analysis(subparsers, "attribute", what, example, _attribute, lacks="years")
    parser.add_argument("--year", type=int, required=True, help="year to explain")
    reference = "years to compare with (default: all)"
    parser.add_argument("--reference", type=int, nargs=2, metavar=("FIRST", "LAST"), help=reference)


def add_uncertainty(subparsers: common.Subparsers) -> None:
    """Add ``uncertainty``."""
    what = "standard deviation of the balance from errors of parameters and model, and of the weather apart"
    example = "--years 2001 2020 --model A --out uncertainty"
    parser = _add_analysis(subparsers, "uncertainty", what, example, _uncertainty)
    priors = "parameters that were not fitted have the errors of a fit's priors, as in measure (default: none)"
    parser.add_argument("--priors", action="store_true", help=priors)
    _add_weather_errors(parser, "count them in the standard deviation and its band too (default: given apart)")


def add_measure(subparsers: common.Subparsers) -> None:
    """Add ``measure``."""
    what = "where one more stake or snow pit would tell most"
    example = "--years 2018 2020 --n-best 5 --out measure"
    parser = _add_analysis(subparsers, "measure", what, example, _measure, lacks="year_type")
    parser.add_argument("--target", default="smb", help="smb, or the name of a parameter (default: smb)")
    parser.add_argument("--n-best", type=common.positive, default=5, help="measurements in the table (default: 5)")
    _add_weather_errors(parser, "count them beside the errors of the model; the next three imply it (default: no)")


def _add_analysis(
    subparsers: common.Subparsers, verb: str, what: str, example: str, analyse: Analysis, lacks: str = ""
) -> argparse.ArgumentParser:
    """Add the parser of an analysis with the options that all have, but for one that it lacks."""
    epilog = f"example:\n  oggm-glaunti {verb} DIR --glacier RGI60-11.01450 {example}"

    def run(args: argparse.Namespace) -> int:
        return for_each(args, lambda gdir: analyse(gdir, args, Outputs(args.out, gdir.rgi_id)))

    parser = common.add_verb(
        subparsers, verb, run, what, RESULTS, epilog, ALIASES | OF_GEODETIC, reads_calibration=True
    )
    add_directory(parser)
    common.add_out(parser)
    if lacks != "years":
        common.add_years(parser, help="default: all years of the record")
    model = add_chosen_model(parser)
    model.add_argument("--calibration", metavar="SUFFIX", help="suffix of glaunti_params (default: none)")
    model.add_argument("--uncalibrated", action="store_true", help="run as published if there is no calibration")
    if lacks != "year_type":
        parser.add_argument("--year-type", choices=("hydrological", "calendar"), help="default: hydrological")
    return parser


def _add_weather_errors(parser: argparse.ArgumentParser, weather: str) -> None:
    group = parser.add_argument_group("errors of the weather", "of a week; 0 for none")
    group.add_argument("--weather", action="store_true", help=weather)
    group.add_argument("--sigma-temp", type=float, metavar="K", help="default: 1.5889")
    group.add_argument("--sigma-log-prcp", type=float, metavar="S", help="of the logarithm (default: 0.96401)")
    group.add_argument("--correlation-days", type=float, metavar="DAYS", help="default: independent weeks")


def _weather_errors(args: argparse.Namespace) -> dict[str, WeatherErrors]:
    """Return the argument `errors` of a task if any of them is given."""
    from oggm_glaunti.analysis.uncertainty.draws import WeatherErrors

    given = common.given(args, "sigma_temp", "sigma_log_prcp", "correlation_days")
    return {"errors": WeatherErrors(**given)} if given or args.weather else {}


def _invert(gdir: GlacierDirectory, args: argparse.Namespace, outputs: Outputs) -> None:
    from oggm_glaunti.analysis.inverse.tasks import climate_sensitivity, invert_forcing
    from oggm_glaunti.graphics import plot_forcing_series, plot_sensitivity, save_png

    model = {"mb_kwargs": mb_kwargs_of(gdir, args)}
    target = "geodetic" if args.geodetic else args.target
    prior = args.prior[0] if args.prior and len(args.prior) == 1 else args.prior
    asked = {"control": args.control, "resolution": args.resolution, **common.given(args, "years", "year_type")}
    found = invert_forcing(gdir, target=target, prior=prior, **asked, **model)
    write_text(outputs.path("_change.csv"), found.change.to_csv())
    write_text(outputs.path("_balances.csv"), found.balances.to_csv())
    years = found.balances.index[[0, -1]].tolist()
    table = climate_sensitivity(gdir, years=years, year_type=found.year_type, **model)
    write_text(outputs.path("_sensitivity.csv"), table.to_csv())
    save_png(plot_sensitivity(table, f"{gdir.rgi_id}, {years[0]}-{years[1]}"), outputs.path("_sensitivity.png"))
    if args.resolution != "scalar":
        save_png(plot_forcing_series(found, gdir.rgi_id), outputs.path("_series.png"))
    change = f"{found.resolution} series of {len(found.change)} values"
    if found.resolution == "scalar":
        rows = found.change.iterrows()
        change = ", ".join(f"{name} {row.value:+.3f} ± {row.sd:.3f} {row.units}" for name, row in rows)
    print(f"{gdir.rgi_id}, {found.year_type} years {years[0]} to {years[1]}: {change}")
    print(f"  mean balance {found.mean_before:+.3f} -> {found.mean_after:+.3f} m w.e. a year ({found.outcome.value})")
    year = table.loc["annual"]
    print(f"  sensitivity {year['temp']:+.3f} m w.e. K-1, {year['prcp_10pct']:+.3f} m w.e. for 10 % more precipitation")


def _write_netcdf(data: xr.Dataset, path: Path) -> None:
    from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK

    with replacing(path) as temporary, HDF5_LOCK:
        data.to_netcdf(temporary)


def _attribute(gdir: GlacierDirectory, args: argparse.Namespace, outputs: Outputs) -> None:
    from oggm_glaunti.analysis.attribution.tasks import attribute_year
    from oggm_glaunti.coupling.ground.features import read_features
    from oggm_glaunti.graphics import plot_attribution, save_png

    asked = {"year": args.year, "reference": args.reference, **common.given(args, "year_type")}
    made = attribute_year(gdir, **asked, mb_kwargs=mb_kwargs_of(gdir, args))
    outputs = outputs._replace(stem=f"{outputs.stem}_{args.year}")
    _write_netcdf(made, outputs.path(".nc"))
    features = read_features(gdir) if gdir.has_file("glaunti_features") else None
    save_png(plot_attribution(made, features), outputs.path(".png"))
    print(
        f"{gdir.rgi_id}: {args.year} {float(made.balance):+.3f} m w.e., reference "
        f"{float(made.reference_balance):+.3f}, difference {float(made.difference):+.3f}"
    )
    for name in ("temp", "prcp", "snow", "corrections"):
        print(f"  {name:12s}{float(made[name].sum()):+.3f} m w.e.")
    print(f"  not accounted for {float(made.gap):+.1e} m w.e. with {int(made.nodes)} nodes")


def _uncertainty(gdir: GlacierDirectory, args: argparse.Namespace, outputs: Outputs) -> None:
    from oggm_glaunti.analysis.uncertainty.tasks import smb_uncertainty
    from oggm_glaunti.graphics import plot_uncertainty, save_png

    asked = {"parameters": "priors" if args.priors else True, **common.given(args, "years", "year_type")}
    asked |= {"weather": args.weather, **_weather_errors(args)}
    found = smb_uncertainty(gdir, mb_kwargs=mb_kwargs_of(gdir, args), **asked)
    _write_netcdf(found, outputs.path("_uncertainty.nc"))
    save_png(plot_uncertainty(found), outputs.path("_uncertainty.png"))
    last = found.isel(time=-1)
    print(
        f"{gdir.rgi_id}: {float(last.smb):+.2f} ± {float(last.sd):.2f} m w.e. over {found.sizes['year']} years; from "
        f"parameters {float(last.sd_parameters):.2f}, model {float(last.sd_model):.2f}"
        + (", " if args.weather else "; not counted: ")
        + f"weather {float(last.sd_weather):.2f} (temperature {float(last.sd_temp):.2f}, precipitation "
        f"{float(last.sd_prcp):.2f})"
    )
    more = "" if args.priors or found.attrs["parameters"] != "taken as known" else "; --priors takes those of measure"
    print(f"  errors of parameters: {found.attrs['parameter_errors']}{more}")
    print(f"  errors of the model, {found.attrs['model_errors']}")


def _measure(gdir: GlacierDirectory, args: argparse.Namespace, outputs: Outputs) -> None:
    from oggm_glaunti.analysis.measure_next.tasks import where_to_measure
    from oggm_glaunti.graphics import plot_where_to_measure, save_png

    asked = {"target": args.target, "n_best": args.n_best, **common.given(args, "years")}
    asked |= _weather_errors(args)
    found = where_to_measure(gdir, mb_kwargs=mb_kwargs_of(gdir, args, maps=True), **asked)
    write_text(outputs.path("_measure.csv"), found.table.to_csv(index=False))
    _write_netcdf(found.maps, outputs.path("_measure.nc"))
    save_png(plot_where_to_measure(found), outputs.path("_measure.png"))
    (first, last), sd = found.table.attrs["years"], float(found.maps.sd)
    spread = f"± {sd:.2f} {found.maps.sd.attrs['units']} now"
    print(f"{gdir.rgi_id}: {args.target}, {first} to {last}: {spread}; one more measurement takes away of its variance")
    print(f"  errors of parameters: {found.table.attrs['parameter_errors']}")
    print(f"  errors of the model, {found.table.attrs['model_errors']}")
    for row in found.table.itertuples():
        print(f"  {row.rank}. {row.season} at {row.height:.0f} m: {row.reduction:.1f} % ({row.left:.1f} % are left)")
