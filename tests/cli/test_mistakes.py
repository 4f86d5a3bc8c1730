"""Mistakes that a person makes at the command line: what is typed, what is said; one line, no traceback, 1 or 2."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from oggm_glaunti.cli.main import main
from oggm_glaunti.workflows.valley import daily_weather, valley_outline

from .conftest import run_valley

STAKES = "glacier;begin;end;height;{head}\n{glacier};{year}-10-01;2002-09-30;2700;{value}\n"


@pytest.fixture(scope="module")
def wrong(valley, tmp_path_factory) -> Path:
    """Inputs, each with one fault."""
    folder, weather = tmp_path_factory.mktemp("wrong"), daily_weather(2000, 2004)
    written = weather.astype(object)
    tables = {
        "fahrenheit": weather.assign(temp=1.8 * weather["temp"] + 32),
        "metres": weather.assign(prcp=weather["prcp"] / 1000),
        "names": weather.rename(columns={"temp": "column 2"}),
        "gap": weather.drop(weather.index[500:520]),
        "trace": written.assign(prcp=written["prcp"].where(weather.index != "2000-01-18", "Tr")),
        "january": weather.set_axis(weather.index.strftime("%d/%m/%Y"), axis=0).iloc[:12].rename_axis("date"),
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", date_format="%Y-%m-%d")
    outline = valley_outline()
    (geometry,) = outline.geometry
    swapped = shapely.transform(geometry, lambda lon, lat: (lat, lon), interleaved=False)
    outline.assign(geometry=[swapped], CenLon=outline["CenLat"], CenLat=outline["CenLon"]).to_file(
        folder / "swapped.gpkg"
    )
    outline.to_file(folder / "one.shp")
    (folder / "one.prj").unlink()
    gpd.GeoDataFrame(geometry=[shapely.affinity.translate(geometry, 0.0, 2.0)], crs=4326).to_file(folder / "away.gpkg")
    stakes = {"glacier": "RGI60-11.99999", "year": 2001, "head": "value (m w.e.)", "value": -3.1}
    for name, fault in {
        "stakes": {},
        "other_glacier": {"glacier": "Rhone"},
        "centimetres": {"head": "value", "value": -310},
        "backwards": {"year": 2003},
        "no_value": {"head": "massbalance?"},
    }.items():
        (folder / f"{name}.csv").write_text(STAKES.format(**stakes | fault))
    (folder / "misspelt.yml").write_text("climte: a.csv\n")
    return folder


# What is typed after "oggm-glaunti run" with right options, exit status, what is said.
RUN = {
    "no unit": ("--climate {valley}/weather.csv --temp-units", 2, None),
    "a unit that is none": ("--temp-units F", 2, "temp has units 'F'; expected degC or K. Give it: --temp-units"),
    "an amount, not a rate": ("--prcp-units mm", 2, "prcp has units 'mm'; expected mm/day"),
    "Fahrenheit as degC": ("--climate {wrong}/fahrenheit.csv", 1, "Likely cause: the values are in degrees Fahrenheit"),
    "m as mm": ("--climate {wrong}/metres.csv", 1, "Likely cause: the values are in m a day"),
    "another column": ("--climate {wrong}/names.csv", 2, "found date, column 2, prcp. Give --temp-name"),
    "days missing": ("--climate {wrong}/gap.csv", 1, "missing: 2001-05-15..2001-06-03 (20 days)"),
    "text": ("--climate {wrong}/trace.csv", 1, "row 19: prcp 'Tr' is no number"),
    "dates of two readings": ("--climate {wrong}/january.csv", 2, "date '02/01/2000' may be 2000-01-02 or 2000-02-01"),
    "a raster as weather": ("--climate {valley}/dem.tif", 2, "dem.tif is neither of"),
    "a source misspelt": ("--climate W5E5", 2, "no such file: W5E5; --climate takes W5E5_daily, monthly or a file"),
    "units of W5E5": ("--climate W5E5_daily", 2, "--ref-hgt, --temp-units, --prcp-units: not with"),
    "years before the weather": ("--years 1990 2004", 1, "the weather holds 2000 to 2004, not 1990 to 2004"),
    "years backwards": ("--years 2004 2000", 2, "--years 2004 2000: the last year is before the first"),
    "a period of years": ("--ref-mb -700 --ref-period 2000-2004", 2, "--ref-period: expected like '2000-01-01_"),
    "a balance in metres": ("--ref-mb -1.34", 2, "--ref-mb is -1.34 kg m-2 yr-1, hardly different from 0; if m w.e. a"),
    "a period of nothing": ("--ref-period 2000-01-01_2004-01-01", 2, "--ref-period goes with --ref-mb"),
    "no such DEM": ("--dem {valley}/dme.tif", 2, "no such file: {valley}/dme.tif"),
    "DEM and outlines swapped": ("--shapefile {valley}/dem.tif --dem {valley}/one.gpkg", 2, "be read as outlines"),
    "no projection": ("--shapefile {wrong}/one.shp", 2, "has no coordinate system (one.prj beside it is missing)"),
    "lon and lat swapped": ("--shapefile {wrong}/swapped.gpkg", 1, "longitude exchanged they would overlap"),
    "a DEM of elsewhere": ("--shapefile {wrong}/away.gpkg", 1, "does not overlap the glacier: it covers longitude"),
    "a file as folder": ("--out {valley}/dem.tif", 2, "dem.tif is a file; expected a folder"),
    "a model without its weights": ("--model d --weights {wrong}", 2, "weights d.eqx not found. Searched: {wrong}"),
}  # fmt: skip
IDS = "run --climate W5E5_daily --years 2000 2019 --out x --rgi-ids "
# What is typed after "oggm-glaunti"; {region} is the folder of a run.
OTHERS = {
    "half an id": (IDS + "RGI60-11.897", 2, "'RGI60-11.897': expected an id such as RGI60-11.00897"),
    "a region that is none": (IDS + "RGI60-20.00001", 2, "no region 20 of the inventory; expected 01 to 19"),
    "a glacier too many": (IDS + "RGI60-11.03928", 2, "region 11 of version 6 has 3927 glaciers"),
    "an option misspelt in a file": ("run --config {wrong}/misspelt.yml", 2, "no option 'climte'; expected some of"),
    "a table as options": ("run --config {wrong}/gap.csv", 2, "expected options such as 'years: [2000, 2019]'"),
    "no glaciers there": ("invert {wrong} --out x", 2, "expected per_glacier/, found no glacier directories"),
    "another glacier": ("invert {region} --glacier RGI60-11.1 --out x", 2, "found 1 glaciers, RGI60-11.99999"),
    "years of the future": ("uncertainty {region} --years 2090 2099 --out x", 2, "--years: the daily climate holds"),
    "a negative error": ("uncertainty {region} --sigma-temp -1 --out x", 2, "0 or more, found {{--sigma-temp: -1.0}}"),
    "a year before": ("attribute {region} --year 1950 --out x", 2, "--year: the daily climate holds the years 2001"),
    "a balance too low": ("calibrate {region} --ref-mb -90000 --ref-period 2001-01-01_2004-01-01", 2, "out of reach"),
    "a period before": ("calibrate {region} --ref-mb -700 --ref-period 1970-01-01_2004-01-01", 2, "--ref-period"),
    "stakes misspelt": ("fit {region} --observations {wrong}/stake.csv", 2, "stake.csv: no such file"),
    "stakes of elsewhere": ("fit {region} --observations {wrong}/other_glacier.csv", 2, "names Rhone, and none of"),
    "cm as m": ("fit {region} --observations {wrong}/centimetres.csv", 2, "no row can be used, out of 1"),
    "end before begin": ("fit {region} --observations {wrong}/backwards.csv", 2, "no row can be used, out of 1"),
    "no balances": ("fit {region} --observations {wrong}/no_value.csv", 2, "no column value"),
    "another layout": ("fit {region} --observations {wrong}/stakes.csv --layout glamos", 2, "no column glacier name"),
    "no such parameter": ("fit {region} --observations {wrong}/stakes.csv --free ddf", 2, "--free: expected"),
    "a number as map": ("export {region} --what area --format geotiff --out x", 2, "area: a number for each glacier"),
    "ice that was not run": ("export {region} --what length --format csv --out x", 2, "run_output.nc: no such file"),
    "a negative uncertainty": ("features {region} --elevation-std -3", 2, "--elevation-std is -3.0; expected a number"),
    "a table as DEM": ("features {region} --dem {wrong}/gap.csv", 2, "gap.csv cannot be read as a raster"),
    "a table to verify": ("verify {wrong}/gap.csv", 2, "gap.csv: not an .npz file"),
    "weather as predictions": ("evaluate --predictions {wrong}/gap.csv --out x", 2, "no column glacier, kind, season"),
    "no data set": ("train --model a --data {wrong} --out x", 2, "no index.csv; expected the folder that holds it"),
}  # fmt: skip


def said_by(typed: list[str], capsys: pytest.CaptureFixture) -> tuple[int, str]:
    """Exit status of the command, and what it has said of the mistake in one line."""
    capsys.readouterr()
    status = main(typed)
    out, err = capsys.readouterr()
    errors = [line for line in err.splitlines() if ": error: " in line]
    failures = [line for line in out.splitlines() if line.startswith("failed: ")]
    assert len(errors + failures) == 1, out + err
    return status, (errors + failures)[0]


@pytest.mark.parametrize("mistake", RUN)
def test_a_mistake_in_a_run(valley, wrong, valley_run, tmp_path, oggm_env, capsys, mistake):
    typed, status, said = RUN[mistake]
    given = typed.format(valley=valley, wrong=wrong).split()
    # Other outlines need another folder; otherwise the geometry of the first run is kept.
    out = tmp_path / "out"
    if "--shapefile" not in given:
        shutil.copytree(valley_run, out)
    arguments = run_valley(valley, out, *given)
    if said is None:
        at = arguments.index("--temp-units")
        arguments = arguments[:at] + arguments[at + 2 : -3]
        said = "units are neither in the file nor given; give --temp-units"
    found, line = said_by(arguments, capsys)
    assert said.format(valley=valley, wrong=wrong) in line
    assert found == status


@pytest.mark.parametrize("mistake", OTHERS)
def test_a_mistake_with_another_verb(wrong, valley_run, tmp_path, oggm_env, capsys, monkeypatch, mistake):
    typed, status, said = OTHERS[mistake]
    monkeypatch.chdir(tmp_path)
    if "{region}" in typed:
        shutil.copytree(valley_run, tmp_path / "region")
    found, line = said_by(typed.format(wrong=wrong, region=tmp_path / "region").split(), capsys)
    assert said.format() in line
    assert found == status
    assert not (tmp_path / "x").exists()
