"""Refreezing where it matters: on a polar glacier made by code."""

from __future__ import annotations

import numpy as np
import pytest

from oggm_glaunti import GlaUnTIMassBalanceA
from tests.cold_valley import polar_weather, prepare_cold_valley

from ...region.oetztal import oggm_kept

YEARS = range(2002, 2008)

pytestmark = pytest.mark.slow


def test_its_weather_is_polar():
    weather = polar_weather(2001, 2010)
    by_month = weather["temp"].groupby(weather.index.month).mean()
    assert weather["temp"].mean() < -10.0
    assert -3.0 < by_month.max() < 5.0
    assert by_month.min() < -20.0
    assert 200.0 < weather["prcp"].sum() / 10 < 700.0


def test_on_a_cold_glacier_both_kinds_freeze_much_of_its_water_again(tmp_path):
    with oggm_kept():
        gdir = prepare_cold_valley(tmp_path, 2001, 2007)
        lines = gdir.read_pickle("inversion_flowlines")
        models = {
            kind: GlaUnTIMassBalanceA(gdir, variant="mass_conserving", refreezing=kind)
            for kind in ("none", "woodward", "cold_content")
        }
        means = {name: model.get_specific_mb(fls=lines, year=list(YEARS)) for name, model in models.items()}
        melt = [models["none"].get_annual_melt(year, lines[0].surface_h) for year in YEARS]
        water = np.mean(melt, axis=0).sum(axis=0).mean()  # kg m-2
    for kind in ("woodward", "cold_content"):
        gain = means[kind] - means["none"]
        assert gain.min() > 0.0
        # Several centimetres, and no more than there is of water.
        assert 30.0 < gain.mean() < min(150.0, water)
