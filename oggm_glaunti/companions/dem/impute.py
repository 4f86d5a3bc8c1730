"""Filling of the voids of yearly DEMs, with an uncertainty that is tested on synthetic voids."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy import ndimage

from oggm_glaunti.companions.dem.arrays import Floats, Mask
from oggm_glaunti.companions.dem.coregister import Registration, nmad
from oggm_glaunti.companions.dem.fill import FillOptions, Known, fill, require_method, what_is_known
from oggm_glaunti.companions.dem.scores import HeldOut, VoidScores, hold_out, joined, score
from oggm_glaunti.companions.dem.stack import Stack, checked_stack
from oggm_glaunti.companions.dem.voids import VOID_SHARE, components, disc, place_voids

# Pixels that a trial should hide, and rounds of voids in which it may do so.
PIXELS_TRIED, MOST_ROUNDS = 1000, 5
# Share of the known pixels up to which a void is tried in its own shape.
LARGEST_TRIED = 0.02
# Attributes of the variables of a result.
ABOUT_RESULT = {
    "z": {"units": "m", "long_name": "surface elevation"},
    "z_std": {"units": "m", "long_name": "standard deviation of z"},
    "imputed": {"long_name": "z was filled"},
    "dh_trend": {"units": "m yr-1", "long_name": "trend of z"},
    "reference": {"units": "m", "long_name": "surface elevation of the reference, moved under the surface"},
}


def impute_dem_stack(
    z: xr.DataArray,
    z_std: ArrayLike,
    dem_ref: ArrayLike,
    slope: ArrayLike | None = None,
    aspect: ArrayLike | None = None,
    *,
    mask: ArrayLike | None = None,
    pieces: ArrayLike | None = None,
    method: str = "rff_kriging",
    coregister: bool = True,
    seed: int = 0,
    options: FillOptions | None = None,
) -> xr.Dataset:
    """Fill the voids of yearly surfaces using their difference to a reference without voids.

    Eleven arguments: seven rasters that stand on their own, and the four choices of an imputation.

    Parameters
    ----------
    z, z_std, dem_ref, slope, aspect, mask, pieces
        Yearly heights and their standard deviations; heights, slope and aspect of the reference; ice, which is not used
        for the co-registration; parts of a mosaic, each with a shift of its own. See
        :func:`~oggm_glaunti.companions.dem.stack.checked_stack`
    method : str
        ``rff_kriging`` (default): Bayesian ridge regression on random Fourier features of position, elevation, slope
        and aspect with outliers clipped, its residuals kriged into the voids; ``rff``: the regression alone, as
        published, including outliers; ``kriging``, ``hypsometric``, ``idw``, ``constant``: simpler methods to compare
        with
    coregister : bool
        Move the reference by fractions of a pixel to where the differences scatter least
    seed : int
        Seed of the random features and of the voids that the uncertainty is tested on
    options : FillOptions, optional
        Parameters of the methods

    Returns
    -------
    Dataset
        ``z`` and ``z_std`` (year, y, x; m), ``imputed`` (year, y, x): True where ``z`` was filled, ``dh_trend`` (y, x;
        m yr-1), ``reference`` (y, x; m): `dem_ref` after its shift. Known heights are unchanged; ``z_std`` is filled
        where it is missing, and there never below the median of the known values of that year. Attributes: ``method``,
        ``seed``; ``shift_rows, shift_cols`` (lists: pixels by which the pieces of the reference were moved),
        ``nmad_before, nmad_after`` (m); ``median_dh`` (m), which includes the difference of the datums, if any; and, if
        there were voids, the scores on synthetic voids, ``rmse, median_error, nmad`` (m), ``coverage_90`` before the
        standard deviations were multiplied by ``std_scale``, and the number of hidden pixels and their largest distance
        from known ones (``tried_pixels, tried_distance``)

    Raises
    ------
    ValueError
        If the input is invalid (see ``checked_stack``) or the method unknown

    Notes
    -----
    The method ``rff`` is that of Maslov et al. 2026, appendix B, which has the year as an additional predictor. A void
    is void in every year, so a mean and a trend are equivalent.

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
    attributes = {"method": method, "seed": seed, **_about_registration(stack, known)}
    heights, spread, trend = stack.z.copy(), stack.z_std.copy(), known.lines.slope.copy()
    if wanted.any():
        filled, filled_std = fill(known, wanted, method, options, seed).at(stack.years)
        trial = tried(stack, known.registration, method, options, seed)
        about: dict[str, Any] = {"std_scale": 1.0}
        if trial is not None:
            scores, distance = score(trial), float(trial.distance.max())
            about = {**scores._asdict(), "std_scale": usable_scale(scores)}
            about |= {"tried_pixels": int(trial.true.shape[1]), "tried_distance": distance}
        attributes |= about
        trend[wanted] = (filled[-1] - filled[0]) / (stack.years[-1] - stack.years[0])
        _put(heights, _through_own(filled, stack.z[:, wanted]), wanted)
        _put(spread, _at_least_median(stack, about["std_scale"] * filled_std), wanted)
    # Pixels with heights in most years: the line through those heights.
    heights = np.where(np.isnan(heights), known.lines.at(stack.years), heights)
    spread = np.where(np.isnan(spread), _at_least_median(stack, known.lines.std(stack.years)), spread)
    numbers = {"z": heights, "z_std": spread, "dh_trend": trend, "reference": known.ground.elevation}
    fields: dict[str, Any] = {name: values.astype(np.float32) for name, values in numbers.items()}
    fields["imputed"] = np.isnan(stack.z)
    variables = {k: (("year", "y", "x")[-fields[k].ndim :], fields[k], about) for k, about in ABOUT_RESULT.items()}
    return xr.Dataset(variables, {"year": stack.years, "y": z.y.values, "x": z.x.values}, attributes)


def _put(stack: Floats, values: Floats, wanted: Mask) -> None:
    """Write values (K, M) of the pixels `wanted` where the stack has none."""
    stack[:, wanted] = np.where(np.isnan(stack[:, wanted]), values, stack[:, wanted])


def _through_own(heights: Floats, own: Floats) -> Floats:
    """Shift predicted heights (K, M) onto the few that a pixel has itself, so that only its trend is predicted."""
    known = np.isfinite(own)
    apart = np.where(known, own - heights, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return heights + apart


def _at_least_median(stack: Stack, spread: Floats) -> Floats:
    """Raise standard deviations (K, ...) to the median of the year: unseen heights are not better known than seen."""
    medians = np.nanmedian(stack.z_std.reshape(len(stack.years), -1), axis=1)
    return np.maximum(spread, medians.reshape(-1, *(1,) * (spread.ndim - 1)))


def usable_scale(scores: VoidScores) -> float:
    """Return the factor on standard deviations from a trial; 1 if it gives none, as for a surface without scatter."""
    return scores.std_scale if 0 < scores.std_scale < np.inf else 1.0


def tried(
    stack: Stack, registration: Registration | None, method: str, options: FillOptions | None = None, seed: int = 0
) -> HeldOut | None:
    """Test a method on voids like those of the stack itself, made in its known pixels; None if there is no room.

    A void that is too large to be placed elsewhere is replaced by a disc of the same depth, of at most 2 % of the known
    pixels. Small rasters are tried several times, to hide a thousand pixels if possible. The reference is moved by the
    shifts found with all pixels (`registration`; None: not at all).
    """
    rng = np.random.default_rng(seed)
    void = stack.void
    library = own_shapes(void)
    rounds = int(np.clip(np.ceil(PIXELS_TRIED / (VOID_SHARE * void.size)), 1, MOST_ROUNDS))
    hidden = [place_voids(void, library, VOID_SHARE, rng) for _ in range(rounds)]
    moved = registration is not None
    parts = [hold_out(stack, each, method, options, seed, moved, registration) for each in hidden if each.any()]
    return joined(parts) if parts else None


def own_shapes(void: Mask) -> list[Mask]:
    """Return the shapes of the voids, the large ones as discs; a cross of five pixels if there are none."""
    if not void.any():
        return [disc(1.0)]
    most = LARGEST_TRIED * (~void).sum()
    widest, depth = max(1.0, np.sqrt(most / np.pi)), ndimage.distance_transform_edt(void)
    return [
        shape if shape.sum() <= most else disc(min(depth[box][shape].max(), widest)) for box, shape in components(void)
    ]


def _about_registration(stack: Stack, known: Known) -> dict[str, Any]:
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
