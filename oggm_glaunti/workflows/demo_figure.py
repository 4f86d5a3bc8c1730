"""The demo's figure: balance maps, balance against height with what was measured, and ice volume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from oggm_glaunti.graphics.glacier import plot_balance_map
from oggm_glaunti.graphics.style import COLOURS, GREY, LINES, new_figure, save_png

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from oggm import GlacierDirectory

    from oggm_glaunti.coupling.ground.features import Features

BAND = 50.0  # m, height of the bands of a profile
UNIT = "m w.e. a$^{-1}$"


class Result(NamedTuple):
    """What a model gave: directory, mean map (H, W), its cells, ice volume (km3), measured and modelled bands."""

    gdir: GlacierDirectory
    smb: np.ndarray
    features: Features
    volume: pd.Series
    bands: pd.DataFrame | None


def save_overview(results: Mapping[str, Result], maps: Mapping[str, Any], climate: tuple[int, int], path: Path) -> Path:
    """Draw and save the figure.

    Parameters
    ----------
    results : mapping
        of each model
    maps : mapping
        ``ys`` and ``ye``, the years that the maps are the mean of
    climate : (int, int)
        years that the run's are drawn from
    path : path
        PNG file

    Returns
    -------
    pathlib.Path
        `path`
    """
    rows, columns = np.nonzero(next(iter(results.values())).features.glacier)
    wide = np.ptp(columns) > np.ptp(rows)
    figure = new_figure((10.5, 6.2))
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[1.15, 1.0])[0]
    years = f"{maps['ys']}-{maps['ye']}"
    _draw_maps(left, results, years, stacked=bool(wide))
    profile_axis, volume_axis = right.subplots(2, 1)
    _draw_profiles(profile_axis, results, years)
    for number, (model, result) in enumerate(results.items()):
        style = {"color": COLOURS[number], "linestyle": LINES[number]}
        volume_axis.plot(result.volume.index, result.volume, label=f"model {model}", **style)
    volume_axis.set(title=f"Ice volume in the climate of {climate[0]}-{climate[1]}", xlabel="year of the run")
    volume_axis.set(ylabel="km$^3$", ylim=(0, None))
    volume_axis.legend(frameon=False)
    return save_png(figure, path, dpi=130)


def _draw_maps(figure: SubFigure, results: Mapping[str, Result], years: str, stacked: bool) -> None:
    shape = (len(results), 1) if stacked else (1, len(results))
    axes = figure.subplots(*shape, squeeze=False, sharex=stacked, sharey=not stacked).ravel()
    # A few cells at the tongue's end would make everything else pale.
    limit = float(np.ceil(max(np.nanquantile(np.abs(result.smb), 0.98) for result in results.values())))
    for axis, (model, result) in zip(axes, results.items(), strict=True):
        image = plot_balance_map(result.smb, result.features, axis, limit=limit)
        axis.set_title(f"Model {model}")
        axis.locator_params(axis="x", nbins=6 if stacked else 3)
    for axis in axes[:-1] if stacked else axes[1:]:
        axis.set(**{"xlabel" if stacked else "ylabel": ""})
    figure.colorbar(image, ax=axes, label=f"surface mass balance {years} ({UNIT})", shrink=0.8)


def _draw_profiles(axis: Axes, results: Mapping[str, Result], years: str) -> None:
    axis.axvline(0.0, color=GREY, linewidth=0.8)
    for number, (model, result) in enumerate(results.items()):
        heights, balances = _profile(result)
        axis.plot(balances, heights, color=COLOURS[number], linestyle=LINES[number], label=f"model {model}")
    bands = next(iter(results.values())).bands
    if bands is not None:
        measured = _measured_in_all_years(bands)
        axis.plot(measured, measured.index, "o", color="0.1", markersize=4, label="measured bands")
    axis.set(title=f"Balance against height, {years}", xlabel=UNIT, ylabel="height (m)")
    axis.legend(frameon=False)


def _profile(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Return middle heights of bands (m) and the map's mean in each."""
    inside = result.features.glacier & np.isfinite(result.smb)
    number = np.floor(result.features.elevation[inside] / BAND).astype(int)
    found = np.unique(number)
    means = [result.smb[inside][number == band].mean() for band in found]
    return (found + 0.5) * BAND, np.array(means)


def _measured_in_all_years(bands: pd.DataFrame) -> pd.Series:
    """Return the mean measured balance by height, of the bands that were measured every year."""
    by_height = bands.groupby("height")["measured"].agg(["mean", "size"])
    return by_height.loc[by_height["size"] == bands["year"].nunique(), "mean"]
