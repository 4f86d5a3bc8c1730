"""Daily water by height: the days of a table's inputs, in float64, calendar year after calendar year.

Years are run in the order of the record, since its snow is carried on; so each begins with the snow with which the
table's balance of that year begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from oggm_glaunti.core.parameters import STORED_NAMES
from oggm_glaunti.coupling.oggm.processes import jax_is_unsafe
from oggm_glaunti.coupling.table.inputs import TableInputs, TunableParams
from oggm_glaunti.coupling.table.numpy_kernel import water_of_day
from oggm_glaunti.coupling.table.table import days_of_year, month_parameters, round_up, table_initial_swe

# Programs are compiled for numbers of heights that are multiples of it.
HEIGHTS_AT_ONCE = 32
STATES = ("swe", "snow_cover")


class DaysByHeight(NamedTuple):
    """The days of a calendar year.

    Attributes
    ----------
    year : int
    swe_before : float64 array (N,)
        snow at the beginning of the year, m w.e.
    values : dict of float64 arrays (D, N)
        ``snowfall, rain, melt, snow_melt, ice_melt, rain_on_snow`` and, if it was added (by
        :func:`~oggm_glaunti.coupling.table.refreezing.freezing_again`), ``refreezing`` (m w.e. day-1), and
        :data:`STATES` at the end of the day (m w.e.; 0 to 1). Of a day that does not conserve the mass of its snow only
        snowfall, rain, melt and swe
    """

    year: int
    swe_before: np.ndarray
    values: dict[str, np.ndarray]


def days_by_height(
    inputs: TableInputs, tunables: TunableParams, last: int, backend: str = "auto"
) -> Iterator[DaysByHeight]:
    """Run one realisation of the weather from the first year of its record to the year `last`.

    Parameters
    ----------
    inputs : TableInputs
        the heights may be any, in rising order
    tunables : TunableParams
    last : int
        calendar year
    backend : {'auto', 'jax', 'numpy'}
        ``auto``: NumPy in workers forked after JAX had started, otherwise JAX; they agree to 1e-12 m w.e.
    """
    if backend == "auto":
        backend = "numpy" if jax_is_unsafe() else "jax"
    return {"jax": _by_jax, "numpy": _by_numpy}[backend](inputs, tunables, last)


def _by_jax(inputs: TableInputs, tunables: TunableParams, last: int) -> Iterator[DaysByHeight]:
    from oggm_glaunti.core.threads import enable_x64

    n = inputs.heights.size
    extra = round_up(n, HEIGHTS_AT_ONCE) - n
    swe, offset = (
        np.pad(of_height, (0, extra), mode="edge") for of_height in (table_initial_swe(inputs), inputs.temp_offset)
    )
    ds = np.pad(inputs.ds().astype(np.float64), ((0, 0), (0, 0), (0, extra)), mode="edge")
    months = np.stack(tunables.by_month()).astype(np.float64)
    scalars = np.array([getattr(inputs.ti, name) for name in STORED_NAMES], np.float64)
    temp, prcp, valid = inputs.daily_blocks
    for k, year in enumerate(inputs.climate.years[inputs.climate.years <= last]):
        with enable_x64(True):
            of_year = temp[k].astype(np.float64), prcp[k].astype(np.float64), valid[k]
            index = inputs.ds_index()[k].astype(np.int32)
            used = ds[index.min() : index.min() + 2] if len(ds) > 1 else ds
            used = np.concatenate([used, used[-1:]])[:2]
            after, components = _compiled()(
                inputs.ti.day.name, scalars, swe, *of_year, offset, months, used, index - index.min()
            )
        *fluxes, parts = components
        named = {
            **dict(zip(("snowfall", "rain", "melt", "swe"), fluxes, strict=True)),
            **(parts._asdict() if parts else {}),
        }
        yield DaysByHeight(
            int(year), swe[:n], {name: np.asarray(field)[valid[k]][:, :n] for name, field in named.items()}
        )
        swe = np.asarray(after)


@cache
def _compiled() -> Callable[..., Any]:
    """Compile on use, once per process."""
    import jax

    from oggm_glaunti.core import hydro, monthly
    from oggm_glaunti.core.temperature_index import TIWeights, with_day

    def program(day, scalars, swe, temp, prcp, valid, offset, months, ds, ds_index):
        ti = TIWeights(**dict(zip(STORED_NAMES, scalars, strict=True)))
        params = with_day(ti, day).resolve()
        return hydro.daily_components(
            params, swe, temp, prcp, valid, offset, monthly.MonthlyTunables(*months), ds, ds_index
        )

    return jax.jit(program, static_argnums=0)


def _by_numpy(inputs: TableInputs, tunables: TunableParams, last: int) -> Iterator[DaysByHeight]:
    swe = table_initial_swe(inputs)
    prcp_fac = tunables.by_month()[1].astype(np.float64)
    for k, year in enumerate(inputs.climate.years[inputs.climate.years <= last]):
        before, found = swe, []
        _, prcp, valid = (block[k] for block in inputs.daily_blocks)
        for month, days in enumerate(days_of_year(inputs, tunables, k, swe)):
            params = month_parameters(inputs, tunables, inputs.ds()[inputs.ds_index()[k, month]], month)
            for day, of_day in zip(days, prcp[month][valid[month]] * prcp_fac[month], strict=True):
                found.append(water_of_day(params, inputs.ti.day.name, swe, of_day, day))
                swe = day.swe
        yield DaysByHeight(int(year), before, {name: np.stack([day[name] for day in found]) for name in found[0]})
