"""A mass-balance year, and tables, of many glaciers at once.

Glaciers of like size share a bucket: maps are padded to one side, heights and cells to one length, and every glacier
has weather of its own. What is padded never reaches a result. Each kernel is one program; the years of a batch are run
one after the other, the snow on the glaciers carried as a profile by height, as in
:func:`~oggm_glaunti.core.glacier_columns.run_year_on_columns`.

On a CPU a scan over more than about 1,500 columns is split over cores at a loss, so columns go in blocks that stay in
the cache; on a GPU there are no blocks.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.core.corrector import Corrector, run_corrector_batch
from oggm_glaunti.core.glaunti import as_response, correct, response_step
from oggm_glaunti.core.monthly import MonthlySums, MonthlyTunables, monthly_sums
from oggm_glaunti.core.network import in_groups
from oggm_glaunti.core.run import ti_step
from oggm_glaunti.core.temperature_index import TIWeights


class BatchWeather(NamedTuple):
    """Weather of the batch at the glaciers' reference heights, one mass-balance year after the other.

    Attributes
    ----------
    temp, prcp : arrays (Y, D, G)
        degC and m w.e. day-1
    weight : array (Y, D, G)
        of the days: 0 if a glacier has no such day
    """

    temp: Float[AnyArray, "year day glacier"]
    prcp: Float[AnyArray, "year day glacier"]
    weight: Float[AnyArray, "year day glacier"]

    def year(self, index: Int[AnyArray, ""]) -> "BatchWeather":
        """One of the years, without the leading axis."""
        return BatchWeather(*(jax.lax.dynamic_index_in_dim(values, index, keepdims=False) for values in self))


class LanedCells(NamedTuple):
    """The glaciers' own cells in lanes, and the bands over which their snow is averaged.

    Lanes are filled glacier by glacier, so that a program's shape depends on the number of cells of all together.

    Attributes
    ----------
    glacier : int array (L,)
        to which a lane belongs
    cell : int array (L, 16)
        index into the batch's maps, ``(glacier, row, column)`` flattened
    offset : array (L, 16)
        temperature there minus that at the reference height, K
    band : int array (L, 16)
        ``glacier * B + band``; ``G * B`` for places that fill up a lane
    band_count : array (G, B)
        cells of each band; 1 if there is no such band
    below : int array (G, M)
        the band below each height; more heights than are run (M >= N), so that programs differ in fewer shapes
    share : array (G, M)
        how far the height is from that band to the next, 0 to 1
    """

    glacier: Int[AnyArray, " lane"]
    cell: Int[AnyArray, "lane place"]
    offset: Float[AnyArray, "lane place"]
    band: Int[AnyArray, "lane place"]
    band_count: Float[AnyArray, "glacier band"]
    below: Int[AnyArray, "glacier all_heights"]
    share: Float[AnyArray, "glacier all_heights"]


def block_count(rows: int, width: int, columns: int | None) -> int:
    """Into how many equal blocks to cut `rows` of `width` columns, so that none holds more than `columns`.

    Examples
    --------
    >>> block_count(8, 256, 1024), block_count(6, 400, 1024), block_count(8, 256, None)
    (2, 3, 1)
    """
    if columns is None:
        return 1
    return next(n for n in range(1, rows + 1) if rows % n == 0 and (rows // n * width <= columns or n == rows))


@jax.jit
def initial_state(
    ti: TIWeights, cells: LanedCells
) -> tuple[Float[Array, "lane place"], Float[Array, "glacier height"]]:
    """Return snow for a start without any known, on the cells and by height: the depletion centre, m w.e."""
    centre = ti.resolve().snow_depletion_centre
    return jnp.broadcast_to(centre, cells.cell.shape), jnp.broadcast_to(centre, cells.below.shape)


@partial(jax.jit, static_argnames="columns")
def responses(
    ti: TIWeights,
    swe: Float[AnyArray, "glacier all_heights"],
    weather: BatchWeather,
    index: Int[AnyArray, ""],
    offset: Float[AnyArray, "glacier height"],
    columns: int | None = None,
) -> Float[Array, "glacier all_heights 3"]:
    """Compute ``smb0 / 10`` of the uncorrected model in a year and its change for +0.5 K and 1.05 x precipitation.

    Parameters
    ----------
    ti : TIWeights
    swe : array (G, M)
        snow by height, m w.e.
    weather : BatchWeather
    index : int
        of the year
    offset : array (G, N)
        temperature at the heights run minus that at the reference height, K; N is at most M
    columns : int, optional
        heights run at a time; None is all

    Returns
    -------
    array (G, M, 3)
        zero beyond the heights run
    """
    year, n = weather.year(index), offset.shape[1]
    step = response_step(ti.resolve())

    def block(swe: Array, offset: Array, *days: Array) -> Float[Array, "glacier height 3"]:
        def one_day(carry, day):
            temp, prcp, weight = (values[:, None] for values in day)
            local = temp + offset
            states, balances = step(carry[0], local, jnp.broadcast_to(prcp, local.shape), weight)
            new = states, tuple(map(jnp.add, carry[1], balances))
            return jax.tree.map(partial(_if_run, weight), new, carry), None

        zero = jnp.zeros_like(swe)
        (_, (smb0, warmer, wetter)), _ = jax.lax.scan(one_day, ((swe,) * 3, (zero,) * 3), tuple(d.T for d in days))
        return as_response(smb0, warmer, wetter, axis=-1)

    at_once = offset.shape[0] // block_count(offset.shape[0], n, columns)
    at_heights = in_groups(block, at_once, swe[:, :n], offset, *(days.T for days in year))
    return jnp.pad(at_heights, ((0, 0), (0, swe.shape[1] - n), (0, 0)))


class BatchMaps(NamedTuple):
    """The corrector's inputs that do not change from day to day, on maps of S cells a side.

    Attributes
    ----------
    sizes : int array (G, 2)
        rows and columns of each glacier's own map, which lies at the top left; (0, 0) if there is no glacier
    place : array (G, S, S, C)
        what describes the place, normalised: outline, elevation, elevation_std and, in model D, nine facies bands
    start : int array (G, S, S)
        first of the four heights between which a cell lies
    weights : array (G, S, S, 4)
        of the four
    monthly : array (Y, G, 2, M)
        the climate, see :func:`~oggm_glaunti.core.forcing.monthly_climate`
    """

    sizes: Int[AnyArray, "glacier 2"]
    place: Float[AnyArray, "glacier side side channel"]
    start: Int[AnyArray, "glacier side side"]
    weights: Float[AnyArray, "glacier side side 4"]
    monthly: Float[AnyArray, "year glacier 2 month"]


def _if_run(weight: Array, new: Array, old: Array) -> Array:
    """On a day of weight 0 nothing changes."""
    return jnp.where(weight > 0, new, old)


@jax.jit
def correction_maps(
    corrector: Corrector, response: Float[AnyArray, "glacier height 3"], index: Int[AnyArray, ""], maps: BatchMaps
) -> Float[Array, "glacier side side 5"]:
    """Corrections of a year (G, S, S, 5), from :func:`responses` by height."""
    start = maps.start.reshape(maps.start.shape[0], -1)
    weights = maps.weights.reshape(*start.shape, 4)

    def at_cells(values: Float[AnyArray, "n 3"], start: Int[AnyArray, " p"], weights: Float[AnyArray, "p 4"]) -> Array:
        parts: list[Any] = [values[start + k] * weights[:, k, None] for k in range(4)]
        return sum(parts)

    on_maps = jax.vmap(at_cells)(response, start, weights).reshape(*maps.start.shape, 3)
    monthly = jax.lax.dynamic_index_in_dim(maps.monthly, index, keepdims=False)
    return run_corrector_batch(corrector, jnp.concatenate([on_maps, maps.place], axis=-1), monthly, maps.sizes)


@partial(jax.jit, static_argnames="columns")
def corrected_year(
    ti: TIWeights,
    swe: Float[AnyArray, "lane place"],
    ds: Float[AnyArray, "glacier side side 5"],
    weather: BatchWeather,
    index: Int[AnyArray, ""],
    cells: LanedCells,
    columns: int | None = None,
) -> tuple[Float[AnyArray, "lane place"], Float[Array, "glacier height"], Float[AnyArray, "lane place 5"]]:
    """Run a corrected year on the glaciers' cells.

    Parameters
    ----------
    ti, weather, index
        as in :func:`responses`
    swe : array (L, 16)
        snow on the cells, m w.e.
    ds : array (G, S, S, 5)
        corrections
    cells : LanedCells
    columns : int, optional
        cells run at a time; None is all

    Returns
    -------
    swe : array (L, 16)
        at the end
    profile : array (G, M)
        the same by height: means of the bands, linear between them, constant beyond
    ds : array (L, 16, 5)
        the corrections on the cells
    """
    params, year = ti.resolve(), weather.year(index)
    on_cells = ds.reshape(-1, ds.shape[-1])[cells.cell]

    def block(swe: Array, ds: Array, offset: Array, glacier: Array) -> Float[Array, "lane place"]:
        step = ti_step(correct(params, jnp.moveaxis(ds, -1, 0)))

        def one_day(swe, day):
            temp, prcp, weight = (values[:, None] for values in day)
            local = temp + offset
            new_swe, _ = step(swe, local, jnp.broadcast_to(prcp, local.shape), weight)
            return _if_run(weight, new_swe, swe), None

        days = tuple(values[:, glacier] for values in (year.temp, year.prcp, year.weight))
        return jax.lax.scan(one_day, swe, days)[0]

    at_once = swe.shape[0] // block_count(swe.shape[0], swe.shape[1], columns)
    swe = in_groups(block, at_once, swe, on_cells, cells.offset, cells.glacier)
    return swe, swe_profiles(swe, cells), on_cells


def swe_profiles(swe: Float[AnyArray, "lane place"], cells: LanedCells) -> Float[Array, "glacier height"]:
    """Snow of the cells as profiles over the heights, m w.e."""
    n_glaciers, n_bands = cells.band_count.shape
    sums = jnp.zeros(n_glaciers * n_bands + 1, swe.dtype).at[cells.band.reshape(-1)].add(swe.reshape(-1))
    means = sums[:-1].reshape(n_glaciers, n_bands) / cells.band_count
    below = jnp.take_along_axis(means, cells.below, axis=1)
    above = jnp.take_along_axis(means, jnp.minimum(cells.below + 1, n_bands - 1), axis=1)
    return below + cells.share * (above - below)


class TableArguments(NamedTuple):
    """What the tables of G glaciers are made from; see :func:`~oggm_glaunti.core.monthly.monthly_sums`."""

    temp: Float[AnyArray, "glacier year 12 31"]
    prcp: Float[AnyArray, "glacier year 12 31"]
    valid: Bool[AnyArray, "glacier year 12 31"]
    offset: Float[AnyArray, "glacier height"]
    temp_bias: Float[AnyArray, "glacier 12"]
    prcp_fac: Float[AnyArray, "glacier 12"]
    ddf_snow: Float[AnyArray, "glacier 12"]
    ds: Float[AnyArray, "glacier period 5 height"]
    ds_index: Int[AnyArray, "glacier year 12"]


@jax.jit
def tables(ti: TIWeights, arguments: TableArguments) -> MonthlySums:
    """Monthly sums by height of G glaciers, each with its own weather, heights, corrections and tunable parameters.

    Parameters
    ----------
    ti : TIWeights
        scalars, or one of each per glacier (G,)
    arguments : TableArguments
    """

    def one(ti, temp, prcp, valid, offset, temp_bias, prcp_fac, ddf_snow, ds, ds_index):
        params = ti.resolve()
        swe = jnp.broadcast_to(params.snow_depletion_centre, offset.shape)
        tunables = MonthlyTunables(temp_bias, prcp_fac, ddf_snow)
        return monthly_sums(params, swe, temp, prcp, valid, offset, tunables, ds, ds_index)

    each = jax.tree.map(lambda leaf: 0 if jnp.ndim(leaf) else None, ti)
    return jax.vmap(one, in_axes=(each, *[0] * len(arguments)))(ti, *arguments)
