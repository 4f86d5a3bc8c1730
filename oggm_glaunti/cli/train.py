"""The verbs ``oggm-glaunti train`` and ``oggm-glaunti finetune``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from oggm_glaunti.cli import common

if TYPE_CHECKING:
    from oggm_glaunti.core.weights import Model
    from oggm_glaunti.fit.data.year import GlacierData
    from oggm_glaunti.fit.training.train import Options, Training

# What a model may begin with, the nearest first.
STARTS = {"A": ("A",), "B": ("B",), "C": ("C", "A"), "D": ("D", "C")}
BEFORE = {"C": "A", "D": "C"}

TRAIN = """\
The glaciers have observations, in the layout of the published training data. Fold 0 is kept for testing, fold 1 chooses
the epoch. C begins with A's temperature index, D with C."""

FINETUNE = """\
Early years train, later ones choose the epoch, the last test. Files are called <model>_finetuned_<glacier>."""

EXIT_STATUS = "exit status: 0 done, 1 the training failed, 2 nothing could be trained, 130 interrupted."
RESUMES = "the same command with --resume goes on"
TRAINING_FILES = f"""\
files in DIR, by the model's letter:
  a.eqx             weights of the best epoch: weights=DIR/a.eqx wherever weights are asked for
  a_log.csv         an epoch a row: training loss and its parts, validation error by season, seconds, memory
  a_config.json     what the numbers depend on: options, start, and a digest of every glacier's data
  a_checkpoint.npz  the state after the last epoch, for --resume

{EXIT_STATUS}

example, with one DIR for all:
  oggm-glaunti train --model a --data glaciers --out trained
  oggm-glaunti train --model c --data glaciers --out trained
  oggm-glaunti train --model d --data glaciers --out trained"""


def add_train(subparsers: common.Subparsers) -> None:
    """Add ``train``."""
    what = "train model A, B, C or D on a data set"
    parser = common.add_verb(subparsers, "train", run_train, what, TRAIN, TRAINING_FILES, resumes=RESUMES)
    _add_training(parser, "ABCD", epochs=50, rate=1e-3)
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of a new B or C (default: %(default)s)")
    parser.add_argument("--unfreeze-ti", action="store_true", help="C and D: train the temperature index as well")


def add_finetune(subparsers: common.Subparsers) -> None:
    """Add ``finetune``."""
    what = "continue training a model on one glacier"
    parser = common.add_verb(subparsers, "finetune", run_finetune, what, FINETUNE, EXIT_STATUS, resumes=RESUMES, seed=0)
    _add_training(parser, "ACD", epochs=250, rate=1e-2)
    parser.add_argument("--glacier", metavar="NAME", required=True, help="its name in the data set")
    parser.add_argument("--train", choices=("ti", "corrector", "both"), help="default: A ti, C and D corrector")
    parser.add_argument("--train-to", metavar="YEAR", type=int, default=2012, help="default: %(default)s")
    parser.add_argument("--validate-to", metavar="YEAR", type=int, default=2018, help="default: %(default)s")


def _add_training(parser: argparse.ArgumentParser, models: str, epochs: int, rate: float) -> None:
    common.add_model(parser, models, required=True)
    parser.add_argument("--data", metavar="DIR", type=Path, required=True, help="folder with index.csv")
    common.add_out(parser)
    start = "weights to begin with; default: those in DIR, for A its priors and for B random numbers"
    parser.add_argument("--from", dest="start", metavar="FILE", type=Path, help=start)
    parser.add_argument("--epochs", metavar="N", type=int, default=epochs, help="default: %(default)s")
    parser.add_argument("--learning-rate", metavar="R", type=float, default=rate, help="default: %(default)s")
    parser.add_argument("--patience", metavar="N", type=int, help="stop N epochs after the least validation error")
    parser.add_argument("--threads", metavar="N", type=int, help="glaciers at once; default: one for each core")
    memory = "of prepared years, which are kept and not read again each epoch (default: %(default)g)"
    parser.add_argument("--memory", metavar="MB", type=float, default=2000.0, help=memory)
    parser.add_argument("--no-ti-pull", action="store_true", help="do not pull the temperature index to its priors")
    bad_rows = "invalid rows of the data: stop and list them, or leave them out (default: %(default)s)"
    parser.add_argument("--bad-rows", choices=("raise", "report"), default="raise", help=bad_rows)
    parser.add_argument("--resume", action="store_true", help="go on after the last finished epoch, if there is one")


def run_train(args: argparse.Namespace) -> int:
    """Train a model and print where it is."""
    from oggm_glaunti.fit.training.train import train

    common.start_oggm()
    if args.unfreeze_ti and args.model not in BEFORE:
        raise ValueError(f"--unfreeze-ti is for {' and '.join(BEFORE)}; A's temperature index is trained anyway")
    options = _options(args, ("ti", "corrector") if args.unfreeze_ti else None)
    before, start = BEFORE.get(args.model), None
    if before is not None or args.start is not None:
        start = _weights_to_begin_with(args, before or "", f", or train {before} with the same --out first")
    data = _read_data(args)
    _print_training(train(args.model, data, args.out, start, options, args.resume, not args.quiet))
    return common.OK


def run_finetune(args: argparse.Namespace) -> int:
    """Finetune a model and print where it is and how good."""
    from oggm_glaunti.core.weights import embedded_a
    from oggm_glaunti.fit.training.train import finetune

    common.start_oggm()
    kinds = {None: None, "both": ("ti", "corrector")}.get(args.train, (args.train,))
    data = _read_data(args)
    glacier = next((glacier for glacier in data if glacier.name == args.glacier), None)
    if glacier is None:
        names = ", ".join(sorted(glacier.name for glacier in data))
        raise ValueError(f"--glacier: expected one of {names}; found {args.glacier!r}")
    options, years = _options(args, kinds), (args.train_to, args.validate_to)
    # Without weights of A the published ones.
    published = args.model == "A" and args.start is None and not (args.out / "a.eqx").exists()
    start = embedded_a() if published else _weights_to_begin_with(args, args.model)
    done, test = finetune(glacier, args.out, start, options, *years, args.resume, not args.quiet)
    _print_training(done)
    if test is not None:
        shares = zip(("annual", "winter", "summer"), test.points**0.5, test.glacier**0.5, strict=True)
        for season, points, whole in shares:
            print(f"test years, {season}: RMSE {points:.3f} m w.e. at points, {whole:.3f} m w.e. glacier-wide")
    return common.OK


def _print_training(done: Training) -> None:
    error = "" if done.best_error != done.best_error else f", validation error {done.best_error:.4g} (m w.e.)2"
    print(f"{done.weights}: epoch {done.best_epoch} of {len(done.log)}{error}")


def _options(args: argparse.Namespace, kinds: tuple[str, ...] | None) -> Options:
    from oggm_glaunti.fit.training.train import Options

    names = ("epochs", "learning_rate", "seed", "patience", "threads", "memory")
    asked = {name: getattr(args, name) for name in names} | ({"ti_strength": 0.0} if args.no_ti_pull else {})
    return Options(kinds=kinds, **asked)


def _read_data(args: argparse.Namespace) -> list[GlacierData]:
    from oggm_glaunti.fit.data.files import open_dataset

    data = open_dataset(args.data, problems=args.bad_rows)
    problems = sum(len(glacier.problems) for glacier in data)
    if problems:
        print(f"{problems} rows of the data cannot be used and are left out")
    return data


def _weights_to_begin_with(args: argparse.Namespace, before: str, otherwise: str = "") -> Model:
    """Return the weights to begin with: those named, else those of the model `before` in the same folder."""
    path = args.out / f"{before.lower()}.eqx"
    if args.start is None and not path.exists():
        raise FileNotFoundError(
            f"model {args.model} begins with weights of {before}, and {path} is missing: name a file with --from"
            + otherwise
        )
    return read_start(args.start or path, args.model)


def read_start(path: Path, name: str) -> Model:
    """Read weights with which the training of a model may begin.

    Parameters
    ----------
    path : Path
        a file of weights
    name : str
        letter of the model to be trained

    Raises
    ------
    FileNotFoundError, ValueError
        if there is no such file, or it holds none of the models that the training may begin with
    """
    from oggm_glaunti import shop

    problems = []
    for kind in STARTS[name]:
        try:
            return shop.load(kind, path).model
        except ValueError as err:
            problems.append(f"as {kind}: {err}")
    raise ValueError(f"model {name} cannot begin with {path}; {'; '.join(problems)}")
