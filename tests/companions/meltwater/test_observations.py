"""Wet snow in radar scenes and melt in brightness temperatures."""

from __future__ import annotations

import numpy as np
import pytest

from oggm_glaunti.companions.meltwater.pmw import melt_threshold, pmw_melt
from oggm_glaunti.companions.meltwater.sar import wet_fraction

WINTER = np.array(["2019-12-20", "2020-01-10", "2020-02-01"], "datetime64[D]")
SUMMER = np.array(["2020-06-01", "2020-06-02"], "datetime64[D]")


def scenes(summer: float = -14.0):
    time = np.concatenate([WINTER, SUMMER])
    sigma = np.full((5, 4, 4), -10.0)
    sigma[3:] = summer
    return sigma, time


def test_darker_by_more_than_three_decibels_is_wet():
    for change, wet in ((-2.9, 0.0), (-3.1, 1.0)):
        sigma, time = scenes(-10.0 + change)
        assert (wet_fraction(sigma, [7] * 5, time)[3:] == wet).all()


def test_the_winter_mean_is_of_power_not_of_decibels():
    sigma, time = scenes(-12.9)
    sigma[:3] = np.array([-6.0, -20.0, -20.0])[:, None, None]
    mean = 10 * np.log10((10**-0.6 + 2 * 10**-2.0) / 3)
    assert sigma[:3].mean() < -15
    assert (wet_fraction(sigma, [7] * 5, time)[3:] == float(-12.9 - mean < -3)).all()


def test_nan_is_neither_dry_nor_wet():
    sigma, time = scenes()
    sigma[3, :2] = np.nan
    sigma[0, :, 3] = np.nan  # two winter scenes are left
    wet = wet_fraction(sigma, [7] * 5, time)
    assert np.isnan(wet[3, :2]).all()
    assert np.isnan(wet[:, :, 3]).all()
    assert (wet[3, 2:, :3] == 1.0).all()


def test_each_orbit_has_its_own_winter():
    sigma, time = scenes(-10.0)
    both = np.concatenate([sigma, sigma - 6.0])
    wet = wet_fraction(both, [7] * 5 + [8] * 5, np.concatenate([time, time]))
    assert (wet == 0.0).all()


def test_cells_are_shares_of_fine_pixels_without_shadow():
    sigma, time = scenes()
    sigma[3, :2, :2] = [[-14, -10], [-10, -10]]
    assert wet_fraction(sigma, [7] * 5, time, cells=2)[3].tolist() == [[0.25, 1.0], [1.0, 1.0]]
    shadow = np.zeros((4, 4), bool)
    shadow[0, 1] = shadow[:2, 2:] = True
    wet = wet_fraction(sigma, [7] * 5, time, shadow=shadow, cells=2)[3]
    assert wet[0, 0] == pytest.approx(1 / 3)
    assert np.isnan(wet[0, 1])


def test_an_orbit_without_winter_is_named():
    sigma, time = scenes()
    with pytest.raises(ValueError, match=r"orbit 9: 0 scenes in the winter months .* expected 3 or more"):
        wet_fraction(sigma, [7, 7, 7, 7, 9], time)
    with pytest.raises(ValueError, match="sigma0_db: expected"):
        wet_fraction(sigma, [7] * 4, time)


def test_thresholds_of_brightness():
    assert pmw_melt([215.0, 217.0], 185.0).tolist() == [0.0, 1.0]  # 0.48 * 185 + 128 = 216.8
    assert melt_threshold(185.0, "winter") == 215.0
    assert melt_threshold(185.0, "fixed") == 245.0
    with pytest.raises(ValueError, match="kind: expected one of"):
        melt_threshold(185.0, "other")


def test_degrees_celsius_are_refused():
    with pytest.raises(ValueError, match=r"tb: expected brightness temperatures in K.*found -30"):
        pmw_melt([-30.0, -5.0], 185.0)
    assert np.isnan(pmw_melt([np.nan], 185.0)).all()
