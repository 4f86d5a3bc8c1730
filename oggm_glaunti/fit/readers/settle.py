"""Observations made of the text cells of a table."""

import numpy as np
import pandas as pd

from oggm_glaunti.coupling.oggm.balance_year import is_southern
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.oggm.rgi_ids import region_of
from oggm_glaunti.coupling.text.dates import UNKNOWN, order_of_slashes, parse_days
from oggm_glaunti.coupling.text.table import NOTE, is_missing, parse_numbers
from oggm_glaunti.fit.observations import COLUMNS, YEARS, Read, as_observations, problems_of, split
from oggm_glaunti.fit.readers.dates import nominal_dates

# How many of each unit are 1 m w.e.
PER_METRE = {"m": 1.0, "m w.e.": 1.0, "mwe": 1.0, "cm": 100.0, "cm w.e.": 100.0, "mm": 1000.0, "mm w.e.": 1000.0}
PER_METRE |= {"m we": 1.0, "mmwe": 1000.0, "mm we": 1000.0, "kg m-2": 1000.0, "kg/m2": 1000.0}
NOWHERE = "on which hemisphere? Give a latitude, an RGI id or hemisphere="
NUMBERS = ("lat", "lon", "x", "y", "height", "height_range", "value", "sigma")


def settle(
    cells: pd.DataFrame, source: str, unit: str = "m", default_dates: bool = False, hemisphere: str | None = None
) -> Read:
    """Make an observation of each row of text cells, and report the rows that are invalid.

    Parameters
    ----------
    cells : DataFrame of str
        index: row in the file. Required columns: ``glacier, kind, season, begin, end, value``; optional: the others of
        the table of observations, ``unit`` (of value and sigma), ``year`` (in which the mass-balance year ends) and
        :data:`~oggm_glaunti.coupling.text.table.NOTE` (what is known to be wrong)
    source : str
        name of the data, for rows that give none
    unit : str
        unit of value and sigma for rows that give none, a key of :data:`PER_METRE`
    default_dates : bool
        fill missing dates with the nominal ones of the year, :func:`~oggm_glaunti.fit.readers.dates.nominal_dates`
    hemisphere : {'nh', 'sh'}, optional
        for nominal dates of rows with neither a latitude nor the id of a glacier of the Randolph Glacier Inventory; by
        default such rows are rejected

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
    order = order_of_slashes(pd.concat([cells["begin"], cells["end"]]))
    for name in ("begin", "end"):
        table[name], notes[name] = parse_days(cells[name], name, order)
        odd = table[name].notna() & ~table[name].dt.year.between(*YEARS)
        said = f"{name} " + table[name].dt.strftime("%Y-%m-%d").fillna("") + " is not between {} and {}".format(*YEARS)
        table[name], notes[name] = table[name].mask(odd), notes[name].mask(odd, said)
    if default_dates:
        _fill_dates(cells, table, notes, hemisphere)
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


def _fill_dates(cells: pd.DataFrame, table: dict[str, pd.Series], notes: pd.DataFrame, hemisphere: str | None) -> None:
    """Fill missing dates of seasons with nominal ones, in place."""
    if hemisphere not in ("nh", "sh", None):
        raise InvalidParamsError(f"hemisphere: expected 'nh' or 'sh', found {hemisphere!r}")
    unknown = pd.Series(np.nan, cells.index)
    year = parse_numbers(cells["year"], "year")[0] if "year" in cells else unknown
    where = table.get("lat", unknown), table["glacier"].map(region_of)
    south = pd.Series(is_southern(*where, hemisphere == "sh"), cells.index)
    nowhere = (south != is_southern(*where, True)) & (hemisphere is None)
    for name, days in zip(("begin", "end"), nominal_dates(year, table["season"], south), strict=True):
        absent = is_missing(cells[name]) | notes[name].str.endswith(UNKNOWN)
        filled = absent & days.notna()
        table[name] = table[name].mask(filled & ~nowhere, days)
        notes[name] = notes[name].mask(filled, "").mask(filled & nowhere, f"no {name} date: {NOWHERE}")


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
