"""Voids of a stack of yearly DEMs filled, with an uncertainty that was tried on voids made on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from oggm_glaunti.companions.dem.coregister import Registration, nmad
from oggm_glaunti.companions.dem.fill import Known, Options, fill, require_method, what_is_known
from oggm_glaunti.companions.dem.scores import HeldOut, Scores, hold_out, joined, score
from oggm_glaunti.companions.dem.stack import Stack, checked_stack
from oggm_glaunti.companions.dem.voids import EIGHT_NEIGHBOURS, SHARE, disc, place_voids

PIXELS_TRIED, MOST_ROUNDS = 1000, 5
# Share of the known pixels up to which a void is tried in its own shape.
LARGEST = 0.02


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
        and all; ``kriging``, ``hypsometric``, ``idw``, ``constant``: simpler ones to compare with
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
        the standard deviations were multiplied by ``std_scale``, and how many pixels were hidden, how far from known
        ones at most (``tried_pixels, tried_distance``)

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
        found = fill(known, wanted, method, options, seed).at(stack.years)
        trial = tried(stack, known.registration, method, options, seed)
        about = {"std_scale": 1.0} if trial is None else _about_trial(trial)
        attributes |= about
        trend[wanted] = (found[0][-1] - found[0][0]) / (stack.years[-1] - stack.years[0])
        _put(heights, _through_own(found[0], stack.z[:, wanted]), wanted)
        _put(spread, _at_least_median(stack, about["std_scale"] * found[1]), wanted)
    # Pixels that most years know: the line through those years.
    heights = np.where(np.isnan(heights), known.lines.at(stack.years), heights)
    spread = np.where(np.isnan(spread), _at_least_median(stack, known.lines.std(stack.years)), spread)
    return _dataset(z, stack, known, heights, spread, trend, attributes)


def _put(stack: NDArray[np.float64], values: NDArray[np.float64], wanted: NDArray[np.bool_]) -> None:
    """Write values of the pixels `wanted` (K, M) where the stack has none."""
    stack[:, wanted] = np.where(np.isnan(stack[:, wanted]), values, stack[:, wanted])


def _through_own(heights: NDArray[np.float64], own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Predicted heights (K, M), moved onto the few that a pixel has itself: only its trend is from around."""
    known = np.isfinite(own)
    apart = np.where(known, own - heights, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return heights + apart


def _at_least_median(stack: Stack, spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviations (K, ...): what was not seen is not known better than what was seen that year."""
    medians = np.nanmedian(stack.z_std.reshape(len(stack.years), -1), axis=1)
    return np.maximum(spread, medians.reshape(-1, *(1,) * (spread.ndim - 1)))


def _about_trial(trial: HeldOut) -> dict[str, Any]:
    scores, pixels, distance = score(trial), int(trial.true.shape[1]), float(trial.distance.max())
    scale = usable_scale(scores)
    return {**scores._asdict(), "std_scale": scale, "tried_pixels": pixels, "tried_distance": distance}


def usable_scale(scores: Scores) -> float:
    """The factor on standard deviations that a trial tells; 1 where it tells none, as of a surface without scatter."""
    return scores.std_scale if 0 < scores.std_scale < np.inf else 1.0


def tried(
    stack: Stack, registration: Registration | None, method: str, options: Options | None = None, seed: int = 0
) -> HeldOut | None:
    """Pixels of voids like those of the stack itself, made where its heights are known; None where there is no room.

    A void that is too large to be placed elsewhere is tried as a disc as deep as it is, of 2 % of the known pixels at
    most. Small rasters are tried several times, so that a thousand pixels have a say where that is possible. The
    reference lies where all pixels say that it does (`registration`; None: where it is).
    """
    rng = np.random.default_rng(seed)
    void = stack.void
    library = _own_shapes(void)
    rounds = int(np.clip(np.ceil(PIXELS_TRIED / (SHARE * void.size)), 1, MOST_ROUNDS))
    hidden = [place_voids(void, library, SHARE, rng) for _ in range(rounds)]
    about = {"coregister": registration is not None, "registration": registration}
    parts = [hold_out(stack, pixels, method, options, seed, **about) for pixels in hidden if pixels.any()]
    return joined(parts) if parts else None


def _own_shapes(void: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Shapes of the voids, the large ones as discs; of a raster without any, a cross of five pixels."""
    if not void.any():
        return [disc(1.0)]
    most = LARGEST * (~void).sum()
    # Beyond the edge of the raster nothing is known.
    depths = _depths(void)
    widest = max(1.0, np.sqrt(most / np.pi))
    return [depth > 0 if (depth > 0).sum() <= most else disc(min(depth.max(), widest)) for depth in depths]


def _depths(void: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """For each void the distance of its pixels from known ones, 0 outside of it, cropped to its box."""
    labels, _ = ndimage.label(void, structure=EIGHT_NEIGHBOURS)
    depth = ndimage.distance_transform_edt(void)
    return [np.where(labels[box] == k + 1, depth[box], 0.0) for k, box in enumerate(ndimage.find_objects(labels))]


def _registration(stack: Stack, known: Known) -> dict[str, Any]:
    beside_ice = known.pixels if stack.ice is None else known.pixels & ~stack.ice
    compared = beside_ice if beside_ice.any() else known.pixels
    before, after = ((known.lines.level - ground.elevation)[compared] for ground in (stack.reference, known.ground))
    shifts = () if known.registration is None else known.registration.shifts.values()
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
