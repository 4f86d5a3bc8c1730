"""A region that the command has run."""

from __future__ import annotations

from pathlib import Path

import pytest

from oggm_glaunti.cli.main import main
from oggm_glaunti.workflows.valley import WEATHER_HEIGHT, daily_weather, valley_outline, write_dem

UNITS = ("--ref-hgt", str(WEATHER_HEIGHT), "--temp-units", "degC", "--prcp-units", "mm/day")


@pytest.fixture(scope="session")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outline, DEM and weather of 2000 to 2004 of the invented glacier. Never write here."""
    folder = tmp_path_factory.mktemp("valley")
    write_dem(folder / "dem.tif")
    valley_outline().to_file(folder / "one.gpkg")
    daily_weather(2000, 2004).to_csv(folder / "weather.csv", date_format="%Y-%m-%d")
    return folder


def run_valley(valley: Path, out: Path, *more: str) -> list[str]:
    """Arguments of a run of model A on the mapped glacier, on the smallest map there can be."""
    files = ["--shapefile", valley / "one.gpkg", "--dem", valley / "dem.tif", "--climate", valley / "weather.csv"]
    how = [*UNITS, "--years", "2000", "2004", "--model", "a", "--border", "20", "--no-dynamics", "--out", out]
    return ["run", *map(str, [*files, *how, *more])]


@pytest.fixture(scope="session")
def valley_run(valley: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The invented glacier after ``oggm-glaunti run --model a``. Copy it before anything is written."""
    import oggm_glaunti.coupling  # noqa: F401

    from ..conftest import _OGGMState

    out, state = tmp_path_factory.mktemp("valley_run"), _OGGMState()
    try:
        assert main(run_valley(valley, out)) == 0
    finally:
        state.put_back()
    return out
