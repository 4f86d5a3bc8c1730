"""Linear reservoirs: how long water takes to the gauge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from oggm.exceptions import InvalidParamsError

DEFAULT_DAYS = 5.0
"""Residence time of all water where none is given, days."""
COMPONENTS = ("rain", "snow_melt", "ice_melt")


def residence_times(label: str, routing: Any) -> dict[str, float]:
    """Return the residence time of each component, days, from a number or a mapping.

    Examples
    --------
    >>> residence_times("", {"ice_melt": 2.0})
    {'rain': 5.0, 'snow_melt': 5.0, 'ice_melt': 2.0}
    """
    if routing is True:
        routing = DEFAULT_DAYS
    given = dict(routing) if isinstance(routing, Mapping) else dict.fromkeys(COMPONENTS, routing)
    if unknown := sorted(set(given) - set(COMPONENTS)):
        raise InvalidParamsError(f"{label}: routing: expected residence times of {COMPONENTS}, found {unknown}")
    for name, days in given.items():
        if isinstance(days, bool) or not isinstance(days, (int, float)) or not 0.0 <= days <= 3650.0:
            raise InvalidParamsError(f"{label}: routing: {name}: expected 0 to 3650 days, found {days!r}")
    return {**dict.fromkeys(COMPONENTS, DEFAULT_DAYS), **{name: float(days) for name, days in given.items()}}


def outflow(inflow: np.ndarray, days: float, stored: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Let a linear reservoir empty with a residence time.

    Exact for an inflow that is constant over each day; water is conserved: what has not come out is stored.

    Parameters
    ----------
    inflow : array (T, ...)
        per day
    days : float
        residence time; 0 lets everything through
    stored : array (...), optional
        in the reservoir at the beginning; default: in balance with the first day's inflow

    Returns
    -------
    outflow : array (T, ...)
        per day
    stored : array (...)
        at the end

    Examples
    --------
    >>> out, left = outflow(np.array([10.0, 0.0, 0.0]), 5.0, 0.0)
    >>> round(float(out.sum() + left), 6)
    10.0
    """
    from scipy.signal import lfilter

    inflow = np.asarray(inflow, np.float64)
    if days == 0:
        return inflow, np.zeros(inflow.shape[1:])
    stored = days * inflow[0] if stored is None else np.broadcast_to(np.asarray(stored, np.float64), inflow.shape[1:])
    kept = np.exp(-1.0 / days)
    gained = days * (1.0 - kept)
    # Content at the end of each day; a day without inflow keeps a share of it.
    first = np.asarray(kept * stored)[None]
    content = lfilter([gained], [1.0, -kept], inflow, axis=0, zi=first)[0]
    before = np.concatenate([np.asarray(stored)[None], content[:-1]])
    return before + inflow - content, content[-1]


def running_share(water: Any, frozen: Any) -> Any:
    """Return the share of the water on a glacier that runs off: what freezes again is taken from all of it alike.

    Examples
    --------
    >>> running_share(np.array([10.0, 0.0]), np.array([4.0, 0.0]))
    array([0.6, 1. ])
    """
    return 1.0 - frozen / np.maximum(water, 1e-9)  # kg; nothing freezes where there is none


def routed(
    components: Mapping[str, np.ndarray], times: Mapping[str, float], stored: Mapping[str, Any] | None = None
) -> Any:
    """Sum the outflow of the reservoirs of all components; return it with what each holds at the end."""
    results = {name: outflow(components[name], times[name], (stored or {}).get(name)) for name in COMPONENTS}
    return sum(out for out, _ in results.values()), {name: left for name, (_, left) in results.items()}
