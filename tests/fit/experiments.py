"""``python -m tests.fit.experiments``: trains all models on data sets whose truth is known, and prints how well.

One data set has the same parameters everywhere, which A has to find from noisy stakes. In the other they vary with
climate and height: that is what C is for. ``--quick`` takes fewer glaciers and epochs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from oggm_glaunti.coupling.oggm.offline import start_offline


class Made(NamedTuple):
    """A data set: how many glaciers, their years, and the sides of their maps (shortest, longest, step)."""

    glaciers: int
    years: tuple[int, int]
    sides: tuple[int, int, int]


class Size(NamedTuple):
    """How much is done: the data sets, and the epochs of every model."""

    uniform: Made
    fields: Made
    small: Made
    epochs: dict[str, int]


FULL = Size(
    Made(16, (1995, 2000), (18, 48, 1)),
    Made(28, (1995, 2000), (24, 32, 8)),
    Made(10, (1998, 2000), (16, 16, 1)),
    {"A": 60, "B": 80, "C": 50, "D": 8},
)
QUICK = Size(*[Made(5, (1999, 2000), (24, 24, 1))] * 3, {"A": 40, "B": 30, "C": 12, "D": 3})
RATES = {"A": 0.05, "B": 0.02, "C": 4e-3, "D": 2e-3}


class WithoutFacies:
    """A glacier whose maps of facies are hidden."""

    def __init__(self, glacier: Any):
        self._glacier = glacier

    def __getattr__(self, name: str) -> Any:
        return getattr(self._glacier, name)

    def load(self, year: int, facies: bool = False) -> Any:
        del facies
        return self._glacier.load(year)


def recover(data: Sequence[Any], truth: dict[str, float], out: Path, size: Size) -> pd.DataFrame:
    """Train A in two steps, the second with a smaller rate, and compare with the truth."""
    from oggm_glaunti.fit.training.train import Options, split_by_fold, train
    from oggm_glaunti.fit.training.uncertainty import trained_uncertainty

    model, n = None, size.epochs["A"]
    # Free of the priors: they are not the truth.
    for step, rate in enumerate((RATES["A"], RATES["A"] / 5)):
        done = train("A", data, out / f"step_{step}", model, Options(n, rate, ti_strength=0.0), progress=False)
        say(f"A, step {step + 1}", done)
        model = done.model
    table = trained_uncertainty(model, split_by_fold(data).training)
    table.insert(0, "truth", pd.Series(truth))
    table["off_by"] = table["value"] / table["truth"] - 1.0
    table["sigmas"] = (table["value"] - table["truth"]).abs() / table["sigma"]
    table["within"] = np.select([table["off_by"].abs() <= 0.05, table["sigmas"] <= 2.0], ["5 %", "2 sigma"], "neither")
    return table


def rmse(model: Any, parts: Sequence[Any]) -> float:
    """Root of the mean squared error at points: mean over glaciers and seasons, m w.e."""
    from oggm_glaunti.fit.training.train import mean_errors

    return float(np.sqrt(mean_errors(model, parts).points.mean()))


def rmse_of_mean(training: Sequence[Any], test: Sequence[Any]) -> float:
    """The same of the mean of all that the training glaciers have of a season."""
    means = {}
    for season in ("annual", "winter", "summer"):
        observed, weights = _observed(training, season)
        means[season] = np.average(observed, weights=weights)
    errors = []
    for part in test:
        for season, mean in means.items():
            observed, weights = _observed([part], season)
            errors.append(np.average((observed - mean) ** 2, weights=weights))
    return float(np.sqrt(np.mean(errors)))


def _observed(parts: Sequence[Any], season: str) -> tuple[np.ndarray, np.ndarray]:
    found = [part.glacier.load(year).targets.get(season) for part in parts for year in part.glacier.years]
    columns = [(target.observed, target.weights) for target in found if target is not None]
    observed, weights = (np.concatenate(column) for column in zip(*columns, strict=True))
    return observed, weights + 1e-12


def compare(data: Sequence[Any], out: Path, size: Size) -> dict[str, float]:
    """Train A, C and D where the truth varies in space; RMSE at the points of the test glaciers, m w.e."""
    from oggm_glaunti.fit.training.survey import Part
    from oggm_glaunti.fit.training.train import Options, split_by_fold, train

    split, found, models = split_by_fold(data), {}, {}
    found["mean of the training glaciers"] = rmse_of_mean(split.training, split.test)
    for name, start in (("A", None), ("C", "A"), ("D", "C")):
        options = Options(size.epochs[name], RATES[name], ti_strength=0.0)
        done = train(name, data, out, models.get(start), options, progress=False)
        say(name, done)
        models[name] = done.model
        found[name] = rmse(done.model, split.test)
        print(f"  RMSE at the points of the test glaciers {found[name]:.3f} m w.e.", flush=True)
    found["D, facies hidden"] = rmse(models["D"], [Part(WithoutFacies(part.glacier)) for part in split.test])
    return found


def gru(data: Sequence[Any], out: Path, size: Size) -> dict[str, float]:
    """Train B in two steps, on few cells: it is run on every cell and day, back and forth."""
    from oggm_glaunti.fit.training.train import Options, split_by_fold, train

    split, model, n = split_by_fold(data), None, size.epochs["B"]
    for step, rate in enumerate((RATES["B"], RATES["B"] / 4)):
        done = train("B", data, out / f"step_{step}", model, Options(n, rate), progress=False)
        say(f"B, step {step + 1}", done)
        model = done.model
    return {"B": rmse(model, split.test), "mean of the training glaciers": rmse_of_mean(split.training, split.test)}


def say(title: str, done: Any) -> None:
    """How long an epoch took and how the loss fell."""
    log = done.log
    first, last = log.iloc[0], log.iloc[-1]
    print(
        f"{title}: {len(log)} epochs, {log['seconds'].iloc[1:].median():.2f} s each (first, with compiling, "
        f"{first['seconds']:.0f} s), peak memory {last['peak_memory_mb']:.0f} MB, loss {first['training']:.3g} -> "
        f"{last['training']:.3g}, best validation error {done.best_error:.3g} in epoch {done.best_epoch}",
        flush=True,
    )


def written(folder: Path, made: Made, **kwargs: Any) -> Any:
    """Write a data set; what it was made of."""
    from .synthetic import write_dataset

    *sides, step = made.sides
    return write_dataset(folder, made.glaciers, made.years, sides=tuple(sides), side_step=step, **kwargs)


def main(arguments: list[str] | None = None) -> int:
    """Run both experiments; 1 where something is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.fit.experiments", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=("recover", "compare", "gru"))
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    wanted = [options.only] if options.only else ["recover", "compare", "gru"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        start_offline(folder / "oggm")
        good = [EXPERIMENTS[name](folder / name, size, options.quick) for name in wanted]
    return 0 if all(good) else 1


def print_recovery(folder: Path, size: Size, quick: bool) -> bool:
    """A finds the parameters that are the same everywhere."""
    del quick
    from oggm_glaunti.fit.data.files import open_dataset

    made = written(folder, size.uniform)
    table = recover(open_dataset(made.folder), made.truth, folder / "trained", size)
    print(table.to_string(float_format="%.4g"))
    return not (table["within"] == "neither").any()


def print_comparison(folder: Path, size: Size, quick: bool) -> bool:
    """C and D where the truth varies in space."""
    from oggm_glaunti.fit.data.files import open_dataset

    made = written(folder, size.fields, truth="fields", spin_up=False)
    found = compare(open_dataset(made.folder), folder / "trained", size)
    print_errors(found)
    print(f"  C is {1 - found['C'] / found['A']:.0%} below A")
    return found["C"] <= 0.7 * found["A"] or quick


def print_gru(folder: Path, size: Size, quick: bool) -> bool:
    """B learns from weather alone."""
    from oggm_glaunti.fit.data.files import open_dataset

    made = written(folder, size.small, truth="fields", spin_up=False)
    found = gru(open_dataset(made.folder), folder / "trained", size)
    print_errors(found)
    return found["B"] < found["mean of the training glaciers"] or quick


def print_errors(found: dict[str, float]) -> None:
    """One line each."""
    print("RMSE at the points of the test glaciers, m w.e.:")
    print("\n".join(f"  {name:30} {value:.3f}" for name, value in found.items()))


EXPERIMENTS = {"recover": print_recovery, "compare": print_comparison, "gru": print_gru}


if __name__ == "__main__":
    sys.exit(main())
