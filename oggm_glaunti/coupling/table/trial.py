"""The table of trial values of the tunable parameters, of which little is asked.

Calibrations and OGGM's ``UncertainMassBalance`` turn a parameter, ask for the balance of a few years at the heights of
the glacier, and turn it again. So only the heights of the table that are read are computed, from the beginning of the
record, since its snow is carried on, to the last year asked for. Each height of a table is run by itself: the numbers
are those of the whole table, up to rounding.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from oggm_glaunti.coupling.table.inputs import TableInputs, TunableParams
from oggm_glaunti.coupling.table.interpolation import Interpolator
from oggm_glaunti.coupling.table.table import Table, sums_in_order


class AskedHeights:
    """Which heights of a table are read; trials of one glacier share it, as they are asked for the same.

    Parameters
    ----------
    inputs : TableInputs
        of the whole table
    """

    def __init__(self, inputs: TableInputs):
        self._whole, self.heights = inputs, inputs.heights
        self.known = np.zeros(inputs.heights.size, bool)
        self._inputs = inputs

    def around(self, heights: np.ndarray) -> np.ndarray | None:
        """Return the indices of the table's heights next to these; None if the table does not reach all of them."""
        if not heights.size or heights.min() < self.heights[0] or heights.max() > self.heights[-1]:
            return None
        above = np.clip(np.searchsorted(self.heights, heights), 1, None)
        return np.concatenate([above - 1, above])

    def inputs(self) -> TableInputs:
        """Return the inputs of a table of the known heights alone."""
        known = self.heights[self.known]
        if not np.array_equal(known, self._inputs.heights):
            self._inputs = replace(self._whole, heights=known)
        return self._inputs


class TrialTable(Interpolator):
    """A table that computes annual balances when they are asked for, and becomes the whole table for anything else.

    Parameters
    ----------
    asked : AskedHeights
    tunables : TunableParams
    checked : callable
        raises an error for balances (Y, 12, N) that are not finite, and returns them
    table : callable
        makes the whole table
    """

    def __init__(
        self,
        asked: AskedHeights,
        tunables: TunableParams,
        checked: Callable[[np.ndarray], np.ndarray],
        table: Callable[[], Table],
    ):
        self._asked, self._tunables, self._checked, self._table = asked, tunables, checked, table
        self._own: np.ndarray | None = None  # (N,), which heights are computed
        self._years: list[np.ndarray] = []
        self._found: np.ndarray | None = None

    @cached_property
    def _whole(self) -> Interpolator:
        """The whole table, made for all that goes beyond annual balances at the heights known."""
        return Interpolator.of(self.table)

    @property
    def heights(self) -> np.ndarray:  # type: ignore[override]
        """Heights of the whole table, m (K,)."""
        return self._whole.heights

    def annual(self, heights: Any, year: int) -> np.ndarray:
        """Return the balance of the year of that index at the heights, m w.e."""
        heights = self.finite(heights)
        # Year after year the same heights are asked for, and all are known to be there.
        if self._found is None or not np.array_equal(heights, self._found):
            around = None if "_whole" in vars(self) else self._asked.around(heights)
            if around is None or not self._covers(around):
                return self._whole.annual(heights, year)
            self._found = heights.copy()
        while len(self._years) <= year:
            annual = [self._checked(smb).sum(axis=1, dtype=np.float64) for smb, *_ in next(self._sums)]
            self._years.extend(np.mean(annual, axis=0))
        return np.interp(heights, self._nodes, self._years[year])

    def _covers(self, around: np.ndarray) -> bool:
        """Return whether these heights are computed; a trial computes those known when it is first asked."""
        self._asked.known[around] = True
        if self._own is None:
            self._own, inputs = self._asked.known.copy(), self._asked.inputs()
            self._nodes = inputs.heights
            self._sums = zip(*(sums_in_order(one, self._tunables) for one in inputs.realisations()), strict=True)
        return bool(self._own[around].all())
