"""Days of a record's years on the days of simulated years.

A run may be of other years than its weather: drawn at random, repeated, or the mean of many. The days of a year are
laid out over 366 slots, the 60th for 29 February. A simulated year without that day adds its water to 28 February's,
so that no water is lost; one whose weather lacks it has a day without water.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping

import numpy as np

LEAP_DAY = 59  # index of 29 February
SLOTS = 366


def on_slots(values: np.ndarray, state: bool) -> np.ndarray:
    """Lay 365 or 366 days (D, ...) out over 366 slots; a state of a missing 29 February is that of the day before.

    Examples
    --------
    >>> on_slots(np.ones(365), state=False)[58:61]
    array([1., 0., 1.])
    """
    if len(values) == SLOTS:
        return values
    extra = values[LEAP_DAY - 1] if state else np.zeros_like(values[0])
    return np.concatenate([values[:LEAP_DAY], extra[None], values[LEAP_DAY:]])


def of_year(slots: np.ndarray, year: int, state: bool) -> np.ndarray:
    """Return the days (365 or 366, ...) of a simulated year from slots (366, ...).

    Examples
    --------
    >>> of_year(np.ones(366), 2021, state=False)[57:60]
    array([1., 2., 1.])
    """
    if calendar.isleap(year):
        return slots
    days = np.delete(slots, LEAP_DAY, axis=0)
    days[LEAP_DAY - 1] = slots[LEAP_DAY] if state else slots[LEAP_DAY - 1] + slots[LEAP_DAY]
    return days


def days_of_simulated_year(
    values: Mapping[str, np.ndarray], year: int, states: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Return fields of the days of a record's year (D, N), or of slots, as those of a simulated year."""
    n = SLOTS if calendar.isleap(year) else SLOTS - 1
    return {
        name: field if len(field) == n else of_year(on_slots(field, name in states), year, name in states)
        for name, field in values.items()
    }
