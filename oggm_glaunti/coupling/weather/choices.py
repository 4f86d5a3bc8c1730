"""What is taken of a source of weather: the years asked for, units and height as given or as in the file."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.weather.series import (
    calendar_years,
    require_covered,
    rows_of_years,
    same_unit,
    span_of_whole_years,
    spell,
)

log = logging.getLogger(__name__)

# First and last calendar year asked for, both included; None: the source's own.
Years = tuple[int | None, int | None]


def choose_rows(label: str, days: NDArray[np.datetime64], years: Years) -> slice:
    """Return the rows of the years asked for; incomplete years at the ends are left out and logged."""
    first, last = span_of_whole_years(label, days)
    cropped = days[(calendar_years(days) < first) | (calendar_years(days) > last)]
    if cropped.size:
        log.warning("%s: incomplete calendar years left out: %s", label, spell(cropped))
    return rows_of_years(label, days, *choose_years(label, first, last, years))


def choose_years(label: str, first: int, last: int, years: Years) -> tuple[int, int]:
    """Return the first and last year asked for, or InvalidParamsError if not all of them are available."""
    ys, ye = (own if asked is None else int(asked) for own, asked in zip((first, last), years, strict=True))
    require_covered(label, (first, last), ys, ye)
    return ys, ye


def choose_units(label: str, name: str, given: str | None, in_file: str | None) -> str:
    """Return the unit given or in the file; InvalidParamsError if there is none or they contradict each other."""
    if given is None and in_file is None:
        raise InvalidParamsError(f"{label}: units are neither in the file nor given; give {name}=...")
    if given is not None and in_file is not None and not same_unit(given, in_file):
        raise InvalidParamsError(f"{label}: the file says '{in_file}', {name} says '{given}'; correct the wrong one")
    return given if given is not None else str(in_file)


def choose_height(label: str, given: float | None, in_file: float | None) -> float:
    """Return the reference height given or in the file, m; InvalidParamsError as for units."""
    height = given if given is not None else in_file
    if height is None:
        raise InvalidParamsError(f"{label}: no attribute ref_hgt; give the height the temperature is for, ref_hgt= (m)")
    if given is not None and in_file is not None and abs(given - in_file) > 0.5:
        raise InvalidParamsError(f"{label}: ref_hgt is {in_file:g} m in the file, {given:g} m given; correct one")
    if not -500 < height < 9000:
        raise InvalidParamsError(f"{label}: ref_hgt is {height:g}; expected metres above sea level, -500 to 9000")
    return float(height)
