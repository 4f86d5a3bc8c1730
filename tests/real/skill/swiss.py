"""Six Swiss glaciers: dated stakes of GLAMOS under the mean weather of their CAMELS-CH catchments, 1981-2020.

The catchment's weather is taken to be that of its mean elevation. Otemma, the seventh glacier of the stakes that lies
in a catchment (2117), was measured in one of these years only and is left out. Winter rows that begin on the day on
which they end (all of Rhone and Pers) have no dates: 127 rows are left out, and so is an annual row of two years. What
remains are annual balances of all six and winter balances of Aletsch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from oggm_glaunti.fit.observations import as_observations
from tests.real.skill.sites import SkillSet, Weather, site_without_directory

CATCHMENTS = {
    "aletsch": 2161,
    "rhone": 2268,
    "gietro": 2117,
    "corbassiere": 2117,
    "pers": 2262,
    "morteratsch": 2262,
}


def ch(shared: Path) -> SkillSet:
    """The set ``ch``."""
    stakes = pd.read_csv(shared / "data" / "ch_stakes" / "CH_topographical_features.csv")
    sites = []
    for name, catchment in CATCHMENTS.items():
        own = stakes[stakes["GLACIER"] == name]
        table = as_observations(
            {
                "glacier": own["GLACIER"],
                "kind": "point",
                "season": own["PERIOD"],
                "begin": own["FROM_DATE"],
                "end": own["TO_DATE"],
                "height": own["POINT_ELEVATION"],
                "value": own["POINT_BALANCE"] / 1000.0,
                "source": "GLAMOS",
            }
        )
        sites.append(site_without_directory(catchment_weather(shared, catchment), table))
    return SkillSet("ch", sites)


def catchment_weather(shared: Path, catchment: int) -> Weather:
    """Daily means over a CAMELS-CH catchment."""
    folder = shared / "data" / "camels_ch_glaciers"
    days = pd.read_csv(folder / f"CAMELS_CH_obs_based_{catchment}.csv", parse_dates=["date"])
    places = pd.read_csv(folder / "CAMELS_CH_topographic_attributes.csv", comment="#", encoding="latin-1")
    height = places.set_index("gauge_id")["elev_mean"].loc[catchment]
    return Weather(
        days["date"].to_numpy().astype("M8[D]"),
        days["temperature_mean(degC)"].to_numpy(np.float32)[None],
        days["precipitation(mm/d)"].to_numpy(np.float32)[None] / 1000.0,
        float(height),
    )
