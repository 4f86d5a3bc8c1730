"""WGMS, Fluctuations of Glaciers (doi 10.5904/wgms-fog): whole glaciers, elevation bands and points.

Tables of the older layout have upper-case columns and mm w.e., those of the newer one lower-case columns and m w.e.
OGGM's copies of them (``mbdata_WGMS-00491.csv``, ``profile_WGMS-00491.csv``) are read as well, and the points of
MassBalanceMachine (https://github.com/ODINN-SciML/MassBalanceMachine), which have the newer layout.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.text.table import NOTE, is_missing, parse_numbers, read_table
from oggm_glaunti.fit.names import SEASONS
from oggm_glaunti.fit.observations import FEWEST_FOR_UNIT, MOST_A_YEAR, Read
from oggm_glaunti.fit.readers.seasons import one_row_each
from oggm_glaunti.fit.readers.settle import settle

# Our name of a column: its names in the files, lower case, in order of preference.
COMMON_NAMES = {"glacier": ("rgi_id", "rgiid", "glacier_name", "name"), "year": ("year",)}
POINT_NAMES = COMMON_NAMES | {
    "begin": ("begin_date", "from_date"),
    "end": ("end_date", "to_date"),
    "lat": ("latitude", "point_lat"),
    "lon": ("longitude", "point_lon"),
    "height": ("elevation", "point_elevation"),
    "value": ("balance", "point_balance"),
    "sigma": ("balance_unc", "point_balance_unc", "point_balance_uncertainty"),
    "code": ("balance_code", "point_balance_code", "period"),
}
BALANCE_NAMES = COMMON_NAMES | {
    "wgms_id": ("wgms_id", "glacier_id"),
    "begin": ("begin_date", "begin_period"),
    "mid": ("midseason_date", "end_winter"),
    "end": ("end_date", "end_period"),
    "low": ("lower_bound", "lower_elevation"),
    "high": ("upper_bound", "upper_elevation"),
    **{season: (f"{season}_balance",) for season in SEASONS},
    **{f"{season}_sigma": (f"{season}_balance_unc",) for season in SEASONS},
}
CODES = {name: season for season in SEASONS for name in (season, f"b{season[0]}")}
# In place of a bound in metres: the row is of the whole glacier.
WHOLE_GLACIER = "9999"


def read_fog_points(
    path: str | Path, unit: str | None = None, default_dates: bool = False, hemisphere: str | None = None
) -> Read:
    """Read point balances of either layout; `glacier` is the name given in the file.

    Parameters
    ----------
    path : path
        ``mass_balance_point.csv`` or a part of it
    unit : {'m', 'mm'}, optional
        unit of the balances; default: mm for the older (upper-case) layout, m for the newer one
    default_dates : bool
        use nominal dates of the mass-balance year if a date is missing or has unknown parts (``20109999``); by default
        such rows are rejected
    hemisphere : {'nh', 'sh'}, optional
        for nominal dates of rows with neither a latitude nor an id of the Randolph Glacier Inventory; by default such
        rows are rejected

    Raises
    ------
    InvalidParamsError
        if the file is not such a table, or its values are obviously not in the unit

    Notes
    -----
    Rows whose ``balance_code`` is not annual, winter or summer (``index``) are rejected.
    """
    table = read_table(path)
    cells = _renamed_to_ours(table, POINT_NAMES, path)
    unit = unit or _unit_of_layout(table)
    require_mm(cells["value"], unit, path)
    code = cells["code"].str.strip().str.lower()
    cells["season"] = code.map(CODES).fillna("balance code '" + cells["code"] + "'")
    cells["kind"] = "point"
    return settle(cells.drop(columns="code"), "WGMS points", unit, default_dates, hemisphere)


def read_mass_balance_machine(
    path: str | Path, default_dates: bool = False, hemisphere: str | None = None, unit: str = "m"
) -> Read:
    """Read MassBalanceMachine's points of a region; `glacier` is the RGI id if the file has it, otherwise the name.

    Parameters
    ----------
    path : path
        such as ``01_Alaska.csv``: ``glacier_name;year;begin_date;end_date;latitude;longitude;elevation;balance;...``,
        or the cleaned layout: ``YEAR, FROM_DATE, TO_DATE, POINT_LAT, POINT_LON, POINT_ELEVATION, POINT_BALANCE, PERIOD,
        RGIId``
    default_dates, hemisphere
        see :func:`read_fog_points`
    unit : {'m', 'mm'}
        unit of the balances; tables that are not cleaned may be in mm
    """
    points = read_fog_points(path, unit, default_dates, hemisphere)
    points.observations["source"] = points.observations["source"].replace("WGMS points", "MassBalanceMachine")
    return points


def read_wgms_balances(
    path: str | Path,
    dates: str | Path | None = None,
    glacier: str | None = None,
    unit: str | None = None,
    default_dates: bool = False,
    hemisphere: str | None = None,
) -> Read:
    """Read winter, summer and annual balances of whole glaciers and, if the table has bounds, of elevation bands.

    Parameters
    ----------
    path : path
        the WGMS's tables of either layout, or OGGM's ``mbdata_WGMS-00491.csv``
    dates : path, optional
        OGGM's ``mb_overview_seasonal_mb_time_periods_*.csv``, for tables without dates
    glacier : str, optional
        name for all rows; default: the RGI id of the row if the table has one, otherwise its name
    unit, default_dates, hemisphere
        see :func:`read_fog_points`

    Raises
    ------
    InvalidParamsError
        if a file is not such a table, or its values are obviously not in the unit
    """
    table = read_table(path)
    rows = _renamed_to_ours(table, BALANCE_NAMES, path)
    balances = pd.concat([rows[name] for name in ("winter", "summer", "annual")])
    unit = unit or _unit_of_layout(table)
    require_mm(balances, unit, path)
    if glacier is not None:
        rows["glacier"] = glacier
    rows = rows if dates is None else with_dates(rows, dates)
    low, high = (parse_numbers(rows[name].str.strip().replace(WHOLE_GLACIER, ""), name)[0] for name in ("low", "high"))
    band = low.notna() & high.notna()
    rows["kind"] = np.where(band, "point", "glacier-wide")
    for name, values in (("height", (low + high) / 2), ("height_range", high - low)):
        rows[name] = values.map("{:g}".format).where(band, "")
    rows = rows.drop(columns=["low", "high"])
    return settle(one_row_each(rows), "WGMS", unit, default_dates, hemisphere)


def read_wgms_profiles(
    path: str | Path,
    dates: str | Path | None = None,
    glacier: str | None = None,
    default_dates: bool = False,
    hemisphere: str | None = None,
) -> Read:
    """Read OGGM's ``profile_WGMS-00491.csv``: annual balances, mm w.e., a row for each year, a column for each height.

    Parameters
    ----------
    path : path
        ``profile_WGMS-*.csv``
    dates, default_dates, hemisphere
        see :func:`read_wgms_balances`
    glacier : str, optional
        name for all rows; default: taken from the name of the file, such as ``WGMS-00491``

    Returns
    -------
    Read
        points; `height_range` is the most frequent distance between the heights of the year

    Raises
    ------
    InvalidParamsError
        if a file is not such a table
    """
    table = read_table(path, sep=",")
    heights = table.columns[1:].drop(NOTE)
    if heights.empty or not all(re.fullmatch(r"-?\d+(\.\d+)?", name) for name in heights):
        raise InvalidParamsError(f"{path}: expected heights in m as names of columns, found {list(heights)}")
    wgms_id = re.search(r"WGMS-(\d+)", Path(path).name)
    cells = _one_height_each(table.rename(columns={table.columns[0]: "year"}))
    cells["glacier"] = glacier or (f"WGMS-{wgms_id[1]}" if wgms_id else Path(path).stem)
    if dates is not None and wgms_id:
        cells = with_dates(cells.assign(wgms_id=wgms_id[1]), dates)
    return settle(cells, "WGMS bands", "mm", default_dates, hemisphere)


def _one_height_each(table: pd.DataFrame) -> pd.DataFrame:
    values = table.drop(columns=["year", NOTE])
    heights = values.columns.astype(float).to_numpy()
    there = ~values.apply(is_missing)
    cells = values.where(there).melt(ignore_index=False, var_name="height", value_name="value").dropna(subset="value")
    empty = pd.DataFrame({"height": "", "value": ""}, index=table.index[~there.any(axis=1)])
    cells = pd.concat([cells, empty]).rename_axis("row").sort_index(kind="stable")
    widths = pd.Series([_most_frequent_step(heights[row]) for row in there.to_numpy()], table.index)
    cells = cells.assign(**table[["year", NOTE]], height_range=widths.map("{:g}".format))
    return cells.assign(kind="point", season="annual", begin="", end="")


def _most_frequent_step(heights: np.ndarray) -> float:
    """Return the most frequent distance of neighbouring heights, 0 if there is only one height."""
    if heights.size < 2:
        return 0.0
    steps, counts = np.unique(np.diff(np.sort(heights)), return_counts=True)
    return float(steps[counts.argmax()])


def with_dates(rows: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """Add dates of OGGM's overview of seasons to rows with ``wgms_id`` and ``year``; empty if it has none.

    Parameters
    ----------
    rows : DataFrame of str
        with the columns ``wgms_id`` and ``year``
    path : path
        CSV with the columns ``Year, WGMS_ID, BEGIN_PERIOD, END_WINTER, END_PERIOD``

    Raises
    ------
    InvalidParamsError
        if the file is not such a table
    """
    names = {"BEGIN_PERIOD": "begin", "END_WINTER": "mid", "END_PERIOD": "end"}
    table = read_table(path, needed=["Year", "WGMS_ID", *names])
    known = table[list(names)].rename(columns=names).set_index(_glacier_years(table["WGMS_ID"], table["Year"]))
    known = known[~known.index.duplicated()]
    mine = _glacier_years(rows["wgms_id"], rows["year"])
    return rows.assign(**{name: known[name].reindex(mine).fillna("").to_numpy() for name in names.values()})


def _glacier_years(*cells: pd.Series) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([pd.to_numeric(c, errors="coerce").fillna(-1).astype(int) for c in cells])


def _renamed_to_ours(table: pd.DataFrame, names: dict[str, tuple[str, ...]], path: str | Path) -> pd.DataFrame:
    """Rename columns to our names; optional ones that the file lacks are empty."""
    lower = {name.lower(): name for name in table.columns}
    found = {ours: next((lower[name] for name in theirs if name in lower), None) for ours, theirs in names.items()}
    needed = ("glacier", "year", "value" if "value" in names else "annual")
    missing = [" or ".join(names[ours]) for ours in needed if found[ours] is None]
    if missing:
        raise InvalidParamsError(f"{path}: no column {', '.join(missing)}; found {', '.join(table.columns)}")
    columns = {ours: table[theirs] if theirs else "" for ours, theirs in found.items()}
    return pd.DataFrame({**columns, NOTE: table[NOTE]}, index=table.index)


def _unit_of_layout(table: pd.DataFrame) -> str:
    return "mm" if all(name == name.upper() for name in table.columns.drop(NOTE)) else "m"


def require_mm(cells: pd.Series, unit: str, path: str | Path, remedy: str = "give unit='m'") -> None:
    """Refuse balances in m taken for mm: these are whole numbers, or exceed 25."""
    values = parse_numbers(cells, "value")[0].dropna()
    most = values.abs().max()
    if unit == "mm" and values.size >= FEWEST_FOR_UNIT and most <= MOST_A_YEAR and (values % 1 != 0).any():
        raise InvalidParamsError(f"{path}: no balance is above {most:g} mm, so they look like m w.e.; {remedy}")
