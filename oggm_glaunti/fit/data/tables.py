"""The tables of the published training data: which glaciers there are, and what was measured of one of them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pyproj import Transformer

from oggm_glaunti import settings
from oggm_glaunti.coupling.gridded.periods import CORRECTOR_MONTHS, Period
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.fit.data.year import Observed, Problem
from oggm_glaunti.fit.names import SEASONS
from oggm_glaunti.fit.observations import MOST_A_YEAR

INDEX, TOTAL, POINTS = "index.csv", "total_smb.csv", "point_smb.csv"
INDEX_COLUMNS = ("name", "wgms_name", "fold", "region", "max_year", "height", "width")
DATES = ("begin_date", "midseason_date", "end_date")
BALANCES = {"annual": "annual_balance", "winter": "winter_balance", "summer": "summer_balance"}
POINT_COLUMNS = ("year", "balance_code", "begin_date", "end_date", "latitude", "longitude", "balance")
# What this code means is not said; such rows are counted and not used.
UNCLEAR_CODE = "index"


class Measured(NamedTuple):
    """What the tables of a glacier say, and what of it is not used."""

    observed: Observed
    problems: list[Problem]
    left_out: Counter


def read_table(path: Path, columns: tuple[str, ...], label: str) -> pd.DataFrame:
    """A CSV as text, blanks around it taken off; the index is the row as a spreadsheet numbers it.

    Raises
    ------
    InvalidParamsError
        if it cannot be read or lacks a column
    """
    try:
        table = pd.read_csv(path, dtype=str, skipinitialspace=True)
    except (OSError, ValueError) as err:
        raise InvalidParamsError(f"{label}: {path.name} cannot be read ({err})") from err
    if not isinstance(table.index, pd.RangeIndex):
        raise InvalidParamsError(
            f"{label}: {path.name} has more values in a row than the {len(table.columns)} columns that row 1 names"
        )
    missing = [column for column in columns if column not in table]
    if missing:
        raise InvalidParamsError(f"{label}: {path.name} has no column {', '.join(missing)}; found {[*table.columns]}")
    table = table[list(columns)].apply(lambda column: column.str.strip().replace("", np.nan))
    return table.set_axis(pd.RangeIndex(2, len(table) + 2))


def read_measured(folder: Path, grid: CellGrid, name: str, max_year: float) -> Measured:
    """Glacier-wide and point balances of one glacier.

    Parameters
    ----------
    folder : path
        of the glacier
    grid : CellGrid
        of its maps; points outside are problems
    name : str
        of the glacier, begins every error
    max_year : float
        later years are not used; NaN for none

    Raises
    ------
    InvalidParamsError
        if a file cannot be used at all; single rows become problems
    """
    problems, left_out = [], Counter()
    total = read_table(folder / TOTAL, ("year", *DATES, *BALANCES.values()), name)
    periods, glacier = _read_total(total, max_year, f"{name}/{TOTAL}", problems, left_out)
    if (folder / POINTS).exists():
        table = read_table(folder / POINTS, POINT_COLUMNS, name)
        points = _read_points(table, grid, max_year, f"{name}/{POINTS}", problems, left_out)
    else:
        points = no_points()
        problems.append(Problem(f"{name}/{POINTS}", None, "not found, so there are no points"))
    return Measured(Observed(periods, glacier, only_in_seasons(points, periods, left_out)), problems, left_out)


def no_points() -> pd.DataFrame:
    """A table of points without any row."""
    days = pd.Series(dtype="datetime64[ns]")
    return pd.DataFrame(
        {
            "year": np.zeros(0, int),
            "season": np.zeros(0, str),
            "begin": days,
            "end": days,
            "row": np.zeros(0, int),
            "col": np.zeros(0, int),
            "value": np.zeros(0),
        }
    )


def only_in_seasons(points: pd.DataFrame, periods: dict[int, Period], left_out: Counter) -> pd.DataFrame:
    """Points whose season has dates: winter and summer need a midseason date of their year; the others are counted."""
    seasonal = points["season"] != "annual"
    with_mid = points["year"].isin([year for year, period in periods.items() if period.mid is not None])
    no_season = seasonal & ~with_mid
    count(left_out, "point of winter or summer in a year without midseason date", int(no_season.sum()))
    return points[~no_season]


def count(left_out: Counter, what: str, n: int) -> None:
    """Add to what is left out; nothing is written down where there is nothing."""
    if n:
        left_out[what] += n


def order_problem(period: Period) -> str | None:
    """What is wrong with the dates of a year, in words; None where nothing is."""
    days = [day for day in (period.begin, period.mid, period.end) if day is not None]
    if any(later <= earlier for earlier, later in pairwise(days)):
        return f"dates are not in order: {', '.join(map(str, days))}"
    months = int((period.end.astype("M8[M]") - period.begin.astype("M8[M]")).astype(int)) + 1
    if not CORRECTOR_MONTHS[0] <= months <= CORRECTOR_MONTHS[1]:
        expected = f"expected {CORRECTOR_MONTHS[0]} to {CORRECTOR_MONTHS[1]}"
        return f"{period.begin} to {period.end} touches {months} calendar months; {expected}"
    return None


def numbers(column: pd.Series) -> tuple[pd.Series, pd.Series]:
    """A column of text as numbers, and where there is text that is none."""
    values = pd.to_numeric(column, errors="coerce").astype(float)
    return values, (values.isna() | np.isinf(values)) & column.notna()


def dates(column: pd.Series) -> tuple[pd.Series, pd.Series]:
    """A column of text YYYY-MM-DD as days, and where there is text that is no date."""
    values = pd.to_datetime(column, errors="coerce", format="ISO8601").astype("datetime64[ns]").dt.normalize()
    return values, values.isna() & column.notna()


def _read_total(
    table: pd.DataFrame, max_year: float, file: str, problems: list[Problem], left_out: Counter
) -> tuple[dict[int, Period], dict[tuple[int, str], float]]:
    years, no_year = numbers(table["year"])
    days = {name: dates(table[name]) for name in DATES}
    balances = {season: numbers(table[column]) for season, column in BALANCES.items()}
    periods: dict[int, Period] = {}
    glacier: dict[tuple[int, str], float] = {}
    for row in table.index:
        if np.isfinite(max_year) and years[row] > max_year:
            count(left_out, "row after the last year of the index", 1)
            continue
        begin, mid, end = (_day(days[name][0][row]) for name in DATES)
        what = _row_problem(years[row], no_year[row], {name: days[name][1][row] for name in DATES}, begin, end)
        period = None if what else Period(int(years[row]), begin, mid, end)
        what = what or order_problem(period) or (f"a second row of {period.year}" if period.year in periods else None)
        if what is None and pd.Timestamp(end).year != period.year:
            what = f"the year is {period.year}, but ends on {end}"
        if what:
            problems.append(Problem(file, int(row), what))
            continue
        periods[period.year] = period
        for season, (values, is_text) in balances.items():
            bad = _balance_problem(values[row], is_text[row], table.loc[row, BALANCES[season]])
            if bad:
                problems.append(Problem(file, int(row), f"{BALANCES[season]} {bad}"))
            elif np.isfinite(values[row]) and season != "annual" and mid is None:
                count(left_out, "glacier-wide winter or summer in a year without midseason date", 1)
            elif np.isfinite(values[row]):
                glacier[period.year, season] = float(values[row])
    return periods, glacier


def _day(stamp: Any) -> np.datetime64 | None:
    return None if pd.isnull(stamp) else np.datetime64(stamp, "D")


def _row_problem(year: float, no_year: bool, no_date: dict[str, bool], begin: Any, end: Any) -> str | None:
    if no_year or not np.isfinite(year) or year != int(year):
        return "the year is missing or no whole number"
    unreadable = [name for name, bad in no_date.items() if bad]
    if unreadable:
        return f"{', '.join(unreadable)}: expected a date YYYY-MM-DD"
    missing = [name for name, day in (("begin_date", begin), ("end_date", end)) if day is None]
    return f"{' and '.join(missing)} missing" if missing else None


def _balance_problem(value: float, is_text: bool, text: Any) -> str | None:
    if is_text:
        return f"is no number: {text!r}"
    return f"{value:g} m w.e. looks like mm" if np.isfinite(value) and abs(value) > MOST_A_YEAR else None


def _read_points(
    table: pd.DataFrame, grid: CellGrid, max_year: float, file: str, problems: list[Problem], left_out: Counter
) -> pd.DataFrame:
    code = table["balance_code"].str.lower()
    years = numbers(table["year"])[0]
    unclear, later = code == UNCLEAR_CODE, years > max_year
    count(left_out, "point of balance_code index", int(unclear.sum()))
    count(left_out, "point after the last year of the index", int((later & ~unclear).sum()))
    table, code, years = (part[~unclear & ~later] for part in (table, code, years))
    (begin, _), (end, _) = dates(table["begin_date"]), dates(table["end_date"])
    value, lat, lon = (numbers(table[name])[0] for name in ("balance", "latitude", "longitude"))
    row, col = cells_of(lon.to_numpy(), lat.to_numpy(), grid)
    points = pd.DataFrame(
        {"year": years, "season": code, "begin": begin, "end": end, "row": row, "col": col, "value": value}
    )
    outside = (lat.notna() & lon.notna()).to_numpy() & ~inside(row, col, grid)
    faults = {
        "the year is missing or no whole number": ~(years % 1 == 0),
        f"balance_code: expected one of {(*SEASONS, UNCLEAR_CODE)}": ~code.isin(SEASONS),
        "begin_date or end_date is missing or no date YYYY-MM-DD": begin.isna() | end.isna(),
        "end_date is not after begin_date": end <= begin,
        "latitude or longitude is missing": lat.isna() | lon.isna(),
        f"lies outside the rectangle of {grid.shape[0]} x {grid.shape[1]} cells": outside,
        "balance is missing or no number": ~np.isfinite(value),
        f"balance is above {MOST_A_YEAR:g} m w.e. and looks like mm": value.abs() > MOST_A_YEAR,
    }
    return sound(points, faults, file, problems)


def sound(points: pd.DataFrame, faults: dict[str, Any], file: str, problems: list[Problem]) -> pd.DataFrame:
    """Rows without a fault, given where each (N,) is; the others go to the problems with all their faults."""
    words = list(faults)
    bad = np.stack([np.asarray(pd.array(fault, "boolean").fillna(False), bool) for fault in faults.values()], axis=1)
    for at in np.flatnonzero(bad.any(axis=1)):
        problems.append(Problem(file, int(points.index[at]), "; ".join(words[k] for k in np.flatnonzero(bad[at]))))
    return points[~bad.any(axis=1)].astype({"year": int, "row": int, "col": int})


def cells_of(lon: np.ndarray, lat: np.ndarray, grid: CellGrid, crs: Any = "EPSG:4326") -> tuple[np.ndarray, np.ndarray]:
    """Row and column of places (N,), whole numbers, NaN where a coordinate is; they may lie outside the grid.

    Examples
    --------
    >>> grid = CellGrid("EPSG:32632", 630100.0, 5188100.0, (2, 3))
    >>> [index.tolist() for index in cells_of(np.array([630399.0]), np.array([5188099.0]), grid, grid.crs)]
    [[0.0], [2.0]]
    """
    x, y = Transformer.from_crs(crs, grid.crs, always_xy=True).transform(lon, lat)
    row, col = (grid.north - np.asarray(y)) / settings.CELL_SIZE, (np.asarray(x) - grid.west) / settings.CELL_SIZE
    return tuple(np.where(np.isfinite(a), np.floor(np.where(np.isfinite(a), a, 0.0)), np.nan) for a in (row, col))


def inside(row: np.ndarray, col: np.ndarray, grid: CellGrid) -> np.ndarray:
    """Whether cells (N,) are on the grid."""
    with np.errstate(invalid="ignore"):
        return (row >= 0) & (row < grid.shape[0]) & (col >= 0) & (col < grid.shape[1])
