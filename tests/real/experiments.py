"""What the package does on two real glaciers, as numbers: ``python -m tests.real.experiments`` prints them.

The tests beside this module run the same functions and hold the numbers to their bounds.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from tests import glaciers
from tests.real.measured import shared_data

MELT = {"order": ("melt_f",)}
GEODETIC = {"ref_mb": -1210.7, "ref_mb_err": 131.5, "ref_period": "2000-01-01_2020-01-01"}
MODES = ("off", "yearly", "climatology")
SEASONS = {"w": "smb_winter", "s": "smb_summer"}


def scores(modelled: np.ndarray, observed: np.ndarray) -> dict[str, float]:
    """What the package's scores are, by name."""
    from oggm_glaunti.fit.evaluation.scores import scores

    return scores(modelled, observed)._asdict()


def band_scores(gdir, shared: Path) -> dict:
    """Hintereisferner through its glacier directory against the WGMS bands, models A and C with yearly corrections."""
    from oggm_glaunti import tasks as gtasks
    from oggm_glaunti.coupling.ground.features import read_features
    from oggm_glaunti.verification import scores_against_bands

    maps = {}
    for model in "AC":
        gtasks.glaunti_smb(gdir, mb_kwargs={"model": model, "corrector": "yearly"}, years="mass_balance")
        with xr.open_dataset(gdir.get_filepath("glaunti_smb")) as ds:
            maps[model], years = ds["smb"].to_numpy(), ds["time"].dt.year.to_numpy()
    features = read_features(gdir)
    rows = shared / "reference" / "hef_real_rows.csv"
    return scores_against_bands(maps["A"], maps["C"], features.elevation, features.outline, rows, years)


def aletsch_dates(shared: Path) -> pd.DataFrame:
    """Season dates of GLAMOS, its balances, and those of the original implementation."""
    return pd.read_csv(shared / "reference" / "aletsch_real.csv", parse_dates=["begin", "mid", "end"])


def aletsch_seasons(gdir, shared: Path, exact: bool = False) -> dict[str, dict[str, np.ndarray]]:
    """Winter, summer and annual balance of Grosser Aletsch with GLAMOS dates: A, F (A finetuned there) and C."""
    from oggm_glaunti import tasks as gtasks

    dates = aletsch_dates(shared)[["begin", "mid", "end"]]
    finetuned = shared / "reference" / "upstream" / "a_finetuned_Grosser Aletsch.eqx"
    models = {
        "A": {"model": "A"},
        "F": {"model": "A", "weights": finetuned},
        "C": {"model": "C", "corrector": "yearly"},
    }
    return {
        name: gtasks.glaunti_smb(gdir, dates=dates, exact=exact, mb_kwargs=chosen) for name, chosen in models.items()
    }


def largest_row_differences(seasons: dict, shared: Path) -> dict[str, float]:
    """Largest difference of any winter or summer balance from the original implementation, m w.e., by model."""
    reference = aletsch_dates(shared)
    return {
        name: float(max(np.abs(means[field] - reference[name + key]).max() for key, field in SEASONS.items()))
        for name, means in seasons.items()
    }


def climatology_scores(gdir, shared: Path) -> dict[str, float]:
    """Annual balance of Grosser Aletsch with the mean of all years' corrections against GLAMOS."""
    from oggm_glaunti import tasks as gtasks

    reference = aletsch_dates(shared)
    dates = reference[["begin", "mid", "end"]]
    means = gtasks.glaunti_smb(gdir, dates=dates, mb_kwargs={"model": "C", "corrector": "climatology"})
    return scores(means["smb"], reference["oa"].to_numpy())


def calibrations(gdir) -> dict[str, dict]:
    """Grosser Aletsch to its geodetic balance: A, and C with the corrector in every mode."""
    from oggm_glaunti import tasks as gtasks

    results = {"A": gtasks.calibrate_glaunti(gdir, mb_kwargs={"model": "A"}, filesuffix="_A", **GEODETIC, **MELT)}
    for mode in MODES:
        results[f"C, {mode}"] = gtasks.calibrate_glaunti(
            gdir,
            mb_kwargs={"model": "C", "corrector": mode},
            filesuffix="_C" if mode == "climatology" else f"_C_{mode}",
            **GEODETIC,
            **MELT,
        )
    return results


def volumes(gdir, ys: int, ye: int) -> dict[str, pd.Series]:
    """Ice volume (km3) of runs from `ys` to the end of `ye` with models A and C, calibrated as ``_A`` and ``_C``."""
    from oggm import tasks

    from oggm_glaunti import GlaUnTIMassBalanceA, GlaUnTIMassBalanceC

    results = {}
    for name, mb_model_class in (("A", GlaUnTIMassBalanceA), ("C", GlaUnTIMassBalanceC)):
        model = tasks.run_from_climate_data(
            gdir, mb_model_class=mb_model_class, ys=ys, ye=ye + 1, output_filesuffix=f"_{name}"
        )
        assert model is not None
        with xr.open_dataset(gdir.get_filepath("model_diagnostics", filesuffix=f"_{name}")) as ds:
            results[name] = (ds["volume_m3"] * 1e-9).to_series()
    return results


def table_against_gridded(gdir, **kwargs) -> float:
    """Largest yearly difference of the glacier mean between the height-year table and the gridded run, m w.e.

    Calendar years, every day counted once in both.
    """
    from oggm import cfg

    from oggm_glaunti import GlaUnTIMassBalance, tasks as gtasks
    from oggm_glaunti.coupling.ground.features import read_features

    gridded = gtasks.glaunti_smb(gdir, years="calendar", mb_kwargs=kwargs)["smb"]
    model = GlaUnTIMassBalance(gdir, **kwargs)
    features = read_features(gdir)
    heights = features.elevation[features.glacier]
    to_m_we = cfg.SEC_IN_YEAR * model.rho / 1000.0
    table = [float(np.mean(model.get_annual_mb(heights, year=year))) * to_m_we for year in model.years]
    return float(np.abs(np.array(table) - gridded).max())


def rebuild_difference(gdir, **kwargs) -> float:
    """Largest difference of a month's or a year's balance between the table made by JAX and by NumPy, m w.e."""
    from oggm_glaunti import GlaUnTIMassBalance
    from oggm_glaunti.coupling.table.table import build_table

    model = GlaUnTIMassBalance(gdir, **kwargs)
    jax, numpy = (build_table(model.table_inputs, model.tunable_params(), backend).smb for backend in ("jax", "numpy"))
    return float(max(np.abs(jax - numpy).max(), np.abs(jax.sum(axis=1) - numpy.sum(axis=1)).max()))


def _print_scores(label: str, values: dict[str, float], n: int) -> None:
    print(f"{label:<42} r {values['r']:.3f}  RMSE {values['rmse']:.3f}  bias {values['bias']:+.3f}  n = {n}")


def _print_volumes(label: str, runs: dict[str, pd.Series]) -> None:
    for name, volume in runs.items():
        first, last = volume.index[0], volume.index[-1]
        years = f"{volume.iloc[0]:.3f} km3 in {first:.0f}, {volume.iloc[-1]:.3f} in {last:.0f}"
        print(f"{label}, model {name}: volume {years}")


def main() -> None:
    """Print everything."""
    shared = shared_data()
    with tempfile.TemporaryDirectory() as folder:
        _print_hef(Path(folder) / "hef", shared)
        _print_aletsch(Path(folder) / "aletsch", shared)


def _print_hef(folder: Path, shared: Path) -> None:
    from oggm_glaunti import tasks as gtasks

    print("Hintereisferner, from outline and SRTM DEM, Rofental weather 2014-2022")
    gdir = glaciers.prepare_hef(folder, shared)
    gtasks.glaunti_features(gdir)
    for name, s in band_scores(gdir, shared).items():
        _print_scores(f"WGMS bands 2015-2020, model {name}", {"r": s.r, "rmse": s.rmse, "bias": s.bias}, s.n)
    for mode in MODES:
        print(
            f"table against gridded run, C {mode}: {table_against_gridded(gdir, model='C', corrector=mode):.5f} m w.e."
        )
    reference = {"ref_mb": -1100.0, "ref_period": "2014-01-01_2020-01-01", **MELT}
    for model in "AC":
        result = gtasks.calibrate_glaunti(gdir, mb_kwargs={"model": model}, filesuffix=f"_{model}", **reference)
        print(f"calibrated to -1100 kg m-2 yr-1 (2014-2019), model {model}: {_tunable(result)}")
    _print_volumes("2014-2022", volumes(gdir, 2014, 2022))


def _tunable(result: dict) -> str:
    return f"melt_f {result['melt_f']:.4f} kg m-2 day-1 K-1, residual {result['residual']:+.4f} kg m-2 yr-1"


def _print_aletsch(folder: Path, shared: Path) -> None:
    from oggm_glaunti import tasks as gtasks

    print("\nGrosser Aletsch, its own 100 m directory, CAMELS-CH weather 1981-2020")
    gdir = glaciers.prepare_aletsch(folder, shared)
    gtasks.glaunti_features(gdir)
    reference = aletsch_dates(shared)
    for exact in (False, True):
        seasons = aletsch_seasons(gdir, shared, exact)
        for name, difference in largest_row_differences(seasons, shared).items():
            how = "exact" if exact else "fast"
            print(f"winter and summer 1982-2020, model {name} ({how}): largest difference {difference:.6f} m w.e.")
    for name, means in seasons.items():
        _print_scores(f"GLAMOS annual, model {name}", scores(means["smb"], reference["oa"].to_numpy()), len(reference))
    _print_scores("GLAMOS annual, model C, climatology", climatology_scores(gdir, shared), len(reference))
    for mode in MODES:
        print(
            f"table against gridded run, C {mode}: {table_against_gridded(gdir, model='C', corrector=mode):.5f} m w.e."
        )
    difference = rebuild_difference(gdir, model="C", corrector="yearly")
    print(f"table made by JAX against NumPy, C yearly, 40 years: largest difference {difference:.2e} m w.e.")
    for name, result in calibrations(gdir).items():
        print(f"calibrated to -1210.7 kg m-2 yr-1 (2000-2019), model {name}: {_tunable(result)}")
    _print_volumes("1982-2020", volumes(gdir, 1982, 2020))


if __name__ == "__main__":
    main()
