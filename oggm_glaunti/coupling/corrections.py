"""A glacier's corrections as profiles by height, one per mass-balance year.

They always come from the daily record with all knobs at zero effect, so they depend on nothing a user turns later.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from oggm.exceptions import InvalidParamsError

from oggm_glaunti import settings
from oggm_glaunti.core.units import ELEVATION_NORM, PRCP_NORM
from oggm_glaunti.coupling.climate import DailyClimate
from oggm_glaunti.coupling.features import Features
from oggm_glaunti.coupling.gridded import GriddedModel, mean_corrections
from oggm_glaunti.coupling.periods import Period, require_mass_balance_years

log = logging.getLogger(__name__)

MODES = ("auto", "yearly", "climatology", "off")

# Corrector inputs met in training: highest cell (m) and wettest day (m w.e.) are the normalisation constants of the
# published weights, the sides of the rectangle (cells) those of the published list of training glaciers.
TRAINING_ELEVATION, TRAINING_PRCP = ELEVATION_NORM, PRCP_NORM
TRAINING_SIDES = (28, 575)

_warned: set[str] = set()


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
        """Corrections at other heights (K, 5, N): linear between the bands, the nearest band beyond."""
        flat = [np.interp(heights, self.heights, row) for row in self.ds.reshape(-1, self.heights.size)]
        return np.asarray(flat, np.float32).reshape(*self.ds.shape[:2], len(heights))

    def climatology(self) -> BandCorrections:
        """The mean over all years, as a single year."""
        mean = self.ds.mean(axis=0, keepdims=True, dtype=np.float64)
        return BandCorrections(self.years[:1], self.heights, mean.astype(np.float32))


def resolve_mode(mode: str, model_name: str, climate_source: str) -> str:
    """What ``auto`` means here.

    Parameters
    ----------
    mode : str
        ``auto``, ``yearly``, ``climatology`` or ``off``
    model_name : str
        ``A`` has no corrector: always ``off``
    climate_source : str
        of the daily file

    Returns
    -------
    str
        ``yearly`` where the weather is ERA5-Land, with which the corrector was trained, and ``climatology`` elsewhere:
        on foreign forcing the year-to-year part of the published corrections does harm and their mean does good

    Raises
    ------
    InvalidParamsError
        for another mode

    Examples
    --------
    >>> resolve_mode("auto", "C", "GSWP3_W5E5_daily")
    'climatology'
    """
    if mode not in MODES:
        raise InvalidParamsError(f"corrector: expected one of {MODES}, found {mode!r}")
    if model_name == "A":
        return "off"
    if mode != "auto":
        return mode
    plain = climate_source.lower().replace("-", "").replace("_", "")
    return "yearly" if plain.startswith(("era5land", "era5l")) else "climatology"


def corrections_digest(climate_sha256: str, features_sha256: str, weights_sha256: str, hemisphere: str) -> str:
    """Digest of everything the corrections are made from."""
    numerics = f"{settings.NUMERICS_VERSION} {settings.param('glaunti_temp_gradient')!r} {hemisphere}"
    parts = [climate_sha256, features_sha256, weights_sha256, numerics]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def compute_corrections(
    model: Any, climate: DailyClimate, features: Features, hemisphere: str, rgi_id: str
) -> BandCorrections:
    """Run the corrector over all full mass-balance years of a record and average it over elevation bands.

    Parameters
    ----------
    model : GlaUnTI
        C or D
    climate : DailyClimate
        where it has several realisations, the corrections are the mean of theirs
    features : Features
    hemisphere : {'nh', 'sh'}
    rgi_id : str
        named in errors

    Raises
    ------
    InvalidWorkflowError
        where the record holds no full mass-balance year
    """
    periods = correction_years(climate, hemisphere, rgi_id)
    warn_about_inputs(model, climate, features, rgi_id)
    of_each = []
    for one in climate.realisations:
        gridded = GriddedModel(model, one, features, rgi_id)
        of_each.append([_band_means(result.ds, gridded.columns) for result in gridded.run(periods)])
    ds = of_each[0] if len(of_each) == 1 else np.mean(of_each, axis=0, dtype=np.float64)
    heights = gridded.columns.band_height.astype(np.float64)
    return BandCorrections(np.array([p.year for p in periods]), heights, np.asarray(ds, np.float32))


def climatological_fields(gridded: GriddedModel, hemisphere: str) -> np.ndarray:
    """Mean over all full mass-balance years of the corrections on the grid, array (5, H, W)."""
    return mean_corrections(gridded, correction_years(gridded.climate, hemisphere, gridded.rgi_id))


def correction_years(climate: DailyClimate, hemisphere: str, rgi_id: str) -> list[Period]:
    """Full mass-balance years of a record, for each of which there are corrections, or InvalidWorkflowError."""
    remedy = ". The corrector needs at least two calendar years of daily weather (or ask for corrector='off')."
    return require_mass_balance_years(climate, hemisphere, rgi_id, remedy)


def _band_means(ds: np.ndarray, columns: Any) -> np.ndarray:
    """Corrections (5, H, W) averaged over the glacier's cells of each band (5, B)."""
    on_glacier = ds[:, columns.rows, columns.cols].astype(np.float64)
    sums = np.stack([np.bincount(columns.band, row) for row in on_glacier])
    return (sums / columns.band_count).astype(np.float32)


def warn_about_inputs(model: Any, climate: DailyClimate, features: Features, rgi_id: str) -> None:
    """Warn in the log where the corrector's inputs are not what it was trained on."""
    if model.name == "D" and features.facies is None:
        log.warning("(%s) model D runs without facies: glaunti_features was given no map, all bands are -1", rgi_id)
    warn_outside_training(climate, features, rgi_id)


def warn_outside_training(climate: DailyClimate, features: Features, rgi_id: str) -> list[str]:
    """Warn in the log, once per glacier and process, where inputs leave the range met in training.

    Returns
    -------
    list of str
        what is outside, with numbers
    """
    highest, wettest, sides = float(features.elevation.max()), float(climate.prcp.max()), features.shape
    outside = []
    if highest > TRAINING_ELEVATION:
        outside.append(f"elevation up to {highest:.0f} m (training: {TRAINING_ELEVATION:.0f} m)")
    if wettest > TRAINING_PRCP:
        outside.append(f"{1000 * wettest:.0f} mm on the wettest day (training: {1000 * TRAINING_PRCP:.0f} mm)")
    if min(sides) < TRAINING_SIDES[0] or max(sides) > TRAINING_SIDES[1]:
        outside.append(
            f"a grid of {sides[0]} x {sides[1]} cells (training: {TRAINING_SIDES[0]} to {TRAINING_SIDES[1]})"
        )
    if outside and rgi_id not in _warned:
        _warned.add(rgi_id)
        log.warning("(%s) the corrector's inputs leave the range it was trained on: %s", rgi_id, "; ".join(outside))
    return outside
