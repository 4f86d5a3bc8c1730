"""The verbs ``invert``, ``attribute``, ``uncertainty`` and ``measure``: analyses of a glacier directory on disk."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from oggm_glaunti.analysis.uncertainty.draws import WeatherErrors

OK = 0

DIRECTORY = """\
DIR is a working directory of OGGM, for example what "oggm-glaunti run --out DIR" has made: glaciers with daily climate,
glaunti_features and a calibration. Tables are CSV, fields NetCDF, figures PNG. In DIR only OGGM's log.txt grows, and a
height-year table that is not there is kept. The first glacier that cannot be analysed ends the command.
"""


class Files(NamedTuple):
    """Where results go: names without an ending, for one glacier."""

    folder: Path
    stem: str

    def path(self, ending: str) -> Path:
        """A file, its folder made."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{self.stem}{ending}"


# Analyses one glacier directory and leaves files.
Analysis = Callable[[Any, argparse.Namespace, Files], None]


def add_invert(subparsers: argparse._SubParsersAction) -> None:
    """Add ``invert``."""
    parser = _add(
        subparsers,
        "invert",
        "the change of temperature or precipitation that gives a balance, and the sensitivity to both",
        "oggm-glaunti invert DIR --glacier RGI60-11.01450 --years 2010 2019 --model A --out inverse",
        _invert,
    )
    _add_year_type(parser)
    parser.add_argument("--target", type=float, default=0.0, help="mean annual balance, m w.e. (default: %(default)s)")
    parser.add_argument("--geodetic", action="store_true", help="target and years are those of OGGM's geodetic table")
    parser.add_argument("--control", choices=("dT", "dP", "both"), default="dT", help="what changes (default: dT)")
    parser.add_argument("--resolution", choices=("scalar", "monthly", "daily"), default="scalar")
    parser.add_argument(
        "--prior", type=float, nargs="+", help="standard deviation of the change: K, or 1 for dP; both: two of them"
    )


def add_attribute(subparsers: argparse._SubParsersAction) -> None:
    """Add ``attribute``."""
    parser = _add(
        subparsers,
        "attribute",
        "what made a year's balance different: by day, month, height and on the map",
        "oggm-glaunti attribute DIR --glacier RGI60-11.01450 --year 2003 --reference 1991 2020 --out attribution",
        _attribute,
        years=False,
    )
    _add_year_type(parser)
    parser.add_argument("--year", type=int, required=True, help="year to explain")
    parser.add_argument(
        "--reference", type=int, nargs=2, metavar=("FIRST", "LAST"), help="years to compare with (default: all)"
    )


def add_uncertainty(subparsers: argparse._SubParsersAction) -> None:
    """Add ``uncertainty``."""
    parser = _add(
        subparsers,
        "uncertainty",
        "standard deviation of the balance from errors of weather and parameters",
        "oggm-glaunti uncertainty DIR --glacier RGI60-11.01450 --years 2001 2020 --model A --out uncertainty",
        _uncertainty,
    )
    _add_year_type(parser)
    _add_errors(parser)


def add_measure(subparsers: argparse._SubParsersAction) -> None:
    """Add ``measure``."""
    parser = _add(
        subparsers,
        "measure",
        "where one more stake or snow pit would tell most",
        "oggm-glaunti measure DIR --glacier RGI60-11.01450 --years 2018 2020 --n-best 5 --out measure",
        _measure,
    )
    parser.add_argument("--target", default="smb", help="smb, or the name of a parameter (default: smb)")
    parser.add_argument("--n-best", type=int, default=5, help="measurements in the table (default: 5)")
    _add_errors(parser)


def _add(
    subparsers: argparse._SubParsersAction,
    verb: str,
    what: str,
    example: str,
    analyse: Analysis,
    years: bool = True,
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        verb,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.\n\n{DIRECTORY}",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", metavar="DIR", type=Path, help="working directory of OGGM")
    parser.add_argument("--glacier", metavar="RGI_ID", nargs="+", help="default: all glaciers of the directory")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write to; made if missing")
    if years:
        parser.add_argument("--years", type=int, nargs=2, metavar=("FIRST", "LAST"), help="default: all of the record")
    model = parser.add_argument_group("model")
    model.add_argument("--model", type=str.upper, choices=("A", "C", "D"), help="default: that of the calibration")
    model.add_argument("--corrector", choices=("auto", "yearly", "climatology", "off"), help="default: as calibrated")
    model.add_argument("--weights", metavar="PATH", type=Path, help="file of the weights")
    model.add_argument("--climate", metavar="NAME", help="base name of the daily climate (default: climate_historical)")
    model.add_argument("--climate-suffix", metavar="SUFFIX", help="of the daily climate's file (default: none)")
    model.add_argument("--calibration", metavar="SUFFIX", help="suffix of glaunti_params (default: none)")
    model.add_argument("--uncalibrated", action="store_true", help="run as published where there is no calibration")
    parser.set_defaults(run=lambda args: _for_each(args, analyse))
    return parser


def _add_year_type(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--year-type", choices=("hydrological", "calendar"), help="default: hydrological")


def _add_errors(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("errors of the weather", "of a week; 0 for none")
    group.add_argument("--sigma-temp", type=float, metavar="K", help="default: 1.5889")
    group.add_argument("--sigma-log-prcp", type=float, metavar="S", help="of the logarithm (default: 0.96401)")
    group.add_argument("--correlation-days", type=float, default=0.0, metavar="DAYS", help="default: independent weeks")


def _for_each(args: argparse.Namespace, analyse: Analysis) -> int:
    """Analyse the glaciers of the directory one after the other; what is wrong with any of them ends the command."""
    from oggm_glaunti.cli.common import complain

    importlib.import_module("oggm_glaunti.coupling")  # makes importing OGGM safe without a network
    from oggm.exceptions import InvalidParamsError, InvalidWorkflowError, MassBalanceCalibrationError

    try:
        for gdir in open_glaciers(args.directory, args.glacier):
            analyse(gdir, args, Files(args.out, gdir.rgi_id))
    except (OSError, ValueError, InvalidParamsError, InvalidWorkflowError, MassBalanceCalibrationError) as err:
        return complain(err)
    return OK


def open_glaciers(working_dir: Path, rgi_ids: list[str] | None = None) -> list[Any]:
    """Glacier directories of a working directory, with OGGM started without its downloads.

    Parameters
    ----------
    working_dir : path
    rgi_ids : list of str, optional
        all of the directory by default

    Raises
    ------
    FileNotFoundError
        where the directory does not hold them; it says which there are
    """
    found = sorted(path.parent.name for path in Path(working_dir).glob("per_glacier/*/*/*/outlines.*"))
    missing = sorted(set(rgi_ids or []) - set(found))
    if missing or not found:
        there = f"{len(found)} glaciers, {', '.join(found[:5])}" if found else "no glacier directories"
        raise FileNotFoundError(f"{working_dir}: expected {', '.join(missing) or 'per_glacier/'}, found {there}")
    ids = rgi_ids or found

    from oggm_glaunti.coupling.oggm.offline import start_offline

    version = "70G" if ids[0].startswith("RGI2000") else ids[0][3]
    start_offline(working_dir, rgi_version=version, logging_level="CRITICAL")
    import oggm

    return [oggm.GlacierDirectory(rgi_id) for rgi_id in ids]


def _mb_kwargs(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of the mass-balance model that were given; the glacier directory provides the others."""
    names = {"climate": "filename", "climate_suffix": "input_filesuffix", "calibration": "mb_params_filesuffix"}
    asked = {names.get(name, name): getattr(args, name) for name in ("model", "corrector", "weights", *names)}
    given = {name: value for name, value in asked.items() if value is not None}
    return given | ({"check_calib_params": False} if args.uncalibrated else {})


def _given(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the named options that were given."""
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def _errors(args: argparse.Namespace) -> WeatherErrors:
    from oggm_glaunti.analysis.uncertainty.draws import WeatherErrors

    return WeatherErrors(**_given(args, "sigma_temp", "sigma_log_prcp", "correlation_days"))


def _invert(gdir: Any, args: argparse.Namespace, files: Files) -> None:
    from oggm_glaunti.analysis.inverse.tasks import climate_sensitivity, invert_forcing
    from oggm_glaunti.graphics.inverse import plot_forcing_series, plot_sensitivity
    from oggm_glaunti.graphics.style import save_png

    model = {"mb_kwargs": _mb_kwargs(args)}
    target = "geodetic" if args.geodetic else args.target
    prior = args.prior[0] if args.prior and len(args.prior) == 1 else args.prior
    asked = {"control": args.control, "resolution": args.resolution, **_given(args, "years", "year_type")}
    found = invert_forcing(gdir, target=target, prior=prior, **asked, **model)
    found.change.to_csv(files.path("_change.csv"))
    found.balances.to_csv(files.path("_balances.csv"))
    years = found.balances.index[[0, -1]].tolist()
    table = climate_sensitivity(gdir, years=years, year_type=found.year_type, **model)
    table.to_csv(files.path("_sensitivity.csv"))
    save_png(plot_sensitivity(table, f"{gdir.rgi_id}, {years[0]}-{years[1]}"), files.path("_sensitivity.png"))
    if args.resolution != "scalar":
        save_png(plot_forcing_series(found, gdir.rgi_id), files.path("_series.png"))
    print(f"{gdir.rgi_id}, {found.year_type} years {years[0]} to {years[1]}: {_change_in_words(found)}")
    print(f"  mean balance {found.mean_before:+.3f} -> {found.mean_after:+.3f} m w.e. a year ({found.outcome.value})")
    year = table.loc["annual"]
    print(f"  sensitivity {year['temp']:+.3f} m w.e. K-1, {year['prcp_10pct']:+.3f} m w.e. for 10 % more precipitation")


def _write(data: Any, path: Path) -> None:
    """A dataset as NetCDF; a call that is interrupted leaves no half of it."""
    from oggm_glaunti.files import replacing

    with replacing(path) as temporary:
        data.to_netcdf(temporary)


def _change_in_words(found: Any) -> str:
    if found.resolution != "scalar":
        return f"{found.resolution} series of {len(found.change)} values"
    return ", ".join(f"{name} {row.value:+.3f} ± {row.sd:.3f} {row.units}" for name, row in found.change.iterrows())


def _attribute(gdir: Any, args: argparse.Namespace, files: Files) -> None:
    from oggm_glaunti.analysis.attribution.tasks import attribute_year
    from oggm_glaunti.coupling.ground.features import read_features
    from oggm_glaunti.graphics.attribution import plot_attribution
    from oggm_glaunti.graphics.style import save_png

    asked = {"year": args.year, "reference": args.reference, **_given(args, "year_type")}
    made = attribute_year(gdir, **asked, mb_kwargs=_mb_kwargs(args))
    files = files._replace(stem=f"{files.stem}_{args.year}")
    _write(made, files.path(".nc"))
    features = read_features(gdir) if gdir.has_file("glaunti_features") else None
    save_png(plot_attribution(made, features), files.path(".png"))
    print(
        f"{gdir.rgi_id}: {args.year} {float(made.balance):+.3f} m w.e., reference "
        f"{float(made.reference_balance):+.3f}, difference {float(made.difference):+.3f}"
    )
    for name in ("temp", "prcp", "snow", "corrections"):
        print(f"  {name:12s}{float(made[name].sum()):+.3f} m w.e.")
    print(f"  not accounted for {float(made.gap):+.1e} m w.e. with {int(made.nodes)} nodes")


def _uncertainty(gdir: Any, args: argparse.Namespace, files: Files) -> None:
    from oggm_glaunti.analysis.uncertainty.tasks import smb_uncertainty
    from oggm_glaunti.graphics.style import save_png
    from oggm_glaunti.graphics.uncertainty import plot_uncertainty

    years = _given(args, "years", "year_type")
    found = smb_uncertainty(gdir, errors=_errors(args), mb_kwargs=_mb_kwargs(args), **years)
    _write(found, files.path("_uncertainty.nc"))
    save_png(plot_uncertainty(found), files.path("_uncertainty.png"))
    last = found.isel(time=-1)
    print(
        f"{gdir.rgi_id}: {float(last.smb):+.2f} ± {float(last.sd):.2f} m w.e. over {found.sizes['year']} years; from "
        f"temperature {float(last.sd_temp):.2f}, precipitation {float(last.sd_prcp):.2f}, parameters "
        f"{float(last.sd_parameters):.2f} ({found.attrs['parameters']})"
    )


def _measure(gdir: Any, args: argparse.Namespace, files: Files) -> None:
    from oggm_glaunti.analysis.measure_next.tasks import where_to_measure
    from oggm_glaunti.graphics.measure_next import plot_where_to_measure
    from oggm_glaunti.graphics.style import save_png

    asked = {"target": args.target, "n_best": args.n_best, "errors": _errors(args)}
    found = where_to_measure(gdir, **asked, mb_kwargs=_mb_kwargs(args), **_given(args, "years"))
    found.table.to_csv(files.path("_measure.csv"), index=False)
    _write(found.maps, files.path("_measure.nc"))
    save_png(plot_where_to_measure(found), files.path("_measure.png"))
    print(f"{gdir.rgi_id}: variance of {args.target} that one more measurement takes away")
    for row in found.table.itertuples():
        print(f"  {row.rank}. {row.season} at {row.height:.0f} m: {row.reduction:.1f} % ({row.left:.1f} % are left)")
