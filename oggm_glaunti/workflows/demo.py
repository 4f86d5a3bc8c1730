"""Run GlaUnTI's whole chain on a glacier made by code, for ``oggm-glaunti demo``: nothing is downloaded.

The glacier is invented (:mod:`oggm_glaunti.workflows.valley`); it is there to see every step work, on any machine.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from oggm_glaunti import settings
from oggm_glaunti.files import replacing
from oggm_glaunti.workflows.valley import make_daily_weather, make_valley_glacier

# kg m-2 yr-1 and years, as a geodetic survey would give them: invented like the glacier.
REF_MB, REF_MB_ERR, REF_PERIOD = -700.0, 150.0, "2000-01-01_2020-01-01"
SMB_YEARS = (2000, 2019)
RUN_YEARS = 100


def run_demo(out_dir: str | os.PathLike[str]) -> Path:
    """Run the whole chain on the invented glacier, with model A, and with model C if its weights are available.

    Outline and DEM, daily weather, corrector inputs, SMB maps, height-year table, calibration to a balance of
    -700 kg m-2 yr-1, inversion, and a century of OGGM's ice dynamics in the climate of 1985-2015 in random order
    (always the same). A line is printed for every step.

    Parameters
    ----------
    out_dir : str or path
        folder to write to; made if missing. ``demo.png`` is the figure; ``smb_<model>.nc``, ``table_<model>.nc`` and
        ``run_<model>.nc`` are the maps, the balance by height and year, and OGGM's run. The glacier directories are
        below ``oggm_<model>``.

    Returns
    -------
    pathlib.Path
        the figure
    """
    out = Path(out_dir).resolve()
    out.mkdir(parents=True, exist_ok=True)
    results = {model: _run_chain(model, out) for model in _available_models(out)}
    figure = _save_overview(results, out / "demo.png")
    print(f"Figure and NetCDF files are in {out}")
    return figure


def _available_models(out: Path) -> list[str]:
    from oggm_glaunti.coupling.oggm.offline import start_offline
    from oggm_glaunti.shop import WeightsNotFoundError, find_weights

    start_offline(out)
    try:
        path = find_weights("C", allow_download=False)
    except WeightsNotFoundError:
        if os.environ.get(settings.WEIGHTS_ENV):
            raise  # somebody meant to run C
        print("Model A only: the weights of model C are not on this machine.")
        return ["A"]
    print(f"Models A and C, C with the weights in {path}.")
    return ["A", "C"]


def _run_chain(model: str, out: Path) -> dict[str, Any]:
    gdir = make_valley_glacier(out / f"oggm_{model}")
    import xarray as xr
    from oggm import tasks

    from oggm_glaunti.coupling.ground.features import glaunti_features
    from oggm_glaunti.coupling.model import massbalance
    from oggm_glaunti.coupling.model.smb import glaunti_smb
    from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
    from oggm_glaunti.fit.calibration.own_mean import calibrate_glaunti

    mb_model_class = getattr(massbalance, f"GlaUnTIMassBalance{model}")
    print(f"Model {model}: {gdir.name}, {gdir.rgi_area_km2:.1f} km2")
    make_daily_weather(gdir)
    glaunti_features(gdir)
    calibrate_glaunti(gdir, ref_mb=REF_MB, ref_mb_err=REF_MB_ERR, ref_period=REF_PERIOD, mb_kwargs={"model": model})
    glaunti_smb(gdir, ys=SMB_YEARS[0], ye=SMB_YEARS[1], mb_kwargs={"model": model})
    calibrated = gdir.read_json("glaunti_params")
    turned = f"prcp_fac {calibrated['prcp_fac']:.2f}, melt_f {calibrated['melt_f']:.2f} kg m-2 day-1 K-1"
    reached = f"{REF_MB + calibrated['residual']:.0f} of {REF_MB:.0f} +- {REF_MB_ERR:.0f} kg m-2 yr-1"
    print(f"  {turned}: {reached} in {REF_PERIOD}")
    tasks.apparent_mb_from_any_mb(gdir, mb_model_class=mb_model_class)
    for name in settings.INVERSION_TASKS:
        getattr(tasks, name)(gdir)
    tasks.run_random_climate(
        gdir, nyears=RUN_YEARS, y0=2000, halfsize=15, seed=1, mb_model_class=mb_model_class, output_filesuffix="_demo"
    )
    # Copies of the NetCDF files, and what the figure shows.
    sources = {
        "smb": gdir.get_filepath("glaunti_smb"),
        "table": gdir.get_filepath("glaunti_table", filesuffix=f"_{model}"),
        "run": gdir.get_filepath("model_diagnostics", filesuffix="_demo"),
    }
    for name, source in sources.items():
        target = out / f"{name}_{model}.nc"
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
    with HDF5_LOCK, xr.open_dataset(sources["smb"]) as ds:
        smb = ds["smb"].mean("time").load()
    with HDF5_LOCK, xr.open_dataset(sources["run"]) as ds:
        volume = ds["volume_m3"].load() * 1e-9
    heights = np.arange(2400.0, 3501.0, 20.0)
    mb_model = mb_model_class(gdir)
    years = range(SMB_YEARS[0], SMB_YEARS[1] + 1)
    seconds_to_we = mb_model.sec_in_year(years[0]) * mb_model.rho / 1000.0
    profile = np.mean([mb_model.get_annual_mb(heights, year=year) for year in years], axis=0) * seconds_to_we
    print(f"  volume {float(volume[0]):.3f} km3, after {RUN_YEARS} years {float(volume[-1]):.3f} km3")
    return {"smb": smb, "volume": volume, "heights": heights, "profile": profile}


def _save_overview(results: dict[str, dict[str, Any]], path: Path) -> Path:
    from oggm_glaunti.graphics.style import new_figure

    fig = new_figure((5.0 + 3.2 * len(results) + 3.0, 4.6))
    *map_axes, profile_axis, volume_axis = fig.subplots(
        1, len(results) + 2, width_ratios=[0.75] * len(results) + [1.0, 1.2]
    )
    largest = max(float(np.abs(result["smb"]).max()) for result in results.values())
    for axis, (model, result) in zip(map_axes, results.items(), strict=True):
        smb = result["smb"]
        east, north = (smb[name].to_numpy() / 1000.0 for name in ("x", "y"))
        image = axis.pcolormesh(east, north, smb, cmap="RdBu", vmin=-largest, vmax=largest, shading="nearest")
        axis.set(title=f"Model {model}, {SMB_YEARS[0]}-{SMB_YEARS[1]}", xlabel="easting (km)", aspect="equal")
        axis.ticklabel_format(useOffset=False)
    map_axes[0].set_ylabel("northing (km)")
    fig.colorbar(image, ax=map_axes, label="surface mass balance (m w.e. yr$^{-1}$)", shrink=0.8)
    for model, result in results.items():
        profile_axis.plot(result["profile"], result["heights"], label=f"model {model}")
        volume_axis.plot(result["volume"]["time"], result["volume"], label=f"model {model}")
    profile_axis.axvline(0.0, color="0.6", lw=0.8)
    profile_axis.set(title="Balance profile", xlabel="m w.e. yr$^{-1}$", ylabel="height (m)")
    profile_axis.legend(frameon=False)
    volume_axis.set(
        title="OGGM, climate of 1985-2015", xlabel="year of the run", ylabel="volume (km$^3$)", ylim=(0, None)
    )
    with replacing(path) as temporary:
        fig.savefig(temporary, dpi=150, format=path.suffix[1:])
    return path
