"""The report as a file: what it holds, what it says it lacks, and what cannot be one."""

from __future__ import annotations

import base64
import json
import re

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti.files import WriteError
from oggm_glaunti.graphics import report
from oggm_glaunti.graphics.html_report.content import Content, content_of
from oggm_glaunti.graphics.html_report.dataset import read_dataset, with_uncertainty
from oggm_glaunti.graphics.html_report.figures import region_map
from oggm_glaunti.graphics.html_report.folder import Beside, directories_in, read_beside
from oggm_glaunti.graphics.html_report.geography import Projection
from oggm_glaunti.region.store import write_region
from tests.graphics.report.region import HTML, make_dataset, make_glaciers, make_working_dir

YEARS = range(2001, 2009)
FAILED = 3


@pytest.fixture(scope="module")
def working_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("region")
    make_working_dir(folder, 7, YEARS, failed=[FAILED])
    return folder


@pytest.fixture(scope="module")
def text(working_dir) -> str:
    return report(working_dir, working_dir / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def ds(working_dir) -> xr.Dataset:
    with xr.open_dataset(working_dir / "glaunti_output.nc") as opened:
        return opened.load()


def data_of(text: str, name: str = "data") -> dict:
    """What the script of the page reads."""
    found = re.search(f'<script type="application/json" id="{name}">(.*?)</script>', text, re.DOTALL)
    return json.loads(found[1])


def numbers(packed: str, *shape: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed), "<f4").reshape(shape or -1)


def content(ds: xr.Dataset) -> Content:
    """What a report of a dataset alone shows: a page takes a second to make."""
    return content_of(ds, Beside({}, {}), {})


def small(n: int = 3, **where) -> xr.Dataset:
    return make_dataset(make_glaciers(n, **where), YEARS)


# --- what it holds ---


def test_the_numbers_are_those_of_the_dataset(text, ds):
    data = data_of(text)
    assert data["ids"] == ds["rgi_id"].values.tolist()
    for name in ("specific_mb", "winter_mb", "summer_mb", "ela", "aar", "volume", "area"):
        np.testing.assert_array_equal(numbers(data["series"][name], 7, 8), ds[name].values.astype("f4"))
        np.testing.assert_allclose(numbers(data["means"][name]), ds[name].mean("time", skipna=False), rtol=1e-6)


def test_the_profile_is_the_tables_mean_over_the_years_and_the_glaciers_heights(text, ds):
    data = data_of(text)
    begin, end = data["profileBegins"][:2]
    heights, mean = (numbers(data["profiles"][name])[begin:end] for name in ("heights", "mean"))
    assert 20 <= heights.size <= 40
    # The balance is linear with height, so that of the glacier is that at its middle.
    middle = np.interp(make_glaciers(7)[0].middle, heights, mean)
    assert middle == pytest.approx(float(ds["specific_mb"][0].mean()), abs=1e-3)
    assert data["profileBegins"][FAILED] == data["profileBegins"][FAILED + 1]


def test_outlines_are_where_they_are_with_fewer_points_and_their_holes(text):
    (outlines,) = [source for source in sources(text) if "xs" in source and "row" in source]
    glaciers = make_glaciers(7)
    projection = Projection([g.cenlon for g in glaciers], [g.cenlat for g in glaciers])
    assert sorted(outlines["row"]) == list(range(7))
    for row, xs, ys in zip(outlines["row"], outlines["xs"], outlines["ys"], strict=True):
        glacier = glaciers[row]
        drawn = shapely.Polygon(np.column_stack([xs[0][0], ys[0][0]]), [np.column_stack([xs[0][1], ys[0][1]])])
        assert drawn.area == pytest.approx(glacier.outline.area, rel=0.04)
        centre = projection.xy([glacier.cenlon], [glacier.cenlat])[0] + np.array(glacier.outline.centroid.coords[0])
        assert np.hypot(*(np.array(drawn.centroid.coords[0]) - centre)) < 0.1 * np.sqrt(glacier.outline.area) + 5
        assert len(xs[0][0]) < 150


def sources(text: str) -> list[dict]:
    """The columns of the map's data sources."""

    def found(node):
        if isinstance(node, dict):
            if node.get("name") == "ColumnDataSource":
                yield dict(node["attributes"]["data"]["entries"])
            for value in node.values():
                yield from found(value)
        elif isinstance(node, list):
            for value in node:
                yield from found(value)

    return list(found(data_of(text, "items")["map"]))


def test_names_from_outside_are_never_html(text):
    for name in HTML:
        assert name not in text
    assert "<b>there</b>" not in text
    assert set(HTML) <= set(data_of(text)["names"])
    assert "failed in the run, climate: no weather <b>there</b>" in data_of(text)["warnings"][FAILED]


def test_it_asks_for_nothing_and_may_not(text):
    assert "default-src 'none'" in text
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", text)


def test_what_made_it_is_said(text, working_dir):
    for words in ("oggm-glaunti 0", "OGGM 1", "Bokeh 3", "12ab12ab", "none: the published parameters", "model: A"):
        assert words in text
    assert "6 of 7 are not calibrated" in text
    assert "1 of 7 glaciers has no profile by height." in text
    assert "The dataset has no errors of the balances: no bands." in text


def test_bands_are_those_of_the_dataset_or_of_a_standard_deviation():
    ds = small()
    ds["specific_mb_sd"] = 0.3 + 0 * ds["specific_mb"]
    ds["winter_mb_low"], ds["winter_mb_high"] = ds["winter_mb"] - 0.1, ds["winter_mb"] + 0.2
    bands = content(ds).bands
    assert set(bands) == {"specific_mb", "winter_mb"}
    np.testing.assert_allclose(bands["specific_mb"][1] - ds["specific_mb"], 1.6449 * 0.3, atol=1e-4)
    np.testing.assert_allclose(bands["winter_mb"][1] - bands["winter_mb"][0], 0.3, atol=1e-6)


def test_bands_come_from_a_folder_of_uncertainties_for_years_of_the_same_kind(tmp_path):
    ds = small()
    errors = xr.Dataset({"annual_sd": ("year", [0.2, 0.4])}, {"year": [2002, 2003]}, {"year_type": "hydrological"})
    errors.to_netcdf(tmp_path / "RGI60-11.00002_uncertainty.nc")
    half = content(with_uncertainty(ds, tmp_path)).bands["specific_mb"][1] - ds["specific_mb"].values
    assert np.isfinite(half).sum() == 2
    np.testing.assert_allclose(half[1, 1:3], [1.6449 * 0.2, 1.6449 * 0.4], atol=1e-4)
    errors.assign_attrs(year_type="calendar").to_netcdf(tmp_path / "RGI60-11.00001_uncertainty.nc")
    with pytest.raises(InvalidParamsError, match=r"00001_uncertainty.nc: calendar years, but .* hydrological"):
        report(ds, tmp_path / "r.html", uncertainty=tmp_path)
    with pytest.raises(InvalidParamsError, match=r"no file <rgi_id>_uncertainty\.nc of any of the 3 glaciers"):
        report(ds, tmp_path / "r.html", uncertainty=tmp_path.parent)


def test_a_table_of_other_balances_gives_no_profile_and_a_warning(working_dir, ds):
    own = content_of(ds, read_beside(working_dir, directories_in(working_dir), ds), {})
    other = ds.copy(deep=True)
    other["specific_mb"][0] -= 20.0
    found = content_of(other, read_beside(working_dir, directories_in(working_dir), other), {})
    assert own.profiles.keys() - found.profiles.keys() == {0}
    assert any("is not that of these balances" in text for text in found.warnings[0])
    assert any("implausible balance" in text for text in found.warnings[0])


def test_a_zarr_holds_the_same(ds, tmp_path):
    write_region(ds.drop_encoding(), tmp_path / "glaunti_output.zarr", "zarr")
    found = read_dataset(tmp_path / "glaunti_output.zarr")
    np.testing.assert_allclose(found["specific_mb"], ds["specific_mb"], rtol=1e-6)


# --- what it lacks ---


def test_without_directories_glaciers_are_discs_and_nothing_is_made_up(tmp_path):
    ds = small().drop_vars(["volume", "region_volume", "ela", "region_winter_mb"])
    text = report(ds, tmp_path / "report.html").read_text("utf-8")
    data = data_of(text)
    assert data["someProfiles"] is False
    assert {"volume", "ela"}.isdisjoint(data["series"])
    assert "3 of 3 glaciers have no outline, but a disc on the map." in text
    assert "The dataset has no equilibrium line altitude, ice volume." in text
    assert "The dataset has no regional winter balance." in text
    assert {"glacier_profile", "glacier_ela"}.isdisjoint(data_of(text, "items"))
    assert sorted(next(source for source in sources(text) if "size" in source)["row"]) == [0, 1, 2]


def test_outlines_may_be_given(tmp_path):
    ds, square = small(), shapely.box(10.75, 46.75, 10.85, 46.85)
    outlines = gpd.GeoDataFrame({"rgi_id": ["RGI60-11.00002"]}, geometry=[square], crs=4326)
    text = report(ds, tmp_path / "report.html", outlines=outlines.to_crs(32632)).read_text("utf-8")
    assert "2 of 3 glaciers have no outline" in text
    with pytest.raises(InvalidParamsError, match=r"outlines: expected a column RGIId or rgi_id, found .* name"):
        report(ds, tmp_path / "report.html", outlines=outlines.rename(columns={"rgi_id": "name"}))


def test_one_glacier_has_no_region_of_its_own(tmp_path):
    text = report(small(1), tmp_path / "report.html", title="Just <one>").read_text("utf-8")
    assert "<h1>Just &lt;one&gt;</h1>" in text
    assert "region_series" not in data_of(text, "items")
    assert "1 glacier, " in text


def test_years_without_values_are_named_and_not_averaged_over():
    ds = small()
    ds["specific_mb"][1, [0, 1, 4]] = np.nan
    ds["specific_mb"][:, 7] = np.nan  # a year that nobody has is no reason
    found = content(ds)
    assert found.warnings[1] == ("no balance in 2001-2002, 2005; not in the means of all years",)
    assert np.isnan(found.means["specific_mb"]).tolist() == [False, True, False]
    assert found.means["specific_mb"][0] == pytest.approx(float(ds["specific_mb"][0, :7].mean()), rel=1e-6)


def test_a_glacier_that_has_gone_is_said_to_have():
    ds = small()
    ds["area"][1, 5:] = 0.0
    ds["specific_mb"][1, 5:] = np.nan
    assert content(ds).warnings[1] == ("no ice left from 2006 on",)


@pytest.mark.parametrize("place", [(179.95, 66.0), (40.0, 89.0), (-120.0, -89.5), (10.0, 0.0)])
def test_regions_at_the_date_line_the_poles_and_the_equator_are_in_one_piece(place):
    ds = small(6, place=place, spread=0.8)
    columns = [renderer.data_source.data for renderer in region_map(content(ds)).renderers]
    discs = next(data for data in columns if "size" in data)
    assert all(np.ptp(discs[axis]) < 3e5 for axis in "xy")
    labels = [label for data in columns for label in data.get("text", [])]
    assert len(labels) >= 3
    assert all(re.fullmatch(r"\d+(\.\d+)?°[NSEW]", label) for label in labels), labels


# --- what cannot be one ---


def test_folders_without_a_dataset_or_with_several_are_named(working_dir, tmp_path):
    with pytest.raises(InvalidParamsError, match="no such folder or file"):
        report(tmp_path / "nowhere")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InvalidParamsError, match=r"no glaunti_output\*.nc or .zarr in it, only notes.txt"):
        report(tmp_path)
    for name in ("glaunti_output_a.nc", "glaunti_output_b.nc"):
        (tmp_path / name).touch()
    with pytest.raises(InvalidParamsError, match=r"several datasets, glaunti_output_a.nc, glaunti_output_b.nc; name"):
        report(tmp_path)


def test_files_of_other_origin_are_refused_with_what_they_lack(tmp_path):
    path, out = tmp_path / "glaunti_output.nc", tmp_path / "report.html"
    path.write_text("no NetCDF")
    with pytest.raises(InvalidParamsError, match="cannot be read as a dataset"):
        report(tmp_path, out)
    path.unlink()
    xr.Dataset({"temperature": ("x", [1.0])}).to_netcdf(path)
    with pytest.raises(InvalidParamsError, match=r"no rgi_id, time, .* in it, only temperature; expected"):
        report(tmp_path, out)
    ds = small()
    ds["specific_mb"].attrs["units"] = "mm"
    with pytest.raises(InvalidParamsError, match=r"units 'm year-1', found .* and 'mm'"):
        report(ds, out)
    assert not out.exists()


def test_where_all_glaciers_failed_there_is_nothing_to_show(tmp_path):
    ds = small()
    ds["specific_mb"][:] = np.nan
    with pytest.raises(InvalidWorkflowError, match=r"none of 3 glaciers has a balance .* log.txt"):
        report(ds, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path, monkeypatch):
    ds = small()
    with pytest.raises(InvalidParamsError, match="does not exist; make it first"):
        report(ds, tmp_path / "no" / "report.html")
    with pytest.raises(InvalidParamsError, match="is a folder; give the name of a file"):
        report(ds, tmp_path)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(WriteError, match=r"report\.html cannot be written"):
        report(ds, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_beside_the_dataset_and_says_what_is_wrong_in_a_line(working_dir, tmp_path, capsys):
    from oggm_glaunti.cli.main import main

    assert main(["report", str(working_dir), "--title", "Seven", "--out", str(tmp_path / "seven.html")]) == 0
    assert "<h1>Seven</h1>" in (tmp_path / "seven.html").read_text("utf-8")
    assert capsys.readouterr().out.endswith(f"written: {tmp_path / 'seven.html'}\n")
    assert main(["report", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"oggm-glaunti: error: {tmp_path}: no glaunti_output*.nc")
    assert error.count("\n") == 1
