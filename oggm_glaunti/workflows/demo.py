"""Run GlaUnTI's whole chain on one glacier, for ``oggm-glaunti demo``: nothing is downloaded.

The glacier is Hintereisferner, from the files in the package (:mod:`oggm_glaunti.sample`), judged against its measured
elevation bands; or one made by code (:mod:`oggm_glaunti.workflows.valley`), which needs no data of others.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from oggm_glaunti import settings
from oggm_glaunti.files import replacing
from oggm_glaunti.fit.evaluation.scores import Scores, scores
from oggm_glaunti.workflows.demo_figure import Result, save_overview

if TYPE_CHECKING:
    from oggm import GlacierDirectory

    from oggm_glaunti.coupling.ground.features import Features

RUN_YEARS = 100
# Mass-balance years with measured bands. The weather has a gap of five months in 2014.
HEF_YEARS = (2015, 2020)


class Subject(NamedTuple):
    """A glacier for the demo.

    Attributes
    ----------
    prepare : callable
        from a working directory to the glacier directory, with daily weather
    reference : dict
        the mean balance that it is calibrated to, arguments of ``calibrate_glaunti``
    about : str
        where that balance is from
    maps : dict
        years of the balance maps, arguments of ``glaunti_smb``
    climate : (int, int)
        first and last year of the climate that the run draws its years from
    bands : callable or None
        gives the measured elevation bands, a table of observations
    """

    prepare: Callable[[Path], GlacierDirectory]
    reference: dict[str, Any]
    about: str
    maps: dict[str, Any]
    climate: tuple[int, int]
    bands: Callable[[], pd.DataFrame] | None = None


def hintereisferner() -> Subject:
    """Return Hintereisferner, from the package, to be calibrated to :func:`geodetic_of_years` 2015 to 2020."""
    from oggm_glaunti import sample

    measured = sample.observations()
    first, last = HEF_YEARS
    mb, mb_err = geodetic_of_years(measured, first, last)
    return Subject(
        sample.hintereisferner,
        {"ref_mb": mb, "ref_mb_err": mb_err, "ref_period": f"{first - 1}-10-01_{last}-10-01"},
        "geodetic balance of 2000-2019, moved to these years by the measured annual balances",
        {"ys": first, "ye": last, "years": "mass_balance"},
        (2015, 2021),
        lambda: measured[measured["kind"] == "point"],
    )


def geodetic_of_years(measured: pd.DataFrame, first: int, last: int) -> tuple[float, float]:
    """Return a geodetic balance and its error (kg m-2 yr-1) for other years than those of the survey.

    The rate of the survey's period, and the difference of the glaciological balances, measured every year, between the
    years asked for and the survey's (as in Zemp et al. 2019, doi 10.1038/s41586-019-1071-0).

    Parameters
    ----------
    measured : DataFrame
        observations of one glacier: its geodetic balance and annual glacier-wide ones
    first, last : int
        mass-balance years

    Examples
    --------
    >>> from oggm_glaunti import sample
    >>> geodetic_of_years(sample.observations(), 2000, 2019)
    (-1100.3, 187.9)
    >>> geodetic_of_years(sample.observations(), 2015, 2020)
    (-1374.9, 220.9)
    """
    (geodetic,) = measured[measured["kind"] == "geodetic"].itertuples()
    annual = measured[(measured["kind"] == "glacier-wide") & (measured["season"] == "annual")]
    annual = annual.set_index(annual["end"].dt.year)
    begin, end = geodetic.begin.year, geodetic.end.year
    asked, count = annual.loc[first:last], end - begin + 1
    moved = asked["value"].mean() - annual.loc[begin:end, "value"].mean()
    error = np.hypot(geodetic.sigma / count, np.sqrt((asked["sigma"] ** 2).sum()) / len(asked))
    return round(1000.0 * float(geodetic.value / count + moved), 1), round(1000.0 * float(error), 1)


def invented_valley() -> Subject:
    """Return the glacier made by code; its mean balance is invented like the rest."""
    from oggm_glaunti.workflows.valley import make_daily_weather, make_valley_glacier

    def prepare(working_dir: Path) -> GlacierDirectory:
        gdir = make_valley_glacier(working_dir)
        make_daily_weather(gdir)
        return gdir

    return Subject(
        prepare,
        {"ref_mb": -700.0, "ref_mb_err": 150.0, "ref_period": "2000-01-01_2020-01-01"},
        "invented",
        {"ys": 2000, "ye": 2019},
        (1985, 2015),
    )


def run_demo(out_dir: str | os.PathLike[str], synthetic: bool = False) -> Path:
    """Run the whole chain with model A, and with model C if its weights are available.

    Outline and DEM, daily weather, corrector inputs, balance maps of the model as published and their scores against
    measured elevation bands, calibration to the glacier's mean balance, maps and scores again, inversion, and a century
    of OGGM's ice dynamics in the climate of the record in random order (always the same). A line is printed for
    every step.

    Parameters
    ----------
    out_dir : str or path
        folder to write to; made if missing. ``demo.png`` is the figure and ``report.html`` a page for a browser, of
        model C where there is one; ``smb_<model>.nc``, ``table_<model>.nc`` and
        ``run_<model>.nc`` are the maps, the balance by height and year, and OGGM's run. The glacier directories are
        below ``oggm_<model>``.
    synthetic : bool
        run on the glacier made by code, of which nothing is measured, instead of on Hintereisferner

    Returns
    -------
    pathlib.Path
        the figure
    """
    out = Path(out_dir).resolve()
    out.mkdir(parents=True, exist_ok=True)
    models = _available_models(out)
    subject = invented_valley() if synthetic else hintereisferner()
    results = {model: _run_chain(subject, model, out) for model in models}
    figure = save_overview(results, subject.maps, subject.climate, out / "demo.png")
    _write_report(results, out / "report.html")
    print(f"Figure, report.html and NetCDF files are in {out}")
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


def _run_chain(subject: Subject, model: str, out: Path) -> Result:
    gdir = subject.prepare(out / f"oggm_{model}")
    from oggm_glaunti.coupling.ground.features import glaunti_features, read_features
    from oggm_glaunti.fit.calibration.own_mean import calibrate_glaunti

    print(f"Model {model}: {gdir.name}, {gdir.rgi_area_km2:.1f} km2")
    glaunti_features(gdir)
    features = read_features(gdir)
    measured = None if subject.bands is None else subject.bands()
    if measured is not None:
        _print_scores("as published", at_bands(measured, *_maps(gdir, model, subject), features))
    calibrate_glaunti(gdir, mb_kwargs={"model": model}, **subject.reference)
    _print_calibration(gdir.read_json("glaunti_params"), subject)
    maps, years = _maps(gdir, model, subject)
    bands = None if measured is None else at_bands(measured, maps, years, features)
    if bands is not None:
        _print_scores("calibrated", bands)
    volume = _run_dynamics(gdir, model, subject.climate)
    print(f"  volume {volume.iloc[0]:.3f} km3, after {RUN_YEARS} years {volume.iloc[-1]:.3f} km3")
    _copy_results(gdir, model, out)
    return Result(gdir, maps.mean(axis=0), features, volume, bands)


def _maps(gdir: GlacierDirectory, model: str, subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Write balance maps, and return them (Y, H, W), m w.e., with their years (Y,)."""
    import xarray as xr

    from oggm_glaunti.coupling.model.smb import glaunti_smb
    from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK

    glaunti_smb(gdir, mb_kwargs={"model": model}, **subject.maps)
    with HDF5_LOCK, xr.open_dataset(gdir.get_filepath("glaunti_smb")) as ds:
        return ds["smb"].to_numpy(), ds["time"].dt.year.to_numpy()


def at_bands(measured: pd.DataFrame, maps: np.ndarray, years: np.ndarray, features: Features) -> pd.DataFrame:
    """Compare annual maps with elevation bands.

    Parameters
    ----------
    measured : DataFrame
        observations of bands: ``end``, ``height``, ``height_range`` (m) and ``value`` (m w.e.)
    maps : array (Y, H, W)
        annual balance of the mass-balance years `years` (Y,), m w.e.
    features : Features
        the cells of the maps

    Returns
    -------
    DataFrame
        ``year``, ``height``, ``measured``, ``modelled``: the mean over the glacier's cells within the band. Bands of
        other years, and those in which the glacier has no cell, are left out
    """
    index = {int(year): i for i, year in enumerate(years)}
    rows = []
    for row in measured.itertuples():
        cells = features.glacier & (np.abs(features.elevation - row.height) <= row.height_range / 2)
        if row.end.year in index and cells.any():
            rows.append((row.end.year, row.height, row.value, float(maps[index[row.end.year]][cells].mean())))
    return pd.DataFrame(rows, columns=["year", "height", "measured", "modelled"])


def band_scores(bands: pd.DataFrame) -> Scores:
    """Return the scores of :func:`at_bands`."""
    return scores(bands["modelled"].to_numpy(), bands["measured"].to_numpy())


def _print_scores(label: str, bands: pd.DataFrame) -> None:
    s = band_scores(bands)
    against = f"{s.n} measured bands of {bands['year'].min()}-{bands['year'].max()}"
    print(f"  {label}: r {s.r:.3f}, RMSE {s.rmse:.3f}, bias {s.bias:+.3f} m w.e. against {against}")


def _print_calibration(params: dict[str, Any], subject: Subject) -> None:
    ref_mb, ref_mb_err, period = (subject.reference[name] for name in ("ref_mb", "ref_mb_err", "ref_period"))
    turned = f"prcp_fac {params['prcp_fac']:.2f}, melt_f {params['melt_f']:.2f} kg m-2 day-1 K-1"
    reached = f"{ref_mb + params['residual']:.0f} of {ref_mb:.0f} +- {ref_mb_err:.0f} kg m-2 yr-1"
    print(f"  {turned}: {reached} in {period}")
    print(f"    ({subject.about})")


def _run_dynamics(gdir: GlacierDirectory, model: str, climate: tuple[int, int]) -> pd.Series:
    """Invert with the calibrated balance, run, and return the volume by year of the run, km3."""
    import xarray as xr
    from oggm import tasks

    from oggm_glaunti.coupling.model import massbalance
    from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
    from oggm_glaunti.coupling.oggm.offline import run_tasks

    first, last = climate
    mb_model_class = getattr(massbalance, f"GlaUnTIMassBalance{model}")
    tasks.apparent_mb_from_any_mb(gdir, mb_model_class=mb_model_class, mb_years=list(range(first, last + 1)))
    run_tasks(gdir, settings.INVERSION_TASKS)
    tasks.run_random_climate(
        gdir,
        nyears=RUN_YEARS,
        y0=(first + last) // 2,
        halfsize=(last - first) // 2,
        seed=1,
        mb_model_class=mb_model_class,
        output_filesuffix="_demo",
    )
    with HDF5_LOCK, xr.open_dataset(gdir.get_filepath("model_diagnostics", filesuffix="_demo")) as ds:
        return (ds["volume_m3"] * 1e-9).to_series()


def _copy_results(gdir: GlacierDirectory, model: str, out: Path) -> None:
    sources = {
        "smb": gdir.get_filepath("glaunti_smb"),
        "table": gdir.get_filepath("glaunti_table", filesuffix=f"_{model}"),
        "run": gdir.get_filepath("model_diagnostics", filesuffix="_demo"),
    }
    for name, source in sources.items():
        with replacing(out / f"{name}_{model}.nc") as temporary:
            shutil.copyfile(source, temporary)


def _write_report(results: dict[str, Result], path: Path) -> None:
    """Write the page for a browser: the years of the record with the last of the models."""
    from oggm_glaunti.graphics.html_report.page import report
    from oggm_glaunti.region.store import compile_glaunti_output

    model, result = list(results.items())[-1]
    balances = compile_glaunti_output([result.gdir], path=False, mb_kwargs={"model": model}, progress=False)
    report(balances, path, gdirs=[result.gdir], title=f"{result.gdir.name}, model {model}")
