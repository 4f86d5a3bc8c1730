"""Data sets in the layout in which GlaUnTI's training data were published.

A folder holds ``index.csv`` and a folder for each glacier, see ``docs/dataset.md``.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import Transformer

from oggm_glaunti.core.units import MISSING_FACIES, N_FACIES
from oggm_glaunti.coupling.oggm.balance_year import hemisphere_of
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.fit.data.maps import MapFile, read_grid
from oggm_glaunti.fit.data.tables import INDEX, INDEX_COLUMNS, as_numbers, read_columns, read_measured
from oggm_glaunti.fit.data.weather import DailyFields
from oggm_glaunti.fit.data.year import GlacierData, Problem, YearMaps

log = logging.getLogger(__name__)

PROBLEMS = ("report", "raise")


def open_dataset(folder: str | Path, problems: str = "report") -> list[GlacierData]:
    """Open a data set in the published layout; maps and weather are read year by year when they are needed.

    Parameters
    ----------
    folder : path
        holds ``index.csv`` and a folder for each glacier
    problems : {'report', 'raise'}
        what to do about invalid rows, and glaciers of the index without a folder: leave them out with a warning in the
        log (each glacier keeps its own in ``problems``), or raise one error that lists them all

    Returns
    -------
    list of GlacierData
        in the order of the index

    Raises
    ------
    InvalidParamsError
        if a file is missing or cannot be used; it is a ValueError, too
    ValueError
        that lists all problems, if `problems` is ``'raise'``

    Examples
    --------
    >>> glaciers = open_dataset("training_data")  # doctest: +SKIP
    >>> test = [glacier for glacier in glaciers if glacier.fold == 0]  # doctest: +SKIP
    """
    if problems not in PROBLEMS:
        raise ValueError(f"problems: expected one of {PROBLEMS}, found {problems!r}")
    glaciers, found = read_dataset(folder)
    if found and problems == "raise":
        raise ValueError(f"{folder}: {len(found)} problems:\n" + "\n".join(map(str, found)))
    for problem in found:
        log.warning("%s: %s", folder, problem)
    return glaciers


def read_dataset(folder: str | Path) -> tuple[list[GlacierData], list[Problem]]:
    """Open a data set as :func:`open_dataset`, and return the glaciers and the problems."""
    folder = Path(folder)
    if not (folder / INDEX).exists():
        raise InvalidParamsError(f"{folder}: no {INDEX}; expected the folder that holds it and one folder per glacier")
    glaciers, found = [], list[Problem]()
    for row, entry in read_columns(folder / INDEX, INDEX_COLUMNS, str(folder)).iterrows():
        if what := _entry_problem(folder, entry):
            found.append(Problem(INDEX, int(row), what))
        else:
            glaciers.append(_open_glacier(folder / entry["name"], entry, int(row)))
    if not glaciers:
        words = [f"{folder}: none of the glaciers of {INDEX} has a folder", *map(str, found)]
        raise InvalidParamsError("\n".join(words))
    return glaciers, found + [problem for glacier in glaciers for problem in glacier.problems]


def _entry_problem(folder: Path, entry: Any) -> str | None:
    if not isinstance(entry["name"], str):
        return "no name"
    if not (folder / entry["name"]).is_dir():
        return f"{entry['name']}: no folder of that name"
    if not str(entry["fold"]).removesuffix(".0").isdigit():
        return f"{entry['name']}: fold is {entry['fold']!r}, expected 0 (test), 1 (validation) or more (training)"
    return None


def _open_glacier(folder: Path, entry: Any, row: int) -> GlacierData:
    name = folder.name
    about: dict[str, Any] = {key: entry[key] if isinstance(entry[key], str) else "" for key in ("wgms_name", "region")}
    source = FolderSource(folder, name, about["region"])
    size, _ = as_numbers(entry[["max_year", "height", "width"]])
    observed, findings = read_measured(folder, source.grid, name, size["max_year"])
    if np.isfinite(size["height"] * size["width"]) and (size["height"], size["width"]) != source.shape:
        found = f"{size['height']:g}, {size['width']:g}"
        findings.add(INDEX, row, f"{name}: height and width are {found}; dem.nc has {source.shape}, which are used")
    about |= {"problems": tuple(findings.problems), "left_out": findings.left_out}
    return GlacierData(name, source, observed, fold=int(float(entry["fold"])), **about)


class FolderSource:
    """Maps and weather of one glacier's folder; see :class:`~oggm_glaunti.fit.data.year.GlacierSource`.

    Parameters
    ----------
    folder : path
        holds ``dem.nc``, ``outlines.nc``, ``temperature.nc``, ``precipitation.nc``, ``orography.nc`` and optionally
        ``facies.nc``
    name : str
        name of the glacier, with which every error begins
    region : str
        first-order region of the Randolph Glacier Inventory, if known; it says with the latitude when years begin
    """

    def __init__(self, folder: Path, name: str, region: str = ""):
        files = ("dem", "outlines", "orography", "temperature", "facies")
        self._maps = {file: MapFile(folder / f"{file}.nc", f"{name}: {file}.nc") for file in files}
        others = (("outlines", "outlines"), ("orography", "elevation"), ("temperature", "temperature_2m"))
        self.grid = read_grid(self._maps["dem"], "z", [(self._maps[file], variable) for file, variable in others])
        self.shape = self.grid.shape
        to_degrees = Transformer.from_crs(self.grid.crs, "EPSG:4326", always_xy=True)
        lat = to_degrees.transform(self.grid.x.mean(), self.grid.y.mean())[1]
        self.hemisphere = hemisphere_of(lat, pd.to_numeric(region, errors="coerce"))
        weather = DailyFields(folder, self.grid, name)
        self.first, self.last, self.forcing = weather.first, weather.last, weather.forcing

    def place(self, year: int, facies: bool) -> YearMaps:
        """Read the maps of a year."""
        dem = self._maps["dem"]
        elevation, std = (dem.layer(name, year, self.grid) for name in ("z", "zstddev"))
        for name, values in (("z", elevation), ("zstddev", std)):
            if (bad := ~np.isfinite(values)).any():
                missing = f"{bad.sum()} of {bad.size} cells"
                raise InvalidParamsError(f"{dem.label}: '{name}' for {year} is missing in {missing}; fill it")
        return YearMaps(self._outline(year), elevation, std, self._facies(year) if facies else None)

    def _outline(self, year: int) -> NDArray[np.float32]:
        outline = np.nan_to_num(self._maps["outlines"].layer("outlines", year, self.grid), nan=0.0)
        if not ((outline >= 0) & (outline <= 1)).all() or not outline.any():
            raise InvalidParamsError(
                f"{self._maps['outlines'].label}: 'outlines' for {year} holds {outline.min():g} to {outline.max():g}; "
                "expected 0 and 1, and 1 in at least one cell"
            )
        return outline

    def _facies(self, year: int) -> NDArray[np.float32] | None:
        """Return the scores of a year with voids as 0, or None if there is no map."""
        if not self._maps["facies"].path.exists():
            return None
        scores = self._maps["facies"].layer("facies", year, self.grid)
        if scores.shape[0] != N_FACIES:
            raise InvalidParamsError(f"{self._maps['facies'].label}: {scores.shape[0]} bands; expected {N_FACIES}")
        if (np.isnan(scores) | (scores == MISSING_FACIES)).all():
            return None
        return np.nan_to_num(scores, nan=0.0)
