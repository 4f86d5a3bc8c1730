"""The verb ``meltwater``: networks on scenes in the layout of MeltwaterBench, and seasons of a glacier directory."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from oggm_glaunti.cli import common
from oggm_glaunti.cli.directories import ALIASES, add_chosen_model, add_directory

if TYPE_CHECKING:
    from oggm import GlacierDirectory

DAILY = "_daily"
ACTIONS = ("train", "predict", "evaluate", "season")
LAYERS = ("pmw", "model", "water")

DESCRIPTION = """\
train, predict and evaluate work on a folder in the layout of MeltwaterBench, one GeoTIFF a day and layer, with
train.csv, val.csv and test.csv in its folder "splits": train writes OUT/network.npz, predict OUT/meltwater.nc, evaluate
prints scores beside those of the baselines. season works on a working directory of OGGM: for each glacier it runs the
daily balance on the map, writes glaunti_smb_daily.nc and glaunti_meltwater.nc and prints a row for each season.
"""
EXAMPLE = """\
examples:
  oggm-glaunti meltwater train helheim --out trained
  oggm-glaunti meltwater predict helheim --out trained
  oggm-glaunti meltwater season glaunti_demo/oggm_A --years 2018 2019"""


def add_meltwater(subparsers: common.Subparsers) -> None:
    """Add ``meltwater train|predict|evaluate|season DIR``."""
    what = "daily meltwater maps"
    more = {"resumes": "a training goes on when it is started again", "reads_calibration": True}
    aliases = {**ALIASES, "inputs": "--layers", "ys": "--years", "ye": "--years"}
    parser = common.add_verb(subparsers, "meltwater", run_meltwater, what, DESCRIPTION, EXAMPLE, aliases, **more)
    parser.add_argument("action", choices=ACTIONS)
    add_directory(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder of network and maps (default: DIR/glaunti)")
    parser.add_argument("--layers", metavar="NAME", nargs="*", choices=LAYERS, help="daily layers (default: pmw model)")
    parser.add_argument("--network", choices=("unet", "deeplab"), default="unet", help="default: %(default)s")
    parser.add_argument("--width", type=common.positive, default=12, help="of the network (default: %(default)s)")
    parser.add_argument("--levels", type=common.positive, default=3, help="of the UNet (default: %(default)s)")
    parser.add_argument("--epochs", type=common.positive, default=20, help="default: %(default)s")
    parser.add_argument("--crop", type=common.positive, default=256, help="cells a side (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    common.add_years(parser, help="seasons (default: all)")
    parser.add_argument("--observed", metavar="PATH", type=Path, help="observed maps to compare a season with")
    group = add_chosen_model(parser, other_weather=False)
    group.add_argument("--calibration", metavar="SUFFIX", help="suffix of glaunti_params (default: none)")
    group.add_argument("--uncalibrated", action="store_true", help="run as published if there is no calibration")


def run_meltwater(args: argparse.Namespace) -> int:
    """Run one of the actions."""
    if args.action == "season":
        return _season(args)
    from oggm_glaunti.workflows import meltwater

    out = args.directory / "glaunti" if args.out is None else args.out
    common.require_folder(out)
    layers = ("pmw", "model") if args.layers is None else tuple(args.layers)
    if args.action == "predict":
        path = meltwater.predict(args.directory, out, layers)
        common.say(args, f"{path} written")
        return common.OK
    if args.action == "evaluate":
        print(meltwater.evaluate(args.directory, out, layers).round(4).to_string())
        return common.OK
    names = ("network", "width", "levels", "epochs", "crop", "rate", "seed")
    chosen = {name: getattr(args, name) for name in names}

    def report(row: dict) -> None:
        validation = row["validation"]
        common.say(args, f"epoch {row['epoch']}: loss {row['training']:.4f}, validation Brier {validation:.4f}")

    trained = meltwater.train(args.directory, out, layers, report, **chosen)
    start, best = trained.log[0]["validation"], min(row["validation"] for row in trained.log)
    how = f"epoch {trained.best_epoch}" if trained.best_epoch else "no epoch was better than the start, which is kept"
    print(f"{out / meltwater.NETWORK}: validation Brier {start:.4f} -> {best:.4f} ({how})")
    return common.OK


def _season(args: argparse.Namespace) -> int:
    from oggm_glaunti.cli.directories import for_each, mb_kwargs_of
    from oggm_glaunti.tasks import compare_melt, glaunti_smb, melt_season

    observed = {} if args.observed is None else {"observed": args.observed}
    first, last = args.years or (None, None)

    def one(gdir: "GlacierDirectory") -> None:
        # Southern seasons end in the year after.
        until = last and last + (gdir.hemisphere == "sh")
        chosen = {"ys": first, "ye": until, "mb_kwargs": mb_kwargs_of(gdir, args, maps=True)}
        glaunti_smb(gdir, daily=True, output_filesuffix=DAILY, **chosen)
        table = melt_season(gdir, ys=first, ye=last, smb_filesuffix=DAILY, **observed)
        print(f"{gdir.rgi_id}\n{table.T.to_string()}")
        if observed:
            found = compare_melt(gdir, smb_filesuffix=DAILY, **observed)
            print(found.by_height.round(2).to_string())
            print(", ".join(f"{name} {days:.1f} days" for name, days in found.lag.items()))

    return for_each(args, one)
