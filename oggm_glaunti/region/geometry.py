"""Area of a glacier by height: as mapped, or year by year in a run of OGGM's dynamics."""

from typing import NamedTuple

import numpy as np
from oggm import GlacierDirectory
from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK


class Geometry(NamedTuple):
    """Area by height at some dates.

    Attributes
    ----------
    years : int array (K,) or None
        Years, for geometries on 1 January; None for one geometry (K = 1) that is used for every year
    heights : array (K, P)
        Surface heights at the points of the flowlines, m
    areas : array (K, P)
        Ice area at the points, m2; zero if there is no ice
    volume : array (K,) or None
        Ice volume, m3
    """

    years: np.ndarray | None
    heights: np.ndarray
    areas: np.ndarray
    volume: np.ndarray | None

    def of_year(self, year: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the heights and areas (P,) and the volume (m3; NaN if unknown) on 1 January of a year."""
        row = 0 if self.years is None else int(np.flatnonzero(self.years == year)[0])
        return self.heights[row], self.areas[row], float("nan") if self.volume is None else float(self.volume[row])


def read_geometry(gdir: GlacierDirectory, run_filesuffix: str | None) -> Geometry:
    """Read the geometry of a run, or the mapped one.

    That of a run is read on every 1 January, from ``fl_diagnostics`` or, if missing, ``model_geometry``.

    Parameters
    ----------
    gdir : GlacierDirectory
    run_filesuffix : str or None
        The `output_filesuffix` of the run; None for the mapped glacier

    Raises
    ------
    InvalidWorkflowError
        If the directory lacks the files, the run stored neither, or its glacier was merged with its tributaries
    """
    suffix = run_filesuffix
    if suffix is None:
        return mapped_geometry(gdir)
    _require_one_glacier(gdir, gdir.read_pickle("model_flowlines") if gdir.has_file("model_flowlines") else [])
    if gdir.has_file("fl_diagnostics", filesuffix=suffix):
        return _of_diagnostics(gdir, gdir.get_filepath("fl_diagnostics", filesuffix=suffix))
    if gdir.has_file("model_geometry", filesuffix=suffix):
        return _of_model_geometry(gdir.get_filepath("model_geometry", filesuffix=suffix))
    raise InvalidWorkflowError(
        f"{gdir.rgi_id}: neither fl_diagnostics{suffix}.nc nor model_geometry{suffix}.nc; run the dynamics "
        "with store_fl_diagnostics=True (or store_model_geometry=True), without which heights and areas are not known"
    )


def mapped_geometry(gdir: GlacierDirectory) -> Geometry:
    """Read the glacier at the date of the inventory, from its inversion flowlines."""
    if not gdir.has_file("inversion_flowlines"):
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: no inversion_flowlines.pkl; run OGGM's flowline tasks, for example "
            "elevation_band_flowline and fixed_dx_elevation_band_flowline"
        )
    fls = gdir.read_pickle("inversion_flowlines")
    _require_one_glacier(gdir, fls)
    heights = np.concatenate([fl.surface_h for fl in fls])
    areas = np.concatenate([fl.widths_m * fl.dx_meter for fl in fls])
    if not (np.isfinite(heights).all() and np.isfinite(areas).all() and areas.sum() > 0):
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: inversion_flowlines.pkl has heights of {heights.min():g} to {heights.max():g} m and an "
            f"area of {areas.sum() * 1e-6:g} km2. Are DEM and outline right, and its area in the attributes "
            f"({gdir.rgi_area_km2:g} km2), to which OGGM scales the widths?"
        )
    return Geometry(None, heights[None], areas[None], None)


def _require_one_glacier(gdir: GlacierDirectory, fls: list) -> None:
    others = {fl.rgi_id for fl in fls if getattr(fl, "rgi_id", None) not in (None, gdir.rgi_id)}
    if others:
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: merged with {sorted(others)}, whose weather is another; compile the glaciers one by one"
        )


def _of_diagnostics(gdir: GlacierDirectory, path: str) -> Geometry:
    import xarray as xr

    lines = []
    with HDF5_LOCK, xr.open_dataset(path) as ds:
        names = [f"fl_{number}" for number in ds["flowlines"].values]
    for name in names:
        with HDF5_LOCK, xr.open_dataset(path, group=name) as ds:
            if "thickness_m" not in ds:
                raise InvalidWorkflowError(
                    f"{gdir.rgi_id}: {path} has no thickness_m; keep 'thickness' in "
                    "cfg.PARAMS['store_fl_diagnostic_variables'] and run again"
                )
            thickness, area, volume = (ds[v].values for v in ("thickness_m", "area_m2", "volume_m3"))
            lines.append((ds["time"].values, ds["bed_h"].values + thickness, area, volume.sum(axis=1)))
    return _join_flowlines(lines)


def _of_model_geometry(path: str) -> Geometry:
    from oggm.core.flowline import FileModel

    with HDF5_LOCK:
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
    return _join_flowlines([(model.time, np.array(h), np.array(a), v) for h, a, v in rows])


def _join_flowlines(lines: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]) -> Geometry:
    """Join all flowlines, on 1 January only (runs may be stored month by month)."""
    time = np.asarray(lines[0][0], np.float64)
    first_of_january = time == np.floor(time)
    heights, areas = (np.concatenate([line[i] for line in lines], axis=1)[first_of_january] for i in (1, 2))
    volume = np.sum([line[3] for line in lines], axis=0)[first_of_january]
    return Geometry(time[first_of_january].astype(int), heights, areas, volume)
