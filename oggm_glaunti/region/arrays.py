"""Padded arrays of a batch, in NumPy."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from oggm_glaunti import settings
from oggm_glaunti.core import batch as kernels
from oggm_glaunti.core.forcing import monthly_climate
from oggm_glaunti.core.glacier_columns import GlacierColumns, glacier_columns
from oggm_glaunti.core.run import season_weights
from oggm_glaunti.core.temperature_index import TIWeights
from oggm_glaunti.core.units import ELEVATION_NORM, ELEVATION_STD_NORM, LANE, MISSING_FACIES, N_CORRECTIONS, N_FACIES
from oggm_glaunti.coupling.gridded.corrections import correction_years
from oggm_glaunti.coupling.gridded.periods import day_slice
from oggm_glaunti.coupling.ground.features import Features
from oggm_glaunti.coupling.table.band_corrections import BandCorrections
from oggm_glaunti.coupling.table.table import round_up
from oggm_glaunti.region.jobs import Job, nodes_of
from oggm_glaunti.region.plan import LONGEST_YEAR, Batch

# Heights of the snow profiles, run or not: then only the uncorrected run depends on the number of heights run.
ALL_HEIGHTS = 512


class CorrectionArrays(NamedTuple):
    """Arrays of a batch for the corrector: those sent to the device, and those needed to read its result."""

    weather: kernels.BatchWeather
    maps: kernels.BatchMaps
    offset: np.ndarray
    cells: kernels.LanedCells
    years: list[np.ndarray]
    """calendar years in which each glacier's mass-balance years end"""
    columns: list[GlacierColumns]


def correction_arrays(batch: Batch, jobs: Sequence[Job]) -> CorrectionArrays:
    """Make the arrays of a batch of stage 'corrections'; places without a glacier stay empty."""
    weather, maps, offset, cells = _empty(batch)
    years, columns, lane = [], [], 0
    for place, job in enumerate(jobs):
        features = job.corrector_features()
        # Not the gradient of a fit, which is the table's.
        gradient, ref_hgt = settings.param("glaunti_temp_gradient"), job.inputs.climate.ref_hgt
        own = glacier_columns(features.outline, features.elevation, nodes_of(features), ref_hgt, gradient)
        years.append(_fill_weather(weather, maps.monthly, place, job, own))
        # Padding repeats the highest height; such heights are run and never used.
        _fill_up(offset[place], own.node_offset)
        _fill_maps(maps, place, features, own)
        lane = _fill_cells(cells, place, lane, own, batch)
        columns.append(own)
    return CorrectionArrays(weather, maps, offset, cells, years, columns)


def _empty(batch: Batch) -> tuple[kernels.BatchWeather, kernels.BatchMaps, np.ndarray, kernels.LanedCells]:
    g, s, n, b, lanes = batch.slots, batch.side, batch.nodes, batch.bands, (batch.lanes, LANE)
    n_all = round_up(n, ALL_HEIGHTS)
    days = (batch.years, LONGEST_YEAR, g)
    weather = kernels.BatchWeather(*np.zeros((3, *days), np.float32))
    maps = kernels.BatchMaps(
        sizes=np.zeros((g, 2), np.int32),
        place=np.zeros((g, s, s, batch.channels - 3), np.float32),
        start=np.zeros((g, s, s), np.int32),
        weights=np.zeros((g, s, s, 4), np.float32),
        monthly=np.zeros((batch.years, g, 2, 12), np.float32),
    )
    cells = kernels.LanedCells(
        glacier=np.zeros(batch.lanes, np.int32),
        cell=np.zeros(lanes, np.int32),
        offset=np.zeros(lanes, np.float32),
        band=np.full(lanes, g * b, np.int32),
        band_count=np.ones((g, b), np.float32),
        below=np.zeros((g, n_all), np.int32),
        share=np.zeros((g, n_all), np.float32),
    )
    return weather, maps, np.zeros((g, n), np.float32), cells


def _fill_up(target: Any, values: np.ndarray) -> None:
    """Write values, and repeat the last one in the remaining places."""
    target[: values.size], target[values.size :] = values, values[-1]


def _fill_weather(weather: kernels.BatchWeather, monthly: Any, place: int, job: Job, own: GlacierColumns) -> np.ndarray:
    """Fill in the weather of a glacier's mass-balance years; return the years in which they end."""
    climate = job.inputs.climate
    periods = correction_years(climate, job.inputs.hemisphere, job.rgi_id)
    slices = [day_slice(climate, p.begin, p.end, job.rgi_id) for p in periods]
    for index, days in enumerate(slices):
        n = days.stop - days.start
        weather.temp[index, :n, place] = climate.temp[days]
        weather.prcp[index, :n, place] = climate.prcp[days]
        weather.weight[index, :n, place] = season_weights(n)
    whole = slice(slices[0].start, slices[-1].stop)
    temp = climate.temp[whole].astype(np.float64) + float(own.pixel_offset.mean(dtype=np.float64))
    means = monthly_climate(climate.time[whole], temp, climate.prcp[whole])
    monthly[: len(periods), place] = means.reshape(2, len(periods), 12).transpose(1, 0, 2)
    return np.array([p.year for p in periods])


def _fill_maps(maps: kernels.BatchMaps, place: int, f: Features, own: GlacierColumns) -> None:
    maps.sizes[place] = h, w = f.shape
    fields = maps.place[place, :h, :w]
    fields[..., 0] = f.outline
    fields[..., 1] = f.elevation / np.float32(ELEVATION_NORM)
    fields[..., 2] = f.elevation_std / np.float32(ELEVATION_STD_NORM)
    if fields.shape[-1] == 3 + N_FACIES:
        fields[..., 3:] = MISSING_FACIES if f.facies is None else np.moveaxis(f.facies, 0, -1)
    maps.start[place, :h, :w] = own.node_start
    maps.weights[place, :h, :w] = own.node_weights


def _fill_cells(cells: kernels.LanedCells, place: int, lane: int, own: GlacierColumns, batch: Batch) -> int:
    """Fill in the lanes of a glacier from the first free one on; return the next free one."""
    n = own.rows.size
    lanes = slice(lane, lane + -(-n // LANE))
    cells.glacier[lanes] = place
    first = (place * batch.side + own.rows) * batch.side + own.cols
    for target, values in ((cells.cell, first), (cells.offset, own.pixel_offset)):
        _fill_up(target[lanes].reshape(-1), values)
    cells.band[lanes].reshape(-1)[:n] = place * batch.bands + own.band
    cells.band_count[place, : own.band_count.size] = own.band_count
    # Heights are interpolated between bands, constant beyond the lowest and the highest.
    heights, nodes = own.band_height.astype(np.float64), own.nodes.astype(np.float64)
    below = np.clip(np.searchsorted(heights, nodes, side="right") - 1, 0, heights.size - 1)
    above = np.minimum(below + 1, heights.size - 1)
    step = np.where(above > below, heights[above] - heights[below], 1.0)
    _fill_up(cells.below[place], below)
    _fill_up(cells.share[place], np.where(above > below, np.clip((nodes - heights[below]) / step, 0.0, 1.0), 0.0))
    return lanes.stop


def band_corrections(arrays: CorrectionArrays, each_year: Iterable[Any]) -> list[BandCorrections]:
    """Average corrections on the cells, one array (L, 16, 5) a year, over each glacier's bands; one year is held."""
    places, first = [], 0
    for own in arrays.columns:
        order = np.argsort(own.band, kind="stable")
        places.append((first + order, np.searchsorted(own.band[order], np.arange(own.band_count.size))))
        first += -(-own.rows.size // LANE) * LANE
    means: list[list[np.ndarray]] = [[] for _ in places]
    for ds in each_year:
        on_cells = np.asarray(ds).reshape(-1, N_CORRECTIONS)
        for found, own, (order, starts) in zip(means, arrays.columns, places, strict=True):
            sums = np.add.reduceat(on_cells[order].astype(np.float64), starts)
            found.append((sums / own.band_count[:, None]).T.astype(np.float32))
    all_of_them = zip(arrays.years, arrays.columns, means, strict=True)
    return [BandCorrections(y, own.band_height.astype(np.float64), np.stack(m[: y.size])) for y, own, m in all_of_them]


def table_parameters(batch: Batch, jobs: Sequence[Job]) -> TIWeights:
    """Stack the temperature indices of the glaciers of a batch of stage 'tables', (G,).

    They differ if glaciers were fitted one by one; places without a glacier get that of the first.
    """
    each = [job.inputs.ti for job in jobs]
    each += each[:1] * (batch.slots - len(each))
    return jax.tree.map(lambda *numbers: np.array(numbers, np.float32), *each)


def table_arguments(batch: Batch, jobs: Sequence[Job]) -> kernels.TableArguments:
    """Make the arrays of a batch of stage 'tables'; places without a glacier have no days."""
    g, y, n = batch.slots, batch.table_years, batch.heights
    days = (g, y, 12, 31)
    arguments = kernels.TableArguments(
        temp=np.zeros(days, np.float32),
        prcp=np.zeros(days, np.float32),
        valid=np.zeros(days, bool),
        offset=np.zeros((g, n), np.float32),
        temp_bias=np.zeros((g, 12), np.float32),
        prcp_fac=np.ones((g, 12), np.float32),
        ddf_snow=np.zeros((g, 12), np.float32),
        ds=np.zeros((g, batch.periods, N_CORRECTIONS, n), np.float32),
        ds_index=np.zeros((g, y, 12), np.int32),
    )
    for place, job in enumerate(jobs):
        _fill_table(arguments, place, job)
    return arguments


def _fill_table(a: kernels.TableArguments, place: int, job: Job) -> None:
    inputs = job.table_inputs
    years, n, ds = inputs.climate.years.size, inputs.heights.size, inputs.ds()
    for target, values in zip((a.temp, a.prcp, a.valid), inputs.daily_blocks, strict=True):
        target[place, :years] = values
    _fill_up(a.offset[place], inputs.temp_offset.astype(np.float32))
    for target, values in zip((a.temp_bias, a.prcp_fac, a.ddf_snow), job.tunables.by_month(), strict=True):
        target[place] = values
    a.ds[place, : ds.shape[0], :, :n], a.ds[place, : ds.shape[0], :, n:] = ds, ds[..., -1:]
    a.ds_index[place, :years] = inputs.ds_index()
