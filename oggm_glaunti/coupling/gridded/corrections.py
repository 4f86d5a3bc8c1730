"""A glacier's corrections as profiles by height, one per mass-balance year.

They come from the daily record with all tunable parameters at zero effect: no later setting changes them.
"""

from __future__ import annotations

import logging

import numpy as np
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.gridded.model import GriddedModel
from oggm_glaunti.coupling.gridded.periods import Period, require_mass_balance_years
from oggm_glaunti.coupling.weather.file import DailyClimate

log = logging.getLogger(__name__)

MODES = ("auto", "yearly", "climatology", "off")


def resolve_mode(mode: str, model_name: str, climate_source: str) -> str:
    """Resolve ``auto`` to the use of the corrections under this weather.

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


def climatological_fields(gridded: GriddedModel, hemisphere: str) -> np.ndarray:
    """Average the corrections on the grid over all full mass-balance years, array (5, H, W): the climatology."""
    periods = correction_years(gridded.climate, hemisphere, gridded.rgi_id)
    return np.asarray(np.mean(gridded.corrections(periods), axis=0, dtype=np.float64), np.float32)


def correction_years(climate: DailyClimate, hemisphere: str, rgi_id: str) -> list[Period]:
    """Return the full mass-balance years of a record, each of which has corrections, or raise InvalidWorkflowError."""
    remedy = ". The corrector needs at least two calendar years of daily weather (or ask for corrector='off')."
    return require_mass_balance_years(climate, hemisphere, rgi_id, remedy)
