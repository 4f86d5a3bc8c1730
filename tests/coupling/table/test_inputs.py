"""Tables that are ready are used without reading what they were made from, and only while that is unchanged."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import netCDF4
import numpy as np
import oggm
import pytest
from oggm import cfg
from oggm.exceptions import InvalidWorkflowError
from oggm.utils import date_to_floatyear, gdir_to_tar

from oggm_glaunti import GlaUnTIMassBalance, GlaUnTIMassBalanceA, GlaUnTIMassBalanceC, tasks as gtasks
from oggm_glaunti.coupling.table import inputs as sources, store as table_store
from oggm_glaunti.coupling.table.continuation import continued_annual_smb
from oggm_glaunti.coupling.table.file import read_head, read_kept_table
from oggm_glaunti.coupling.table.table import build_table

from ...glaciers import HEF
from ...region.synthetic import make_directories

HEIGHTS = np.array([2500.0, 3001.0, 3500.0])


def balance(gdir, **kwargs):
    return GlaUnTIMassBalanceA(gdir, **kwargs).get_annual_mb(HEIGHTS, year=2018)


def table_path(gdir, model="A") -> Path:
    return Path(gdir.get_filepath("glaunti_table", filesuffix=f"_{model}"))


def daily_path(gdir) -> str:
    return gdir.get_filepath("climate_historical", filesuffix="_daily")


def edit_climate(gdir):
    """In place and to the same size, the file's time set back."""
    stat = os.stat(daily_path(gdir))
    with netCDF4.Dataset(daily_path(gdir), "a") as nc:
        nc["temp"][700] += 5.0
    os.utime(daily_path(gdir), ns=(stat.st_atime_ns, stat.st_mtime_ns))


class Counted:
    """Replaces a function of a module by itself, counted."""

    def __init__(self, monkeypatch, module, name):
        self.count, function = 0, getattr(module, name)

        def counting(*args, **kwargs):
            self.count += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, counting)


@pytest.fixture
def builds(monkeypatch):
    return Counted(monkeypatch, table_store, "build_table")


@pytest.fixture
def reads(monkeypatch):
    names = ("read_daily_climate", "read_features", "height_bounds")
    return {name: Counted(monkeypatch, sources, name) for name in names}


def read_so_far(reads):
    return [counted.count for counted in reads.values()]


# --- a ready table ---


def test_a_ready_table_is_used_without_reading_weather_and_flowlines(hef_gdir, reads):
    first = balance(hef_gdir)
    assert read_so_far(reads) == [1, 0, 1]
    np.testing.assert_array_equal(balance(hef_gdir), first)
    assert read_so_far(reads) == [1, 0, 1]


@pytest.mark.slow
def test_after_glaunti_tables_nothing_is_read_of_models_with_a_corrector(oggm_env, weights, reads):
    (gdir,) = make_directories(1, oggm_env / "per_glacier", seed=1, years=2)
    gtasks.glaunti_tables([gdir], progress=False)
    before = read_so_far(reads)
    assert min(before) > 0
    model = GlaUnTIMassBalance(gdir)
    assert np.isfinite(model.get_annual_mb(HEIGHTS, year=2020)).all()
    assert np.isfinite(model.get_monthly_mb(HEIGHTS, year=2020.5)).all()
    assert gtasks.glaunti_tables([gdir], progress=False)["status"].tolist() == ["valid"]
    assert read_so_far(reads) == before


def test_a_calibration_is_compared_without_reading_weather_and_features(hef_gdir, weights_dir, reads):
    gtasks.glaunti_features(hef_gdir)
    gtasks.calibrate_glaunti(
        hef_gdir, mb_kwargs={"model": "C", "weights": weights_dir}, ref_mb=-1500.0, ref_period="2014-01-01_2023-01-01"
    )
    GlaUnTIMassBalanceC(hef_gdir).get_annual_mb(HEIGHTS, year=2018)
    before = read_so_far(reads)
    GlaUnTIMassBalanceC(hef_gdir).get_annual_mb(HEIGHTS, year=2018)
    assert read_so_far(reads) == before
    edit_climate(hef_gdir)
    with pytest.raises(
        InvalidWorkflowError, match=r"daily climate holds the same years as when the glacier was calibrated, and other"
    ):
        GlaUnTIMassBalanceC(hef_gdir)


def test_years_of_balances_alone_are_those_of_the_whole_table_to_the_last_bit(hef_gdir):
    model = GlaUnTIMassBalanceA(hef_gdir)
    model.get_annual_mb(HEIGHTS, year=2018)
    head = read_head(table_path(hef_gdir))
    table = read_kept_table(table_path(hef_gdir), head.table_digest)
    own = np.isin(head.heights, table.heights)
    np.testing.assert_array_equal(head.heights[own], table.heights)
    np.testing.assert_array_equal(head.annual_smb[:, own], table.smb.sum(axis=1))
    built = build_table(model.store.inputs, model.tunable_params())
    np.testing.assert_array_equal(head.annual_smb[:, own], built.smb.sum(axis=1))
    heights, annual = continued_annual_smb(built)
    np.testing.assert_array_equal(head.heights, heights)
    np.testing.assert_array_equal(head.annual_smb, annual)


def test_months_and_climate_are_read_when_they_are_asked_for(hef_gdir, builds):
    balance(hef_gdir)
    model = GlaUnTIMassBalanceA(hef_gdir)
    year = model.get_annual_mb(HEIGHTS, year=2018, add_climate=True)
    times = [date_to_floatyear(2018, month) for month in range(1, 13)]
    months = [model.get_monthly_mb(HEIGHTS, year=when) * model.sec_in_month(when) for when in times]
    np.testing.assert_allclose(np.sum(months, axis=0), year[0] * model.sec_in_year(2018), rtol=1e-12)
    assert builds.count == 1


def test_a_table_overwritten_by_another_model_is_not_mixed_with_it(hef_gdir):
    expected = GlaUnTIMassBalanceA(hef_gdir).get_annual_mb(HEIGHTS, year=2018, add_climate=True)
    model = GlaUnTIMassBalanceA(hef_gdir)
    model.get_annual_mb(HEIGHTS, year=2018)
    balance(hef_gdir, temp_bias=2.0)
    for got, values in zip(model.get_annual_mb(HEIGHTS, year=2018, add_climate=True), expected, strict=True):
        np.testing.assert_array_equal(got, values)


# --- changes ---


def test_a_change_that_leaves_size_and_time_is_noticed(hef_gdir, builds):
    first = balance(hef_gdir)
    edit_climate(hef_gdir)
    assert not np.array_equal(balance(hef_gdir), first)
    assert builds.count == 2


def test_another_file_of_the_same_size_and_time_is_noticed(hef_gdir, builds):
    path = daily_path(hef_gdir)
    shutil.copy2(path, f"{path}.warmer")
    with netCDF4.Dataset(f"{path}.warmer", "a") as nc:
        nc["temp"][700] += 5.0
    shutil.copystat(path, f"{path}.warmer")
    first = balance(hef_gdir)
    os.replace(f"{path}.warmer", path)
    assert not np.array_equal(balance(hef_gdir), first)
    assert builds.count == 2


@pytest.mark.slow
def test_flowlines_that_come_later_are_noticed(hef_gdir, builds):
    name = hef_gdir.get_filepath("model_flowlines")
    os.rename(name, f"{name}.kept")
    fls = hef_gdir.read_pickle("inversion_flowlines")
    first = GlaUnTIMassBalanceA(hef_gdir).store.heights
    balance(hef_gdir)
    fls[0].surface_h = fls[0].surface_h + 1000.0
    hef_gdir.write_pickle(fls, "model_flowlines")
    assert GlaUnTIMassBalanceA(hef_gdir).store.heights[-1] > first[-1]
    balance(hef_gdir)
    assert builds.count == 2


def test_a_daily_file_that_comes_before_the_one_in_use_is_noticed(hef_gdir, builds):
    other = hef_gdir.get_filepath("climate_historical", filesuffix="_gcm")
    shutil.copy(daily_path(hef_gdir), other)
    first = balance(hef_gdir, input_filesuffix="_gcm")
    earlier = hef_gdir.get_filepath("climate_historical", filesuffix="_gcm_daily")
    shutil.copy(other, earlier)
    np.testing.assert_array_equal(balance(hef_gdir, input_filesuffix="_gcm"), first)
    assert builds.count == 1
    with netCDF4.Dataset(earlier, "a") as nc:
        nc["temp"][700] += 5.0
    assert not np.array_equal(balance(hef_gdir, input_filesuffix="_gcm"), first)
    assert builds.count == 2


def test_weather_that_changes_under_a_model_is_an_error_and_not_mixed_in(hef_gdir):
    balance(hef_gdir)
    model = GlaUnTIMassBalanceA(hef_gdir)
    before = model.get_annual_mb(HEIGHTS, year=2018)
    edit_climate(hef_gdir)
    np.testing.assert_array_equal(model.get_annual_mb(HEIGHTS, year=2018), before)
    model.temp_bias = 1.0
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.00897: climate_historical_daily\.nc has changed since"):
        model.get_annual_mb(HEIGHTS, year=2018)


def test_a_table_put_beside_other_weather_is_not_used(hef_gdir, builds):
    first = balance(hef_gdir)
    kept = table_path(hef_gdir).read_bytes()
    edit_climate(hef_gdir)
    changed = balance(hef_gdir)
    table_path(hef_gdir).write_bytes(kept)
    np.testing.assert_array_equal(balance(hef_gdir), changed)
    assert not np.array_equal(changed, first)
    assert builds.count == 3


# --- directories that travel ---


def copied(gdir, folder: Path):
    shutil.copytree(gdir.dir, folder / "copy" / "RGI60-11" / "RGI60-11.00" / HEF)
    return oggm.GlacierDirectory(HEF, base_dir=str(folder / "copy"))


def packed_and_unpacked(gdir, folder: Path):
    gdir_to_tar(gdir, base_dir=str(folder / "tar"), delete=False)
    tar = folder / "tar" / "RGI60-11" / "RGI60-11.00" / f"{HEF}.tar.gz"
    return oggm.GlacierDirectory(HEF, base_dir=str(folder / "unpacked"), from_tar=str(tar))


@pytest.mark.parametrize("travel", [copied, packed_and_unpacked])
def test_after_a_journey_the_contents_decide(hef_gdir, tmp_path, builds, reads, travel):
    first = balance(hef_gdir)
    there = travel(hef_gdir, tmp_path)
    np.testing.assert_array_equal(balance(there), first)
    assert builds.count == 1
    assert reads["read_daily_climate"].count == 2
    edit_climate(there)
    assert not np.array_equal(balance(there), first)
    assert builds.count == 2


def test_a_folder_that_was_moved_needs_no_second_look(hef_gdir, tmp_path, reads):
    first = balance(hef_gdir)
    before = read_so_far(reads)
    shutil.move(Path(hef_gdir.base_dir), tmp_path / "moved")
    there = oggm.GlacierDirectory(HEF, base_dir=str(tmp_path / "moved"))
    np.testing.assert_array_equal(balance(there), first)
    assert read_so_far(reads) == before


# --- damage ---


def damaged(good: bytes, values: np.ndarray) -> bytes:
    """The bytes with a few of these values, as they are in the file, overwritten."""
    middle = good.index(values.tobytes()) + values.nbytes // 2
    return good[:middle] + bytes(16) + good[middle + 16 :]


def test_damage_among_the_years_is_noticed(hef_gdir, builds):
    first = balance(hef_gdir)
    path = table_path(hef_gdir)
    annual = read_head(path).annual_smb
    path.write_bytes(damaged(path.read_bytes(), annual))
    assert read_head(path) is None
    np.testing.assert_array_equal(balance(hef_gdir), first)
    assert builds.count == 2
    np.testing.assert_array_equal(read_head(path).annual_smb, annual)


def test_a_table_without_a_record_of_its_files_is_used_all_the_same(hef_gdir, builds, reads):
    first = balance(hef_gdir)
    with netCDF4.Dataset(table_path(hef_gdir), "a") as nc:
        nc.delncattr("input_files")
    np.testing.assert_array_equal(balance(hef_gdir), first)
    assert builds.count == 1
    assert read_so_far(reads) == [2, 0, 2]


def test_settings_are_compared_although_no_file_changed(hef_gdir, builds):
    first = balance(hef_gdir)
    cfg.PARAMS["glaunti_temp_gradient"] = -0.0065
    assert not np.array_equal(balance(hef_gdir), first)
    assert builds.count == 2
