"""Daily water of the glacier and ground as the directory has them, without a run of the ice dynamics."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti import settings
from oggm_glaunti.coupling.ground.heights import table_heights
from oggm_glaunti.coupling.hydro.plan import Source
from oggm_glaunti.coupling.hydro.totals import WATER
from oggm_glaunti.coupling.hydro.units import Units
from oggm_glaunti.coupling.hydro.weights import spread

if TYPE_CHECKING:
    from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance


class Water(NamedTuple):
    """Water of days by unit.

    Attributes
    ----------
    days : datetime64[D] array (T,)
    rain, snow_melt, ice_melt : float64 arrays (T, U)
        on glacier and ground, kg day-1, means over the realisations of the weather
    area : float64 array (U,)
        m2
    """

    days: np.ndarray
    rain: np.ndarray
    snow_melt: np.ndarray
    ice_melt: np.ndarray
    area: np.ndarray


def water_of_outline(mb_model: GlaUnTIMassBalance, units: Units) -> Water:
    """Compute the water of all days of a model's years, with the glacier of the outline.

    Parameters
    ----------
    mb_model : GlaUnTIMassBalance
        with ``variant='mass_conserving'``
    units : Units

    Raises
    ------
    InvalidWorkflowError
        if the model cannot tell melt of snow from melt of ice
    """
    source = Source(mb_model, (), [])
    if source.no_split:
        raise InvalidWorkflowError(source.no_split)
    counted = units.cell_unit < len(units.names)
    height = units.heights[counted]
    member = np.eye(len(units.names))[units.cell_unit[counted]] * units.cell_area
    nodes = table_heights((float(height.min()) - 1.0, float(height.max()) + 1.0), settings.param("glaunti_table_step"))
    every, ice = spread(height, member, nodes), spread(height, member * units.glacier[counted, None], nodes)
    each = source.realisations(nodes)
    sums: dict[str, list[np.ndarray]] = {"rain": [], "snow_melt": [], "ice_melt": []}
    for r, inputs in enumerate(each):
        years = (days for days in source.days(inputs, mb_model.ye) if days.year >= mb_model.ys)
        for k, days in enumerate(years):
            for name, parts in sums.items():
                of_year = WATER / len(each) * (days.values[name] @ (ice if name == "ice_melt" else every))
                if r == 0:
                    parts.append(of_year)
                else:
                    parts[k] += of_year
    time = np.arange(f"{mb_model.ys}-01-01", f"{mb_model.ye + 1}-01-01", dtype="M8[D]")
    rain, snow_melt, ice_melt = (np.concatenate(parts) for parts in sums.values())
    return Water(time, rain, snow_melt, ice_melt, member.sum(axis=0))
