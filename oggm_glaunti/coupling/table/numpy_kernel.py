"""The kernel of the height-year table in NumPy.

It serves workers in which JAX must not start, daily balances, and as an independent check of the JAX kernel: the same
equations as :mod:`oggm_glaunti.core.temperature_index` (Maslov et al. 2026, model A), in float64 and a plain loop.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from oggm_glaunti.core.parameters import SPLIT_DAY


class DayAtHeights(NamedTuple):
    """One day at all heights, m w.e. and K day."""

    smb: np.ndarray
    solid_prcp: np.ndarray
    pdd: np.ndarray
    swe: np.ndarray
    snow_melt: np.ndarray


class MonthParameters(NamedTuple):
    """Parameters of one month at all heights (or scalars), physical units, corrections and tuning applied."""

    prec_scale: np.ndarray
    ddf_snow: np.ndarray
    ddf_relative_ice: np.ndarray
    snow_to_rain_steepness: float
    snow_to_rain_centre: np.ndarray
    snow_depletion_steepness: float
    snow_depletion_centre: float
    t_softplus_sharpness: float
    swe_softplus_sharpness: float
    t_pos_shift: np.ndarray


def _snowfall_and_degrees(p: MonthParameters, temp: np.ndarray, prcp: float) -> tuple[np.ndarray, np.ndarray]:
    """Snowfall (m w.e., prec_scale applied) and positive degrees (K day)."""
    snowfall = p.prec_scale * prcp / (1.0 + np.exp(-p.snow_to_rain_steepness * (p.snow_to_rain_centre - temp)))
    # logaddexp(x, 0) is the softplus log(1 + exp(x)) without overflow, also below.
    return snowfall, np.logaddexp(p.t_softplus_sharpness * (temp + p.t_pos_shift), 0.0) / p.t_softplus_sharpness


def smooth_day_numpy(p: MonthParameters, swe: np.ndarray, temp: np.ndarray, prcp: float) -> DayAtHeights:
    """One day of model A with weight 1.

    Parameters
    ----------
    p : MonthParameters
    swe : array (N,)
        m w.e.
    temp : array (N,)
        degC
    prcp : float
        m w.e. day-1

    Returns
    -------
    DayAtHeights
    """
    solid, pdd = _snowfall_and_degrees(p, temp, prcp)
    power = (np.maximum(swe, 1e-9) / p.snow_depletion_centre) ** p.snow_depletion_steepness
    covered = power / (1.0 + power)
    snow_melt = p.ddf_snow * pdd * covered
    ice_melt = p.ddf_snow * p.ddf_relative_ice * pdd * (1.0 - covered)
    swe = np.logaddexp(p.swe_softplus_sharpness * (swe + solid - snow_melt), 0.0) / p.swe_softplus_sharpness
    return DayAtHeights(solid - snow_melt - ice_melt, solid, pdd, swe, snow_melt)


def mass_conserving_day_numpy(p: MonthParameters, swe: np.ndarray, temp: np.ndarray, prcp: float) -> DayAtHeights:
    """One day in which the change of SWE is snowfall less snow melt; arguments as :func:`smooth_day_numpy`.

    Along the depletion curve ``1 - exp(-swe / s)`` the energy of a day shrinks ``exp(swe / s) - 1`` by
    ``exp(-energy / s)``.
    """
    solid, pdd = _snowfall_and_degrees(p, temp, prcp)
    snow, energy, scale = swe + solid, p.ddf_snow * pdd, p.snow_depletion_centre / np.log(2.0)
    # log(1 + (exp(x) - 1) exp(-y)), x for the snow and y for the energy, without overflow.
    with np.errstate(divide="ignore"):  # no snow at all: log(0) is the right limit
        left = np.logaddexp(0.0, snow / scale + np.log(-np.expm1(-snow / scale)) - energy / scale)
    swe = scale * left
    snow_melt = snow - swe
    smb = solid - snow_melt - p.ddf_relative_ice * (energy - snow_melt)
    return DayAtHeights(smb, solid, pdd, swe, snow_melt)


NUMPY_DAYS = {"smooth": smooth_day_numpy, "mass_conserving": mass_conserving_day_numpy}
"""The days by name, see :data:`oggm_glaunti.core.temperature_index.DAYS`."""


def water_of_day(
    p: MonthParameters, variant: str, swe: np.ndarray, prcp: float, day: DayAtHeights
) -> dict[str, np.ndarray]:
    """Return the water of a day that has been run, as :func:`oggm_glaunti.core.hydro.components_of_day` names it.

    Parameters
    ----------
    p : MonthParameters
    variant : str
        name of the day
    swe : array (N,)
        snow at the beginning of the day, m w.e.
    prcp : float
        m w.e. day-1
    day : DayAtHeights
        what the day made of it
    """
    rain = np.maximum(p.prec_scale * prcp - day.solid_prcp, 0.0)
    melt = np.maximum(day.solid_prcp - day.smb, 0.0)
    water = {"snowfall": day.solid_prcp, "rain": rain, "melt": melt, "swe": day.swe}
    if variant != SPLIT_DAY:
        return water
    bare, bare_before = (np.exp2(-snow / p.snow_depletion_centre) for snow in (day.swe, swe + day.solid_prcp))
    ice_melt = np.maximum(melt - day.snow_melt, 0.0)
    parts = {"snow_melt": day.snow_melt, "ice_melt": ice_melt, "snow_cover": 1.0 - bare}
    return {**water, **parts, "rain_on_snow": rain * (1.0 - bare_before)}
