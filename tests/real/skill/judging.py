"""Methods on splits: predictions of all judged rows, and of their means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from oggm_glaunti.fit.calibration.sites import GlacierSite
from tests.real.skill.scores import LEVELS, Predicted, averaged
from tests.real.skill.sites import SkillSet
from tests.real.skill.splits import Split

Predict = Callable[[GlacierSite], Predicted]
Method = Callable[[Sequence[GlacierSite]], Predict]
Judged = dict[str, pd.DataFrame]
"""Tables of :func:`~tests.real.skill.scores.averaged` by level."""


def judge(of: SkillSet, splits: Callable[[pd.DataFrame], Iterator[Split]], method: Method) -> Judged:
    """Fit a method to each split's rows and let it predict those that are judged; equal rows are fitted to once."""
    rows, fits = of.rows, {}
    parts: dict[str, list[pd.DataFrame]] = {level: [] for level in LEVELS}
    for split in splits(rows):
        key = split.fit.tobytes()
        if key not in fits:
            fits[key] = method(of.where(split.fit).sites)
        (glacier,) = of.where(split.judge).sites
        add(parts, glacier, fits[key](glacier))
    return joined(parts)


def add(parts: dict[str, list[pd.DataFrame]], glacier: GlacierSite, predicted: Predicted) -> None:
    """Add the predictions of a glacier to tables of all levels."""
    for level, tables in parts.items():
        tables.append(averaged(glacier.used, predicted, level))


def joined(parts: dict[str, list[pd.DataFrame]]) -> Judged:
    """One table of each level."""
    return {level: pd.concat(tables, ignore_index=True) for level, tables in parts.items()}
