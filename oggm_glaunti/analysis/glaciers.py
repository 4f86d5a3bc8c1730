"""A glacier directory as a trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti import settings
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.oggm.processes import require_jax
from oggm_glaunti.fit.calibration.sites import (
    Surface,
    corrections_at,
    corrections_of_days,
    heights_around,
    spread_over,
    surface_of,
)
from oggm_glaunti.fit.calibration.tasks import as_tuned
from oggm_glaunti.fit.observations import DAYS_A_YEAR

if TYPE_CHECKING:
    from oggm import GlacierDirectory


YEAR_TYPES = ("hydrological", "calendar")


class GlacierRun(NamedTuple):
    """A glacier ready to be analysed.

    Attributes
    ----------
    gdir : GlacierDirectory
    mb_model : GlaUnTIMassBalance
    tuned : Tuned
        its parameters
    trajectory : Trajectory
    days : datetime64[D] array (T,)
        of the trajectory
    heights : float64 array (N,)
        of the trajectory, m
    surface : Surface
        the glacier's cells and the area each stands for
    year_type : {'hydrological', 'calendar'}
    """

    gdir: GlacierDirectory
    mb_model: GlaUnTIMassBalance
    tuned: Any
    trajectory: Any
    days: NDArray[np.datetime64]
    heights: NDArray[np.float64]
    surface: Surface
    year_type: str

    @property
    def years(self) -> NDArray[np.int64]:
        """Names of the years, int array (Y,)."""
        return np.asarray(self.trajectory.years)


def glacier_run(
    gdir: GlacierDirectory, years: Sequence[int] | None = None, year_type: str = "hydrological", **kwargs: Any
) -> GlacierRun:
    """Prepare a glacier directory for an analysis.

    Parameters
    ----------
    gdir : GlacierDirectory
        with daily climate and ``glaunti_features`` (or, for model A, at least inversion flowlines)
    years : (first, last), optional
        years to look at, both included; by default all whole ones of the daily record
    year_type : {'hydrological', 'calendar'}
        whether a year is the mass-balance year that ends in it (1 October to 30 September in the north, 1 April to
        31 March in the south) or the calendar year, as in OGGM
    **kwargs
        of :class:`~oggm_glaunti.GlaUnTIMassBalance`: `model`, `corrector`, `filename`, `mb_params_filesuffix` and so on

    Returns
    -------
    GlacierRun
        its trajectory begins with the daily record, as the height-year table does: the snow of all years before counts

    Raises
    ------
    InvalidParamsError
        for years that the record does not hold, or another `year_type`
    InvalidWorkflowError
        where the directory lacks what the model needs
    """
    from oggm_glaunti.analysis.trajectory import Trajectory

    if said := {"ys", "ye", "repeat"} & set(kwargs):
        raise InvalidParamsError(f"{gdir.rgi_id}: {sorted(said)}: say years=(first, last) and year_type instead")
    require_jax(f"{gdir.rgi_id}: differentiating the balance")
    mb_model = GlaUnTIMassBalance(gdir, **kwargs)
    inputs, surface = mb_model.table_inputs, surface_of(gdir)
    first, last = _years(inputs.climate, years, year_type, gdir)
    rows = _rows(inputs.climate.time, last, _first_month(year_type, gdir.hemisphere))
    days = inputs.climate.time[rows].astype("M8[D]")
    heights = heights_around(surface, np.zeros(0))
    trajectory = Trajectory(
        temp=np.stack([weather.temp[rows] for weather in inputs.climate.realisations]),
        prcp=np.stack([weather.prcp[rows] for weather in inputs.climate.realisations]),
        above_ref=(heights - inputs.climate.ref_hgt).astype(np.float32),
        area=spread_over(surface.heights, surface.areas, heights).astype(np.float32),
        ds=corrections_at(inputs, heights),
        ds_index=corrections_of_days(inputs, days),
        period=_year_of_days(days, first, _first_month(year_type, gdir.hemisphere)),
        years=np.arange(first, last + 1, dtype=np.int32),
        bias=np.float32(mb_model.bias / 1000.0 / DAYS_A_YEAR),
    )
    tuned = as_tuned(gdir.rgi_id, mb_model)
    return GlacierRun(gdir, mb_model, tuned, trajectory, days, heights, surface, year_type)


def first_and_last(gdir: GlacierDirectory, years: Sequence[int]) -> tuple[int, int]:
    """The two years of a span, or InvalidParamsError where there are not two."""
    if np.shape(years) != (2,):
        raise InvalidParamsError(f"{gdir.rgi_id}: years: expected (first, last), found {years!r}")
    return int(years[0]), int(years[1])


def _first_month(year_type: str, hemisphere: str) -> int:
    return 1 if year_type == "calendar" else settings.MASS_BALANCE_YEAR_START[hemisphere]


def _years(climate: Any, years: Sequence[int] | None, year_type: str, gdir: GlacierDirectory) -> tuple[int, int]:
    if year_type not in YEAR_TYPES:
        raise InvalidParamsError(f"{gdir.rgi_id}: year_type: expected one of {YEAR_TYPES}, found {year_type!r}")
    begin, end = climate.ys + (year_type == "hydrological"), climate.ye
    first, last = (begin, end) if years is None else first_and_last(gdir, years)
    if not begin <= first <= last <= end:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: years: the daily climate holds the {year_type} years {begin} to {end}, found {first} to "
            f"{last}"
        )
    return first, last


def _rows(time: NDArray[Any], last: int, month: int) -> slice:
    """Days of the record up to the end of the last year."""
    stop = np.datetime64(f"{last + (month == 1):04d}-{month:02d}-01", "D")
    return slice(0, int((stop - time[0].astype("M8[D]")).astype(int)))


def _year_of_days(days: NDArray[Any], first: int, month: int) -> NDArray[np.int32]:
    """Number of the year that each day belongs to, -1 before the first."""
    months = days.astype("M8[M]").astype(int)
    year = months // 12 + 1970 + ((months % 12 + 1 >= month) & (month > 1))
    return np.maximum(year - first, -1).astype(np.int32)
