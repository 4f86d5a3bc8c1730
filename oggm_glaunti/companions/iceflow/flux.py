"""Balance that the motion of ice asks for: change of the surface plus divergence of the flux.

Ice is conserved: ``dh/dt = b - div(gamma v h)``, so the *apparent balance* is ``b = dh/dt + div(q)`` with the flux q
per width, thickness h, surface velocity v, and gamma the share of it that the column moves at on average (0.8 without
sliding, 1 with sliding only).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# m. Distance over which errors of velocity, thickness and dh/dt are alike.
CORRELATION_LENGTH = 500.0
# Draws of the error fields.
DRAWS = 40


@dataclass(frozen=True, eq=False)
class Ice:
    """What the flux of a glacier is made from, on a north-up grid (row 0 is north).

    Attributes
    ----------
    vx, vy : float (H, W)
        Surface velocity, m yr-1, vy positive to the north; NaN and 0 count as no motion outside the glacier only
    thickness : float (H, W)
        m
    dhdt : float (H, W)
        Change of the surface, m yr-1
    topo : float (H, W)
        Surface elevation, m
    glacier : bool (H, W)
    dx : float
        Cell size, m
    """

    vx: Floats
    vy: Floats
    thickness: Floats
    dhdt: Floats
    topo: Floats
    glacier: Mask
    dx: float


class Errors(NamedTuple):
    """Standard errors: of a velocity component (m yr-1), thickness (share), gamma (half its range), dh/dt (m yr-1)."""

    velocity: float = 5.0
    thickness: float = 0.25
    dhdt: float = 0.3


class BandBalance(NamedTuple):
    """Apparent balance by elevation band, m of ice a year.

    Attributes
    ----------
    low, high : float (B,)
        Edges of the bands, m
    area : float (B,)
        km2
    dhdt, divergence : float (B,)
        Parts of the balance
    balance : float (B,)
        Their sum
    error : float (B,)
        Standard error; NaN where none was asked for
    gamma_range : float (2, B)
        Balance with the lowest and the highest gamma
    """

    low: Floats
    high: Floats
    area: Floats
    dhdt: Floats
    divergence: Floats
    balance: Floats
    error: Floats
    gamma_range: Floats


class Gates(NamedTuple):
    """Ice that flows through gates across the glacier, along contours of its surface, and the balance above them.

    Attributes
    ----------
    height : float (G,)
        Of the gates, m
    flux : float (G,)
        Ice that flows down through each, km3 a year
    flux_error : float (G,)
        Standard error; NaN where none was asked for
    balance : float (G,)
        Of all ice above, m of ice a year: the flux and what the surface has gained, by area
    balance_error : float (G,)
    """

    height: Floats
    flux: Floats
    flux_error: Floats
    balance: Floats
    balance_error: Floats


def filled(ice: Ice) -> Ice:
    """Return the same with no motion and no ice outside the glacier.

    Raises
    ------
    ValueError
        If more than half of the glacier has no velocity, thickness or dh/dt
    """
    fields = {}
    for name in ("vx", "vy", "thickness", "dhdt"):
        field = getattr(ice, name)
        missing = float((~np.isfinite(field))[ice.glacier].mean()) if ice.glacier.any() else 1.0
        if missing > 0.5:
            raise ValueError(
                f"{name}: {100 * missing:.0f} % of the glacier's cells have no value, expected at most 50 %"
            )
        fields[name] = np.where(ice.glacier, np.nan_to_num(field), 0.0)
    return Ice(**fields, topo=ice.topo, glacier=ice.glacier, dx=ice.dx)


def divergence(ice: Ice, gamma: float) -> Floats:
    """Return the divergence of the ice flux, m yr-1, by central differences; ice that leaves a cell is positive.

    Summed over the glacier it vanishes, but for the outline, where central differences share cells with ground.

    Examples
    --------
    >>> ones = np.ones((5, 6))
    >>> ice = Ice(ones, 0 * ones, np.tile(np.arange(6.0), (5, 1)), 0 * ones, ones, ones > 0, 100.0)
    >>> divergence(ice, 1.0)[2, 2].round(3)
    np.float64(0.01)
    """
    qx, qy = gamma * ice.vx * ice.thickness, gamma * ice.vy * ice.thickness
    return np.gradient(qx, ice.dx, axis=1) - np.gradient(qy, ice.dx, axis=0)


def by_band(
    ice: Ice,
    edges: Sequence[float] | Floats,
    gamma: tuple[float, float] = (0.8, 1.0),
    errors: Errors | None = None,
    length: float = CORRELATION_LENGTH,
    seed: int = 0,
) -> BandBalance:
    """Compute the apparent balance of elevation bands.

    Parameters
    ----------
    ice : Ice
    edges : sequence of float
        Heights between bands, rising, m; bands without a cell are left out
    gamma : (float, float)
        Range of the ratio of column to surface velocity; its middle is used
    errors : Errors, optional
        Standard errors of what goes in; the balance's are found from error fields drawn at random
    length : float
        m over which these errors are alike
    seed : int
        Of the draws
    """
    ice = filled(ice)
    low, high = np.asarray(edges[:-1], float), np.asarray(edges[1:], float)
    inside = [ice.glacier & (ice.topo >= a) & (ice.topo < b) for a, b in zip(low, high, strict=True)]
    there = np.array([bool(mask.any()) for mask in inside])
    low, high, inside = low[there], high[there], [mask for mask in inside if mask.any()]
    if not inside:
        raise ValueError("no cell of the glacier lies within the bands")
    mean = lambda field: np.array([field[mask].mean() for mask in inside])
    middle = sum(gamma) / 2
    parts = mean(ice.dhdt), mean(divergence(ice, middle))
    ends = np.stack([parts[0] + mean(divergence(ice, g)) for g in gamma])
    balance = parts[0] + parts[1]
    error = np.full(balance.shape, np.nan)
    if errors is not None:
        draws = [mean(sum(pair)) for pair in _drawn(ice, gamma, errors, length, np.random.default_rng(seed))]
        error = np.std(draws, axis=0)
    area = np.array([mask.sum() for mask in inside]) * ice.dx**2 * 1e-6
    return BandBalance(low, high, area, *parts, balance, error, ends)


def _drawn(
    ice: Ice, gamma: tuple[float, float], errors: Errors, length: float, rng: np.random.Generator
) -> Iterator[tuple[Floats, Floats]]:
    """Yield the change of the surface and the divergence with errors drawn at random."""
    for _ in range(DRAWS):
        field = lambda: random_field(ice.topo.shape, length / ice.dx, rng)
        vx, vy = (np.where(ice.glacier, part + errors.velocity * field(), 0.0) for part in (ice.vx, ice.vy))
        # A thickness that is wrong is wrong by a factor, over lengths of the glacier as well as over short ones.
        factor = np.maximum(1 + errors.thickness * (field() + rng.normal()) / np.sqrt(2), 0.0)
        drawn = Ice(vx, vy, ice.thickness * factor, ice.dhdt, ice.topo, ice.glacier, ice.dx)
        yield ice.dhdt + errors.dhdt * field(), divergence(drawn, rng.uniform(*gamma))


def random_field(shape: tuple[int, int], length: float, rng: np.random.Generator) -> Floats:
    """Return noise of mean 0 and standard deviation 1 that is alike over some cells.

    Examples
    --------
    >>> field = random_field((200, 200), 5.0, np.random.default_rng(0))
    >>> bool(abs(field.std() - 1) < 0.1), bool(np.corrcoef(field[:, :-1].ravel(), field[:, 1:].ravel())[0, 1] > 0.9)
    (True, True)
    """
    from scipy import ndimage

    sigma = max(length / 2, 0.5)
    return ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap") * 2 * np.sqrt(np.pi) * sigma


def through_gates(
    ice: Ice,
    heights: Sequence[float] | Floats,
    gamma: tuple[float, float] = (0.8, 1.0),
    errors: Errors | None = None,
    length: float = CORRELATION_LENGTH,
    seed: int = 0,
) -> Gates:
    """Compute the flux through contours of the surface, and the balance of all ice above them.

    What flows out of an area is the sum of the divergence over it. Errors inside cancel in that sum, so a gate tells
    the balance of the ice above it better than bands tell theirs.

    Parameters
    ----------
    ice : Ice
    heights : sequence of float
        Of the gates, m; those without ice above are left out
    gamma, errors, length, seed
        As for :func:`by_band`

    Examples
    --------
    >>> cols = np.tile(np.arange(6.0), (5, 1))
    >>> ice = Ice(100.0 + 0 * cols, 0 * cols, 50.0 * cols, 0 * cols, 3000.0 - cols, cols >= 0, 100.0)
    >>> through_gates(ice, [2997.5], (1.0, 1.0)).flux.round(4).tolist()  # 100 m a year, 125 m thick, 500 m wide
    [0.0075]
    """
    ice = filled(ice)
    above = {float(h): mask for h in heights if (mask := ice.glacier & (ice.topo >= h)).any()}
    area = np.array([mask.sum() for mask in above.values()]) * ice.dx**2
    mean = lambda field: np.array([field[mask].mean() for mask in above.values()])
    outflow = mean(divergence(ice, sum(gamma) / 2))
    flux_error, balance_error = np.full((2, area.size), np.nan)
    if errors is not None:
        draws = np.array(
            [(mean(gain), mean(out)) for gain, out in _drawn(ice, gamma, errors, length, np.random.default_rng(seed))]
        )
        flux_error, balance_error = draws[:, 1].std(axis=0), draws.sum(axis=1).std(axis=0)
    volume = area * 1e-9
    return Gates(np.array(list(above)), outflow * volume, flux_error * volume, mean(ice.dhdt) + outflow, balance_error)


def left_over(ice: Ice, gamma: float = 0.9) -> float:
    """Return the mean divergence over the glacier, m yr-1: what the outline and the inputs leave of zero."""
    ice = filled(ice)
    return float(divergence(ice, gamma)[ice.glacier].mean())
