"""Daily means of the stations in the Rofental from their hourly files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from oggm_glaunti.files import write_text

if TYPE_CHECKING:
    import pandas as pd

ZERO_CELSIUS = 273.15  # K
# Hourly values that a day needs.
_FEWEST_HOURS = 20
# Columns that are made from an hourly file, and the variable in it.
_FILES = {
    "openamundsen-examples/2dcfa7088251e2894b98976cd952058da56466e4/data/rofental/meteo/csv/latschbloder.csv": {
        "temp_latschbloder": "temp",
        "prcp_latschbloder": "precip",
    },
    # An older release, whose precipitation before 2018 is too low by a factor of 5 to 6.
    "testdata/f0370ff38e5343f5fe3a57a6e206d776da8d8dd1/meteo/rofental/csv/latschbloder.csv": {
        "temp_latschbloder_testdata": "temp"
    },
    "openamundsen-examples/c13f860cdfe5762524deec452e9c977c9f3a1bd4/data/rofental/meteo/csv/bellavista.csv": {
        "temp_bellavista": "temp",
        "prcp_bellavista": "precip",
    },
    "openamundsen-examples/c13f860cdfe5762524deec452e9c977c9f3a1bd4/data/rofental/meteo/csv/proviantdepot.csv": {
        "temp_proviantdepot": "temp",
        "prcp_proviantdepot": "precip",
    },
}


def daily_means(hourly: pd.DataFrame, name: str) -> pd.Series:
    """Return daily values of an hourly variable, NaN where a day has fewer than 20 hours.

    Parameters
    ----------
    hourly : DataFrame
        by time, with ``temp`` in K or ``precip`` in mm an hour
    name : str
        ``temp`` or ``precip``

    Returns
    -------
    Series
        mean temperature in degC, to 0.001; sum of precipitation in mm

    Examples
    --------
    >>> import pandas as pd
    >>> hours = pd.date_range("2020-01-01", periods=40, freq="h")
    >>> daily_means(pd.DataFrame({"temp": 274.15}, hours), "temp").to_list()
    [1.0, nan]
    """
    days = (hourly[name] - ZERO_CELSIUS if name == "temp" else hourly[name]).resample("D")
    values = days.mean().round(3) if name == "temp" else days.sum().round(3)
    return values.where(days.count() >= _FEWEST_HOURS)


def make_daily_station_means(downloaded: Path, folder: Path) -> None:
    """Write ``daily_station_means.csv``: the days on which any station has a value, and those between."""
    import pandas as pd

    columns: dict[str, pd.Series] = {}
    for file, wanted in _FILES.items():
        hourly = pd.read_csv(downloaded / file, index_col=0, parse_dates=True)
        columns |= {column: daily_means(hourly, name) for column, name in wanted.items()}
    table = pd.DataFrame(columns).rename_axis("date")
    known = table.index[table.notna().any(axis="columns")]
    write_text(folder / "daily_station_means.csv", table.loc[known[0] : known[-1]].to_csv(date_format="%Y-%m-%d"))
