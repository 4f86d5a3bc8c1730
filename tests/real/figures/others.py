"""Hintereisferner, the Oetztal, Perito Moreno, the Antarctic Peninsula, Sarenne, and the paper's test glaciers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from oggm_glaunti import graphics
from tests import glaciers
from tests.real.figures.aletsch import Data, Figures


def hef(shared: Path) -> Data:
    """Maps of 2015-2020, and the WGMS' bands."""
    import xarray as xr

    from oggm_glaunti import read_features
    from oggm_glaunti.tasks import glaunti_features, glaunti_smb

    rows = pd.read_csv(shared / "reference" / "hef_real_rows.csv")
    bands = rows[rows["g"] == "HEF"].reset_index(drop=True)
    models = {"A": {"model": "A"}, "C, climatology": {"model": "C"}, "C, yearly": {"model": "C", "corrector": "yearly"}}
    with tempfile.TemporaryDirectory() as folder:
        gdir = glaciers.prepare_hef(Path(folder), shared)
        glaunti_features(gdir)
        features, maps, modelled = read_features(gdir), {}, {}
        for name, chosen in models.items():
            glaunti_smb(gdir, years="mass_balance", ys=2015, ye=2020, mb_kwargs=chosen)
            with xr.open_dataset(gdir.get_filepath("glaunti_smb")) as ds:
                smb = ds["smb"].load()
            years = {int(year): smb.values[k] for k, year in enumerate(smb["time"].dt.year)}
            near = {z: features.glacier & (np.abs(features.elevation - z) <= 25) for z in bands["z"].unique()}
            maps[name] = smb.mean("time").to_numpy()
            modelled[name] = np.array([years[row.y][near[row.z]].mean() for row in bands.itertuples()])
    return {"features": features, "bands": bands, "maps": maps, "modelled": modelled}


def draw_hef(data: Data) -> Figures:
    """Scatter, profiles by year, series; maps."""
    from oggm_glaunti.graphics.style import new_figure, panels

    bands, modelled = data["bands"], data["modelled"]
    figure = new_figure((11.5, 5.2))
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.35])
    graphics.plot_against_observations(bands["obs"], modelled, left.subplots(), label="band balance (m w.e. a$^{-1}$)")
    axes = right.subplots(2, 3, sharex=True, sharey=True)
    for ax, (year, of_year) in zip(axes.flat, bands.groupby("y"), strict=True):
        graphics.plot_profiles({k: v[of_year.index] for k, v in modelled.items()}, of_year["z"], ax)
        ax.plot(of_year["obs"], of_year["z"], color="black", marker=".", lw=1, label="observed")
        ax.set(title=str(year), xlabel="m w.e. a$^{-1}$")
        ax.label_outer()
    right.legend(*ax.get_legend_handles_labels(), frameon=False, ncols=4, loc="outside upper center")
    yield "hef_bands", figure
    figure, axes = panels(1, 2, (12.0, 4.4), width_ratios=(1.4, 1.0))
    image = graphics.plot_balance_map(data["maps"]["A"], data["features"], axes[0, 0], limit=6.0)
    figure.colorbar(image, ax=axes[0, 0], label="balance (m w.e. a$^{-1}$)")
    observed = bands.groupby("y")["obs"].mean()
    by_year = {name: pd.Series(values).groupby(bands["y"]).mean() for name, values in modelled.items()}
    graphics.plot_series(observed.index, observed, by_year, axes[0, 1])
    axes[0, 1].legend(frameon=False)
    yield "hef_balance", figure


def region(shared: Path) -> Data:
    """The Oetztal, 2014-2022, and the same with a glacier that has no weather."""
    from oggm import cfg, tasks, workflow

    from oggm_glaunti import GlaUnTIMassBalance
    from oggm_glaunti.tasks import compile_glaunti_output, glaunti_tables
    from tests.region.oetztal import oetztal_outlines, prepare_oetztal

    with tempfile.TemporaryDirectory() as folder:
        gdirs = prepare_oetztal(Path(folder), shared)
        glaunti_tables(gdirs)
        run = {"ys": 2014, "ye": 2023, "store_fl_diagnostics": True, "output_filesuffix": "_run"}
        workflow.execute_entity_task(tasks.run_from_climate_data, gdirs, mb_model_class=GlaUnTIMassBalance, **run)
        moving = compile_glaunti_output(gdirs, input_filesuffix="_run", path=False)
        Path(gdirs[8].get_filepath("climate_historical", filesuffix="_daily")).unlink()
        cfg.PARAMS["continue_on_error"] = True
        missing = compile_glaunti_output(gdirs, path=False)
    return {"moving": moving.load(), "missing": missing.load(), "outlines": oetztal_outlines(shared)}


def draw_region(data: Data) -> Figures:
    """Discs and outlines, complete and not; years."""
    from oggm_glaunti.graphics.style import panels

    figure, axes = panels(1, 2, (11.5, 4.8))
    graphics.plot_region_map(data["moving"], ax=axes[0, 0])
    graphics.plot_region_map(data["moving"], "ela", ax=axes[0, 1], time=2020, outlines=data["outlines"])
    yield "region_maps", figure
    figure, axes = panels(1, 2, (11.5, 4.8))
    graphics.plot_region_map(data["missing"], "winter_mb", ax=axes[0, 0])
    graphics.plot_region_map(data["missing"], "specific_mb", ax=axes[0, 1], outlines=data["outlines"])
    yield "region_missing", figure
    figure, axes = panels(3, 1, (6.5, 6.9), sharex=True)
    graphics.plot_region_series(data["moving"], axes[:, 0])
    yield "region_series", figure


def perito(shared: Path) -> Data:
    """Velocities of Perito Moreno, and frames to come."""
    from oggm_glaunti.companions.iceflow import (
        pair_velocity,
        predict_last,
        read_image,
        read_pair,
        read_stack,
        stack_velocity,
    )

    folder = shared / "data" / "perito_moreno_sentinel2"
    glacier = read_image(folder / "mask.jpg", date="2020-01-01").values > 240
    dates = ("20200131", "20200207", "20200210", "20200220", "20200227")
    images = read_stack([folder / f"{date}.jpg" for date in dates], nodata=0)
    rock = ~glacier & images[0].valid
    how = {"chips": (32,), "step": 32, "search": 12}
    return {
        "found": stack_velocity(images, rock, **how),
        "raw": pair_velocity(read_pair(folder / "20200207.jpg", folder / "20200220.jpg", nodata=0), **how),
        "made": predict_last(images, rock, search=12),
    }


def draw_perito(data: Data) -> Figures:
    """Velocity, shifts, stable ground, predictions."""
    found, made = data["found"], data["made"]
    yield "ice_velocity", graphics.plot_ice_velocity(found, "Perito Moreno")
    yield "image_shifts", graphics.plot_image_shifts(found)
    yield "stable_scatter", graphics.plot_stable_scatter(data["raw"].rows, data["raw"].cols, found.stable)
    yield "predictions_table", graphics.plot_table1(made.table, f"{len(made.chips.target)} chips of 64 pixels")
    yield "predictions", graphics.plot_predictions(made)


def antarctica(shared: Path) -> Data:
    """Daily melt of the Antarctic Peninsula: three predictors on days held out."""
    import xarray as xr

    from oggm_glaunti.companions import meltwater as m

    with xr.open_dataset(shared / "data" / "antarctica_daily_melt" / "static.nc") as static:
        window = static.isel(y=slice(120, 184), x=slice(56, 120)).load()
    full = m.read_antarctic_melt(shared / "data" / "antarctica_daily_melt", months=(12, 1))
    stack = m.overpasses(full, share=0.4, seed=0)
    split = m.random_days(stack, seed=0)
    decay = m.chosen_decay(stack, split)
    y = np.where(stack.valid, stack.target, np.nan)[split.test]
    days = np.flatnonzero(stack.seasons == 2019)
    brier: dict[str, list[float]] = {"climatology": [], "decaying window": []}
    for seed in range(3):
        own = m.random_days(stack, seed=seed)
        seen = np.where(stack.valid, stack.target, np.nan)[own.test]
        prior = m.climatology(stack, own, own.test)
        for name, p in (("climatology", prior), ("decaying window", m.decaying_window(stack, own, own.test, decay))):
            brier[name].append(m.pooled(p, seen, prior).brier)
    return {
        "y": y,
        "place": {"x": window.x.to_numpy(), "y": window.y.to_numpy(), "crs": "EPSG:3412"},
        "valid": stack.valid,
        "gap": m.gap_days(stack, split, split.test),
        "maps": {
            "climatology": m.climatology(stack, split, split.test),
            "decaying window": m.decaying_window(stack, split, split.test, decay),
        },
        "days": stack.time[split.test],
        "season": stack.time[days],
        "p": np.where(stack.valid, m.decaying_window(stack, split, days, decay), np.nan),
        "seen": np.where(full.valid, full.target[days], np.nan),
        "brier": brier,
    }


def draw_antarctica(data: Data) -> Figures:
    """A scene, errors, reliability, extent."""
    y, maps = data["y"], data["maps"]
    k = int(np.nansum(y, axis=(1, 2)).argmax())
    words = f"{data['days'][k]}: decaying window against a scene it has not seen"
    yield "melt_scene", graphics.plot_scene(maps["decaying window"][k], y[k], data["valid"], words, **data["place"])
    yield "melt_by_gap", graphics.plot_error_by_gap(maps, y, data["gap"], "Antarctic Peninsula, December and January")
    yield "melt_reliability", graphics.plot_reliability(maps, y, "Are probabilities what they say?")
    yield "melt_ablation", graphics.plot_ablation(data["brier"])
    area = np.nansum(data["seen"], axis=(1, 2)) * 25.0**2
    shown = {"decaying window": data["p"]}
    yield "melt_extent", graphics.plot_extent(data["season"], shown, 25.0**2, (data["season"], area), "2019-20")


def sarenne(shared: Path) -> Data:
    """Voids of Glacier de Sarenne filled, and errors on hidden pixels."""
    from oggm_glaunti.companions import dem as d

    tiles = d.read_tiles(shared / "data" / "demimputation", "Sarenne")
    arrays = (tiles.z, tiles.z_std, tiles.dem_ref, tiles.slope, tiles.aspect)
    stack, rng = d.checked_stack(*arrays, pieces=tiles.pieces), np.random.default_rng(0)
    shapes = d.void_library([stack.void])
    hidden = [d.place_voids(stack.void, shapes, d.VOID_SHARE, rng) for _ in range(2)]
    methods = ("rff_kriging", "rff", "kriging", "constant")
    held_out = {method: [d.hold_out(stack, pixels, method) for pixels in hidden] for method in methods}
    filled = d.impute_dem_stack(*arrays, pieces=tiles.pieces).assign_attrs(crs_wkt=tiles.attrs["crs_wkt"])
    return {"filled": filled, "held_out": held_out}


def draw_sarenne(data: Data) -> Figures:
    """Map, and errors of one method and of several."""
    yield "sarenne_voids", graphics.plot_voids(data["filled"], "Glacier de Sarenne")
    yield "sarenne_errors", graphics.plot_errors(data["held_out"], "Voids like the real ones")
    yield "sarenne_held_out", graphics.plot_held_out(data["held_out"]["rff_kriging"], "Sarenne, rff_kriging")


def paper(shared: Path) -> Data:
    """The published predictions of the test glaciers."""
    from oggm_glaunti.fit.evaluation.predictions import read_predictions

    return {"predictions": read_predictions(shared / "reference" / "test_glaciers_true_pred.csv")}


def draw_paper(data: Data) -> Figures:
    """What ``oggm-glaunti evaluate`` draws."""
    from oggm_glaunti.graphics.fit import figures

    for name, figure in figures(data["predictions"]):
        yield f"evaluation_{name}", figure


SUBJECTS = {
    "hef": (hef, draw_hef),
    "region": (region, draw_region),
    "perito": (perito, draw_perito),
    "antarctica": (antarctica, draw_antarctica),
    "sarenne": (sarenne, draw_sarenne),
    "paper": (paper, draw_paper),
}
