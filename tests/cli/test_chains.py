"""The verbs on glacier directories, one after the other, as a person without Python calls them after a run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr

from oggm_glaunti.cli.main import main
from oggm_glaunti.fit import ErrorSizes
from oggm_glaunti.workflows.valley import RGI_ID, valley_outline

from .conftest import run_valley

STAKES = f"""\
glacier;begin;end;height;value (m w.e.)
INVENTED valley glacier;2001-10-01;2002-09-30;2700;-3.1
{RGI_ID};2001-10-01;2002-09-30;3200;0.2
Rhone;2001-10-01;2002-09-30;2500;-4
"""


@pytest.fixture
def region(valley_run, tmp_path, oggm_env, monkeypatch) -> Path:
    """The folder of a run of model A, which was not calibrated."""
    monkeypatch.setenv("OGGM_GLAUNTI_WEIGHTS", str(tmp_path))  # where there are none
    shutil.copytree(valley_run, tmp_path / "region")
    return tmp_path / "region"


@pytest.fixture
def said(region, tmp_path, capsys):
    """Call a verb on the region and return what it prints."""

    def call(verb: str, *more: str, out: str | None = "out") -> str:
        capsys.readouterr()
        where = [] if out is None else ["--out", str(tmp_path / out)]
        status = main([verb, str(region), *map(str, more), *where])
        printed, error = capsys.readouterr()
        assert status == 0, error
        return printed

    return call


def gdir_file(region: Path, name: str) -> Path:
    return region / "per_glacier" / RGI_ID[:-6] / RGI_ID[:-3] / RGI_ID / name


@pytest.mark.slow
def test_every_analysis_follows_a_run_without_calibration(region, said):
    assert not gdir_file(region, "glaunti_features.nc").exists()
    assert "sensitivity -" in said("invert", "--years", "2002", "2004")
    assert "2003 -" in said("attribute", "--year", "2003")
    assert "taken as known; --priors takes those of measure" in said("uncertainty", "--years", "2003", "2003")
    assert not gdir_file(region, "glaunti_features.nc").exists()  # model A needs no maps
    measured = said("measure", "--years", "2003", "2003")
    assert "glaunti_features.nc made from its outline and DEM" in measured


@pytest.mark.slow
def test_uncertainty_and_measure_agree_if_they_hold_the_same_errors(said, tmp_path):
    def spread(printed: str) -> float:
        return float(re.search(r"± ([\d.]+)", printed)[1])

    priors = "of a fit's priors, as they were not fitted: prec_scale, ddf_snow, temp_gradient"
    said("features", out=None)
    measured = said("measure", "--years", "2003", "2003")
    assert "glaunti_features.nc made" not in measured
    with_priors = said("uncertainty", "--years", "2003", "2003", "--priors")
    assert priors in measured
    assert priors in with_priors
    assert spread(measured) == spread(with_priors) > 0.9
    known = said("uncertainty", "--years", "2003", "2003")
    assert "no fit in glaunti_params.json" in known
    assert spread(known) == pytest.approx(np.linalg.norm(ErrorSizes().whole), abs=0.01)  # of the model alone
    (tmp_path / "stakes.csv").write_text(STAKES)
    said("fit", "--observations", str(tmp_path / "stakes.csv"), out=None)
    measured, of_fit = said("measure", "--years", "2003", "2003"), said("uncertainty", "--years", "2003", "2003")
    assert "of the fit: prec_scale, ddf_snow, temp_gradient" in measured
    assert "of the fit: prec_scale, ddf_snow, temp_gradient" in of_fit
    assert spread(measured) == spread(of_fit) < spread(with_priors)


@pytest.mark.slow
def test_calibrate_meets_a_balance_and_fit_uses_rows_by_id_and_by_name(region, said, tmp_path):
    period = ["--ref-period", "2001-01-01_2004-01-01"]
    printed = said("calibrate", "--ref-mb", "-700", "--ref-mb-err", "100", *period, out=None)
    both = r"prcp_fac [\d.]+, melt_f [\d.]+ kg m-2 day-1 K-1"
    found = re.search(rf"{RGI_ID}: model A, {both} gives (-\d+) kg m-2 yr-1 in {period[1]} \(given: -700\)", printed)
    params = json.loads(gdir_file(region, "glaunti_params.json").read_text())
    assert (params["model"], params["reference_mb"], params["reference_mb_err"]) == ("A", -700, 100)
    assert int(found[1]) == round(-700 + params["residual"])
    melt = r"model A, melt_f [\d.]+ kg m-2 day-1 K-1 gives -700 kg m-2 yr-1"
    assert re.search(melt, said("calibrate", "--ref-mb", "-700", *period, "--order", "melt_f", out=None))
    # Without --model the calibration's counts.
    assert "model A, temp_bias" in said("calibrate", "--ref-mb", "-700", *period, "--order", "temp_bias", out=None)
    (tmp_path / "stakes.csv").write_text(STAKES)
    printed = said(
        "fit", "--observations", tmp_path / "stakes.csv", "--free", "ddf_snow", "--calibration", "_f", out=None
    )
    assert "left out: 1 rows of glaciers not asked for or not there: Rhone" in printed
    assert "2 point free, 2001-10-01 to 2002-09-30" in printed
    assert "The observations constrain" in printed
    assert json.loads(gdir_file(region, "glaunti_params_f.json").read_text())["calibrated"] == ["ddf_snow"]
    assert json.loads(gdir_file(region, "glaunti_params.json").read_text())["calibrated"] == ["temp_bias"]

    printed = said("fit", "--observations", tmp_path / "stakes.csv", "--together", "--calibration", "_r", out=None)
    assert "1 glaciers, 1 of them with parameters of their own: model A, 2 point free" in printed
    assert f"{RGI_ID}: from own observations\n  prec_scale" in printed
    said("calibrate", "--ref-mb", "-700", *period, "--prior", "_r", out=None)
    fit = json.loads(gdir_file(region, "glaunti_params_r.json").read_text())
    again = json.loads(gdir_file(region, "glaunti_params.json").read_text())
    assert again["fitted_temp_gradient"] == fit["fitted_temp_gradient"] != -0.006
    assert again["fit"]["prior"] == "_r"


@pytest.mark.slow
def test_maps_are_exported_where_the_glacier_is_and_series_as_tables(region, said, tmp_path):
    import geopandas as gpd

    printed = said("export", "--what", "smb", "swe", "--format", "geotiff", "--years", "2002", "2003")
    assert f"written: {tmp_path / 'out' / f'{RGI_ID}_swe.tif'}" in printed
    outline: gpd.GeoDataFrame = valley_outline()
    with rasterio.open(tmp_path / "out" / f"{RGI_ID}_smb.tif") as tif:
        smb, (west, south, east, north) = tif.read(), tif.bounds
        assert tif.crs.to_epsg() == 32632
        assert tif.descriptions == ("smb 2001-10-01 to 2002-09-30", "smb 2002-10-01 to 2003-09-30")
        assert tif.tags()["units"] == "m w.e."
        assert tif.res == (100, 100)
        left, bottom, right, top = outline.to_crs(tif.crs).total_bounds
        assert west < left < right < east
        assert south < bottom < top < north
        area = np.isfinite(smb[0]).sum() / 100
        # North is up: the head lies in the south, where the balance is higher.
        rows = np.flatnonzero(np.isfinite(smb[0]).any(axis=1))
        assert np.nanmean(smb[0, rows[-5:]]) > np.nanmean(smb[0, rows[:5]]) + 2
    assert area == pytest.approx(float(outline["Area"].iloc[0]), rel=0.01)
    assert not gdir_file(region, "glaunti_smb_export.nc").exists()

    said("export", "--what", "smb", "specific_mb", "--format", "csv", "--years", "2002", "2003")
    means = pd.read_csv(tmp_path / "out" / "smb.csv")
    assert means.columns.tolist() == ["rgi_id", "begin", "end", "smb (m w.e.)"]
    np.testing.assert_allclose(means["smb (m w.e.)"], np.nanmean(smb, axis=(1, 2)), rtol=1e-5)
    series = pd.read_csv(tmp_path / "out" / "specific_mb.csv")
    with xr.open_dataset(region / "glaunti_output.nc") as ds:
        expected = ds["specific_mb"].sel(rgi_id=RGI_ID, time=ds["year"].isin([2002, 2003])).values
    np.testing.assert_allclose(series["specific_mb (m year-1)"], expected, rtol=1e-6)
    assert series["year"].tolist() == [2002, 2003]


@pytest.mark.slow
def test_a_run_says_its_weather_and_nothing_but_results_if_quiet(valley, region, oggm_env, tmp_path, capsys):
    config = str(region / "run.yml")
    assert main(["run", "--config", config, "--out", str(region)]) == 0
    printed = capsys.readouterr().out
    assert "climate: 1 glaciers, 1 from before" in printed
    assert f"  {RGI_ID}: 1827 days, 2000-2004: mean -" in printed
    assert main(["run", "--config", config, "--out", str(region), "--quiet"]) == 0
    quiet = capsys.readouterr()
    assert quiet.out.splitlines() == [printed.splitlines()[0], *printed.splitlines()[-2:]]
    assert quiet.err == ""
    assert main(["run", "--config", config, "--out", str(region), "--verbose"]) == 0
    assert "oggm-glaunti: info: " in capsys.readouterr().err


def test_a_run_replaces_the_calibration_of_another_model(valley, region):
    def calibrated(balance: str) -> tuple[str, float]:
        assert main(run_valley(valley, region, "--ref-mb", balance, "--ref-period", "2001-01-01_2004-01-01")) == 0
        found = json.loads(gdir_file(region, "glaunti_params.json").read_text())
        return found["model"], found["reference_mb"]

    assert calibrated("-500") == ("A", -500)
    path = gdir_file(region, "glaunti_params.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "model": "C"}))
    assert calibrated("-600") == ("A", -600)


@pytest.mark.slow
def test_force_takes_weather_that_no_glacier_has_and_warns_of_the_balance(valley, region, tmp_path, capsys):
    weather = pd.read_csv(valley / "weather.csv")
    weather.assign(temp=1.8 * weather["temp"] + 32).to_csv(tmp_path / "fahrenheit.csv", index=False)
    config = shutil.copy(region / "run.yml", tmp_path / "config.yml")  # the folder's own will hold --force
    weather_file = ["--climate", str(tmp_path / "fahrenheit.csv")]
    typed = ["run", "--config", str(config), "--out", str(region), *weather_file]
    assert main(typed) == 1
    assert "--force takes the weather as it is" in capsys.readouterr().out
    assert main([*typed, "--force"]) == 0
    assert f"warning: implausible balance: {RGI_ID}: -" in capsys.readouterr().err
    assert main(typed) == 1
