"""The height-year table: all that an ice-flow model needs of the balance, as a function of height.

One daily scan over all years, snow carried, on heights 10 m apart. Years and months are calendar ones; leap days belong
to their year's sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from oggm_glaunti.core.parameters import physical_numbers
from oggm_glaunti.coupling.oggm.processes import jax_is_unsafe
from oggm_glaunti.coupling.table.inputs import TableInputs, TunableParams
from oggm_glaunti.coupling.table.numpy_kernel import NUMPY_DAYS, DayAtHeights, MonthParameters

# Heights and years are rounded up to multiples of these, so that glaciers of like size share a compiled program.
HEIGHTS_ROUNDED = 64
YEARS_ROUNDED = 10


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
    if backend == "auto":
        backend = "numpy" if jax_is_unsafe() else "jax"
    sums = {"jax": _sums_by_jax, "numpy": _sums_by_numpy}[backend]
    tables = [table_of_sums(one, tunables, sums(one, tunables)) for one in inputs.realisations()]
    if len(tables) == 1:
        return tables[0]
    names = Table.__dataclass_fields__.keys() - {"years", "heights"}
    return replace(tables[0], **{name: np.mean([getattr(table, name) for table in tables], axis=0) for name in names})


def table_of_sums(inputs: TableInputs, tunables: TunableParams, sums: Sequence[np.ndarray]) -> Table:
    """Make the table of monthly sums ``smb, solid_prcp, pdd`` (Y, 12, N) and of ``swe`` (Y, N), float64."""
    temp, prcp, valid = (block.astype(np.float64) for block in inputs.daily_blocks)
    temp_bias, prcp_fac, _ = (tunable.astype(np.float64) for tunable in tunables.by_month())
    scale = physical_numbers(inputs.ti)["prec_scale"] * np.exp(inputs.ds()[:, 0].astype(np.float64))
    smb, solid_prcp, pdd, swe = sums
    temp = (temp * valid).sum(-1) / valid.sum(-1) + temp_bias
    prcp = (prcp * valid).sum(-1) * prcp_fac
    years, heights, scale = inputs.climate.years, inputs.heights, scale[inputs.ds_index()]
    return Table(years, heights, smb, solid_prcp, pdd, temp, prcp, scale, swe)


def round_up(n: int, multiple: int) -> int:
    """Round up to the next multiple.

    Examples
    --------
    >>> round_up(130, 64), round_up(128, 64)
    (192, 128)
    """
    return -(-n // multiple) * multiple


def _sums_by_jax(inputs: TableInputs, tunables: TunableParams) -> tuple[np.ndarray, ...]:
    """Compute smb, solid_prcp, pdd, swe by the JAX kernel, padded to shapes that many glaciers share."""
    import jax

    ds, n_years, n = inputs.ds(), inputs.climate.years.size, inputs.heights.size
    years, periods = (round_up(k, YEARS_ROUNDED) - k for k in (n_years, len(ds)))
    more = round_up(n, HEIGHTS_ROUNDED) - n
    blocks = [np.pad(block, ((0, years), (0, 0), (0, 0))) for block in inputs.daily_blocks]
    sums = _compiled()(
        jax.tree.map(np.float32, inputs.ti),
        *blocks,
        np.pad(inputs.temp_offset.astype(np.float32), (0, more), mode="edge"),
        tunables.by_month(),
        np.pad(ds, ((0, periods), (0, 0), (0, more)), mode="edge"),
        np.pad(inputs.ds_index(), ((0, years), (0, 0))).astype(np.int32),
    )
    return tuple(np.asarray(s)[:n_years, ..., :n].astype(np.float64) for s in sums)


@cache
def _compiled() -> Callable[..., tuple[Any, ...]]:
    """Compile on use, once per process."""
    import jax
    import jax.numpy as jnp

    from oggm_glaunti.core import monthly

    def program(ti, temp, prcp, valid, offset, tunables, ds, ds_index):
        params = ti.resolve()
        swe = jnp.broadcast_to(params.snow_depletion_centre, offset.shape)
        tunables = monthly.MonthlyTunables(*tunables)
        return monthly.monthly_sums(params, swe, temp, prcp, valid, offset, tunables, ds, ds_index)

    return jax.jit(program)


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
    smb, solid_prcp, prcp, pdd : float64 arrays (D, N)
        at the table's heights, m w.e. and K day
    temp : float64 array (D,)
        at the reference height, tunable parameter applied, degC
    """

    smb: np.ndarray
    solid_prcp: np.ndarray
    prcp: np.ndarray
    pdd: np.ndarray
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
        smb, solid, pdd = (np.stack([getattr(day, name) for day in days]) for name in ("smb", "solid_prcp", "pdd"))
        found.append(Days(smb, solid, scale * (prcp * prcp_fac)[valid][:, None], pdd, (temp + temp_bias)[valid]))
    return Days(*(np.mean(values, axis=0) for values in zip(*found, strict=True)))


def table_initial_swe(inputs: TableInputs) -> np.ndarray:
    """Return the snow on the first day of the record (N,): the depletion centre."""
    return np.full(inputs.heights.size, physical_numbers(inputs.ti)["snow_depletion_centre"])


def _sums_by_numpy(inputs: TableInputs, tunables: TunableParams) -> tuple[np.ndarray, ...]:
    """Compute smb, solid_prcp, pdd, swe by a plain loop over the days."""
    swe = table_initial_swe(inputs)
    shape = (inputs.climate.years.size, 12, inputs.heights.size)
    smb, solid, pdd, swes = np.empty(shape), np.empty(shape), np.empty(shape), np.empty((shape[0], shape[2]))
    for year in range(shape[0]):
        months = days_of_year(inputs, tunables, year, swe)
        for name, sums in (("smb", smb), ("solid_prcp", solid), ("pdd", pdd)):
            sums[year] = [sum(getattr(day, name) for day in days) for days in months]
        swe = swes[year] = months[-1][-1].swe
    return smb, solid, pdd, swes
