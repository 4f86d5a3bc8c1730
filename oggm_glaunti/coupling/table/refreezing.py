"""Refreezing in a table: added to the balance once all of it is known, since no day's snow depends on it.

What freezes again becomes ice under the snow. By Woodward's potential months are enough; cold content needs the days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.core.parameters import SPLIT_DAY
from oggm_glaunti.core.refreezing import SnowOfDay, refrozen, refrozen_in_snow, woodward_potential
from oggm_glaunti.coupling.gridded.periods import mass_balance_year_of_months
from oggm_glaunti.coupling.table.inputs import TableInputs, TunableParams
from oggm_glaunti.coupling.table.table import Table
from oggm_glaunti.coupling.table.water_days import DaysByHeight, days_by_height

REFREEZING = ("none", "woodward", "cold_content")


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
    if value != "none" and variant != SPLIT_DAY:
        raise InvalidParamsError(
            f"{rgi_id}: refreezing={value!r} needs variant={SPLIT_DAY!r}, found {variant!r}: the published day "
            "makes water of its own"
        )
    return value


def freezing_again(
    kind: str, years: Iterator[DaysByHeight], inputs: TableInputs, tunables: TunableParams
) -> Iterator[DaysByHeight]:
    """Add ``refreezing``, what freezes again of each day's rain and melt, to the days of a record.

    Parameters
    ----------
    kind : {'woodward', 'cold_content'}
    years : iterator of DaysByHeight
        of all years from the first of the record on
    inputs, tunables
        what the days were made from
    """
    place = Woodward.of(inputs, tunables) if kind == "woodward" else None
    state = np.zeros(inputs.heights.size)
    for k, days in enumerate(years):
        water = days.values["rain"] + days.values["melt"]
        if place is not None:
            gain, state = place.of_days(water, k, state)
        else:
            gain, state = refrozen_in_snow(_snow_of(days, water, k, inputs, tunables), state)
        yield days._replace(values={**days.values, "refreezing": gain})


def _snow_of(days: DaysByHeight, water: np.ndarray, k: int, inputs: TableInputs, tunables: TunableParams) -> SnowOfDay:
    temp, _, valid = (block[k] for block in inputs.daily_blocks)
    at_reference = (temp + tunables.by_month()[0][:, None]).astype(np.float64)[valid]
    swe = days.values["swe"]
    before = np.concatenate([days.swe_before[None], swe[:-1]])
    return SnowOfDay(at_reference[:, None] + inputs.temp_offset, days.values["snowfall"], water, before, swe)


def refrozen_days(inputs: TableInputs, tunables: TunableParams) -> list[np.ndarray]:
    """Return what freezes again by cold content on the days of each year (D, N), m w.e.: means over realisations."""
    each = inputs.realisations()
    sums: list[np.ndarray] = []
    for one in each:
        years = days_by_height(one, tunables, int(one.climate.years[-1]))
        gains = [days.values["refreezing"] for days in freezing_again("cold_content", years, one, tunables)]
        sums = [a + b for a, b in zip(sums, gains, strict=True)] if sums else gains
    return [of_year / len(each) for of_year in sums]


def with_refreezing(kind: str, table: Table, inputs: TableInputs, tunables: TunableParams) -> Table:
    """Add what freezes again to the balance of a table's months; arguments as of :func:`freezing_again`.

    Rain and melt of a month are ``prcp - smb``, since the balance is snowfall less melt.
    """
    if kind == "cold_content":
        ends = [np.flatnonzero(np.diff(of_year, prepend=-1)) for of_year in _months_of_days(inputs)]
        gains = [
            np.add.reduceat(days, first, axis=0)
            for days, first in zip(refrozen_days(inputs, tunables), ends, strict=True)
        ]
        return replace(table, smb=table.smb + np.stack(gains))
    place = Woodward.of(inputs, tunables)
    water = np.maximum(table.prec_scale * table.prcp[..., None] - table.smb, 0.0)
    had, gains = np.zeros(table.heights.size), []
    for k, of_months in enumerate(water):
        gain, had = refrozen(of_months, place.period[k], place.potential, had)
        gains.append(gain)
    return replace(table, smb=table.smb + np.stack(gains))


def _months_of_days(inputs: TableInputs) -> list[np.ndarray]:
    """Return the month of each day (D,) of each year, 0 to 11."""
    valid = inputs.daily_blocks[2]
    return [np.repeat(np.arange(12), of_year.sum(axis=-1)) for of_year in valid]
