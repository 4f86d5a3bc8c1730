"""Observations of mass balance: one table for stakes, bands, whole glaciers and geodetic surveys.

Volumes of discharge (:mod:`oggm_glaunti.fit.readers.discharge`) are rows of the same table, in m w.e. over a catchment.

A table of observations is a plain :class:`pandas.DataFrame` with the columns of :data:`COLUMNS`. Readers of files are
in :mod:`oggm_glaunti.fit.readers`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import Transformer

from oggm_glaunti import settings
from oggm_glaunti.coupling.ground.features_file import Features, read_features
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.oggm.rgi_ids import region_of
from oggm_glaunti.coupling.oggm.rgi_regions import in_region
from oggm_glaunti.coupling.oggm.writing import writing
from oggm_glaunti.coupling.text.dates import as_days
from oggm_glaunti.fit.names import ALL_SEASONS, DISCHARGE, KINDS

COLUMNS: dict[str, str] = {
    "glacier": "str",
    "kind": "str",  # one of KINDS
    "season": "str",  # one of ALL_SEASONS
    "begin": "datetime64[ns]",  # first day; a day shared with the preceding period counts half in each
    "end": "datetime64[ns]",  # last day, likewise
    "lat": "float64",  # degrees north
    "lon": "float64",  # degrees east
    "x": "float64",  # m, in the projection of the glacier's own grid
    "y": "float64",
    "height": "float64",  # m above sea level; NaN for whole glaciers
    "height_range": "float64",  # m, full width of the band that the value is a mean of; 0 for a stake
    "value": "float64",  # m w.e., total from begin to end
    "sigma": "float64",  # m w.e., one standard deviation of that total
    "source": "str",
}

# m w.e. Stakes: 0.14 in the ablation and 0.21 in the accumulation area (Thibert et al. 2008, doi
# 10.3189/002214308785837093). Glacier-wide: mean random error of 0.34 a year of the glaciological method (Zemp et al.
# 2013, doi 10.5194/tc-7-1227-2013). Geodetic: m w.e. a YEAR, times the years of the period. Discharge: a year's weather
# is as wrong for a catchment as for a glacier (the sizes of errors that fits expect), for the half of it that is ice.
DEFAULT_SIGMA: dict[str, float] = {"point": 0.2, "glacier-wide": 0.34, "geodetic": 0.2, DISCHARGE: 0.25}

# m w.e. in a year or less. No stake is known to have lost or gained that much: at sea level in Patagonia and New
# Zealand ice melts by some 20 a year. A number far beyond it is in mm.
MOST_A_YEAR = 25.0
LIKELY_MM = 200.0
FEWEST_FOR_UNIT = 5  # balances from which the unit of a table is judged
HEIGHTS = (-500.0, 9000.0)  # m
# Shortest and longest period in days: visits vary by weeks, wrong dates are off by a year.
SEASON_DAYS: dict[str, tuple[int, int]] = {"annual": (200, 500), "winter": (60, 370), "summer": (14, 300)}
DAYS_A_YEAR = 365.25
YEARS = (1700, 2200)  # in a year outside these, a date is misspelt


class Read(NamedTuple):
    """Result of a reader.

    Attributes
    ----------
    observations : DataFrame
        valid rows, with the columns of :data:`COLUMNS`
    rejected : DataFrame
        invalid rows: ``row`` in the file as numbered by a spreadsheet (the header is row 1), ``glacier``, ``season`` of
        the balance (a row may hold three), and ``problem`` in words
    rows : int array (N,)
        row in the file of each observation; a row with winter, summer and annual balance appears three times
    """

    observations: pd.DataFrame
    rejected: pd.DataFrame
    rows: NDArray[np.int_]


def as_observations(columns: Mapping[str, Any] | pd.DataFrame) -> pd.DataFrame:
    """Complete a table to all columns of :data:`COLUMNS`; values are not checked.

    Parameters
    ----------
    columns : mapping or DataFrame
        at least ``glacier, kind, begin, end, value``. Defaults of the others: ``season`` ``'free'``, ``height_range``
        0, ``source`` ``''``, ``sigma`` from :data:`DEFAULT_SIGMA`, all else NaN. Dates may be text in any notation of
        :mod:`~oggm_glaunti.coupling.text.dates`, or integers 20181001

    Raises
    ------
    InvalidParamsError
        if a column is missing or unknown, or a date cannot be read or has more than one reading

    Examples
    --------
    >>> year = {"glacier": ["RGI60-11.00897"], "begin": "2018-10-01", "end": "2019-09-30"}
    >>> table = as_observations({**year, "kind": "point", "height": 2800.0, "value": -2.1})
    >>> table[["season", "height_range", "sigma"]].values.tolist()
    [['free', 0.0, 0.2]]
    """
    table = pd.DataFrame(columns).copy()
    missing = [name for name in ("glacier", "kind", "begin", "end", "value") if name not in table]
    if missing or set(table) - set(COLUMNS):
        raise InvalidParamsError(
            f"observations: expected columns among {list(COLUMNS)}, missing {missing}, "
            f"unknown {sorted(set(table) - set(COLUMNS))}"
        )
    table = table.reindex(columns=list(COLUMNS))
    for name, default in {"season": "free", "height_range": 0.0, "source": ""}.items():
        table[name] = table[name].astype(object).where(table[name].notna(), default)
    for name in ("begin", "end"):
        table[name] = _in_nanoseconds(as_days(table[name], name, "observations"))
    table = table.astype({name: kind for name, kind in COLUMNS.items() if kind != "str"})
    years = (_lengths(table) / DAYS_A_YEAR).where(table["kind"] == "geodetic", 1.0)
    return table.assign(sigma=table["sigma"].fillna(table["kind"].map(DEFAULT_SIGMA).astype(float) * years))


def _in_nanoseconds(days: pd.Series) -> pd.Series:
    try:
        return days.astype("datetime64[ns]")
    except pd.errors.OutOfBoundsDatetime as err:
        found = f"{days.name} {days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}"
        raise InvalidParamsError(f"observations: {found}; expected years 1678 to 2261") from err


def _lengths(table: pd.DataFrame) -> pd.Series:
    """Return the lengths of the periods in days."""
    return (table["end"] - table["begin"]).dt.days


def check_observations(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split a table into valid and invalid rows.

    Parameters
    ----------
    table : DataFrame
        columns of :data:`COLUMNS`, see :func:`as_observations`

    Returns
    -------
    good : DataFrame
        rows without a problem, with their index
    bad : DataFrame
        ``row`` (the index of `table`), ``glacier`` and ``problem``, everything that is wrong with the row in words

    Raises
    ------
    InvalidParamsError
        if columns are missing, unknown or of the wrong type

    Examples
    --------
    >>> year = {"glacier": "A", "season": "annual", "begin": "2018-10-01", "end": "2019-09-30"}
    >>> table = as_observations({**year, "kind": "glacier-wide", "value": [-0.8, -812.0]})
    >>> good, bad = check_observations(table)
    >>> len(good), bad.problem.tolist()
    (1, ['value -812 m w.e. looks like mm'])
    """
    _require_schema(table)
    return split(table, problems_of(table))


def _require_schema(table: pd.DataFrame) -> None:
    if list(table.columns) != list(COLUMNS):
        raise InvalidParamsError(f"observations: expected the columns {list(COLUMNS)}, found {list(table.columns)}")
    wrong = {name: str(table[name].dtype) for name, kind in COLUMNS.items() if kind not in ("str", table[name].dtype)}
    if wrong:
        raise InvalidParamsError(f"observations: columns of the wrong type: {wrong}; use as_observations")


def split(table: pd.DataFrame, problems: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split rows by what is wrong with each column, in words (empty: nothing); see :func:`check_observations`."""
    is_bad = (problems != "").any(axis=1).to_numpy(bool)
    words = ["; ".join(filter(None, row)) for row in problems.to_numpy()[is_bad]]
    bad = {"row": table.index[is_bad], "glacier": table["glacier"].to_numpy()[is_bad]}
    return table[~is_bad], pd.DataFrame({**bad, "problem": np.array(words, object)})


def problems_of(table: pd.DataFrame) -> pd.DataFrame:
    """Describe what is wrong with each row, by the column that it concerns.

    Parameters
    ----------
    table : DataFrame
        columns of :data:`COLUMNS`

    Returns
    -------
    DataFrame
        text, empty if nothing is wrong; index of `table`, a column for each kind of problem
    """
    # If kind or dates are invalid too, there is no default sigma, and they are reported.
    sigma = table["sigma"]
    by_default = sigma.isna() & (~table["kind"].isin(KINDS) | ~(_lengths(table) > 0))
    found = {
        "glacier": _describe(table["glacier"].fillna("") == "", "no glacier named"),
        **{
            name: _describe(~table[name].isin(known), f"{name} {{}} is none of {', '.join(known)}", table[name])
            for name, known in (("kind", KINDS), ("season", ALL_SEASONS))
        },
        "begin": _describe(table["begin"].isna(), "no begin date"),
        "end": _describe(table["end"].isna(), "no end date"),
        "days": _wrong_days(table),
        **_wrong_places(table),
        "value": _wrong_values(table),
        "sigma": _describe((~(sigma > 0) | np.isinf(sigma)) & ~by_default, "sigma {} is not above 0", sigma),
    }
    return pd.DataFrame(found, index=table.index).assign(repeated=_repeated(table))


def _describe(wrong: Any, words: str, *values: pd.Series) -> np.ndarray:
    """Return `words` with the row's values filled in for rows that are wrong, otherwise an empty text."""
    out = np.full(len(wrong), "", object)
    for row in np.flatnonzero(np.asarray(wrong, bool)):
        out[row] = words.format(*(_spelled(value.iloc[row]) for value in values))
    return out


def _spelled(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _wrong_days(table: pd.DataFrame) -> np.ndarray:
    """Find dates out of order, and periods too short or too long for their season."""
    days = _lengths(table)
    order = _describe(days <= 0, "end {} is not after begin {}", table["end"], table["begin"])
    low, high = (table["season"].map({name: limits[i] for name, limits in SEASON_DAYS.items()}) for i in (0, 1))
    words = "{} balance over {} days ({} to {}), expected {} to {}"
    wrong = (days > 0) & ((days < low) | (days > high))
    return order + _describe(wrong, words, table["season"], days, table["begin"], table["end"], low, high)


def _wrong_places(table: pd.DataFrame) -> dict[str, np.ndarray]:
    point = table["kind"] == "point"
    lat, lon, height, band = (table[name] for name in ("lat", "lon", "height", "height_range"))
    placed = (lat.notna() & lon.notna()) | (table["x"].notna() & table["y"].notna())
    region = table["glacier"].map(region_of).astype(float)
    elsewhere = ~in_region(region, lat, lon) & (lat.abs() <= 90) & (lon.abs() <= 360)
    swapped = elsewhere & in_region(region, lon, lat)
    words = "latitude {} with longitude {}: not in region {} of the glacier, but exchanged they are"
    return {
        "lat": _describe((lat.abs() > 90) | (lat.isna() & lon.notna()), "latitude {} with longitude {}", lat, lon),
        "region": _describe(swapped, words, lat, lon, region)
        + _describe(elsewhere & ~swapped, words.partition(", but")[0], lat, lon, region),
        "lon": _describe((lon.abs() > 360) | (lon.isna() & lat.notna()), "longitude {} with latitude {}", lon, lat),
        "x": _describe(table["x"].isna() != table["y"].isna(), "x {} with y {}", table["x"], table["y"]),
        "height": _describe(point & height.isna() & ~placed, "a point with neither height nor position")
        + _describe((height < HEIGHTS[0]) | (height > HEIGHTS[1]), "height {} m", height),
        "height_range": _describe(~(band >= 0) | np.isinf(band), "height_range {} m", band),
    }


def _wrong_values(table: pd.DataFrame) -> np.ndarray:
    value = table["value"]
    years = (_lengths(table) / DAYS_A_YEAR).fillna(1.0).clip(lower=1.0)
    excess = (value.abs() / years).where(np.isfinite(value), 0.0)
    too_large = (excess > MOST_A_YEAR) & (excess < LIKELY_MM)
    # Most of a table in mm look like it; the small balances among them are in mm as well.
    finite = int(np.isfinite(value).sum())
    all_mm = finite >= FEWEST_FOR_UNIT and 2 * int((excess >= LIKELY_MM).sum()) > finite
    small = np.isfinite(value) & (excess <= MOST_A_YEAR) & all_mm
    return (
        _describe(~np.isfinite(value), "no value")
        + _describe(small, "value {} m w.e. among balances that look like mm", value)
        + _describe(too_large, f"value {{}} m w.e., more than {MOST_A_YEAR:g} a year: invalid, or in mm", value)
        + _describe(excess >= LIKELY_MM, "value {} m w.e. looks like mm", value)
        + _describe((table["kind"] == DISCHARGE) & (value < 0), "discharge {} m w.e. is below 0", value)
    )


def _repeated(table: pd.DataFrame) -> np.ndarray:
    """Find rows that repeat an earlier one: they would count twice."""
    content = table.drop(columns=["sigma", "source"])
    again = content.duplicated() & content["begin"].notna() & content["end"].notna() & content["value"].notna()
    if not again.any():
        return np.full(len(table), "", object)
    rows = content.assign(row=table.index).groupby(list(content), dropna=False, sort=False)["row"].transform("first")
    return _describe(again, "the same as row {}", rows)


def on_grid(observations: pd.DataFrame, gdir_or_features: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute `x`, `y` of a glacier's points from `lat`, `lon`, and their missing heights from the DEM.

    Parameters
    ----------
    observations : DataFrame
        of one glacier; rows without a position (bands, whole glaciers, geodetic) are returned unchanged
    gdir_or_features : GlacierDirectory or Features
        grid and DEM: the directory's ``glaunti_features``

    Returns
    -------
    observations : DataFrame
        `x`, `y` in the projection of the grid (m); NaN in `height` replaced by the elevation of the cell
    rejected : DataFrame
        ``row, glacier, problem``: points outside the rectangle; they are never moved onto its edge

    Raises
    ------
    InvalidParamsError
        if the table is not one of observations
    InvalidWorkflowError
        if the directory has no ``glaunti_features``
    """
    _require_schema(observations)
    given = gdir_or_features
    features = given if isinstance(given, Features) else read_features(given)
    to_grid = Transformer.from_crs("EPSG:4326", features.crs, always_xy=True)
    lon, lat = observations["lon"], observations["lat"]
    x, y = to_grid.transform(lon.to_numpy(), lat.to_numpy())
    known = lat.notna() & lon.notna() & observations["x"].isna()
    placed = observations.assign(x=observations["x"].mask(known, x), y=observations["y"].mask(known, y))
    inside = placed.set_index(np.arange(len(placed)))
    row, column, outside = _cells(features, inside["x"], inside["y"])
    half = settings.CELL_SIZE / 2
    extent = f"x {features.x[0] - half:.0f} to {features.x[-1] + half:.0f}, "
    extent += f"y {features.y[-1] - half:.0f} to {features.y[0] + half:.0f}"
    words = f"x {{}}, y {{}} (latitude {{}}, longitude {{}}) is outside the glacier's rectangle, {extent}"
    wrong = _describe(outside, words, *(placed[name] for name in ("x", "y", "lat", "lon")))
    exchanged = outside & known.to_numpy() & (lon.abs() <= 90).to_numpy()
    if exchanged.any():
        there = to_grid.transform(lat[exchanged].to_numpy(), lon[exchanged].to_numpy())
        exchanged[exchanged] = ~_cells(features, *map(pd.Series, there))[2]
        wrong = wrong + _describe(exchanged, ", but inside if latitude and longitude are exchanged")
    fill = (inside["height"].isna() & inside["x"].notna() & ~outside).to_numpy()
    heights = placed["height"].to_numpy(copy=True)
    heights[fill] = features.elevation[row[fill].astype(int), column[fill].astype(int)]
    return split(placed.assign(height=heights), pd.DataFrame({"x": wrong}, index=placed.index))


def _cells(features: Features, x: pd.Series, y: pd.Series) -> tuple[pd.Series, pd.Series, NDArray[np.bool_]]:
    """Return row and column of places on the grid, and which are outside of it."""
    column = np.floor((x - features.x[0]) / settings.CELL_SIZE + 0.5)
    row = np.floor((features.y[0] - y) / settings.CELL_SIZE + 0.5)
    rows, columns = features.shape
    return row, column, ((column < 0) | (column >= columns) | (row < 0) | (row >= rows)).to_numpy()


def write_csv(path: str | Path, observations: pd.DataFrame) -> None:
    """Write a table that :func:`oggm_glaunti.fit.readers.read_csv` reads back unchanged.

    Parameters
    ----------
    path : path
        CSV file; replaced only when completely written
    observations : DataFrame
        columns of :data:`COLUMNS`

    Raises
    ------
    InvalidParamsError
        if the table is not one of observations
    InvalidWorkflowError
        if the file cannot be written
    """
    _require_schema(observations)
    with writing(path, "observations") as temporary:
        observations.to_csv(temporary, index=False, date_format="%Y-%m-%d", lineterminator="\n")
