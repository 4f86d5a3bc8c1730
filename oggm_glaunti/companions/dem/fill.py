"""Heights for pixels without one: a regression on the known ones and what is left of it, carried into the voids.

What is predicted is how a surface differs from the reference: its difference of height in the middle of the years, and
its trend. Both are rasters without time, which carry a stack of any length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.companions.dem import regression, residuals
from oggm_glaunti.companions.dem.coregister import Registration, register
from oggm_glaunti.companions.dem.predictors import Terrain, predictors
from oggm_glaunti.companions.dem.stack import FEWEST, Stack
from oggm_glaunti.companions.dem.trend import Trend, linear_in_time


class Method(NamedTuple):
    """A way to fill voids: what holds on the whole, and what is carried in from around."""

    regression: Callable[..., regression.Regression]
    residual: Callable[..., residuals.Residual]


METHODS = {
    "rff_kriging": Method(regression.robust_features, residuals.krige),
    "rff": Method(regression.random_features, residuals.nothing),
    "kriging": Method(regression.constant, residuals.krige),
    "hypsometric": Method(regression.hypsometric, residuals.nothing),
    "idw": Method(regression.constant, residuals.idw),
    "constant": Method(regression.constant, residuals.nothing),
}


def require_method(method: str) -> None:
    """Raise a ValueError for an unknown method."""
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, found {method!r}")


class Options(NamedTuple):
    """Numbers of the methods; cross-validation on three glaciers hardly tells others from them.

    Attributes
    ----------
    gamma : float
        of the kernel that the random features stand for
    n_features : int
    distance : float
        over which the correlation of residuals falls to 1/e, pixels
    nugget : float
        share of the residuals' variance that neighbours have not in common
    neighbours : int
        known pixels that say something about an unknown one
    """

    gamma: float = 0.1
    n_features: int = 256
    distance: float = 3.0
    nugget: float = 0.15
    neighbours: int = 40


class Known(NamedTuple):
    """What a stack says where it says something.

    Attributes
    ----------
    lines : Trend
        of the surface
    ground : Terrain
        the reference, moved under the surface
    registration : Registration or None
        by which shifts it was moved
    pixels : bool array (H, W)
        with heights in half of the years or more, and in two at least; lines through fewer would lead astray
    """

    lines: Trend
    ground: Terrain
    registration: Registration | None
    pixels: NDArray[np.bool_]


class Filled(NamedTuple):
    """Straight lines in time for some pixels (M,): difference to the reference (m), trend (m yr-1), their variances."""

    middle: float
    height: NDArray[np.float64]
    slope: NDArray[np.float64]
    height_variance: NDArray[np.float64]
    slope_variance: NDArray[np.float64]

    def at(self, years: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Heights in some years and their standard deviations, (K, M), m."""
        late = (years - self.middle)[:, None]
        variance = self.height_variance + late**2 * self.slope_variance
        return self.height + late * self.slope, np.sqrt(variance)


def what_is_known(
    stack: Stack,
    coregister: bool = True,
    hidden: NDArray[np.bool_] | None = None,
    registration: Registration | None = None,
) -> Known:
    """Lines in time and the reference moved under them.

    Parameters
    ----------
    stack : Stack
    coregister : bool
        whether the reference is moved
    hidden : bool array (H, W), optional
        pixels not to be looked at
    registration : Registration, optional
        found before, to be taken instead of one found anew

    Raises
    ------
    ValueError
        where too few pixels are known, or too few to tell how the reference lies
    """
    seen = np.isfinite(stack.z) if hidden is None else np.isfinite(stack.z) & ~hidden
    z = np.where(seen, stack.z, np.nan)
    lines = linear_in_time(z, np.where(seen, stack.z_std, np.nan), stack.years)
    pixels = (2 * lines.count >= len(stack.years)) & (lines.count > 1)
    if pixels.sum() < FEWEST:
        raise ValueError(
            f"z: {pixels.sum()} of {pixels.size} pixels have heights in half of the years, two at least; expected "
            f"{FEWEST} or more to learn from"
        )
    if not coregister:
        return Known(lines, stack.reference, None, pixels)
    stable = None if stack.ice is None else ~stack.ice
    found = registration or register(lines.level, stack.reference.elevation, stable, stack.pieces)
    return Known(lines, Terrain(*(found.moved(field) for field in stack.reference)), found, pixels)


def fill(
    known: Known, wanted: NDArray[np.bool_], method: str = "rff_kriging", options: Options | None = None, seed: int = 0
) -> Filled:
    """Lines in time for some pixels.

    Parameters
    ----------
    known : Known
    wanted : bool array (H, W)
        pixels to be filled
    method : str
        one of :data:`METHODS`
    options : Options, optional
    seed : int
        of random features

    Raises
    ------
    ValueError
        for an unknown method
    """
    require_method(method)
    about = {
        **(options or Options())._asdict(),
        "predictors": predictors(known.ground),
        "elevation": known.ground.elevation,
        "seed": seed,
    }
    difference = known.lines.level - known.ground.elevation
    height, height_variance = _fill_field(difference, known, wanted, METHODS[method], about)
    slope, slope_variance = _fill_field(known.lines.slope, known, wanted, METHODS[method], about)
    height = known.ground.elevation[wanted] + height
    return Filled(known.lines.middle, height, slope, height_variance, slope_variance)


def _fill_field(
    field: NDArray[np.float64], known: Known, wanted: NDArray[np.bool_], method: Method, about: dict[str, Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A field of pixels (M,) and its variance: of the regression's mean, and of what it leaves nearby."""
    whole = method.regression(field, known.lines.variance, known.pixels, wanted, **about)
    left = field - whole.value
    carried = method.residual(left, known.pixels, wanted, **about)
    nearby = residuals.local_variance(left, known.pixels, wanted, about["neighbours"])
    return whole.value[wanted] + carried.value, whole.std**2 + carried.share * nearby
