"""Glacier directories and observations as a data set."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oggm_glaunti import settings
from oggm_glaunti.coupling.gridded.periods import Period, default_period
from oggm_glaunti.coupling.ground.features import read_features
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.coupling.ground.surface import open_surface, require_surface
from oggm_glaunti.coupling.oggm.balance_year import FIRST_MONTH, balance_year_of
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError
from oggm_glaunti.coupling.weather.file import read_daily_climate
from oggm_glaunti.fit.data import tables
from oggm_glaunti.fit.data.year import GlacierData, Observed, YearMaps
from oggm_glaunti.fit.names import SEASONS, TRAINING_FOLD
from oggm_glaunti.fit.observations import check_observations

log = logging.getLogger(__name__)

# Dates of seasons that are the begin, the middle and the end of a mass-balance year.
DATES_OF = {
    "begin": (("annual", "begin"), ("winter", "begin")),
    "mid": (("winter", "end"), ("summer", "begin")),
    "end": (("annual", "end"), ("summer", "end")),
}


def dataset_from_gdirs(
    gdirs: Iterable[GlacierDirectory],
    observations: pd.DataFrame,
    folds: Mapping[str, int] | None = None,
    surface: str = "fixed",
) -> list[GlacierData]:
    """Make a data set of glacier directories and a table of observations.

    Parameters
    ----------
    gdirs : iterable of GlacierDirectory
        with ``climate_historical_daily`` and ``glaunti_features``
    observations : DataFrame
        see :data:`oggm_glaunti.fit.observations.COLUMNS`; ``glacier`` is the RGI id. The begin, middle and end of a
        mass-balance year are those of its glacier-wide balances, otherwise the medians of its points, otherwise
        1 October and 30 September (south: 1 April and 31 March) without a middle. Points need a position (x and y, or
        lat and lon); bands, free dates and geodetic balances are left out and counted, rows of other glaciers are
        ignored. Of several glacier-wide balances of a season the first is used
    folds : mapping, optional
        ``{rgi_id: fold}``: 0 test, 1 validation; all other glaciers are for training
    surface : {'fixed', 'yearly'}
        elevation and its uncertainty: from ``glaunti_features.nc`` for all years, or for each mass-balance year from
        ``glaunti_dem_stack.nc``, as in the published training (the nearest year for years outside the file)

    Returns
    -------
    list of GlacierData
        in the order of the directories

    Raises
    ------
    InvalidParamsError, InvalidWorkflowError
        if the table lacks columns, `folds` names other glaciers, or a directory lacks files

    Examples
    --------
    >>> read = oggm_glaunti.fit.readers.from_gdir(gdir)  # doctest: +SKIP
    >>> dataset_from_gdirs([gdir], read.observations)  # doctest: +SKIP
    """
    gdirs, folds = list(gdirs), dict(folds or {})
    unknown = sorted(set(folds) - {gdir.rgi_id for gdir in gdirs})
    if unknown:
        raise InvalidParamsError(f"folds: no glacier directory of {', '.join(unknown)}")
    good, bad = check_observations(observations)
    return [_one_glacier(gdir, good, bad, folds.get(gdir.rgi_id, TRAINING_FOLD), surface) for gdir in gdirs]


def _one_glacier(gdir: GlacierDirectory, good: pd.DataFrame, bad: pd.DataFrame, fold: int, surface: str) -> GlacierData:
    source = DirectorySource(gdir, surface)
    own, wrong = good[good["glacier"] == gdir.rgi_id], bad[bad["glacier"] == gdir.rgi_id]
    findings = tables.Findings()
    for row, what in zip(wrong["row"], wrong["problem"], strict=True):
        findings.add(gdir.rgi_id, row, what)
    used = _of_a_season(own, findings)
    # The mass-balance year in which the middle of the period of each row lies.
    middle = used["begin"] + (used["end"] - used["begin"]) / 2
    used = used.assign(year=balance_year_of(middle.to_numpy(), FIRST_MONTH[source.hemisphere]))
    periods = _find_periods(used, source.hemisphere, gdir.rgi_id, findings)
    points = _points(used[used["kind"] == "point"], source.grid, gdir.rgi_id, findings)
    glacier = _glacier_wide(used[used["kind"] == "glacier-wide"], periods, gdir.rgi_id, findings)
    for problem in findings.problems:
        log.warning("%s", problem)
    observed = Observed(periods, glacier, tables.only_in_seasons(points, periods, findings))
    about: dict[str, Any] = {"wgms_name": str(gdir.name or ""), "fold": fold, "region": str(gdir.rgi_region)}
    about |= {"problems": tuple(findings.problems), "left_out": findings.left_out}
    return GlacierData(gdir.rgi_id, source, observed, **about)


class DirectorySource:
    """Maps and weather of a glacier directory; see :class:`~oggm_glaunti.fit.data.year.GlacierSource`."""

    def __init__(self, gdir: GlacierDirectory, surface: str = "fixed"):
        require_surface(surface, gdir.rgi_id)
        self._features, self._climate = read_features(gdir), read_daily_climate(gdir)
        years = self._climate.years
        self._surface = open_surface(gdir, self._features, years) if surface == "yearly" else None
        features, half = self._features, settings.CELL_SIZE / 2
        self.grid = CellGrid(features.crs, features.x[0] - half, features.y[0] + half, features.shape)
        self.shape, self.hemisphere = features.shape, gdir.hemisphere
        self.first, self.last = self._climate.time[0], self._climate.time[-1]

    def place(self, year: int, facies: bool) -> YearMaps:
        """Return the maps of the directory; elevation and its uncertainty are of the year if the surface moves."""
        of = self._features if self._surface is None else self._surface.features_of(year)
        return YearMaps(of.outline, of.elevation, of.elevation_std, of.facies if facies else None)

    def forcing(self, begin: np.datetime64, end: np.datetime64, elevation: NDArray[np.float32]) -> Any:
        """Return the daily series from `begin` to `end`, transferred to the cells with the lapse rate."""
        from oggm_glaunti.core.forcing import StationForcing

        climate = self._climate
        rows = slice(*(int((day - self.first).astype(int)) for day in (begin, end + 1)))
        offset = settings.param("glaunti_temp_gradient") * (elevation - climate.ref_hgt)
        return StationForcing(climate.temp[rows], climate.prcp[rows], offset.astype(np.float32))


def _of_a_season(table: pd.DataFrame, findings: tables.Findings) -> pd.DataFrame:
    """Keep rows with a season and, for points, a position; the others are counted."""
    placed = (table["x"].notna() & table["y"].notna()) | (table["lat"].notna() & table["lon"].notna())
    others = {
        "geodetic": table["kind"] == "geodetic",
        "free dates": (table["kind"] != "geodetic") & ~table["season"].isin(SEASONS),
        "band or point without a place": (table["kind"] == "point") & table["season"].isin(SEASONS) & ~placed,
    }
    for what, of_these in others.items():
        findings.count(what, int(of_these.sum()))
    return table[~pd.concat(others, axis=1).any(axis=1)]


def _find_periods(table: pd.DataFrame, hemisphere: str, rgi_id: str, findings: tables.Findings) -> dict[int, Period]:
    """Find the dates of the years with any observation."""
    periods = {}
    for year, rows in table.groupby("year"):
        default = default_period(int(year), hemisphere)
        found = {name: _date(rows, columns) for name, columns in DATES_OF.items()}
        period = Period(int(year), found["begin"] or default.begin, found["mid"], found["end"] or default.end)
        if what := tables.order_problem(period):
            findings.add(rgi_id, None, f"{year}: {what}; default dates are used")
        periods[int(year)] = default if what else period
    return periods


def _date(rows: pd.DataFrame, columns: tuple[tuple[str, str], ...]) -> np.datetime64 | None:
    """Find a date of a year: that of its glacier-wide balances, otherwise the median of its points."""
    for kind in ("glacier-wide", "point"):
        of_kind = rows[rows["kind"] == kind]
        days = [of_kind.loc[of_kind["season"] == season, column] for season, column in columns]
        found = next((d for d in days if len(d)), None)
        if found is not None:
            return np.sort(found.to_numpy().astype("M8[D]"))[len(found) // 2]
    return None


def _points(table: pd.DataFrame, grid: CellGrid, rgi_id: str, findings: tables.Findings) -> pd.DataFrame:
    if not len(table):
        return tables.no_points()
    row, col = tables.cells_at(table["x"].to_numpy(), table["y"].to_numpy(), grid, grid.crs)
    by_degrees = tables.cells_at(table["lon"].to_numpy(), table["lat"].to_numpy(), grid)
    row, col = (np.where(np.isnan(row + col), other, own) for own, other in zip((row, col), by_degrees, strict=True))
    points = table[["year", "season", "begin", "end", "value"]].assign(row=row, col=col)
    outside = ~tables.inside(row, col, grid)
    where = f"lies outside the rectangle of {grid.shape[0]} x {grid.shape[1]} cells"
    return tables.valid_points(points, {where: outside}, rgi_id, findings)


def _glacier_wide(
    table: pd.DataFrame, periods: dict[int, Period], rgi_id: str, findings: tables.Findings
) -> dict[tuple[int, str], float]:
    glacier: dict[tuple[int, str], float] = {}
    for index, entry in table.iterrows():
        year, season = int(entry["year"]), entry["season"]
        if season != "annual" and periods[year].mid is None:
            findings.count(tables.NO_MID.format("glacier-wide"))
        elif (year, season) in glacier:
            findings.add(rgi_id, index, f"a second glacier-wide {season} balance of {year}")
        else:
            glacier[year, season] = float(entry["value"])
    return glacier
