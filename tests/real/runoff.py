"""Daily runoff, measured: closure, OGGM's own hydrology, and the discharge of the Massa below Grosser Aletsch.

``python -m tests.real.runoff`` prints a line per bound, ``holds`` or ``falls short`` with the figure, and ends with
status 1 if any falls short. The catchment is delineated from the directory's DEM; precipitation is fitted to the volume
and residence times to the days of 1982-2000; scores are those of 2001-2020. Weather and discharge are CAMELS-CH's
(Massa at Blatten, 2161), winter balances GLAMOS'.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests import cold_valley, glaciers
from tests.real import runoff_fit, runoff_ice
from tests.real.measured import Bounds, shared_data

GAUGE = 8.006712, 46.385557  # E, N; CH1903+ 2643700, 1137290 of CAMELS-CH
GAUGE_AREA, DELINEATED = 195.5, 194.8  # km2
FIT, TEST = (1982, 2000), ("2001", "2020")
BOUNDS = {"nse": 0.915, "kge": 0.90, "r_month": 0.98, "r_summer": 0.87, "r_anomaly": 0.77}
SPLIT = "mass_conserving"


def main() -> int:
    """Run everything on a copy of Grosser Aletsch."""
    shared, bounds = shared_data(), Bounds()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        gdir = glaciers.prepare_aletsch(Path(folder) / "aletsch", shared)
        from oggm_glaunti.tasks import glaunti_features

        glaunti_features(gdir)
        contract(bounds, gdir)
        run = daily_run(gdir)
        closure(bounds, run)
        months(bounds, gdir, run)
        by_unit(bounds, gdir)
        runoff_ice.refreezing(bounds, "Grosser Aletsch 1982-2020", gdir, range(1982, 2021))
        runoff_ice.debris(bounds, gdir)
        massa(bounds, gdir, shared)
        runoff_fit.fits(bounds, gdir, shared, read_measured(shared), GAUGE, FIT)
        hef = glaciers.prepare_hef(Path(folder) / "hef", shared)
        runoff_ice.refreezing(bounds, "Hintereisferner 2015-2022", hef, range(2015, 2023))
        cold = cold_valley.prepare_cold_valley(Path(folder) / "cold")
        runoff_ice.refreezing(bounds, "a cold glacier made by code 1982-2020", cold, range(1982, 2021))
    print(f"{bounds.short} bounds fall short")
    return int(bounds.short > 0)


def mb_model_of(gdir: Any, **kwargs: Any) -> Any:
    """Model A with the day that conserves mass, as OGGM's runs take it."""
    from oggm.core.massbalance import MultipleFlowlineMassBalance

    from oggm_glaunti import GlaUnTIMassBalanceA

    return MultipleFlowlineMassBalance(gdir, mb_model_class=GlaUnTIMassBalanceA, variant=SPLIT, **kwargs)


# --- OGGM's contract ---


def contract(bounds: Bounds, gdir: Any) -> None:
    """Days add up to the year, with and without a leap day."""
    from oggm import cfg

    from oggm_glaunti import GlaUnTIMassBalance
    from oggm_glaunti.coupling.oggm.versions import days_in_year, floatyear_of_day

    heights = np.array([1800.0, 2403.0, 3001.5, 3333.3, 4100.0])
    for variant in ("smooth", SPLIT):
        for name in "AC":
            model = GlaUnTIMassBalance(gdir, model=name, variant=variant)
            for year in (2003, 2004):
                days = [floatyear_of_day(year, day) for day in range(1, days_in_year(year) + 1)]
                each = [model.get_daily_mb(heights, year=day, add_climate=True) for day in days]
                total = sum(day[0] for day in each) * cfg.SEC_IN_DAY
                annual = model.get_annual_mb(heights, year=year, add_climate=True)
                off = float(np.abs(total - annual[0] * model.sec_in_year(year)).max())
                wet = max(float(np.abs(sum(d[k] for d in each) - annual[k]).max()) for k in (3, 4))
                bounds(
                    off <= 1e-5 and wet <= 1e-3,
                    f"{name}, {variant}, {year}: the sum of {len(days)} days is the year to {off:.1e} m of ice (at "
                    f"most 1e-05), of precipitation and snowfall to {wet:.1e} kg m-2 (at most 0.001)",
                )
                if variant == SPLIT:
                    melt = sum(sum(model.get_daily_melt(day, heights)) for day in days)
                    off = float(np.abs(sum(model.get_annual_melt(year, heights)) - melt).max())
                    bounds(
                        off <= 1e-3, f"{name}, {year}: snow and ice melt of the days are the year's to {off:.1e} kg m-2"
                    )


# --- a run ---


def daily_run(gdir: Any) -> Any:
    """1981-2020 on the moving glacier."""
    from oggm_glaunti.analysis import read_daily_hydro
    from oggm_glaunti.tasks import run_with_daily_hydro

    how = {"ys": 1981, "ye": 2021, "ref_area_from_y0": True, "output_filesuffix": "_days"}
    run_with_daily_hydro(gdir, mb_model=mb_model_of(gdir), **how)
    return read_daily_hydro(gdir, "_days")


def first_days(water: Any) -> np.ndarray:
    """The index of the first day of each year."""
    years = water["time"].dt.year.values
    return np.flatnonzero(np.append(True, years[1:] != years[:-1]))


def imbalance(water: Any, state: str, gain: str, loss: str, moved: str) -> tuple[float, float]:
    """Largest imbalance of a day, relative to what falls or melts, and of a year likewise."""
    snow, came, went = (water[name].values.reshape(water.sizes["time"], -1) for name in (state, gain, loss))
    first, extra = first_days(water), np.zeros_like(snow)
    extra[first] = water[moved].values.reshape(len(first), -1)
    error = np.diff(np.concatenate([np.zeros_like(snow[:1]), snow]), axis=0) - (came - went + extra)
    flux = np.maximum(came, went)
    # Days on which next to nothing falls or melts say nothing but what rounding is.
    day = float(np.max(np.abs(error) / np.maximum(flux, 1e-6 * flux.max())))
    by_year = [np.add.reduceat(field, first, axis=0) for field in (error, came + went)]
    return day, float(np.max(np.abs(by_year[0]) / np.maximum(by_year[1], 1.0)))


def closure(bounds: Bounds, water: Any, of_what: str = "run of 1981-2020") -> None:
    """Snow on the glacier and on the ground; mass; signs."""
    accounts = {
        "snow on the glacier": (
            "swe_on_glacier",
            "snowfall_on_glacier",
            "snow_melt_on_glacier",
            "snow_moved_on_glacier",
        ),
        "snow on the ground": ("snow_bucket", "snowfall_off_glacier", "melt_off_glacier", "snow_moved_off_glacier"),
    }
    for name, account in accounts.items():
        day, year = imbalance(water, *account)
        bounds(
            day <= 1e-5 and year <= 1e-6,
            f"{of_what}: {name} closes to {day:.1e} a day (at most 1e-05) and {year:.1e} a year (at most 1e-06)",
        )
    fluxes = [
        name for name in water.data_vars if water[name].attrs.get("units") in ("kg day-1", "kg") and "moved" not in name
    ]
    least = min(float(water[name].min()) for name in fluxes)
    bounds(least >= 0, f"{of_what}: no negative flux or store in {len(fluxes)} fields (least {least:g})")
    parts = water["snow_melt_on_glacier"] + water["ice_melt_on_glacier"] - water["melt_on_glacier"]
    off = float(np.abs(parts).max() / water["melt_on_glacier"].max())
    bounds(off <= 1e-12, f"{of_what}: snow melt and ice melt are the melt to {off:.1e}")
    at_hand = water["swe_on_glacier"].shift(time=1, fill_value=np.inf) + water["snowfall_on_glacier"]
    moved = np.zeros(water["time"].size, bool)
    moved[first_days(water)] = True
    excess = (water["snow_melt_on_glacier"] - at_hand).where(~water["time"].copy(data=moved)).max()
    bounds(float(excess) <= 0, f"{of_what}: no more snow melts than there is")
    if "unit" in water.dims:
        return
    first = first_days(water)
    change = [np.add.reduceat(water[name].values, first) for name in ("snowfall_on_glacier", "melt_on_glacier")]
    error = change[0] - change[1] + water["residual_mb"].values - water["model_mb"].values
    off = float(np.max(np.abs(error) / change[1]))
    bounds(
        off <= 1e-6, f"{of_what}: snowfall - melt + residual is the change of mass to {off:.1e} a year (at most 1e-06)"
    )


def months(bounds: Bounds, gdir: Any, water: Any) -> None:
    """The same run by OGGM's own hydrology."""
    import xarray as xr
    from oggm import tasks

    how = {"ys": 1981, "ye": 2021, "ref_area_from_y0": True, "output_filesuffix": "_months"}
    tasks.run_with_hydro(
        gdir, run_task=tasks.run_from_climate_data, store_monthly_hydro=True, mb_model=mb_model_of(gdir), **how
    )
    sums = water.resample(time="MS").sum()
    with xr.open_dataset(gdir.get_filepath("model_diagnostics", filesuffix="_months")) as theirs:
        for name, most in (("liq_prcp", 1e-3), ("snowfall", 1e-3), ("melt", 5e-3)):
            field = f"{name}_on_glacier"
            other = theirs[f"{field}_monthly"].values[:-1]
            ours = sums[field].values.reshape(other.shape)
            off = float((np.abs(ours - other) / other.sum(axis=1, keepdims=True)).max())
            bounds(
                off <= most,
                f"{field}: months are those of run_with_hydro to {100 * off:.3f} % of the year (at most "
                f"{100 * most:g} %)",
            )
        off = float(water["melt_off_glacier"].sum() / theirs["melt_off_glacier"][:-1].sum() - 1.0)
        print(f"melt_off_glacier: {100 * off:+.1f} % against OGGM's, which melts its bucket as it melts the glacier")
    residual = (water["residual_mb"] / water["on_area"]).values
    rms = float(np.sqrt(np.mean(residual**2)))
    bounds(
        rms <= 10.0, f"the residual is {rms:.1f} mm w.e. a year (RMS; at most 10), at most {np.abs(residual).max():.1f}"
    )


def by_unit(bounds: Bounds, gdir: Any) -> None:
    """The catchment in two parts, and the rest of the glacier."""
    from oggm_glaunti.analysis import catchment_of, read_daily_hydro
    from oggm_glaunti.tasks import run_with_daily_hydro

    catchment = catchment_of(gdir, *GAUGE, area=GAUGE_AREA)
    bounds(
        abs(catchment.area - DELINEATED) <= 0.1,
        f"the catchment delineated from the DEM has {catchment.area:.1f} km2 ({DELINEATED} expected, "
        f"{GAUGE_AREA} published)",
    )
    rows = np.arange(catchment.mask.shape[0])[:, None]
    halves = np.where(catchment.mask, 1 + (rows > np.median(np.nonzero(catchment.mask)[0])), 0)
    how = {"ys": 2000, "ye": 2010, "output_filesuffix": "_units"}
    run_with_daily_hydro(gdir, mb_model=mb_model_of(gdir), units=halves, routing=5.0, **how)
    water = read_daily_hydro(gdir, "_units")
    closure(bounds, water, "two units of 2000-2009")
    area = (water["on_area"] + water["off_area"]).sum("unit") / 1e6
    off = float(np.abs(area / catchment.area - 1.0).max())
    bounds(off <= 1e-9, f"glacier and ground of the units are the catchment in all years, to {off:.1e}")


# --- discharge ---


def read_measured(shared: Path) -> pd.Series:
    """Discharge of the Massa at Blatten, m3 s-1."""
    from oggm_glaunti.analysis import read_discharge

    return read_discharge(shared / "data/camels_ch_glaciers/CAMELS_CH_obs_based_2161.csv", area=GAUGE_AREA)


def massa(bounds: Bounds, gdir: Any, shared: Path) -> None:
    """Scores on the years held out, of GlaUnTI and of others with the same freedom."""
    from oggm_glaunti.analysis import catchment_of, fit_volume, runoff_scores
    from oggm_glaunti.analysis.runoff.routing import fit_reservoirs
    from oggm_glaunti.analysis.runoff.scores import climatology

    measured = read_measured(shared)
    catchment = catchment_of(gdir, *GAUGE, area=GAUGE_AREA)
    held_out = measured.loc[slice(*TEST)]
    table: dict[str, Any] = {}
    for name in "AC":
        volume = fit_volume(gdir, measured, catchment.mask, FIT, {"model": name, "variant": SPLIT})
        found = fit_reservoirs(f"Massa, {name}", volume.components, measured, FIT)
        scores, times = found.held_out, ", ".join(f"{part} {days:.1f}" for part, days in found.days.items())
        table[f"GlaUnTI {name}"] = scores
        table[f"GlaUnTI {name}, 5 days"] = found.default
        print(
            f"{name}: with its own prec_scale {volume.prec_scale / volume.prcp_fac:.2f} the volume of 1982-2000 is "
            f"{100 * volume.before:+.0f} %, discharge asks for {volume.prec_scale:.2f}; residence times {times} days"
        )
        for score, least in BOUNDS.items():
            value = getattr(scores, score)
            bounds(value >= least, f"Massa, {name}: {score} {value:.3f} (at least {least})")
        bounds(abs(scores.volume) <= 0.05, f"Massa, {name}: volume {100 * scores.volume:+.1f} % (at most 5 %)")
        bounds(
            found.default.nse >= 0.915,
            f"Massa, {name}, all water 5 days, not fitted: nse {found.default.nse:.3f} (at least 0.915)",
        )
    table |= by_degree_days(gdir, catchment, measured)
    mean = climatology(measured.loc[str(FIT[0]) : str(FIT[1])], pd.DatetimeIndex(held_out.index))
    table["mean of the day of year"] = runoff_scores(mean, held_out)
    print(pd.DataFrame(table, index=runoff_scores(mean, held_out)._fields).T.round(3).to_string())
    for name in "AC":
        gain = table[f"GlaUnTI {name}"].nse - table["MonthlyTIModel's equations"].nse
        bounds(
            gain >= 0.05, f"Massa, {name}: nse is {gain:+.3f} above that of MonthlyTIModel's equations (at least 0.05)"
        )
    best = max(table, key=lambda name: table[name].log_nse)
    print(f"the best log_nse, {table[best].log_nse:.3f}, has: {best}")
    a, c, two = (table[name].nse for name in ("GlaUnTI A", "GlaUnTI C", "two factors"))
    print(
        f"nse: the corrector adds {c - a:+.3f}, and a two-factor degree-day model with the same freedom has {two:.3f}"
    )
    winters(gdir, shared)


def by_degree_days(gdir: Any, catchment: Any, measured: pd.Series) -> dict[str, Any]:
    """Two other models, precipitation and residence times fitted likewise; the monthly one also its factor."""
    from oggm_glaunti import GlaUnTIMassBalanceA
    from oggm_glaunti.analysis.runoff.routing import fit_reservoirs
    from oggm_glaunti.coupling.hydro.units import read_units
    from tests.real.degree_days import Ground, monthly_mean, with_volume

    model, units = GlaUnTIMassBalanceA(gdir), read_units(gdir, catchment.mask)
    climate, heights, inside = model.climate, np.arange(1400.0, 4200.0, 50.0), units.cell_unit == 0
    edges = np.append(heights - 25.0, heights[-1] + 25.0)
    every, ice = (
        np.histogram(units.heights[which], edges)[0] * units.cell_area for which in (inside, inside & units.glacier)
    )
    days = pd.DatetimeIndex(climate.time)
    weather = climate.temp.astype(float), climate.prcp.astype(float), climate.ref_hgt
    ground, fitted = Ground(heights, every, ice, days, *weather), measured.loc[str(FIT[0]) : str(FIT[1])]
    months, found = monthly_mean(ground), {}
    # Factor of the directory's own calibration by OGGM, and lower ones: the best on the years fitted to.
    trials = [fit_reservoirs("", with_volume(months, fitted, f, f, -1.0)[1], measured, FIT) for f in (4.0, 5.0, 6.32)]
    found["MonthlyTIModel's equations"] = max(trials, key=lambda trial: trial.fitted.nse).held_out
    ddf = float(model.melt_f)
    two = with_volume(ground, fitted, ddf, 1.5 * ddf, 0.0)[1]
    found["two factors"] = fit_reservoirs("", two, measured, FIT).held_out
    return found


def winters(gdir: Any, shared: Path) -> None:
    """What winter balances say of the same precipitation."""
    from oggm_glaunti import GlaUnTIMassBalanceA

    rows = pd.read_csv(shared / "data/glamos_massbalance/massbalance_observation.csv", sep=";")
    rows = rows[rows["glacier name"] == "Grosser Aletschgletscher"]
    begin, end = (pd.to_datetime(rows[f"{what} of {of}observation"], dayfirst=True, format="mixed") for what, of in
                  (("start date", ""), ("end date", "winter ")))  # fmt: skip
    model = GlaUnTIMassBalanceA(gdir, variant=SPLIT)
    fls = gdir.read_pickle("model_flowlines")
    heights = np.concatenate([fl.surface_h for fl in fls])
    areas = np.concatenate([fl.bin_area_m2 for fl in fls])
    days = [model.get_daily_mb_of_year(heights, year) for year in range(1981, 2021)]
    daily = np.concatenate([areas @ year / areas.sum() for year in days]) * 86400.0 * model.rho / 1000.0
    series = pd.Series(daily, pd.date_range("1981-01-01", "2020-12-31"))
    pairs = [
        (series[a : b - pd.Timedelta(days=1)].sum(), balance / 1000.0)
        for a, b, balance in zip(begin, end, rows["winter mass balance"], strict=True)
        if a.year >= 1981 and b.year <= 2020 and np.isfinite(balance)
    ]
    ours, theirs = np.mean(pairs, axis=0)
    print(
        f"{len(pairs)} winters of GLAMOS: {theirs:.2f} m w.e. measured, {ours:.2f} m with prec_scale 1.38: what fits "
        "the glacier's winters is too much for the river"
    )


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    sys.exit(main())
