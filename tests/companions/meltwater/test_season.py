"""What users take from melt: extents, lines and dates by hand, and the tasks on a real glacier."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti.companions.meltwater import extent

DAYS = np.datetime64("2020-06-01") + np.arange(4)
HEIGHTS = np.array([2950.0, 2960.0, 3010.0, 3110.0])


def test_shares_by_band_are_of_the_bands_cells():
    bands = extent.bands_of(HEIGHTS)
    wet = np.array([[True, False, True, False]])
    np.testing.assert_allclose(extent.share_by_band(wet, bands), [[0.5, 1.0, 0.0]])
    assert extent.melt_line(extent.share_by_band(wet, bands), bands).tolist() == [3100.0]


def test_a_season_by_hand():
    wet = np.array([[1, 0, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    melt = np.where(wet, 0.01, 0.0)
    line = np.array([np.nan, 3000.0, np.nan, np.nan])
    row = extent.season_row(DAYS, wet, melt, 0.5 * melt, HEIGHTS, 1e4, line)
    assert (row["onset"], row["end"]) == ("2020-06-01", "2020-06-03")
    assert row["days"] == 1.25
    assert row["largest_area"] == pytest.approx(0.03)
    assert row["melt_line"] == 3100.0
    assert row["melt_volume"] == pytest.approx(500.0)
    assert row["runoff_volume"] == pytest.approx(250.0)
    assert row["melt_below_line"] == pytest.approx(2 / 3)


def test_a_season_without_melt_has_a_row():
    dry = np.zeros((4, 4))
    row = extent.season_row(DAYS, dry > 0, dry, dry, HEIGHTS, 1e4, np.full(4, 3000.0))
    assert (row["onset"], row["end"], row["days"], row["melt_volume"]) == ("", "", 0.0, 0.0)
    assert np.isnan(row["melt_line"])
    assert np.isnan(row["melt_below_line"])


def test_a_comparison_by_hand():
    observed = np.array([[1.0, 1.0, 0.0, np.nan]] * 2 + [[np.nan] * 4] * 2)
    modelled = np.array([[True, False, True, True]] * 4)
    found = extent.compare(DAYS, modelled, observed, HEIGHTS)
    assert found.by_height.hits.to_dict() == {2900.0: 2, 3000.0: 0, 3100.0: 0}
    assert found.by_height.misses.to_dict() == {2900.0: 2, 3000.0: 0, 3100.0: 0}
    assert found.by_height.false_alarms.to_dict() == {2900.0: 0, 3000.0: 2, 3100.0: 0}
    assert found.by_day.observed.tolist() == [3, 3]
    assert found.by_day.observed_wet.tolist() == pytest.approx([2 / 3] * 2)
    with pytest.raises(ValueError, match="nothing was observed"):
        extent.compare(DAYS, modelled, observed * np.nan, HEIGHTS)


def test_the_lag_is_modelled_minus_observed():
    wet = np.zeros((4, 4), bool)
    wet[2:] = True
    observed = np.zeros((4, 4))
    observed[1:] = 1.0
    assert extent.compare(DAYS, wet, observed, HEIGHTS).lag["onset_bias"] == 1.0


# --- tasks ---


def test_a_directory_without_daily_maps_or_climate_is_told_what_to_run(hef):
    from oggm_glaunti.tasks import melt_season

    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11.00897: glaunti_smb.nc not found .*daily=True"):
        melt_season(hef)
    with pytest.raises(InvalidParamsError, match="wet_above: expected more than 0"):
        melt_season(hef, wet_above=0.0)


@pytest.mark.slow
def test_a_season_of_a_real_glacier(hef):
    from oggm_glaunti.companions.meltwater.predictor import melt_predictor
    from oggm_glaunti.tasks import compare_melt, glaunti_smb, melt_season

    glaunti_smb(hef, ys=2014, ye=2014, mb_kwargs={"model": "A"})
    with pytest.raises(InvalidParamsError, match=r"glaunti_smb.nc cannot be used: no variables melt_ice"):
        melt_season(hef)
    glaunti_smb(hef, ys=2014, ye=2014, daily=True, mb_kwargs={"model": "A"})
    with xr.open_dataset(hef.get_filepath("glaunti_smb")) as smb:
        on_glacier = smb.outline == 1
        snowfall = (smb.smb + smb.melt_snow + smb.melt_ice).sum("time").where(on_glacier)
        rain = smb.rain.sum("time").where(on_glacier)
        assert float(snowfall.min()) > 0.3
        assert float(smb.melt_snow.min()) > -1e-5
        total = float((snowfall + rain).max() - (snowfall + rain).min())
        assert total < 1e-3  # the station's precipitation is the same everywhere
        melt = float((smb.melt_snow + smb.melt_ice).sum())
    table = melt_season(hef)
    assert table.index.tolist() == [2014]
    assert table.melt_volume[2014] == pytest.approx(1e4 * melt, rel=1e-3)
    with xr.open_dataset(hef.get_filepath("glaunti_meltwater")) as season:
        days = melt_predictor(hef, "2014-01-01")
        left = (days.melt + days.rain - days.refreeze - days.runoff).sum(axis=0)
        assert left.min() > -1e-4
        assert left.max() < 0.03  # no more than the layer holds
        np.testing.assert_array_equal(days.on_grid(days.runoff), season.runoff)
        assert float(season.melt_area.max()) <= 8.0
        assert bool((season.end >= season.onset).where(season.onset.notnull(), True).all())
        wet = (season.water_evening > 0.002).where(season.water_evening.notnull())
        observed = season[["water_evening"]].assign(melt_fraction=wet.astype("f4")).isel(time=slice(120, 270, 6))
        observed = observed[["melt_fraction"]].load()
    found = compare_melt(hef, observed=observed)
    assert found.by_height.misses.sum() == found.by_height.false_alarms.sum() == 0
    assert melt_season(hef, observed=observed).melt_below_line[2014] > 0.5
    with pytest.raises(InvalidParamsError, match=r"expected the cells of glaunti_features.nc"):
        compare_melt(hef, observed=observed.isel(x=slice(1, None)))
    later = observed.assign_coords(time=observed.time + np.timedelta64(3650, "D"))
    with pytest.raises(InvalidParamsError, match="no day is in both"):
        compare_melt(hef, observed=later)
    with pytest.raises(InvalidParamsError, match="holds no day from 1999-01-01"):
        melt_predictor(hef, "1999-01-01", "1999-12-31")
    with pytest.raises(InvalidParamsError, match="holds no day from 1999-01-01"):
        melt_season(hef, ys=1999, ye=1999)
