"""``glaunti_smb.nc``: maps of the balance and their means over the glacier."""

from __future__ import annotations

import importlib.metadata
import json
import os
from typing import Any, NamedTuple

import netCDF4
import numpy as np

from oggm_glaunti.coupling.gridded.model import GriddedModel
from oggm_glaunti.coupling.ground.features_file import write_coordinates
from oggm_glaunti.coupling.ground.surface import YearlySurface
from oggm_glaunti.coupling.model.days import no_split_reason
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.oggm.netcdf import netcdf_file
from oggm_glaunti.coupling.oggm.writing import writing

EPOCH = np.datetime64("1801-01-01", "D")  # OGGM's


class SmbMaps(NamedTuple):
    """Balances of several periods on the cells run.

    Attributes
    ----------
    first, last : arrays (K,) of datetime64[D]
        days of each period, both included
    fields : dict
        name to list of K arrays, m w.e.
    ds : list of K arrays (5, H, W) or empty
        corrections
    swe : list of K arrays
        at the end of each period, m w.e.
    ds_when : str
        which corrections `ds` are, if they change within a period
    """

    first: list[np.datetime64]
    last: list[np.datetime64]
    fields: dict[str, list[np.ndarray]]
    ds: list[np.ndarray]
    swe: list[np.ndarray]
    ds_when: str = ""


def write_smb(
    gdir: Any, gridded: GriddedModel, mb_model: GlaUnTIMassBalance, maps: SmbMaps, filesuffix: str
) -> dict[str, np.ndarray]:
    """Write maps and glacier means; the file appears complete or not at all.

    Returns
    -------
    dict
        ``time`` and the glacier means of every map, m w.e.
    """
    path = gdir.get_filepath("glaunti_smb", filesuffix=filesuffix)
    means = {name: np.array([gridded.glacier_mean(v) for v in values]) for name, values in maps.fields.items()}
    with writing(path, gdir.rgi_id) as temporary, netcdf_file(temporary, "w") as nc:
        _write_head(nc, gdir, mb_model, gridded)
        write_coordinates(nc, gridded.features)
        outline = nc.createVariable("outline", "i1", ("y", "x"), zlib=True)
        outline.units, outline.long_name, outline.grid_mapping = "1", "1 on the glacier, by cell centre", "crs"
        outline[:] = gridded.features.outline.astype(np.int8)
        _write_time(nc, maps)
        if gridded.surface is not None:
            _write_surface(nc, gridded.surface, maps)
        for name, values in maps.fields.items():
            _write_cells(nc, gridded, name, values, f"{_LONG_NAMES[name]}, water equivalent")
            if name == "melt_snow" and (reason := no_split_reason(mb_model)) is not None:
                nc[name].comment = f"says where it melts, and is no account of the snow that has fallen. {reason}"
            series = nc.createVariable(f"{name}_glacier", "f8", ("time",))
            series.units, series.long_name = "m", f"{_LONG_NAMES[name]}, mean over the glacier"
            series[:] = means[name]
        if maps.swe:
            _write_cells(nc, gridded, "swe", maps.swe, "snow water equivalent at the end of the period")
        if maps.ds:
            _write_correction_maps(nc, maps)
    return {"time": np.array(maps.last), **means}


_LONG_NAMES = {
    "smb": "surface mass balance",
    "smb_winter": "surface mass balance of the winter season",
    "smb_summer": "surface mass balance of the summer season",
    "melt_snow": "melt of snow, on the part of the surface that is covered",
    "melt_ice": "melt of ice, on the bare part of the surface",
    "rain": "liquid precipitation",
}


def _write_head(nc: netCDF4.Dataset, gdir: Any, mb_model: GlaUnTIMassBalance, gridded: GriddedModel) -> None:
    nc.Conventions = "CF-1.8"
    nc.title = "GlaUnTI surface mass balance"
    nc.source = f"oggm-glaunti {importlib.metadata.version('oggm-glaunti')}"
    nc.rgi_id, nc.model, nc.corrector = gdir.rgi_id, mb_model.model_name, mb_model.corrector
    nc.weights_sha256, nc.climate_source = mb_model.weights_sha256, mb_model.climate_source
    nc.exact, nc.variant = int(gridded.exact), mb_model.variant
    nc.temperature_index = "published" if mb_model.fitted_parameters is None else json.dumps(mb_model.fitted_parameters)
    nc.weather, nc.weather_sha256 = os.path.basename(gridded.climate.path), gridded.weather.digest()
    nc.surface = "fixed" if gridded.surface is None else "yearly"
    nc.temp_gradient = mb_model.temp_default_gradient
    if mb_model.store.debris is not None:
        nc.debris_sha256 = mb_model.store.debris.digest()
    nc.setncatts(vars(mb_model.tunable_params()))


def _write_time(nc: netCDF4.Dataset, maps: SmbMaps) -> None:
    nc.createDimension("time", len(maps.last))
    nc.createDimension("bnds", 2)
    bounds = np.stack([np.array(maps.first) - EPOCH, np.array(maps.last) + 1 - EPOCH], axis=1).astype(int)
    time = nc.createVariable("time", "i4", ("time",))
    time.units, time.calendar, time.bounds = "days since 1801-01-01 00:00:00", "standard", "time_bnds"
    time.standard_name, time.long_name = "time", "last day of the period"
    time[:] = bounds[:, 1] - 1
    nc.createVariable("time_bnds", "i4", ("time", "bnds"))[:] = bounds


def _write_surface(nc: netCDF4.Dataset, surface: YearlySurface, maps: SmbMaps) -> None:
    nc.dem_stack, nc.dem_stack_sha256 = surface.name, surface.stack.digest()
    nc.vertical_datum = surface.vertical_datum
    variable = nc.createVariable("surface_year", "i4", ("time",))
    variable.units, variable.long_name = "1", "year of the surface, that of 1 January, on which the period was run"
    ends = np.array(maps.last, "datetime64[Y]").astype(int) + 1970
    variable[:] = [surface.year_taken(int(year)) for year in ends]


def _write_cells(nc: netCDF4.Dataset, gridded: GriddedModel, name: str, values: list, long_name: str) -> None:
    """One chunk a map; cells that were not run are masked."""
    chunks = (1, *gridded.features.shape)
    variable = nc.createVariable(
        name, "f4", ("time", "y", "x"), zlib=True, complevel=1, chunksizes=chunks, fill_value=np.float32(np.nan)
    )
    variable.units, variable.long_name, variable.grid_mapping = "m", long_name, "crs"
    if name == "swe":
        variable.standard_name = "lwe_thickness_of_surface_snow_amount"
    for i, value in enumerate(values):
        variable[i] = gridded.to_grid(value)


def _write_correction_maps(nc: netCDF4.Dataset, maps: SmbMaps) -> None:
    nc.createDimension("correction", 5)
    variable = nc.createVariable("corrections", "f4", ("time", "correction", "y", "x"), zlib=True, complevel=1)
    variable.units, variable.grid_mapping = "1", "crs"
    names = "ln prec_scale, ln ddf_snow, ln ddf_relative_ice, snow_to_rain_centre (K), t_pos_shift (K)"
    variable.long_name = f"corrections{maps.ds_when}: {names}"
    for i, fields in enumerate(maps.ds):
        variable[i] = fields
