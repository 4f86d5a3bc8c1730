"""Corrections by elevation band, and what ``auto`` means."""

from __future__ import annotations

import numpy as np
import pytest
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.gridded import training_range
from oggm_glaunti.coupling.gridded.corrections import resolve_mode
from oggm_glaunti.coupling.gridded.periods import (
    Period,
    mass_balance_year_of_months,
    mass_balance_years,
    require_corrector_months,
)
from oggm_glaunti.coupling.oggm.messages import forget_warnings
from oggm_glaunti.coupling.table.band_corrections import BandCorrections
from oggm_glaunti.coupling.weather.file import DailyClimate


def climate(first="2000-01-01", last="2003-12-31", **kwargs):
    time = np.arange(np.datetime64(first), np.datetime64(last) + 1)
    fields = {"temp": np.zeros(time.size, np.float32), "prcp": np.zeros(time.size, np.float32)}
    about = {"ref_hgt": 2000.0, "ref_pix_lon": 10.0, "ref_pix_lat": 46.0, "source": "CUSTOM_daily", "path": "x.nc"}
    return DailyClimate(time=time, **{**fields, **about, **kwargs})


@pytest.mark.parametrize("source", ["ERA5-Land", "ERA5_Land_daily", "ERA5Land", "ERA5L_daily"])
def test_auto_is_yearly_with_the_training_forcing(source):
    assert resolve_mode("auto", "C", source) == "yearly"


@pytest.mark.parametrize("source", ["GSWP3_W5E5_daily", "ERA5_daily", "CUSTOM_daily"])
def test_auto_is_climatology_with_any_other_forcing(source):
    assert resolve_mode("auto", "D", source) == "climatology"


def test_model_a_has_no_corrector_and_what_is_asked_for_is_taken():
    assert resolve_mode("yearly", "A", "ERA5-Land") == "off"
    assert resolve_mode("off", "C", "ERA5-Land") == "off"
    with pytest.raises(InvalidParamsError, match="found 'sometimes'"):
        resolve_mode("sometimes", "C", "ERA5-Land")


def test_mass_balance_years_are_whole_and_hemispheric():
    north, south = (mass_balance_years(climate(), hemisphere) for hemisphere in ("nh", "sh"))
    assert [p.year for p in north] == [p.year for p in south] == [2001, 2002, 2003]
    assert (str(north[0].begin), str(north[0].end)) == ("2000-10-01", "2001-09-30")
    assert (str(south[0].begin), str(south[0].end)) == ("2000-04-01", "2001-03-31")


def test_october_belongs_to_the_next_mass_balance_year_in_the_north_and_april_in_the_south():
    north, south = (mass_balance_year_of_months(np.array([2001]), hemisphere)[0] for hemisphere in ("nh", "sh"))
    assert list(north) == [2001] * 9 + [2002] * 3
    assert list(south) == [2001] * 3 + [2002] * 9


@pytest.mark.parametrize(
    ("begin", "end"), [("2000-10-01", "2001-09-30"), ("2000-10-31", "2001-11-01"), ("2000-10-15", "2001-10-14")]
)
def test_periods_that_touch_12_to_14_months_can_be_corrected(begin, end):
    require_corrector_months(Period(2001, np.datetime64(begin), None, np.datetime64(end)), "g")


@pytest.mark.parametrize(
    ("begin", "end", "months"), [("2000-11-01", "2001-09-30", 11), ("2000-10-31", "2001-12-01", 15)]
)
def test_periods_of_other_lengths_are_named_with_their_dates(begin, end, months):
    period = Period(2001, np.datetime64(begin), None, np.datetime64(end))
    message = f"^RGI60-11.00897: the period of 2001, begin {begin} to end {end}, touches {months} calendar months"
    with pytest.raises(InvalidParamsError, match=message):
        require_corrector_months(period, "RGI60-11.00897")


def test_bands_are_joined_linearly_and_go_on_flat():
    ds = np.zeros((1, 5, 2), np.float32)
    ds[0, 0] = [0.0, 1.0]
    bands = BandCorrections(np.array([2001]), np.array([2000.0, 2100.0]), ds)
    np.testing.assert_allclose(bands.at(np.array([0.0, 2000.0, 2050.0, 2100.0, 9000.0]))[0, 0], [0, 0, 0.5, 1, 1])


def test_the_climatology_is_the_mean_over_the_years():
    ds = np.stack([np.full((5, 3), 1.0), np.full((5, 3), 3.0)]).astype(np.float32)
    mean = BandCorrections(np.array([2001, 2002]), np.arange(3.0), ds).climatology()
    assert mean.ds.shape == (1, 5, 3)
    assert np.all(mean.ds == 2.0)


def test_leaving_the_training_range_is_said_once_with_numbers(caplog):
    from types import SimpleNamespace

    high = SimpleNamespace(elevation=np.array([[5000.0]]), shape=(40, 40))
    wet = climate(prcp=np.full(1461, 0.2, np.float32))
    forget_warnings()
    outside = training_range.warn_outside_training(wet, high, "RGI60-13.00001")
    training_range.warn_outside_training(wet, high, "RGI60-13.00001")
    assert any("5000 m" in text for text in outside)
    assert any("200 mm" in text for text in outside)
    assert sum("RGI60-13.00001" in record.getMessage() for record in caplog.records) == 1


def test_a_glacier_within_the_training_range_is_not_mentioned():
    from types import SimpleNamespace

    usual = SimpleNamespace(elevation=np.array([[3000.0]]), shape=(68, 90))
    assert training_range.warn_outside_training(climate(), usual, "RGI60-11.00897") == []
