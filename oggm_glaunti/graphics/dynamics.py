"""Figures of the sensitivity of a glacier's volume to climate and parameters, after years of ice dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import xarray as xr
from numpy.typing import ArrayLike

from oggm_glaunti.graphics.style import COLOURS, GREY, LINES, minus_signs, panels, series_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MONTH_INITIALS = "JFMAMJJASOND"
LAYER = 100.0  # m, thickness of the elevation layers that derivatives are shown for
PER_LAYER = "10$^{-3}$ km$^3$ per m w.e."


def plot_volume(found: xr.Dataset, control: str = "dT", reruns: Mapping[float, ArrayLike] | None = None) -> Figure:
    """Draw volumes over time, as they are and with a control changed: to first order, and by full runs if given.

    Parameters
    ----------
    found : Dataset
        Result of :func:`~oggm_glaunti.analysis.dynamics.tasks.volume_sensitivity`
    control : str
        One of its controls
    reruns : mapping of float to array (time,), optional
        Volumes (km3) of full runs by the size of the change, in units of the control's ``per``. By default changes by 1
        and -1 are shown, to first order only

    Returns
    -------
    Figure
        Upper panel: volumes; lower panel: the derivative with its error
    """
    figure, axes = panels(2, 1, (7.0, 6.0), sharex=True, height_ratios=(2, 1))
    above, below = axes[:, 0]
    one = found.sel(control=control)
    years, per = found["time"].to_numpy(), str(one["per"].item())
    above.plot(years, one["volume"], color="black", label="as it is")
    for i, amount in enumerate([1.0, -1.0] if reruns is None else reruns):
        words = f"{control} {amount:+g} × {per}".replace("× 1 K", "K")
        colour, name = series_style(i, "color"), minus_signs(words)
        above.plot(years, one["volume"] + amount * one["d_volume"], label=f"{name}, first order", **colour)
        if reruns is not None:
            above.plot(years, reruns[amount], linestyle=LINES[1], label=f"{name}, whole run", **colour)
    above.set(ylabel="volume (km$^3$)")
    above.legend(fontsize="small", frameon=False)
    low, high = (one["d_volume"] + sign * one["d_volume_error"] for sign in (-1, 1))
    below.fill_between(years, low, high, color=COLOURS[1], alpha=0.3)
    below.plot(years, one["d_volume"], color=COLOURS[1])
    below.axhline(0.0, color=GREY, linewidth=0.8)
    below.set(ylabel=f"derivative, with its error\n(km$^3$ per {per})", xlabel="1 January of the year")
    return figure


def plot_gradient(found: xr.Dataset) -> Figure:
    """Draw the effect on the last volume of 1 m w.e. more in a layer of 100 m in a year, and of each year's weather.

    Parameters
    ----------
    found : Dataset
        Result of :func:`~oggm_glaunti.analysis.dynamics.tasks.volume_gradient`
    """
    figure, axes = panels(2, 2, (9.5, 6.5), width_ratios=(3, 1), height_ratios=(2, 1))
    layers = (found["height"] // LAYER * LAYER + 0.5 * LAYER).rename("layer")
    by_layer = 1000.0 * found["gradient"].groupby(layers).sum()
    largest = abs(by_layer).max("year").to_numpy()
    seen = by_layer.sel(layer=largest > 1e-3 * largest.max())
    years, layer = seen["year"].to_numpy(), seen["layer"].to_numpy()
    mesh = axes[0, 0].pcolormesh(years, layer, seen.transpose("layer", "year"), cmap="viridis", shading="nearest")
    axes[0, 0].set(ylabel="height (m)")
    label = f"change of the last volume ({PER_LAYER}, in a year and {LAYER:g} m of height)"
    figure.colorbar(mesh, ax=axes[0, 0], location="top", aspect=40, label=label)
    axes[0, 1].barh(layer, seen.sum("year"), height=0.9 * LAYER, color=COLOURS[1])
    axes[0, 1].set(xlabel=f"all years together\n({PER_LAYER})", ylim=axes[0, 0].get_ylim())
    axes[0, 1].tick_params(labelleft=False)
    # The contribution of each year's weather to the effect of the controls; months of a control are summed.
    labels = found["control"].values.astype(str)
    names = [label[:2] if label.startswith(("dT_", "dP_")) else label for label in labels]
    for i, name in enumerate(dict.fromkeys(names)):
        own = found["d_volume_of_year"].isel(control=[n == name for n in names])
        label = f"{name} by {own['per'].values[0]}"
        axes[1, 0].plot(found["year"], own.sum("control"), ".-", label=label, **series_style(i, "color"))
    axes[1, 0].axhline(0.0, color=GREY, linewidth=0.8)
    axes[1, 0].set(xlabel="year whose weather is changed", ylabel="change of the\nlast volume (km$^3$)")
    axes[1, 0].legend(fontsize="small", frameon=False)
    axes[1, 0].set_xlim(axes[0, 0].get_xlim())
    axes[1, 1].set_axis_off()
    return figure


def plot_months(found: xr.Dataset) -> Figure:
    """Draw the effect on the last volume of a change in one calendar month of every year.

    Parameters
    ----------
    found : Dataset
        Result of ``volume_gradient`` or ``volume_sensitivity`` with ``by_month=True``

    Raises
    ------
    ValueError
        If no control is by month
    """
    d_volume = found["d_volume"] if "time" not in found["d_volume"].dims else found["d_volume"].isel(time=-1)
    labels = [str(label) for label in found["control"].values]
    names = [name for name in ("dT", "dP") if f"{name}_01" in labels]
    if not names:
        raise ValueError(f"no control by month among {labels}; make the result with by_month=True")
    figure, axes = panels(1, len(names), (3.5 * len(names) + 1.0, 3.2))
    for ax, name, colour in zip(axes[0], names, COLOURS, strict=False):
        own = d_volume.sel(control=[f"{name}_{month:02d}" for month in range(1, 13)])
        ax.bar(range(1, 13), own, color=colour)
        ax.axhline(0.0, color=GREY, linewidth=0.8)
        ax.set(title=f"{name} by {own['per'].values[0]}", xlabel="month", ylabel="change of the last volume (km$^3$)")
        ax.set_xticks(range(1, 13), MONTH_INITIALS)
    return figure
