"""Runs before 1678 and after 2262, the limits of nanoseconds: time axes and numbers are as today's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from oggm_glaunti import tasks
from oggm_glaunti.coupling.weather.file import read_daily_climate, write_daily_climate
from oggm_glaunti.graphics.inverse import plot_forcing_series
from tests.region.synthetic import daily_series, make_directories

A = {"model": "A"}
# Four hundred years have whole weeks and the same leap years.
CYCLE = np.timedelta64(146097, "D")


@pytest.fixture
def gdir(oggm_env):
    return make_directories(1, oggm_env, years=3, last_year=2003)[0]


def smb(gdir) -> tuple:
    found = tasks.glaunti_smb(gdir, mb_kwargs=A)
    with xr.open_dataset(gdir.get_filepath("glaunti_smb"), decode_times=xr.coders.CFDatetimeCoder(time_unit="s")) as ds:
        return found["time"], ds["time"].values, found["smb"]


def attributed(gdir) -> tuple:
    last = int(read_daily_climate(gdir).ye)
    ds = tasks.attribute_year(gdir, year=last, reference=(last - 1, last - 1), mb_kwargs=A)
    return ds["time"].values, ds["temp_daily"].values


def uncertain(gdir) -> tuple:
    ds = tasks.smb_uncertainty(gdir, parameters="priors", mb_kwargs=A)
    return ds["time"].values, ds["smb"].values


def inverted(gdir) -> tuple:
    found = tasks.invert_forcing(gdir, target=-0.5, resolution="monthly", prior=1.0, mb_kwargs=A)
    plot_forcing_series(found)
    return found.change.index.to_numpy(), found.change["dT"].to_numpy()


def measured(gdir) -> tuple:
    found = tasks.where_to_measure(gdir, mb_kwargs=A)
    return found.table["begin"].to_numpy(), found.maps["end"].values, found.table["reduction"].to_numpy()


@pytest.mark.slow
@pytest.mark.parametrize("run", [smb, attributed, uncertain, inverted, measured])
def test_years_far_away_are_run_as_those_of_today(run, gdir):
    climate = read_daily_climate(gdir)
    *times, values = run(gdir)
    for shift in (-CYCLE, CYCLE):
        write_daily_climate(gdir, replace(daily_series(climate), time=climate.time + shift))
        *others, again = run(gdir)
        np.testing.assert_array_equal(values, again)
        for time, other in zip(times, others, strict=True):
            np.testing.assert_array_equal(time.astype("M8[D]") + shift, other.astype("M8[D]"))
