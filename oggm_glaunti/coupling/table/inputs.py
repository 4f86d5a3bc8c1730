"""What a table is made from: tunable parameters, weather, corrections, and the files that these are read from.

Digests of the files decide whether a table may be used. They are taken from the table's own record of its files if
these are unchanged (see :mod:`~oggm_glaunti.coupling.oggm.fingerprint`); contents are read only if they are not, or if
a table has to be made.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti.core.units import N_CORRECTIONS
from oggm_glaunti.coupling.gridded.periods import mass_balance_year_of_months
from oggm_glaunti.coupling.ground.debris import DebrisProfile
from oggm_glaunti.coupling.ground.features import Features, read_features
from oggm_glaunti.coupling.ground.heights import height_bounds, height_files
from oggm_glaunti.coupling.oggm.fingerprint import KnownFiles
from oggm_glaunti.coupling.table.band_corrections import BandCorrections
from oggm_glaunti.coupling.weather.file import AboutClimate, DailyClimate, daily_climate_candidates, read_daily_climate

if TYPE_CHECKING:
    from oggm import GlacierDirectory

    from oggm_glaunti.core.temperature_index import TIWeights

DAYS_IN_LONGEST_MONTH = 31
D_ICE = 2  # index of the correction of the factor of ice


@dataclass(frozen=True)
class TunableParams:
    """Tunable parameters, each a value or one per calendar month; applied after the corrections.

    Attributes
    ----------
    melt_f : float or 12 of them
        degree-day factor of snow before correction, kg m-2 day-1 K-1
    prcp_fac : float or 12 of them
        factor on precipitation, 1
    temp_bias : float or 12 of them
        offset added to temperature, K
    """

    melt_f: npt.ArrayLike
    prcp_fac: npt.ArrayLike = 1.0
    temp_bias: npt.ArrayLike = 0.0

    def by_month(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``temp_bias``, ``prcp_fac`` and ``ddf_snow`` (m w.e. K-1 day-1), each (12,) float32."""
        values = (self.temp_bias, self.prcp_fac, np.asarray(self.melt_f, np.float64) / 1000.0)
        temp_bias, prcp_fac, ddf = (np.broadcast_to(np.asarray(v, np.float32), (12,)) for v in values)
        return temp_bias, prcp_fac, ddf

    def digest(self) -> str:
        """Return the digest of the values."""
        by_month = [np.broadcast_to(np.asarray(value, np.float64), (12,)) for value in vars(self).values()]
        return hashlib.sha256(np.stack(by_month).tobytes()).hexdigest()


TUNABLE = tuple(TunableParams.__dataclass_fields__)


@dataclass(frozen=True)
class TableInputs:
    """Everything a table is made from, apart from the tunable parameters.

    Attributes
    ----------
    ti : TIWeights
        temperature index: the fitted one if there is one
    climate : DailyClimate
    heights : float64 array (N,)
        evenly spaced, m
    temp_gradient : float
        K m-1
    hemisphere : {'nh', 'sh'}
    corrections : BandCorrections or None
        None for model A or a corrector switched off
    debris : DebrisProfile or None
        factor on the melt of ice; it acts as a correction of the factor of ice (d3)
    """

    ti: TIWeights
    climate: DailyClimate
    heights: np.ndarray
    temp_gradient: float
    hemisphere: str
    corrections: BandCorrections | None
    debris: DebrisProfile | None = None

    def realisations(self) -> list[TableInputs]:
        """Return the same with one realisation of the weather each; tables are means over them."""
        return self._each if self.climate.others else [self]

    @cached_property
    def _each(self) -> list[TableInputs]:
        return [replace(self, climate=one) for one in self.climate.realisations]

    @property
    def temp_offset(self) -> np.ndarray:
        """Temperature at the heights minus that at the reference height, K (N,)."""
        return self.temp_gradient * (self.heights - self.climate.ref_hgt)

    def ds(self) -> np.ndarray:
        """Return the corrections by height (K, 5, N); one period of zeros if there are none."""
        return self._ds

    def ds_index(self) -> np.ndarray:
        """Return the index of each month's corrections (Y, 12); the first and last year's go on beyond both ends."""
        return self._ds_index

    @cached_property
    def _ds(self) -> np.ndarray:
        if self.corrections is None:
            ds = np.zeros((1, N_CORRECTIONS, self.heights.size), np.float32)
        else:
            ds = self.corrections.at(self.heights)
        if self.debris is not None:
            ds[:, D_ICE] += np.log(self.debris.at(self.heights)).astype(np.float32)
        return ds

    @cached_property
    def _ds_index(self) -> np.ndarray:
        year_of_month = mass_balance_year_of_months(self.climate.years, self.hemisphere)
        if self.corrections is None:
            return np.zeros_like(year_of_month)
        years = self.corrections.years
        return np.clip(year_of_month - years[0], 0, years.size - 1)

    @cached_property
    def daily_blocks(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weather as ``temp, prcp, valid`` of shape (Y, 12, 31)."""
        climate = self.climate
        months = climate.time[0].astype("M8[M]") + np.arange(12 * climate.years.size + 1)
        lengths = np.diff(months.astype("M8[D]")).astype(int).reshape(-1, 12, 1)
        valid = np.arange(DAYS_IN_LONGEST_MONTH) < lengths
        temp, prcp = np.zeros((2, *valid.shape), np.float32)
        # In this order, the days that exist are those of the record.
        temp[valid], prcp[valid] = climate.temp, climate.prcp
        return temp, prcp, valid


class InputFiles:
    """Files of one glacier directory and one climate.

    Parameters
    ----------
    gdir : GlacierDirectory
    filename, input_filesuffix : str
        of the climate, see :func:`~oggm_glaunti.coupling.weather.file.daily_climate_path`
    record : str
        of a table's file, see :meth:`record`
    """

    def __init__(self, gdir: GlacierDirectory, filename: str, input_filesuffix: str, record: str = ""):
        self.gdir = gdir
        self._climate_file = filename, input_filesuffix
        self._known = KnownFiles(record)
        self._climate: DailyClimate | None = None
        self._features: dict[str, Features] = {}

    def record(self) -> str:
        """Return what is known of the files, to be kept in the file of a table made from them."""
        return self._known.record()

    @cached_property
    def about_climate(self) -> AboutClimate:
        """Years, height, source and digest of the daily climate."""

        def find() -> dict[str, Any]:
            self._climate = read_daily_climate(self.gdir, *self._climate_file)
            return asdict(self._climate.about())

        candidates = daily_climate_candidates(self.gdir, *self._climate_file)
        return AboutClimate(**self._known.fact("climate", candidates, find))

    @cached_property
    def climate(self) -> DailyClimate:
        """The daily climate itself."""
        about = self.about_climate
        if self._climate is not None:
            return self._climate
        climate = read_daily_climate(self.gdir, *self._climate_file)
        self._require_unchanged(about.file, about.sha256, climate.digest())
        return climate

    def features_sha256(self, filesuffix: str = "") -> str:
        """Return the digest of the corrector's inputs."""

        def find() -> str:
            self._features[filesuffix] = read_features(self.gdir, filesuffix)
            return self._features[filesuffix].digest()

        path = self.gdir.get_filepath("glaunti_features", filesuffix=filesuffix)
        return self._known.fact(f"features{filesuffix}", [path], find)

    def features(self, filesuffix: str = "") -> Features:
        """Return the corrector's inputs."""
        expected = self.features_sha256(filesuffix)
        if filesuffix not in self._features:
            features = read_features(self.gdir, filesuffix)
            self._require_unchanged(f"glaunti_features{filesuffix}.nc", expected, features.digest())
            self._features[filesuffix] = features
        return self._features[filesuffix]

    def height_bounds(self) -> tuple[float, float]:
        """Return the lowest and highest height that tables must cover, m."""
        low, high = self._known.fact("heights", height_files(self.gdir), lambda: height_bounds(self.gdir))
        return low, high

    def _require_unchanged(self, file: str, expected: str, found: str) -> None:
        if found != expected:
            raise InvalidWorkflowError(
                f"{self.gdir.rgi_id}: {file} has changed since the mass-balance model was made; make a new one"
            )
