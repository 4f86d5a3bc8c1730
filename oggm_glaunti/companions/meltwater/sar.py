"""Wet snow in backscatter of C-band radar (Nagler & Rott 2000): 3 dB darker than the same orbit in winter."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEWEST_WINTER_SCENES = 3


def wet_fraction(
    sigma0_db: ArrayLike,
    orbit: ArrayLike,
    time: ArrayLike,
    winter: Sequence[int] = (12, 1, 2),
    threshold: float = -3.0,
    *,
    shadow: ArrayLike | None = None,
    cells: int = 1,
) -> NDArray[np.float32]:
    """Compute the share of wet fine pixels in each cell of every scene.

    Parameters
    ----------
    sigma0_db : array (T, H, W)
        backscatter, dB; NaN where there is none
    orbit : int array (T,)
        relative orbit of each scene: the look angle, and so the backscatter of dry ground, is that of the orbit
    time : array (T,) of dates
    winter : sequence of int
        months in which the surface is dry; in the south e.g. ``(6, 7, 8)``
    threshold : float
        change against the winter mean (in linear power) below which a pixel is wet, dB
    shadow : bool array (H, W) or (T, H, W), optional
        layover and shadow, which are left out
    cells : int
        fine pixels along the side of a cell

    Returns
    -------
    float32 array (T, H // cells, W // cells)
        0 to 1; NaN where no fine pixel of the cell has both a value and three or more winter scenes of its orbit.
        Rough wet ice may be brighter than in winter and counts as dry

    Raises
    ------
    ValueError
        if an orbit has too few winter scenes everywhere, or arrays do not fit

    Examples
    --------
    >>> days = np.array(["2020-01-05", "2020-01-11", "2020-01-17", "2020-07-01"], "datetime64[D]")
    >>> wet_fraction(np.array([-8.0, -8.0, -8.0, -14.0]).reshape(4, 1, 1), [44] * 4, days).ravel().tolist()
    [0.0, 0.0, 0.0, 1.0]
    """
    backscatter = np.array(sigma0_db, np.float64)
    orbits, month = np.asarray(orbit), np.asarray(time, "datetime64[M]").astype(int) % 12 + 1
    if backscatter.ndim != 3 or not len(orbits) == len(month) == len(backscatter):
        raise ValueError(
            f"sigma0_db: expected (T, H, W) with an orbit and a time for each scene, found {backscatter.shape}, "
            f"{orbits.shape} and {month.shape}"
        )
    if shadow is not None:
        backscatter[np.broadcast_to(np.asarray(shadow, bool), backscatter.shape)] = np.nan
    wet = np.full(backscatter.shape, np.nan, np.float32)
    for number in np.unique(orbits):
        of_orbit = orbits == number
        in_winter = backscatter[of_orbit & np.isin(month, winter)]
        enough = np.isfinite(in_winter).sum(axis=0) >= FEWEST_WINTER_SCENES
        if not enough.any():
            raise ValueError(
                f"orbit {number}: {len(in_winter)} scenes in the winter months {tuple(winter)}, expected "
                f"{FEWEST_WINTER_SCENES} or more over some pixel; add winter scenes or leave the orbit out"
            )
        dry = _mean_db(in_winter)
        scenes = backscatter[of_orbit]
        known = np.isfinite(scenes) & enough
        wet[of_orbit] = np.where(known, scenes - np.where(enough, dry, 0.0) < threshold, np.nan)
    return shares(wet, cells)


def _mean_db(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over scenes in linear power, in dB again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pixels without any scene are NaN
        return 10.0 * np.log10(np.nanmean(10.0 ** (values / 10.0), axis=0))


def shares(fine: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """Average fine pixels (T, H, W) over cells of `cells` by `cells`, without those that are NaN.

    Examples
    --------
    >>> shares(np.array([[[1.0, np.nan], [0.0, np.nan]]], np.float32), 2).tolist()
    [[[0.5]]]
    """
    n, height, width = fine.shape
    if cells == 1:
        return fine
    cut = fine[:, : height // cells * cells, : width // cells * cells]
    blocks = cut.reshape(n, height // cells, cells, width // cells, cells)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # cells without any pixel are NaN
        return np.nanmean(blocks, axis=(2, 4)).astype(np.float32)
