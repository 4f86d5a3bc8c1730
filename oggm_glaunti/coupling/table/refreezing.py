"""Refreezing in a table: added to the months' balance once all of it is known, since no day's snow depends on it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.core.refreezing import refrozen, woodward_potential
from oggm_glaunti.coupling.gridded.periods import mass_balance_year_of_months
from oggm_glaunti.coupling.table.inputs import TableInputs, TunableParams
from oggm_glaunti.coupling.table.table import Table

REFREEZING = ("none", "woodward")


class Woodward(NamedTuple):
    """What may freeze again at some heights.

    Attributes
    ----------
    potential : float64 array (K, N)
        of each mass-balance year that the record touches, m w.e.
    period : int array (Y, 12)
        which of them a month belongs to
    days : int array (Y, 12)
        days in each month
    """

    potential: np.ndarray
    period: np.ndarray
    days: np.ndarray

    @classmethod
    def of(cls, inputs: TableInputs, tunables: TunableParams) -> Woodward:
        """Find the mean temperature of every mass-balance year; months outside the record have their usual one."""
        temp, _, valid = inputs.daily_blocks
        days = valid.sum(axis=-1)
        monthly = temp.sum(axis=-1, dtype=np.float64) / days + tunables.by_month()[0]
        ends = mass_balance_year_of_months(inputs.climate.years, inputs.hemisphere)
        period = ends - ends.min()
        usual, means = monthly.mean(axis=0), []
        for index in range(int(period.max()) + 1):
            of_months = np.where(period == index, monthly, np.nan)
            known = np.isfinite(of_months).any(axis=0)
            filled = np.where(known, np.nansum(of_months, axis=0), usual)
            means.append(np.average(filled, weights=days[0]))
        return cls(woodward_potential(np.array(means)[:, None] + inputs.temp_offset), period, days)

    def of_days(self, water: np.ndarray, year: int, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what freezes again on the days of a calendar year (index), see :func:`refrozen`."""
        return refrozen(water, np.repeat(self.period[year], self.days[year]), self.potential, before)


def checked_refreezing(value: str, variant: str, rgi_id: str) -> str:
    """Return the name of a kind of refreezing, or raise InvalidParamsError."""
    if value not in REFREEZING:
        raise InvalidParamsError(f"{rgi_id}: refreezing: expected one of {REFREEZING}, found {value!r}")
    if value != "none" and variant != "mass_conserving":
        raise InvalidParamsError(
            f"{rgi_id}: refreezing={value!r} needs variant='mass_conserving', found {variant!r}: the published day "
            "makes water of its own"
        )
    return value


def with_refreezing(table: Table, inputs: TableInputs, tunables: TunableParams) -> Table:
    """Add what freezes again to the balance of a table's months.

    Rain and melt are ``prcp - smb``, since the balance is snowfall less melt.
    """
    place = Woodward.of(inputs, tunables)
    water = np.maximum(table.prec_scale * table.prcp[..., None] - table.smb, 0.0)
    had, gains = np.zeros(table.heights.size), []
    for k, of_year in enumerate(water):
        gain, had = refrozen(of_year, place.period[k], place.potential, had)
        gains.append(gain)
    return replace(table, smb=table.smb + np.stack(gains))
