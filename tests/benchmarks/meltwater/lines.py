"""Lines of the report: what was expected, what was found, and whether it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from oggm_glaunti.companions.meltwater.scores import Pooled


class Verdict(NamedTuple):
    """One bound."""

    what: str
    holds: bool

    def __str__(self) -> str:
        return f"{'holds' if self.holds else 'falls short'}: {self.what}"


def head(title: str) -> None:
    print(f"\n== {title}", flush=True)


def score_line(name: str, found: Pooled) -> str:
    return (
        f"  {name:34s} Brier {found.brier:.4f}  skill {found.skill:6.3f}  F1 {found.f1:.3f}  IoU {found.iou:.3f}  "
        f"wet {100 * found.wet_share:.1f} % of {found.cells}"
    )


def mean_sd(values: Sequence[float]) -> str:
    return f"{np.mean(values):.4f} (sd {np.std(values, ddof=1) if len(values) > 1 else 0.0:.4f})"
