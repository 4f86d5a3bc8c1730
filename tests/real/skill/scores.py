"""Scores of predictions of single rows, of means over a year and of means over a glacier."""

from __future__ import annotations

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


def rmse(table: pd.DataFrame) -> float:
    """Root of the mean squared difference, m w.e."""
    return float(np.sqrt(((table["modelled"] - table["value"]) ** 2).mean()))


def bootstrap(
    table: pd.DataFrame, other: Floats | None = None, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Range (5 to 95 %) when the glaciers of a table are drawn anew, with replacement.

    Parameters
    ----------
    table : DataFrame
        of :func:`averaged`
    other : float64 array (O,), optional
        what another method says of the same rows

    Returns
    -------
    low, high : float
        of the RMSE, m w.e.; of ``RMSE / RMSE of the other - 1`` if `other` is given
    """
    group = pd.factorize(table["glacier"])[0]
    n = np.bincount(group)
    drawn = np.random.default_rng(seed).integers(n.size, size=(draws, n.size))
    times = (drawn[:, :, None] == np.arange(n.size)).sum(axis=1)

    def of(modelled: Floats) -> Floats:
        squares = np.bincount(group, (modelled - table["value"].to_numpy()) ** 2)
        return np.sqrt((times @ squares) / (times @ n))

    found = of(table["modelled"].to_numpy())
    if other is not None:
        found = found / of(other) - 1.0
    low, high = np.percentile(found, [5.0, 95.0])
    return float(low), float(high)
