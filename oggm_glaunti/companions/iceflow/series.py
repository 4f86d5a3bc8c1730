"""One velocity for each window and one shift for each image, from many pairs of images.

A pair of images a and b sees in each window ``d_ab = V (t_b - t_a) + s_b - s_a``: the ice's motion and what the images
are off. All pairs together tell V and s apart, except for a drift ``s = c t``, which ice alone cannot distinguish from
a velocity of c everywhere; still ground can, as its V is 0, or one shift that is known. Errors are those of
:mod:`~oggm_glaunti.companions.iceflow.adjustment`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oggm_glaunti.companions.iceflow import quality
from oggm_glaunti.companions.iceflow.adjustment import Problem, adjust
from oggm_glaunti.companions.iceflow.tracking import Vectors

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Least pairs that a window on ice needs, and windows on stable ground for an anchor.
LEAST_PAIRS, LEAST_STABLE = 3, 5
# Days that images have to span, and dates within a span, for a seasonal cycle.
LEAST_SPAN, LEAST_DATES = 330.0, 8
# Condition number of motion, sine and cosine up to which a cycle is fitted.
MOST_CONDITION = 8.0
_YEAR = 365.25


@dataclass(frozen=True, eq=False)
class Displacements:
    """Displacements of many windows between many images.

    Attributes
    ----------
    pairs : int (P, 2)
        Indices of the earlier and the later image
    days : float (K,)
        Time of each image
    d : float (2, P, N)
        Rows and columns, px; NaN where there is no valid vector
    sigma : float (P, N)
        Standard error of a component, px
    stable : bool (N,)
        Windows on ground that does not move
    """

    pairs: NDArray[np.int64]
    days: Floats
    d: Floats
    sigma: Floats
    stable: Mask

    @property
    def span(self) -> Floats:
        """Days of each pair (P,)."""
        return self.days[self.pairs[:, 1]] - self.days[self.pairs[:, 0]]

    @property
    def incidence(self) -> Floats:
        """Matrix (P, K) that takes shifts of images to those of pairs: 1 for the later, -1 for the earlier."""
        matrix, rows = np.zeros((len(self.pairs), self.days.size)), np.arange(len(self.pairs))
        matrix[rows, self.pairs[:, 1]], matrix[rows, self.pairs[:, 0]] = 1.0, -1.0
        return matrix

    def without(self, images: Sequence[int]) -> Displacements:
        """Return the displacements between the other images."""
        kept = np.setdiff1d(np.arange(self.days.size), images)
        pairs = np.isin(self.pairs, kept).all(axis=1)
        index = np.searchsorted(kept, self.pairs[pairs])
        return Displacements(index, self.days[kept], self.d[:, pairs], self.sigma[pairs], self.stable)


@dataclass(frozen=True, eq=False)
class Cycle:
    """How the speed along a window's mean direction changes through the year.

    Attributes
    ----------
    amplitude : float (N,)
        Half the difference of greatest and least speed, px a day; NaN where nothing moves
    peak : float (N,)
        Days from the first image's date to a day of greatest speed, 0 to 365.25
    error : float (N,)
        Standard error of the amplitude, px a day, of each window for itself
    condition : float
        Condition number of the fit of motion, sine and cosine to the dates
    """

    amplitude: Floats
    peak: Floats
    error: Floats
    condition: float

    def reshaped(self, shape: tuple[int, int]) -> Cycle:
        """Return the same on windows (H, W)."""
        on = lambda part: part.reshape(shape)
        return Cycle(on(self.amplitude), on(self.peak), on(self.error), self.condition)


@dataclass(frozen=True, eq=False)
class Series:
    """Velocities and shifts that explain all pairs.

    Attributes
    ----------
    velocity : float (2, N)
        Rows and columns, px a day; NaN with too few pairs, 0 on stable ground
    shifts : float (2, K)
        Of each image against the first, px
    window_error : float (N,)
        Standard error of a component that each window has for itself, px a day
    common_error : float
        That which all windows share, from the shifts, px a day; NaN without an anchor
    shift_error : float (K,)
        Standard error of a component of the shifts, px
    image_error : float (K,)
        Typical error of a component that each image has in a window, px: haze, snow, a low sun
    count : int (N,)
        Pairs with a vector
    anchor : {'stable ground', 'given', 'none'}
        What fixes the drift; with none, velocities are relative to the mean of the shifts' drift
    residual : float (2, P, N)
        What is not explained, px
    cycle : Cycle, optional
        Of the speed through the year, if it was asked for
    """

    velocity: Floats
    shifts: Floats
    window_error: Floats
    common_error: float
    shift_error: Floats
    image_error: Floats
    count: NDArray[np.int64]
    anchor: str
    residual: Floats
    cycle: Cycle | None = None

    @property
    def absolute(self) -> bool:
        """Whether velocities are against ground; otherwise one vector may be added to all of them."""
        return self.anchor != "none"


def displacements(
    vectors: Mapping[tuple[int, int], Vectors], days: ArrayLike, stable: ArrayLike | None = None
) -> Displacements:
    """Gather the vectors of pairs, all on the same windows.

    Parameters
    ----------
    vectors : mapping
        By (index of the earlier, of the later image)
    days : array (K,)
        Time of each image, days
    stable : bool array (H, W), optional
        Windows on stable ground
    """
    pairs = sorted(vectors)
    both = [vectors[pair].believed() for pair in pairs]
    d = np.array([[part.ravel() for part in parts] for parts in both]).transpose(1, 0, 2)
    sigma = np.array([vectors[pair].error.ravel() for pair in pairs])
    still = np.zeros(d.shape[2], bool) if stable is None else np.asarray(stable, bool).ravel()
    return Displacements(np.array(pairs), np.asarray(days, float), d, sigma, still)


def usual_pairs(days: ArrayLike, longest: float = np.inf, shortest: float = 0.0) -> list[tuple[int, int]]:
    """Return all pairs of images that are at most `longest` and more than `shortest` days apart.

    Examples
    --------
    >>> usual_pairs([0.0, 5.0, 15.0], longest=10.0)
    [(0, 1), (1, 2)]
    """
    at = np.asarray(days, float)
    pairs = itertools.combinations(range(at.size), 2)
    return [(a, b) for a, b in pairs if shortest < at[b] - at[a] <= longest]


def solve(
    data: Displacements,
    given: tuple[float, float] | None = None,
    least_pairs: int = LEAST_PAIRS,
    seasonal: bool = False,
) -> Series:
    """Solve for velocities and shifts, robust to outliers.

    Parameters
    ----------
    data : Displacements
    given : (float, float), optional
        Known shift of the last image against the first in rows and columns, px, instead of stable ground
    least_pairs : int
        Pairs that a window on ice needs
    seasonal : bool
        Whether to fit a cycle of one year to the speed, too; needs stable ground or a given shift, as ice alone cannot
        tell it from shifts of the images

    Returns
    -------
    Series

    Raises
    ------
    ValueError
        If no window is seen by enough pairs, dates are equal, pairs do not connect all images, or dates do not allow a
        seasonal cycle

    Examples
    --------
    >>> days, shifts = np.array([0.0, 5.0, 12.0, 20.0]), np.array([0.0, 0.5, -0.3, 0.2])
    >>> pairs = np.array(usual_pairs(days))
    >>> true = np.r_[np.full(20, 0.2), np.zeros(10)]
    >>> seen = (
    ...     true * (days[pairs[:, 1]] - days[pairs[:, 0]])[:, None]
    ...     + (shifts[pairs[:, 1]] - shifts[pairs[:, 0]])[:, None]
    ... )
    >>> data = Displacements(pairs, days, np.stack([seen, seen]), np.full(seen.shape, 0.05), true == 0)
    >>> found = solve(data)
    >>> (found.shifts[0].round(2) + 0.0).tolist(), found.velocity[0, 0].round(3), found.anchor
    ([0.0, 0.5, -0.3, 0.2], np.float64(0.2), 'stable ground')
    """
    known = np.isfinite(data.d).all(axis=0) & np.isfinite(data.sigma)
    count = known.sum(axis=0)
    used = count >= np.where(data.stable, 1, least_pairs)
    known &= used
    _require(data, used, known)
    seen_stable = int((data.stable & used).sum())
    anchor = "given" if given is not None else "stable ground" if seen_stable >= LEAST_STABLE else "none"
    if seasonal and (why := seasonal_condition(data.days) or _no_anchor(anchor)):
        raise ValueError(why)
    moving = ~(data.stable & (anchor == "stable ground"))
    g, design = data.incidence, _design(data.days - data.days[0], seasonal)
    found = adjust(Problem(g, design, data.d, data.sigma, known, moving, *_ties(data, anchor, given)))
    velocity = np.where(used, np.where(data.stable, 0.0, found.motion[..., 0]), np.nan)
    explained = np.stack([g @ part.T for part in found.motion @ design.T + found.shifts[:, None, :]])
    ice = used & ~data.stable
    error = np.sqrt(found.motion_covariance[:, 0, 0])
    return Series(
        velocity,
        found.shifts,
        np.where(ice, error, np.where(used, np.median(error[ice]), np.nan)),
        float(found.common[0]) if anchor == "stable ground" else np.nan,
        np.sqrt(np.maximum(np.diag(found.shift_covariance), 0.0)),
        found.image_error,
        count,
        anchor,
        np.where(known, data.d - explained, np.nan),
        _cycle(velocity, found.motion, found.motion_covariance, ice, data.days) if seasonal else None,
    )


def _require(data: Displacements, used: Mask, known: Mask) -> None:
    if not (used & ~data.stable).any():
        raise ValueError(f"no window on ice is seen by {LEAST_PAIRS} pairs or more of {len(data.pairs)}")
    if (data.span <= 0).any():
        a, b = data.pairs[np.argmax(data.span <= 0)]
        raise ValueError(f"images {a} and {b} are {data.days[b] - data.days[a]:g} days apart; expected more than 0")
    together = np.arange(data.days.size)
    for a, b in data.pairs[known.any(axis=1)]:
        together[together == together[b]] = together[a]
    alone = np.flatnonzero(together != together[data.pairs[0, 0]])
    if alone.size:
        raise ValueError(
            f"no valid vector connects image {', '.join(map(str, alone[:5]))} with the others: leave it out, or add "
            "pairs"
        )


def _ties(data: Displacements, anchor: str, given: tuple[float, float] | None) -> tuple[Floats, Floats]:
    """Return conditions on the shifts: the first image is the reference, and without stable ground one on the drift."""
    t = data.days - data.days[0]
    ties, wanted = [np.eye(t.size)[0]], [np.zeros(2)]
    if anchor == "given":
        ties.append(np.eye(t.size)[-1])
        wanted.append(np.array(given, float))
    elif anchor == "none":
        ties.append((t - t.mean()) / t.size)
        wanted.append(np.zeros(2))
    return np.array(ties), np.array(wanted)


def _no_anchor(anchor: str) -> str:
    if anchor != "none":
        return ""
    return "no seasonal cycle: without stable ground or a given shift, shifts of the images look the same"


def _design(t: Floats, seasonal: bool) -> Floats:
    """Return the motion (K, Q) at days t of a speed of 1, and of the cosine and sine of a year with a speed of 1."""
    if not seasonal:
        return t[:, None]
    turn = 2 * np.pi / _YEAR
    return np.stack([t, np.sin(turn * t) / turn, (1 - np.cos(turn * t)) / turn], axis=1)


def stable_only(data: Displacements) -> tuple[Floats, NDArray[np.int64]]:
    """Return shifts (2, P) of pairs from stable ground alone, NaN with fewer than five windows, and the windows."""
    shifts, counts = np.full((2, len(data.pairs)), np.nan), np.zeros(len(data.pairs), int)
    for k in range(len(data.pairs)):
        rows, cols = data.d[:, k]
        counts[k] = int((data.stable & np.isfinite(rows)).sum())
        if counts[k] >= LEAST_STABLE:
            shifts[:, k] = quality.stable_shift(rows, cols, data.stable)[:2]
    return shifts, counts


def closure(data: Displacements) -> dict[tuple[int, int, int], float]:
    """Return how well displacements of three images add up: the NMAD of ``d_ab + d_bc - d_ac`` by triplet, px.

    It shows the errors of single windows, and is blind to shifts of whole images: those add up to zero.
    """
    index = {tuple(pair): k for k, pair in enumerate(data.pairs.tolist())}
    result = {}
    for (a, b), k in index.items():
        for (b2, c), m in index.items():
            if b2 == b and (n := index.get((a, c))) is not None:
                gap = data.d[:, k] + data.d[:, m] - data.d[:, n]
                result[a, b, c] = quality.nmad(gap - np.nanmedian(gap, axis=1)[:, None])
    return result


def _cycle(velocity: Floats, motion: Floats, covariance: Floats, ice: Mask, days: Floats) -> Cycle:
    """Return the cycle along the mean direction: components have the same weights, so it may be taken afterwards."""
    unit = velocity / np.maximum(np.hypot(*velocity), 1e-12)
    cosine, sine = (np.where(ice, (unit * motion[..., k]).sum(axis=0), np.nan) for k in (1, 2))
    error = np.sqrt(np.where(ice, (covariance[:, 1, 1] + covariance[:, 2, 2]) / 2, np.nan))
    peak = np.arctan2(sine, cosine) / (2 * np.pi) * _YEAR % _YEAR
    return Cycle(np.hypot(cosine, sine), peak, error, _condition(days))


def _condition(days: Floats) -> float:
    """Return the condition number of constant, motion, cosine and sine at some days, each scaled to 1."""
    t = np.asarray(days, float) - np.min(days)
    terms = np.column_stack([np.ones(t.size), _design(t, True)])
    return float(np.linalg.cond(terms / np.linalg.norm(terms, axis=0)))


def seasonal_condition(days: Sequence[float] | Floats) -> str:
    """Return what speaks against fitting a seasonal cycle to these dates; empty if nothing does.

    Examples
    --------
    >>> seasonal_condition([0.0, 10.0, 87.0])
    'no seasonal cycle: dates span 87 days, expected 330 or more'
    """
    at = np.unique(np.asarray(days, float))
    if np.ptp(at) < LEAST_SPAN:
        return f"no seasonal cycle: dates span {np.ptp(at):.0f} days, expected {LEAST_SPAN:.0f} or more"
    if at.size < LEAST_DATES:
        return f"no seasonal cycle: {at.size} dates, expected {LEAST_DATES} or more"
    gap = float(np.diff(np.r_[np.sort(at % _YEAR), np.sort(at % _YEAR)[0] + _YEAR]).max())
    if gap > _YEAR / 3:
        return f"no seasonal cycle: no date in {gap:.0f} days of the year"
    if (found := _condition(at)) > MOST_CONDITION:
        return f"no seasonal cycle: condition number {found:.1f} with these dates, expected at most {MOST_CONDITION:g}"
    return ""
