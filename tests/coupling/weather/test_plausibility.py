"""Weather that is read without a fault and is wrong: what is refused, what is warned of, and which cause is named."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
from oggm.exceptions import InvalidParamsError

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.coupling.weather import plausibility
from oggm_glaunti.coupling.weather.file import read_daily_climate
from oggm_glaunti.coupling.weather.plausibility import implausible_balances, require_plausible, summary
from oggm_glaunti.coupling.weather.series import DailySeries
from oggm_glaunti.coupling.weather.task import process_daily_climate

from .test_task import Gdir

STATION = {"temp_units": "degC", "prcp_units": "mm/day", "ref_hgt": 2919.0}


@pytest.fixture
def gdir(oggm_env, tmp_path) -> Gdir:
    return Gdir(tmp_path / "glacier")


def series(lat=46.8, height=2919.0, warmest=6.0, coldest=-10.0, prcp=1164.0, years=("2001", "2004")) -> DailySeries:
    """A year's course with noise; on average every third day is wet."""
    days = np.arange(f"{years[0]}-01-01", f"{int(years[1]) + 1}-01-01", dtype="M8[D]")
    rng = np.random.default_rng(1)
    month = days.astype("M8[M]").astype(int) % 12
    course = np.cos(2 * np.pi * (month - (6 if lat >= 0 else 0)) / 12)
    noise = rng.normal(0, 3, days.size)
    noise -= (np.bincount(month, noise) / np.bincount(month))[month]
    temp = 0.5 * (warmest + coldest) + 0.5 * (warmest - coldest) * course + noise
    rain = np.where(rng.random(days.size) < 1 / 3, rng.gamma(0.8, 1, days.size), 0.0)
    rain *= prcp / 365.25 / rain.mean()
    values = (values.astype(np.float32) for values in (temp, rain))
    return DailySeries(days, *values, height, 10.8, lat, "CUSTOM_daily", "weather.csv")


@pytest.fixture
def judged(caplog):
    """A function from a series to ('error' or 'warning', what is said), or None if nothing is."""

    def judge(daily: DailySeries) -> tuple[str, str] | None:
        caplog.clear()
        try:
            require_plausible("RGI60-11.00897", daily)
        except InvalidParamsError as err:
            return "error", str(err)
        return ("warning", caplog.messages[0]) if caplog.messages else None

    return judge


# --- files that misled the package -----------------------------------------------------------------------------------

REFUSED = {
    "fahrenheit": ("42.7 degC", "2919 m", "expected 1 (-12 to 18)", "degrees Fahrenheit (the warmest month has 6.0"),
    "prcp_m": ("precipitation is 1.164 mm a year", "expected 125 to 10000", "in m a day (1164 mm a year then)"),
    "prcp_kgm2s": ("precipitation is 0.01348 mm a year", "in kg m-2 s-1 (1164 mm a year then)"),
    "dry": ("prcp is 0 mm on all 1461 days",),
    "zeros": ("temp is 0 degC on all 1461 days",),
}  # fmt: skip


@pytest.mark.parametrize(("name", "said"), REFUSED.items())
def test_what_no_glacier_has_is_refused_with_the_likely_unit_and_nothing_is_written(name, said, gdir, shared):
    path = shared / "cases" / "weather" / f"{name}.csv"
    with pytest.raises(InvalidParamsError) as error:
        process_daily_climate(gdir, source="custom", path=path, **STATION)
    for words in (f"{gdir.rgi_id}: {name}.csv", *said, "check=False"):
        assert words in str(error.value)
    assert not [*Path(gdir.dir).glob("*.nc")]


WARNED = {
    "prcp_cm": (2919.0, "116.4 mm a year", "cm a day (1164 mm a year then), or the values are in mm an hour"),
    "control": (0.0, "6.0 degC", "ref_hgt 0 m", "expected 20 (10 to 32)", "-14 K", "wrong ref_hgt; about 2200 m"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "given"), WARNED.items())
def test_what_is_unusual_is_written_with_a_warning(name, given, gdir, shared, caplog):
    height, *said = given
    path = shared / "cases" / "weather" / f"{name}.csv"
    process_daily_climate(gdir, source="custom", path=path, **{**STATION, "ref_hgt": height})
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [words for words in said if words not in warning] == []
    assert read_daily_climate(gdir).ref_hgt == height


def test_the_control_passes_without_a_warning_and_its_summary_is_logged_and_kept(gdir, shared, caplog):
    caplog.set_level(logging.INFO)
    path = shared / "cases" / "weather" / "control.csv"
    process_daily_climate(gdir, source="custom", path=path, **STATION)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    told = (
        "1461 days, 2015-2018: mean -2.6 degC, warmest month 6.0 degC (July), 1164 mm a year, wettest day 68.4 mm, "
        "at 2919 m"
    )
    assert f"{gdir.rgi_id}: control.csv: {told}" in caplog.messages
    with netCDF4.Dataset(gdir.get_filepath("climate_historical", filesuffix="_daily")) as nc:
        assert nc.glaunti_summary == told


def test_people_on_other_planets_switch_it_off(gdir, shared):
    path = shared / "cases" / "weather" / "fahrenheit.csv"
    process_daily_climate(gdir, source="custom", path=path, check=False, **STATION)
    assert read_daily_climate(gdir).temp.mean() == pytest.approx(27.3, abs=0.05)


# --- their kind ------------------------------------------------------------------------------------------------------

ALPS = series()


@pytest.mark.parametrize(
    ("changed", "severity", "said"),
    [
        (replace(ALPS, prcp=10 * ALPS.prcp), "warning", "tenths of mm a day (1164 mm a year then)"),
        (replace(ALPS, prcp=ALPS.prcp / 25.4), "warning", "inches a day (1164 mm a year then)"),
        (replace(ALPS, prcp=ALPS.prcp / 24), "warning", "mm an hour (1164 mm a year then)"),
        (replace(ALPS, prcp=30.4375 * ALPS.prcp), "error", "mm a month (1164 mm a year then)"),
        (replace(ALPS, temp=10 * ALPS.temp), "error", "tenths of degC (the warmest month has 6.0 degC then)"),
        (replace(ALPS, temp=0.1 * ALPS.temp), "warning", "the warmest and the coldest month differ by 1.6 K"),
        (replace(ALPS, temp=-ALPS.temp), "error", "other hemisphere, or temperatures of the wrong sign"),
        (replace(ALPS, ref_pix_lat=-46.8), "error", "46.8 degrees south: the weather of the other hemisphere"),
        (replace(ALPS, ref_hgt=8500.0), "error", "ref_hgt is in feet; it would be 2591 m"),
        (replace(series(height=200.0, warmest=20.0), ref_hgt=2919.0), "warning", "about 0 m would fit"),
        (replace(ALPS, prcp=np.full_like(ALPS.prcp, 3.0)), "error", "prcp is 3 mm on all 1461 days"),
    ],
)
def test_units_signs_and_heights_are_told_from_the_values(changed, severity, said, judged):
    found = judged(changed)
    assert found is not None
    assert found[0] == severity
    assert said in found[1]


@pytest.mark.parametrize(
    ("name", "value", "times", "severity"),
    [
        ("temp", -32.768, 3, "error"),
        ("temp", -9.99, 8, "error"),
        ("prcp", 32.767, 4, "error"),
        ("prcp", 99.9, 4, "error"),
        ("prcp", 999.0, 3, "error"),
        ("prcp", 999.0, 1, "warning"),
        ("temp", -3.21, 40, "warning"),
        ("prcp", 12.5, 40, "warning"),
    ],
)
def test_values_that_stand_for_missing_ones_are_named(name, value, times, severity, judged):
    values = getattr(ALPS, name).copy()
    values[np.linspace(3, values.size - 3, times).astype(int)] = value
    found = judged(replace(ALPS, **{name: values}))
    assert found is not None
    assert found[0] == severity
    assert f"{name} is exactly {value:g}" in found[1] or (times == 1 and "999 mm on the wettest day" in found[1])


def test_values_rounded_to_whole_degrees_or_tenths_of_mm_are_not_fill_values(judged):
    long = series(years=("1961", "2020"))
    rounded = replace(long, temp=np.round(long.temp), prcp=np.round(long.prcp, 1))
    assert judged(rounded) is None
    assert judged(replace(long, temp=np.round(long.temp, 2), prcp=np.round(long.prcp))) is None


def test_a_year_without_any_precipitation_is_named(judged):
    prcp = np.where(plausibility.calendar_years(ALPS.time) == 2002, np.float32(0), ALPS.prcp)
    assert judged(replace(ALPS, prcp=prcp))[1].endswith("there is no precipitation at all in 2002")


def test_every_realisation_is_judged(judged):
    severity, said = judged(replace(ALPS, others=((ALPS.temp, ALPS.prcp), (ALPS.temp, ALPS.prcp / 1000))))
    assert severity == "error"
    assert "weather.csv, realisation 3: " in said


# --- weather as it is ------------------------------------------------------------------------------------------------

# Latitude, height (m), warmest and coldest month (degC), precipitation (mm a year), rounded: glaciers and places near
# them at the edges of what there is, stations and reanalyses.
WORLD = {
    "Vostok": (-78.5, 3488, -32, -68, 22),
    "South Pole": (-90, 2835, -28, -60, 50),
    "Dry Valleys": (-77.5, 50, -2, -31, 30),
    "King George Island": (-62.2, 20, 2, -7, 500),
    "Bouvet": (-54.4, 20, 2, -3, 700),
    "Kerguelen": (-49.3, 700, 4, -2, 2500),
    "Southern Patagonia, ice field": (-49.3, 1500, 3, -5, 10000),
    "El Calafate": (-50.3, 200, 13, 1, 180),
    "Cropp River, New Zealand": (-43.1, 860, 13, 3, 11500),
    "San Pedro de Atacama": (-22.9, 2450, 17, 8, 30),
    "Llullaillaco": (-24.7, 6000, -8, -17, 40),
    "Quelccaya": (-13.9, 5670, -3, -6, 1000),
    "Kilimanjaro": (-3.1, 5895, -6, -8, 400),
    "Puncak Jaya": (-4.1, 4800, 1, 0, 5000),
    "Antisana": (-0.5, 4800, 2, 0, 1000),
    "Sikkim": (27.7, 4500, 8, -7, 4000),
    "Everest, South Col": (27.97, 7950, -9, -26, 300),
    "Lhasa": (29.7, 3650, 17, -1, 430),
    "Tibet": (33.0, 4800, 9, -15, 250),
    "Leh": (34.2, 3500, 18, -8, 100),
    "Western Kunlun": (35.5, 5500, 3, -22, 60),
    "Kashgar": (39.5, 1290, 26, -6, 60),
    "Tien Shan": (42.0, 3640, 5, -22, 300),
    "Altai of Mongolia": (46.8, 3000, 7, -22, 130),
    "Jungfraujoch": (46.5, 3580, 0, -14, 2500),
    "Faroe Islands": (62.0, 100, 11, 4, 1500),
    "Alaska's coast": (59.5, 30, 13, -3, 4000),
    "Saint Elias Mountains": (60.3, 2000, -1, -16, 8000),
    "Vatnajokull": (64.3, 1500, 1, -9, 7000),
    "Jostedalsbreen": (61.7, 1400, 7, -12, 1900),
    "Hammerfest": (70.7, 80, 12, -5, 800),
    "Verkhoyansk": (67.6, 140, 16, -45, 180),
    "Suntar-Khayata": (62.6, 2068, 6, -30, 600),
    "Summit, Greenland": (72.6, 3216, -12, -42, 80),
    "Peary Land": (82.5, 100, 4, -30, 30),
    "Ellesmere": (80.0, 1700, -3, -36, 130),
    "Svalbard": (78.2, 20, 7, -14, 200),
    "Rudolf Island": (81.8, 50, 1, -24, 200),
}


@pytest.mark.parametrize("place", WORLD)
def test_places_at_the_edges_of_what_there_is_pass_without_a_word(place, judged):
    assert judged(series(*WORLD[place])) is None


@pytest.mark.parametrize("catchment", [2117, 2161, 2256, 2262, 2268, 2269])
def test_the_weather_of_alpine_catchments_passes_without_a_word(catchment, shared, judged):
    table = pd.read_csv(shared / f"data/camels_ch_glaciers/CAMELS_CH_obs_based_{catchment}.csv")
    temp, prcp = (table[name].to_numpy(np.float32) for name in ("temperature_mean(degC)", "precipitation(mm/d)"))
    height = 2929.36 if catchment == 2161 else 2650.0
    days = table["date"].to_numpy(str).astype("M8[D]")
    assert judged(DailySeries(days, temp, prcp, height, 8.0, 46.5, "CAMELS-CH", "table.csv")) is None


def test_reanalysed_weather_of_jostedalsbreen_passes_without_a_word(shared, judged):
    folder = shared / "data/norway_era5land"
    table = pd.concat([pd.read_csv(path) for path in sorted(folder.glob("data_*.csv"))])
    months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "des"]
    heights = []
    for height, rows in table.groupby("altitude_climate"):
        temp = [rows[f"t2m_{month}"].mean() - 273.15 for month in months]
        prcp = 1000 * 365.25 * np.mean([rows[f"tp_{month}"].mean() for month in months])
        assert judged(series(61.7, height, max(temp), min(temp), prcp)) is None, height
        heights.append(height)
    assert len(heights) == 10


def test_a_far_warmer_future_is_not_refused(judged):
    found = judged(series(warmest=6.0 + 10, coldest=-10.0 + 10))
    assert found is None
    assert judged(series(warmest=6.0 + 15, coldest=-10.0 + 15))[0] == "warning"


# --- summary and balances --------------------------------------------------------------------------------------------


def test_the_summary_holds_what_a_person_looks_at():
    assert re.fullmatch(
        r"1461 days, 2001-2004: mean -2\.\d degC, warmest month 6\.0 degC \(July\), 1164 mm a year, wettest day "
        r"\d+\.\d mm, at 2919 m",
        summary(ALPS),
    )


def test_balances_beyond_what_has_been_measured_are_named_by_glacier():
    measured = {"a": [-5.6, 4.7], "nothing": [np.nan, np.nan]}
    assert implausible_balances(measured) == {}
    found = implausible_balances(measured | {"fahrenheit": [-63.0, -60.0, np.nan], "wet": [1.0, 20.0, 1.0]})
    assert found == {
        "fahrenheit": "-63.0 to -60.0 m w.e. a year, 2 of 2 years outside -15 to 8",
        "wet": "1.0 to 20.0 m w.e. a year, 1 of 3 years outside -15 to 8",
    }


def test_a_region_warns_of_implausible_balances_and_of_how_many_more(caplog):
    from oggm_glaunti.workflows.region_chain import _Chain

    chain = _Chain.__new__(_Chain)
    chain._warn_implausible({f"RGI60-11.{number:05d}": [-30.0, -1.0] for number in range(12)} | {"good": [0.1, -1.0]})
    assert len(caplog.messages) == 11
    assert caplog.messages[0].startswith(
        "implausible balance: RGI60-11.00000: -30.0 to -1.0 m w.e. a year, 1 of 2 years"
    )
    assert caplog.messages[-1] == "implausible balance: 2 more glaciers"
