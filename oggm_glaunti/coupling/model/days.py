"""The days of GlaUnTI's mass-balance model, and what melts of snow and of ice."""

from __future__ import annotations

from typing import Any

import numpy as np
from oggm import cfg
from oggm.exceptions import InvalidWorkflowError
from oggm.utils import floatyear_to_date

from oggm_glaunti.core.parameters import SPLIT_DAY
from oggm_glaunti.coupling.oggm.attributes import OGGMAttributes
from oggm_glaunti.coupling.oggm.versions import day_of_floatyear
from oggm_glaunti.coupling.table.continuation import Continuation
from oggm_glaunti.coupling.table.refreezing import Woodward, refrozen_days
from oggm_glaunti.coupling.table.table import Days, days_at_heights

Melt = tuple[np.ndarray, np.ndarray, np.ndarray]


class MeltBySurface:
    """A method that is there if the model's day can tell melt of snow from melt of ice.

    OGGM looks for the method to learn whether a model can.
    """

    def __init__(self, method: Any):
        self._method, self.__doc__ = method, method.__doc__

    def __get__(self, mb_model: Any, owner: type) -> Any:
        """Bind the method; AttributeError with the reason for models whose day makes snow."""
        if mb_model is None:
            return self
        if (reason := no_split_reason(mb_model)) is not None:
            raise AttributeError(reason)
        return self._method.__get__(mb_model, owner)


def no_split_reason(mb_model: Any) -> str | None:
    """Return why a model cannot tell melt of snow from melt of ice, or None if it can."""
    if mb_model.variant == SPLIT_DAY:
        return None
    return (
        f"{mb_model.gdir.rgi_id}: melt of snow cannot be told from melt of ice with variant={mb_model.variant!r}, in "
        "which snow does not conserve mass: more melts than has fallen; calibrate and run variant='mass_conserving'"
    )


class DailyBalance(OGGMAttributes):
    """Days of a model with a `table`; the last year asked for is kept."""

    _days: tuple[Any, Days] | None = None
    _refrozen: tuple[Any, list[np.ndarray]] | None = None
    _asked_heights: Any = None

    def get_daily_mb(
        self, heights: Any, year: float | None = None, add_climate: bool = False, **kwargs: Any
    ) -> np.ndarray | tuple[np.ndarray, ...]:
        """Return the balance of a day at the heights.

        Parameters
        ----------
        heights : array-like (N,)
        year : float
            floating year, see :func:`~oggm_glaunti.coupling.oggm.versions.floatyear_of_day`
        add_climate : bool
            also return temp, tempformelt, prcp and prcpsol of the day: degC, K day, kg m-2, kg m-2

        Returns
        -------
        array (N,)
            m of ice per second
        """
        del kwargs
        index = self._year_index(year)
        self._asked_heights = heights
        day = day_of_floatyear(float(year)) - 1 if year is not None else 0
        days, at = self._days_of(index), self.table()
        day = min(day, len(days.temp) - 1)  # a repeated record may lack the last day of a leap year
        smb, solid, prcp, pdd = (at.interpolate(heights, values[day]) for values in days[:4])
        if self.refreezing != "none":
            smb = smb + at.interpolate(heights, self._refrozen_of(index)[day])
        mb = (1000.0 * smb - self.bias / len(days.temp)) / cfg.SEC_IN_DAY / self.rho
        if not add_climate:
            return mb
        temp = days.temp[day] + self.temp_default_gradient * (np.asarray(heights, np.float64) - self.ref_hgt)
        # The sums of the table are rounded.
        return mb, temp, pdd, 1000.0 * prcp, 1000.0 * np.clip(solid, 0.0, prcp)

    def get_daily_mb_of_year(self, heights: Any, year: float | None = None) -> np.ndarray:
        """Return the balance of every day of a calendar year at the heights, m of ice per second (N, 365 or 366).

        The sum over the days times a day's seconds is the year's balance.
        """
        index = self._year_index(year)
        days, at = self._days_of(index), self.table()
        balance = days.smb if self.refreezing == "none" else days.smb + self._refrozen_of(index)
        smb = np.stack([at.interpolate(heights, day) for day in balance], axis=1)
        return (1000.0 * smb - self.bias / len(days.smb)) / cfg.SEC_IN_DAY / self.rho

    def _days_of(self, index: int) -> Days:
        """Return the days of a year at the heights of the table; those of the last year asked for are kept."""
        tunables = self.tunable_params()
        key = index, tunables.digest()
        if self._days is None or self._days[0] != key:
            self._days = key, self.table().days(self.store.inputs, tunables, index)
        return self._days[1]

    def _refrozen_of(self, index: int) -> np.ndarray:
        """Return what freezes again on the days of a year at the heights of the table and its continuation, m w.e."""
        tunables = self.tunable_params()
        # Of the cold of the snow all years before a year are needed, so all are kept.
        all_years = self.refreezing == "cold_content"
        key = (-1 if all_years else index), tunables.digest()
        if self._refrozen is None or self._refrozen[0] != key:
            beyond = Continuation.of(self.table().table)
            widths = [(0, 0), (beyond.below.size, beyond.above.size)]
            gains = self._refrozen_by_cold() if all_years else [self._refrozen_by_potential(index)]
            self._refrozen = key, [np.pad(gain, widths, mode="edge") for gain in gains]
        return self._refrozen[1][index if all_years else 0]

    def _refrozen_by_cold(self) -> list[np.ndarray]:
        return refrozen_days(self.store.inputs, self.tunable_params())

    def _refrozen_by_potential(self, index: int) -> np.ndarray:
        inputs, tunables, table = self.store.inputs, self.tunable_params(), self.table().table
        place, had = Woodward.of(inputs, tunables), np.zeros(table.heights.size)
        # The year before says what the mass-balance year has had by its end.
        for k in range(max(index - 1, 0), index + 1):
            days = days_at_heights(inputs, tunables, k, table)
            gain, had = place.of_days(np.maximum(days.prcp - days.smb, 0.0), k, had)
        return gain

    # --- melt by surface ---

    def get_daily_melt(self, year: float, heights: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the melt of snow and of ice on a day (N,), kg m-2 day-1.

        Parameters
        ----------
        year : float
            floating year, see :meth:`get_daily_mb`
        heights : array-like (N,), optional
            m; default: those at which a balance was last asked for

        Raises
        ------
        InvalidWorkflowError
            if the model's day cannot tell them apart, or no heights are known
        """
        if (reason := no_split_reason(self)) is not None:
            raise InvalidWorkflowError(reason)
        days = self._days_of(self._year_index(year))
        day = min(day_of_floatyear(float(year)), len(days.temp)) - 1
        snow, _, ice = self._melt(slice(day, day + 1), year, heights)
        return snow, ice

    @MeltBySurface
    def get_annual_melt(self, year: float, heights: Any = None) -> Melt:
        """Return the melt of snow, firn and ice in a calendar year (N,), kg m-2; as OGGM's hydrology reads it.

        Snow of earlier years counts as snow, so that of firn is 0. Arguments as in :meth:`get_daily_melt`.
        """
        return self._melt(slice(None), year, heights)

    @MeltBySurface
    def get_monthly_melt(self, year: float, heights: Any = None) -> Melt:
        """Return the melt of snow, firn and ice in a month (N,), kg m-2; see :meth:`get_annual_melt`."""
        y, month = floatyear_to_date(year)
        ends = np.cumsum(self._days_of_months(self._year_index(y)))
        first = int(ends[month - 2]) if month > 1 else 0
        return self._melt(slice(first, int(ends[month - 1])), y, heights)

    def _days_of_months(self, index: int) -> np.ndarray:
        """Return how many days of the record each month of a year has (12,)."""
        begin = self._first_year + index - 1970
        months = np.arange(12 * begin, 12 * begin + 13).astype("M8[M]").astype("M8[D]")
        return np.diff(months).astype(int)

    def _melt(self, which: slice, year: float, heights: Any) -> Melt:
        heights = self._asked_heights if heights is None else heights
        if heights is None:
            raise InvalidWorkflowError(
                f"{self.gdir.rgi_id}: at which heights? Give heights, or ask for a balance at the heights before"
            )
        days, at = self._days_of(self._year_index(year)), self.table()
        snow = days.snow_melt[which].sum(axis=0)
        total = np.maximum(days.solid_prcp[which] - days.smb[which], 0.0).sum(axis=0)
        snow, total = (1000.0 * at.interpolate(heights, values) for values in (snow, total))
        return snow, np.zeros_like(snow), np.maximum(total - snow, 0.0)
