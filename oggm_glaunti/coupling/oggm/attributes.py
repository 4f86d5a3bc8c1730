"""The names by which OGGM asks a mass-balance model about itself."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from oggm import cfg
from oggm.core.massbalance import MassBalanceModel
from oggm.exceptions import InvalidParamsError

from oggm_glaunti import settings
from oggm_glaunti.core.units import DAYS_PER_MONTH
from oggm_glaunti.coupling.oggm.messages import warn_once
from oggm_glaunti.coupling.oggm.versions import HAS_SETTINGS

settings.register()
log = logging.getLogger(__name__)

_USUAL = {"hydro_month_nh": 10, "hydro_month_sh": 4}
# Parameters that OGGM's users turn, and what does what they expect of them.
_WITHOUT_EFFECT = {
    "use_winter_prcp_fac": "calibrate_glaunti estimates prcp_fac; or give it to the model",
    "use_temp_bias_from_file": "turn temp_bias with calibrate_glaunti(order=), or give it to the model",
    **dict.fromkeys(_USUAL, "its mass-balance years begin in October, in the south in April, as in its training"),
}


class OGGMAttributes(MassBalanceModel):
    """What OGGM's tasks read of their own MonthlyTIModel, for a model with `ti`, `melt_f`, `ys` and `ye`."""

    def _set_temperature_globals(self) -> None:
        """Set OGGM's names of temperature parameters to the values they have in GlaUnTI."""
        centre = float(self.ti.snow_to_rain_centre)
        half_width = 2.0 / float(np.exp(self.ti.snow_to_rain_steepness_log))
        self.temp_all_solid, self.temp_all_liq = centre - half_width, centre + half_width
        self.temp_melt = 0.0
        self.t_solid, self.t_liq, self.t_melt = self.temp_all_solid, self.temp_all_liq, self.temp_melt

    @property
    def monthly_melt_f(self) -> Any:
        """Degree-day factor of snow over OGGM's mean month, kg m-2 month-1 K-1."""
        return self.melt_f * DAYS_PER_MONTH

    def __repr__(self) -> str:
        """OGGM's summary, with the tunable parameters and the bias."""
        numbers = {"bias": self.bias, **vars(self.tunable_params())}
        return "\n".join([super().__repr__().rstrip(), *(f"    - {name}: {numbers[name]}" for name in numbers), ""])

    def _set_conventions(self, temp_melt: float | None, use_leap_years: bool) -> None:
        """Set density and calendar, and refuse what the model cannot follow.

        Raises
        ------
        InvalidParamsError
            if a threshold of melt, leap years where OGGM has none, or a parameter that is read from ``cfg.PARAMS`` only
            is asked for
        """
        gdir = self.gdir
        if temp_melt:
            raise InvalidParamsError(
                f"{gdir.rgi_id}: temp_melt is {temp_melt}: GlaUnTI's melt law is smooth and has no threshold; use "
                "temp_bias to shift its temperatures"
            )
        if use_leap_years and not HAS_SETTINGS:
            raise InvalidParamsError(f"{gdir.rgi_id}: use_leap_years: this version of OGGM counts 365 days in any year")
        for name, instead in _WITHOUT_EFFECT.items():
            if cfg.PARAMS.get(name, _USUAL.get(name)) not in (_USUAL.get(name), None, False):
                warn_once(log, f"cfg.PARAMS[{name!r}] has no effect on GlaUnTI: {instead}")
        self.rho = self.ice_density = self._follow_settings() if HAS_SETTINGS else cfg.PARAMS["ice_density"]
        self.use_leap_years = use_leap_years

    def _follow_settings(self) -> float:
        """Choose the directory's settings and return the density of ice in them; refuse what cannot be followed."""
        gdir = self.gdir
        gdir.settings_filesuffix = self.settings_filesuffix
        file, stored = f"{gdir.rgi_id}: settings{self.settings_filesuffix}.yml", set(gdir.settings.data)
        if refused := sorted(stored & set(settings.PARAMS)):
            raise InvalidParamsError(
                f"{file} holds {', '.join(refused)}: GlaUnTI's own parameters are read from cfg.PARAMS, set them there"
            )
        if unused := sorted(stored & {"temp_melt", "temp_all_solid", "temp_all_liq", "temp_default_gradient"}):
            warn_once(
                log,
                f"{file} holds {', '.join(unused)}, which GlaUnTI does not use: its thresholds are the weights' "
                "or a fit's, its lapse rate is cfg.PARAMS['glaunti_temp_gradient']",
            )
        return gdir.settings["ice_density"]

    def is_year_valid(self, year: float) -> bool:
        """Whether the climate covers the year, or the month or day of a year with a fraction."""
        return self.ys <= np.floor(year) <= self.ye

    def sec_in_year(self, year: float | None = None) -> float:
        """Seconds in a year as OGGM counts them: in OGGM 1.6.3 365 days, always."""
        return super().sec_in_year(year) if HAS_SETTINGS else cfg.SEC_IN_YEAR

    def sec_in_month(self, year: float | None = None) -> float:
        """Seconds in a month as OGGM counts them: in OGGM 1.6.3 a twelfth of its year."""
        return super().sec_in_month(year) if HAS_SETTINGS else cfg.SEC_IN_MONTH
