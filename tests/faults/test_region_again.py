"""A region that is run again: damaged records, files that changed without a trace, outputs that cannot be written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from shapely.affinity import scale

from oggm_glaunti.cli.main import main
from oggm_glaunti.workflows import region_chain
from oggm_glaunti.workflows.region_directories import MADE_FROM, STAGES_FILE, Directories
from oggm_glaunti.workflows.stages import DONE, KEPT, do_stage, read_stages
from oggm_glaunti.workflows.valley import RGI_ID, WEATHER_HEIGHT, daily_weather, valley_outline, write_dem

from ..full_disk import files_up_to

OTHER = "RGI60-11.99998"
DAMAGED = {"empty": b"", "a list": b"[]", "cut": b'{"geometry": "0', "null": b"null", "binary": bytes(range(256))}
DAMAGED["deep"] = b"[" * 100_000


def chain_of(folders: dict[str, Path], say: Callable[[str], None]) -> region_chain._Chain:
    gdirs = [SimpleNamespace(rgi_id=rgi_id, dir=str(folder)) for rgi_id, folder in folders.items()]
    request = SimpleNamespace(model="A", out=None)
    return region_chain._Chain(request, Directories(gdirs, {}, {}), "", say)


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_glacier_whose_record_is_damaged_is_done_again(damage, tmp_path):
    folders = {rgi_id: tmp_path / rgi_id for rgi_id in (RGI_ID, OTHER)}
    for folder in folders.values():
        folder.mkdir()
        (folder / STAGES_FILE).write_text('{"geometry": "0"}')
    (folders[OTHER] / STAGES_FILE).write_bytes(DAMAGED[damage])
    said: list[str] = []
    chain_of(folders, said.append).forget_damaged_stages()
    (line,) = said
    assert line.startswith(f"{OTHER}: {folders[OTHER] / STAGES_FILE}")
    assert line.endswith("; the glacier is done again")
    assert [(folder / STAGES_FILE).exists() for folder in folders.values()] == [True, False]


def test_a_record_that_can_neither_be_read_nor_removed_fails_its_glacier_only(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "other" / STAGES_FILE).mkdir(parents=True)
    chain = chain_of({RGI_ID: tmp_path / "one", OTHER: tmp_path / "other"}, print)
    chain.forget_damaged_stages()
    assert [gdir.rgi_id for gdir in chain.gdirs] == [RGI_ID]
    assert "cannot be read, nor removed" in chain.failures[OTHER][1]


def test_a_record_that_cannot_be_written_fails_its_glacier_only(oggm_env, tmp_path):
    gdir = SimpleNamespace(rgi_id=RGI_ID, dir=str(tmp_path / "nowhere"))
    answer = do_stage(gdir, stage="climate", digest="1", tasks=[])
    assert answer.startswith(f"{STAGES_FILE}: InvalidWorkflowError: ")
    assert "cannot be written" in answer


def test_a_stage_is_done_again_with_all_that_follow_if_its_files_are_gone_or_damaged(oggm_env, tmp_path):
    gdir = SimpleNamespace(rgi_id=RGI_ID, dir=str(tmp_path))

    def make(gdir, names, **kwargs) -> None:
        for name in names:
            xr.Dataset({"x": ("i", np.arange(9.0))}).to_netcdf(tmp_path / name)

    def answers() -> list[str]:
        stages = {"geometry": ["map.nc", "lines.pkl"], "climate": ["weather.nc"], "ice": []}
        return [do_stage(gdir, stage, "1", [(make, {"names": names})]) for stage, names in stages.items()]

    (tmp_path / "map.nc").touch()  # which the stage replaces
    assert answers() == [DONE] * 3
    assert answers() == [KEPT] * 3
    (tmp_path / "weather.nc").write_bytes((tmp_path / "weather.nc").read_bytes()[:100])
    assert answers() == [KEPT, DONE, DONE]
    (tmp_path / "lines.pkl").unlink()
    assert answers() == [DONE] * 3
    assert read_stages(gdir) == {
        "geometry": ["1", "lines.pkl", "map.nc"],
        "climate": ["1", "weather.nc"],
        "ice": ["1"],
    }
    (tmp_path / STAGES_FILE).write_text('{"geometry": "1", "climate": 1}')  # as no version writes it now
    assert answers() == [DONE] * 3


def test_contents_tell_whether_a_file_is_the_same(tmp_path, monkeypatch):
    path, copied = tmp_path / "weather.csv", tmp_path / "copied.csv"
    path.write_text("1.0")
    before = region_chain._of_file(path)
    copied.write_text("2.0")
    stat = path.stat()
    os.utime(copied, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.replace(copied, path)  # as rsync -t and cp -p do
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    changed = region_chain._of_file(path)
    assert changed != before
    path.touch()
    assert region_chain._of_file(path) == changed
    # Of large files and of folders it is the state, which no program can turn back.
    monkeypatch.setattr(region_chain, "MOST_COMPARED", 2)
    for what in (path, tmp_path):
        before = region_chain._of_file(what)
        path.write_text("3.0")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert region_chain._of_file(what) != before


@pytest.fixture
def region(tmp_path, oggm_env, capsys) -> SimpleNamespace:
    """A finished region of two glaciers, the files it was made from, and its run, which returns status and output."""
    outlines = pd.concat([valley_outline(), valley_outline().assign(RGIId=OTHER)], ignore_index=True)
    outlines.to_file(tmp_path / "outlines.gpkg")
    write_dem(tmp_path / "dem.tif")
    daily_weather(2000, 2002).to_csv(tmp_path / "weather.csv")
    files = ["--shapefile", "outlines.gpkg", "--dem", "dem.tif", "--climate", "weather.csv"]
    arguments = [part if part.startswith("--") else str(tmp_path / part) for part in files]
    arguments += ["--temp-units", "degC", "--prcp-units", "mm/day", "--ref-hgt", str(WEATHER_HEIGHT)]
    arguments += ["--years", "2000", "2002", "--model", "a", "--border", "20", "--out", str(tmp_path / "out")]

    def run(*options: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main(["run", *arguments, *options])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    status, printed = run("--no-dynamics")
    assert status == 0, printed
    return SimpleNamespace(folder=tmp_path, out=tmp_path / "out", outlines=outlines, run=run)


def balances(region: SimpleNamespace) -> dict[str, float]:
    with xr.open_dataset(region.out / "glaunti_output.nc") as ds:
        return dict(zip(ds["rgi_id"].values, ds["specific_mb"].mean("time").values, strict=True))


@pytest.mark.slow
def test_what_has_changed_without_a_trace_is_done_again(region):
    before = balances(region)
    (stages,) = region.out.glob(f"per_glacier/*/*/{OTHER}/{STAGES_FILE}")
    stages.write_text("[]")
    _, printed = region.run("--no-dynamics")
    assert f"{OTHER}: {stages}: expected named values in braces, found []; the glacier is done again" in printed
    assert "climate: 2 glaciers, 1 from before" in printed
    assert balances(region) == before
    stages.with_name("climate_historical_daily.nc").unlink()
    _, printed = region.run("--no-dynamics")
    assert "climate: 2 glaciers, 1 from before" in printed
    assert balances(region) == before
    # Some warm days are warmer, in as many bytes and with the same time.
    weather = region.folder / "weather.csv"
    stat, text = weather.stat(), weather.read_text()
    weather.write_text(text.replace(",5.", ",9."))
    os.utime(weather, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert weather.stat().st_size == stat.st_size
    _, printed = region.run("--no-dynamics")
    assert "climate: 2 glaciers\n" in printed
    warm = balances(region)
    assert all(warm[rgi_id] < before[rgi_id] for rgi_id in before)
    # One outline is another one.
    changed = region.outlines.copy()
    changed.loc[1, "geometry"] = scale(changed.loc[1, "geometry"], 0.8, 1.0)
    gpd.GeoDataFrame(changed, crs="EPSG:4326").to_file(region.folder / "outlines.gpkg")
    _, printed = region.run("--no-dynamics")
    assert "geometry: 2 glaciers, 1 from before" in printed, printed
    smaller = balances(region)
    assert smaller[RGI_ID] == warm[RGI_ID]
    assert smaller[OTHER] != warm[OTHER]
    (region.out / MADE_FROM).write_bytes(b"\xff")
    _, printed = region.run("--no-dynamics")
    assert f"made from: {region.out / MADE_FROM} cannot be read (" in printed
    assert "; all glaciers are done again" in printed
    assert "geometry: 2 glaciers\n" in printed
    assert balances(region) == smaller
    assert json.loads((region.out / MADE_FROM).read_text())["dem"].endswith("dem.tif")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_outputs_are_there_until_others_take_their_place(region, monkeypatch):
    status, printed = region.run()
    assert status == 0, printed
    outputs = [region.out / name for name in ("glaunti_output.nc", "run_output.nc")]
    before = [path.read_bytes() for path in outputs]
    for broken in outputs:
        # The disk is full as soon as the output is written.
        with monkeypatch.context() as patch, files_up_to(10**9):
            patch.setattr(region_chain._Chain, "_compile", full_while_writing(broken))
            status, printed = region.run()
        assert status == 2
        assert f"{broken} cannot be written" in printed
        assert outputs[1].read_bytes() == before[1]
    status, printed = region.run("--no-dynamics")
    assert status == 0, printed
    assert [path.exists() for path in outputs] == [True, False]
    assert np.isfinite(list(balances(region).values())).all()


def full_while_writing(broken: Path):
    from oggm_glaunti import files

    compile_all, put_in_place = region_chain._Chain._compile, files._put_in_place

    def full(temporary: Path, path: Path) -> None:
        if path == broken:
            raise OSError(28, "No space left on device")
        put_in_place(temporary, path)

    def compile_on_a_full_disk(chain):
        files._put_in_place = full
        try:
            return compile_all(chain)
        finally:
            files._put_in_place = put_in_place

    return compile_on_a_full_disk
