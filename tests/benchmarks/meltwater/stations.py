"""Stations of the Greenland Climate Network: melt days of the temperature index against lowering of the surface.

No precipitation is known there: the index takes ice to lie bare, which holds at JAR2 (570 m) from June on. Thresholds
and parameters of the surface layer are tuned on the other years of the station.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from oggm_glaunti.companions.meltwater.baselines import tuned_threshold
from oggm_glaunti.companions.meltwater.scores import f1_of
from oggm_glaunti.companions.meltwater.water_fit import fit_water, water_of
from tests.benchmarks.meltwater.lines import Verdict, head
from tests.real.measured import shared_data

LOWERING = 0.010  # m a day
MONTHS = (5, 9)
ONSET_DAYS, YEARS_WITH_ONSET = 7, 4
F1_GAIN = 0.02
RELIABLE = {"jar2": range(1999, 2005), "jar1": range(1996, 2002)}


class Station(NamedTuple):
    """A station's summers."""

    time: np.ndarray
    year: np.ndarray
    temp: np.ndarray
    wet: np.ndarray  # NaN where the height is not known


def read_station(name: str) -> Station:
    table = pd.read_csv(shared_data() / f"data/greenland_aws/{name}_daily.csv", parse_dates=["date"]).set_index("date")
    table = table.asfreq("D")
    # Height falls by more than a centimetre a day, smoothed over three days; jumps of raised masts are no melt.
    fall = -table[["sh1", "sh2"]].diff().where(lambda d: d.abs() < 0.2).mean(axis=1)
    smooth = fall.rolling(3, center=True, min_periods=3).mean()
    table["wet"] = np.where(smooth.isna(), np.nan, smooth > LOWERING)
    table = table[table.index.month.isin(range(MONTHS[0], MONTHS[1] + 1)) & table.index.year.isin(RELIABLE[name])]
    return Station(table.index.to_numpy(), table.index.year.to_numpy(), table.temp.to_numpy(), table.wet.to_numpy())


def melt_of(temp: np.ndarray) -> np.ndarray:
    """Melt of bare ice by the published temperature index, m w.e. a day."""
    from oggm_glaunti.core.melt import terms_step
    from oggm_glaunti.core.weights import embedded_a

    nothing = np.zeros_like(temp, np.float32)
    _, terms = terms_step(embedded_a().ti.resolve())(nothing, temp.astype(np.float32), nothing, np.float32(1.0))
    return np.asarray(terms.melt_snow + terms.melt_ice)


def onset(time: np.ndarray, wet: np.ndarray) -> np.datetime64 | None:
    """The first melt day from which on five of seven days melt."""
    is_wet = wet > 0.5
    week = np.lib.stride_tricks.sliding_window_view(is_wet, 7).sum(axis=1)
    run = is_wet[:-6] & (week >= 5)
    return time[int(run.argmax())].astype("datetime64[D]") if run.any() else None


def smoothed_f1(name: str) -> float:
    """F1 of the raw melt's mean of three days, its threshold tuned on other years: lowering is smoothed like that."""
    station = read_station(name)
    known = np.isfinite(station.temp)
    melt = pd.Series(melt_of(np.where(known, station.temp, -10.0))).rolling(3, center=True, min_periods=1).mean()
    observed, values, found = np.where(known, station.wet, np.nan), melt.to_numpy(), np.zeros(melt.size, bool)
    for year in np.unique(station.year):
        own, others = station.year == year, station.year != year
        found[own] = values[own] > tuned_threshold(values[others], observed[others]).threshold
    seen = np.isfinite(observed)
    return f1_of(found[seen], observed[seen] > 0.5)


def judge(name: str) -> tuple[dict[int, int | None], float, float]:
    station = read_station(name)
    known_temp = np.isfinite(station.temp)
    temp = np.where(known_temp, station.temp, -10.0)
    observed = np.where(known_temp, station.wet, np.nan)
    melt, rain = melt_of(temp), np.zeros(temp.size)
    starts = np.flatnonzero(np.r_[True, np.diff(station.year) > 0])
    by_melt, by_water = np.zeros(temp.size, bool), np.zeros(temp.size, bool)
    lags: dict[int, int | None] = {}
    for year in np.unique(station.year):
        own, others = station.year == year, np.flatnonzero(station.year != year)
        raw = tuned_threshold(melt[others], observed[others])
        fitted = fit_water(melt, rain, temp, observed, others, starts=starts)
        water = water_of(fitted.parameters, melt, rain, temp, 18.0, starts)
        by_melt[own], by_water[own] = melt[own] > raw.threshold, water[own] > fitted.rule.threshold
        seen = own & np.isfinite(observed)
        hits, wet = int((by_melt & (observed > 0.5) & seen).sum()), int(((observed > 0.5) & seen).sum())
        false = int((by_melt & (observed < 0.5) & seen).sum())
        dry = int(((observed < 0.5) & seen).sum())
        first = onset(station.time[own], observed[own]), onset(station.time[own], by_melt[own].astype(float))
        lags[int(year)] = None if None in first else int((first[1] - first[0]).astype(int))
        rates = f"hit rate {hits / max(wet, 1):.2f} of {wet}, false alarms {false / max(dry, 1):.2f} of {dry} days"
        print(f"  {name} {year}: {rates}, onset {first[0]} observed, {lags[int(year)]} days later by the index")
    seen = np.isfinite(observed)
    truth = observed[seen] > 0.5
    return lags, f1_of(by_water[seen], truth), f1_of(by_melt[seen], truth)


def runoff_spread() -> None:
    """Two regional models into Sermilik: what any physics predictor has to be read against."""
    path = shared_data() / "data/southeast_greenland_runoff/runoff_m3s.csv.gz"
    table = pd.read_csv(path, parse_dates=["time"], index_col="time")[["30_MAR_ice", "30_RACMO_ice"]]
    table.columns = ["MAR", "RACMO"]
    for year, of_year in table.groupby(table.index.year):
        above = {m: of_year.index[of_year[m] > 0.1 * of_year[m].max()] for m in table}
        text = ", ".join(f"{m} {days[0]:%d %b} to {days[-1]:%d %b}" for m, days in above.items())
        print(f"  Sermilik {year}, days above a tenth of the largest: {text}")
    summer = table[table.index.month.isin((6, 7, 8))]
    print(f"  days correlate {table.corr().iloc[0, 1]:.2f} (June to August {summer.corr().iloc[0, 1]:.2f}); RACMO "
          f"{table.RACMO.sum() / table.MAR.sum():.2f} of MAR")  # fmt: skip


def run() -> list[Verdict]:
    head("Greenland stations: melt days by the temperature index against lowering above 10 mm a day")
    verdicts = []
    for name in RELIABLE:
        lags, of_water, of_melt = judge(name)
        near = sum(lag is not None and abs(lag) <= ONSET_DAYS for lag in lags.values())
        what = f"{name}: onset within {ONSET_DAYS} days in {near} of {len(lags)} years, >= {YEARS_WITH_ONSET}"
        verdicts.append(Verdict(what, near >= YEARS_WITH_ONSET))
        print(f"  {name}: F1 of raw melt {of_melt:.3f}, of its mean of three days {smoothed_f1(name):.3f}, of water "
              f"{of_water:.3f}")  # fmt: skip
        what = f"{name}: F1 of GlaUnTI's water {of_water:.3f} minus that of raw melt {of_melt:.3f} >= {F1_GAIN}"
        verdicts.append(Verdict(what, of_water - of_melt >= F1_GAIN))
    head("Two regional models of the runoff into Sermilik (Helheim)")
    runoff_spread()
    return verdicts
