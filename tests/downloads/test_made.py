"""What is made from downloads: Antarctica's maps from an archive, daily means from hourly files."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from oggm_glaunti.companions.meltwater import antarctica_archive as aa, read_antarctic_melt
from oggm_glaunti.sample import rofental

from .archives import pack

SHAPE = (5, 4)
DATES = ("2002-09-30", "2002-10-01", "2003-01-15", "2012-04-30", "2012-10-01", "2020-01-01", "2020-10-01")


@pytest.fixture
def maps(monkeypatch):
    rng = np.random.default_rng(0)
    static = {"elevation": rng.uniform(0, 3000, SHAPE), "mean_temperature": rng.uniform(220, 260, SHAPE)}
    static = {name: values.astype(np.float32) for name, values in static.items()}
    days = {date: rng.integers(-1, 3, SHAPE).astype(np.int8) for date in DATES}
    early, late = (np.stack([days[date] for date in DATES[part]]) for part in (slice(1, 4), slice(4, 6)))
    contents = {"melt_2002-2012.nc": early, "melt_2012-2020.nc": late, **static}
    digests = {name: hashlib.sha256(values.tobytes()).hexdigest() for name, values in contents.items()}
    monkeypatch.setattr(aa, "CONTENTS", digests)
    monkeypatch.setattr(aa, "SHAPE", SHAPE)
    return static, days


def test_days_of_the_period_become_two_files_that_are_read(maps, tmp_path):
    static, days = maps
    pack(tmp_path / "a.tar.gz", static, days.items())
    out = tmp_path / "out"
    out.mkdir()
    aa.repack_antarctic_melt(tmp_path / "a.tar.gz", out)
    assert sorted(path.name for path in out.iterdir()) == ["melt_2002-2012.nc", "melt_2012-2020.nc", "static.nc"]
    with xr.open_dataset(out / "melt_2012-2020.nc", mask_and_scale=False) as melt:
        assert melt["time"].dt.strftime("%Y-%m-%d").values.tolist() == ["2012-10-01", "2020-01-01"]
        assert (melt["y"].values[0], melt["x"].values[0]) == (4337500.0, -3937500.0)
    stack = read_antarctic_melt(out, slice(0, 5), slice(0, 4), months=range(1, 13))
    codes = np.stack([days[date] for date in DATES[1:6]])
    np.testing.assert_array_equal(stack.target, np.where(codes > 0, codes == 2, np.nan))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("cut", "cannot be read to its end"),
        ("another day", r"expected values of melt_2012-2020\.nc with SHA-256"),
        ("no elevation", r"expected REMA_25km.* in it"),
        ("a short map", "bytes are no map of 5 x 4 int16"),
    ],
)
def test_an_archive_that_is_damaged_or_another_is_refused(maps, tmp_path, damage, said):
    static, days = maps
    path = tmp_path / "a.tar.gz"
    if damage == "no elevation":
        del static["elevation"]
    if damage == "another day":
        days["2020-01-01"] = days["2012-10-01"]
    if damage == "a short map":
        days["2003-01-15"] = days["2003-01-15"][:3]
    pack(path, static, days.items())
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(ValueError, match=rf"{said}"):
        aa.repack_antarctic_melt(path, tmp_path)


def test_daily_means_leave_gaps_and_days_between(tmp_path):
    hours = pd.date_range("2020-01-01 10:00", "2020-01-05 23:00", freq="h", name="date")
    table = pd.DataFrame({"temp": 270.15, "precip": 0.1}, hours)
    table.loc["2020-01-03", "temp"] = np.nan
    table.loc["2020-01-04 00:00":"2020-01-04 03:00", "precip"] = np.nan
    for file in rofental._FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(tmp_path / file)
    rofental.make_daily_station_means(tmp_path, tmp_path)
    made = pd.read_csv(tmp_path / "daily_station_means.csv", index_col="date")
    assert made.index.tolist() == ["2020-01-02", "2020-01-03", "2020-01-04", "2020-01-05"]
    np.testing.assert_array_equal(made["temp_bellavista"], [-3.0, np.nan, -3.0, -3.0])
    np.testing.assert_array_equal(made["prcp_latschbloder"], [2.4, 2.4, 2.0, 2.4])


def test_the_stations_hourly_files_give_the_column_that_is_shared(shared):
    folder = shared / "data" / "rofental_openamundsen"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing")
    hourly = pd.read_csv(folder / "proviantdepot.csv", index_col=0, parse_dates=True)
    known = pd.read_csv(folder / "daily_station_means.csv", index_col="date", parse_dates=True)
    for name, column in (("temp", "temp_proviantdepot"), ("precip", "prcp_proviantdepot")):
        ours = rofental.daily_means(hourly, name).reindex(known.index)
        np.testing.assert_array_equal(ours, known[column])
