"""What is fitted and what is judged: rows of a set, as masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
STAKES, DRAWS = 5, 5
YEAR_CLASSES = 3


class Split(NamedTuple):
    """Rows to fit to and rows to judge by, of all rows of a set; `glacier` is that of the judged ones."""

    glacier: str
    fit: Mask
    judge: Mask


def leave_one_glacier_out(rows: pd.DataFrame) -> Iterator[Split]:
    """Each glacier by all others, in all years: neighbours share a year's weather, and so its error."""
    for name in rows["glacier"].unique():
        own = (rows["glacier"] == name).to_numpy()
        yield Split(name, ~own, own)


def by_seasons(rows: pd.DataFrame) -> Iterator[Split]:
    """As :func:`leave_one_glacier_out`, without the annual balances that are sums of a winter and a summer."""
    seasons = (rows["season"] != "annual").to_numpy()
    return (split._replace(fit=split.fit & seasons) for split in leave_one_glacier_out(rows))


def own_other_years(rows: pd.DataFrame) -> Iterator[Split]:
    """Each glacier's even years by the odd years of all glaciers, and the reverse."""
    odd = (rows["year"] % 2 == 1).to_numpy()
    for name in rows["glacier"].unique():
        own = (rows["glacier"] == name).to_numpy()
        for fit in (odd, ~odd):
            if (own & ~fit).any():
                yield Split(name, fit, own & ~fit)


def unseen_glaciers_and_years(rows: pd.DataFrame) -> Iterator[Split]:
    """Each glacier in every third year by the other glaciers in the other years."""
    classes = (rows["year"] % YEAR_CLASSES).to_numpy()
    for name in rows["glacier"].unique():
        own = (rows["glacier"] == name).to_numpy()
        for k in range(YEAR_CLASSES):
            judge = own & (classes == k)
            if judge.any():
                yield Split(name, ~own & (classes != k), judge)


def few_stakes(rows: pd.DataFrame, with_region: bool = False, seed: int = 0) -> Iterator[Split]:
    """Each glacier by annual balances of five of its stakes in one year, drawn five times, in all other years.

    `with_region` adds all rows of the other glaciers to the five. Glaciers without five stakes in a year are left out.
    """
    annual = (rows["kind"] == "point") & (rows["season"] == "annual")
    rng = np.random.default_rng(seed)
    for name in rows["glacier"].unique():
        own = (rows["glacier"] == name).to_numpy()
        counts = rows["year"][own & annual].value_counts().sort_index()
        years = counts.index[counts >= STAKES].to_numpy()
        for year in rng.permutation(years)[:DRAWS]:
            known = np.flatnonzero(own & annual & (rows["year"] == year))
            fit = np.zeros(len(rows), bool)
            fit[rng.choice(known, STAKES, replace=False)] = True
            yield Split(name, fit | ~own if with_region else fit, own & (rows["year"] != year).to_numpy())


def halves(rows: pd.DataFrame, seasons: Sequence[str]) -> Iterator[Split]:
    """Every other year by given seasons of the rest: judged are the even ones first, counted from 0, all seasons."""
    number = np.searchsorted(np.unique(rows["year"]), rows["year"])
    wide, wanted = (rows["kind"] == "glacier-wide").to_numpy(), rows["season"].isin(seasons).to_numpy()
    for fit in (number % 2 == 1, number % 2 == 0):
        yield Split(rows["glacier"].iloc[0], fit & wide & wanted, ~fit & wide)
