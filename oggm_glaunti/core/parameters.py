"""The parameters of the temperature index: one table of everything that is said of each.

Parameters that must stay above a bound are stored as the logarithm of their distance to it. Weight files hold the
stored numbers in the order of :data:`STORED_NAMES`. NumPy only: making weights must not start JAX.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Parameter:
    """A parameter of the temperature index.

    Attributes
    ----------
    name : str
        as in :class:`~oggm_glaunti.core.temperature_index.TIParameters`
    unit : str
    default : float
        value before calibration: mean of the prior
    range : (float, float)
        lowest and highest credible value: wide, to catch other units and broken fits
    above : float or None
        lower bound, exclusive; None if the parameter may have any sign and is stored as it is
    prior_sd : float or None
        standard deviation of the stored number before a fit; None for parameters that stay fixed in fits and training
    """

    name: str
    unit: str
    default: float
    range: tuple[float, float]
    above: float | None = 0.0
    prior_sd: float | None = None

    @property
    def stored_name(self) -> str:
        """Name of the stored number, a field of :class:`~oggm_glaunti.core.temperature_index.TIWeights`."""
        suffix = {None: "", 0.0: "_log", 1.0: "_minus_one_log"}[self.above]
        return self.name + suffix

    @property
    def trained(self) -> bool:
        """Whether fits and training may move the parameter."""
        return self.prior_sd is not None

    def stored(self, value: float) -> float:
        """Return the stored number of a value in physical units.

        Raises
        ------
        ValueError
            if the value is not finite or not above the bound
        """
        if not np.isfinite(value) or (self.above is not None and value <= self.above):
            expected = "" if self.above is None else f" above {self.above:g}"
            raise ValueError(f"{self.name}: expected a finite number{expected}, found {value:g}")
        return float(value) if self.above is None else float(np.log(value - self.above))

    def physical(self, stored: Any, exp: Callable[[Any], Any] = np.exp) -> Any:
        """Return the value in physical units of a stored number or array; `exp` is that of NumPy or JAX.

        Examples
        --------
        >>> float(BY_NAME["ddf_relative_ice"].physical(0.0)), BY_NAME["snow_to_rain_centre"].physical(1.5)
        (2.0, 1.5)
        """
        if self.above is None:
            return stored
        return self.above + exp(stored) if self.above else exp(stored)

    def slope(self, value: float) -> float:
        """Return the derivative of the value in physical units with respect to the stored number."""
        return 1.0 if self.above is None else value - self.above


# Spread of the priors. Logarithms: 0.3 is about 30 %. Factors on precipitation differ most from place to place because
# they make up for the weather data; the ranges are those of the published finetuned models (factor 1.2 to 2.4 on
# precipitation, 0.0050 to 0.0059 m w.e. K-1 day-1, centre 2.3 to 2.8 degC) with room around them.
PARAMETERS = (
    Parameter("prec_scale", "1", 1.4, (0.01, 20.0), prior_sd=0.5),
    Parameter("ddf_snow", "m w.e. K-1 day-1", 0.0049, (1e-4, 0.1), prior_sd=0.3),
    Parameter("ddf_relative_ice", "1", 1.5, (1.0, 10.0), above=1.0, prior_sd=0.4),
    Parameter("snow_to_rain_steepness", "K-1", 1.5, (0.05, 50.0), prior_sd=0.3),
    Parameter("snow_to_rain_centre", "degC", 1.0, (-10.0, 10.0), above=None, prior_sd=0.7),
    Parameter("snow_depletion_steepness", "1", 3.0, (0.1, 50.0), prior_sd=0.3),
    Parameter("snow_depletion_centre", "m w.e.", 0.03, (1e-4, 2.0), prior_sd=0.7),
    Parameter("t_softplus_sharpness", "K-1", 10.0, (0.1, 1000.0)),
    Parameter("swe_softplus_sharpness", "(m w.e.)-1", 20.0, (0.1, 1000.0)),
)
SPLIT_DAY = "mass_conserving"
"""Name of the day that accounts for its snow: its melt of snow is melt of snow that has fallen."""
BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}
STORED_NAMES = tuple(sorted(parameter.stored_name for parameter in PARAMETERS))
"""Names of the stored numbers in the order of the weight files."""


def stored_numbers(values: Mapping[str, float]) -> dict[str, float]:
    """Return the stored numbers of all parameters, by stored name.

    Parameters
    ----------
    values : mapping
        a number in physical units for each of :data:`PARAMETERS`

    Raises
    ------
    ValueError
        if a name is missing or unknown, or a value cannot be stored (see :meth:`Parameter.stored`)
    """
    if set(values) != set(BY_NAME):
        missing, unknown = sorted(set(BY_NAME) - set(values)), sorted(set(values) - set(BY_NAME))
        raise ValueError(f"parameters: expected {', '.join(BY_NAME)}; missing: {missing}, unknown: {unknown}")
    return {BY_NAME[name].stored_name: BY_NAME[name].stored(float(value)) for name, value in values.items()}


def physical_numbers(stored: Any) -> dict[str, float]:
    """Return all parameters in physical units, by name, in float64.

    Parameters
    ----------
    stored : TIWeights
        with a number for each of :data:`STORED_NAMES`
    """
    return {p.name: float(p.physical(np.float64(getattr(stored, p.stored_name)))) for p in PARAMETERS}
