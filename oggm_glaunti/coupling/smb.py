"""Gridded balances of one glacier."""

from __future__ import annotations

import importlib.metadata
import logging
from typing import Any, NamedTuple

import netCDF4
import numpy as np
from oggm import entity_task
from oggm.exceptions import InvalidParamsError

from oggm_glaunti import settings
from oggm_glaunti.coupling.atomic import replacing
from oggm_glaunti.coupling.corrections import climatological_fields, correction_years
from oggm_glaunti.coupling.features import Features, read_features
from oggm_glaunti.coupling.features_file import write_coordinates
from oggm_glaunti.coupling.gridded import GriddedModel
from oggm_glaunti.coupling.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.periods import (
    Period,
    day_slice,
    mass_balance_year_of_months,
    periods_from_dates,
    require_mass_balance_years,
)
from oggm_glaunti.coupling.processes import require_jax

settings.register()
log = logging.getLogger(__name__)

YEARS = ("calendar", "mass_balance")
SEASON_NAMES = ("smb_winter", "smb_summer")
EPOCH = np.datetime64("1801-01-01", "D")  # OGGM's

# A calendar year has those of two mass-balance years; one of them is kept.
JANUARY = " of January only (later in the year those of the next mass-balance year act)"


class Maps(NamedTuple):
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
        where corrections change within a period, which of them `ds` are
    """

    first: list[np.datetime64]
    last: list[np.datetime64]
    fields: dict[str, list[np.ndarray]]
    ds: list[np.ndarray]
    swe: list[np.ndarray]
    ds_when: str = ""


@entity_task(log, writes=["glaunti_smb"])
def glaunti_smb(
    gdir: Any,
    *,
    ys: int | None = None,
    ye: int | None = None,
    model: str | None = None,
    corrector: str | None = None,
    weights: Any = None,
    melt_f: float | None = None,
    prcp_fac: float | None = None,
    temp_bias: float | None = None,
    years: str = "calendar",
    dates: Any = None,
    daily: bool = False,
    exact: bool = False,
    mb_params_filesuffix: str = "",
    check_calib_params: bool = True,
    output_filesuffix: str = "",
) -> dict[str, np.ndarray]:
    """Balance on the 100 m grid, year by year, with its glacier mean.

    Parameters
    ----------
    gdir : GlacierDirectory
        with daily climate and ``glaunti_features``
    ys, ye : int, optional
        first and last year written, of those in the record; the run always starts with it, so that the snow is right
    model, corrector, weights, melt_f, prcp_fac, temp_bias, mb_params_filesuffix, check_calib_params
        see :class:`~oggm_glaunti.GlaUnTIMassBalance`: what is not given is the directory's calibration, and without one
        the published model
    years : {'calendar', 'mass_balance'}
        calendar years as OGGM runs them, every day counted once; or 1 Oct to 30 Sep (1 Apr to 31 Mar in the south) as
        in the published evaluation, the first and last day of each counted half
    dates : DataFrame, optional
        true dates instead, columns ``begin``, ``mid``, ``end`` (a missing ``mid`` gives an annual balance): adds the
        maps ``smb_winter`` and ``smb_summer``. Days between two rows are not run, days in two rows are run twice; the
        snow is carried from row to row
    daily : bool
        a map for every day (calendar years only): 365 times as large
    exact : bool
        run all cells of the rectangle instead of the glacier's and write them too; see
        :class:`~oggm_glaunti.coupling.gridded.GriddedModel` for what the fast way costs in accuracy
    output_filesuffix : str

    Returns
    -------
    dict
        ``time`` (last day of each period) and the glacier means of every map in m w.e.; ``glaunti_smb.nc`` holds the
        maps, the means, the snow at the end of each period and the corrections

    Raises
    ------
    InvalidWorkflowError, InvalidParamsError
        where an input is missing or an argument impossible
    """
    require_jax(f"{gdir.rgi_id}: glaunti_smb")
    if years not in YEARS or (daily and (years != "calendar" or dates is not None)):
        raise InvalidParamsError(
            f"{gdir.rgi_id}: years: expected one of {YEARS}, found {years!r}; daily maps are of calendar years"
        )
    mb_model = GlaUnTIMassBalance(
        gdir,
        mb_params_filesuffix=mb_params_filesuffix,
        check_calib_params=check_calib_params,
        model=model,
        corrector=corrector,
        weights=weights,
        melt_f=melt_f,
        prcp_fac=prcp_fac,
        temp_bias=temp_bias,
        ys=ys,
        ye=ye,
    )
    _require_in_record(gdir, mb_model, ys, ye)
    gridded = GriddedModel(mb_model.loaded_model, mb_model.climate, read_features(gdir), gdir.rgi_id, exact)
    if dates is not None:
        maps = _seasons(gridded, mb_model, periods_from_dates(dates, gdir.rgi_id))
    elif years == "mass_balance":
        remedy = "; years='mass_balance' needs two calendar years of weather or more (or take years='calendar')"
        periods = require_mass_balance_years(mb_model.climate, gdir.hemisphere, gdir.rgi_id, remedy)
        maps = _seasons(gridded, mb_model, periods)
    else:
        maps = _calendar(gridded, mb_model, daily)
    maps = _from_to(maps, mb_model.ys, mb_model.ye, gdir.rgi_id)
    return _write(gdir, gridded, mb_model, maps, output_filesuffix)


def _require_in_record(gdir: Any, mb_model: GlaUnTIMassBalance, ys: int | None, ye: int | None) -> None:
    record = mb_model.climate
    for name, year in (("ys", ys), ("ye", ye)):
        if year is not None and not record.ys <= year <= record.ye:
            raise InvalidParamsError(
                f"{gdir.rgi_id}: {name}={year}, but {record.path} holds {record.ys} to {record.ye}; take a year of "
                "these, or none for the whole record"
            )


# --- runs ---


def _period_corrections(gridded: GriddedModel, mb_model: GlaUnTIMassBalance, periods: list[Period]) -> list:
    """Corrections of each period (5, H, W), with all knobs at zero effect; None for none."""
    if mb_model.corrector == "off":
        return [None] * len(periods)
    if mb_model.corrector == "climatology":
        return [climatological_fields(gridded, mb_model.hemisphere)] * len(periods)
    return [result.ds for result in gridded.run(periods)]


def _on_cells(gridded: GriddedModel, ds: np.ndarray | None) -> np.ndarray:
    """Corrections on the cells run."""
    if ds is None:
        return np.zeros((5, *gridded.shape), np.float32)
    return ds if gridded.exact else ds[:, gridded.columns.rows, gridded.columns.cols]


def _seasons(gridded: GriddedModel, mb_model: GlaUnTIMassBalance, periods: list[Period]) -> Maps:
    """Periods run by themselves, first and last day of each season half."""
    from oggm_glaunti.core.run import season_weights

    temp_bias, prcp_fac, ddf = mb_model.knobs().by_month()
    if np.ptp(ddf):
        raise InvalidParamsError(f"{gridded.rgi_id}: a melt_f by month needs years='calendar'")
    all_ds = _period_corrections(gridded, mb_model, periods)
    slices = [[day_slice(gridded.climate, b, e, gridded.rgi_id) for b, e in p.seasons()] for p in periods]
    longest = max(s.stop - s.start for parts in slices for s in parts)
    month = gridded.climate.time.astype("datetime64[M]").astype(int) % 12
    maps = Maps([], [], {"smb": [], "smb_winter": [], "smb_summer": []}, [], [])
    swe = gridded.initial_swe()
    for period, parts, ds in zip(periods, slices, all_ds, strict=True):
        total = np.zeros(gridded.shape, np.float32)
        for name, part in zip(SEASON_NAMES, parts, strict=False):
            temp = gridded.climate.temp[part] + temp_bias[month[part]]
            prcp = gridded.climate.prcp[part] * prcp_fac[month[part]]
            weights = season_weights(part.stop - part.start)
            swe, smb, _ = _segment(gridded, swe, temp, prcp, weights, longest, ddf[0], _on_cells(gridded, ds))
            total += smb
            if period.mid is not None:
                maps.fields[name].append(smb)
        maps.fields["smb"].append(total)
        _append(maps, period.begin, period.end, swe, ds)
    seasonal = len(maps.fields["smb_winter"])
    if seasonal not in (0, len(periods)):
        raise InvalidParamsError(f"{gridded.rgi_id}: {len(periods) - seasonal} of {len(periods)} rows have no mid date")
    return maps if seasonal else maps._replace(fields={"smb": maps.fields["smb"]})


def _calendar(gridded: GriddedModel, mb_model: GlaUnTIMassBalance, daily: bool) -> Maps:
    """Calendar years, every day once, month by month under the corrections of its mass-balance year."""
    climate = gridded.climate
    off = mb_model.corrector == "off"
    periods = [] if off else correction_years(climate, mb_model.hemisphere, gridded.rgi_id)
    all_ds = [None] if off else _period_corrections(gridded, mb_model, periods)
    cells = [_on_cells(gridded, ds) for ds in all_ds]
    first_year = periods[0].year if periods else climate.ys
    index = np.clip(mass_balance_year_of_months(climate.years, mb_model.hemisphere) - first_year, 0, len(all_ds) - 1)
    temp_bias, prcp_fac, ddf = mb_model.knobs().by_month()
    months = climate.time.astype("datetime64[M]")
    maps = Maps([], [], {"smb": []}, [], [], JANUARY)
    swe = gridded.initial_swe()
    for y, year in enumerate(climate.years[climate.years <= mb_model.ye]):
        total = np.zeros(gridded.shape, np.float32)
        for m in range(12):
            days = np.flatnonzero(months == np.datetime64(f"{year}-{m + 1:02d}", "M"))
            weather = climate.temp[days] + temp_bias[m], climate.prcp[days] * prcp_fac[m]
            weights = np.ones(days.size, np.float32)
            swe, smb, series = _segment(gridded, swe, *weather, weights, 31, ddf[m], cells[index[y, m]], daily)
            total += smb
            if daily and year >= mb_model.ys:
                for day, day_map in zip(climate.time[days], series, strict=False):
                    maps.fields["smb"].append(day_map)
                    _append(maps, day, day, None, None)
        if not daily:
            maps.fields["smb"].append(total)
            begin = np.datetime64(f"{year}-01-01", "D")
            ds = all_ds[index[y, 0]]
            _append(maps, begin, np.datetime64(f"{year}-12-31", "D"), swe, ds)
    return maps


def _append(
    maps: Maps, first: np.datetime64, last: np.datetime64, swe: np.ndarray | None, ds: np.ndarray | None
) -> None:
    maps.first.append(first)
    maps.last.append(last)
    if swe is not None:
        maps.swe.append(swe)
    if ds is not None:
        maps.ds.append(ds)


_programs: list[Any] = []


def _segment(
    gridded: GriddedModel,
    swe: np.ndarray,
    temp: np.ndarray,
    prcp: np.ndarray,
    weights: np.ndarray,
    n_days: int,
    ddf_snow: float,
    ds: np.ndarray,
    daily: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Some days under one set of corrections: snow at the end, balance, and the daily balance on request."""
    from oggm_glaunti.core.forcing import StationForcing, pad_days

    if not _programs:
        _programs.append(_segment_program())
    offset = gridded.grid_offset if gridded.exact else gridded.columns.pixel_offset
    forcing, weights = pad_days(StationForcing(temp, prcp, offset), weights, n_days)
    swe, smb, series = _programs[0](gridded.model.ti, swe, forcing, weights, np.float32(ddf_snow), ds, daily)
    return np.asarray(swe), np.asarray(smb), None if series is None else np.asarray(series)


def _segment_program() -> Any:
    """Compile on use, once per process."""
    import equinox as eqx

    from oggm_glaunti.core.glaunti import correct
    from oggm_glaunti.core.monthly import with_ddf_snow
    from oggm_glaunti.core.run import run_ti

    def segment(ti, swe, forcing, weights, ddf_snow, ds, daily):
        params = correct(with_ddf_snow(ti.resolve(), ddf_snow), ds)
        return run_ti(params, swe, forcing, weights, observe=(lambda smb: smb) if daily else None)

    return eqx.filter_jit(segment)


def _from_to(maps: Maps, ys: int, ye: int, rgi_id: str) -> Maps:
    """Only the periods that end in the years asked for."""
    ends = np.array(maps.last, "datetime64[Y]").astype(int) + 1970
    keep = np.flatnonzero((ends >= ys) & (ends <= ye))
    if keep.size == 0:
        raise InvalidParamsError(f"{rgi_id}: no period ends between {ys} and {ye}")

    def only(values):
        return [values[i] for i in keep] if values else []

    fields = {name: only(values) for name, values in maps.fields.items()}
    return Maps(only(maps.first), only(maps.last), fields, only(maps.ds), only(maps.swe), maps.ds_when)


# --- the file ---


def _write(
    gdir: Any, gridded: GriddedModel, mb_model: GlaUnTIMassBalance, maps: Maps, filesuffix: str
) -> dict[str, np.ndarray]:
    path = gdir.get_filepath("glaunti_smb", filesuffix=filesuffix)
    means = {name: np.array([gridded.glacier_mean(v) for v in values]) for name, values in maps.fields.items()}
    with replacing(path, gdir.rgi_id) as temporary, netCDF4.Dataset(temporary, "w", format="NETCDF4") as nc:
        _write_head(nc, gdir, mb_model, gridded)
        _write_grid(nc, gridded.features)
        _write_time(nc, maps)
        for name, values in maps.fields.items():
            _write_maps(nc, gridded, name, values, f"{_LONG_NAMES[name]}, water equivalent")
            _write_series(nc, f"{name}_glacier", means[name], f"{_LONG_NAMES[name]}, mean over the glacier")
        if maps.swe:
            _write_maps(nc, gridded, "swe", maps.swe, "snow water equivalent at the end of the period")
        if maps.ds:
            _write_corrections(nc, maps)
    return {"time": np.array(maps.last), **means}


_LONG_NAMES = {
    "smb": "surface mass balance",
    "smb_winter": "surface mass balance of the winter season",
    "smb_summer": "surface mass balance of the summer season",
}


def _write_head(nc: netCDF4.Dataset, gdir: Any, mb_model: GlaUnTIMassBalance, gridded: GriddedModel) -> None:
    nc.Conventions = "CF-1.8"
    nc.title = "GlaUnTI surface mass balance"
    nc.source = f"oggm-glaunti {importlib.metadata.version('oggm-glaunti')}"
    nc.rgi_id, nc.model, nc.corrector = gdir.rgi_id, mb_model.model_name, mb_model.corrector
    nc.weights_sha256, nc.climate_source = mb_model.weights_sha256, mb_model.climate_source
    nc.exact = int(gridded.exact)
    for knob in ("melt_f", "prcp_fac", "temp_bias"):
        nc.setncattr(knob, getattr(mb_model, knob))


def _write_grid(nc: netCDF4.Dataset, features: Features) -> None:
    write_coordinates(nc, features)
    outline = nc.createVariable("outline", "i1", ("y", "x"), zlib=True)
    outline.units, outline.long_name, outline.grid_mapping = "1", "1 on the glacier, by cell centre", "crs"
    outline[:] = features.outline.astype(np.int8)


def _write_time(nc: netCDF4.Dataset, maps: Maps) -> None:
    nc.createDimension("time", len(maps.last))
    nc.createDimension("bnds", 2)
    bounds = np.stack([np.array(maps.first) - EPOCH, np.array(maps.last) + 1 - EPOCH], axis=1).astype(int)
    time = nc.createVariable("time", "i4", ("time",))
    time.units, time.calendar, time.bounds = "days since 1801-01-01 00:00:00", "standard", "time_bnds"
    time.standard_name, time.long_name = "time", "last day of the period"
    time[:] = bounds[:, 1] - 1
    nc.createVariable("time_bnds", "i4", ("time", "bnds"))[:] = bounds


def _write_maps(nc: netCDF4.Dataset, gridded: GriddedModel, name: str, values: list, long_name: str) -> None:
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


def _write_series(nc: netCDF4.Dataset, name: str, values: np.ndarray, long_name: str) -> None:
    variable = nc.createVariable(name, "f8", ("time",))
    variable.units, variable.long_name = "m", long_name
    variable[:] = values


def _write_corrections(nc: netCDF4.Dataset, maps: Maps) -> None:
    nc.createDimension("correction", 5)
    variable = nc.createVariable("corrections", "f4", ("time", "correction", "y", "x"), zlib=True, complevel=1)
    variable.units, variable.grid_mapping = "1", "crs"
    names = "ln prec_scale, ln ddf_snow, ln ddf_relative_ice, snow_to_rain_centre (K), t_pos_shift (K)"
    variable.long_name = f"corrections{maps.ds_when}: {names}"
    for i, fields in enumerate(maps.ds):
        variable[i] = fields
