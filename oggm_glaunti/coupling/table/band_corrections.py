"""A glacier's corrections as profiles by height, one per mass-balance year.

They come from the daily record with all tunable parameters at zero effect: no later setting changes them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oggm_glaunti import settings
from oggm_glaunti.coupling.gridded.corrections import correction_years
from oggm_glaunti.coupling.gridded.model import GriddedModel
from oggm_glaunti.coupling.gridded.training_range import warn_about_inputs
from oggm_glaunti.coupling.ground.features import Features
from oggm_glaunti.coupling.weather.file import DailyClimate

if TYPE_CHECKING:
    from oggm_glaunti.core.glacier_columns import GlacierColumns
    from oggm_glaunti.core.glaunti import GlaUnTI


@dataclass(frozen=True)
class BandCorrections:
    """Corrections averaged over elevation bands.

    Attributes
    ----------
    years : int array (K,)
        in which the mass-balance years end
    heights : float64 array (B,)
        mean height of the glacier's cells in each band, m, rising
    ds : float32 array (K, 5, B)
    """

    years: np.ndarray
    heights: np.ndarray
    ds: np.ndarray

    def at(self, heights: np.ndarray) -> np.ndarray:
        """Interpolate the corrections to other heights (K, 5, N); beyond the bands the nearest one holds."""
        flat = [np.interp(heights, self.heights, row) for row in self.ds.reshape(-1, self.heights.size)]
        return np.asarray(flat, np.float32).reshape(*self.ds.shape[:2], len(heights))

    def climatology(self) -> BandCorrections:
        """Return the mean over all years, as a single year."""
        mean = self.ds.mean(axis=0, keepdims=True, dtype=np.float64)
        return BandCorrections(self.years[:1], self.heights, mean.astype(np.float32))


def corrections_digest(climate_sha256: str, features_sha256: str, weights_sha256: str, hemisphere: str) -> str:
    """Return the digest of everything the corrections are made from."""
    numerics = f"{settings.NUMERICS_VERSION} {settings.param('glaunti_temp_gradient')!r} {hemisphere}"
    parts = [climate_sha256, features_sha256, weights_sha256, numerics]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def compute_corrections(
    model: GlaUnTI, climate: DailyClimate, features: Features, hemisphere: str, rgi_id: str
) -> BandCorrections:
    """Run the corrector over all full mass-balance years of a record and average it over elevation bands.

    Parameters
    ----------
    model : GlaUnTI
        C or D
    climate : DailyClimate
        if it has several realisations, the corrections are the mean of theirs
    features : Features
    hemisphere : {'nh', 'sh'}
    rgi_id : str
        named in errors

    Raises
    ------
    InvalidWorkflowError
        if the record holds no full mass-balance year
    """
    periods = correction_years(climate, hemisphere, rgi_id)
    warn_about_inputs(model, climate, features, rgi_id)
    of_each = []
    for one in climate.realisations:
        gridded = GriddedModel(model, one, features, rgi_id)
        of_each.append([_band_means(ds, gridded.columns) for ds in gridded.corrections(periods)])
    ds = of_each[0] if len(of_each) == 1 else np.mean(of_each, axis=0, dtype=np.float64)
    heights = gridded.columns.band_height.astype(np.float64)
    return BandCorrections(np.array([p.year for p in periods]), heights, np.asarray(ds, np.float32))


def _band_means(ds: np.ndarray, columns: GlacierColumns) -> np.ndarray:
    """Corrections (5, H, W) averaged over the glacier's cells of each band (5, B)."""
    on_glacier = ds[:, columns.rows, columns.cols].astype(np.float64)
    sums = np.stack([np.bincount(columns.band, row) for row in on_glacier])
    return (sums / columns.band_count).astype(np.float32)
