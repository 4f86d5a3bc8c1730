"""Measured daily discharge, as CAMELS data sets have it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd

from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError

UNITS = ("m3/s", "l/s", "mm/d")
_SPELLINGS = {
    "m3/s": ("m3/s", "m3s-1", "m^3/s", "m³/s", "cms", "cumecs"),
    "l/s": ("l/s", "ls-1"),
    "mm/d": ("mm/d", "mm/day", "mmd-1", "mmday-1", "kgm-2day-1", "kgm-2d-1"),
}
_NAMES = ("discharge", "streamflow", "qobs", "flow", "abfluss")
DATES = ("date", "time", "datum", "day")
RENAME = "rename the column, to 'discharge(m3/s)' if that is its unit"
LEAST_YEAR, MOST_YEAR = 50.0, 15000.0  # mm a year that rivers carry; the wettest gauged basins reach about 10000


def read_discharge(
    path: str | os.PathLike[str], area: float | None = None, column: str | None = None, units: str | None = None
) -> pd.Series:
    """Read daily discharge from a CSV file.

    Parameters
    ----------
    path : path
        with a column of dates and one or more of discharge
    area : float, optional
        of the gauge's catchment, km2; needed for mm/d, and used to find discharge in another unit than it says
    column : str, optional
        default: the one whose name says discharge; of several, that in m3/s
    units : {'m3/s', 'l/s', 'mm/d'}, optional
        default: those in the column's name, as in ``discharge_vol(m3/s)``

    Returns
    -------
    pandas.Series
        m3 s-1 by day, from the first to the last day of the file; NaN for days without a value

    Raises
    ------
    InvalidParamsError
        if the unit is not known, dates are not days in order, discharge is negative, or its yearly mean is none that a
        river of that catchment can have

    Examples
    --------
    >>> read_discharge("CAMELS_CH_obs_based_2161.csv", area=195.5).loc["1981-01-01"]  # doctest: +SKIP
    0.456
    """
    label = Path(path).name
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as err:
        raise InvalidParamsError(f"{label}: cannot be read as a CSV table ({err})") from err
    dates = next((name for name in table if str(name).strip().lower() in DATES), None)
    if dates is None:
        raise InvalidParamsError(f"{label}: no column of dates; expected one of {DATES}, found {list(table)[:6]}")
    column, units = _column_and_units(label, [str(name) for name in table], column, units)
    try:
        days = pd.DatetimeIndex(pd.to_datetime(table[dates], format="ISO8601"))
        values = pd.to_numeric(table[column]).astype(float).to_numpy()
    except (ValueError, TypeError) as err:
        raise InvalidParamsError(f"{label}: {dates} or {column!r} holds what is no date or number ({err})") from err
    if not (days == days.normalize()).all() or not days.is_monotonic_increasing or days.has_duplicates:
        raise InvalidParamsError(f"{label}: {dates}: expected one value a day, in order")
    if (values < 0).any():
        first = int(np.flatnonzero(values < 0)[0])
        raise InvalidParamsError(
            f"{label}: {column!r} is {values[first]:g} on {days[first]:%Y-%m-%d}; discharge is not negative: "
            "leave such days empty"
        )
    if units == "mm/d" and area is None:
        raise InvalidParamsError(f"{label}: {column!r} is in mm/d: give the area of the catchment (km2)")
    factor = {"m3/s": 1.0, "l/s": 1e-3, "mm/d": 1e3 * (area or 0.0) / 86400.0}[units]
    series = pd.Series(values * factor, days, name="discharge").asfreq("D")
    if not series.notna().any():
        raise InvalidParamsError(f"{label}: {column!r} holds no value")
    if area is not None:
        _require_possible(label, column, units, float(series.mean()), area)
    return series


def _column_and_units(label: str, names: list[str], column: str | None, units: str | None) -> tuple[str, str]:
    if column is not None and column not in names:
        raise InvalidParamsError(f"{label}: no column {column!r}; found {names[:12]}")
    if units is not None and units not in UNITS:
        raise InvalidParamsError(f"{label}: units: expected one of {UNITS}, found {units!r}")
    found = [column] if column else [name for name in names if name.lower().startswith(_NAMES)]
    if not found:
        raise InvalidParamsError(f"{label}: no column of discharge found in {names[:12]}; {RENAME}")
    if units is not None:
        if len(found) > 1:
            raise InvalidParamsError(f"{label}: several columns of discharge: {found}; name one with column=")
        return found[0], units
    of_units = {unit: name for name in reversed(found) for unit in UNITS if _says(name) == unit}
    for unit in UNITS:
        if unit in of_units:
            return of_units[unit], unit
    raise InvalidParamsError(f"{label}: {found} do not say their unit; expected one of {UNITS} in the name: {RENAME}")


def _says(name: str) -> str | None:
    """Return the unit that a column's name gives in brackets, or after a blank or underscore."""
    inside = re.search(r"[\[(]([^\])]+)[\])]", name)
    text = (inside.group(1) if inside else re.split(r"[ _]", name)[-1]).replace(" ", "").lower()
    return next((unit for unit, spellings in _SPELLINGS.items() if text in spellings), None)


def _require_possible(label: str, column: str, units: str, mean: float, area: float) -> None:
    """Raise InvalidParamsError for a mean (m3 s-1) that a catchment (km2) cannot have, with the unit that would fit."""
    a_year = mean * 86400.0 * 365.25 / (1e3 * area)  # mm
    if LEAST_YEAR <= a_year <= MOST_YEAR:
        return
    others = {"m3/s": 1.0, "l/s": 1e-3, "mm/d": 1e3 * area / 86400.0}
    fit = [unit for unit in UNITS if LEAST_YEAR <= a_year * others[unit] / others[units] <= MOST_YEAR]
    raise InvalidParamsError(
        f"{label}: {column!r} as {units} is {a_year:.0f} mm a year from {area:g} km2, which no river carries; check "
        f"the area and the unit{f' ({fit[0]} would fit)' if fit else ''}"
    )
