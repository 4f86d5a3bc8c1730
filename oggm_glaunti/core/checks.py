"""Errors of the numerics, in two tiers.

What is known before the computation starts raises a :class:`ValueError` that says what was expected and found. Inside
a JIT-compiled function the same check becomes :func:`equinox.error_if`, so that a NaN is never passed on. JAX does not
keep such programs on disk; those of the package are compiled from :func:`checked_before` functions.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from oggm_glaunti.core.arrays import AnyArray

A = TypeVar("A", bound=AnyArray)

_CHECKS_IN_PROGRAMS = ContextVar("_CHECKS_IN_PROGRAMS", default=True)


def checked_before(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same function, to be compiled without the checks below: whoever calls it has made them."""

    @wraps(function)
    def unchecked(*args: Any, **kwargs: Any) -> Any:
        token = _CHECKS_IN_PROGRAMS.set(False)
        try:
            return function(*args, **kwargs)
        finally:
            _CHECKS_IN_PROGRAMS.reset(token)

    return unchecked


def require_finite(name: str, values: A, days: AnyArray | None = None) -> A:
    """Return `values`, or fail and name the field if any of them is NaN or infinite.

    Parameters
    ----------
    name : str
        what the array holds, as the user knows it
    values : array (...)
    days : bool array (T,), optional
        if the leading axis is time: only these days are checked

    Raises
    ------
    ValueError
        outside JIT, with the count and the first place
    RuntimeError
        inside JIT, with the name (:func:`equinox.filter_jit` raises its own EquinoxRuntimeError)

    Examples
    --------
    >>> require_finite("temp", np.array([0.0, np.nan]))
    Traceback (most recent call last):
    ...
    ValueError: temp: 1 of 2 values are NaN or infinite, the first at index (1,). Fill or remove them first.
    """
    checked = True if days is None else days.reshape(days.shape + (1,) * (values.ndim - 1))
    if isinstance(values, jax.core.Tracer) or isinstance(days, jax.core.Tracer):
        if not _CHECKS_IN_PROGRAMS.get():
            return values
        bad = jnp.any(~jnp.isfinite(values) & checked)
        return eqx.error_if(values, bad, f"{name} holds NaN or infinite values")
    host = np.asarray(values)
    if np.isfinite(host.sum()):
        return values
    bad = ~np.isfinite(host) & np.asarray(checked)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"{name}: {int(bad.sum())} of {host.size} values are NaN or infinite, the first at index {where}. "
            "Fill or remove them first."
        )
    return values


def require_index(name: str, values: A, n: int) -> A:
    """Return `values`, or fail and name the field if any of them is no index into `n` values.

    Raises
    ------
    ValueError
        outside JIT, with the range found
    RuntimeError
        inside JIT, see :func:`require_finite`
    """
    if isinstance(values, jax.core.Tracer):
        if not _CHECKS_IN_PROGRAMS.get():
            return values
        return eqx.error_if(values, jnp.any((values < 0) | (values >= n)), f"{name} holds no indices into {n} values")
    host = np.asarray(values)
    if host.size and (host.min() < 0 or host.max() >= n):
        raise ValueError(f"{name}: expected indices from 0 to {n - 1}, found {host.min()} to {host.max()}")
    return values


def require_shape(name: str, values: A, expected: tuple[int, ...]) -> A:
    """Return `values`, or raise a ValueError that names the field, the shape expected and the shape found."""
    if tuple(values.shape) != tuple(expected):
        raise ValueError(f"{name}: expected shape {tuple(expected)}, found {tuple(values.shape)}")
    return values
