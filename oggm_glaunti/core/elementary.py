"""The few transcendental functions of the temperature index, cheap in float32.

A day at a point costs four exponentials, three logarithms and as many divisions; they are nearly all of a run's time.
In float32 they are taken here from short polynomials, good to 2e-7 (relative for the exponential, absolute for the
logarithms), some two to four times faster than XLA's own. In any other precision the exact functions of JAX are used.
All are differentiable in both modes; their derivatives are written down, not taken through the polynomials.

The polynomials are least-squares fits at Chebyshev nodes of the interval named beside each; their coefficients are the
shortest decimal numbers that are exact in float32.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Int

from oggm_glaunti.core.arrays import AnyArray, Field

LOG2_E = 1.0 / math.log(2.0)
LN_2 = math.log(2.0)

# 2 ** x for x in [-0.5, 0.5].
_EXP2 = (1.0000001, 0.6931472, 0.24022107, 0.05550327, 0.009676037, 0.0013400433)
# log2(1 + z) / z for z in [sqrt(0.5) - 1, sqrt(2) - 1].
_LOG2 = (1.4426949, -0.72135276, 0.48092404, -0.36024198, 0.2870756, -0.24882181, 0.23420985, -0.14620353)
# log(1 + u) / u for u in [0, 1]: a polynomial, and a quotient of two.
_LOG1P = (0.9999998, -0.4999745, 0.33276176, -0.24499612, 0.17757024, -0.10785368, 0.044214193, -0.008574676)
_LOG1P_OVER = (0.99999297, 0.5759581, 0.017268458)
_LOG1P_UNDER = (1.0, 1.0758256, 0.222704)

# Exponents of two beyond which a sigmoid is 0 or 1; far enough from the ends of float32 that slopes stay finite, too.
_FAR = 100.0
# 1.5 * 2 ** 23: added to a float32 of moderate size it leaves the nearest integer in the last bits.
_ROUNDER = 12582912.0
_ROUNDER_BITS = 0x4B400000
# Bits of sqrt(0.5): with them subtracted, the exponent field counts octaves from there.
_SQRT_HALF_BITS = 0x3F3504F3
_MANTISSA_BITS = 23
_EXPONENT_BIAS = 127


def _polynomial(coefficients: tuple[float, ...], x: Field) -> Field:
    value = jnp.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value


def _is_cheap(*arguments: Field) -> bool:
    # Of all arguments: a float64 parameter makes a float64 result, whose bits the functions below do not know.
    return jnp.result_type(*arguments) == jnp.float32


def _power_of_two(exponent: Int[AnyArray, "..."]) -> Field:
    """``2 ** exponent`` as float32, for exponents within [-126, 127]."""
    return jax.lax.bitcast_convert_type((exponent + _EXPONENT_BIAS) << _MANTISSA_BITS, jnp.float32)


# What is read from bits is constant between jumps, and the rest is plain arithmetic: so derivatives of any order are
# right also if JAX differentiates these bodies (in a reverse pass it forgets the rules below for the next one).


def _exp2_of(y: Field) -> Field:
    """``2 ** y`` for float32 within [-126, 127]."""
    nearest = jax.lax.bitcast_convert_type(y + _ROUNDER, jnp.int32) - _ROUNDER_BITS
    return _polynomial(_EXP2, y - nearest.astype(jnp.float32)) * _power_of_two(nearest)


def _log2_of(x: Field) -> Field:
    """``log2 x`` for positive, normal float32."""
    exponent = (jax.lax.bitcast_convert_type(x, jnp.int32) - _SQRT_HALF_BITS) >> _MANTISSA_BITS
    z = x * _power_of_two(-exponent) - 1.0
    return exponent.astype(jnp.float32) + z * _polynomial(_LOG2, z)


@jax.custom_jvp
def sigmoid(x: Field) -> Field:
    """``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> round(float(sigmoid(jnp.float32(1.0))), 5)
    0.73106
    """
    if not _is_cheap(x):
        return jax.nn.sigmoid(x)
    return 1.0 / (1.0 + _exp2_of(jnp.clip(x * -LOG2_E, -_FAR, _FAR)))


sigmoid.defjvps(lambda dx, value, x: value * (1.0 - value) * dx)


@jax.custom_jvp
def softplus(x: Field, sharpness: Field) -> Field:
    """``log(1 + exp(sharpness x)) / sharpness``, the smooth positive part; units of `x`.

    Examples
    --------
    >>> round(float(softplus(jnp.float32(0.0), jnp.float32(10.0))), 5)
    0.06931
    """
    if not _is_cheap(x, sharpness):
        return jax.nn.softplus(sharpness * x) / sharpness
    u = _exp2_of(jnp.maximum(jnp.abs(x) * (-LOG2_E * sharpness), -_FAR))
    return jnp.maximum(x, 0.0) + u * _polynomial(_LOG1P, u) / sharpness


@jax.custom_jvp
def softplus_quotient(x: Field, sharpness: Field) -> Field:
    """Compute the same function as :func:`softplus`, ending in a division.

    XLA repeats cheap work in every loop that needs its result, but never a division: if two results of a day depend
    on the value, this form is computed once.
    """
    if not _is_cheap(x, sharpness):
        return jax.nn.softplus(sharpness * x) / sharpness
    u = _exp2_of(jnp.maximum(jnp.abs(x) * (-LOG2_E * sharpness), -_FAR))
    under = _polynomial(_LOG1P_UNDER, u)
    return (jnp.maximum(x, 0.0) * under + u * _polynomial(_LOG1P_OVER, u) * (1.0 / sharpness)) / under


@jax.custom_jvp
def softplus_with_slope(x: Field, sharpness: Field) -> tuple[Field, Field]:
    """:func:`softplus` and its derivative by `x`, from the same exponential."""
    if not _is_cheap(x, sharpness):
        return jax.nn.softplus(sharpness * x) / sharpness, jax.nn.sigmoid(sharpness * x)
    u = _exp2_of(jnp.maximum(jnp.abs(x) * (-LOG2_E * sharpness), -_FAR))
    under = 1.0 / (1.0 + u)
    value = jnp.maximum(x, 0.0) + u * _polynomial(_LOG1P, u) / sharpness
    return value, jnp.where(x > 0, under, u * under)


@softplus_with_slope.defjvp
def _softplus_with_slope_jvp(primals, tangents):
    (x, sharpness), (dx, dsharpness) = primals, tangents
    value, slope = softplus_with_slope(x, sharpness)
    dvalue = slope * dx + (x * slope - value) / sharpness * dsharpness
    return (value, slope), (dvalue, slope * (1.0 - slope) * (sharpness * dx + x * dsharpness))


def _softplus_jvp(function):
    def jvp(primals, tangents):
        x, sharpness = primals
        value, slope = function(x, sharpness), sigmoid(sharpness * x)
        return value, slope * tangents[0] + (x * slope - value) / sharpness * tangents[1]

    return jvp


softplus.defjvp(_softplus_jvp(softplus))
softplus_quotient.defjvp(_softplus_jvp(softplus_quotient))


@jax.custom_jvp
def decay(x: Field) -> Field:
    """``exp(-x)`` for `x` from 0 up.

    Examples
    --------
    >>> round(float(decay(jnp.float32(1.0))), 5)
    0.36788
    """
    if not _is_cheap(x):
        return jnp.exp(-x)
    return _exp2_of(jnp.maximum(x * -LOG2_E, -_FAR))


decay.defjvps(lambda dx, value, x: -value * dx)


@jax.custom_jvp
def log1p_of_share(x: Field) -> Field:
    """``log(1 + x)`` for `x` from 0 to 1; the relative error of small ones is small, too.

    Examples
    --------
    >>> round(float(log1p_of_share(jnp.float32(1.0))), 5)
    0.69315
    """
    if not _is_cheap(x):
        return jnp.log1p(x)
    return x * _polynomial(_LOG1P, x)


log1p_of_share.defjvps(lambda dx, value, x: dx / (1.0 + x))


@jax.custom_jvp
def hill(x: Field, centre: Field, exponent: Field) -> Field:
    """``x**n / (x**n + centre**n)`` for positive `x`: 0 far below the centre, a half at it, 1 far above.

    Examples
    --------
    >>> round(float(hill(jnp.float32(0.06), jnp.float32(0.03), jnp.float32(2.0))), 5)
    0.8
    """
    if not _is_cheap(x, centre, exponent):
        # As a sigmoid of the logarithm the power cannot overflow.
        return jax.nn.sigmoid(exponent * jnp.log(x / centre))
    power = exponent * (jnp.log2(jnp.asarray(centre, jnp.float32)) - _log2_of(x))
    return 1.0 / (1.0 + _exp2_of(jnp.clip(power, -_FAR, _FAR)))


@hill.defjvp
def _hill_jvp(primals, tangents):
    x, centre, exponent = primals
    dx, dcentre, dexponent = tangents
    value = hill(x, centre, exponent)
    inner = exponent * (dx / x - dcentre / centre) + jnp.log(x / centre) * dexponent
    return value, value * (1.0 - value) * inner
