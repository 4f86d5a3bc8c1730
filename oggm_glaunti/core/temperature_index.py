"""One day of the smooth temperature index (model A) and of its relatives.

All functions map a day's weather and the snow at hand to the snow left and the balance of the day; they work on any
spatial shape, including none. Equations: Maslov et al. 2026 (doi 10.5194/egusphere-2026-515), section on model A.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpy.typing
from jaxtyping import Float

from oggm_glaunti.core.arrays import AnyArray, Field
from oggm_glaunti.core.elementary import LN_2, decay, hill, log1p_of_share, sigmoid, softplus, softplus_quotient
from oggm_glaunti.core.parameters import PARAMETERS, STORED_NAMES, stored_numbers


def solid_prcp(params: TIParameters, temp: Field, prcp: Field) -> Field:
    """Solid part of the precipitation, before ``prec_scale``; units of `prcp`."""
    return prcp * sigmoid(params.snow_to_rain_steepness * (params.snow_to_rain_centre - temp))


def positive_temp(params: TIParameters, temp: Field) -> Field:
    """Smooth positive part of temperature: the positive degree days of one day, K day."""
    return softplus_quotient(temp + params.t_pos_shift, params.t_softplus_sharpness)


def snow_cover(params: TIParameters, swe: Field) -> Field:
    """Snow-covered fraction of the surface (Hill curve of SWE), 0 to 1."""
    # swe is positive up to rounding; the floor keeps the power's gradient finite at zero.
    return hill(jnp.maximum(swe, 1e-9), params.snow_depletion_centre, params.snow_depletion_steepness)


def smooth_day(params: TIParameters, swe: Field, temp: Field, prcp: Field, weight: Field) -> tuple[Field, Field]:
    """One day of model A.

    Parameters
    ----------
    params : TIParameters
    swe : array (...)
        snow at the beginning of the day, m w.e.
    temp : array (...)
        mean temperature of the day, degC
    prcp : array (...)
        precipitation of the day, m w.e.
    weight : array ()
        1, or 0.5 on the first and last day of a season run by itself

    Returns
    -------
    (swe, smb) : arrays (...)
        snow at the end of the day and the day's balance, m w.e.

    Notes
    -----
    The softplus of SWE makes mass from nothing (a year at -20 degC without precipitation ends with 0.3 m w.e. of snow)
    and keeps a little snow under any melt. This is how the published weights were trained; see
    :func:`mass_conserving_day` for the alternative.

    Examples
    --------
    >>> swe, smb = smooth_day(ti_weights().resolve(), jnp.array(0.5), jnp.array(-5.0), jnp.array(0.01), jnp.array(1.0))
    >>> round(float(smb), 4)
    0.014
    """
    fraction = snow_cover(params, swe)
    accumulation = params.prec_scale * solid_prcp(params, temp, prcp)
    energy = params.ddf_snow * positive_temp(params, temp)
    snow_melt = energy * fraction
    ice_melt = params.ddf_relative_ice * energy * (1.0 - fraction)
    swe = softplus(swe + weight * (accumulation - snow_melt), params.swe_softplus_sharpness)
    return swe, weight * (accumulation - snow_melt - ice_melt)


def mass_conserving_day(
    params: TIParameters, swe: Field, temp: Field, prcp: Field, weight: Field
) -> tuple[Field, Field]:
    """One day in which the change of SWE is exactly snowfall minus snow melt; arguments as :func:`smooth_day`.

    The snow of the day falls first. What is at hand then melts along the depletion curve ``1 - exp(-swe / s)``, the
    covered fraction of the surface, with ``s = snow_depletion_centre / log(2)``, so that half of the surface is covered
    at the centre; the rest of the energy melts ice. The curve is integrated exactly over the day's energy ``p`` (m w.e.
    of snow): ``exp(swe / s) - 1`` shrinks by ``exp(-p / s)``.

    Notes
    -----
    Never more melts than there is, SWE reaches zero, and ice under snow much deeper than ``s`` does not melt. Two half
    days melt what one day melts. `snow_depletion_steepness` and `swe_softplus_sharpness` have no effect, and the
    published parameters do not fit: the variant needs a calibration of its own.
    """
    snowfall, snow_melt, ice_melt = mass_conserving_fluxes(params, swe, temp, prcp, weight)
    return swe + snowfall - snow_melt, snowfall - snow_melt - ice_melt


def mass_conserving_fluxes(
    params: TIParameters, swe: Field, temp: Field, prcp: Field, weight: Field
) -> tuple[Field, Field, Field]:
    """Snowfall, snow melt and ice melt of :func:`mass_conserving_day`, m w.e.; none is ever negative."""
    snowfall = weight * params.prec_scale * solid_prcp(params, temp, prcp)
    potential = weight * params.ddf_snow * positive_temp(params, temp)
    snow_melt = depletion_melt(swe + snowfall, potential, params.snow_depletion_centre)
    return snowfall, snow_melt, params.ddf_relative_ice * (potential - snow_melt)


def depletion_melt(swe: Field, potential: Field, centre: Field) -> Field:
    """Snow that a day's energy melts along the depletion curve of :func:`mass_conserving_day`.

    Parameters
    ----------
    swe : array (...)
        snow at hand, m w.e.
    potential : array (...)
        what the energy would melt if all were snow, m w.e.
    centre : array (...)
        SWE at which half of the surface is covered, m w.e.

    Returns
    -------
    array (...)
        m w.e.; at most the smaller of the two

    Examples
    --------
    >>> [round(float(depletion_melt(jnp.float32(swe), 0.02, 0.03)), 4) for swe in (1.0, 0.05, 0.01)]
    [0.02, 0.0127, 0.0034]
    """
    scale = centre / LN_2
    less = jnp.minimum(swe, potential)
    # The difference to the lesser, in a form that neither overflows nor cancels, and is smooth if the two are equal:
    # 1 - exp(-x) is 2 t / (1 + t), t = tanh(x / 2).
    half = jnp.tanh(0.5 * less / scale)
    kept = decay(jnp.abs(swe - potential) / scale) * (2.0 * half / (1.0 + half))
    return less - scale * log1p_of_share(kept)


def classical_solid_prcp(params: TIParameters, temp: Field, prcp: Field) -> Field:
    """Solid part of the precipitation in the classical model: linear over ``4 / steepness`` kelvin."""
    length = 4.0 / params.snow_to_rain_steepness
    left = params.snow_to_rain_centre - 0.5 * length
    return prcp * (1.0 - jnp.clip((temp - left) / length, 0.0, 1.0))


def classical_positive_temp(params: TIParameters, temp: Field) -> Field:
    """Positive part of temperature in the classical model, K day."""
    return jnp.maximum(temp + params.t_pos_shift, 0.0)


def classical_day(params: TIParameters, swe: Field, temp: Field, prcp: Field, weight: Field) -> tuple[Field, Field]:
    """One day of the classical temperature index: arguments as :func:`smooth_day`.

    Rain and snow mix linearly between ``centre - 2 / steepness`` and ``centre + 2 / steepness``, melt starts sharply at
    0 degC, and the surface is snow covered where SWE exceeds ``snow_depletion_centre``.
    """
    solid = classical_solid_prcp(params, temp, prcp)
    energy = params.ddf_snow * classical_positive_temp(params, temp)
    covered = (swe > params.snow_depletion_centre).astype(swe.dtype)
    accumulation = params.prec_scale * solid
    snow_melt = energy * covered
    ice_melt = params.ddf_relative_ice * energy * (1.0 - covered)
    swe = jnp.maximum(0.0, swe + weight * (accumulation - snow_melt))
    return swe, weight * (accumulation - snow_melt - ice_melt)


def single_factor_day(params: TIParameters, swe: Field, temp: Field, prcp: Field, weight: Field) -> tuple[Field, Field]:
    """One day with a single degree-day factor and no snow: arguments as :func:`smooth_day`, `swe` passes through.

    The factor is the mean of those of snow and ice.
    """
    factor = 0.5 * params.ddf_snow * (1.0 + params.ddf_relative_ice)
    accumulation = params.prec_scale * solid_prcp(params, temp, prcp)
    return swe, weight * (accumulation - factor * positive_temp(params, temp))


@dataclass(frozen=True)
class Day:
    """A day of the temperature index: its equations, carried by the parameters they are meant for.

    Attributes
    ----------
    name : str
        key in :data:`DAYS`
    run : callable
        ``(params, swe, temp, prcp, weight) -> (swe, smb)``, see :func:`smooth_day`
    solid_prcp, positive_temp : callables
        ``(params, temp, prcp)`` and ``(params, temp)``: snowfall and positive degree days as this day counts them
    """

    name: str
    run: Callable[[TIParameters, Field, Field, Field, Field], tuple[Field, Field]]
    solid_prcp: Callable[[TIParameters, Field, Field], Field] = solid_prcp
    positive_temp: Callable[[TIParameters, Field], Field] = positive_temp


SMOOTH = Day("smooth", smooth_day)
"""The day of model A, on which the corrections of models C and D were trained."""
DAYS = {
    day.name: day
    for day in (
        SMOOTH,
        Day("mass_conserving", mass_conserving_day),
        Day("classical", classical_day, classical_solid_prcp, classical_positive_temp),
        Day("single_factor", single_factor_day),
    )
}
"""All days, by the name that users give as ``variant``."""


class TIParameters(eqx.Module):
    """Temperature-index parameters in physical units; any of them may be a field of the spatial shape.

    Attributes
    ----------
    prec_scale : array (...)
        factor on precipitation, 1
    ddf_snow : array (...)
        degree-day factor of snow, m w.e. K-1 day-1
    ddf_relative_ice : array (...)
        degree-day factor of ice over that of snow, 1
    snow_to_rain_steepness : array (...)
        K-1
    snow_to_rain_centre : array (...)
        temperature at which half of the precipitation is snow, degC
    snow_depletion_steepness : array (...)
        exponent of the Hill curve, 1
    snow_depletion_centre : array (...)
        SWE at which half of the surface is snow covered, m w.e.
    t_softplus_sharpness : array (...)
        sharpness of the smooth positive part of temperature, K-1
    swe_softplus_sharpness : array (...)
        sharpness of the smooth positive part of SWE, (m w.e.)-1
    t_pos_shift : array (...)
        shift of temperature in the positive part, K; 0 in model A, the fifth correction in models C and D
    day : Day
        equations of a day
    """

    prec_scale: Field
    ddf_snow: Field
    ddf_relative_ice: Field
    snow_to_rain_steepness: Field
    snow_to_rain_centre: Field
    snow_depletion_steepness: Field
    snow_depletion_centre: Field
    t_softplus_sharpness: Field
    swe_softplus_sharpness: Field
    t_pos_shift: Field
    day: Day = eqx.field(static=True, default=SMOOTH)


class TIWeights(eqx.Module):
    """The nine stored numbers of model A: logarithms if the parameter must stay positive.

    The last two are fixed in the published training; all others were trained. ``resolve`` gives physical units.
    Fields are in the order of the published weight files; `day`, the equations of a day, is not stored.
    """

    ddf_relative_ice_minus_one_log: Float[AnyArray, ""]
    ddf_snow_log: Float[AnyArray, ""]
    prec_scale_log: Float[AnyArray, ""]
    snow_depletion_centre_log: Float[AnyArray, ""]
    snow_depletion_steepness_log: Float[AnyArray, ""]
    snow_to_rain_centre: Float[AnyArray, ""]
    snow_to_rain_steepness_log: Float[AnyArray, ""]
    swe_softplus_sharpness_log: Float[AnyArray, ""]
    t_softplus_sharpness_log: Float[AnyArray, ""]
    day: Day = eqx.field(static=True, default=SMOOTH)

    def resolve(self) -> TIParameters:
        """Return the parameters in physical units.

        Returns
        -------
        TIParameters
            of scalars

        Examples
        --------
        >>> round(float(ti_weights().resolve().ddf_relative_ice), 6)
        1.5
        """
        values = {p.name: p.physical(getattr(self, p.stored_name), jnp.exp) for p in PARAMETERS}
        return TIParameters(**values, t_pos_shift=jnp.zeros_like(self.prec_scale_log), day=self.day)


T = TypeVar("T", TIWeights, TIParameters)


def with_day(ti: T, variant: str) -> T:
    """Return the same weights or parameters with another day.

    Parameters
    ----------
    ti : TIWeights or TIParameters
    variant : str
        a key of :data:`DAYS`

    Raises
    ------
    ValueError
        if there is no such day

    Examples
    --------
    >>> with_day(ti_weights(), "classical").resolve().day.name
    'classical'
    """
    if variant not in DAYS:
        raise ValueError(f"variant: expected one of {sorted(DAYS)}, found {variant!r}")
    return replace(ti, day=DAYS[variant])


def ti_weights(dtype: np.typing.DTypeLike = np.float32, **values: float) -> TIWeights:
    """Return weights of model A from values in physical units.

    Parameters
    ----------
    dtype : dtype
        of the stored numbers
    **values : float
        parameters that are not to have their value before calibration; names and units as in
        :data:`~oggm_glaunti.core.parameters.PARAMETERS`

    Raises
    ------
    ValueError
        if a name is unknown or a value cannot be stored

    Examples
    --------
    >>> round(float(ti_weights(ddf_snow=0.006).resolve().ddf_snow), 6)
    0.006
    """
    stored = stored_numbers({**{p.name: p.default for p in PARAMETERS}, **values})
    return ti_from_stored(stored, dtype)


def ti_from_stored(stored: Mapping[str, float], dtype: np.typing.DTypeLike = np.float32) -> TIWeights:
    """Return weights of model A from the stored numbers by name; NumPy only: making weights must not start JAX."""
    numbers: dict[str, Any] = {name: np.asarray(stored[name], dtype) for name in STORED_NAMES}
    return TIWeights(**numbers)
