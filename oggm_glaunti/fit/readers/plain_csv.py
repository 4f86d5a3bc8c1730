"""A table of balances, one a row, with flexible names of columns."""

import logging
from pathlib import Path

import pandas as pd

from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.text.table import NOTE, is_missing, read_table, unit_of
from oggm_glaunti.fit.names import SEASONS
from oggm_glaunti.fit.observations import Read
from oggm_glaunti.fit.readers.settle import PER_METRE, settle

log = logging.getLogger(__name__)

# Accepted names of each column, lower case with _ between words, without a unit ("value (mm w.e.)").
RGI_NAMES = ("rgi_id", "rgiid")
COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "glacier": (*RGI_NAMES, "glacier", "glacier_name", "glacier_id", "name"),
    "kind": ("kind", "type"),
    "season": ("season", "balance_code", "period"),
    "begin": ("begin", "date_begin", "begin_date", "start", "date_start", "start_date", "from", "from_date"),
    "end": ("end", "date_end", "end_date", "to", "to_date", "stop"),
    "lat": ("lat", "latitude", "point_lat"),
    "lon": ("lon", "lng", "long", "longitude", "point_lon"),
    "x": ("x", "easting"),
    "y": ("y", "northing"),
    "height": ("height", "elevation", "altitude", "elev", "z", "masl", "point_elevation"),
    "height_range": ("height_range",),
    "value": ("value", "balance", "mass_balance", "smb", "mb", "point_balance"),
    "sigma": ("sigma", "uncertainty", "error", "balance_unc", "std", "point_balance_unc"),
    "unit": ("unit", "units"),
    "year": ("year",),
    "source": ("source",),
}
# annual, a and ba, and so on.
SEASON_SPELLINGS = {name: season for season in SEASONS for name in (season, season[0], f"b{season[0]}")}
SEASON_SPELLINGS |= {"": "free", "free": "free", "year": "annual"}
KIND_SPELLINGS = {"": "point", "stake": "point", "snow pit": "point", "pit": "point", "glacierwide": "glacier-wide"}


def read_csv(
    path: str | Path,
    glacier: str | None = None,
    unit: str = "m",
    default_dates: bool = False,
    hemisphere: str | None = None,
) -> Read:
    r"""Read a table with a row for each balance; reads what :func:`~oggm_glaunti.fit.observations.write_csv` writes.

    Parameters
    ----------
    path : path
        columns ``glacier, begin, end, height, value`` or any of their other names in :data:`COLUMN_NAMES`, optionally
        ``lat, lon, x, y, kind, season, height_range, sigma, unit, year, source``; others are ignored, and a name if
        there is an RGI id. Cleaned tables of MassBalanceMachine (``RGIId, FROM_DATE, TO_DATE, POINT_BALANCE, ...``) are
        such tables. See :func:`~oggm_glaunti.coupling.text.table.read_table` for separators, units and encodings
    glacier : str, optional
        name of the glacier if the table has no such column
    unit : str
        unit of value and sigma if given neither in a column ``unit`` nor in the header (``value (mm w.e.)``)
    default_dates : bool
        use nominal dates of the mass-balance year for seasons with a ``year`` and no date; by default they are rejected
    hemisphere : {'nh', 'sh'}, optional
        for nominal dates of rows with neither a latitude nor an id of the Randolph Glacier Inventory; by default such
        rows are rejected

    Returns
    -------
    Read
        rows without a ``kind`` are points, rows without a ``season`` are free periods

    Raises
    ------
    InvalidParamsError
        if the file cannot be read as such a table

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "stakes.csv"
    >>> head = "glacier;from;to;elevation;balance (mm w.e.)"
    >>> _ = path.write_text(head + "\nHEF;01.10.2018;30.09.2019;2800;-2100\nHEF;;;2900;-1700\n")
    >>> stakes = read_csv(path)
    >>> stakes.observations[["height", "value"]].values.tolist(), stakes.rejected.values.tolist()
    ([[2800.0, -2.1]], [[3, 'HEF', 'free', 'no begin date; no end date']])
    """
    table = read_table(path, units_row=True)
    cells, header_units = _renamed(table, path)
    if glacier is not None and "glacier" not in cells:
        cells["glacier"] = glacier
    dates = () if default_dates and "year" in cells else ("begin", "end")
    missing = [name for name in ("glacier", "value", *dates) if name not in cells]
    if missing:
        names = "; ".join(" or ".join(COLUMN_NAMES[name]) for name in missing)
        found = ", ".join(table.columns.drop(NOTE))
        raise InvalidParamsError(f"{path}: no column {', '.join(missing)}; such as {names}; found {found}")
    for name in {"begin", "end", "kind", "season"} - set(cells):
        cells[name] = ""
    cells["season"] = _translated(cells["season"], SEASON_SPELLINGS)
    cells["kind"] = _translated(cells["kind"], KIND_SPELLINGS)
    own_units = {unit.lower() for unit in header_units.values()}
    if own_units - set(PER_METRE) or len(own_units) > 1:
        known = ", ".join(PER_METRE)
        raise InvalidParamsError(f"{path}: units {header_units} in the header; expected one of {known} for both")
    own_unit = next(iter(own_units), None)
    if own_unit and "unit" in cells:
        raise InvalidParamsError(f"{path}: unit {own_unit!r} in the header and a column of units; leave one out")
    return settle(cells, Path(path).name, own_unit or unit, default_dates, hemisphere)


def _translated(cells: pd.Series, names: dict[str, str]) -> pd.Series:
    """Translate cells to our names; unknown ones are kept and reported later."""
    known = cells.str.strip().str.lower().where(~is_missing(cells), "")
    return known.map(names).fillna(known)


def _renamed(table: pd.DataFrame, path: str | Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Rename columns to our names, and return the units in the headers of value and sigma."""
    ours = {theirs: name for name, all_theirs in COLUMN_NAMES.items() for theirs in all_theirs}
    found: dict[str, str] = {}
    units: dict[str, str] = {}
    for column in table.columns.drop(NOTE):
        plain, unit = unit_of(column)
        name = ours.get(plain)
        if name is None:
            log.info("%s: column %r is not used", path, column)
            continue
        if name == "glacier" and name in found and ({plain, unit_of(found[name])[0]} & set(RGI_NAMES)):
            # An id of the inventory tells more than a name.
            found[name] = column if plain in RGI_NAMES else found[name]
            continue
        if name in found:
            raise InvalidParamsError(f"{path}: columns {found[name]!r} and {column!r} both are {name}; leave one out")
        found[name] = column
        if unit is not None and name in ("value", "sigma"):
            units[name] = unit
    return table[[*found.values(), NOTE]].set_axis([*found, NOTE], axis=1), units
