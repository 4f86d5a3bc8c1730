"""A table read at any height."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.table.continuation import continued, continued_annual_smb, continued_days
from oggm_glaunti.coupling.table.inputs import TableInputs, TunableParams
from oggm_glaunti.coupling.table.table import Days, Table, days_at_heights


class Interpolator:
    """A table, continued beyond its ends, that is interpolated linearly.

    Parameters
    ----------
    heights : array (K,)
        m, with those of the continuation
    annual_smb : array (Y, K)
        m w.e.
    table : callable
        gives the whole table (N heights); asked when months, climate or days are wanted
    """

    def __init__(self, heights: np.ndarray, annual_smb: np.ndarray, table: Callable[[], Table]):
        self.heights, self._annual, self._table = heights, annual_smb, table

    label = "balance"
    """Begins the message of an error: the glacier."""

    @classmethod
    def of(cls, table: Table) -> "Interpolator":
        """Make one of a table in memory."""
        return cls(*continued_annual_smb(table), lambda: table)

    @cached_property
    def table(self) -> Table:
        """The whole table."""
        return self._table()

    @cached_property
    def continued(self) -> Table:
        """The whole table with the heights of the continuation."""
        return continued(self.table)

    def finite(self, heights: Any) -> np.ndarray:
        """Return heights as an array, or raise InvalidParamsError if any of them is NaN or infinite."""
        heights = np.asarray(heights, np.float64)
        if not np.isfinite(heights.sum()):
            bad = np.flatnonzero(~np.isfinite(heights))
            raise InvalidParamsError(
                f"{self.label}: heights: {bad.size} of {heights.size} are NaN or infinite, the first at index "
                f"{bad[0]}; leave them out"
            )
        return heights

    def interpolate(self, heights: Any, values: np.ndarray) -> np.ndarray:
        """Interpolate values (K,) to the heights."""
        return np.interp(self.finite(heights), self.heights, values)

    def annual(self, heights: Any, year: int) -> np.ndarray:
        """Return the balance of the year of that index at the heights, m w.e."""
        return self.interpolate(heights, self._annual[year])

    def monthly(self, name: str, heights: Any, year: int, month: int) -> np.ndarray:
        """Return a monthly field (``smb``, ``solid_prcp``, ``pdd``, ``prec_scale``) at the heights."""
        return self.interpolate(heights, getattr(self.continued, name)[year, month])

    def days(self, inputs: TableInputs, tunables: TunableParams, year: int) -> Days:
        """Compute the days of the year of that index, at the heights of the table and of the continuation.

        `inputs` and `tunables` are those that the table is made from.
        """
        return continued_days(days_at_heights(inputs, tunables, year, self.table), self.table)
