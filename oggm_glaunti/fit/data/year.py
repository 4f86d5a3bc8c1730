"""A glacier of a data set, one mass-balance year at a time, read when it is needed."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oggm_glaunti.coupling.gridded.periods import Period, default_period
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.fit.names import TRAINING_FOLD

SPIN_UP = (1990, 1994)  # mass-balance years run first, to build up the snow cover (Maslov et al. 2026)


class Problem(NamedTuple):
    """Something in a file that is left out."""

    file: str
    row: int | None
    """as numbered by a spreadsheet (the header is row 1); None if it does not concern a single row"""
    what: str

    def __str__(self) -> str:
        return f"{self.file}{'' if self.row is None else f', row {self.row}'}: {self.what}"


class Targets(NamedTuple):
    """Observations of a season of a year.

    Attributes
    ----------
    rows, cols : int32 arrays (N,)
        cells of the points
    observed : float32 array (N,)
        balances of the points, m w.e.
    weights : float32 array (N,)
        weights by the distance of the dates of each point from the season's, see
        :func:`~oggm_glaunti.fit.data.date_weights.date_weights`
    glacier : float
        glacier-wide balance, m w.e.; NaN if not observed
    """

    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    observed: NDArray[np.float32]
    weights: NDArray[np.float32]
    glacier: float


class YearData(NamedTuple):
    """A mass-balance year of a glacier, all arrays NumPy on north-up cells of 100 m.

    Attributes
    ----------
    year : int
        calendar year in which it ends
    begin, end : datetime64[D]
        first and last day
    mid : datetime64[D] or None
        last day of winter and first of summer
    seasons : tuple of Season
        winter and summer if `mid` is known, otherwise one annual season; forcing on (H, W), half weight on the first
        and last day of each
    fields : float32 array (12, H, W)
        normalised geometry and facies, :func:`~oggm_glaunti.core.glaunti.geometry_fields`
    climate : float32 array (2, M)
        :func:`~oggm_glaunti.core.forcing.monthly_climate` over the outline
    outline : float32 array (H, W)
        1 on the glacier, 0 elsewhere
    elevation : float32 array (H, W)
        m
    targets : dict of Targets
        observations by season (``annual``, ``winter``, ``summer``), if there are any
    """

    year: int
    begin: np.datetime64
    mid: np.datetime64 | None
    end: np.datetime64
    seasons: tuple[Any, ...]
    fields: NDArray[np.float32]
    climate: NDArray[np.float32]
    outline: NDArray[np.float32]
    elevation: NDArray[np.float32]
    targets: dict[str, Targets]


class YearMaps(NamedTuple):
    """Maps of a year: float32 (H, W), facies (9, H, W) or None if not available."""

    outline: NDArray[np.float32]
    elevation: NDArray[np.float32]
    elevation_std: NDArray[np.float32]
    facies: NDArray[np.float32] | None


class GlacierSource(Protocol):
    """Source of the maps and the weather of a glacier.

    Attributes
    ----------
    shape : (int, int)
        rows and columns
    grid : CellGrid
        position of the cells
    first, last : datetime64[D]
        first and last day of the weather
    hemisphere : str
        ``nh`` or ``sh``
    """

    shape: tuple[int, int]
    grid: CellGrid
    first: np.datetime64
    last: np.datetime64
    hemisphere: str

    def place(self, year: int, facies: bool) -> YearMaps:
        """Return the maps of a year."""
        ...

    def forcing(self, begin: np.datetime64, end: np.datetime64, elevation: NDArray[np.float32]) -> Any:
        """Return the weather of the days `begin` to `end`, both included, at an elevation (H, W), m."""
        ...


class Observed(NamedTuple):
    """All observations of a glacier.

    Attributes
    ----------
    periods : dict of Period
        dates by year; other years have default dates
    glacier : dict
        ``(year, season)``: glacier-wide balance, m w.e.
    points : DataFrame
        columns year, season, begin, end (datetime64[ns]), row, col (cells), value (m w.e.)
    """

    periods: Mapping[int, Period]
    glacier: Mapping[tuple[int, str], float]
    points: pd.DataFrame


@dataclass(eq=False)
class GlacierData:
    """A glacier of a data set; its years are read one at a time and not kept in memory.

    Attributes
    ----------
    name, wgms_name, region : str
    source : GlacierSource
        its maps and weather
    observed : Observed
    fold : int
        0 test, 1 validation, all others training
    shape : (int, int)
        rows and columns
    years : tuple of int
        mass-balance years to run in order, without gaps, up to the last one with a target. They begin after the
        `spin_up_years`, or with the first year that has a target if that is earlier; without spin-up years, with the
        first year of the weather. Years without targets are run to carry the snow
    spin_up_years : tuple of int
        years of 1990-1994 with complete weather, to be run before `years`; none if the weather begins later
    problems : tuple of Problem
        rows that are not used
    left_out : dict
        number of valid rows without a place in a mass-balance year of this glacier, by what they are

    Examples
    --------
    >>> from oggm_glaunti.fit import open_dataset
    >>> glacier = open_dataset("training_data")[0]  # doctest: +SKIP
    >>> [glacier.load(year).targets.keys() for year in glacier.years]  # doctest: +SKIP
    """

    name: str
    source: GlacierSource
    observed: Observed
    _: KW_ONLY
    wgms_name: str = ""
    fold: int = TRAINING_FOLD
    region: str = ""
    problems: tuple[Problem, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        self.shape = self.source.shape
        self._with_targets = {year for year, _ in self.observed.glacier} | set(self.observed.points["year"])
        self.spin_up_years, self.years = self._find_years()
        outside = self._with_targets - {*self.years, *self.spin_up_years}
        observed = [year for year, _ in self.observed.glacier] + self.observed.points["year"].tolist()
        if n := sum(year in outside for year in observed):
            self.left_out["observation of a year without weather"] = n

    def __repr__(self) -> str:
        span = f"{self.years[0]}-{self.years[-1]}" if self.years else "no years"
        return f"GlacierData({self.name!r}, fold {self.fold}, {self.shape[0]} x {self.shape[1]} cells, {span})"

    @property
    def grid(self) -> CellGrid:
        """Position of the cells."""
        return self.source.grid

    def _find_years(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        spin_up = tuple(year for year in range(SPIN_UP[0], SPIN_UP[1] + 1) if self.holds(year))
        if not self._with_targets:
            return spin_up, ()
        begin = int(self.source.first.astype("M8[Y]").astype(int)) + 1970
        first = min(min(self._with_targets), spin_up[-1] + 1) if spin_up else begin
        return spin_up, tuple(year for year in range(first, max(self._with_targets) + 1) if self.holds(year))

    def holds(self, year: int) -> bool:
        """Return whether the weather of a mass-balance year is complete."""
        period = self.period(year)
        return bool(self.source.first <= period.begin and period.end <= self.source.last)

    def period(self, year: int) -> Period:
        """Return the dates of a mass-balance year: those of the observations, otherwise the default ones."""
        return self.observed.periods.get(year) or default_period(year, self.source.hemisphere)

    def load(self, year: int, facies: bool = False) -> YearData:
        """Read one mass-balance year.

        Parameters
        ----------
        year : int
            one of `years` or `spin_up_years`, or any other year with complete weather
        facies : bool
            whether to read the facies, for model D; without them, or without a map, all nine bands are -1

        Raises
        ------
        InvalidParamsError
            if the weather does not cover the year, or a required value is missing or invalid; it names file,
            variable and dates
        """
        from oggm_glaunti.core.forcing import monthly_climate, select_days
        from oggm_glaunti.core.glaunti import Season, geometry_fields
        from oggm_glaunti.core.run import season_weights

        source, period = self.source, self.period(year)
        if not self.holds(year):
            raise InvalidParamsError(
                f"{self.name}: the weather holds {source.first} to {source.last}, not {period.begin} to {period.end}, "
                f"the mass-balance year {year}"
            )
        place = source.place(year, facies)
        forcing = source.forcing(period.begin, period.end, place.elevation)
        seasons = tuple(
            Season(select_days(forcing, part), season_weights(part.stop - part.start))
            for part in (slice(*((day - period.begin).astype(int) for day in (b, e + 1))) for b, e in period.seasons())
        )
        fields = np.asarray(geometry_fields(*place), np.float32)
        days = np.arange(period.begin, period.end + 1)
        climate = monthly_climate(days, *outline_means(forcing, place.outline))
        of_year = (fields, climate, place.outline, place.elevation, self.targets(year))
        return YearData(year, period.begin, period.mid, period.end, seasons, *of_year)

    def targets(self, year: int) -> dict[str, Targets]:
        """Return the observations of a year, by season; no maps and no weather are read."""
        points = self._points[self._points["year"] == year]
        found = {}
        for season in season_dates(self.period(year)):
            own = points[points["season"] == season]
            glacier = float(self.observed.glacier.get((year, season), float("nan")))
            if len(own) or np.isfinite(glacier):
                rows, cols = (own[name].to_numpy(np.int32) for name in ("row", "col"))
                value, weight = (own[name].to_numpy(np.float32) for name in ("value", "weight"))
                found[season] = Targets(rows, cols, value, weight, glacier)
        return found

    @cached_property
    def _points(self) -> pd.DataFrame:
        """Points with their weights, by how far their dates lie from the first and last day of their season."""
        from oggm_glaunti.fit.data.date_weights import date_weights

        points = self.observed.points
        seasons = [season_dates(self.period(year)) for year in points["year"]]
        dates = [of_year[season] for of_year, season in zip(seasons, points["season"], strict=True)]
        # Glaciers with similar numbers of points share a compiled program.
        fill = (1 << max(8, len(points).bit_length())) - len(points)
        begin, end = (
            np.pad((points[name].to_numpy().astype("M8[D]") - day).astype(np.int32), (0, fill))
            for name, day in zip(("begin", "end"), np.array(dates, "M8[D]").reshape(-1, 2).T, strict=True)
        )
        return points.assign(weight=np.array(date_weights(begin, end))[: len(points)])


def season_dates(period: Period) -> dict[str, tuple[np.datetime64, np.datetime64]]:
    """Return first and last day of each season of a year; winter and summer only if `mid` is known."""
    dates = {"annual": (period.begin, period.end)}
    if period.mid is not None:
        dates |= {"winter": (period.begin, period.mid), "summer": (period.mid, period.end)}
    return dates


def outline_means(forcing: Any, outline: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average temperature (degC) and precipitation (m w.e. day-1) over an outline (H, W); (T,) each."""
    from oggm_glaunti.core.forcing import CoarseForcing, GriddedForcing

    share = (outline / outline.sum(dtype=np.float64)).astype(np.float64)
    if isinstance(forcing, GriddedForcing):
        rows, cols = np.nonzero(share)
        temp, prcp = (np.asarray(a)[:, rows, cols].astype(np.float64) for a in (forcing.temp, forcing.prcp))
        return temp @ share[rows, cols], prcp @ share[rows, cols]
    offset = float(np.sum(share * np.asarray(forcing.temp_offset, np.float64)))
    temp, prcp = (np.asarray(a, np.float64) for a in (forcing.temp, forcing.prcp))
    if isinstance(forcing, CoarseForcing):
        of = np.bincount(np.ravel(forcing.cell), weights=share.ravel(), minlength=temp.shape[1])
        temp, prcp = temp @ of, prcp @ of
    return temp + offset, prcp
