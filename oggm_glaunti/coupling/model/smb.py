"""Gridded balances of one glacier."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
from oggm import entity_task
from oggm.exceptions import InvalidParamsError

from oggm_glaunti import settings
from oggm_glaunti.core.units import N_CORRECTIONS
from oggm_glaunti.coupling.gridded import periods as mb_periods
from oggm_glaunti.coupling.gridded.corrections import climatological_fields, correction_years
from oggm_glaunti.coupling.gridded.model import GriddedModel
from oggm_glaunti.coupling.gridded.periods import Period, day_slice
from oggm_glaunti.coupling.gridded.place import Place
from oggm_glaunti.coupling.gridded.weather import Weather, open_weather, shifted_by_day, with_offset
from oggm_glaunti.coupling.ground.debris import DebrisProfile
from oggm_glaunti.coupling.ground.features import read_features
from oggm_glaunti.coupling.ground.surface import open_surface, require_surface
from oggm_glaunti.coupling.model.choice import CALIBRATION_KWARGS, checked_mb_kwargs
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.model.smb_file import SmbMaps, write_smb
from oggm_glaunti.coupling.oggm.processes import require_jax
from oggm_glaunti.coupling.table.inputs import D_ICE, TUNABLE, InputFiles

if TYPE_CHECKING:
    from oggm import GlacierDirectory

    from oggm_glaunti.core.melt import DayTerms

settings.register()
log = logging.getLogger(__name__)

YEAR_KINDS = ("calendar", "mass_balance")
DAILY_TERMS = ("melt_snow", "melt_ice", "rain")
SEASON_MAPS = ("smb_winter", "smb_summer")
SMB_KWARGS = (*CALIBRATION_KWARGS, *TUNABLE, "mb_params_filesuffix", "check_calib_params", "debris")

# A calendar year has those of two mass-balance years; one of them is kept.
JANUARY = " of January only (later in the year those of the next mass-balance year act)"


@entity_task(log, writes=["glaunti_smb"])
def glaunti_smb(
    gdir: GlacierDirectory,
    *,
    ys: int | None = None,
    ye: int | None = None,
    years: str = "calendar",
    dates: Any = None,
    daily: bool = False,
    exact: bool = False,
    surface: str = "fixed",
    dem_stack_filesuffix: str = "",
    output_filesuffix: str = "",
    weather: Any = None,
    mb_kwargs: Mapping[str, Any] | None = None,
) -> dict[str, np.ndarray]:
    """Run the balance on the 100 m grid, year by year, with its glacier mean.

    Parameters
    ----------
    gdir : GlacierDirectory
        glacier with ``glaunti_features``, and with daily climate unless `weather` is given
    ys, ye : int, optional
        first and last year written, within the record; the run always starts with the record, so that the snow is right
    years : {'calendar', 'mass_balance'}
        calendar years as OGGM runs them, every day counted once; or 1 Oct to 30 Sep (1 Apr to 31 Mar in the south) as
        in the published evaluation, the first and last day of each counted half
    dates : DataFrame, optional
        true dates instead, columns ``begin``, ``mid``, ``end`` (a missing ``mid`` gives an annual balance): adds the
        maps ``smb_winter`` and ``smb_summer``. Days between two rows are not run, days in two rows are run twice; the
        snow is carried from row to row. Dates may be text: ``2008-10-01``, ``01.10.2008``
    daily : bool
        a map for every day (calendar years only), 365 times as large; with them ``melt_snow``, ``melt_ice`` and
        ``rain`` of the day, so that snowfall = smb + melt_snow + melt_ice: melt of the part of the surface that is
        covered with snow, and of the bare part. An account of the snow that has fallen they are with
        ``variant='mass_conserving'`` only, see :mod:`oggm_glaunti.core.melt`
    exact : bool
        run all cells of the rectangle instead of the glacier's and write them too; see
        :class:`~oggm_glaunti.coupling.gridded.model.GriddedModel` for what the fast way costs in accuracy
    surface : {'fixed', 'yearly'}
        the elevation of ``glaunti_features.nc`` in all years; or that of each year from ``glaunti_dem_stack.nc``: the
        calendar year and the mass-balance year (or row of `dates`) that ends in it run on the surface of its 1 January,
        years outside the file on the nearest. Temperature follows the surface, and so do the elevation, its uncertainty
        and the months that the corrector sees; the outline stays. All elevations are in one vertical datum
    dem_stack_filesuffix : str
        suffix of ``glaunti_dem_stack.nc``
    output_filesuffix : str
        suffix of ``glaunti_smb.nc``
    weather : path, optional
        daily gridded weather in place of the directory's series: a NetCDF file, or a folder of three, on the glacier's
        own cells or on coarser ones, see :func:`~oggm_glaunti.coupling.gridded.weather.open_weather`; it is read some
        days at a time. On the glacier's own cells, models C and D are always run as with `exact`

    mb_kwargs : mapping, optional
        `model`, `corrector`, `weights`, `variant`, `melt_f`, `prcp_fac`, `temp_bias`, `mb_params_filesuffix`,
        `check_calib_params` and `debris` (by the height of each cell) of :class:`~oggm_glaunti.GlaUnTIMassBalance`;
        default: the directory's calibration, otherwise the published model

    Returns
    -------
    dict
        ``time`` (last day of each period) and the glacier means of every map in m w.e.; ``glaunti_smb.nc`` holds the
        maps, the means, the snow at the end of each period and the corrections

    Raises
    ------
    InvalidWorkflowError, InvalidParamsError
        if an input is missing or an argument invalid
    """
    require_jax(f"{gdir.rgi_id}: glaunti_smb")
    if years not in YEAR_KINDS or (daily and (years != "calendar" or dates is not None)):
        raise InvalidParamsError(
            f"{gdir.rgi_id}: years: expected one of {YEAR_KINDS}, found {years!r}; daily maps are of calendar years"
        )
    require_surface(surface, gdir.rgi_id, dem_stack_filesuffix)
    climate = None if weather is None else open_weather(weather, read_features(gdir), gdir.rgi_id)
    chosen = checked_mb_kwargs("glaunti_smb", mb_kwargs, SMB_KWARGS)
    mb_model = _ModelOnWeather(gdir, climate, ys=ys, ye=ye, **chosen)
    _require_in_record(gdir, mb_model, ys, ye)
    features = read_features(gdir)
    if mb_model.climate.others:
        count = len(mb_model.climate.realisations)
        log.warning("(%s) glaunti_smb: maps are of the first of %d realisations of the weather", gdir.rgi_id, count)
    periods = _periods(gdir, mb_model, years, dates)
    moving = None
    if surface == "yearly":
        if mb_model.calib_params:
            log.warning("(%s) glaunti_smb: the surface moves, the calibration was made on the fixed one", gdir.rgi_id)
        # A climatology is made from the whole record.
        whole = periods is None or mb_model.corrector == "climatology"
        asked = mb_model.climate.years.tolist() if whole else [period.year for period in periods or ()]
        moving = open_surface(gdir, features, asked, dem_stack_filesuffix)
    gridded = GriddedModel(mb_model.loaded_model, climate or mb_model.climate, features, gdir.rgi_id, exact, moving)
    if periods is None:
        maps = _run_calendar_years(gridded, mb_model, daily)
    else:
        maps = _run_periods(gridded, mb_model, periods)
    maps = _from_to(maps, mb_model.ys, mb_model.ye, gdir.rgi_id)
    return write_smb(gdir, gridded, mb_model, maps, output_filesuffix)


class _ModelOnWeather(GlaUnTIMassBalance):
    """The directory's model and calibration, on other weather than the directory's if some is given."""

    def __init__(self, gdir: GlacierDirectory, weather: Weather | None, **kwargs: Any):
        self._weather = weather
        super().__init__(gdir, **kwargs)

    def _open_files(self, filename: str, input_filesuffix: str, record: str) -> InputFiles:
        files = super()._open_files(filename, input_filesuffix, record)
        if self._weather is not None:
            # Means over the outline, in place of what the directory holds.
            files.climate, files.about_climate = self._weather.climate, self._weather.climate.about()
        return files


def _require_in_record(gdir: GlacierDirectory, mb_model: GlaUnTIMassBalance, ys: int | None, ye: int | None) -> None:
    record = mb_model.climate
    for name, year in (("ys", ys), ("ye", ye)):
        if year is not None and not record.ys <= year <= record.ye:
            raise InvalidParamsError(
                f"{gdir.rgi_id}: {name}={year}, but {record.path} holds {record.ys} to {record.ye}; take a year of "
                "these, or none for the whole record"
            )


def _periods(gdir: GlacierDirectory, mb_model: GlaUnTIMassBalance, years: str, dates: Any) -> list[Period] | None:
    """Periods to run one by one; None for calendar years."""
    if dates is not None:
        return mb_periods.periods_from_dates(dates, gdir.rgi_id)
    if years == "calendar":
        return None
    remedy = "; years='mass_balance' needs two calendar years of weather or more (or take years='calendar')"
    return mb_periods.require_mass_balance_years(mb_model.climate, gdir.hemisphere, gdir.rgi_id, remedy)


# --- runs ---


def _period_corrections(gridded: GriddedModel, mb_model: GlaUnTIMassBalance, periods: list[Period]) -> list:
    """Compute the corrections of each period (5, H, W), nothing tuned or fitted; None if the corrector is off."""
    if mb_model.corrector == "off":
        return [None] * len(periods)
    if mb_model.corrector == "climatology":
        return [climatological_fields(gridded, mb_model.hemisphere)] * len(periods)
    return [result.ds for result in gridded.run(periods)]


def _corrections_on_cells(gridded: GriddedModel, ds: np.ndarray | None, debris: DebrisProfile | None) -> np.ndarray:
    """Take the corrections on the cells run; debris changes the factor of ice by the height of the cell."""
    cells = (..., gridded.columns.rows, gridded.columns.cols) if not gridded.exact else ...
    found = np.zeros((N_CORRECTIONS, *gridded.shape), np.float32) if ds is None else ds[cells]
    if debris is None:
        return found
    factor = debris.at(gridded.features.elevation[cells])
    return np.stack([*found[:D_ICE], found[D_ICE] + np.log(factor).astype(np.float32), *found[D_ICE + 1 :]])


def _run_periods(gridded: GriddedModel, mb_model: GlaUnTIMassBalance, periods: list[Period]) -> SmbMaps:
    """Periods run by themselves, first and last day of each season half."""
    from oggm_glaunti.core.run import season_weights

    temp_bias, prcp_fac, ddf = mb_model.tunable_params().by_month()
    if np.ptp(ddf):
        raise InvalidParamsError(f"{gridded.rgi_id}: a melt_f by month needs years='calendar'")
    all_ds, debris = _period_corrections(gridded, mb_model, periods), mb_model.store.debris
    slices = [[day_slice(gridded.climate, b, e, gridded.rgi_id) for b, e in p.seasons()] for p in periods]
    longest = max(s.stop - s.start for parts in slices for s in parts)
    month = gridded.climate.time.astype("datetime64[M]").astype(int) % 12
    maps = SmbMaps([], [], {"smb": [], "smb_winter": [], "smb_summer": []}, [], [])
    swe = gridded.initial_swe(mb_model.ti)
    for period, parts, ds in zip(periods, slices, all_ds, strict=True):
        place, total = gridded.place(period.year), np.zeros(gridded.shape, np.float32)
        for name, part in zip(SEASON_MAPS, parts, strict=False):
            tunables = temp_bias[month[part]], prcp_fac[month[part]], ddf[0]
            weights, on_cells = season_weights(part.stop - part.start), _corrections_on_cells(gridded, ds, debris)
            swe, smb, _ = _segment(place, mb_model, swe, part, weights, longest, tunables, on_cells)
            total += smb
            if period.mid is not None:
                maps.fields[name].append(smb)
        maps.fields["smb"].append(total)
        _append(maps, period.begin, period.end, swe, ds)
    seasonal = len(maps.fields["smb_winter"])
    if seasonal not in (0, len(periods)):
        raise InvalidParamsError(f"{gridded.rgi_id}: {len(periods) - seasonal} of {len(periods)} rows have no mid date")
    return maps if seasonal else maps._replace(fields={"smb": maps.fields["smb"]})


def _run_calendar_years(gridded: GriddedModel, mb_model: GlaUnTIMassBalance, daily: bool) -> SmbMaps:
    """Calendar years, every day once, month by month under the corrections of its mass-balance year."""
    climate = gridded.climate
    off = mb_model.corrector == "off"
    periods = [] if off else correction_years(climate, mb_model.hemisphere, gridded.rgi_id)
    all_ds = [None] if off else _period_corrections(gridded, mb_model, periods)
    cells = [_corrections_on_cells(gridded, ds, mb_model.store.debris) for ds in all_ds]
    first_year = periods[0].year if periods else climate.ys
    ends = mb_periods.mass_balance_year_of_months(climate.years, mb_model.hemisphere)
    index = np.clip(ends - first_year, 0, len(all_ds) - 1)
    temp_bias, prcp_fac, ddf = mb_model.tunable_params().by_month()
    months = climate.time.astype("datetime64[M]")
    maps = SmbMaps([], [], {name: [] for name in ("smb", *(DAILY_TERMS if daily else ()))}, [], [], JANUARY)
    swe = gridded.initial_swe(mb_model.ti)
    for y, year in enumerate(climate.years[climate.years <= mb_model.ye]):
        place, total = gridded.place(int(year)), np.zeros(gridded.shape, np.float32)
        for m in range(12):
            days = np.flatnonzero(months == np.datetime64(f"{year}-{m + 1:02d}", "M"))
            tunables = np.full(days.size, temp_bias[m]), np.full(days.size, prcp_fac[m]), ddf[m]
            part, weights = slice(days[0], days[-1] + 1), np.ones(days.size, np.float32)
            ds = cells[index[y, m]]
            swe, smb, series = _segment(place, mb_model, swe, part, weights, 31, tunables, ds, daily)
            total += smb
            if series is not None and year >= mb_model.ys:
                for name, values in maps.fields.items():
                    values.extend(getattr(series, name)[: days.size])
                for day in climate.time[days]:
                    _append(maps, day, day)
        if not daily:
            maps.fields["smb"].append(total)
            first, last = (np.datetime64(f"{year}-{day}", "D") for day in ("01-01", "12-31"))
            _append(maps, first, last, swe, all_ds[index[y, 0]])
    return maps


def _append(maps: SmbMaps, first: Any, last: Any, swe: np.ndarray | None = None, ds: np.ndarray | None = None) -> None:
    lists: tuple[list[Any], ...] = (maps.first, maps.last, maps.swe, maps.ds)
    for values, value in zip(lists, (first, last, swe, ds), strict=True):
        if value is not None:
            values.append(value)


def _segment(
    place: Place,
    mb_model: GlaUnTIMassBalance,
    swe: np.ndarray,
    days: slice,
    weights: np.ndarray,
    n_days: int,
    tunables: tuple[np.ndarray, np.ndarray, float],
    ds: np.ndarray,
    daily: bool = False,
) -> tuple[np.ndarray, np.ndarray, DayTerms | None]:
    """Run some days under one set of corrections; return final snow, balance and, on request, the daily terms.

    `tunables` are temp_bias and prcp_fac by day, and ddf_snow.
    """
    from oggm_glaunti.core.checks import require_finite
    from oggm_glaunti.core.forcing import pad_days

    temp_bias, prcp_fac, ddf_snow = tunables
    # The forcing has the lapse rate of the corrections; a fit may have another.
    steeper = mb_model.temp_default_gradient - settings.param("glaunti_temp_gradient")
    # Fields live here only, so that the next days are not read before these are gone.
    weather = with_offset(shifted_by_day(place.forcing(days), temp_bias, prcp_fac), steeper * place.above_ref)
    forcing, weights = pad_days(weather, weights, n_days)
    arguments = require_finite("swe", swe), forcing.checked(weights), weights, np.float32(ddf_snow), ds, daily
    swe, smb, series = _segment_program()(mb_model.ti, *arguments)
    return np.asarray(swe), np.asarray(smb), None if series is None else type(series)(*map(np.asarray, series))


@cache
def _segment_program() -> Callable[..., Any]:
    """Compile on use, once per process."""
    import equinox as eqx

    from oggm_glaunti.core.checks import checked_before
    from oggm_glaunti.core.glaunti import correct
    from oggm_glaunti.core.melt import terms_step
    from oggm_glaunti.core.run import run_days, run_ti

    def segment(ti, swe, forcing, weights, ddf_snow, ds, daily):
        params = correct(replace(ti.resolve(), ddf_snow=ddf_snow), ds)
        if not daily:
            return run_ti(params, swe, forcing, weights)
        swe, total, series = run_days(terms_step(params), swe, forcing, weights, lambda terms: terms)
        return swe, total.smb, series

    return eqx.filter_jit(checked_before(segment))


def _from_to(maps: SmbMaps, ys: int, ye: int, rgi_id: str) -> SmbMaps:
    """Keep only the periods that end in the requested years."""
    ends = np.array(maps.last, "datetime64[Y]").astype(int) + 1970
    keep = (ends >= ys) & (ends <= ye)
    if not keep.any():
        raise InvalidParamsError(f"{rgi_id}: no period ends between {ys} and {ye}")

    def only(values):
        return list(compress(values, keep))

    fields = {name: only(values) for name, values in maps.fields.items()}
    return SmbMaps(only(maps.first), only(maps.last), fields, only(maps.ds), only(maps.swe), maps.ds_when)
