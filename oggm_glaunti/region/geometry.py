"""Where a glacier's ice lies, by height: as it was mapped, or year by year in a run of OGGM's dynamics."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from oggm.exceptions import InvalidWorkflowError


class Geometry(NamedTuple):
    """Area by height at some dates.

    Attributes
    ----------
    years : int array (K,) or None
        years of which these are the 1 Januaries; None for one geometry (K = 1) that serves every year
    heights : array (K, P)
        of the surface at the flowlines' points, m
    areas : array (K, P)
        of the ice at the points, m2; zero where there is none
    volume : array (K,) or None
        m3
    """

    years: np.ndarray | None
    heights: np.ndarray
    areas: np.ndarray
    volume: np.ndarray | None

    def of_year(self, year: int) -> tuple[np.ndarray, np.ndarray]:
        """Heights and areas (P,) on 1 January of a year."""
        row = 0 if self.years is None else int(np.flatnonzero(self.years == year)[0])
        return self.heights[row], self.areas[row]

    def volume_of_year(self, year: int) -> float:
        """Volume on 1 January of a year, m3; NaN where it is not known."""
        if self.volume is None or self.years is None:
            return float("nan")
        return float(self.volume[np.flatnonzero(self.years == year)[0]])


def read_geometry(gdir: Any, run_filesuffix: str | None) -> Geometry:
    """The geometry of a run, or the mapped one.

    Parameters
    ----------
    gdir : GlacierDirectory
    run_filesuffix : str or None
        `output_filesuffix` of the run; None for the mapped glacier

    Raises
    ------
    InvalidWorkflowError
        where the directory lacks the files, or its glacier was merged with its tributaries
    """
    return mapped_geometry(gdir) if run_filesuffix is None else run_geometry(gdir, run_filesuffix)


def mapped_geometry(gdir: Any) -> Geometry:
    """The glacier of the inventory's date, from its inversion flowlines."""
    if not gdir.has_file("inversion_flowlines"):
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: no inversion_flowlines.pkl; run OGGM's flowline tasks, for example "
            "elevation_band_flowline and fixed_dx_elevation_band_flowline"
        )
    fls = gdir.read_pickle("inversion_flowlines")
    _require_one_glacier(gdir, fls)
    heights = np.concatenate([fl.surface_h for fl in fls])
    areas = np.concatenate([fl.widths_m * fl.dx_meter for fl in fls])
    return Geometry(None, heights[None], areas[None], None)


def _require_one_glacier(gdir: Any, fls: list) -> None:
    others = {fl.rgi_id for fl in fls if getattr(fl, "rgi_id", None) not in (None, gdir.rgi_id)}
    if others:
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: merged with {sorted(others)}, whose weather is another; compile the glaciers one by one"
        )


def run_geometry(gdir: Any, filesuffix: str) -> Geometry:
    """The glacier on every 1 January of a run, from ``fl_diagnostics`` or, where that was not kept, ``model_geometry``.

    Raises
    ------
    InvalidWorkflowError
        where the run kept neither
    """
    _require_one_glacier(gdir, gdir.read_pickle("model_flowlines") if gdir.has_file("model_flowlines") else [])
    if gdir.has_file("fl_diagnostics", filesuffix=filesuffix):
        return _of_diagnostics(gdir, gdir.get_filepath("fl_diagnostics", filesuffix=filesuffix))
    if gdir.has_file("model_geometry", filesuffix=filesuffix):
        return _of_model_geometry(gdir.get_filepath("model_geometry", filesuffix=filesuffix))
    raise InvalidWorkflowError(
        f"{gdir.rgi_id}: neither fl_diagnostics{filesuffix}.nc nor model_geometry{filesuffix}.nc; run the dynamics "
        "with store_fl_diagnostics=True (or store_model_geometry=True), without which heights and areas are not known"
    )


def _of_diagnostics(gdir: Any, path: str) -> Geometry:
    import xarray as xr

    lines = []
    with xr.open_dataset(path) as ds:
        names = [f"fl_{number}" for number in ds["flowlines"].values]
    for name in names:
        with xr.open_dataset(path, group=name) as ds:
            if "thickness_m" not in ds:
                raise InvalidWorkflowError(
                    f"{gdir.rgi_id}: {path} has no thickness_m; keep 'thickness' in "
                    "cfg.PARAMS['store_fl_diagnostic_variables'] and run again"
                )
            thickness, area, volume = (ds[v].values for v in ("thickness_m", "area_m2", "volume_m3"))
            lines.append((ds["time"].values, ds["bed_h"].values + thickness, area, volume.sum(axis=1)))
    return _joined(lines)


def _of_model_geometry(path: str) -> Geometry:
    from oggm.core.flowline import FileModel

    model = FileModel(path)
    heights: list[list[np.ndarray]] = [[] for _ in model.fls]
    areas: list[list[np.ndarray]] = [[] for _ in model.fls]
    for time in model.time:
        model.run_until(time)
        for number, fl in enumerate(model.fls):
            heights[number].append(fl.surface_h)
            areas[number].append(np.where(fl.section > 0, fl.widths_m, 0.0) * fl.dx_meter)
    volumes = [ts["ts_section"].sum(axis=1) * fl.dx_meter for fl, ts in zip(model.fls, model.fl_tss, strict=True)]
    rows = zip(heights, areas, volumes, strict=True)
    return _joined([(model.time, np.array(h), np.array(a), v) for h, a, v in rows])


def _joined(lines: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]) -> Geometry:
    """All flowlines side by side, on 1 January only: runs may be stored month by month."""
    time = np.asarray(lines[0][0], np.float64)
    first_of_january = time == np.floor(time)
    heights, areas = (np.concatenate([line[i] for line in lines], axis=1)[first_of_january] for i in (1, 2))
    volume = np.sum([line[3] for line in lines], axis=0)[first_of_january]
    return Geometry(time[first_of_january].astype(int), heights, areas, volume)
