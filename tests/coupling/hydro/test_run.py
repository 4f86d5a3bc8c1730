from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from tests.coupling.hydro.worlds import climate, geometry, inputs, source, write_run

ACCOUNTS = [
    ("swe_on_glacier", "snowfall_on_glacier", "snow_melt_on_glacier", "snow_moved_on_glacier"),
    ("snow_bucket", "snowfall_off_glacier", "melt_off_glacier", "snow_moved_off_glacier"),
]


def require_closed(water: xr.Dataset) -> None:
    years = [time.year for time in water.time.to_index()]
    first = np.flatnonzero(np.append(True, np.diff(years) != 0))
    for state, gain, loss, moved in ACCOUNTS:
        snow = water[state].values
        expected = (water[gain] - water[loss]).values.copy()
        at = np.moveaxis(water[moved].values, water[moved].dims.index("year"), 0)
        on_time = np.moveaxis(expected, water[gain].dims.index("time"), 0)
        on_time[first] += at
        change = np.diff(np.moveaxis(snow, water[state].dims.index("time"), 0), axis=0, prepend=0.0)
        np.testing.assert_allclose(change, on_time, atol=1e-9 * snow.max(), err_msg=state)


def opened(path) -> xr.Dataset:
    with xr.open_dataset(path, decode_times=xr.coders.CFDatetimeCoder(use_cftime=True)) as ds:
        return ds.load()


def test_a_run_closes_and_its_mass_is_that_of_the_dynamics(tmp_path):
    years = range(2003, 2007)
    path, sums = write_run(tmp_path, geometry(years), [source(inputs(climate(2001, 2006)), [(y,) for y in years])])
    water = opened(path)
    require_closed(water)
    assert water.sizes["time"] == 1461
    by_year = water[["snowfall_on_glacier", "melt_on_glacier"]].groupby("time.year").sum()
    mass = by_year.snowfall_on_glacier - by_year.melt_on_glacier + water.residual_mb
    np.testing.assert_allclose(mass, water.model_mb, rtol=1e-9, atol=1.0)
    np.testing.assert_allclose(sums.snowfall[0], by_year.snowfall_on_glacier)


def test_snow_of_ground_that_the_glacier_leaves_goes_to_the_bucket(tmp_path):
    years = range(2003, 2006)
    run = geometry(years)
    # Same surface all the time, so that nothing but the tongue's retreat moves snow.
    line = replace(run.lines[0], heights=np.repeat(run.lines[0].heights[:1], 3, axis=0))
    still = replace(run, lines=[line])
    path, _ = write_run(tmp_path, still, [source(inputs(climate(2003, 2005)), [(y,) for y in years])])
    water = opened(path)
    assert water.off_area.values.tolist() == pytest.approx([0.0, 0.0, 1.18e6])
    moved = water.snow_moved_off_glacier.values
    assert moved[2] > 0
    assert moved[2] == pytest.approx(-water.snow_moved_on_glacier.values[2], rel=1e-9)


def test_years_drawn_in_any_order_close_and_are_the_days_of_their_record(tmp_path):
    drawn = [(2005,), (2003,), (2005,), (2004,)]
    path, _ = write_run(tmp_path, geometry(range(4)), [source(inputs(climate(2003, 2005)), drawn)])
    water = opened(path)
    require_closed(water)
    rain = water.liq_prcp_on_glacier.groupby("time.year").sum()
    straight, _ = write_run(tmp_path, geometry(range(4)), [source(inputs(climate(2003, 2005)), [(2005,)] * 4)])
    np.testing.assert_allclose(rain[[0, 2]], opened(straight).liq_prcp_on_glacier.groupby("time.year").sum()[[0, 2]])


def test_a_constant_climate_is_the_mean_of_its_years(tmp_path):
    weather, years = climate(2003, 2005), (2003, 2004, 2005)
    run = geometry(range(2001, 2002))
    path, _ = write_run(tmp_path, run, [source(inputs(weather), [years])])
    mean = opened(path)
    require_closed(mean)
    each = [opened(write_run(tmp_path, run, [source(inputs(weather), [(year,)])])[0]) for year in years]
    for name in ("melt_on_glacier", "snowfall_on_glacier", "liq_prcp_on_glacier"):
        assert float(mean[name].sum()) == pytest.approx(np.mean([float(one[name].sum()) for one in each]), rel=1e-12)


def test_realisations_are_a_dimension(tmp_path):
    one, other = climate(2003, 2004, seed=1), climate(2003, 2004, seed=2)
    both = inputs(replace(one, others=(other,)))
    years = [(2003,), (2004,)]
    path, _ = write_run(tmp_path, geometry(range(2003, 2005)), [source(both, years)])
    water = opened(path)
    require_closed(water.isel(realisation=0))
    require_closed(water.isel(realisation=1))
    alone = opened(write_run(tmp_path, geometry(range(2003, 2005)), [source(inputs(other), years)])[0])
    np.testing.assert_allclose(water.melt_on_glacier[1], alone.melt_on_glacier)


def test_flowlines_with_weather_of_their_own_add_up(tmp_path):
    years = [(2003,)]
    one, two = geometry(range(2003, 2004)), geometry(range(2003, 2004), line=1)
    merged = replace(one, lines=[*one.lines, *two.lines])
    weather = inputs(climate(2003, 2003, seed=1)), inputs(climate(2003, 2003, seed=2))
    sources = [source(w, years, lines=(k,)) for k, w in enumerate(weather)]
    together = opened(write_run(tmp_path, merged, sources)[0])
    apart = [opened(write_run(tmp_path, g, [source(w, years)])[0]) for g, w in zip((one, two), weather, strict=True)]
    for name in ("melt_on_glacier", "swe_on_glacier", "snow_bucket"):
        np.testing.assert_allclose(together[name], sum(part[name] for part in apart), rtol=1e-5, err_msg=name)
    cover = sum(part.snow_covered_fraction * part.on_area[0] for part in apart) / float(together.on_area[0])
    np.testing.assert_allclose(together.snow_covered_fraction, cover, rtol=1e-5)
    assert "snowline" not in together


def test_a_glacier_of_one_height_has_its_water(tmp_path):
    run = geometry(range(2003, 2004))
    line = replace(
        run.lines[0],
        **{name: getattr(run.lines[0], name)[..., :1] for name in ("heights", "areas", "reference")},
        shares=np.ones((1, 1)),
    )
    path, _ = write_run(tmp_path, replace(run, lines=[line]), [source(inputs(climate(2003, 2003)), [(2003,)])])
    water = opened(path)
    require_closed(water)
    assert float(water.snowfall_on_glacier.sum()) > 0
    assert 3990.0 <= float(water.snowline.min()) <= float(water.snowline.max()) <= 4010.0


def test_the_snow_line_lies_on_the_glacier_and_rises_in_summer(tmp_path):
    years = range(2003, 2005)
    path, _ = write_run(tmp_path, geometry(years), [source(inputs(climate(2001, 2004)), [(y,) for y in years])])
    line = opened(path).snowline
    assert 2000.0 <= float(line.min()) < float(line.max()) <= 4000.0
    by_month = line.groupby("time.month").mean()
    assert float(by_month.sel(month=9)) > float(by_month.sel(month=4)) + 200.0
