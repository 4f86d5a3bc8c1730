"""Grosser Aletsch: maps, attribution, inverse modelling, uncertainty, dynamics, water, and its surface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from oggm_glaunti import graphics
from tests.real import fits

Data = dict[str, Any]
Figures = Iterator[tuple[str, Any]]
NAME, MODEL, YEARS = "Grosser Aletsch", {"mb_kwargs": {"model": "A"}}, (2001, 2020)
FITTED = {"mb_kwargs": {"model": "A", "mb_params_filesuffix": "_fit"}}


def fit(gdir: Any, shared: Path) -> None:
    """Fit model A to GLAMOS' winters and summers, in a file of its own."""
    from oggm_glaunti.fit.calibration.tasks import fit_glaunti

    table = fits.aletsch_observations(shared).drop(columns="number")
    fit_glaunti(gdir, observations=table[table["season"] != "annual"], filesuffix="_fit", **MODEL)


def maps(gdir: Any, shared: Path) -> Data:
    """Balance of the mass-balance year 2003 by models A and C, corrections of C, and profiles."""
    import xarray as xr

    from oggm_glaunti import GlaUnTIMassBalance, read_features
    from oggm_glaunti.tasks import glaunti_smb

    models = {"A": {"model": "A"}, "C, climatology": {"model": "C", "corrector": "climatology"}}
    heights, found = np.arange(1650.0, 4150.0, 25.0), {}
    for name, chosen in models.items():
        glaunti_smb(gdir, years="mass_balance", ys=2003, ye=2003, mb_kwargs=chosen)
        with xr.open_dataset(gdir.get_filepath("glaunti_smb")) as ds:
            found[name] = ds["smb"].isel(time=0).to_numpy()
            corrections = ds["corrections"].isel(time=0).to_numpy() if "corrections" in ds else None
    profiles = {
        name: graphics.mean_profile(GlaUnTIMassBalance(gdir, **chosen), heights, range(2000, 2020))
        for name, chosen in models.items()
    }
    return {
        "features": read_features(gdir),
        "maps": found,
        "corrections": corrections,
        "heights": heights,
        "profiles": profiles,
    }


def draw_maps(data: Data) -> Figures:
    """Maps and profiles."""
    from oggm_glaunti.graphics.style import panels

    features = data["features"]
    figure, axes = panels(1, 3, (13.0, 5.2), width_ratios=(1.0, 1.0, 0.7))
    for ax, (name, values) in zip(axes[0], data["maps"].items(), strict=False):
        image = graphics.plot_balance_map(values, features, ax, limit=8.0)
        ax.set_title(f"model {name}, 2003", fontsize="medium")
    figure.colorbar(image, ax=axes[0, :2], label="balance (m w.e.)", shrink=0.8)
    graphics.plot_profiles(data["profiles"], data["heights"], axes[0, 2])
    axes[0, 2].legend(frameon=False)
    yield "aletsch_balance", figure
    figure, axes = panels(1, 2, (9.0, 5.0), width_ratios=(1.3, 1.0))
    figure.colorbar(graphics.plot_elevation(features, axes[0, 0]), ax=axes[0, 0], label="elevation (m)")
    graphics.plot_hypsometry(features, axes[0, 1])
    yield "aletsch_elevation", figure
    figure, axes = panels(1, 2, (9.0, 5.0))
    inside = np.where(features.glacier, data["corrections"], np.nan)
    for ax, values, label in zip(axes[0], inside[3:], ("snow-rain temperature", "melt temperature"), strict=True):
        image = graphics.plot_balance_map(values, features, ax, zero_line=False, cmap="PuOr_r")
        figure.colorbar(image, ax=ax, label=f"change of the {label} (K)", location="bottom")
    yield "aletsch_corrections", figure


def attribution(gdir: Any, shared: Path) -> Data:
    """What made 2003, by A and by C, whose corrections differ between years."""
    from oggm_glaunti import read_features
    from oggm_glaunti.tasks import attribute_heights, attribute_year

    c = {"mb_kwargs": {"model": "C", "corrector": "yearly"}}
    return {
        "features": read_features(gdir),
        "A": attribute_year(gdir, year=2003, reference=(1991, 2020), **MODEL),
        "C": attribute_year(gdir, year=2003, reference=(1991, 2020), **c),
        "heights": attribute_heights(gdir, year=2003, **MODEL),
    }


def draw_attribution(data: Data) -> Figures:
    """With and without corrections, with and without map; and the heights."""
    from oggm_glaunti.graphics.style import panels

    yield "attribution", graphics.plot_attribution(data["A"], data["features"])
    yield "attribution_c", graphics.plot_attribution(data["C"], data["features"])
    yield "attribution_without_map", graphics.plot_attribution(data["A"])
    figure, axes = panels(1, 1, (5.5, 5.0))
    total = sum(data["heights"][f"{name}_map"].to_numpy() for name in ("height_itself", "snow", "corrections"))
    image = graphics.plot_balance_map(total, data["features"], axes[0, 0])
    figure.colorbar(image, ax=axes[0, 0], label="2003 minus that at the mean height (m w.e.)")
    yield "attribution_heights", figure


def inverse(gdir: Any, shared: Path) -> Data:
    """Sensitivity by month, and the forcing that GLAMOS' balances ask for, by month and by day."""
    from oggm_glaunti.tasks import climate_sensitivity, invert_forcing

    table = fits.aletsch_observations(shared)
    annual = table[table["season"] == "annual"]
    measured = annual.set_index(annual["end"].dt.year)["value"].loc[2010:2019]
    how = {"target": measured, "sigma": 0.2, "prior": (1.0, 0.3), "correlation": 30.0, "control": "both", **MODEL}
    return {
        "sensitivity": climate_sensitivity(gdir, years=(2010, 2019), **MODEL),
        "monthly": invert_forcing(gdir, resolution="monthly", **how),
        "daily": invert_forcing(gdir, resolution="daily", **how),
    }


def draw_inverse(data: Data) -> Figures:
    """Both resolutions."""
    yield "inverse_sensitivity", graphics.plot_sensitivity(data["sensitivity"], f"{NAME}, model A, 2010-2019")
    for name in ("monthly", "daily"):
        yield f"inverse_forcing_{name}", graphics.plot_forcing_series(data[name], f"{NAME}, model A, GLAMOS")


def uncertainty(gdir: Any, shared: Path) -> Data:
    """Bands to first order and of members, the limits of the first order, and volumes."""
    import xarray as xr
    from oggm import tasks

    from oggm_glaunti import GlaUnTIMassBalance
    from oggm_glaunti.analysis import WeatherErrors
    from oggm_glaunti.tasks import run_ensemble_from_climate_data, smb_ensemble, smb_linearity, smb_uncertainty

    fit(gdir, shared)
    runs = run_ensemble_from_climate_data(gdir, members=8, seed=1, ys=2004, ye=2021, **FITTED)
    tasks.run_from_climate_data(
        gdir, mb_model=_on_flowlines(gdir, GlaUnTIMassBalance), output_filesuffix="_plain", ys=2004, ye=2021
    )
    with xr.open_dataset(gdir.get_filepath("model_diagnostics", filesuffix="_plain")) as ds:
        plain = ds["volume_m3"].load()
    kept = {"errors": WeatherErrors(mean_preserving=True)}
    return {
        "found": smb_uncertainty(gdir, years=YEARS, **FITTED),
        "members": smb_ensemble(gdir, years=YEARS, members=200, **FITTED),
        "median kept": smb_linearity(gdir, members=100, years=YEARS, **FITTED),
        "mean kept": smb_linearity(gdir, members=100, years=YEARS, **kept, **FITTED),
        "runs": runs,
        "plain": plain,
    }


def _on_flowlines(gdir: Any, mb_model_class: Any) -> Any:
    from oggm.core.massbalance import MultipleFlowlineMassBalance

    return MultipleFlowlineMassBalance(gdir, mb_model_class=mb_model_class, **FITTED["mb_kwargs"])


def draw_uncertainty(data: Data) -> Figures:
    """With and without members."""
    yield "uncertainty", graphics.plot_uncertainty(data["found"], data["members"])
    yield "uncertainty_alone", graphics.plot_uncertainty(data["found"])
    yield "uncertainty_linearity", graphics.plot_linearity({k: data[k] for k in ("median kept", "mean kept")})
    yield "uncertainty_volumes", graphics.plot_volumes(data["runs"], data["plain"])


def measure_next(gdir: Any, shared: Path) -> Data:
    """Where one more measurement tells most of 2019."""
    from oggm_glaunti.tasks import where_to_measure

    fit(gdir, shared)
    return {"advice": where_to_measure(gdir, year=2019, **FITTED)}


def draw_measure_next(data: Data) -> Figures:
    """The figure of docs/measure_next.md."""
    yield "where_to_measure", graphics.plot_where_to_measure(data["advice"])


def dynamics(gdir: Any, shared: Path) -> Data:
    """Volumes and their derivatives, 1982-2020."""
    from oggm_glaunti.analysis.dynamics.setup import prepare_volume_runs, with_tunables
    from oggm_glaunti.tasks import volume_gradient, volume_sensitivity

    given = {"ys": 1982, "ye": 2021, **MODEL}
    ready = prepare_volume_runs(gdir, controls=["dT"], **given)
    return {
        "found": volume_sensitivity(gdir, controls=["dT", "ddf_snow"], **given),
        "reruns": {amount: with_tunables(ready, temp=amount)[:, 0] for amount in (1.0, -1.0)},
        "months": volume_gradient(gdir, controls=["dT", "dP"], by_month=True, **given),
    }


def draw_dynamics(data: Data) -> Figures:
    """With whole runs and without."""
    yield "dynamics_volume", graphics.plot_volume(data["found"], "dT", data["reruns"])
    yield "dynamics_volume_alone", graphics.plot_volume(data["found"], "ddf_snow")
    yield "dynamics_gradient", graphics.plot_gradient(data["months"])
    yield "dynamics_months", graphics.plot_months(data["months"])


def runoff(gdir: Any, shared: Path) -> Data:
    """Water of the Massa's catchment by day, with measured discharge."""
    from oggm.core.massbalance import MultipleFlowlineMassBalance

    from oggm_glaunti import GlaUnTIMassBalance
    from oggm_glaunti.analysis import catchment_of, fit_routing, fit_volume, read_daily_hydro, read_discharge
    from oggm_glaunti.tasks import run_with_daily_hydro

    measured = read_discharge(shared / "data/camels_ch_glaciers/CAMELS_CH_obs_based_2161.csv", area=195.5)
    massa = catchment_of(gdir, 8.0067, 46.3856, area=195.5)
    split = {"model": "A", "variant": "mass_conserving"}
    volume = fit_volume(gdir, measured, massa.mask, years=(1982, 2000), mb_kwargs=split)
    mb_model = MultipleFlowlineMassBalance(gdir, mb_model_class=GlaUnTIMassBalance, prcp_fac=volume.prcp_fac, **split)
    run = {"mb_model": mb_model, "ys": 1982, "ye": 2021, "units": massa.mask}
    run_with_daily_hydro(gdir, routing=5.0, **run)
    days = fit_routing(gdir, measured, years=(1982, 2000), area=195.5).days
    run_with_daily_hydro(gdir, routing=days, **run)
    routed = read_daily_hydro(gdir).load()
    run_with_daily_hydro(gdir, mb_model=mb_model, ys=2003, ye=2004)
    return {"water": routed, "measured": measured, "one year": read_daily_hydro(gdir).load()}


def draw_runoff(data: Data) -> Figures:
    """Decades with measurements, and a single year without."""
    yield "massa_runoff", graphics.plot_runoff(data["water"], year=2003, measured=data["measured"])
    yield "runoff_one_year", graphics.plot_runoff(data["one year"])


def season(gdir: Any, shared: Path) -> Data:
    """Melt of 2003 by height, and a made-up satellite that sees water three days late."""
    import xarray as xr

    from oggm_glaunti.tasks import compare_melt, glaunti_smb, melt_season

    glaunti_smb(gdir, ys=2003, ye=2003, daily=True, **MODEL)
    melt_season(gdir)
    with xr.open_dataset(gdir.get_filepath("glaunti_meltwater")) as opened:
        made = opened.load()
    late = (made["water_evening"] > 0.002).astype("float32").where(made["water_evening"].notnull()).shift(time=3)
    seen = compare_melt(gdir, observed=late.isel(time=slice(90, 300, 6)).to_dataset(name="melt_fraction"))
    return {
        "season": made,
        "line": (seen.line.index.to_numpy(), seen.line["observed"].to_numpy()) if hasattr(seen, "line") else None,
    }


def draw_season(data: Data) -> Figures:
    """The season by height."""
    yield "melt_by_height", graphics.plot_melt_by_height(data["season"], data["line"], f"{NAME}, 2003")


def surface(gdir: Any, shared: Path) -> Data:
    """The yearly DEM stack, and balances on it."""
    import xarray as xr

    from oggm_glaunti import read_features
    from oggm_glaunti.tasks import glaunti_smb, process_dem_stack

    process_dem_stack(gdir, z=shared / "data" / "demimputation", glacier=NAME, vertical_datum="ellipsoid")
    with xr.open_dataset(gdir.get_filepath("glaunti_dem_stack")) as opened:
        stack = opened.load()
    features, years = read_features(gdir), {"years": "mass_balance", "ys": 2000, "ye": 2019, **MODEL}
    return {
        "features": features,
        "stack": stack,
        "fixed": glaunti_smb(gdir, **years),
        "yearly": glaunti_smb(gdir, surface="yearly", output_filesuffix="_yearly", **years),
        "rise": (stack.z.to_numpy() - features.elevation)[:, features.glacier].mean(axis=1),
    }


def draw_surface(data: Data) -> Figures:
    """Maps with and without reference, and the effect on the balance."""
    title, features = f"{NAME}, model A as published", data["features"]
    yield (
        "aletsch_yearly_surface",
        graphics.plot_surface_change(data["fixed"], data["yearly"], title, height_change=data["rise"]),
    )
    yield "surface_change", graphics.plot_surface_change(data["fixed"], data["yearly"], title)
    yield "aletsch_dem_stack", graphics.plot_voids(data["stack"], NAME, outline=features.outline)


def flux(gdir: Any, shared: Path) -> Data:
    """Balances that the flux of ice asks for."""
    from oggm_glaunti.tasks import apparent_balance, calibrate_glaunti

    calibrate_glaunti(gdir, ref_mb=-1210.7, ref_period="2000-01-01_2020-01-01", **MODEL)
    edges = (1500.0, 2000.0, 2500.0, 3000.0, 3500.0, 4500.0)
    names = ("consensus_ice_thickness", "millan_ice_thickness")
    return {"tables": [apparent_balance(gdir, velocity="millan", thickness=name, bands=edges) for name in names]}


def draw_flux(data: Data) -> Figures:
    """Two maps of thickness, and one."""
    yield "apparent_balance", graphics.plot_apparent_balance(data["tables"], f"{NAME}, 2000-2019")


SUBJECTS = {
    "maps": (maps, draw_maps),
    "attribution": (attribution, draw_attribution),
    "inverse": (inverse, draw_inverse),
    "uncertainty": (uncertainty, draw_uncertainty),
    "measure_next": (measure_next, draw_measure_next),
    "dynamics": (dynamics, draw_dynamics),
    "runoff": (runoff, draw_runoff),
    "season": (season, draw_season),
    "surface": (surface, draw_surface),
    "flux": (flux, draw_flux),
}
