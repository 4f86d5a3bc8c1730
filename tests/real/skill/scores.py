"""Scores of predictions of single rows, of means over a year and of means over a glacier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oggm_glaunti.fit.evaluation import scores as evaluation

Floats = NDArray[np.float64]
# Half the width of a 90 % interval in standard errors.
NINETY = 1.6449
LEVELS = {
    "rows": None,
    "year means": ["glacier", "kind", "season", "year"],
    "glacier means": ["glacier", "kind", "season"],
}


class Predicted(NamedTuple):
    """What a method says of observations: values (O,), m w.e., and the covariance (O, O) of observed - modelled.

    The covariance holds everything in which both differ, the errors of the observations included; None if the method
    says nothing of it.
    """

    value: Floats
    cov: Floats | None = None


class Score(NamedTuple):
    """Agreement with observations, m w.e.; `coverage` is the share within the 90 % interval, NaN if there is none."""

    n: int
    rmse: float
    r: float
    bias: float
    coverage: float


def averaged(rows: pd.DataFrame, predicted: Predicted, level: str) -> pd.DataFrame:
    """Return means over groups of rows: ``glacier, kind, season, value, modelled, se``.

    Parameters
    ----------
    rows : DataFrame
        observations of one split
    predicted : Predicted
        of these
    level : str
        of :data:`LEVELS`
    """
    keys = LEVELS[level]
    group = np.arange(len(rows)) if keys is None else rows.groupby(keys).ngroup().to_numpy()
    counts = np.bincount(group)
    weights = np.zeros((counts.size, len(rows)))
    weights[group, np.arange(len(rows))] = 1.0 / counts[group]
    first = rows.iloc[np.unique(group, return_index=True)[1]]
    se = np.full(counts.size, np.nan)
    if predicted.cov is not None:
        se = np.sqrt(np.einsum("gi,ij,gj->g", weights, predicted.cov, weights, optimize=True))
    return first[["glacier", "kind", "season", "year"]].assign(
        value=weights @ rows["value"].to_numpy(), modelled=weights @ predicted.value, se=se
    )


def score(table: pd.DataFrame) -> Score:
    """Scores of a table of :func:`averaged`."""
    plain = evaluation.scores(table["modelled"], table["value"])
    inside = (table["value"] - table["modelled"]).abs() <= NINETY * table["se"]
    coverage = float(inside.mean()) if table["se"].notna().all() else float("nan")
    return Score(plain.n, plain.rmse, plain.r, plain.bias, coverage)


def by_season(table: pd.DataFrame) -> dict[tuple[str, str], Score]:
    """Scores by kind and season."""
    return {key: score(group) for key, group in table.groupby(["kind", "season"])}


def bootstrap(
    table: pd.DataFrame, statistic: Callable[[pd.DataFrame], float], draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Range (5 to 95 %) of a statistic of a table when its glaciers are drawn anew, with replacement."""
    parts = [group for _, group in table.groupby("glacier")]
    rng = np.random.default_rng(seed)
    found = [statistic(pd.concat([parts[k] for k in rng.integers(len(parts), size=len(parts))])) for _ in range(draws)]
    low, high = np.percentile(found, [5.0, 95.0])
    return float(low), float(high)


def rmse(table: pd.DataFrame) -> float:
    """Root of the mean squared difference, m w.e."""
    return float(np.sqrt(((table["modelled"] - table["value"]) ** 2).mean()))


def gain(table: pd.DataFrame, other: Sequence[float]) -> pd.DataFrame:
    """Return a table with the other method's values as ``other``, for :func:`relative_gain` under the bootstrap."""
    return table.assign(other=np.asarray(other))


def relative_gain(table: pd.DataFrame) -> float:
    """RMSE of a method relative to another's, minus 1: negative where it is better."""
    return rmse(table) / rmse(table.assign(modelled=table["other"])) - 1.0
