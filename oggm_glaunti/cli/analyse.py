"""The verbs ``invert``, ``attribute``, ``uncertainty`` and ``measure``: analyses of a glacier directory on disk."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from oggm_glaunti.cli import common

if TYPE_CHECKING:
    import xarray as xr
    from oggm import GlacierDirectory

    from oggm_glaunti.analysis.uncertainty.draws import WeatherErrors

DIRECTORY = """\
DIR is a working directory of OGGM, for example what "oggm-glaunti run --out DIR" has made: glaciers with daily climate,
glaunti_features and a calibration. Tables are CSV, fields NetCDF, figures PNG. In DIR only OGGM's log.txt grows, and a
height-year table that is not there is kept. The first glacier that cannot be analysed ends the command.
"""


class Outputs(NamedTuple):
    """Where the results of one glacier go: a folder, and the beginning of file names."""

    folder: Path
    stem: str

    def path(self, ending: str) -> Path:
        """Return the path of a file, after making its folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{self.stem}{ending}"


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
    what = "standard deviation of the balance from errors of weather and parameters"
    example = "--years 2001 2020 --model A --out uncertainty"
    _add_weather_errors(_add_analysis(subparsers, "uncertainty", what, example, _uncertainty))


def add_measure(subparsers: common.Subparsers) -> None:
    """Add ``measure``."""
    what = "where one more stake or snow pit would tell most"
    example = "--years 2018 2020 --n-best 5 --out measure"
    parser = _add_analysis(subparsers, "measure", what, example, _measure, lacks="year_type")
    parser.add_argument("--target", default="smb", help="smb, or the name of a parameter (default: smb)")
    parser.add_argument("--n-best", type=int, default=5, help="measurements in the table (default: 5)")
    _add_weather_errors(parser)


def _add_analysis(
    subparsers: common.Subparsers, verb: str, what: str, example: str, analyse: Analysis, lacks: str = ""
) -> argparse.ArgumentParser:
    """Add the parser of an analysis with the options that all have, but for one that it lacks."""
    epilog = f"example:\n  oggm-glaunti {verb} DIR --glacier RGI60-11.01450 {example}"
    parser = common.add_verb(subparsers, verb, lambda args: _for_each(args, analyse), what, DIRECTORY, epilog)
    parser.add_argument("directory", metavar="DIR", type=Path, help="working directory of OGGM")
    parser.add_argument("--glacier", metavar="RGI_ID", nargs="+", help="default: all glaciers of the directory")
    common.add_out(parser)
    if lacks != "years":
        common.add_years(parser, help="default: all years of the record")
    model = parser.add_argument_group("model")
    common.add_model(model, "ACD", help="default: that of the calibration")
    model.add_argument("--corrector", choices=("auto", "yearly", "climatology", "off"), help="default: as calibrated")
    common.add_weights(model)
    model.add_argument("--climate", metavar="NAME", help="base name of the daily climate (default: climate_historical)")
    model.add_argument("--climate-suffix", metavar="SUFFIX", help="suffix of the daily climate's file (default: none)")
    model.add_argument("--calibration", metavar="SUFFIX", help="suffix of glaunti_params (default: none)")
    model.add_argument("--uncalibrated", action="store_true", help="run as published if there is no calibration")
    if lacks != "year_type":
        parser.add_argument("--year-type", choices=("hydrological", "calendar"), help="default: hydrological")
    return parser


def _add_weather_errors(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("errors of the weather", "of a week; 0 for none")
    group.add_argument("--sigma-temp", type=float, metavar="K", help="default: 1.5889")
    group.add_argument("--sigma-log-prcp", type=float, metavar="S", help="of the logarithm (default: 0.96401)")
    group.add_argument("--correlation-days", type=float, default=0.0, metavar="DAYS", help="default: independent weeks")


def _for_each(args: argparse.Namespace, analyse: Analysis) -> int:
    """Analyse the glaciers of the directory one after the other; the first error ends the command."""
    for gdir in open_glaciers(args.directory, args.glacier):
        analyse(gdir, args, Outputs(args.out, gdir.rgi_id))
    return common.OK


def open_glaciers(working_dir: Path, rgi_ids: list[str] | None = None) -> list[GlacierDirectory]:
    """Open glacier directories of a working directory, with OGGM started without its downloads.

    Parameters
    ----------
    working_dir : path
        working directory of OGGM
    rgi_ids : list of str, optional
        by default all glaciers of the directory

    Raises
    ------
    FileNotFoundError
        if the directory does not hold them; the message says which it holds
    """
    found = sorted(path.parent.name for path in Path(working_dir).glob("per_glacier/*/*/*/outlines.*"))
    missing = sorted(set(rgi_ids or []) - set(found))
    if missing or not found:
        there = f"{len(found)} glaciers, {', '.join(found[:5])}" if found else "no glacier directories"
        raise FileNotFoundError(f"{working_dir}: expected {', '.join(missing) or 'per_glacier/'}, found {there}")
    ids = rgi_ids or found

    from oggm_glaunti.coupling.oggm.offline import start_offline

    start_offline(working_dir, logging_level="CRITICAL")
    import oggm

    return [oggm.GlacierDirectory(rgi_id) for rgi_id in ids]


def _mb_kwargs(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of the mass-balance model that were given; the glacier directory provides the others."""
    renamed = {"filename": "climate", "input_filesuffix": "climate_suffix", "mb_params_filesuffix": "calibration"}
    chosen = common.given(args, "model", "corrector", "weights", **renamed)
    return chosen | ({"check_calib_params": False} if args.uncalibrated else {})


def _weather_errors(args: argparse.Namespace) -> WeatherErrors:
    from oggm_glaunti.analysis.uncertainty.draws import WeatherErrors

    return WeatherErrors(**common.given(args, "sigma_temp", "sigma_log_prcp", "correlation_days"))


def _invert(gdir: GlacierDirectory, args: argparse.Namespace, outputs: Outputs) -> None:
    from oggm_glaunti.analysis.inverse.tasks import climate_sensitivity, invert_forcing
    from oggm_glaunti.graphics import plot_forcing_series, plot_sensitivity, save_png

    model = {"mb_kwargs": _mb_kwargs(args)}
    target = "geodetic" if args.geodetic else args.target
    prior = args.prior[0] if args.prior and len(args.prior) == 1 else args.prior
    asked = {"control": args.control, "resolution": args.resolution, **common.given(args, "years", "year_type")}
    found = invert_forcing(gdir, target=target, prior=prior, **asked, **model)
    found.change.to_csv(outputs.path("_change.csv"))
    found.balances.to_csv(outputs.path("_balances.csv"))
    years = found.balances.index[[0, -1]].tolist()
    table = climate_sensitivity(gdir, years=years, year_type=found.year_type, **model)
    table.to_csv(outputs.path("_sensitivity.csv"))
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
    from oggm_glaunti.files import replacing

    with replacing(path) as temporary, HDF5_LOCK:
        data.to_netcdf(temporary)


def _attribute(gdir: GlacierDirectory, args: argparse.Namespace, outputs: Outputs) -> None:
    from oggm_glaunti.analysis.attribution.tasks import attribute_year
    from oggm_glaunti.coupling.ground.features import read_features
    from oggm_glaunti.graphics import plot_attribution, save_png

    asked = {"year": args.year, "reference": args.reference, **common.given(args, "year_type")}
    made = attribute_year(gdir, **asked, mb_kwargs=_mb_kwargs(args))
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

    years = common.given(args, "years", "year_type")
    found = smb_uncertainty(gdir, errors=_weather_errors(args), mb_kwargs=_mb_kwargs(args), **years)
    _write_netcdf(found, outputs.path("_uncertainty.nc"))
    save_png(plot_uncertainty(found), outputs.path("_uncertainty.png"))
    last = found.isel(time=-1)
    print(
        f"{gdir.rgi_id}: {float(last.smb):+.2f} ± {float(last.sd):.2f} m w.e. over {found.sizes['year']} years; from "
        f"temperature {float(last.sd_temp):.2f}, precipitation {float(last.sd_prcp):.2f}, parameters "
        f"{float(last.sd_parameters):.2f} ({found.attrs['parameters']})"
    )


def _measure(gdir: GlacierDirectory, args: argparse.Namespace, outputs: Outputs) -> None:
    from oggm_glaunti.analysis.measure_next.tasks import where_to_measure
    from oggm_glaunti.graphics import plot_where_to_measure, save_png

    asked = {"target": args.target, "n_best": args.n_best, **common.given(args, "years")}
    found = where_to_measure(gdir, errors=_weather_errors(args), mb_kwargs=_mb_kwargs(args), **asked)
    found.table.to_csv(outputs.path("_measure.csv"), index=False)
    _write_netcdf(found.maps, outputs.path("_measure.nc"))
    save_png(plot_where_to_measure(found), outputs.path("_measure.png"))
    print(f"{gdir.rgi_id}: variance of {args.target} that one more measurement takes away")
    for row in found.table.itertuples():
        print(f"  {row.rank}. {row.season} at {row.height:.0f} m: {row.reduction:.1f} % ({row.left:.1f} % are left)")
