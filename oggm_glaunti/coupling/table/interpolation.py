"""A table read at any height."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from oggm_glaunti.coupling.table.table import Table


class Interpolator:
    """A table with one far height added at each end, so that one linear interpolation also continues the end slopes.

    Parameters
    ----------
    heights : array (N,)
        m
    annual_smb : array (Y, N)
        m w.e.
    table : callable
        gives the whole table; asked when months, climate or days are wanted
    """

    FAR = 1e5  # m

    def __init__(self, heights: np.ndarray, annual_smb: np.ndarray, table: Callable[[], Table]):
        self._inside, self._table = heights, table
        self.heights = np.concatenate([[-self.FAR], heights, [self.FAR]])
        self._annual = self.padded(annual_smb)
        self._monthly: dict[str, np.ndarray] = {}

    @classmethod
    def of(cls, table: Table) -> Interpolator:
        """Make one of a table in memory."""
        return cls(table.heights, table.smb.sum(axis=1), lambda: table)

    @cached_property
    def table(self) -> Table:
        """The whole table."""
        return self._table()

    def padded(self, values: np.ndarray) -> np.ndarray:
        """Extrapolate values (..., N) linearly to one far height at each end (..., N + 2)."""
        h = self._inside
        low = values[..., 0] + (values[..., 1] - values[..., 0]) / (h[1] - h[0]) * (-self.FAR - h[0])
        high = values[..., -1] + (values[..., -1] - values[..., -2]) / (h[-1] - h[-2]) * (self.FAR - h[-1])
        return np.concatenate([low[..., None], values, high[..., None]], axis=-1)

    def interpolate(self, heights: Any, values: np.ndarray) -> np.ndarray:
        """Interpolate padded values (N + 2,) to the heights."""
        return np.interp(np.asarray(heights, np.float64), self.heights, values)

    def annual(self, heights: Any, year: int) -> np.ndarray:
        """Return the balance of the year of that index at the heights, m w.e."""
        return self.interpolate(heights, self._annual[year])

    def monthly(self, name: str, heights: Any, year: int, month: int) -> np.ndarray:
        """Return a monthly field (``smb``, ``solid_prcp``, ``pdd``, ``prec_scale``) at the heights."""
        if name not in self._monthly:
            self._monthly[name] = self.padded(getattr(self.table, name))
        return self.interpolate(heights, self._monthly[name][year, month])
