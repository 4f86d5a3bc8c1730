"""Heights of void pixels: a regression on the known ones, and its residuals carried into the voids.

The predicted quantities are the height difference to the reference in the middle of the years, and its trend. Both are
rasters without time, for a stack of any length.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.companions.dem import regression, residuals
from oggm_glaunti.companions.dem.arrays import Floats, Mask
from oggm_glaunti.companions.dem.coregister import Registration, find_registration
from oggm_glaunti.companions.dem.predictors import ReferenceSurface, predictors
from oggm_glaunti.companions.dem.stack import LEAST_KNOWN, Stack
from oggm_glaunti.companions.dem.trend import Trend, linear_in_time


class Method(NamedTuple):
    """A method to fill voids: a regression on all known pixels, and residuals carried in from nearby ones."""

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


class FillOptions(NamedTuple):
    """Parameters of the methods, to which the scores in cross-validation on three glaciers are hardly sensitive.

    `options` of :func:`fill` and of :func:`~oggm_glaunti.companions.dem.impute.impute_dem_stack`.

    Attributes
    ----------
    gamma : float
        Parameter of the kernel that the random features approximate
    n_features : int
        Number of random features
    distance : float
        Distance over which the correlation of residuals falls to 1/e, pixels
    nugget : float
        Share of the residuals' variance that is uncorrelated between neighbours
    neighbours : int
        Number of known pixels from which the residual of an unknown one is computed
    """

    gamma: float = 0.1
    n_features: int = 256
    distance: float = 3.0
    nugget: float = 0.15
    neighbours: int = 40


class Known(NamedTuple):
    """Observed part of a DEM stack.

    Made by :func:`what_is_known`; what :func:`fill` learns from.

    Attributes
    ----------
    lines : Trend
        Lines in time through the heights of each pixel
    ground : ReferenceSurface
        Reference, moved under the surface
    registration : Registration or None
        Shifts by which it was moved
    pixels : bool array (H, W)
        True for pixels with heights in at least half of the years, and in at least two; lines through fewer heights are
        unreliable
    """

    lines: Trend
    ground: ReferenceSurface
    registration: Registration | None
    pixels: Mask


class Filled(NamedTuple):
    """Straight lines in time for some pixels (M,): height (m) in the middle year, trend (m yr-1), their variances."""

    middle: float
    height: Floats
    slope: Floats
    height_variance: Floats
    slope_variance: Floats

    def at(self, years: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return heights in some years and their standard deviations, (K, M), m."""
        late = (years - self.middle)[:, None]
        variance = self.height_variance + late**2 * self.slope_variance
        return self.height + late * self.slope, np.sqrt(variance)


def what_is_known(
    stack: Stack, coregister: bool = True, hidden: Mask | None = None, registration: Registration | None = None
) -> Known:
    """Fit lines in time to a stack and move the reference under them.

    Parameters
    ----------
    stack : Stack
    coregister : bool
        Whether to move the reference
    hidden : bool array (H, W), optional
        True for pixels to be ignored
    registration : Registration, optional
        Shifts to use; by default they are determined

    Raises
    ------
    ValueError
        If too few pixels are known, or too few for a co-registration
    """
    seen = np.isfinite(stack.z) if hidden is None else np.isfinite(stack.z) & ~hidden
    z = np.where(seen, stack.z, np.nan)
    lines = linear_in_time(z, np.where(seen, stack.z_std, np.nan), stack.years)
    pixels = (2 * lines.n_years >= len(stack.years)) & (lines.n_years > 1)
    if pixels.sum() < LEAST_KNOWN:
        raise ValueError(
            f"z: {pixels.sum()} of {pixels.size} pixels have heights in half of the years, two at least; expected "
            f"{LEAST_KNOWN} or more to learn from"
        )
    if not coregister:
        return Known(lines, stack.reference, None, pixels)
    stable = None if stack.ice is None else ~stack.ice
    found = registration or find_registration(lines.level, stack.reference.elevation, stable, stack.pieces)
    return Known(lines, ReferenceSurface(*(found.moved(field) for field in stack.reference)), found, pixels)


def fill(
    known: Known, wanted: Mask, method: str = "rff_kriging", options: FillOptions | None = None, seed: int = 0
) -> Filled:
    """Predict lines in time for some pixels.

    Parameters
    ----------
    known : Known
    wanted : bool array (H, W)
        True for pixels to be filled
    method : str
        Name of one of :data:`METHODS`
    options : FillOptions, optional
    seed : int
        Seed of the random features

    Raises
    ------
    ValueError
        If the method is unknown
    """
    require_method(method)
    about = {
        **(options or FillOptions())._asdict(),
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
    field: Floats, known: Known, wanted: Mask, method: Method, about: dict[str, Any]
) -> tuple[Floats, Floats]:
    """Return a field of wanted pixels (M,) and its variance: of the regression's mean and of the residuals nearby."""
    whole = method.regression(regression.Sample(field, known.lines.variance, known.pixels, wanted), **about)
    left = field - whole.value
    carried = method.residual(left, known.pixels, wanted, **about)
    nearby = residuals.local_variance(left, known.pixels, wanted, about["neighbours"])
    return whole.value[wanted] + carried.value, whole.std**2 + carried.share * nearby
