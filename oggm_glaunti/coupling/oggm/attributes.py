"""The names by which OGGM asks a mass-balance model about itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from oggm import cfg
from oggm.core.massbalance import MassBalanceModel

from oggm_glaunti import settings
from oggm_glaunti.core.units import DAYS_PER_MONTH

settings.register()


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
        """OGGM's summary, with the tunable parameters."""
        tunables = (f"    - {name}: {value}" for name, value in vars(self.tunable_params()).items())
        return "\n".join([super().__repr__().rstrip(), *tunables, ""])

    def is_year_valid(self, year: float) -> bool:
        """Whether the climate covers the year."""
        return self.ys <= year <= self.ye

    def sec_in_year(self, year: float | None = None) -> float:
        """Seconds in a year as OGGM counts them: 365 days, always."""
        del year
        return cfg.SEC_IN_YEAR

    def sec_in_month(self, year: float | None = None) -> float:
        """Seconds in a month as OGGM counts them: a twelfth of its year."""
        del year
        return cfg.SEC_IN_MONTH
