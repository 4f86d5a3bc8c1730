"""Text tables in the many forms that people and data centres write, and observations made of their cells."""

import contextlib
import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from oggm_glaunti.coupling.oggm.balance_year import is_southern, region_of
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.fit.observations import COLUMNS, Read, as_observations, problems_of, split
from oggm_glaunti.fit.readers.dates import UNKNOWN, nominal_dates, parse_days

MISSING = {"", "na", "nan", "n/a", "none", "null", "-", "-9999", "-9999.0", "nat"}
# How many of each unit are 1 m w.e.
PER_METRE = {"m": 1.0, "m w.e.": 1.0, "mwe": 1.0, "cm": 100.0, "cm w.e.": 100.0, "mm": 1000.0, "mm w.e.": 1000.0}
PER_METRE |= {"m we": 1.0, "mmwe": 1000.0, "mm we": 1000.0, "kg m-2": 1000.0, "kg/m2": 1000.0}
# Column that describes what is wrong with a row before its cells are checked.
NOTE = "(note)"
NUMBERS = ("lat", "lon", "x", "y", "height", "height_range", "value", "sigma")
DEGREES = ("lat", "lon")
FIRST_ROW = 2  # as a spreadsheet numbers the row below the header


def read_table(path: str | Path, sep: str | None = None, needed: Iterable[str] = ()) -> pd.DataFrame:
    """Read a table as text cells; the index is the row in the file (the header is row 1), empty rows are skipped.

    A last column :data:`NOTE` marks rows with more cells than the header. The encoding is UTF-8, with or without a byte
    order mark, otherwise Windows-1252, which Excel writes.

    Parameters
    ----------
    path : path
        text file
    sep : str, optional
        separator of columns; default: the most frequent of ``;``, tab and ``,`` in the header
    needed : iterable of str
        required columns

    Raises
    ------
    InvalidParamsError
        if the file cannot be read or a column is missing
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as err:
        raise InvalidParamsError(f"{path}: cannot be read ({err})") from err
    for encoding in ("utf-8-sig", "cp1252"):
        with contextlib.suppress(UnicodeDecodeError):
            text = raw.decode(encoding)
            break
    else:
        raise InvalidParamsError(f"{path}: neither UTF-8 nor Windows-1252 text; save it as UTF-8")
    first = text.split("\n", 1)[0]
    sep = sep or max((";", "\t", ","), key=first.count)
    try:
        header, *lines = csv.reader(io.StringIO(text, newline=""), delimiter=sep)
    except ValueError as err:
        raise InvalidParamsError(f"{path}: empty, expected a header and rows") from err
    except csv.Error as err:
        raise InvalidParamsError(f"{path}: not a table with the separator {sep!r}: {err}") from err
    names = [name.strip() for name in header]
    missing = [name for name in needed if name not in names]
    if missing:
        raise InvalidParamsError(f"{path}: no column {', '.join(missing)}; found {', '.join(filter(None, names))}")
    return _as_table(names, lines, path)


def _as_table(names: list[str], lines: list[list[str]], path: str | Path) -> pd.DataFrame:
    named = [i for i, name in enumerate(names) if name or i == 0]
    twice = {names[i] for i in named if names.count(names[i]) > 1}
    if twice:
        raise InvalidParamsError(f"{path}: more than one column {', '.join(sorted(twice))}")
    rows, kept = [], []
    for row, line in enumerate(lines, start=FIRST_ROW):
        if any(cell.strip() for cell in line):
            full = line + [""] * (len(names) - len(line))
            surplus = any(cell.strip() for cell in full[len(names) :])
            note = f"{len(line)} cells, the header has {len(names)}: a decimal comma, or text without quotes?"
            rows.append([full[i] for i in named] + [note if surplus else ""])
            kept.append(row)
    return pd.DataFrame(rows, pd.Index(kept, dtype=int, name="row"), [*(names[i] for i in named), NOTE], dtype=str)


def is_missing(cells: pd.Series) -> pd.Series:
    """Return whether cells are empty or hold one of the usual placeholders of missing values."""
    return cells.str.strip().str.lower().isin(MISSING)


def parse_numbers(cells: pd.Series, name: str) -> tuple[pd.Series, pd.Series]:
    """Parse numbers (NaN if missing), and describe what is wrong with cells that hold something else.

    Decimal commas and typographic minus signs are understood. ``2,800`` may be 2800 or 2.8 and is reported, except in
    degrees.

    Examples
    --------
    >>> parse_numbers(pd.Series(["-1,25", "", "1.2 m"]), "value")[1].tolist()
    ['', '', "value '1.2 m' is no number"]
    """
    stripped = cells.str.strip().str.replace("\N{MINUS SIGN}", "-")
    text = stripped.str.replace(r"^([^,.]*),([^,.]*)$", r"\1.\2", regex=True)
    ambiguous = cells.str.strip().str.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}") & (name not in DEGREES)
    absent = is_missing(cells)
    numbers = pd.to_numeric(text.where(~absent, ""), errors="coerce").astype(float)
    wrong = (numbers.isna() & ~absent) | ambiguous
    why = np.where(ambiguous, "' may be thousands or decimals; write it without a comma", "' is no number")
    return numbers.mask(ambiguous), pd.Series(np.where(wrong, name + " '" + cells + why, ""), cells.index)


def settle(
    cells: pd.DataFrame, source: str, unit: str = "m", default_dates: bool = False, hemisphere: str = "nh"
) -> Read:
    """Make an observation of each row of text cells, and report the rows that are invalid.

    Parameters
    ----------
    cells : DataFrame of str
        index: row in the file. Required columns: ``glacier, kind, season, begin, end, value``; optional: the others of
        the table of observations, ``unit`` (of value and sigma), ``year`` (in which the mass-balance year ends) and
        :data:`NOTE` (what is known to be wrong)
    source : str
        name of the data, for rows that give none
    unit : str
        unit of value and sigma for rows that give none, a key of :data:`PER_METRE`
    default_dates : bool
        fill missing dates with the nominal ones of the year, :func:`~oggm_glaunti.fit.readers.dates.nominal_dates`
    hemisphere : {'nh', 'sh'}
        for nominal dates of rows with neither a latitude nor the id of a glacier of the Randolph Glacier Inventory

    Returns
    -------
    Read
        observations in m w.e., and rejected rows
    """
    rows, cells = cells.index, cells.reset_index(drop=True).fillna("")
    notes = pd.DataFrame("", cells.index, [NOTE, "unit", *COLUMNS])
    notes[NOTE] = cells.get(NOTE, "")
    table: dict[str, pd.Series] = {name: cells[name].str.strip() for name in ("glacier", "kind", "season")}
    for name in NUMBERS:
        if name in cells:
            table[name], notes[name] = parse_numbers(cells[name], name)
    for name in ("begin", "end"):
        table[name], notes[name] = parse_days(cells[name], name)
    if default_dates:
        unknown = pd.Series(np.nan, cells.index)
        year = parse_numbers(cells["year"], "year")[0] if "year" in cells else unknown
        region = table["glacier"].map(region_of)
        south = pd.Series(is_southern(table.get("lat", unknown), region, hemisphere == "sh"), cells.index)
        for name, days in zip(("begin", "end"), nominal_dates(year, table["season"], south), strict=True):
            absent = is_missing(cells[name]) | notes[name].str.endswith(UNKNOWN)
            table[name] = table[name].where(~absent, days)
            notes[name] = notes[name].where(~(absent & days.notna()), "")
    if unit not in PER_METRE:
        raise InvalidParamsError(f"unit: expected one of {', '.join(PER_METRE)}, found {unit!r}")
    units = cells.get("unit", pd.Series("", cells.index)).str.strip().replace("", unit)
    factor = units.str.lower().map(PER_METRE).astype(float)  # of a table without rows it would be text
    notes["unit"] = np.where(factor.isna(), "unit '" + units + "' is none of " + ", ".join(PER_METRE), "")
    # Divided, so that -700 mm is the number -0.7.
    table |= {name: table[name].astype(float) / factor.fillna(1.0) for name in ("value", "sigma") if name in table}
    table["height_range"] = table.get("height_range", pd.Series(0.0, cells.index)).fillna(0.0)
    table["source"] = cells.get("source", pd.Series("", cells.index)).replace("", source)
    return _split_with_notes(as_observations(table), notes, rows)


def _split_with_notes(table: pd.DataFrame, notes: pd.DataFrame, rows: pd.Index) -> Read:
    """Split the table; what a reader noted about a cell replaces the report that the cell holds no value."""
    table.index = rows
    problems = problems_of(table)
    notes = notes.set_axis(rows).loc[:, (notes != "").any().to_numpy()]
    for name in notes:
        noted = (notes[name] != "").to_numpy()
        old = problems[name].to_numpy() if name in problems else np.full(len(rows), "", object)
        problems[name] = np.where(noted, notes[name].to_numpy(), old)
    good, bad = split(table, problems)
    bad.insert(2, "season", table["season"].to_numpy()[(problems != "").any(axis=1).to_numpy(bool)])
    return Read(good.reset_index(drop=True), bad, good.index.to_numpy(int))
