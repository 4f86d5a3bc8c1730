"""A table read at any height."""

from __future__ import annotations

from typing import Any

import numpy as np

from oggm_glaunti.coupling.table import Table


class Interpolator:
    """A table with one far height added at each end, so that one linear interpolation also continues the end slopes.

    Parameters
    ----------
    table : Table
    """

    FAR = 1e5  # m

    def __init__(self, table: Table):
        self.table = table
        self.heights = np.concatenate([[-self.FAR], table.heights, [self.FAR]])
        self._annual = self.padded(table.smb.sum(axis=1))
        self._monthly: dict[str, np.ndarray] = {}

    def padded(self, values: np.ndarray) -> np.ndarray:
        """Values (..., N) with both ends carried on (..., N + 2)."""
        h = self.table.heights
        low = values[..., 0] + (values[..., 1] - values[..., 0]) / (h[1] - h[0]) * (-self.FAR - h[0])
        high = values[..., -1] + (values[..., -1] - values[..., -2]) / (h[-1] - h[-2]) * (self.FAR - h[-1])
        return np.concatenate([low[..., None], values, high[..., None]], axis=-1)

    def interpolate(self, heights: Any, values: np.ndarray) -> np.ndarray:
        """Padded values (N + 2,) at the heights."""
        return np.interp(np.asarray(heights, np.float64), self.heights, values)

    def annual(self, heights: Any, year: int) -> np.ndarray:
        """Balance of the year of that index at the heights, m w.e."""
        return self.interpolate(heights, self._annual[year])

    def monthly(self, name: str, heights: Any, year: int, month: int) -> np.ndarray:
        """A monthly field of the table (``smb``, ``solid_prcp``, ``pdd``, ``prec_scale``) at the heights."""
        if name not in self._monthly:
            self._monthly[name] = self.padded(getattr(self.table, name))
        return self.interpolate(heights, self._monthly[name][year, month])
