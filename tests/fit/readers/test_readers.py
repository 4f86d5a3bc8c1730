"""Readers on the real files: every row is used, or reported with what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.fit.observations import Read, check_observations
from oggm_glaunti.fit.readers import (
    read_glamos,
    read_mass_balance_machine,
    read_nve_glacier_wide,
    read_nve_stakes,
    read_wgms_balances,
    read_wgms_profiles,
)


def kinds_of_problems(read: Read) -> dict[str, int]:
    """Rejected observations by their problems, figures made 9."""
    words = read.rejected["problem"].str.replace(r"\d+", "9", regex=True)
    return words.value_counts().to_dict()


def require_every_row(read: Read, rows: int) -> None:
    """Each of the rows 2 to `rows` + 1 is used, rejected, or (in part) both."""
    assert {*read.rows.tolist(), *read.rejected["row"].tolist()} == set(range(2, rows + 2))
    assert len(read.rows) == len(read.observations)
    assert (read.rejected["problem"] != "").all()
    good, bad = check_observations(read.observations)
    assert (len(good), len(bad)) == (len(read.observations), 0)
    assert (read.observations["sigma"] > 0).all()


def count(read: Read) -> tuple[int, int]:
    return len(read.observations), len(read.rejected)


# --- GLAMOS ---


@pytest.fixture(scope="module")
def glamos(shared: Path) -> Read:
    return read_glamos(shared / "data/glamos_massbalance/massbalance_observation.csv")


def test_glamos_is_read_whole(glamos):
    require_every_row(glamos, 1176)
    assert count(glamos) == (3478, 50)
    assert sum(count(glamos)) == 3 * 1176
    assert glamos.observations["season"].value_counts().to_dict() == {"annual": 1173, "summer": 1154, "winter": 1151}


def test_glamos_dates_of_both_formats_and_mm_are_read(glamos):
    first = glamos.observations.iloc[0]
    assert (first["glacier"], first["season"], first["value"]) == ("Silvrettagletscher", "winter", 1.445)
    assert (first["begin"], first["end"]) == (pd.Timestamp("1914-10-01"), pd.Timestamp("1915-04-30"))
    rhone = glamos.observations.query("glacier == 'Rhonegletscher'")
    assert rhone["end"].dt.year.nunique() == 46
    assert glamos.observations["value"].abs().max() < 6


def test_glamos_dates_in_the_wrong_order_are_named(glamos):
    gries = glamos.rejected.query("row == 641")["problem"].tolist()
    assert gries[0] == "end 2020-04-23 is not after begin 2020-09-09"
    assert gries[1] == "annual balance over 5 days (2020-09-09 to 2020-09-14), expected 200 to 500"
    # The day of spring is the one in order: the summer balance is used.
    assert glamos.observations["season"][glamos.rows == 641].tolist() == ["summer"]


def test_glamos_winters_that_end_in_september_cost_the_seasons_and_not_the_year(glamos):
    late = glamos.rejected[glamos.rejected["problem"].str.contains("winter ends on 01.09.")]
    assert len(late) == 44
    assert set(late["row"]) - {767} <= set(glamos.rows[glamos.observations["season"] == "annual"])


def test_glamos_has_the_39_years_of_aletsch_since_1982(glamos):
    aletsch = glamos.observations.query("glacier == 'Grosser Aletschgletscher' and '1982' <= end < '2021'")
    assert aletsch.groupby("season").size().to_dict() == {"annual": 39, "summer": 39, "winter": 39}
    by_season = aletsch.pivot(columns="season", values="value", index="begin")
    assert by_season["annual"].notna().sum() == 39


# --- Swiss stakes in MassBalanceMachine's layout ---


@pytest.mark.slow
def test_swiss_stakes_are_read_whole(shared):
    path = shared / "data/ch_stakes/CH_topographical_features.csv"
    read = read_mass_balance_machine(path, unit="mm")
    require_every_row(read, 12775)
    assert count(read) == (10912, 1863)
    assert read.observations["season"].value_counts().to_dict() == {"annual": 10207, "winter": 705}
    assert read.observations["glacier"].str.fullmatch(r"RGI60-11\.\d{5}").all()
    # 1,542 rows begin after they end.
    assert read.rejected["problem"].str.contains("is not after begin").sum() == 1542
    in_metres = read_mass_balance_machine(path)
    assert count(in_metres) == (0, 12775)


# --- NVE ---


@pytest.mark.parametrize(
    ("name", "rows", "found"),
    [
        ("data_test_job", 106, (278, 40)),
        ("data_test_job_rdsplit", 358, (970, 46)),
        ("data_train_all_job_rdsplit", 833, (2318, 89)),
    ],
)
def test_norwegian_stakes_with_weather_are_read_whole(shared, name, rows, found):
    read = read_nve_stakes(shared / f"data/norway_era5land/{name}.csv")
    require_every_row(read, rows)
    assert count(read) == found


def test_nve_glacier_wide_is_read_whole(shared):
    path = shared / "data/norway_stakes/massbalance_glacierwide_norway.csv"
    read = read_nve_glacier_wide(path)
    require_every_row(read, 764)
    assert count(read) == (2063, 191)
    filled = read_nve_glacier_wide(path, default_dates=True)
    assert count(filled) == (2251, 3)
    assert filled.rejected["row"].tolist() == [231, 231, 738]
    assert kinds_of_problems(filled)["no value"] == 1


def test_nve_glaciers_without_an_rgi_id_go_by_the_number_of_nve(shared):
    read = read_nve_glacier_wide(shared / "data/norway_stakes/massbalance_glacierwide_norway.csv", default_dates=True)
    names = read.observations["glacier"]
    assert names[read.rows == 2].tolist() == ["NVE-26"] * 3
    assert names.str.fullmatch(r"NVE-\d+|RGI60-08\.\d{5}").all()
    assert names.str.startswith("NVE").any()


def test_nve_first_of_january_is_no_date(shared):
    read = read_nve_glacier_wide(shared / "data/norway_stakes/massbalance_glacierwide_norway.csv")
    assert "begin '1961' is not a full date" in read.rejected.query("row == 484")["problem"].tolist()
    assert not (read.observations["begin"].dt.strftime("%m-%d") == "01-01").any()


@pytest.mark.slow
def test_nve_stakes_are_read_whole(shared):
    path = shared / "data/norway_stakes/stake_mb_norway_2023-08-28.csv"
    read = read_nve_stakes(path)
    require_every_row(read, 4171)
    assert count(read) == (11064, 528)
    # 3752 + 3929 + 3910 values, and one row without any.
    assert sum(count(read)) == 3752 + 3929 + 3910 + 1
    assert count(read_nve_stakes(path, default_dates=True)) == (11488, 104)


def test_nve_stakes_report_missing_begins_wrong_orders_and_twins(shared):
    found = kinds_of_problems(read_nve_stakes(shared / "data/norway_stakes/stake_mb_norway_2023-08-28.csv"))
    assert found["no begin date"] == 421
    assert found["end 9-9-9 is not after begin 9-9-9"] == 41
    assert found["the same as row 9"] == 15
    assert found["no value"] == 1


def test_nve_stakes_have_their_place(shared):
    read = read_nve_stakes(shared / "data/norway_stakes/stake_mb_norway_2023-08-28.csv")
    first = read.observations[read.rows == 2].set_index("season")
    assert first["value"].to_dict() == {"winter": 1.32, "summer": -6.24, "annual": -4.92}
    assert first.loc["winter", "end"] == first.loc["summer", "begin"] == pd.Timestamp("2013-05-14")
    assert first.loc["annual", ["lat", "lon", "height"]].tolist() == pytest.approx([70.1259, 21.7770, 471.0], abs=1e-4)


# --- MassBalanceMachine ---


def test_alaska_is_read_whole(shared):
    path = shared / "data/alaska_stakes/01_Alaska.csv"
    read = read_mass_balance_machine(path)
    require_every_row(read, 370)
    assert count(read) == (345, 25)
    assert kinds_of_problems(read) == {
        "no begin date": 22,
        "end 9-9-9 is not after begin 9-9-9": 2,
        "no begin date; no end date": 1,
    }
    filled = read_mass_balance_machine(path, default_dates=True)
    assert count(filled) == (368, 2)
    assert filled.rejected["problem"].tolist() == ["end 1982-09-22 is not after begin 1982-10-01"] * 2


def test_alaska_nominal_dates_are_those_of_the_season(shared):
    filled = read_mass_balance_machine(shared / "data/alaska_stakes/01_Alaska.csv", default_dates=True)
    winter, annual = (filled.observations[filled.rows == row].iloc[0] for row in (2, 4))
    assert (winter["begin"], winter["end"]) == (pd.Timestamp("2007-10-01"), pd.Timestamp("2008-05-10"))
    assert (annual["begin"], annual["end"]) == (pd.Timestamp("2007-10-01"), pd.Timestamp("2008-09-20"))
    assert set(filled.observations["source"]) == {"MassBalanceMachine"}


# --- OGGM's copies of the WGMS ---


@pytest.fixture(scope="module")
def wgms(shared: Path) -> Path:
    return shared / "data/oggm-sample-data/wgms"


@pytest.fixture(scope="module")
def seasons(wgms: Path) -> Path:
    return wgms / "mb_overview_seasonal_mb_time_periods_20220301.csv"


def test_all_glaciers_of_the_wgms_are_read(wgms, tmp_path):
    files = [path.read_text().splitlines() for path in sorted((wgms / "mbdata").glob("*.csv"))]
    rows = [row for header, *rows in files for row in rows]
    path = tmp_path / "all.csv"
    path.write_text("\n".join([files[0][0], *rows]))
    read = read_wgms_balances(path, default_dates=True)
    require_every_row(read, len(pd.read_csv(path)))
    assert (len(files), count(read)) == (290, (14673, 11))


@pytest.mark.slow
def test_bands_of_the_wgms_are_read_and_impossible_ones_reported(wgms):
    values = used = 0
    problems = []
    for path in sorted((wgms / "mb_profiles").glob("*.csv"))[2::15]:
        read = read_wgms_profiles(path, default_dates=True, hemisphere="nh")
        table = pd.read_csv(path, index_col=0)
        require_every_row(read, len(table))
        # One file says -9999 for a band that was not measured.
        values += int((table.notna() & (table != -9999)).to_numpy().sum())
        used += len(read.observations)
        problems += read.rejected["problem"].tolist()
    too_large = [words for words in problems if "invalid, or in mm" in words]
    assert (used, len(too_large), len(problems)) == (3327, 52, 52)
    assert used + len(too_large) == values


def test_balances_of_the_wgms_take_dates_where_oggm_knows_them(wgms, seasons):
    path = wgms / "mbdata/mbdata_WGMS-00491.csv"
    read = read_wgms_balances(path, dates=seasons)
    rows = len(pd.read_csv(path))
    require_every_row(read, rows)
    assert count(read) == (21, 63)
    assert set(read.observations["glacier"]) == {"RGI60-11.00897"}
    assert kinds_of_problems(read) == {"no begin date; no end date": 63}
    assert count(read_wgms_balances(path, default_dates=True)) == (84, 0)


def test_seasons_of_a_dated_year_share_a_day_and_add_up(wgms, seasons):
    read = read_wgms_balances(wgms / "mbdata/mbdata_WGMS-00491.csv", dates=seasons)
    year = read.observations[read.rows == read.rows[0]].set_index("season")
    assert year.loc["winter", "end"] == year.loc["summer", "begin"]
    assert year.loc["annual", "begin"] == year.loc["winter", "begin"]
    assert year["value"]["winter"] + year["value"]["summer"] == pytest.approx(year["value"]["annual"], abs=0.01)


def test_bands_of_the_wgms_are_points_with_a_width(wgms, seasons):
    path = wgms / "mb_profiles/profile_WGMS-00491.csv"
    read = read_wgms_profiles(path, dates=seasons, glacier="RGI60-11.00897")
    table = pd.read_csv(path, index_col=0)
    assert sum(count(read)) == table.notna().to_numpy().sum()
    assert count(read) == (181, 1308)
    assert read.observations["height_range"].unique().tolist() == [50.0]
    assert read.observations[["lat", "lon", "x", "y"]].isna().all(axis=None)
    nominal = read_wgms_profiles(path, default_dates=True, hemisphere="nh")
    lowest = nominal.observations.iloc[0]
    assert lowest[["height", "value"]].tolist() == [2425.0, -6.87]
    assert (lowest["begin"], lowest["end"]) == (pd.Timestamp("1963-10-01"), pd.Timestamp("1964-09-30"))


def test_bands_have_the_width_of_their_year(wgms):
    read = read_wgms_profiles(wgms / "mb_profiles/profile_WGMS-00332.csv", default_dates=True, hemisphere="nh")
    year = read.observations[read.observations["end"].dt.year == 1993]
    assert np.diff(year["height"]).tolist() == [20.0] * (len(year) - 1)
    assert set(year["height_range"]) == {20.0}


def test_a_file_that_is_not_there_is_an_error_with_its_name(tmp_path):
    with pytest.raises(Exception, match=r"nowhere\.csv: cannot be read"):
        read_glamos(tmp_path / "nowhere.csv")


def test_a_file_of_another_kind_is_an_error_that_lists_its_columns(shared):
    path = shared / "data/alaska_stakes/01_Alaska.csv"
    with pytest.raises(Exception, match=r"no column glacier name.*found country, glacier_name"):
        read_glamos(path)
    with pytest.raises(Exception, match=r"no column winter_balance|no column annual_balance"):
        read_wgms_balances(path)
    with pytest.raises(Exception, match="expected heights in m as names of columns"):
        read_wgms_profiles(path)
