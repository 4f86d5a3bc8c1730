"""The verb ``iceflow``: pairs and series of images tracked, frames predicted, and the flux of ice in a directory."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from oggm_glaunti.cli import common
from oggm_glaunti.cli.wording import in_options, option_names

WHAT = """\
track    displacements between two images, GeoTIFF, PNG or JPEG, to a NetCDF file; with a place and two dates,
         velocities in the layout of an ITS_LIVE granule
series   one velocity from all pairs of a folder of images with dates in their names, and the shift of each image
predict  the last image of a folder from those before it, chip by chip: correlations of all predictors
flux     the balance that the flux of ice of a glacier directory asks for, by elevation, as a table
"""
EXAMPLE = """\
examples:
  oggm-glaunti iceflow track 20200207.tif 20200220.tif --out v.nc --stable rock.tif --figure v.png
  oggm-glaunti iceflow series sentinel2 --out v.nc --stable rock.tif
  oggm-glaunti iceflow predict sentinel2 --stable rock.tif --weights gate.weights
  oggm-glaunti iceflow flux per_glacier/RGI60-11/RGI60-11.01/RGI60-11.01450 --velocity millan"""

# What messages advise in the words of Python.
DATES = "give its date (date=, dates= for several)"
NO_MASK = "no mask (stable=None, 'none' in iceflow_velocity)"


def add_iceflow(subparsers: common.Subparsers) -> None:
    """Add ``iceflow track|series|predict|flux``."""
    parser = common.add_verb(subparsers, "iceflow", run_iceflow, "track ice in images", WHAT, EXAMPLE)
    what = parser.add_subparsers(metavar="WHAT", required=True, dest="what")
    track = what.add_parser("track", help="two images", allow_abbrev=False)
    track.add_argument("first", metavar="A", type=Path)
    track.add_argument("second", metavar="B", type=Path)
    track.add_argument("--dates", metavar=("DATE", "DATE"), nargs=2, help="of both, if not in their names or tags")
    series = what.add_parser("series", help="a folder of images", allow_abbrev=False)
    series.add_argument("folder", metavar="DIR", type=Path)
    series.add_argument("--longest", metavar="DAYS", type=float, default=float("inf"), help="between images of a pair")
    series.add_argument("--seasonal", action="store_true", help="fit a cycle of one year to the speed, too")
    series.add_argument("--leave-out", action="store_true", help="solve without images whose parts are off differently")
    for of in (track, series):
        _add_tracking(of)
    predict = what.add_parser("predict", help="a folder of images", allow_abbrev=False)
    predict.add_argument("folder", metavar="DIR", type=Path)
    predict.add_argument("--stable", metavar="MASK", type=Path, required=True, help="as for series")
    predict.add_argument(
        "--search", metavar="PX", type=common.positive, default=12, help="largest motion (default: 12)"
    )
    predict.add_argument("--band", type=common.positive, help="band to use (default: mean of all)")
    predict.add_argument("--nodata", type=float, help="value of pixels without data")
    weights = predict.add_argument("--weights", metavar="FILE", nargs="+", type=Path, default=[])
    weights.help = "trained networks to predict with besides, files of save_network"
    predict.add_argument("--out", metavar="FILE.csv", type=Path, help="table to write")
    _add_figure(predict, "chips, their predictions and what came")
    flux = what.add_parser("flux", help="a glacier directory", allow_abbrev=False)
    flux.add_argument("gdir", metavar="GDIR", type=Path, help="folder of the glacier directory")
    flux.add_argument("--velocity", choices=("iceflow", "itslive", "millan"), default="iceflow")
    flux.add_argument("--thickness", metavar="MAP", default="consensus_ice_thickness", help="default: %(default)s")
    flux.add_argument("--no-glaunti", action="store_true", help="leave GlaUnTI's balance out")
    flux.add_argument("--out", metavar="FILE.csv", type=Path, help="table to write")
    _add_figure(flux, "apparent balance against GlaUnTI's")
    for of in (track, series, predict, flux):
        dates = "give --dates" if of is track else "add it to the name"
        names = option_names(of, {"date": "--dates", "out": "--out", DATES: dates, NO_MASK: "no --stable"})
        of.set_defaults(words=lambda text, names=names: in_options(text, names))


def _add_tracking(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FILE.nc", type=Path, required=True, help="file to write")
    parser.add_argument("--stable", metavar="MASK", type=Path, help="image that is not 0 on ground that does not move")
    chips = parser.add_argument("--chips", metavar="PX", nargs="+", type=common.positive, default=[16, 32, 64])
    chips.help = "sides of the chips (default: 16 32 64)"
    parser.add_argument("--step", metavar="PX", type=common.positive, help="between windows (default: smallest chip)")
    parser.add_argument("--search", metavar="PX", type=common.positive, default=12, help="largest motion (default: 12)")
    parser.add_argument("--band", type=common.positive, help="band to use (default: mean of all)")
    parser.add_argument("--nodata", type=float, help="value of pixels without data")
    parser.add_argument("--scale", metavar="M", type=float, help="side of a pixel of images without a place, m")
    _add_figure(parser, "speed, error and direction")


def _add_figure(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--figure", metavar="FILE.png", type=Path, help=what)


def run_iceflow(args: argparse.Namespace) -> int:
    """Run what was asked for."""
    runs = {"track": _run_tracking, "series": _run_tracking, "predict": _run_predict, "flux": _run_flux}
    return runs[args.what](args)


def _run_tracking(args: argparse.Namespace) -> int:
    import numpy as np

    from oggm_glaunti.companions.iceflow.images import Pair, read_pair, read_stack
    from oggm_glaunti.companions.iceflow.velocity import pair_velocity, stack_velocity
    from oggm_glaunti.companions.iceflow.velocity_file import write_velocity

    how: dict[str, Any] = {"band": args.band, "nodata": args.nodata, "scale": args.scale}
    tracking = {"chips": tuple(args.chips), "step": args.step, "search": args.search}
    if args.what == "track":
        pair = read_pair(args.first, args.second, dates=args.dates or (None, None), **how)
        images = [pair.first, pair.second]
    else:
        images = read_stack(args.folder, **how)
    stable = _stable(args.stable, images) if args.stable is not None else None
    if len(images) == 2:
        found = pair_velocity(Pair(*images), stable, **tracking)
    else:
        options = {"longest": args.longest, "seasonal": args.seasonal, "leave_out": args.leave_out}
        found = stack_velocity(images, stable, **options, **tracking)
        images = found.images
    write_velocity(args.out, found)
    if args.figure is not None:
        from oggm_glaunti.graphics import plot_ice_velocity, save_png

        args.figure.parent.mkdir(parents=True, exist_ok=True)
        save_png(plot_ice_velocity(found), args.figure)
    good = np.isfinite(found.rows) & ~found.stable
    speed, unit = np.hypot(found.rows, found.cols)[good], "px/day"
    common_error = found.common_error
    if images[0].pixel is not None:
        speed, common_error, unit = speed * images[0].pixel * 365.25, common_error * images[0].pixel * 365.25, "m/yr"
    print(f"{len(images)} images, {abs(found.days):g} days; {good.sum()} of {good.size} windows with a velocity")
    if speed.size:
        print(f"  speed: median {np.median(speed):.3g}, 95 % below {np.percentile(speed, 95):.3g} {unit}")
    print(f"  shift of the images by {found.anchor}")
    if np.isfinite(common_error):
        print(f"  error that all vectors share: {common_error:.2g} {unit}")
    if found.image_error is not None:
        errors = " ".join(f"{value:.2f}" for value in found.image_error)
        print(f"  error of each image in a window: {errors} px")
    if found.distortion is not None:
        print("  parts of each image off its shift: " + " ".join(f"{value:.2f}" for value in found.distortion) + " px")
    if found.cycle is not None:
        _print_cycle(found.cycle)
    return common.OK


def _print_cycle(cycle: Any) -> None:
    import numpy as np

    size, error = np.nanmedian(cycle.amplitude), np.nanmedian(cycle.error)
    print(
        f"  seasonal cycle: median amplitude {size:.2g} +- {error:.2g} px/day; condition number {cycle.condition:.1f}"
    )


def _stable(path: Path, images: list[Any]) -> Any:
    """Return the mask of stable ground on the images' pixels."""
    from oggm_glaunti.companions.iceflow.images import on_common_pixels, read_image

    mask = read_image(path, date=images[0].date)
    cut = on_common_pixels([images[0], mask])[1]
    if cut.values.shape != images[0].values.shape:
        raise ValueError(
            f"--stable {path}: covers {cut.values.shape[0]} x {cut.values.shape[1]} of the images' "
            f"{images[0].values.shape[0]} x {images[0].values.shape[1]} pixels; expected all"
        )
    top = float(cut.values.max())
    return cut.values > top / 2


def _run_predict(args: argparse.Namespace) -> int:
    from oggm_glaunti.companions.iceflow.images import read_stack
    from oggm_glaunti.companions.iceflow.network_file import load_network
    from oggm_glaunti.companions.iceflow.predict import predict_last

    networks = [load_network(path) for path in args.weights]
    images = read_stack(args.folder, band=args.band, nodata=args.nodata)
    found = predict_last(images, _stable(args.stable, images), search=args.search, networks=networks)
    if args.out is not None:
        _write_table(args.out, found.table, index=True)
    if args.figure is not None:
        from oggm_glaunti.graphics import plot_predictions, save_png

        args.figure.parent.mkdir(parents=True, exist_ok=True)
        save_png(plot_predictions(found), args.figure)
    count = f"{len(found.chips.target)} chips, {found.chips.dropped} without data left out"
    print(f"{images[-1].path.name} from {len(found.chips.age)} earlier images; {count}")
    print(found.table.round(3).to_string())
    return common.OK


def _write_table(path: Path, table: Any, index: bool = False) -> None:
    from oggm_glaunti.files import write_text

    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, table.to_csv(index=index, float_format="%.6g"))


def _run_flux(args: argparse.Namespace) -> int:
    common.start_oggm()
    import oggm

    from oggm_glaunti import tasks as gtasks

    if not args.gdir.is_dir():
        raise ValueError(f"{args.gdir} is no folder; expected a glacier directory")
    parents = args.gdir.absolute().parents
    gdir = oggm.GlacierDirectory(args.gdir.name, base_dir=str(parents[2]))
    table = gtasks.apparent_balance(gdir, velocity=args.velocity, thickness=args.thickness, glaunti=not args.no_glaunti)
    if args.out is not None:
        _write_table(args.out, table)
    if args.figure is not None:
        from oggm_glaunti.graphics import plot_apparent_balance, save_png

        args.figure.parent.mkdir(parents=True, exist_ok=True)
        save_png(plot_apparent_balance([table], title=gdir.rgi_id), args.figure)
    print(f"{gdir.rgi_id}, {args.velocity} velocity, {args.thickness}; m of ice a year")
    gates = ["low", *(name for name in table if name.startswith("flux") or "above" in str(name))]
    bands = [name for name in table if name not in gates[1:] and not str(name).endswith("_we")]
    print(table[bands].round(2).to_string(index=False))
    print("through gates at the lower edges of the bands, km3 of ice a year; balance above them, m of ice a year")
    print(table[gates].round(3).to_string(index=False))
    print(f"mean flux divergence over the glacier: {table.attrs['left_over']:+.3f} m a year (0 if ice is conserved)")
    return common.OK
