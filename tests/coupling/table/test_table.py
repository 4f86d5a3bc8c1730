"""The height-year table: two ways to build it, its file, and when it is made anew."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from oggm import cfg

from oggm_glaunti import GlaUnTIMassBalanceA, GlaUnTIMassBalanceC
from oggm_glaunti.coupling.ground.features import glaunti_features
from oggm_glaunti.coupling.ground.heights import height_bounds, table_heights
from oggm_glaunti.coupling.oggm.messages import forget_warnings
from oggm_glaunti.coupling.table import store as table_store
from oggm_glaunti.coupling.table.band_corrections import BandCorrections
from oggm_glaunti.coupling.table.file import read_corrections, read_kept_table, write_table
from oggm_glaunti.coupling.table.inputs import TunableParams
from oggm_glaunti.coupling.table.table import Table, build_table

HEIGHTS = np.array([2500.0, 3001.0, 3500.0])
PUBLISHED = 4.964156
FIELDS = [field.name for field in dataclasses.fields(Table)]
EVERY_MONTH = TunableParams(np.linspace(4.0, 7.0, 12), np.linspace(0.7, 1.5, 12), np.linspace(1.0, -1.5, 12))


def table_path(gdir, model="A") -> Path:
    return Path(gdir.get_filepath("glaunti_table", filesuffix=f"_{model}"))


def some_corrections(years, size=0.3) -> BandCorrections:
    rng = np.random.default_rng(1)
    ds = rng.normal(0.0, size, (len(years), 5, 6)).astype(np.float32)
    return BandCorrections(np.asarray(years), np.linspace(2500.0, 3600.0, 6), ds)


@pytest.fixture
def inputs(hef_gdir):
    return GlaUnTIMassBalanceA(hef_gdir).table_inputs


def with_corrections(inputs, corrections):
    return dataclasses.replace(inputs, corrections=corrections)


# --- JAX and NumPy ---


def largest_differences(inputs, tunables) -> dict[str, float]:
    jax, plain = build_table(inputs, tunables, "jax"), build_table(inputs, tunables, "numpy")
    differences = {name: float(np.abs(getattr(jax, name) - getattr(plain, name)).max()) for name in FIELDS}
    differences["annual smb"] = float(np.abs(jax.smb.sum(axis=1) - plain.smb.sum(axis=1)).max())
    return differences


def check_differences(found: dict[str, float], n_years: int) -> None:
    for name in ("smb", "annual smb", "solid_prcp"):
        assert found[name] < 1e-5, name
    # Where snow piles up for years, float32 rounds its softplus by 1.5e-5 m a year; no balance depends on it there.
    assert found["swe"] < 2e-5 * n_years
    assert found["pdd"] < 1e-3  # K day, of some hundreds


@pytest.mark.slow
@pytest.mark.parametrize(
    "tunables", [TunableParams(PUBLISHED), TunableParams(8.0, 1.6, -1.2), EVERY_MONTH], ids=["as is", "one", "12"]
)
@pytest.mark.parametrize("mode", ["none", "climatology", "yearly"])
def test_numpy_and_jax_build_the_same_table(inputs, tunables, mode):
    if mode != "none":
        yearly = some_corrections(range(2015, 2023))
        inputs = with_corrections(inputs, yearly if mode == "yearly" else yearly.climatology())
    found = largest_differences(inputs, tunables)
    print(f"largest differences, corrections {mode}:", {name: f"{value:.1e}" for name, value in found.items()})
    check_differences(found, inputs.climate.years.size)
    assert found["temp"] == found["prcp"] == found["prec_scale"] == found["years"] == found["heights"] == 0


@pytest.mark.slow
def test_numpy_and_jax_build_the_same_table_of_forty_years(aletsch_gdir):
    found = largest_differences(GlaUnTIMassBalanceA(aletsch_gdir).table_inputs, TunableParams(PUBLISHED))
    print("largest differences, Aletsch 1981-2020:", {name: f"{value:.1e}" for name, value in found.items()})
    check_differences(found, 40)


def test_corrections_are_those_of_the_months_mass_balance_year(inputs):
    """Only the fifth year's ddf_snow is corrected: October 2018 to September 2019 and, through the snow, later."""
    ds = np.zeros((8, 5, 2), np.float32)
    ds[4, 1] = 0.5
    corrections = BandCorrections(np.arange(2015, 2023), np.array([2500.0, 3600.0]), ds)
    plain = build_table(inputs, TunableParams(PUBLISHED)).smb.reshape(-1, inputs.heights.size)
    got = build_table(with_corrections(inputs, corrections), TunableParams(PUBLISHED)).smb.reshape(plain.shape)
    first, last = 4 * 12 + 9, 5 * 12 + 9
    np.testing.assert_array_equal(got[:first], plain[:first])
    assert (np.abs(got - plain)[first : last - 1].max(axis=0) > 0.05).any()
    assert np.abs(got - plain)[last + 12 :].max() < np.abs(got - plain)[first:last].max() / 10


def test_the_first_and_last_corrections_go_on_beyond_the_full_mass_balance_years(inputs):
    corrected = with_corrections(inputs, some_corrections(range(2015, 2023)))
    index = corrected.ds_index()
    assert index[0].tolist() == [0] * 12  # 2014: before and in the first mass-balance year
    assert index[1].tolist() == [0] * 9 + [1] * 3
    assert index[-1].tolist() == [7] * 12  # 2022: the last, and the months after it
    south = dataclasses.replace(corrected, hemisphere="sh")
    assert south.ds_index()[1].tolist() == [0] * 3 + [1] * 9


def test_corrections_between_bands_are_linear_and_beyond_them_the_nearest():
    ds = np.zeros((1, 5, 2), np.float32)
    ds[0, 0] = [1.0, 3.0]
    corrections = BandCorrections(np.array([2015]), np.array([3000.0, 3200.0]), ds)
    np.testing.assert_allclose(corrections.at(np.array([2000.0, 3050.0, 3200.0, 9000.0]))[0, 0], [1.0, 1.5, 3.0, 3.0])


def test_every_tunable_parameter_has_a_digest_of_its_own():
    tunables = [
        TunableParams(5.0),
        TunableParams(5.0 + 1e-9),
        TunableParams(5.0, 1.1),
        TunableParams(5.0, 1.0, 1.1),
        TunableParams([5.0] + [1.0] * 11, 1.0, 0.0),
        TunableParams(5.0, [1.0] * 12, 0.1),
        TunableParams(5.0, [1.0] * 11 + [1.1]),
    ]
    assert len({k.digest() for k in tunables}) == len(tunables)
    assert TunableParams(5.0).digest() == TunableParams([5.0] * 12, np.ones(12)).digest()


def test_heights_are_ten_metres_apart_and_cover_bed_and_summit(aletsch_gdir):
    heights = table_heights(height_bounds(aletsch_gdir), 10.0)
    (fl,) = aletsch_gdir.read_pickle("model_flowlines")
    assert set(np.diff(heights)) == {10.0}
    assert heights[0] <= min(fl.bed_h.min(), 1500)
    assert heights[-1] >= 4100


# --- the file ---


def test_what_is_read_is_what_was_written_to_the_last_bit(tmp_path, inputs):
    table = build_table(inputs, EVERY_MONTH)
    corrections = some_corrections(range(2015, 2023))
    path = tmp_path / "file" / "table.nc"
    path.parent.mkdir()
    write_table(path, table, {"table_digest": "t", "corrections_digest": "c"}, corrections)
    read = read_kept_table(path, "t")
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(read, name), getattr(table, name), err_msg=name)
    read = read_corrections(path, "c")
    for name in ("years", "heights", "ds"):
        np.testing.assert_array_equal(getattr(read, name), getattr(corrections, name), err_msg=name)
    assert read.ds.dtype == np.float32
    assert [p.name for p in path.parent.iterdir()] == ["table.nc"]
    with netCDF4.Dataset(path, "a") as nc:
        nc["corrections"][0] = np.nan
    assert read_corrections(path, "c") is None
    assert read_kept_table(path, "t") is not None


def test_a_file_of_other_inputs_is_none(tmp_path, inputs):
    path = tmp_path / "table.nc"
    write_table(path, build_table(inputs, TunableParams(PUBLISHED)), {"table_digest": "t", "corrections_digest": ""})
    assert read_kept_table(path, "other") is None
    assert read_corrections(path, "other") is None
    # A table without corrections holds none, whatever is asked for.
    assert read_corrections(path, "") is None
    assert read_kept_table(tmp_path / "missing.nc", "t") is None


def test_the_file_says_what_it_holds(hef_gdir):
    GlaUnTIMassBalanceA(hef_gdir).get_annual_mb(HEIGHTS, year=2018)
    with netCDF4.Dataset(table_path(hef_gdir)) as nc:
        assert (nc.Conventions, nc.rgi_id, nc.model) == ("CF-1.8", "RGI60-11.00897", "A")
        assert nc.climate_source == "CUSTOM_daily"
        for name, variable in nc.variables.items():
            assert variable.units, name
            assert variable.long_name, name


class Builds:
    """Counts the tables built."""

    def __init__(self, monkeypatch):
        self.count = 0

        def counting(*args, **kwargs):
            self.count += 1
            return build_table(*args, **kwargs)

        monkeypatch.setattr(table_store, "build_table", counting)


@pytest.fixture
def builds(monkeypatch):
    return Builds(monkeypatch)


def balance(gdir, add_climate=False, **kwargs):
    return GlaUnTIMassBalanceA(gdir, **kwargs).get_annual_mb(HEIGHTS, year=2018, add_climate=add_climate)


def edit_climate(gdir):
    with netCDF4.Dataset(gdir.get_filepath("climate_historical", filesuffix="_daily"), "a") as nc:
        nc["temp"][700] += 5.0


def change_step(gdir):
    cfg.PARAMS["glaunti_table_step"] = 20.0


def change_lapse_rate(gdir):
    cfg.PARAMS["glaunti_temp_gradient"] = -0.0061


def raise_summit(gdir):
    fls = gdir.read_pickle("model_flowlines")
    fls[0].surface_h = fls[0].surface_h + 1000.0
    gdir.write_pickle(fls, "model_flowlines")


@pytest.mark.slow
@pytest.mark.parametrize("change", [edit_climate, change_step, change_lapse_rate, raise_summit])
def test_a_table_is_used_until_its_inputs_change(hef_gdir, builds, change):
    first = balance(hef_gdir)
    np.testing.assert_array_equal(balance(hef_gdir), first)
    assert builds.count == 1
    change(hef_gdir)
    changed = balance(hef_gdir)
    assert builds.count == 2
    np.testing.assert_array_equal(balance(hef_gdir), changed)
    assert builds.count == 2
    assert np.array_equal(changed, first) == (change is raise_summit)


def test_a_table_of_other_tunable_parameters_or_weights_is_made_anew(hef_gdir, builds, weights_dir):
    first = balance(hef_gdir)
    assert not np.array_equal(balance(hef_gdir, melt_f=6.0), first)
    assert not np.array_equal(balance(hef_gdir, weights=weights_dir / "a_finetuned_Schwarzberg.eqx"), first)
    np.testing.assert_array_equal(balance(hef_gdir), first)
    assert builds.count == 4


def halved(good: bytes) -> bytes:
    return good[: len(good) // 2]


def overwritten(good: bytes) -> bytes:
    middle = len(good) // 2
    return good[:middle] + bytes(200) + good[middle + 200 :]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [halved, overwritten, lambda good: b"", lambda good: b"no table"])
def test_a_damaged_file_is_made_anew(hef_gdir, builds, damage):
    first = balance(hef_gdir, add_climate=True)
    path = table_path(hef_gdir)
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(balance(hef_gdir, add_climate=True), first)
    assert builds.count == 2
    np.testing.assert_array_equal(balance(hef_gdir, add_climate=True), first)
    assert builds.count == 2


def test_a_file_without_a_variable_is_made_anew(hef_gdir, builds):
    first = balance(hef_gdir)
    with netCDF4.Dataset(table_path(hef_gdir), "a") as nc:
        nc.renameVariable("swe", "snow")
    np.testing.assert_array_equal(balance(hef_gdir), first)
    assert builds.count == 2


@pytest.mark.parametrize("name", ["annual_smb", "smb", "year", "annual_height"])
def test_a_table_that_was_edited_in_place_is_made_anew_and_it_is_said(hef_gdir, builds, caplog, name):
    forget_warnings()
    first = balance(hef_gdir, add_climate=True)
    path = table_path(hef_gdir)
    with netCDF4.Dataset(path, "a") as nc:
        nc[name][:] = np.nan if "smb" in name else nc[name][:] + 1.0
    np.testing.assert_array_equal(balance(hef_gdir, add_climate=True), first)
    assert builds.count == 2
    assert f"{path}: '{name}' is not as it was written; it is made again" in caplog.text
    np.testing.assert_array_equal(balance(hef_gdir, add_climate=True), first)
    assert builds.count == 2


# --- corrections in the file ---


class Computations:
    """Counts the runs of the corrector over a record."""

    def __init__(self, monkeypatch):
        self.count = 0
        compute = table_store.compute_corrections

        def counting(*args, **kwargs):
            self.count += 1
            return compute(*args, **kwargs)

        monkeypatch.setattr(table_store, "compute_corrections", counting)


@pytest.mark.slow
def test_corrections_are_computed_once_and_again_when_their_inputs_change(hef_gdir, weights_dir, monkeypatch, builds):
    computed = Computations(monkeypatch)
    glaunti_features(hef_gdir)

    def balance_c(**kwargs):
        return GlaUnTIMassBalanceC(hef_gdir, weights=weights_dir, **kwargs).get_annual_mb(HEIGHTS, year=2018)

    first = balance_c()
    assert (computed.count, builds.count) == (1, 1)
    # The mode and the tunable parameters need the same corrections, only the table is another.
    for kwargs in ({"corrector": "yearly"}, {"melt_f": 7.0}, {"temp_bias": 1.0}, {}):
        last = balance_c(**kwargs)
    np.testing.assert_array_equal(last, first)
    assert (computed.count, builds.count) == (1, 5)

    shutil.copy(table_path(hef_gdir, "C"), hef_gdir.dir + "/kept.nc")
    glaunti_features(hef_gdir, elevation_std=50.0)
    assert not np.array_equal(balance_c(), first)
    assert (computed.count, builds.count) == (2, 6)

    glaunti_features(hef_gdir)
    shutil.copy(hef_gdir.dir + "/kept.nc", table_path(hef_gdir, "C"))
    np.testing.assert_array_equal(balance_c(), first)
    assert (computed.count, builds.count) == (2, 6)

    edit_climate(hef_gdir)
    assert not np.array_equal(balance_c(), first)
    assert (computed.count, builds.count) == (3, 7)
