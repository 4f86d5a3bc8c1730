"""Glacier directories prepared for analyses: a glacier's model and its trajectory."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.coupling.model.choice import checked_mb_kwargs
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.oggm.balance_year import FIRST_MONTH, balance_year_of, begin_of_year
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError
from oggm_glaunti.coupling.oggm.processes import require_jax
from oggm_glaunti.fit.calibration.sites import Surface, heights_around, on_heights, spread_over, surface_of
from oggm_glaunti.fit.calibration.tasks import as_tuned
from oggm_glaunti.fit.observations import DAYS_A_YEAR

YEAR_TYPES = ("hydrological", "calendar")
Years = Sequence[int] | None
"""First and last year of a span; None: all."""
MbKwargs = Mapping[str, Any] | None
"""Arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`."""


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
        """Years that are analysed, int array (Y,)."""
        return np.asarray(self.trajectory.years)


@contextmanager
def errors_name(gdir: GlacierDirectory) -> Iterator[None]:
    """Turn a ValueError about an argument into an InvalidParamsError whose message begins with the glacier's id."""
    try:
        yield
    except InvalidParamsError:
        raise
    except ValueError as err:
        raise InvalidParamsError(f"{gdir.rgi_id}: {err}") from err


def glacier_run(
    gdir: GlacierDirectory,
    years: Years = None,
    year_type: str = "hydrological",
    mb_kwargs: MbKwargs = None,
    task: str = "glacier_run",
) -> GlacierRun:
    """Prepare a glacier directory for an analysis.

    Parameters
    ----------
    gdir : GlacierDirectory
        with daily climate and ``glaunti_features`` (or, for model A, at least inversion flowlines)
    years : (first, last), optional
        years to analyse, both included; default: all complete years of the daily record
    year_type : {'hydrological', 'calendar'}
        whether a year is the mass-balance year that ends in it (1 October to 30 September in the north, 1 April to
        31 March in the south) or the calendar year, as in OGGM
    mb_kwargs : mapping, optional
        arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`: `model`, `corrector`, `filename`,
        `mb_params_filesuffix` and so on
    task : str
        named in errors about `mb_kwargs`

    Returns
    -------
    GlacierRun
        its trajectory begins with the daily record, as the height-year table does: the snow of all years before counts

    Raises
    ------
    InvalidParamsError
        for years outside the record, or another `year_type`
    InvalidWorkflowError
        if the directory lacks what the model needs
    """
    from oggm_glaunti.analysis.trajectory import Trajectory

    chosen = checked_mb_kwargs(f"{gdir.rgi_id}: {task}", mb_kwargs)
    if year_type not in YEAR_TYPES:
        raise InvalidParamsError(f"{gdir.rgi_id}: year_type: expected one of {YEAR_TYPES}, found {year_type!r}")
    require_jax(f"{gdir.rgi_id}: differentiating the balance")
    mb_model = GlaUnTIMassBalance(gdir, **chosen)
    inputs, surface = mb_model.table_inputs, surface_of(gdir)
    complete = inputs.climate.ys + (year_type == "hydrological"), inputs.climate.ye
    first, last = years_within(gdir, years, complete, kind=f"{year_type} ")
    month = 1 if year_type == "calendar" else FIRST_MONTH[gdir.hemisphere]
    rows = rows_of_balance_years(inputs.climate.time, last, month)
    days = inputs.climate.time[rows].astype("M8[D]")
    heights = heights_around(surface, np.zeros(0))
    trajectory = Trajectory(
        **on_heights(inputs, rows, heights),
        area=spread_over(surface.heights, surface.areas, heights).astype(np.float32),
        period=balance_year_of_days(days, first, month),
        years=np.arange(first, last + 1, dtype=np.int32),
        bias=np.asarray(mb_model.bias / 1000.0 / DAYS_A_YEAR, np.float32),
    )
    tuned = as_tuned(gdir.rgi_id, mb_model)
    return GlacierRun(gdir, mb_model, tuned, trajectory, days, heights, surface, year_type)


def first_and_last(gdir: GlacierDirectory, years: Sequence[int], name: str = "years") -> tuple[int, int]:
    """Return the two years of a span; InvalidParamsError naming the argument if there are not two, in order."""
    if np.shape(years) != (2,):
        raise InvalidParamsError(f"{gdir.rgi_id}: {name}: expected (first, last), found {years!r}")
    first, last = (int(year) for year in years)
    if first > last:
        raise InvalidParamsError(f"{gdir.rgi_id}: {name}: no years from {first} to {last}; give the earlier one first")
    return first, last


def years_within(
    gdir: GlacierDirectory,
    years: Years,
    available: Sequence[int] | NDArray[np.int64],
    name: str = "years",
    kind: str = "",
) -> tuple[int, int]:
    """Return the first and the last year of a span after checking that the daily climate holds them.

    Parameters
    ----------
    gdir : GlacierDirectory
        named in errors
    years : (first, last), optional
        both included; default: all that are available
    available : sequence of int
        years of the daily climate; only the first and the last are used
    name : str
        of the argument, for errors
    kind : str
        of the years, for errors

    Raises
    ------
    InvalidParamsError
        for no years, or years that the daily climate does not hold
    """
    begin, end = int(available[0]), int(available[-1])
    first, last = (begin, end) if years is None else first_and_last(gdir, years, name)
    if first < begin or last > end:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: {name}: the daily climate holds the {kind}years {begin} to {end}, found {first}"
            + (f" to {last}" if last > first else "")
        )
    return first, last


def rows_of_balance_years(time: NDArray[Any], last: int, month: int) -> slice:
    """Return the rows of the record up to the end of the last year."""
    stop = begin_of_year(last + 1, month).astype("M8[D]")
    return slice(0, int((stop - time[0].astype("M8[D]")).astype(int)))


def balance_year_of_days(days: NDArray[Any], first: int, month: int) -> NDArray[np.int32]:
    """Return the number of the year that each day belongs to, -1 before the first."""
    return np.maximum(balance_year_of(days, month) - first, -1).astype(np.int32)
