"""Text tables in the many forms that people, loggers and data centres write."""

import contextlib
import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from oggm.exceptions import InvalidParamsError

MISSING = {"", "na", "nan", "n/a", "none", "null", "-", "-9999", "-9999.0", "nat"}
# Column that describes what is wrong with a row before its cells are checked.
NOTE = "(note)"
DEGREES = ("lat", "lon")
FIRST_ROW = 2  # as a spreadsheet numbers the row below the header
PLAIN = set("0123456789.-+eE")
SEPARATORS = (";", "\t", ",")
_COMMENT = re.compile(r"^[ \t]*#.*$", re.M)
# Cells between blanks; a unit in brackets belongs to the name before it.
_BETWEEN_BLANKS = re.compile(r'"[^"]*"|[^\s"]+(?:[ \t]*[\[(][^\])]*[\])])?')
_WITH_UNIT = re.compile(r"^(?P<name>[^\[(]*)[\[(](?P<unit>[^\])]*)[\])]\s*$")
_UNIT = re.compile(
    r"[\[(]?\s*(?:°|deg(?:rees?)?[\s_]*)?(?:c|f|k|celsius|kelvin|fahrenheit|°)\s*[\])]?"
    r"|[\[(]?\s*(?:mm|cm|m|kg)(?:[\s/]*(?:w\.?\s*e\.?|a\.?\s*s\.?\s*l\.?|day|d|s|h|m|yr?|a)?\^?-?\d*)*\s*[\])]?",
    re.IGNORECASE,
)
# Numbers with two kinds of marks, or one mark twice: 1,234.5 1.234.567 1 234,5 1'234
_GROUPED = (
    r"[-+]?\d{1,3}(?:(?:[ '\u00a0\u2009\u202f\u2019]\d{3})+(?:[.,]\d*)?"
    r"|(?:,\d{3})+\.\d*|(?:\.\d{3})+,\d*|(?:,\d{3}){2,}|(?:\.\d{3}){2,})"
)
_MAYBE_GROUPED = r"[-+]?[1-9]\d{{0,2}}{mark}\d{{3}}"


def read_table(
    path: str | Path,
    sep: str | None = None,
    needed: Iterable[str] = (),
    label: str | None = None,
    units_row: bool = False,
) -> pd.DataFrame:
    """Read a table as text cells; the index is the row in the file (the header is row 1 unless lines precede it).

    Comment lines, which begin with ``#``, and empty rows are skipped and counted. A last column :data:`NOTE` marks rows
    with more cells than the header. The encoding is UTF-8 or UTF-16, with or without a byte order mark, otherwise
    Windows-1252, which Excel writes.

    Parameters
    ----------
    path : path
        text file
    sep : str, optional
        separator of columns; default: the most frequent of ``;``, tab and ``,`` in the header, otherwise blanks
    needed : iterable of str
        required columns
    label : str, optional
        begin of every error; default: `path`
    units_row : bool
        whether a row of units below the header belongs to it: ``temp`` with ``degC`` below is named ``temp (degC)``

    Raises
    ------
    InvalidParamsError
        if the file cannot be read or a column is missing
    """
    label = str(path) if label is None else label
    text = _COMMENT.sub("", _decoded(path, label))
    lines, sep = _split(text, sep, label)
    at = next((i for i, line in enumerate(lines) if any(cell.strip() for cell in line)), None)
    if at is None:
        raise InvalidParamsError(f"{label}: empty, expected a header and rows")
    names = [name.strip() for name in lines[at]]
    while sep == "," and not names[-1]:
        names.pop()  # a cell below would be the decimals of another
    missing = [name for name in needed if name not in names]
    if missing:
        raise InvalidParamsError(f"{label}: no column {', '.join(missing)}; found {', '.join(filter(None, names))}")
    rows = [(i + 1, line) for i, line in enumerate(lines) if i > at and any(cell.strip() for cell in line)]
    if units_row and rows and _holds_units(rows[0][1]):
        units = rows.pop(0)[1]
        names = [f"{n} ({u.strip(' []()')})" if u.strip() and not unit_of(n)[1] else n for n, u in _pairs(names, units)]
    return _as_table(names, rows, label)


def _pairs(names: list[str], cells: list[str]) -> Iterable[tuple[str, str]]:
    return zip(names, cells + [""] * len(names), strict=False)


def _decoded(path: str | Path, label: str) -> str:
    try:
        raw = Path(path).read_bytes()
    except OSError as err:
        raise InvalidParamsError(f"{label}: cannot be read ({err})") from err
    # Without a mark, UTF-16 of western text has a zero in every other byte.
    zeros = [raw[start:4000:2].count(0) * 3 > len(raw[start:4000:2]) for start in (0, 1)]
    encodings = ["utf-8-sig", "cp1252"]
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings = ["utf-16"]
    elif raw and any(zeros):
        encodings = ["utf-16-be" if zeros[0] else "utf-16-le"]
    for encoding in encodings:
        with contextlib.suppress(UnicodeDecodeError):
            text = raw.decode(encoding)
            if "\0" in text:
                break
            return text
    raise InvalidParamsError(f"{label}: not text in UTF-8, UTF-16 or Windows-1252; save it as CSV in UTF-8")


def _split(text: str, sep: str | None, label: str) -> tuple[list[list[str]], str]:
    """Split text into rows of cells; return the separator as well."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    bare = re.sub(r'"[^"]*"', "", header)
    sep = sep or max(SEPARATORS, key=bare.count)
    if sep not in bare and sep in SEPARATORS and len(_BETWEEN_BLANKS.findall(header)) > 1:
        return [[cell.strip('"') for cell in _BETWEEN_BLANKS.findall(line)] for line in text.splitlines()], " "
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=sep)), sep
    except csv.Error as err:
        raise InvalidParamsError(f"{label}: not a table with the separator {sep!r}: {err}") from err


def _holds_units(cells: list[str]) -> bool:
    """Return whether a row below the header holds units: at least one, and no number and no date."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    return any(_UNIT.fullmatch(cell) for cell in filled) and not any(re.match(r"[-+.,]*\d", cell) for cell in filled)


def _as_table(names: list[str], lines: list[tuple[int, list[str]]], label: str) -> pd.DataFrame:
    named = [i for i, name in enumerate(names) if name or i == 0]
    twice = {names[i] for i in named if names.count(names[i]) > 1}
    if twice:
        raise InvalidParamsError(f"{label}: more than one column {', '.join(sorted(twice))}")
    rows = []
    for _, line in lines:
        full = line + [""] * (len(names) - len(line))
        surplus = any(cell.strip() for cell in full[len(names) :])
        note = f"{len(line)} cells, the header has {len(names)}: a decimal comma, or text without quotes?"
        rows.append([full[i] for i in named] + [note if surplus else ""])
    index = pd.Index([row for row, _ in lines], dtype=int, name="row")
    columns = zip(*rows, strict=True) if rows else [()] * (len(named) + 1)
    return pd.DataFrame(dict(zip([*(names[i] for i in named), NOTE], columns, strict=True)), index, dtype=str)


def unit_of(column: str) -> tuple[str, str | None]:
    """Split the name of a column into its plain form, lower case with _ between words, and its unit, if it has one.

    Examples
    --------
    >>> unit_of("Air Temperature [degC]"), unit_of("T_air")
    (('air_temperature', 'degC'), ('t_air', None))
    """
    match = _WITH_UNIT.match(column)
    plain = re.sub(r"[^a-z0-9]+", "_", (match["name"] if match else column).lower()).strip("_")
    return plain, match["unit"].strip() if match else None


def is_missing(cells: pd.Series) -> pd.Series:
    """Return whether cells are empty or hold one of the usual placeholders of missing values."""
    return cells.str.strip().str.lower().isin(MISSING)


def parse_numbers(cells: pd.Series, name: str) -> tuple[pd.Series, pd.Series]:
    """Parse numbers (NaN if missing), and describe what is wrong with cells that hold something else.

    Decimal commas and typographic minus signs are understood, thousands separators are refused. ``2,800`` may be 2800
    or 2.8 and is reported, except in degrees, and in a column where another comma can only be a decimal one.

    Examples
    --------
    >>> parse_numbers(pd.Series(["-1,25", "", "1.2 m"]), "value")[1].tolist()
    ['', '', "value '1.2 m' is no number"]
    >>> parse_numbers(pd.Series(["-5,362", "3,1"]), "temp")[0].tolist()
    [-5.362, 3.1]
    """
    if set("".join(cells)) <= PLAIN:
        # Nearly all columns of weather are such ones, and long ones at that.
        plain = pd.to_numeric(cells, errors="coerce").astype(float)
        if (np.isfinite(plain) | (cells == "")).all():
            return plain.mask(plain == -9999.0), pd.Series("", cells.index, dtype=str)
    stripped = cells.str.strip().str.replace("\N{MINUS SIGN}", "-")
    absent = is_missing(cells)
    grouped = stripped.str.fullmatch(_GROUPED)
    comma, point = (stripped.str.fullmatch(_MAYBE_GROUPED.format(mark=mark)) for mark in (",", r"\."))
    decimal_comma = stripped.str.fullmatch(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?") & ~comma
    if decimal_comma.any():
        comma &= grouped.any()
    else:
        point &= False
    ambiguous = (comma | point) & (name not in DEGREES)
    text = stripped.str.replace(r"^([^,.]*),([^,.]*)$", r"\1.\2", regex=True)
    numbers = pd.to_numeric(text.where(~absent, ""), errors="coerce").astype(float)
    numbers = numbers.mask(ambiguous | grouped | np.isinf(numbers))
    why = np.where(grouped, "' has a separator of thousands; write it without", "' is no number")
    why = np.where(ambiguous, "' may be thousands or decimals; write it without a comma", why)
    return numbers, pd.Series(np.where(numbers.isna() & ~absent, name + " '" + cells + why, ""), cells.index)
