"""Daily weather made from months against the true days: ``python -m tests.real.monthly_to_daily`` prints the scores.

The daily weather of the Massa (CAMELS-CH 2161, catchment of Grosser Aletsch) is averaged to months and made daily
again. Model A's annual balance at 2000 to 3800 m with that weather is compared with the one with the true days. The
within-month standard deviation of temperature is that of each month of the true days, as OGGM's W5E5 files have it, or
its calendar means over 1981-1990. The reference for wet days, where there is one, is 1981-1990 too, outside the years
compared; the default statistics come from other catchments.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests import glaciers
from tests.real.measured import shared_data

HEIGHTS = np.arange(2000.0, 3801.0, 100.0)
YEARS = np.arange(1991, 2020)
REFERENCE = {"reference": "", "reference_years": (1981, 1990)}
FIRST_MONTH = {"mass-balance years (1 October-30 September)": -3, "calendar years": 0}


class Scores(NamedTuple):
    """Bias and RMSE over all heights and years, the same of single heights, and the correlation over the years."""

    bias: float
    rmse: float
    lowest_bias: float
    highest_bias: float
    highest_rmse: float
    lowest_r: float
    mean_r: float


def write_months(gdir, shared: Path) -> None:
    """The true days once more as ``_true_daily``, and their months with temp_std as ``climate_historical_true.nc``."""
    from oggm_glaunti.coupling.weather.task import process_daily_climate

    path = shared / "data/camels_ch_glaciers/CAMELS_CH_obs_based_2161.csv"
    process_daily_climate(gdir, path=path, also_monthly=True, filesuffix="_true_daily", **glaciers.CAMELS)


def write_by_month(gdir, interpolated: bool) -> None:
    """No noise at all: months as steps, or temperature interpolated between them; precipitation the same every day."""
    from oggm_glaunti.coupling.weather.file import read_daily_climate, write_daily_climate
    from oggm_glaunti.coupling.weather.monthly_interpolation import Months, keep_means
    from oggm_glaunti.coupling.weather.series import DailySeries

    true = read_daily_climate(gdir)
    months = Months.of_days(true.time)
    mean = months.mean(true.temp)
    temp = keep_means(months, mean) if interpolated else mean[months.index]
    values = (values.astype(np.float32) for values in (temp, 1000 * months.mean(true.prcp)[months.index]))
    place = true.ref_hgt, true.ref_pix_lon, true.ref_pix_lat
    write_daily_climate(gdir, DailySeries(true.time, *values, *place, "by month", "test"), "_by_month_daily")


def balances(gdir, input_filesuffix: str) -> dict[str, np.ndarray]:
    """Annual balance of model A (years, heights), m w.e., by kind of year."""
    from oggm_glaunti import GlaUnTIMassBalanceA

    table = GlaUnTIMassBalanceA(gdir, input_filesuffix=input_filesuffix).table().table
    months = table.smb.reshape(-1, table.heights.size)[:, np.searchsorted(table.heights, HEIGHTS)]
    first = 12 * (YEARS - table.years[0])
    return {
        kind: np.stack([months[begin + shift : begin + shift + 12].sum(axis=0) for begin in first])
        for kind, shift in FIRST_MONTH.items()
    }


def made(gdir, **arguments) -> dict[str, np.ndarray]:
    """The same with weather made from the months; arguments as of ``process_daily_climate``."""
    from oggm_glaunti.coupling.weather.task import process_daily_climate

    process_daily_climate(gdir, source="monthly", input_filesuffix="_true", filesuffix="_made_daily", **arguments)
    return balances(gdir, "_made")


def scores(found: np.ndarray, true: np.ndarray) -> Scores:
    """Of balances (years, heights)."""
    error = found - true
    r = np.array([np.corrcoef(found[:, k], true[:, k])[0, 1] for k in range(HEIGHTS.size)])
    bias, rmse = error.mean(axis=0), np.sqrt((error**2).mean(axis=0))
    return Scores(error.mean(), np.sqrt((error**2).mean()), bias.min(), bias.max(), rmse.max(), r.min(), r.mean())


def reference_std(gdir) -> np.ndarray:
    """Within-month standard deviation of the true daily temperatures, calendar means over the reference years."""
    from oggm_glaunti.coupling.weather.file import read_daily_climate
    from oggm_glaunti.coupling.weather.statistics import statistics_of

    days = read_daily_climate(gdir).select(*REFERENCE["reference_years"])
    return statistics_of(days.time, days.temp, 1000 * days.prcp, "reference").temp_std


def cases(gdir, shared: Path) -> dict[str, dict[str, np.ndarray]]:
    """Balances by what they are made with."""
    from dataclasses import replace

    from oggm_glaunti.coupling.weather.statistics import ALPINE

    write_months(gdir, shared)
    found = {"true": balances(gdir, "")}
    for name, interpolated in (("monthly steps", False), ("temperature interpolated", True)):
        write_by_month(gdir, interpolated)
        found[name] = balances(gdir, "_by_month")
    found["one realisation"] = made(gdir, n_realisations=1)
    found["five"] = made(gdir)
    for seed in (1, 2, 3, 4):
        found[f"five, seed {seed}"] = made(gdir, seed=seed)
    found["five, reference 1981-1990"] = made(gdir, **REFERENCE)
    std = reference_std(gdir)
    found["five, temp_std by calendar month"] = made(gdir, temp_std=std)
    found["five, that and the reference"] = made(gdir, temp_std=std, **REFERENCE)
    apart = replace(ALPINE, correlation=np.zeros(12))
    found["five, wet days as warm as dry ones"] = made(gdir, statistics=apart)
    found["twenty"] = made(gdir, n_realisations=20)
    return found


def main() -> None:
    """Print all scores."""
    shared = shared_data()
    with tempfile.TemporaryDirectory() as folder:
        gdir = glaciers.prepare_aletsch(Path(folder), shared)
        found = cases(gdir, shared)
    true = found.pop("true")
    print(f"Model A at {HEIGHTS[0]:.0f}-{HEIGHTS[-1]:.0f} m every 100 m, {YEARS[0]}-{YEARS[-1]}, m w.e. a year.")
    for kind in FIRST_MONTH:
        print(f"\n{kind}\n{'weather':36} {'bias':>7} {'RMSE':>6} {'r':>6}   bias by height   largest RMSE  lowest r")
        for name, balance in found.items():
            s = scores(balance[kind], true[kind])
            print(
                f"{name:36} {s.bias:+7.3f} {s.rmse:6.3f} {s.mean_r:6.3f}   {s.lowest_bias:+.3f}..{s.highest_bias:+.3f}"
                f"   {s.highest_rmse:12.3f}  {s.lowest_r:8.3f}"
            )


if __name__ == "__main__":
    main()
