"""The height-year table: all that an ice-flow model needs of the balance, as a function of height.

One daily scan over all years, snow carried, on heights 10 m apart. Years and months are calendar ones; leap days belong
to their year's sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from oggm_glaunti.core.parameters import physical_numbers
from oggm_glaunti.coupling.oggm.processes import jax_is_unsafe
from oggm_glaunti.coupling.table.inputs import TableInputs, TunableParams
from oggm_glaunti.coupling.table.numpy_kernel import NUMPY_DAYS, DayAtHeights, MonthParameters

# One compiled program runs so many years at so many heights; all tables, long and short, are made of such pieces, but
# for those of very few heights.
YEARS_AT_ONCE = 10
HEIGHTS_AT_ONCE = 96
FEW_HEIGHTS = 16

Sums = Sequence[np.ndarray]
"""``smb, solid_prcp, pdd`` (Y, 12, N) and ``swe`` (Y, N) of some years, as in :class:`Table`."""


@dataclass(frozen=True)
class Table:
    """Monthly sums by height.

    Attributes
    ----------
    years : int array (Y,)
    heights : float64 array (N,)
        m
    smb, solid_prcp, pdd : float64 arrays (Y, 12, N)
        m w.e., m w.e., K day; sums over the month
    temp : float64 array (Y, 12)
        mean at the reference height, tunable parameter applied, degC
    prcp : float64 array (Y, 12)
        sum, tunable parameter applied, before prec_scale, m w.e.
    prec_scale : float64 array (Y, 12, N)
        factor on precipitation with its correction
    swe : float64 array (Y, N)
        at the end of each year, m w.e.
    """

    years: np.ndarray
    heights: np.ndarray
    smb: np.ndarray
    solid_prcp: np.ndarray
    pdd: np.ndarray
    temp: np.ndarray
    prcp: np.ndarray
    prec_scale: np.ndarray
    swe: np.ndarray


def build_table(inputs: TableInputs, tunables: TunableParams, backend: str = "auto") -> Table:
    """Build a table; if the weather has several realisations, the mean of theirs.

    Parameters
    ----------
    inputs : TableInputs
    tunables : TunableParams
    backend : {'auto', 'jax', 'numpy'}
        ``auto``: NumPy in workers forked after JAX had started, in which JAX would hang, otherwise JAX; the two agree
        to 1e-5 m w.e. a month

    Returns
    -------
    Table
    """
    tables = []
    for one in inputs.realisations():
        blocks = zip(*sums_in_order(one, tunables, backend), strict=True)
        tables.append(table_of_sums(one, tunables, [np.concatenate(parts).astype(np.float64) for parts in blocks]))
    if len(tables) == 1:
        return tables[0]
    names = Table.__dataclass_fields__.keys() - {"years", "heights"}
    return replace(tables[0], **{name: np.mean([getattr(table, name) for table in tables], axis=0) for name in names})


def sums_in_order(inputs: TableInputs, tunables: TunableParams, backend: str = "auto") -> Iterator[Sums]:
    """Compute the sums of one realisation of the weather, a few years at a time, from the first year of the record on.

    Later years are not computed before they are asked for. Arguments as in :func:`build_table`.
    """
    if backend == "auto":
        backend = "numpy" if jax_is_unsafe() else "jax"
    return {"jax": _sums_by_jax, "numpy": _sums_by_numpy}[backend](inputs, tunables)


def table_of_sums(inputs: TableInputs, tunables: TunableParams, sums: Sums) -> Table:
    """Make the table of the sums of all years, float64."""
    # Days that do not exist hold zeros.
    temp, prcp, days = (block.sum(axis=-1, dtype=np.float64) for block in inputs.daily_blocks)
    temp_bias, prcp_fac, _ = (tunable.astype(np.float64) for tunable in tunables.by_month())
    scale = physical_numbers(inputs.ti)["prec_scale"] * np.exp(inputs.ds()[:, 0].astype(np.float64))
    smb, solid_prcp, pdd, swe = sums
    years, heights, scale = inputs.climate.years, inputs.heights, scale[inputs.ds_index()]
    return Table(years, heights, smb, solid_prcp, pdd, temp / days + temp_bias, prcp * prcp_fac, scale, swe)


def round_up(n: int, multiple: int) -> int:
    """Round up to the next multiple.

    Examples
    --------
    >>> round_up(130, 64), round_up(128, 64)
    (192, 128)
    """
    return -(-n // multiple) * multiple


def _sums_by_jax(inputs: TableInputs, tunables: TunableParams) -> Iterator[Sums]:
    """Run the JAX kernel on pieces of one size, the heights of a decade shared out between threads."""
    import jax

    from oggm_glaunti.core.threads import map_threaded

    n = inputs.heights.size
    at_once = FEW_HEIGHTS if n <= FEW_HEIGHTS else HEIGHTS_AT_ONCE
    numbers, structure = jax.tree.flatten(inputs.ti)
    # Few arrays: to hand one over takes as long as to run a month.
    scalars, months = np.array(numbers, np.float32), np.stack(tunables.by_month())
    of_heights = np.stack([table_initial_swe(inputs), inputs.temp_offset]).astype(np.float32)
    columns, ds = (_lengthened(values, round_up(n, at_once), axis=-1) for values in (of_heights, inputs.ds()))
    pieces = [slice(k, k + at_once) for k in range(0, n, at_once)]
    for first in range(0, inputs.climate.years.size, YEARS_AT_ONCE):
        weather, valid, index = _decade(inputs, first)
        # One more than the years: mass-balance years begin in another month.
        used = _lengthened(ds[index.min() :][: YEARS_AT_ONCE + 1], YEARS_AT_ONCE + 1, axis=0)
        of_decade = weather, valid, index - index.min()
        arguments = [(structure, scalars, months, columns[:, at], used[..., at], *of_decade) for at in pieces]
        sums = [np.concatenate(parts, axis=-1) for parts in zip(*map_threaded(_run_piece, arguments), strict=True)]
        columns[0] = sums[3][-1]
        yield [values[: inputs.climate.years.size - first, ..., :n] for values in sums]


def _decade(inputs: TableInputs, first: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weather (2, Y, 12, 31), existing days (Y, 12, 31) and indices of corrections (Y, 12) of a decade."""
    years = slice(first, first + YEARS_AT_ONCE)
    *weather, valid = (block[years] for block in inputs.daily_blocks)
    lengthened = partial(_lengthened, size=YEARS_AT_ONCE, axis=0)
    # Days of the years added do not exist, and leave the snow alone.
    exists = np.pad(valid, ((0, YEARS_AT_ONCE - len(valid)), (0, 0), (0, 0)))
    return np.stack([lengthened(w) for w in weather]), exists, lengthened(inputs.ds_index()[years].astype(np.int32))


def _lengthened(values: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Repeat the last entry of an axis until there are so many."""
    missing = size - values.shape[axis]
    return np.concatenate([values, np.repeat(values.take([-1], axis), missing, axis)], axis) if missing else values


def _run_piece(arguments: tuple) -> list[np.ndarray]:
    return [np.asarray(values) for values in _compiled()(*arguments)]


@cache
def _compiled() -> Callable[..., Any]:
    """Compile on use, once per process."""
    import jax

    from oggm_glaunti.core import monthly

    def program(structure, scalars, months, columns, ds, weather, valid, ds_index):
        params = jax.tree.unflatten(structure, list(scalars)).resolve()
        swe, offset = columns
        tunables = monthly.MonthlyTunables(*months)
        return monthly.monthly_sums(params, swe, *weather, valid, offset, tunables, ds, ds_index)

    return jax.jit(program, static_argnums=0)


def month_parameters(inputs: TableInputs, tunables: TunableParams, ds: np.ndarray, month: int) -> MonthParameters:
    """Parameters of calendar month `month` (0 to 11) under corrections `ds` (5, N), float64."""
    of_weights, ds = physical_numbers(inputs.ti), ds.astype(np.float64)
    corrected = {
        "prec_scale": np.exp(float(inputs.ti.prec_scale_log) + ds[0]),
        "ddf_snow": tunables.by_month()[2].astype(np.float64)[month] * np.exp(ds[1]),
        "ddf_relative_ice": of_weights["ddf_relative_ice"] * np.exp(ds[2]),
        "snow_to_rain_centre": of_weights["snow_to_rain_centre"] + ds[3],
    }
    return MonthParameters(**{**of_weights, **corrected}, t_pos_shift=ds[4])


def days_of_year(
    inputs: TableInputs, tunables: TunableParams, year_index: int, swe: np.ndarray
) -> list[list[DayAtHeights]]:
    """Run the days of a calendar year by month, from the snow `swe` (N,) at its beginning (NumPy)."""
    temp, prcp, valid = (block[year_index] for block in inputs.daily_blocks)
    temp_bias, prcp_fac, _ = (tunable.astype(np.float64) for tunable in tunables.by_month())
    all_ds, index, one_day = inputs.ds(), inputs.ds_index()[year_index], NUMPY_DAYS[inputs.ti.day.name]
    months: list[list[DayAtHeights]] = [[] for _ in range(12)]
    for month, days in enumerate(months):
        params = month_parameters(inputs, tunables, all_ds[index[month]], month)
        weather = temp[month][valid[month]] + temp_bias[month], prcp[month][valid[month]] * prcp_fac[month]
        for day_temp, day_prcp in zip(*weather, strict=True):
            days.append(one_day(params, swe, day_temp + inputs.temp_offset, day_prcp))
            swe = days[-1].swe
    return months


class Days(NamedTuple):
    """The days of a calendar year.

    Attributes
    ----------
    smb, solid_prcp, prcp, pdd, snow_melt : float64 arrays (D, N)
        at the table's heights, m w.e. and K day
    temp : float64 array (D,)
        at the reference height, tunable parameter applied, degC
    """

    smb: np.ndarray
    solid_prcp: np.ndarray
    prcp: np.ndarray
    pdd: np.ndarray
    snow_melt: np.ndarray
    temp: np.ndarray


def days_at_heights(inputs: TableInputs, tunables: TunableParams, year_index: int, table: Table) -> Days:
    """Compute the days of a calendar year, averaged over the weather's realisations.

    `table` is that of the inputs and tunable parameters; it says what snow there is at the beginning of the year.
    """
    each, found = inputs.realisations(), []
    temp_bias, prcp_fac, _ = (tunable.astype(np.float64)[:, None] for tunable in tunables.by_month())
    for one in each:
        own = table if len(each) == 1 else build_table(one, tunables)
        swe = own.swe[year_index - 1] if year_index else table_initial_swe(one)
        months = days_of_year(one, tunables, year_index, swe)
        days = [day for month in months for day in month]
        scale = own.prec_scale[year_index][np.repeat(np.arange(12), [len(month) for month in months])]
        temp, prcp, valid = (block[year_index] for block in one.daily_blocks)
        fields = ("smb", "solid_prcp", "pdd", "snow_melt")
        smb, solid, pdd, snow_melt = (np.stack([getattr(day, name) for day in days]) for name in fields)
        wet = scale * (prcp * prcp_fac)[valid][:, None]
        found.append(Days(smb, solid, wet, pdd, snow_melt, (temp + temp_bias)[valid]))
    return Days(*(np.mean(values, axis=0) for values in zip(*found, strict=True)))


def table_initial_swe(inputs: TableInputs) -> np.ndarray:
    """Return the snow on the first day of the record (N,): the depletion centre."""
    return np.full(inputs.heights.size, physical_numbers(inputs.ti)["snow_depletion_centre"])


def _sums_by_numpy(inputs: TableInputs, tunables: TunableParams) -> Iterator[Sums]:
    """Run the days in a plain loop, year by year."""
    swe = table_initial_swe(inputs)
    for year in range(inputs.climate.years.size):
        months = days_of_year(inputs, tunables, year, swe)
        fields = ("smb", "solid_prcp", "pdd")
        sums = [np.array([[sum(getattr(day, name) for day in days) for days in months]]) for name in fields]
        swe = months[-1][-1].swe
        yield [*sums, swe[None]]
