"""The verbs ``oggm-glaunti train`` and ``oggm-glaunti finetune``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oggm_glaunti.core.weights import Model
    from oggm_glaunti.fit.training.train import Options, Training

OK, FAILED, INTERRUPTED = 0, 1, 130
# What a model may begin with, the nearest first.
STARTS = {"A": ("A",), "B": ("B",), "C": ("C", "A"), "D": ("D", "C")}
BEFORE = {"C": "A", "D": "C"}

EPILOG = """\
files in DIR, by the model's letter:
  a.eqx             weights of the best epoch: weights=DIR/a.eqx wherever weights are asked for
  a_log.csv         an epoch a row: training loss and its parts, validation error by season, seconds, memory
  a_config.json     what the numbers depend on: options, start, and a digest of every glacier's data
  a_checkpoint.npz  the state after the last epoch, for --resume

exit status: 0 done, 1 the training failed, 2 nothing could be trained, 130 interrupted (--resume goes on).

example, with one DIR for all:
  oggm-glaunti train --model a --data glaciers --out trained
  oggm-glaunti train --model c --data glaciers --out trained
  oggm-glaunti train --model d --data glaciers --out trained"""


def add_train(subparsers: argparse._SubParsersAction) -> None:
    """Add ``train``."""
    parser = subparsers.add_parser(
        "train",
        help="train model A, B, C or D on a data set",
        description="Train a model on glaciers with observations, in the layout of the published training data. Fold 0 "
        "is kept for testing, fold 1 chooses the epoch. C begins with A's temperature index, D with C.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common(parser, "ABCD", epochs=50, rate=1e-3)
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of a new B or C (default: %(default)s)")
    parser.add_argument("--unfreeze-ti", action="store_true", help="C and D: train the temperature index as well")
    parser.set_defaults(run=run_train)


def add_finetune(subparsers: argparse._SubParsersAction) -> None:
    """Add ``finetune``."""
    parser = subparsers.add_parser(
        "finetune",
        help="go on training a model on one glacier",
        description="Early years train, later ones choose the epoch, the last test. Files are called "
        "<model>_finetuned_<glacier>.",
        epilog="exit status: 0 done, 1 the training failed, 2 nothing could be trained, 130 interrupted.",
    )
    _add_common(parser, "ACD", epochs=250, rate=1e-2)
    parser.add_argument("--glacier", metavar="NAME", required=True, help="as the data set calls it")
    parser.add_argument("--train", choices=("ti", "corrector", "both"), help="default: A ti, C and D corrector")
    parser.add_argument("--train-to", metavar="YEAR", type=int, default=2012, help="default: %(default)s")
    parser.add_argument("--validate-to", metavar="YEAR", type=int, default=2018, help="default: %(default)s")
    parser.set_defaults(run=run_finetune, seed=0)


def _add_common(parser: argparse.ArgumentParser, models: str, epochs: int, rate: float) -> None:
    parser.add_argument("--model", type=str.upper, choices=tuple(models), required=True)
    parser.add_argument("--data", metavar="DIR", type=Path, required=True, help="folder with index.csv")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write to; made if missing")
    parser.add_argument(
        "--from",
        dest="start",
        metavar="FILE",
        type=Path,
        help="weights to begin with; default: of the same DIR where there are, for A its priors and for B random",
    )
    parser.add_argument("--epochs", metavar="N", type=int, default=epochs, help="default: %(default)s")
    parser.add_argument("--learning-rate", metavar="R", type=float, default=rate, help="default: %(default)s")
    parser.add_argument("--patience", metavar="N", type=int, help="stop N epochs after the least validation error")
    parser.add_argument("--threads", metavar="N", type=int, help="glaciers at once; default: one for each core")
    parser.add_argument(
        "--memory",
        metavar="MB",
        type=float,
        default=2000.0,
        help="of prepared years that are kept and not read again each epoch (default: %(default)g)",
    )
    parser.add_argument("--no-ti-pull", action="store_true", help="do not pull the temperature index to its priors")
    parser.add_argument(
        "--bad-rows",
        choices=("raise", "report"),
        default="raise",
        help="rows of the data that cannot be used: stop and list them, or leave them out (default: %(default)s)",
    )
    parser.add_argument("--resume", action="store_true", help="go on after the last finished epoch, if there is one")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run_train(args: argparse.Namespace) -> int:
    """Train a model and say where it is."""

    def work() -> int:
        from oggm_glaunti.fit.training.train import train

        if args.unfreeze_ti and args.model not in BEFORE:
            raise ValueError(f"--unfreeze-ti is for {' and '.join(BEFORE)}; A's temperature index is trained anyway")
        kinds = ("ti", "corrector") if args.unfreeze_ti else None
        start, data = _start(args), _read_data(args)
        done = train(args.model, data, args.out, start, _options(args, kinds), args.resume, not args.quiet)
        return _say(done)

    return _guarded(work)


def run_finetune(args: argparse.Namespace) -> int:
    """Finetune a model and say where it is and how good."""

    def work() -> int:
        from oggm_glaunti.fit.training.train import finetune

        kinds = {None: None, "both": ("ti", "corrector")}.get(args.train, (args.train,))
        glacier = _one_glacier(_read_data(args), args.glacier)
        start = _start(args)
        years = args.train_to, args.validate_to
        done, test = finetune(glacier, args.out, start, _options(args, kinds), *years, args.resume, not args.quiet)
        _say(done)
        if test is not None:
            shares = zip(("annual", "winter", "summer"), test.points**0.5, test.glacier**0.5, strict=True)
            for season, points, whole in shares:
                print(f"test years, {season}: RMSE {points:.3f} m w.e. at points, {whole:.3f} m w.e. glacier-wide")
        return OK

    return _guarded(work)


def _say(done: Training) -> int:
    error = "" if done.best_error != done.best_error else f", validation error {done.best_error:.4g} (m w.e.)2"
    print(f"{done.weights}: epoch {done.best_epoch} of {len(done.log)}{error}")
    return OK


def _guarded(work: Any) -> int:
    from oggm_glaunti.cli.common import complain, start_oggm

    start_oggm()
    from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

    try:
        return work()
    except FloatingPointError as err:
        complain(err)
        return FAILED
    except (OSError, ValueError, InvalidParamsError, InvalidWorkflowError) as err:
        return complain(err)
    except KeyboardInterrupt:
        print("interrupted; the same command with --resume goes on")
        return INTERRUPTED


def _options(args: argparse.Namespace, kinds: tuple[str, ...] | None) -> Options:
    from oggm_glaunti.fit.training.train import Options

    pull = {"ti_strength": 0.0} if args.no_ti_pull else {}
    return Options(
        epochs=args.epochs,
        learning_rate=args.learning_rate,
        seed=args.seed,
        kinds=kinds,
        patience=args.patience,
        threads=args.threads,
        memory=args.memory,
        **pull,
    )


def _read_data(args: argparse.Namespace) -> list[Any]:
    from oggm_glaunti.fit.data.files import open_dataset

    data = open_dataset(args.data, problems=args.bad_rows)
    problems = sum(len(glacier.problems) for glacier in data)
    if problems:
        print(f"{problems} rows of the data cannot be used and are left out")
    return data


def _one_glacier(data: list[Any], name: str) -> Any:
    found = [glacier for glacier in data if glacier.name == name]
    if not found:
        raise ValueError(f"--glacier: expected one of {', '.join(sorted(g.name for g in data))}; found {name!r}")
    return found[0]


def _start(args: argparse.Namespace) -> Model | None:
    """Weights to begin with: those named, else those of the model before in the same folder."""
    if args.start is not None:
        return read_start(args.start, args.model)
    finetuning = hasattr(args, "glacier")
    before = args.model if finetuning else BEFORE.get(args.model)
    if before is None:
        return None
    path = args.out / f"{before.lower()}.eqx"
    if path.exists():
        return read_start(path, args.model)
    if finetuning and args.model == "A":
        from oggm_glaunti.core.weights import embedded_a

        return embedded_a()
    raise FileNotFoundError(
        f"model {args.model} begins with weights of {before}, and {path} is missing: name a file with --from"
        + ("" if finetuning else f", or train {before} with the same --out first")
    )


def read_start(path: Path, name: str) -> Model:
    """Read weights with which a model may begin.

    Parameters
    ----------
    path : Path
    name : str
        of the model to be trained

    Raises
    ------
    FileNotFoundError, ValueError
        where there is no such file, or it holds no model that will do
    """
    from oggm_glaunti import shop

    problems = []
    for kind in STARTS[name]:
        try:
            return shop.load(kind, path).model
        except ValueError as err:
            problems.append(f"as {kind}: {err}")
    raise ValueError(f"model {name} cannot begin with {path}; {'; '.join(problems)}")
