"""What OGGM knows of a glacier."""

from __future__ import annotations

import pandas as pd
import pytest
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.fit.readers import from_gdir, read_geodetic

HEF = "RGI60-11.00897"
PERIOD = "2000-01-01_2020-01-01"


@pytest.fixture
def rates(tmp_path):
    """OGGM's geodetic table of one glacier, in a file."""
    table = pd.DataFrame(
        {
            "rgiid": [HEF, HEF],
            "period": [PERIOD, "2000-01-01_2010-01-01"],
            "dmdtda": [-1.1, -0.9],
            "err_dmdtda": [0.2, 0.4],
        }
    )
    path = tmp_path / "rates.csv"
    table.to_csv(path, index=False)
    return path


def test_the_balances_of_a_directory_are_all_years_and_its_bands(hef_gdir):
    read = from_gdir(hef_gdir, default_dates=True)
    table = read.observations
    assert set(table["glacier"]) == {HEF}
    assert table["kind"].value_counts().to_dict() == {"point": 1489, "glacier-wide": 84}
    assert (table["end"].dt.year.min(), table["end"].dt.year.max()) == (1953, 2020)
    assert table.index.tolist() == list(range(len(table)))
    assert len(read.rows) == len(table)


def test_years_without_dates_are_reported_with_their_table(hef_gdir):
    read = from_gdir(hef_gdir)
    assert read.observations["kind"].value_counts().to_dict() == {"point": 181, "glacier-wide": 21}
    assert set(read.rejected["problem"]) == {
        "balances: no begin date; no end date",
        "bands: no begin date; no end date",
    }
    assert (from_gdir(hef_gdir, bands=False).observations["kind"] == "glacier-wide").all()


def test_balances_given_to_the_directory_are_used(hef_gdir):
    hef_gdir.set_ref_mb_data(pd.DataFrame({"ANNUAL_BALANCE": [-500.0, -700.0]}, index=[2001, 2002]))
    read = from_gdir(hef_gdir, bands=False, default_dates=True)
    assert read.observations["value"].tolist() == [-0.5, -0.7]


def test_balances_given_in_metres_are_refused(hef_gdir):
    table = pd.DataFrame({"ANNUAL_BALANCE": [-0.5, -0.7, 0.1, -1.2, -0.9]}, index=range(2001, 2006))
    hef_gdir.set_ref_mb_data(table)
    with pytest.raises(
        InvalidParamsError, match=r"RGI60-11.00897: balances: no balance is above 1.2 mm.*give gdir.set"
    ):
        from_gdir(hef_gdir, bands=False, default_dates=True)


def test_a_glacier_that_the_wgms_does_not_have_is_named(aletsch_gdir, monkeypatch):
    def stumble(*_):
        raise RuntimeError("Not a reference glacier!")

    monkeypatch.setattr(aletsch_gdir, "get_ref_mb_data", stumble)
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11.01450: no WGMS balances found.*Not a reference glacier"):
        from_gdir(aletsch_gdir)


def test_a_geodetic_balance_is_the_total_of_its_period(oggm_env, rates):
    read = read_geodetic([HEF, "RGI60-11.99999"], PERIOD, rates)
    row = read.observations.iloc[0]
    assert (row["kind"], row["season"], row["value"], row["sigma"]) == ("geodetic", "free", -22.0, 4.0)
    assert (row["begin"], row["end"]) == (pd.Timestamp("2000-01-01"), pd.Timestamp("2019-12-31"))
    assert read.rejected.values.tolist() == [
        [2, "RGI60-11.99999", "free", f"not in OGGM's geodetic table for {PERIOD}"]
    ]


def test_the_period_is_oggms_unless_given(oggm_env, rates):
    assert read_geodetic(HEF, file_path=rates).observations.loc[0, "value"] == -22.0
    assert read_geodetic(HEF, "2000-01-01_2010-01-01", rates).observations.loc[0, "value"] == -9.0


@pytest.mark.parametrize("period", ["2000", "2000-01-01_1999-01-01", "2000-01-01_2010-06-01", "a_b"])
def test_an_impossible_period_is_an_error(oggm_env, rates, period):
    with pytest.raises(InvalidParamsError, match="period: expected"):
        read_geodetic(HEF, period, rates)


def test_without_a_network_the_error_says_what_to_do(oggm_env, monkeypatch):
    from oggm.utils import _downloads

    monkeypatch.setattr(_downloads, "file_downloader", lambda *args, **kwargs: None)
    with pytest.raises(InvalidWorkflowError, match=r"geodetic table is not available.*give a table \(read_geodetic"):
        read_geodetic(HEF)


def test_a_table_of_another_kind_is_refused(oggm_env, tmp_path):
    path = tmp_path / "rates.csv"
    pd.DataFrame({"rgiid": [HEF], "dmdtda": [-1.0]}).to_csv(path, index=False)
    with pytest.raises(InvalidParamsError, match="no column err_dmdtda, period"):
        read_geodetic(HEF, PERIOD, path)


def test_a_table_with_two_rates_of_one_period_is_refused(oggm_env, tmp_path):
    path = tmp_path / "rates.csv"
    rows = {"rgiid": [HEF] * 2, "period": [PERIOD] * 2, "dmdtda": [-1.0, -1.1], "err_dmdtda": 0.2}
    pd.DataFrame(rows).to_csv(path, index=False)
    with pytest.raises(InvalidParamsError, match=f"rates.csv: more than one row for a period of {HEF}"):
        read_geodetic(HEF, PERIOD, path)
