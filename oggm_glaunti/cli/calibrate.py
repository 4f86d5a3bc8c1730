"""The verbs ``features``, ``calibrate`` and ``fit``: glacier directories on disk get maps and parameters."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oggm_glaunti import settings
from oggm_glaunti.cli import common
from oggm_glaunti.cli.directories import (
    ALIASES,
    DIRECTORY,
    OWN_BALANCE,
    OWN_REF_MB,
    add_chosen_model,
    add_directory,
    for_each,
    mb_kwargs_of,
    open_glaciers,
)

if TYPE_CHECKING:
    import pandas as pd
    from oggm import GlacierDirectory

    from oggm_glaunti.fit.observations import Read

CALIBRATE = f"""\
prcp_fac and melt_f are estimated from the mean balance of a period, with its error, and from what is expected of both.
With --order parameters are turned instead, one after the other, until the balance is met exactly. The result is written
to glaunti_params.json, and whatever is run in DIR later uses it. {DIRECTORY}"""

FIT = f"""\
The maximum a posteriori estimate of some parameters under all observations of a glacier at once: stakes, bands,
glacier-wide and geodetic balances of any periods. It is written to glaunti_params.json with its uncertainty, and what
the observations cannot tell is said. Observations of the same winter or summer share an error, so that many stakes of
one year do not count as many years. Rows name glaciers by RGI id, or by their names in DIR. {DIRECTORY}"""

FEATURES = """\
glaunti_features.nc holds outline, elevation and its uncertainty, and facies, on cells of 100 m: what models C and D and
all maps need. Other verbs make it with its defaults if it is missing; this one always makes it anew."""

# Parameters that a calibration turns, and their units.
TUNABLE = {"melt_f": "kg m-2 day-1 K-1", "prcp_fac": "", "temp_bias": "K"}
ERRORS_OF = {"points": "points", "whole": "means over glaciers"}
# Name of a layout, and the reader of oggm_glaunti.fit.readers.
LAYOUTS = {
    "table": "read_csv",
    "fog": "read_fog_points",
    "wgms": "read_wgms_balances",
    "wgms-profiles": "read_wgms_profiles",
    "mass-balance-machine": "read_mass_balance_machine",
    "glamos": "read_glamos",
    "nve": "read_nve_glacier_wide",
    "nve-stakes": "read_nve_stakes",
}


def add_features(subparsers: common.Subparsers) -> None:
    """Add ``features``."""
    example = "example:\n  oggm-glaunti features DIR --dem copernicus.tif --elevation-std 3"
    aliases = {**ALIASES, "dem_file": "--dem"}
    what = "the maps of a glacier that models C and D need"
    parser = common.add_verb(subparsers, "features", run_features, what, FEATURES, example, aliases)
    add_directory(parser)
    parser.add_argument(
        "--dem", metavar="FILE", type=Path, help="raster of heights, m (default: that of the directory)"
    )
    std = f"1-sigma uncertainty of the heights (default: {settings.PARAMS['glaunti_elevation_std']:g} m)"
    parser.add_argument("--elevation-std", metavar="M|FILE", help=std)
    parser.add_argument("--facies", metavar="FILE", type=Path, help="raster of nine bands, for model D (default: none)")


def run_features(args: argparse.Namespace) -> int:
    """Make the features of each glacier."""
    from oggm_glaunti.coupling.ground.features import glaunti_features, read_features

    asked = common.given(args, "facies", dem_file="dem")
    if args.elevation_std is not None:
        asked["elevation_std"] = _number_or_file(args.elevation_std)

    def make(gdir: GlacierDirectory) -> None:
        glaunti_features(gdir, **asked)
        made = read_features(gdir)
        heights = made.elevation[made.glacier]
        area = f"{made.glacier.sum() / 100:.2f} km2 of glacier"
        print(f"{gdir.rgi_id}: {area} from {heights.min():.0f} to {heights.max():.0f} m", flush=True)

    return for_each(args, make)


def _number_or_file(text: str) -> float | Path:
    try:
        return float(text)
    except ValueError:
        return Path(text)


def add_calibrate(subparsers: common.Subparsers) -> None:
    """Add ``calibrate``."""
    example = "--ref-mb -1100 --ref-period 2000-01-01_2020-01-01 --model A"
    what = "parameters of each glacier to its mean balance"
    aliases = {**ALIASES, "ref_source": "--ref-mb", OWN_BALANCE: OWN_REF_MB}
    aliases["fit_glaunti_region"] = "oggm-glaunti fit --together"
    aliases["add tunable parameters to order, or widen bounds"] = "or add parameters to --order"
    parser = _add_parameters(subparsers, "calibrate", run_calibrate, what, CALIBRATE, example, aliases)
    balance = "mean annual balance, kg m-2 yr-1; or geodetic (OGGM's table, network) or wgms"
    parser.add_argument(
        "--ref-mb", metavar="MB|geodetic|wgms", type=common.balance_or("geodetic", "wgms"), required=True, help=balance
    )
    parser.add_argument("--ref-mb-err", metavar="ERR", type=float, help="its standard error (default: of its source)")
    default = f"{common.PERIOD} (default: this one; wgms: all years there are)"
    parser.add_argument("--ref-period", metavar="P", help=default)
    prior = "calibration with the parameters of a region, by fit --together (default: what is expected anywhere)"
    parser.add_argument("--prior", metavar="SUFFIX", help=prior)
    order = "turn these until the balance is met: some of melt_f prcp_fac temp_bias, in this order"
    parser.add_argument("--order", metavar="NAME", nargs="+", choices=TUNABLE, help=order)


def run_calibrate(args: argparse.Namespace) -> int:
    """Calibrate each glacier and print its parameters."""
    from oggm_glaunti.fit.calibration.own_mean import calibrate_glaunti

    asked = common.given(args, "ref_period", "ref_mb_err", "prior", "order", filesuffix="calibration")
    asked |= {"ref_source": args.ref_mb} if isinstance(args.ref_mb, str) else {"ref_mb": args.ref_mb}

    def calibrate(gdir: GlacierDirectory) -> None:
        found = calibrate_glaunti(gdir, mb_kwargs=_mb_kwargs(gdir, args), **asked)
        turned = ", ".join(f"{name} {found[name]:.4g} {TUNABLE[name]}".strip() for name in found["calibrated"])
        period, source = found["reference_period"], found["reference_source"]
        made = f"{found['reference_mb'] + found['residual']:.0f} kg m-2 yr-1 in {period}"
        observed = f"{source}: {found['reference_mb']:g}"
        print(f"{gdir.rgi_id}: model {found['model']}, {turned} gives {made} ({observed})", flush=True)

    return for_each(args, calibrate)


def add_fit(subparsers: common.Subparsers) -> None:
    """Add ``fit``."""
    example = "--observations stakes.csv --model A"
    aliases = {**ALIASES, "observations": "--observations", "free, spread": "--free"}
    gauge = "where it is asked for: give its catchment, gauge=Gauge(units)"
    aliases[gauge] = "in Python, where gauge=Gauge(units) gives its catchment"
    what = "parameters of glaciers to stakes and other observations"
    parser = _add_parameters(subparsers, "fit", run_fit, what, FIT, example, aliases)
    parser.add_argument("--observations", metavar="FILE", type=Path, required=True, help="a row for each balance")
    layout = f"of FILE: {', '.join(LAYOUTS)} (default: table, any columns named as docs/observations.md says)"
    parser.add_argument("--layout", choices=LAYOUTS, default="table", metavar="NAME", help=layout)
    dates = "take the usual dates of the mass-balance year where FILE has none (default: such rows are left out)"
    parser.add_argument("--default-dates", action="store_true", default=None, help=dates)
    side = "of glaciers with neither latitude nor RGI id, for --default-dates"
    parser.add_argument("--hemisphere", choices=("nh", "sh"), help=side)
    unit = "of balances where FILE does not say it, w.e. (default: that of the layout)"
    parser.add_argument("--unit", choices=("m", "cm", "mm"), help=unit)
    together = "the parameters of a region: each glacier with observations its own, others the region's mean"
    parser.add_argument("--together", action="store_true", help=together)
    parser.add_argument("--free", metavar="NAME", nargs="+", help="default: prec_scale ddf_snow temp_gradient")


def _add_parameters(
    subparsers: common.Subparsers, verb: str, run: Callable[[argparse.Namespace], int], *texts: Any
) -> argparse.ArgumentParser:
    what, description, example, aliases = texts
    epilog = f"example:\n  oggm-glaunti {verb} DIR --glacier RGI60-11.00897 {example}"
    kwargs: dict[str, Any] = {"reads_calibration": False}
    parser = common.add_verb(subparsers, verb, run, what, description, epilog, aliases, **kwargs)
    add_directory(parser)
    group = add_chosen_model(parser, other_weather=verb == "fit")
    group.add_argument("--calibration", metavar="SUFFIX", help="of the glaunti_params that is written (default: none)")
    days = "the published day, or the one whose snow conserves mass, which hydro needs (default: as calibrated before)"
    group.add_argument("--variant", choices=settings.VARIANTS, help=days)
    return parser


def _mb_kwargs(gdir: GlacierDirectory, args: argparse.Namespace) -> dict[str, Any]:
    return mb_kwargs_of(gdir, args) | common.given(args, "variant")


def run_fit(args: argparse.Namespace) -> int:
    """Fit the glaciers that the observations name, one by one or together."""
    from oggm_glaunti.fit.calibration.tasks import fit_glaunti, fit_glaunti_region

    read = read_observations(args)
    gdirs = open_glaciers(args.directory, args.glacier)
    read.observations["glacier"] = _ids_of(read.observations["glacier"], args, gdirs)
    named = set(read.observations["glacier"])
    observed = [gdir for gdir in gdirs if gdir.rgi_id in named]
    if not observed:
        raise ValueError(
            f"{args.observations}: names {_some(named)}, and none of the glaciers asked for in {args.directory}: "
            f"{_some(f'{gdir.rgi_id} ({gdir.name})' if gdir.name else gdir.rgi_id for gdir in gdirs)}"
        )
    others = read.observations[~read.observations["glacier"].isin([gdir.rgi_id for gdir in observed])]
    if len(others):
        print(f"left out: {len(others)} rows of glaciers not asked for or not there: {_some(set(others['glacier']))}")
    asked = {"observations": read, **common.given(args, "free", filesuffix="calibration")}
    if args.together:
        kwargs = [_mb_kwargs(gdir, args) for gdir in gdirs]
        _print_region(fit_glaunti_region(gdirs, mb_kwargs=kwargs[0], **asked))
        return common.OK
    for gdir in common.each(args, observed, "glacier"):
        _print_fit(gdir.rgi_id, fit_glaunti(gdir, mb_kwargs=_mb_kwargs(gdir, args), **asked))
    without = sorted({gdir.rgi_id for gdir in gdirs} - {gdir.rgi_id for gdir in observed})
    if without:
        print(f"without observations, left as they are: {_some(without)}")
    return common.OK


def _ids_of(glaciers: pd.Series, args: argparse.Namespace, gdirs: list[GlacierDirectory]) -> pd.Series:
    """Return ids where names of glaciers of the directory are; those of several glaciers raise a ValueError."""
    from oggm_glaunti.coupling.oggm.rgi_ids import RGI_ID

    names = {name for name in glaciers.unique() if not RGI_ID.match(name)}
    ids: dict[str, list[str]] = {}
    # Glaciers that were not asked for may have the name as well.
    for gdir in open_glaciers(args.directory) if names and args.glacier else gdirs:
        for name in {gdir.rgi_id.casefold(), (gdir.name or "").casefold()}:  # OGGM writes names as titles
            ids.setdefault(name, []).append(gdir.rgi_id)
    found = {name: ids.get(name.casefold(), [name]) for name in names}
    for name, several in found.items():
        if several[1:]:
            raise ValueError(f"glacier {name!r} is the name of {' and '.join(several)}; give RGI ids in the file")
    return glaciers.map(lambda name: found.get(name, [name])[0])


def read_observations(args: argparse.Namespace) -> Read:
    """Read the observations in their layout; rows that cannot be used are printed."""
    from oggm_glaunti.coupling.oggm import offline  # noqa: F401  # first: it makes importing OGGM safe
    from oggm_glaunti.fit import readers

    if not args.observations.is_file():
        raise FileNotFoundError(f"{args.observations}: no such file")
    reader = getattr(readers, LAYOUTS[args.layout])
    asked = common.given(args, "unit", "hemisphere", "default_dates")
    strange = [f"--{name.replace('_', '-')}" for name in asked.keys() - signature(reader).parameters]
    if strange:
        raise ValueError(f"{', '.join(sorted(strange))}: not for files of the layout {args.layout}")
    read = reader(args.observations, **asked)
    rejected = [f"row {row.row}, {row.glacier}: {args.words(row.problem)}" for row in read.rejected.itertuples()]
    common.print_some(rejected, "left out")
    if read.observations.empty:
        raise ValueError(f"{args.observations}: no row can be used, out of {len(rejected)}")
    return read


def _print_fit(who: str, found: dict[str, Any]) -> None:
    _print_scores(who, found)
    _print_parameters(found["fit"])
    for sentence in found["fit"]["identifiability"]:
        print(f"  {sentence}")


def _print_region(found: list[dict[str, Any]]) -> None:
    """Print the scores of all glaciers together, and the parameters of each."""
    own = [params["rgi_id"] for params in found if params["fit"]["parameters_from"] == "own observations"]
    _print_scores(f"{len(found)} glaciers, {len(own)} of them with parameters of their own", found[0])
    for sort, of in found[0]["fit"]["error_sizes"].items():
        shared = f"{of['winter']:.2f} shared in a winter, {of['summer']:.2f} in a summer"
        print(f"  errors of the model at {ERRORS_OF[sort]}: {of['own']:.2f} m w.e. a year of their own, {shared}")
    for params in found:
        fit = params["fit"]
        away = (
            "" if params["rgi_id"] in own else f"; the nearest glacier of the fit is {fit['km_to_nearest']:.0f} km away"
        )
        print(f"{params['rgi_id']}: from {fit['parameters_from']}{away}")
        _print_parameters(fit)


def _print_scores(who: str, found: dict[str, Any]) -> None:
    fit = found["fit"]
    counts = ", ".join(f"{n} {kind}" for kind, n in fit["observations"].items())
    print(f"{who}: model {found['model']}, {counts}, {fit['first']} to {fit['last']}")
    print(f"  RMSE {fit['rmse']:.2f} m w.e., bias {fit['bias']:+.2f} m w.e. (model minus observation)")


def _print_parameters(fit: dict[str, Any]) -> None:
    for name, of in fit["parameters"].items():
        print(f"  {name} {of['value']:.4g} ({of['low']:.4g} to {of['high']:.4g}), before {of['prior']:.4g}")


def _some(names: Any) -> str:
    listed = sorted(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
