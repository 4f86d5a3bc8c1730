"""A polar glacier made by code: the invented valley glacier of the demo under cold and dry weather."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from oggm_glaunti.workflows import valley

MEAN = -11.0  # degC at 2900 m
SWING = 1.5  # of the seasons and the weather, times those of the demo
DRY = 0.35  # of its precipitation


def polar_weather(first_year: int = 1981, last_year: int = 2020) -> pd.DataFrame:
    """Daily ``temp`` (degC) and ``prcp`` (mm) at 2900 m: 23 K colder in winter and 4 K in summer than the demo's."""
    weather = valley.daily_weather(first_year, last_year)
    temp = MEAN + SWING * (weather["temp"] - weather["temp"].mean())
    return pd.DataFrame({"temp": temp, "prcp": DRY * weather["prcp"]})


def prepare_cold_valley(working_dir: Path, first_year: int = 1981, last_year: int = 2020):
    """The glacier's directory with inversion flowlines and daily weather; OGGM is initialised in `working_dir`."""
    from oggm_glaunti.coupling.weather.task import process_daily_climate

    gdir = valley.make_valley_glacier(working_dir)
    path = Path(gdir.dir) / "polar_weather.csv"
    path.write_text(polar_weather(first_year, last_year).to_csv(date_format="%Y-%m-%d"))
    options = {"ref_hgt": valley.WEATHER_HEIGHT, "temp_units": "degC", "prcp_units": "mm/day"}
    process_daily_climate(gdir, source="custom", path=path, **options)
    return gdir
