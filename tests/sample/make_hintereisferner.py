"""The files of the sample glacier from the shared data: ``python -m tests.sample.make_hintereisferner``.

What each file holds, from where and how, stands in the README beside them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

HEF = "RGI60-11.00897"
# Degrees around the outline's bounding box: 5.5 km, OGGM's border of 80 cells of 50 m and what resampling needs.
MARGIN = {"lon": 0.0725, "lat": 0.05}
WEATHER_YEARS = ("2014", "2022")
# K. Median difference of the days that both have, 2017-2023.
LATSCHBLODER_MINUS_BELLA_VISTA = -0.57
BAND_YEARS = (2015, 2020)
# m w.e. a year, of OGGM's table of Hugonnet et al. (2021): dmdtda and err_dmdtda of 2000-01-01_2020-01-01.
GEODETIC = {"begin": "2000-01-01", "end": "2019-12-31", "years": 20, "rate": -1.1003, "error": 0.1718}


def make_outline(folder: Path, shared: Path) -> Path:
    """The outline of the RGI 6.0 as GeoJSON."""
    import geopandas as gpd

    outline = gpd.read_file(shared / "data/oggm-sample-data/test-files/Hintereisferner_RGI6.shp")
    path = folder / "outline.geojson"
    path.write_text(json.dumps(json.loads(outline.to_json(drop_id=True)), separators=(",", ":")) + "\n", "utf-8")
    return path


def make_dem(folder: Path, shared: Path) -> Path:
    """SRTM around the outline: its own cells, not resampled."""
    import geopandas as gpd
    import rasterio
    from rasterio.windows import from_bounds

    outline = gpd.read_file(folder / "outline.geojson")
    west, south, east, north = outline.total_bounds + np.array([-1, -1, 1, 1]) * [*MARGIN.values(), *MARGIN.values()]
    path = folder / "dem.tif"
    with rasterio.open(shared / "data/oggm-sample-data/test-workflow/srtm_oetztal.tif") as source:
        window = from_bounds(west, south, east, north, source.transform).round_offsets().round_lengths()
        about = {"driver": "GTiff", "count": 1, "dtype": "int16", "crs": "EPSG:4326", "compress": "deflate"}
        about |= {"height": int(window.height), "width": int(window.width), "predictor": 2}
        with rasterio.open(path, "w", transform=source.window_transform(window), **about) as target:
            target.write(source.read(1, window=window), 1)
    return path


def first_of(columns: dict[str, pd.Series]) -> tuple[pd.Series, pd.Series]:
    """The first value that there is on a day, and the name of its column."""
    table = pd.DataFrame(columns)
    there = table.notna()
    return table.bfill(axis=1).iloc[:, 0], there.idxmax(axis=1).where(there.any(axis=1), "")


def make_weather(folder: Path, shared: Path) -> Path:
    """Daily temperature (degC) and precipitation (mm) at Latschbloder, with the origin of each."""
    stations = pd.read_csv(
        shared / "data/rofental_openamundsen/daily_station_means.csv", index_col="date", parse_dates=True
    )
    stations = stations.asfreq("D")
    temp, temp_from = first_of(
        {
            "latschbloder": stations["temp_latschbloder"],
            "latschbloder early": stations["temp_latschbloder_testdata"],
            "bella vista": stations["temp_bellavista"] + LATSCHBLODER_MINUS_BELLA_VISTA,
        }
    )
    prcp, prcp_from = first_of(
        {"latschbloder": stations["prcp_latschbloder"], "proviantdepot": stations["prcp_proviantdepot"]}
    )
    weather = pd.DataFrame({"temp": temp.interpolate().round(3), "prcp": prcp.fillna(0.0)})
    weather = weather.assign(
        temp_from=temp_from.replace("", "interpolated"), prcp_from=prcp_from.replace("", "set to zero")
    )
    path = folder / "weather.csv"
    weather.loc[slice(*WEATHER_YEARS)].to_csv(path, date_format="%Y-%m-%d", lineterminator="\n")
    return path


def make_observations(folder: Path, shared: Path) -> Path:
    """Bands, whole glacier and geodetic balance in the package's own table."""
    from oggm_glaunti.fit import as_observations, write_csv
    from oggm_glaunti.fit.readers import read_wgms_balances, read_wgms_profiles

    wgms = shared / "data/oggm-sample-data/wgms"
    dates = wgms / "mb_overview_seasonal_mb_time_periods_20220301.csv"
    bands = read_wgms_profiles(wgms / "mb_profiles/profile_WGMS-00491.csv", dates, HEF, default_dates=True)
    whole = read_wgms_balances(wgms / "mbdata/mbdata_WGMS-00491.csv", dates, HEF, default_dates=True)
    geodetic = as_observations(
        {
            **{"glacier": [HEF], "kind": "geodetic", "begin": GEODETIC["begin"], "end": GEODETIC["end"]},
            **{"value": GEODETIC["rate"] * GEODETIC["years"], "sigma": GEODETIC["error"] * GEODETIC["years"]},
            "source": "Hugonnet et al. 2021",
        }
    )
    chosen = bands.observations[bands.observations["end"].dt.year.between(*BAND_YEARS)]
    path = folder / "observations.csv"
    write_csv(path, pd.concat([chosen, whole.observations, geodetic], ignore_index=True))
    return path


MAKERS = (make_outline, make_dem, make_weather, make_observations)


def main() -> None:
    """Make all files anew."""
    from oggm_glaunti.sample.hef_files import FOLDER
    from tests.real.measured import shared_data

    for make in MAKERS:
        path = make(FOLDER, shared_data())
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
