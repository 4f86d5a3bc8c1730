"""Tables of the published training data: the glaciers, and the balances of each of them."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyproj import Transformer

from oggm_glaunti import settings
from oggm_glaunti.coupling.gridded.periods import CORRECTOR_MONTHS, Period
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.text.dates import parse_days
from oggm_glaunti.coupling.text.table import NOTE, is_missing, read_table
from oggm_glaunti.fit.data.year import Observed, Problem
from oggm_glaunti.fit.names import SEASONS
from oggm_glaunti.fit.observations import MOST_A_YEAR, YEARS

INDEX, TOTAL, POINTS = "index.csv", "total_smb.csv", "point_smb.csv"
INDEX_COLUMNS = ("name", "wgms_name", "fold", "region", "max_year", "height", "width")
DATES = ("begin_date", "midseason_date", "end_date")
BALANCES = {"annual": "annual_balance", "winter": "winter_balance", "summer": "summer_balance"}
POINT_COLUMNS = ("year", "balance_code", "begin_date", "end_date", "latitude", "longitude", "balance")
POINT_TYPES = {"year": "i8", "season": str, "begin": "M8[ns]", "end": "M8[ns]", "row": "i8", "col": "i8", "value": "f8"}
# The meaning of this code is not documented; such rows are counted and not used.
UNCLEAR_CODE = "index"
NO_MID = "{} winter or summer in a year without midseason date"


class Findings:
    """What is not used of the observations of a glacier.

    Attributes
    ----------
    problems : list of Problem
        invalid rows
    left_out : Counter
        number of valid rows that have no place in a mass-balance year of the glacier, by what they are
    """

    def __init__(self) -> None:
        self.problems, self.left_out = list[Problem](), Counter[str]()

    def add(self, file: str, row: Any, what: str) -> None:
        """Add a problem; `row` is ignored if it is no whole number."""
        self.problems.append(Problem(file, int(row) if isinstance(row, int | np.integer) else None, what))

    def count(self, what: str, n: int = 1) -> None:
        """Count rows that are left out; nothing is noted if there are none."""
        if n:
            self.left_out[what] += n


def read_columns(path: Path, columns: tuple[str, ...], label: str) -> pd.DataFrame:
    """Read columns of a CSV as text without surrounding blanks; the index is the row as numbered by a spreadsheet.

    Raises
    ------
    InvalidParamsError
        if it cannot be read or lacks a column
    """
    about = f"{label}: {path.name}"
    table = read_table(path, needed=columns, label=about)
    notes = table[NOTE][table[NOTE] != ""]
    if notes.size:
        raise InvalidParamsError(f"{about}: row {notes.index[0]}: {notes.iloc[0]}")
    return table[list(columns)].apply(lambda column: column.str.strip().mask(is_missing(column)))


def read_measured(folder: Path, grid: CellGrid, name: str, max_year: float) -> tuple[Observed, Findings]:
    """Read the glacier-wide and point balances of a glacier.

    Parameters
    ----------
    folder : path
        folder of the glacier
    grid : CellGrid
        cells of its maps; points outside are problems
    name : str
        name of the glacier, with which every error begins
    max_year : float
        later years are not used; NaN for no limit

    Raises
    ------
    InvalidParamsError
        if a file cannot be used at all; single rows become problems
    """
    findings = Findings()
    total = read_columns(folder / TOTAL, ("year", *DATES, *BALANCES.values()), name)
    periods, glacier = _read_total(total, max_year, f"{name}/{TOTAL}", findings)
    points = no_points()
    if (folder / POINTS).exists():
        table = read_columns(folder / POINTS, POINT_COLUMNS, name)
        points = _read_points(table, grid, max_year, f"{name}/{POINTS}", findings)
    else:
        findings.add(f"{name}/{POINTS}", None, "not found, so there are no points")
    return Observed(periods, glacier, only_in_seasons(points, periods, findings)), findings


def no_points() -> pd.DataFrame:
    """Make a table of points without any row."""
    return pd.DataFrame({name: np.zeros(0, kind) for name, kind in POINT_TYPES.items()})


def only_in_seasons(points: pd.DataFrame, periods: dict[int, Period], findings: Findings) -> pd.DataFrame:
    """Keep points whose season has dates: winter and summer need a midseason date; the others are counted."""
    with_mid = points["year"].isin([year for year, period in periods.items() if period.mid is not None])
    no_season = (points["season"] != "annual") & ~with_mid
    findings.count(NO_MID.format("point of"), int(no_season.sum()))
    return points[~no_season]


def order_problem(period: Period) -> str | None:
    """Describe what is wrong with the dates of a year; None if nothing is."""
    days = [day for day in (period.begin, period.mid, period.end) if day is not None]
    if any(later <= earlier for earlier, later in pairwise(days)):
        return f"dates are not in order: {', '.join(map(str, days))}"
    months = int((period.end.astype("M8[M]") - period.begin.astype("M8[M]")).astype(int)) + 1
    if not CORRECTOR_MONTHS[0] <= months <= CORRECTOR_MONTHS[1]:
        expected = f"expected {CORRECTOR_MONTHS[0]} to {CORRECTOR_MONTHS[1]}"
        return f"{period.begin} to {period.end} touches {months} calendar months; {expected}"
    return None


def as_numbers(column: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Convert a column of text to numbers, and mark the cells whose text is none."""
    values = pd.to_numeric(column, errors="coerce").astype(float)
    return values, (values.isna() | np.isinf(values)) & column.notna()


def as_dates(column: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Convert a column of text to days, and mark the cells whose text is no date."""
    values = parse_days(column.fillna("").astype(str), str(column.name))[0]
    values = values.where(values.dt.year.between(*YEARS)).astype("datetime64[ns]")
    return values, values.isna() & column.notna()


def _read_total(
    table: pd.DataFrame, max_year: float, file: str, findings: Findings
) -> tuple[dict[int, Period], dict[tuple[int, str], float]]:
    years = as_numbers(table["year"])[0]
    days = {name: as_dates(table[name]) for name in DATES}
    balances = {season: as_numbers(table[column]) for season, column in BALANCES.items()}
    periods: dict[int, Period] = {}
    glacier: dict[tuple[int, str], float] = {}
    for row in table.index:
        if np.isfinite(max_year) and years[row] > max_year:
            findings.count("row after the last year of the index")
            continue
        unreadable = [name for name, (_, bad) in days.items() if bad[row]]
        stamps = (days[name][0][row] for name in DATES)
        dates = (None if pd.isnull(stamp) else np.datetime64(stamp, "D") for stamp in stamps)
        period = _period_of_row(years[row], unreadable, *dates)
        if isinstance(period, str):
            findings.add(file, row, period)
        elif period.year in periods:
            findings.add(file, row, f"a second row of {period.year}")
        elif pd.Timestamp(period.end).year != period.year:
            findings.add(file, row, f"the year is {period.year}, but ends on {period.end}")
        else:
            periods[period.year] = period
            for season, (values, is_text) in balances.items():
                bad = _balance_problem(values[row], is_text[row], table.loc[row, BALANCES[season]])
                if bad:
                    findings.add(file, row, f"{BALANCES[season]} {bad}")
                elif np.isfinite(values[row]) and season != "annual" and period.mid is None:
                    findings.count(NO_MID.format("glacier-wide"))
                elif np.isfinite(values[row]):
                    glacier[period.year, season] = float(values[row])
    return periods, glacier


def _period_of_row(year: float, unreadable: list[str], *dates: np.datetime64 | None) -> Period | str:
    """Return the dates of a row, or what is wrong with them, in words."""
    if not np.isfinite(year) or year != int(year):
        return "the year is missing or no whole number"
    if unreadable:
        return f"{', '.join(unreadable)}: expected a date YYYY-MM-DD"
    begin, mid, end = dates
    if begin is None or end is None:
        missing = [name for name, day in (("begin_date", begin), ("end_date", end)) if day is None]
        return f"{' and '.join(missing)} missing"
    period = Period(int(year), begin, mid, end)
    return order_problem(period) or period


def _balance_problem(value: float, is_text: bool, text: Any) -> str | None:
    if is_text:
        return f"is no number: {text!r}"
    return f"{value:g} m w.e. looks like mm" if np.isfinite(value) and abs(value) > MOST_A_YEAR else None


def _read_points(table: pd.DataFrame, grid: CellGrid, max_year: float, file: str, findings: Findings) -> pd.DataFrame:
    code = table["balance_code"].str.lower()
    years = as_numbers(table["year"])[0]
    unclear, later = code == UNCLEAR_CODE, years > max_year
    findings.count("point of balance_code index", int(unclear.sum()))
    findings.count("point after the last year of the index", int((later & ~unclear).sum()))
    table, code, years = (part[~unclear & ~later] for part in (table, code, years))
    begin, end = (as_dates(table[name])[0] for name in ("begin_date", "end_date"))
    value, lat, lon = (as_numbers(table[name])[0] for name in ("balance", "latitude", "longitude"))
    row, col = cells_at(lon.to_numpy(), lat.to_numpy(), grid)
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
    return valid_points(points, faults, file, findings)


def valid_points(points: pd.DataFrame, faults: dict[str, Any], file: str, findings: Findings) -> pd.DataFrame:
    """Keep points without a fault, given which have each (N,); the others become problems with all their faults."""
    words = list(faults)
    bad = np.stack([np.asarray(pd.array(fault, "boolean").fillna(False), bool) for fault in faults.values()], axis=1)
    for at in np.flatnonzero(bad.any(axis=1)):
        findings.add(file, points.index[at], "; ".join(words[k] for k in np.flatnonzero(bad[at])))
    return points[~bad.any(axis=1)].astype({"year": int, "row": int, "col": int})


def cells_at(lon: np.ndarray, lat: np.ndarray, grid: CellGrid, crs: Any = "EPSG:4326") -> tuple[np.ndarray, np.ndarray]:
    """Compute row and column of places (N,), whole numbers or NaN; they may lie outside the grid.

    Examples
    --------
    >>> grid = CellGrid("EPSG:32632", 630100.0, 5188100.0, (2, 3))
    >>> [index.tolist() for index in cells_at(np.array([630399.0]), np.array([5188099.0]), grid, grid.crs)]
    [[0.0], [2.0]]
    """
    x, y = Transformer.from_crs(crs, grid.crs, always_xy=True).transform(lon, lat)
    row, col = (grid.north - np.asarray(y)) / settings.CELL_SIZE, (np.asarray(x) - grid.west) / settings.CELL_SIZE
    row, col = (np.where(np.isfinite(a), np.floor(a), np.nan) for a in (row, col))
    return row, col


def inside(row: np.ndarray, col: np.ndarray, grid: CellGrid) -> np.ndarray:
    """Return whether cells (N,) are on the grid."""
    with np.errstate(invalid="ignore"):
        return (row >= 0) & (row < grid.shape[0]) & (col >= 0) & (col < grid.shape[1])
