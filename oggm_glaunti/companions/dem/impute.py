"""Voids of a stack of yearly DEMs filled, with an uncertainty that was tried on voids made on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from oggm_glaunti.companions.dem.coregister import nmad
from oggm_glaunti.companions.dem.fill import Filled, Known, Options, fill, require_method, what_is_known
from oggm_glaunti.companions.dem.scores import Scores, hold_out, joined, score
from oggm_glaunti.companions.dem.stack import Stack, checked_stack
from oggm_glaunti.companions.dem.voids import SHARE, disc, place_voids, void_library

PIXELS_TRIED, MOST_ROUNDS = 1000, 5


def impute_dem_stack(
    z: xr.DataArray,
    z_std: xr.DataArray | ArrayLike,
    dem_ref: xr.DataArray | ArrayLike,
    slope: xr.DataArray | ArrayLike | None = None,
    aspect: xr.DataArray | ArrayLike | None = None,
    mask: xr.DataArray | ArrayLike | None = None,
    pieces: xr.DataArray | ArrayLike | None = None,
    *,
    method: str = "rff_kriging",
    coregister: bool = True,
    seed: int = 0,
    options: Options | None = None,
) -> xr.Dataset:
    """Fill the voids of yearly surfaces by their difference to a reference that has none.

    Parameters
    ----------
    z : DataArray (year, y, x)
        heights, m, NaN in voids; with coordinates
    z_std : DataArray or array (year, y, x)
        their standard deviation, m
    dem_ref : DataArray or array (y, x)
        the reference, m
    slope, aspect : DataArray or array (y, x), optional
        of the reference, degrees; from its heights by default
    mask : DataArray or array (y, x), optional
        True on ice, which is left out where the surfaces are compared to find how they lie against each other
    pieces : DataArray or array (y, x), optional
        whole numbers: labels of parts that may lie differently, each of which gets a shift of its own; for mosaics of
        tiles of one degree :func:`~oggm_glaunti.companions.dem.pieces.degree_tiles`
    method : str
        ``rff_kriging`` (default): Bayesian ridge regression on random Fourier features of place, height, slope and
        aspect, outliers cut, its residuals kriged into the voids; ``rff``: the regression alone, as published, outliers
        and all; ``kriging``,
        ``hypsometric``, ``idw``, ``constant``: simpler ones to compare with
    coregister : bool
        move the reference, by parts of a pixel, to where the differences scatter least
    seed : int
        of random features and of the voids that the uncertainty is tried on
    options : Options, optional
        numbers of the methods

    Returns
    -------
    Dataset
        ``z`` and ``z_std`` (year, y, x; m), ``imputed`` (year, y, x): True where ``z`` was filled, ``dh_trend`` (y, x;
        m yr-1), ``reference`` (y, x; m): `dem_ref` where it was moved to. What was known is unchanged; ``z_std`` is
        filled where it is missing itself, and nowhere below the median of what is known of that year. Attributes:
        ``method``, ``seed``; ``shift_rows, shift_cols`` (pixels by which the pieces of the reference were moved,
        lists), ``nmad_before, nmad_after`` (m); ``median_dh`` (m): the datums' difference, if any, is in it; and where
        there were voids the scores of voids made on purpose, ``rmse, median_error, nmad`` (m), ``coverage_90`` before
        the standard deviations were multiplied by ``std_scale``

    Raises
    ------
    ValueError
        for other pixels, no overlap, no heights, one year only, standard deviations that are not positive, an unknown
        method

    Notes
    -----
    Maslov et al. 2026, appendix B, is the method ``rff``, there with the year as one more predictor. A void is void in
    every year, so a mean and a trend carry the same.

    Examples
    --------
    >>> rows, columns = np.indices((30, 30))
    >>> ground = 3000.0 - 20.0 * rows + 50.0 * np.sin(columns / 5.0)
    >>> place = {"y": 5000.0 - 100.0 * np.arange(30), "x": 100.0 * np.arange(30)}
    >>> years = np.arange(2000, 2004)
    >>> heights = ground - 0.5 * (years - 2000)[:, None, None]
    >>> heights[:, 10:13, 10:12] = np.nan
    >>> z = xr.DataArray(heights, {"year": years, **place}, ("year", "y", "x"))
    >>> filled = impute_dem_stack(z, np.full(z.shape, 2.0), ground, coregister=False)
    >>> int(filled.imputed.sum()), round(float(filled.dh_trend[11, 10]), 3)
    (24, -0.5)
    """
    require_method(method)
    stack = checked_stack(z, z_std, dem_ref, slope, aspect, mask, pieces)
    known = what_is_known(stack, coregister)
    wanted = ~known.pixels
    attributes = {"method": method, "seed": seed, **_registration(stack, known)}
    heights, spread, trend = stack.z.copy(), stack.z_std.copy(), known.lines.slope.copy()
    if wanted.any():
        found = fill(known, wanted, method, options, seed)
        scores = tried(stack, method, options, seed, coregister)
        attributes |= scores._asdict()
        trend[wanted] = found.slope
        _put(heights, found.at(stack.years)[0], wanted)
        _put(spread, _spread(stack, found, scores.std_scale), wanted)
    # Pixels that most years know: the line through those years.
    heights = np.where(np.isnan(heights), known.lines.at(stack.years), heights)
    spread = np.where(np.isnan(spread), _median_of_years(stack.z_std), spread)
    return _dataset(z, stack, known, heights, spread, trend, attributes)


def _put(stack: NDArray[np.float64], values: NDArray[np.float64], wanted: NDArray[np.bool_]) -> None:
    """Write values of the pixels `wanted` (K, M) where the stack has none."""
    stack[:, wanted] = np.where(np.isnan(stack[:, wanted]), values, stack[:, wanted])


def _median_of_years(z_std: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.nanmedian(z_std.reshape(len(z_std), -1), axis=1)[:, None, None]


def _spread(stack: Stack, found: Filled, scale: float) -> NDArray[np.float64]:
    """Standard deviations (K, M); a void is not known better than what was seen."""
    return np.maximum(scale * found.at(stack.years)[1], _median_of_years(stack.z_std)[:, :, 0])


def tried(stack: Stack, method: str, options: Options | None, seed: int, coregister: bool = True) -> Scores:
    """Scores of voids like those of the stack itself, made where its heights are known.

    Shapes too large to find a place are left out; where none fits, crosses of five pixels stand in. Small rasters are
    tried several times, so that a thousand pixels have a say where that is possible.
    """
    rng = np.random.default_rng(seed)
    void = ~np.isfinite(stack.z).any(axis=0)
    rounds = int(np.clip(np.ceil(PIXELS_TRIED / (SHARE * void.size)), 1, MOST_ROUNDS))
    hidden = [_made_voids(void, rng) for _ in range(rounds)]
    return score(joined([hold_out(stack, pixels, method, options, seed, coregister) for pixels in hidden]))


def _made_voids(void: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    made = place_voids(void, void_library([void]), SHARE, rng) if void.any() else np.zeros_like(void)
    return made if made.any() else place_voids(void, [disc(1.0)], SHARE, rng)


def _registration(stack: Stack, known: Known) -> dict[str, Any]:
    compared = known.pixels if stack.ice is None else known.pixels & ~stack.ice
    if not compared.any():
        compared = known.pixels
    before, after = ((known.lines.level - ground.elevation)[compared] for ground in (stack.reference, known.ground))
    shifts = () if known.registration is None else known.registration.shifts
    return {
        "shift_rows": [shift.rows for shift in shifts] or [0.0],
        "shift_cols": [shift.cols for shift in shifts] or [0.0],
        "nmad_before": nmad(before),
        "nmad_after": nmad(after),
        "median_dh": float(np.median(after)),
    }


def _dataset(
    z: xr.DataArray,
    stack: Stack,
    known: Known,
    heights: NDArray[np.float64],
    spread: NDArray[np.float64],
    trend: NDArray[np.float64],
    attributes: dict[str, Any],
) -> xr.Dataset:
    cells, maps = ("year", "y", "x"), ("y", "x")
    return xr.Dataset(
        {
            "z": (cells, heights.astype(np.float32), {"units": "m", "long_name": "surface elevation"}),
            "z_std": (cells, spread.astype(np.float32), {"units": "m", "long_name": "standard deviation of z"}),
            "imputed": (cells, np.isnan(stack.z), {"long_name": "z was filled"}),
            "dh_trend": (maps, trend.astype(np.float32), {"units": "m yr-1", "long_name": "trend of z"}),
            "reference": (
                maps,
                known.ground.elevation.astype(np.float32),
                {"units": "m", "long_name": "surface elevation of the reference, moved under the surface"},
            ),
        },
        {"year": stack.years, "y": z.y.values, "x": z.x.values},
        attributes,
    )
