"""The files a table is made from: daily climate, corrector inputs, and what bounds the glacier's heights.

Their digests decide whether a table may be used. They are taken from the table's own record of its files where these
are unchanged (see
:mod:`~oggm_glaunti.coupling.oggm.fingerprint`); contents are read where they are not, and where a table
has to be made.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from typing import Any

from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti.coupling.ground.features import Features, read_features
from oggm_glaunti.coupling.ground.heights import height_bounds, height_files
from oggm_glaunti.coupling.oggm.fingerprint import KnownFiles
from oggm_glaunti.coupling.weather.file import AboutClimate, DailyClimate, daily_climate_candidates, read_daily_climate


class Sources:
    """Files of one glacier directory and one climate.

    Parameters
    ----------
    gdir : GlacierDirectory
    filename, input_filesuffix : str
        of the climate, see :func:`~oggm_glaunti.coupling.weather.file.daily_climate_path`
    record : str
        of a table's file, see :meth:`record`
    """

    def __init__(self, gdir: Any, filename: str, input_filesuffix: str, record: str = ""):
        self.gdir = gdir
        self._climate_file = filename, input_filesuffix
        self._known = KnownFiles(record)
        self._climate: DailyClimate | None = None
        self._features: dict[str, Features] = {}

    def record(self) -> str:
        """What is known of the files, for the file of a table made from them."""
        return self._known.record()

    @cached_property
    def about_climate(self) -> AboutClimate:
        """Years, height, source and digest of the daily climate."""

        def find() -> dict[str, Any]:
            self._climate = read_daily_climate(self.gdir, *self._climate_file)
            return asdict(self._climate.about())

        candidates = daily_climate_candidates(self.gdir, *self._climate_file)
        return AboutClimate(**self._known.fact("climate", candidates, find))

    @property
    def climate(self) -> DailyClimate:
        """The daily climate itself."""
        about = self.about_climate
        if self._climate is None:
            climate = read_daily_climate(self.gdir, *self._climate_file)
            self._require_unchanged(about.file, about.sha256, climate.digest())
            self._climate = climate
        return self._climate

    def features_sha256(self, filesuffix: str = "") -> str:
        """Digest of the corrector's inputs."""

        def find() -> str:
            self._features[filesuffix] = read_features(self.gdir, filesuffix)
            return self._features[filesuffix].digest()

        path = self.gdir.get_filepath("glaunti_features", filesuffix=filesuffix)
        return self._known.fact(f"features{filesuffix}", [path], find)

    def features(self, filesuffix: str = "") -> Features:
        """The corrector's inputs themselves."""
        expected = self.features_sha256(filesuffix)
        if filesuffix not in self._features:
            features = read_features(self.gdir, filesuffix)
            self._require_unchanged(f"glaunti_features{filesuffix}.nc", expected, features.digest())
            self._features[filesuffix] = features
        return self._features[filesuffix]

    def height_bounds(self) -> tuple[float, float]:
        """Lowest and highest height that tables must cover, m."""
        low, high = self._known.fact("heights", height_files(self.gdir), lambda: height_bounds(self.gdir))
        return low, high

    def _require_unchanged(self, file: str, expected: str, found: str) -> None:
        if found != expected:
            raise InvalidWorkflowError(
                f"{self.gdir.rgi_id}: {file} has changed since the mass-balance model was made; make a new one"
            )
