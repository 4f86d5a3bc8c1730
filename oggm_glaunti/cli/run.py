"""The verb ``oggm-glaunti run``: a region from outlines and weather to balances and ice, without Python."""

import argparse
from pathlib import Path

from oggm_glaunti import settings
from oggm_glaunti.cli import common
from oggm_glaunti.cli.config import OF_FILE, SOURCES, write_config
from oggm_glaunti.cli.directories import OWN_BALANCE, OWN_REF_MB

RUN_RESUMES = "the same call goes on from here"
DESCRIPTION = """\
From glacier outlines and daily weather to surface mass balances and ice dynamics, glacier by glacier, with OGGM.
With --shapefile, --dem and --climate FILE nothing is downloaded. Calling it again with the same --out goes on where it
was interrupted, and computes anew what is asked for differently."""

RUN_FILES = """\
files in DIR:
  glaunti_output.nc  balance, accumulation, melt, ELA, AAR and area by glacier and balance year (CF NetCDF)
  run_output.nc      volume, area and length of OGGM's run by glacier and year (not with --no-dynamics)
  glaciers.csv       every glacier: done, or failed with the stage and the reason
  run.yml            all options: oggm-glaunti run --config DIR/run.yml repeats the run
  per_glacier/       OGGM's glacier directories

exit status: 0 at least one glacier is done, 1 none is, 2 nothing could be run (the line on standard error says why),
130 interrupted.

example:
  oggm-glaunti run --shapefile outlines.shp --dem dem.tif --climate station.csv --ref-hgt 2919 --temp-units degC \\
      --prcp-units mm/day --years 2014 2022 --model a --out region"""

CLIMATE = """\
W5E5_daily (network), monthly (made at random from the monthly weather of pre-processed directories), or a NetCDF or CSV
file of one series; {rgi_id} in its name is replaced, for a file per glacier"""
# Arguments of the tasks of a run that are not called like the options.
ALIASES = {"path": "--climate", "source": "--climate", "check": "--force", "dem_file": "--dem", "ys": "--years"}
ALIASES |= {"ye": "--years", "take years without with y0 and y1 of process_daily_climate": "leave those years out"}
ALIASES |= {"with order": "with oggm-glaunti calibrate DIR --order", OWN_BALANCE: OWN_REF_MB}
ALIASES["hemisphere at a time, or take years='calendar'"] = "hemisphere at a time"
# Months without temp_std.
STD = "temp_std= (K, a number or 12)"
IN_PYTHON = "other pre-processed directories (--prepro-url), or make the days in Python, with temp_std"
ALIASES[f"give {STD}"] = f"take {IN_PYTHON}"
ALIASES[
    f"Give the standard deviation of daily temperature within a month, {STD}, or a daily series of the directory, "
    "reference=''"
] = f"Take {IN_PYTHON} or reference"
ALIASES["set cfg.PARAMS['glaunti_memory'] (or memory=) to"] = "give --memory"
REF_MB = """\
estimate prcp_fac and melt_f of every glacier from this balance (kg m-2 yr-1), or from OGGM's geodetic table (network);
default: none, the published parameters"""


def add_run(subparsers: common.Subparsers) -> None:
    """Add ``run``."""
    what, more = "run a region: outlines and daily weather in, balances and ice out", {"resumes": RUN_RESUMES}
    parser = common.add_verb(subparsers, "run", run_run, what, DESCRIPTION, RUN_FILES, ALIASES, **more)
    parser.set_defaults(parser=parser)
    config = "YAML file of these options by name (years: [2000, 2019]); options given beside it replace its own"
    parser.add_argument("--config", metavar="FILE", type=Path, help=config)
    which = parser.add_argument_group("glaciers").add_mutually_exclusive_group(required=True)
    which.add_argument("--rgi-ids", metavar="ID", nargs="+", help="from OGGM's pre-processed directories (network)")
    which.add_argument("--shapefile", metavar="FILE", type=Path, help="outlines; RGI attributes are used if there")
    group = parser.add_argument_group("where their data come from")
    group.add_argument("--dem", metavar="FILE", type=Path, help="with --shapefile; default: OGGM's choice (network)")
    group.add_argument("--crs", metavar="CRS", help="of --shapefile, if it has none or a wrong one, e.g. EPSG:4326")
    group.add_argument("--prepro-level", metavar="L", type=int, choices=range(1, 6), default=3, help="default: 3")
    group.add_argument("--border", metavar="CELLS", type=common.positive, default=80, help="of the maps (default: 80)")
    group.add_argument("--prepro-url", metavar="URL", help="default: OGGM's own")
    group = parser.add_argument_group("daily weather")
    group.add_argument("--climate", metavar="W5E5_daily|monthly|FILE", required=True, help=CLIMATE)
    group.add_argument("--ref-hgt", metavar="M", type=float, help="FILE: height the temperature is for, m")
    group.add_argument("--temp-units", metavar="UNIT", help="FILE: degC or K")
    group.add_argument("--prcp-units", metavar="UNIT", help="FILE: mm/day, kg m-2 day-1, kg m-2 s-1 or m/day")
    for what in ("temp", "prcp", "time"):
        group.add_argument(f"--{what}-name", metavar="NAME", help=f"FILE: column or variable, if not '{what}'")
    named = "FILE: what it is called, ERA5-Land_daily if it is that"
    group.add_argument("--climate-source", metavar="NAME", help=named)
    group.add_argument("--force", action="store_true", help="take weather that no glacier on Earth has")
    group.add_argument("--no-force", dest="force", action="store_false", default=False, help="not, whatever FILE says")
    group = parser.add_argument_group("model and run")
    common.add_years(group, required=True, help="first and last year")
    common.add_model(group, "ACD", default="C", help="default: C")
    common.add_weights(group, "file or folder, for models C and D")
    group.add_argument("--ref-mb", metavar="MB|geodetic|none", type=common.balance_or("geodetic", "none"), help=REF_MB)
    group.add_argument("--ref-mb-err", metavar="ERR", type=float, help="standard error of --ref-mb (default: 200)")
    group.add_argument(
        "--ref-period",
        metavar="P",
        help=f"of --ref-mb: {common.PERIOD}",
    )
    group.add_argument("--no-dynamics", action="store_true", help="balance of the mapped glaciers only")
    ice = "ice as well, whatever FILE of --config says"
    group.add_argument("--dynamics", dest="no_dynamics", action="store_false", default=False, help=ice)
    common.add_out(parser)
    parser.add_argument(
        "--workers", metavar="N", type=common.positive, default=1, help="processes (default: %(default)s)"
    )
    memory = f"for tables made at the same time (default: {settings.PARAMS['glaunti_memory']:g})"
    parser.add_argument("--memory", metavar="MB", type=common.positive, help=memory)


def run_run(args: argparse.Namespace) -> int:
    """Run a region, print what became of the glaciers and return the exit status."""
    from oggm_glaunti.workflows.region_chain import OUTPUT, RUN_OUTPUT, STATUS, run_region
    from oggm_glaunti.workflows.region_directories import Request

    _require_consistent_request(args)
    parameters = " with its published parameters: not calibrated to these glaciers (see --ref-mb)"
    if args.ref_mb is not None:
        what = "OGGM's geodetic balances" if args.ref_mb == "geodetic" else f"{args.ref_mb:g} kg m-2 yr-1"
        period = args.ref_period or "OGGM's geodetic period"
        parameters = f", prcp_fac and melt_f of every glacier estimated from {what} of {period}"
    print(f"Model {args.model}{parameters}.", flush=True)
    is_file, options = _is_file(args.climate), _climate_options(args) | ({"check": False} if args.force else {})
    args.climate = climate = str(Path(args.climate).resolve()) if is_file else args.climate
    names = ("shapefile", "dem", "crs", "prepro_level", "border", "prepro_url", "model", "weights", "ref_mb")
    asked = {name: getattr(args, name) for name in (*names, "ref_mb_err", "ref_period", "workers", "memory")}
    asked |= {"years": tuple(args.years), "rgi_ids": tuple(args.rgi_ids or ()), "dynamics": not args.no_dynamics}
    asked["progress"] = not args.quiet
    request = Request(args.out.resolve(), climate, climate_is_file=is_file, climate_options=options, **asked)
    statuses = run_region(request, lambda line: common.say(args, line), lambda: write_config(args, request.out))
    failed = statuses[statuses["status"] == "failed"]
    done = len(statuses) - len(failed)
    reasons = [f"{rgi_id}, {row['stage']}: {args.words(row['message'])}" for rgi_id, row in failed.iterrows()]
    common.print_some(reasons, "failed")
    print(f"{done} of {len(statuses)} glaciers done")
    written = [name for name in (OUTPUT, RUN_OUTPUT) if done and (request.out / name).exists()]
    print(f"In {request.out}: {', '.join([*written, STATUS])}", flush=True)
    return common.OK if done else common.FAILED


def _require_consistent_request(args: argparse.Namespace) -> None:
    """Raise a ValueError if options contradict each other, files do not exist, or ids cannot be."""
    from oggm_glaunti.coupling.oggm.rgi_ids import require_ids

    require_ids(args.rgi_ids or (), published=args.prepro_url is None)
    is_file = _is_file(args.climate)
    options = [] if is_file else [f"--{name.replace('_', '-')}" for name in _climate_options(args)]
    missing = [str(path) for path in (args.shapefile, args.dem) if path is not None and not path.exists()]
    if is_file and "{rgi_id}" not in args.climate and not Path(args.climate).exists():
        missing.append(args.climate)
    first, last = args.years
    known = f"; --climate takes {', '.join(SOURCES)} or a file"
    problems = {
        f"--years {first} {last}: the last year is before the first": last < first,
        "--dem goes with --shapefile: pre-processed directories have a DEM": args.dem and not args.shapefile,
        "--crs goes with --shapefile": args.crs and not args.shapefile,
        "--climate monthly goes with pre-processed directories, which have monthly weather": args.climate == "monthly"
        and args.shapefile,
        "--ref-period goes with --ref-mb": args.ref_period is not None and args.ref_mb is None,
        "--ref-mb-err goes with a balance of --ref-mb; OGGM's table has errors of its own": args.ref_mb_err is not None
        and not isinstance(args.ref_mb, float),
        f"{', '.join(options)}: not with --climate {args.climate}": options,
        f"no such file: {', '.join(missing)}{known if args.climate in missing else ''}": missing,
    }
    for problem, found in problems.items():
        if found:
            raise ValueError(problem)
    if args.ref_mb is not None:
        from oggm_glaunti.coupling.model.reference_period import ReferencePeriod, require_kg

        if args.ref_period is not None:
            ReferencePeriod.of(args.ref_period, "run")
        if not isinstance(args.ref_mb, str):
            require_kg(args.ref_mb, args.ref_mb_err, "run")


def _is_file(climate: str) -> bool:
    return climate not in SOURCES


def _climate_options(args: argparse.Namespace) -> dict[str, float | str]:
    return common.given(args, *(name.replace("-", "_") for name in OF_FILE))
