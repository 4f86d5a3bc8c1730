"""The verbs ``evaluate`` and ``infer``: predictions next to observations, and maps, of a trained model."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from oggm_glaunti.cli import common

if TYPE_CHECKING:
    import pandas as pd

    from oggm_glaunti.fit.data.year import GlacierData
    from oggm_glaunti.shop import LoadedModel

# Of the tables of scores: predictions in files have five decimals, and a correlation of few points magnifies that.
SCORE_TOLERANCE = {"n": 0.0, "n_dropped": 0.0, "pearson_r": 2e-4, "skill_vs_mean_r2": 2e-4}
OTHERWISE = 1e-5
POOLED_TOLERANCE = {"n": 0.0, "n_dropped": 0.0}
REFERENCES = {"scores.csv": "paper_table.csv", "scores_per_glacier.csv": "per_glacier_table.csv"}

EVALUATE = """\
Scores of predictions against observations: per season, points and glacier-wide, pooled and per glacier. The predictions
are those of a file, or are made here for every observation of a data set. The day that two seasons share counts half in
each, so that they add up to the year."""

EVALUATE_FILES = """\
files in DIR:
  scores.csv              pooled over all glaciers: n, r, RMSE, MAE, bias (predicted minus observed), skill 1 - SSE/SST
  scores_per_glacier.csv  the same glacier by glacier
  scores.json             all of it with the p values
  predictions.csv         with --data: every observation and its prediction, m w.e.
  *.png                   scatter, residuals, residuals by glacier, glacier-wide series (not with --no-figures)

exit status: 0 done, 1 with --reference: tables differ by more than rounding, 2 nothing could be scored (the line on
standard error says why).

example:
  oggm-glaunti evaluate --predictions test_glaciers_true_pred.csv --out scores"""

INFER = """\
Maps of the surface mass balance of every glacier of a data set, CF NetCDF, a file per glacier: of years and seasons,
with snow and corrections, or of days; and their means over the glacier. Years are run in order, after those of the
spin-up."""

INFER_EXAMPLE = """\
example:
  oggm-glaunti infer --model c --data training_data --glacier 'Grosser Aletsch' --out maps"""


def add_evaluate(subparsers: common.Subparsers) -> None:
    """Add ``evaluate``."""
    summary, errors = "score predictions, or a trained model on a data set", (RuntimeError,)
    parser = common.add_verb(subparsers, "evaluate", run_evaluate, summary, EVALUATE, EVALUATE_FILES, errors=errors)
    what = parser.add_mutually_exclusive_group(required=True)
    columns = "columns glacier, kind, season, year, true and pred_<model> for each model; m w.e."
    what.add_argument("--predictions", metavar="FILE.csv", type=Path, help=columns)
    what.add_argument("--data", metavar="DIR", type=Path, help="data set to predict, in the published layout")
    _add_model_and_weights(parser, required=False)
    folds = "of --data (default: 0, the test glaciers)"
    parser.add_argument("--folds", metavar="K", type=int, nargs="+", default=[0], help=folds)
    common.add_out(parser)
    parser.add_argument("--no-figures", action="store_true", help="tables only")
    reference = f"compare with {' and '.join(REFERENCES.values())} in it"
    parser.add_argument("--reference", metavar="DIR", type=Path, help=reference)


def add_infer(subparsers: common.Subparsers) -> None:
    """Add ``infer``."""
    summary, errors = "maps of a trained model on a data set, daily or by season", (RuntimeError,)
    parser = common.add_verb(subparsers, "infer", run_infer, summary, INFER, INFER_EXAMPLE, errors=errors)
    parser.add_argument("--data", metavar="DIR", type=Path, required=True, help="data set in the published layout")
    _add_model_and_weights(parser, required=True)
    parser.add_argument("--glacier", metavar="NAME", nargs="+", help="as in index.csv (default: all)")
    parser.add_argument("--daily", action="store_true", help="a map for each day instead of years and seasons")
    common.add_out(parser)


def _add_model_and_weights(parser: argparse.ArgumentParser, required: bool) -> None:
    group = parser.add_argument_group("model")
    common.add_model(group, "ABCD", required=required)
    common.add_weights(group, otherwise="; model A is in the package")


def run_evaluate(args: argparse.Namespace) -> int:
    """Score, write and print."""
    from oggm_glaunti.fit.evaluation import predictions as evaluation

    if args.data is not None and args.model is None:
        raise ValueError("--data goes with --model")
    if args.predictions is not None and (args.model is not None or args.weights is not None):
        raise ValueError("--model and --weights go with --data, not with --predictions")
    if args.predictions is not None:
        predictions, source = evaluation.read_predictions(args.predictions), args.predictions.name
    else:
        predictions, source = _predict_folds(args)
    if not len(predictions):
        raise ValueError(f"{args.predictions or args.data}: no observation to score")
    written = list(evaluation.write_scores(predictions, args.out, source))
    if args.data is not None:
        written.append(evaluation.write_predictions(predictions, args.out / "predictions.csv").name)
    print(evaluation.format_scores(evaluation.pooled_scores(predictions)))
    if not args.no_figures:
        from oggm_glaunti.graphics.fit import save_figures

        written += [path.name for path in save_figures(predictions, args.out)]
    print(f"In {args.out.resolve()}: {', '.join(written)}")
    return common.OK if args.reference is None else _compare(predictions, args.reference)


def _predict_folds(args: argparse.Namespace) -> tuple[pd.DataFrame, str]:
    """Predict every observation of the chosen folds; also return in words what by."""
    from oggm_glaunti.fit.evaluation.inference import predict_observations

    def chosen(glaciers: list[GlacierData]) -> list[GlacierData]:
        of_folds = [glacier for glacier in glaciers if glacier.fold in args.folds]
        if not of_folds:
            raise ValueError(f"{args.data}: no glacier in fold {', '.join(map(str, args.folds))}")
        return of_folds

    loaded = _load_model(args)
    glaciers = _open_glaciers(args.data, chosen)
    print(f"Model {args.model} ({loaded.source}), glaciers to predict: {len(glaciers)}", flush=True)
    source = f"model {args.model}, weights {loaded.sha256}, folds {args.folds} of {args.data.name}"
    return predict_observations(loaded.model, _announced(args, glaciers), args.model), source


def _announced(args: argparse.Namespace, glaciers: list[GlacierData]) -> Iterator[GlacierData]:
    """Yield the glaciers and print each one's name when its turn comes."""
    for glacier in common.each(args, glaciers, "glacier"):
        common.say(args, f"  {glacier.name}: {len(glacier.years)} years")
        yield glacier


def _compare(predictions: pd.DataFrame, folder: Path) -> int:
    """Print the largest differences from tables of scores; FAILED if one is beyond rounding."""
    import pandas as pd

    from oggm_glaunti.fit.evaluation import predictions as evaluation

    tables = {"scores.csv": evaluation.pooled_scores, "scores_per_glacier.csv": evaluation.scores_per_glacier}
    ok = True
    for name, reference in REFERENCES.items():
        table = pd.read_csv(folder / reference, keep_default_na=False, na_values=[""])
        differences = evaluation.largest_differences(tables[name](predictions), table)
        tolerance = POOLED_TOLERANCE if name == "scores.csv" else SCORE_TOLERANCE
        ok &= all(value <= tolerance.get(measure, OTHERWISE) for measure, value in differences.items())
        found = ", ".join(f"{measure} {value:.1e}" for measure, value in differences.items())
        print(f"largest differences from {reference}: {found}")
    print("within rounding" if ok else "beyond rounding")
    return common.OK if ok else common.FAILED


def run_infer(args: argparse.Namespace) -> int:
    """Write maps glacier by glacier."""
    from oggm_glaunti.fit.evaluation.inference import predict_glacier
    from oggm_glaunti.fit.evaluation.maps_file import write_days, write_years

    def chosen(glaciers: list[GlacierData]) -> list[GlacierData]:
        by_name = {glacier.name: glacier for glacier in glaciers}
        unknown = [name for name in args.glacier or () if name not in by_name]
        if unknown:
            raise ValueError(f"{args.data}: no glacier {', '.join(unknown)}; there are {', '.join(sorted(by_name))}")
        return [by_name[name] for name in args.glacier or by_name]

    loaded = _load_model(args)
    glaciers = _open_glaciers(args.data, chosen)
    prefix = "smb_daily" if args.daily else "smb"
    files = [f"{prefix}_{re.sub(r'[^0-9A-Za-z.-]+', '_', glacier.name)}.nc" for glacier in glaciers]
    twice = sorted({name for name in files if files.count(name) > 1})
    if twice:
        raise ValueError(f"several glaciers would be written to {', '.join(twice)}: ask for them one by one")
    args.out.mkdir(parents=True, exist_ok=True)
    for glacier, name in common.each(args, list(zip(glaciers, files, strict=True)), "glacier"):
        if not glacier.years:
            print(f"{glacier.name}: no year with weather and observations, no file")
            continue
        about = {"model": args.model, "weights": Path(loaded.source).name, "weights_sha256": loaded.sha256}
        write = write_days if args.daily else write_years
        written = write(args.out / name, glacier, predict_glacier(loaded.model, glacier, args.daily), about)
        print(f"{glacier.name}: {written[0]} to {written[-1]} in {args.out / name}", flush=True)
    return common.OK


def _load_model(args: argparse.Namespace) -> LoadedModel:
    from oggm_glaunti import shop

    if args.model != "A":
        common.start_oggm_for_weights(args)
    return shop.load(args.model, args.weights)


def _open_glaciers(folder: Path, choose: Callable[[list[GlacierData]], list[GlacierData]]) -> list[GlacierData]:
    """Open some glaciers of a data set; invalid rows are printed, and what else is left out of those chosen."""
    from oggm_glaunti.fit.data.files import read_dataset

    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    every, problems = read_dataset(folder)
    glaciers = choose(every)
    lines = [f"{folder}: {problem}" for problem in problems]
    lines += [f"{glacier.name}: {n} x {what}" for glacier in glaciers for what, n in glacier.left_out.items()]
    common.print_some(lines, "left out")
    return glaciers
