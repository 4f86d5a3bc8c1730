"""GlaUnTI on the corrector grid of one glacier: periods one after the other, snow carried over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from oggm.exceptions import InvalidParamsError

from oggm_glaunti import settings
from oggm_glaunti.coupling.gridded.periods import Period, day_slice, require_corrector_months
from oggm_glaunti.coupling.gridded.place import Place, place_on
from oggm_glaunti.coupling.gridded.training_range import warn_outside_training
from oggm_glaunti.coupling.gridded.weather import StationWeather, Weather
from oggm_glaunti.coupling.ground.features import Features
from oggm_glaunti.coupling.ground.surface import YearlySurface
from oggm_glaunti.coupling.oggm.processes import require_jax
from oggm_glaunti.coupling.weather.file import DailyClimate

if TYPE_CHECKING:
    from oggm_glaunti.core.glaunti import GlaUnTI, Season
    from oggm_glaunti.core.temperature_index import TIWeights


class PeriodResult(NamedTuple):
    """One period on a grid.

    Attributes
    ----------
    period : Period
    smb : tuple of arrays
        balance of each season on the cells run, see :class:`GriddedModel`, m w.e.
    swe : array
        snow at the end on the cells run, m w.e.
    ds : array (5, H, W), optional
        corrections; None for model A
    response, monthly : arrays (3, H, W) and (2, M), optional
        normalised inputs of the corrector that vary from year to year: the uncorrected balance with its responses, and
        monthly temperature and precipitation; None if the corrector was not run
    """

    period: Period
    smb: tuple[np.ndarray, ...]
    swe: np.ndarray
    ds: np.ndarray | None
    response: np.ndarray | None
    monthly: np.ndarray | None


class GriddedModel:
    """A model, a glacier and its weather, ready to run period after period.

    The model is that of the weights: tunable and fitted parameters and variants act after the corrections, which are
    made here.

    Parameters
    ----------
    model : GlaUnTI
        A, C or D
    climate : DailyClimate or Weather
        the glacier directory's daily series, or other weather, see
        :func:`~oggm_glaunti.coupling.gridded.weather.open_weather`
    features : Features
    rgi_id : str
        named in errors
    exact : bool
        True: all cells of the rectangle (H, W), the published procedure. False: the glacier's cells only (P,), the
        uncorrected runs on heights with the snow as a profile; on Hintereisferner, ten years, single cells within
        1.7e-3 m w.e. and the glacier mean within 2.5e-4 m w.e. of the exact run. Under weather given as
        fields on the glacier's own grid, models C and D are always run exactly.
    surface : YearlySurface, optional
        each period runs on the surface of its year; default: all on that of the features. The outline is that of the
        features in any case, so the cells run are the same and the snow is carried cell by cell

    Attributes
    ----------
    climate : DailyClimate
        the series, or the outline's means of other weather: its days are those that can be run
    columns, fields
        cells, heights and corrector inputs of the features' own surface
    """

    def __init__(
        self,
        model: GlaUnTI,
        climate: DailyClimate | Weather,
        features: Features,
        rgi_id: str,
        exact: bool = False,
        surface: YearlySurface | None = None,
    ):
        require_jax(f"{rgi_id}: a gridded run")
        from oggm_glaunti.core.smooth import even_heights

        self.weather: Weather = StationWeather(climate, features) if isinstance(climate, DailyClimate) else climate
        self.climate = self.weather.climate
        self.model, self.features, self.rgi_id, self.surface = model, features, rgi_id, surface
        self.exact = exact or (self.weather.needs_all_cells and model.corrector is not None)
        self._reach = (features.elevation, features.elevation) if surface is None else surface.reach()
        if model.corrector is not None:
            warn_outside_training(self.climate, replace(features, elevation=self._reach[1]), rgi_id)
        self._nodes = even_heights(self._reach[0].min(), self._reach[1].max(), settings.param("glaunti_table_step"))
        self._fixed = self._place_on(self.features)
        self.columns, self.fields = self._fixed.columns, self._fixed.fields
        # The surface of one year at a time: periods come in order.
        self._latest: tuple[int | None, Place] = None, self._fixed

    def _place_on(self, features: Features, fixed: Place | None = None) -> Place:
        return place_on(features, self.weather, self._nodes, self.model.name, self.exact, self._reach, fixed)

    def place(self, year: int) -> Place:
        """Return the cells run on the surface of a year; that of the features if the surface does not move."""
        if self.surface is None:
            return self._fixed
        taken = self.surface.year_taken(year)
        if self._latest[0] != taken:
            self._latest = taken, self._place_on(self.surface.features_of(taken), self._fixed)
        return self._latest[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of `smb` and `swe`."""
        return self.features.shape if self.exact else self.columns.rows.shape

    def initial_swe(self, ti: TIWeights | None = None) -> np.ndarray:
        """Return the initial snow: the depletion centre, of another TIWeights than the model's if one is given."""
        centre = np.exp(np.asarray((self.model.ti if ti is None else ti).snow_depletion_centre_log))
        return np.full(self.shape, centre, np.float32)

    def to_grid(self, values: np.ndarray, fill: float = np.nan) -> np.ndarray:
        """Put values on the cells run onto a map (H, W), `fill` where nothing was run."""
        if self.exact:
            return np.asarray(values)
        grid = np.full(self.features.shape, fill, np.float32)
        grid[self.columns.rows, self.columns.cols] = values
        return grid

    def glacier_mean(self, values: np.ndarray) -> float:
        """Average over the glacier's cells."""
        on_glacier = values[self.columns.rows, self.columns.cols] if self.exact else values
        return float(np.asarray(on_glacier).mean(dtype=np.float64))

    def run(
        self, periods: Sequence[Period], swe: np.ndarray | None = None, ds: np.ndarray | None = None
    ) -> Iterator[PeriodResult]:
        """Run periods in the order given, each starting from the snow that the one before left.

        Parameters
        ----------
        periods : sequence of Period
        swe : array, optional
            at the start, m w.e.
        ds : array (5, H, W), optional
            corrections to use in all periods instead of the corrector's; zeros switch it off

        Yields
        ------
        PeriodResult

        Raises
        ------
        InvalidParamsError
            for no periods, days outside the record, or lengths that the corrector does not take
        """
        periods = list(periods)
        if not periods:
            raise InvalidParamsError(f"{self.rgi_id}: no periods to run; give at least one")
        if self.model.corrector is not None and ds is None:
            for period in periods:
                require_corrector_months(period, self.rgi_id)
        swe = self.initial_swe() if swe is None else swe
        slices = [[day_slice(self.climate, b, e, self.rgi_id) for b, e in period.seasons()] for period in periods]
        longest = max(s.stop - s.start for parts in slices for s in parts)
        for period, parts in zip(periods, slices, strict=True):
            year, monthly = self._run_one(self.place(period.year), swe, parts, longest, ds)
            swe = np.asarray(year.swe)
            fields = (None if field is None else np.asarray(field) for field in (year.ds, year.response, monthly))
            yield PeriodResult(period, tuple(np.asarray(s) for s in year.smb), swe, *fields)

    def corrections(self, periods: Sequence[Period]) -> list[np.ndarray]:
        """Compute the corrections (5, H, W) of periods."""
        return [result.ds for result in self.run(periods) if result.ds is not None]

    def _run_one(self, place: Place, swe: np.ndarray, parts: list[slice], longest: int, ds: np.ndarray | None) -> Any:
        from oggm_glaunti.core import threads
        from oggm_glaunti.core.glaunti import CorrectedYear

        seasons = tuple(_season(place, part, longest) for part in parts)
        if self.model.corrector is None:
            swe, smb = threads.run_seasons_threaded(self.model.ti.resolve(), swe, seasons)
            return CorrectedYear(swe, smb, None, None), None
        monthly = place.monthly(slice(parts[0].start, parts[-1].stop))
        columns = None if self.exact else place.columns
        return threads.run_year_threaded(self.model, swe, seasons, place.fields, monthly, columns, ds), monthly


def _season(place: Place, part: slice, longest: int) -> Season:
    from oggm_glaunti.core.forcing import pad_days
    from oggm_glaunti.core.glaunti import Season
    from oggm_glaunti.core.run import season_weights

    return Season(*pad_days(place.forcing(part), season_weights(part.stop - part.start), longest))
