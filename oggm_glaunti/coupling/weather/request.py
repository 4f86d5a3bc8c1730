"""What was asked for of the weather, and the choices that sources of daily weather have in common."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.weather import file as daily_file, series as ds

log = logging.getLogger(__name__)

EVERY_SOURCE = ("y0", "y1", "filesuffix")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the caller of ``process_daily_climate`` said about the weather; None is "not said"."""

    y0: int | None = None
    y1: int | None = None
    filesuffix: str | None = None
    path: Any = None
    orography: str | os.PathLike[str] | None = None
    ref_hgt: float | None = None
    ref_lon: float | None = None
    ref_lat: float | None = None
    temp_units: str | None = None
    prcp_units: str | None = None
    temp_name: str | None = None
    prcp_name: str | None = None
    time_name: str | None = None
    climate_source: str | None = None
    filename: str | None = None
    input_filesuffix: str | None = None
    n_realisations: int | None = None
    seed: int | None = None
    temp_std: Any = None
    reference: str | None = None
    reference_years: tuple[int, int] | None = None
    statistics: Any = None


def refuse_others(gdir: Any, source: str, request: Request, known: Sequence[str]) -> None:
    """Raise InvalidParamsError where something was said that this source has no use for."""
    said = [f.name for f in fields(request) if getattr(request, f.name) is not None]
    others = [name for name in said if name not in (*EVERY_SOURCE, *known)]
    if others:
        goes = f"what goes with it: {', '.join(known)}" if known else "nothing goes with it but y0, y1 and filesuffix"
        raise InvalidParamsError(f"{gdir.rgi_id}: {', '.join(others)} not with source={source!r}; {goes}")


def choose_rows(label: str, days: NDArray[np.datetime64], request: Request) -> slice:
    """Rows of the years asked for; incomplete years at the ends are left out and logged."""
    first, last = ds.whole_years(label, days)
    cropped = days[(ds.calendar_years(days) < first) | (ds.calendar_years(days) > last)]
    if cropped.size:
        log.warning("%s: incomplete calendar years left out: %s", label, ds.spell(cropped))
    return ds.rows_of_years(label, days, *choose_years(label, first, last, request))


def choose_years(label: str, first: int, last: int, request: Request) -> tuple[int, int]:
    """First and last year asked for, of those there are."""
    ys, ye = (first if request.y0 is None else int(request.y0)), (last if request.y1 is None else int(request.y1))
    daily_file.require_years(label, (first, last), ys, ye)
    return ys, ye


def first_said(*values: float | None) -> float:
    """The first value that is not None."""
    return float(next(value for value in values if value is not None))


def choose_units(label: str, name: str, given: str | None, in_file: str | None) -> str:
    """The unit given or in the file, or InvalidParamsError where there is none or they contradict each other."""
    if given is None and in_file is None:
        raise InvalidParamsError(f"{label}: units are neither in the file nor given; say {name}=...")
    if given is not None and in_file is not None and not ds.same_unit(given, in_file):
        raise InvalidParamsError(f"{label}: the file says '{in_file}', {name} says '{given}'; correct the wrong one")
    return given if given is not None else str(in_file)


def choose_height(label: str, given: float | None, in_file: float | None) -> float:
    """The reference height given or in the file, m, or InvalidParamsError as for units."""
    if given is None and in_file is None:
        raise InvalidParamsError(f"{label}: no attribute ref_hgt; give the height the temperature is for, ref_hgt= (m)")
    if given is not None and in_file is not None and abs(given - in_file) > 0.5:
        raise InvalidParamsError(f"{label}: ref_hgt is {in_file:g} m in the file, {given:g} m given; correct one")
    height = first_said(given, in_file)
    if not -500 < height < 9000:
        raise InvalidParamsError(f"{label}: ref_hgt is {height:g}; expected metres above sea level, -500 to 9000")
    return height
