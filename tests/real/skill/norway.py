"""Four Norwegian glaciers at Jostedalsbreen: NVE's dated stakes and glacier-wide balances under ERA5-Land, 1962-2020.

ERA5-Land comes with the stakes, by month and for the mass-balance years of the stakes alone. Months that a cell lacks
are those of the cell that has all (1382 m), with the mean difference of temperature of the calendar month and the
ratio of precipitation over the months that both have; months before October 1961 and after September 2020 are means of
the calendar month. The months are made daily by the package's own generator (`draw_daily_weather`, five realisations,
within-month statistics of :data:`~oggm_glaunti.coupling.weather.statistics.ALPINE`, a standard deviation of daily
temperature of 3.2 K: those of the Alpine catchments are 2.8 to 4.2).

Periods are cut to October to September, the months that the stakes came with: a stake set in June says nothing of that
summer. Stakes whose first date is unknown have summer balances only.

A glacier sees the weather of the cell with most of its stakes, at that cell's height. Whole glaciers have the
hypsometry of the RGI 6, and the years for which that cell came with its months, so that none of them is filled.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oggm_glaunti.coupling.weather.monthly_interpolation import Months
from oggm_glaunti.coupling.weather.monthly_weather import MonthlyWeather, draw_daily_weather
from oggm_glaunti.coupling.weather.statistics import ALPINE
from oggm_glaunti.fit.calibration.sites import Surface
from tests.real.skill.sites import SkillSet, Weather, site_without_directory

STAKES = ("data_train_all_job_rdsplit.csv", "data_test_job_rdsplit.csv")
MONTHS = ("oct", "nov", "des", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep")
RECORD = "1961-01", "2020-12"
REALISATIONS = 5
TEMP_STD = 3.2  # K
KELVIN = 273.15


def norway(shared: Path) -> SkillSet:
    """The set ``norway``."""
    cells, (stakes, cell_of) = cell_weather(shared), stake_balances(shared)
    own = {name: stakes["glacier"] == name for name in stakes["glacier"].unique()}
    return SkillSet(
        "norway",
        [site_without_directory(cells.daily(commonest(cell_of[o]), name), stakes[o]) for name, o in own.items()],
    )


def norway_wide(shared: Path) -> SkillSet:
    """The set ``norway_wide``."""
    from oggm_glaunti.fit.readers import read_nve_glacier_wide

    cells, (stakes, cell_of) = cell_weather(shared), stake_balances(shared)
    path = shared / "data" / "norway_stakes" / "massbalance_glacierwide_norway.csv"
    table = read_nve_glacier_wide(path, default_dates=True).observations
    sites = []
    for name in stakes["glacier"].unique():
        cell = commonest(cell_of[stakes["glacier"] == name])
        own = (table["glacier"] == name) & table["end"].dt.year.isin(cells.years(cell))
        weather, surface = cells.daily(cell, name), hypsometry(shared, name)
        sites.append(site_without_directory(weather, within_mass_balance_year(table[own]), surface))
    return SkillSet("norway_wide", sites)


def commonest(cells: NDArray[np.float64]) -> float:
    """The cell with most of a glacier's stakes."""
    found, counts = np.unique(cells, return_counts=True)
    return float(found[counts.argmax()])


def stake_balances(shared: Path) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Winter, summer and annual balances of the stakes, and the height of the cell of each, which names it."""
    from oggm_glaunti.fit.readers import read_nve_stakes

    tables, cells = [], []
    for name in STAKES:
        path = shared / "data" / "norway_era5land" / name
        read = read_nve_stakes(path)
        tables.append(within_mass_balance_year(read.observations))
        cells.append(pd.read_csv(path)["altitude_climate"].to_numpy()[read.rows - 2])
    return pd.concat(tables, ignore_index=True), np.concatenate(cells)


def within_mass_balance_year(table: pd.DataFrame) -> pd.DataFrame:
    """Cut periods to the mass-balance year, 1 October to 30 September."""
    year = table["end"].dt.year.astype(str)
    first = pd.to_datetime((table["end"].dt.year - 1).astype(str) + "-10-01")
    last = pd.to_datetime(year + "-09-30")
    begin = table["begin"].where(table["begin"] >= first, first)
    return table.assign(begin=begin, end=table["end"].where(table["end"] <= last, last))


def hypsometry(shared: Path, rgi_id: str) -> Surface:
    """Area by bands of 50 m, in thousandths of the glacier's."""
    table = pd.read_csv(shared / "data" / "norway_peers" / "08_rgi60_Scandinavia_hypso.csv", skipinitialspace=True)
    table.columns = table.columns.str.strip()
    heights = [name for name in table if name.isdigit()]
    row = table[table["RGIId"].str.strip() == rgi_id][heights].iloc[0].astype(float)
    row = row[row > 0]
    return Surface(row.index.to_numpy().astype(float), row.to_numpy())


class CellWeather:
    """Monthly temperature (degC) and precipitation (kg m-2) of the cells (columns, named by height), and their days."""

    def __init__(self, temp: pd.DataFrame, prcp: pd.DataFrame) -> None:
        """Fill what is missing."""
        self.known = temp.notna()
        self.temp, self.prcp = filled(temp, _difference), filled(prcp, _ratio)
        self.months = Months.between(*RECORD)

    def years(self, cell: float) -> list[int]:
        """Mass-balance years whose months a cell came with."""
        july = self.known[cell][self.known.index.month == 7]
        return july.index.year[july].tolist()

    def daily(self, cell: float, rgi_id: str) -> Weather:
        """Days of a cell, drawn for a glacier."""
        std = np.full(self.months.days.size, TEMP_STD)
        weather = MonthlyWeather(self.months, self.temp[cell].to_numpy(), self.prcp[cell].to_numpy(), std)
        drawn = [draw_daily_weather(weather, ALPINE, rgi_id, k + 1) for k in range(REALISATIONS)]
        temp, prcp = (np.stack(values) for values in zip(*drawn, strict=True))
        return Weather(self.months.time, temp, prcp / np.float32(1000.0), float(cell))


def cell_weather(shared: Path) -> CellWeather:
    """The months of all cells, without gaps."""
    stakes = pd.concat([pd.read_csv(shared / "data" / "norway_era5land" / name) for name in STAKES])
    ends = pd.to_datetime(stakes["dt_curr_year_max_date"], format="%d.%m.%Y %H:%M").dt.year.rename("year")
    cells = stakes.groupby([stakes["altitude_climate"], ends])
    index = pd.period_range(*RECORD, freq="M")
    temp = _by_month(cells[[f"t2m_{month}" for month in MONTHS]].first() - KELVIN).reindex(index)
    daily_sum = _by_month(cells[[f"tp_{month}" for month in MONTHS]].first()).reindex(index)
    prcp = daily_sum.mul(1000.0 * index.days_in_month.to_numpy(), axis=0)
    return CellWeather(temp, prcp)


def _by_month(table: pd.DataFrame) -> pd.DataFrame:
    """Turn rows (cell, mass-balance year) of twelve months from October into rows of months, a column for each cell."""
    columns = {}
    for cell, rows in table.groupby(level=0):
        first = [pd.Period(f"{year - 1}-10", "M") for year in rows.index.get_level_values("year")]
        index = [month + k for month in first for k in range(12)]
        columns[cell] = pd.Series(rows.to_numpy().ravel(), pd.PeriodIndex(index, freq="M"))
    return pd.DataFrame(columns)


def filled(values: pd.DataFrame, as_cell: Callable[[pd.Series, pd.Series], pd.Series]) -> pd.DataFrame:
    """Fill the months that cells lack from the cell that has most, and those that all lack by calendar means."""
    calendar = values.index.month
    best = values[values.notna().sum().idxmax()]
    best = best.fillna(best.groupby(calendar).transform("mean"))
    return values.apply(lambda cell: cell.fillna(as_cell(cell, best)))


def _difference(cell: pd.Series, best: pd.Series) -> pd.Series:
    month = cell.index.month
    return best + (cell - best).groupby(month).transform("mean")


def _ratio(cell: pd.Series, best: pd.Series) -> pd.Series:
    both = cell.notna()
    return best * (cell[both].sum() / best[both].sum())
