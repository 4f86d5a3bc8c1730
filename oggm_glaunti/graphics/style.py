"""What the figures share: colours and markers, empty figures, axes of years, PNG files.

Colours are those of Okabe and Ito, which can be told apart with any colour vision; every series also has a line style
and a marker of its own, for print.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

# Okabe and Ito (2008), without yellow, which is too pale for lines.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)))
MARKERS = ("o", "^", "s", "D", "v", "P")
GREY = "0.6"  # of zero lines and lines of equality
SHADES = 16  # of a map with two signs, eight for each: few enough to find each in the colour bar


def series_style(i: int, *parts: str) -> dict[str, Any]:
    """Return those of color, linestyle and marker that are named, for series `i`; they repeat after the sixth.

    Examples
    --------
    >>> series_style(7, "linestyle", "marker")
    {'linestyle': '--', 'marker': '^'}
    """
    every = {"color": COLOURS, "linestyle": LINES, "marker": MARKERS}
    return {part: every[part][i % len(COLOURS)] for part in parts}


def line_widths(n: int) -> list[float]:
    """Return widths of `n` lines, points, each less than the one before: where they meet, those below are still seen.

    Examples
    --------
    >>> line_widths(3)
    [2.6, 1.9, 1.2]
    """
    return [round(float(width), 2) for width in np.linspace(2.6, 1.2, n)] if n > 1 else [1.6] * n


def new_figure(size: tuple[float, float]) -> Figure:
    """Return an empty figure of a given width and height in inches; no window is ever opened."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    # Room between panels, so that the label of a colour bar and that of the next axis are told apart.
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(wspace=0.04, hspace=0.03))
    FigureCanvasAgg(figure)
    return figure


def panels(rows: int, columns: int, size: tuple[float, float], **kwargs: Any) -> tuple[Figure, np.ndarray]:
    """Return a figure of a given width and height in inches and its axes (rows, columns).

    Further arguments are those of :meth:`matplotlib.figure.Figure.subplots`.
    """
    figure = new_figure(size)
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def axes_or_current(ax: Axes | None) -> Axes:
    """Return `ax`, or pyplot's current axes if it is None."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.gca()


def save_png(fig: Figure, path: str | os.PathLike[str], dpi: int = 110) -> Path:
    """Write a figure as a PNG with a palette of 256 colours, a third of the size of a full one.

    Parameters
    ----------
    fig : matplotlib Figure
    path : str or path
        PNG file to write; its folder must exist
    dpi : int
        Resolution, dots per inch

    Returns
    -------
    pathlib.Path
        Path of the file, which is complete or absent
    """
    from PIL import Image

    path = Path(path)
    with replacing(path) as temporary:
        fig.savefig(temporary, dpi=dpi, format="png")
        with Image.open(temporary) as image:
            few_colours = image.convert("RGB").quantize(256, kmeans=4, dither=Image.Dither.NONE)
        few_colours.save(temporary, "PNG", optimize=True)
    return path


def light_grid(ax: Axes) -> None:
    """Draw thin, pale grid lines behind everything else."""
    ax.grid(color="0.92", linewidth=0.6)
    ax.set_axisbelow(True)


def whole_years(ax: Axes, ticks: int = 10) -> None:
    """Put ticks at whole years only, `ticks` intervals at most."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=ticks))


def short_dates(ax: Axes) -> None:
    """Write days and months on an axis of dates, and the year once."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator()
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def few_ticks(*axes: Axis) -> None:
    """Put ticks at up to eight multiples of 1, 2 or 5: at the same numbers on axes with the same limits."""
    from matplotlib.ticker import MaxNLocator

    for axis in axes:
        axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))


def plain_log(axis: Axis) -> None:
    """Write plain numbers at 1, 2 and 5 of every decade of a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")


def minus_signs(text: str) -> str:
    """Replace hyphens by minus signs."""
    return text.replace("-", "\N{MINUS SIGN}")


def decimals(largest: float, digits: int = 2) -> int:
    """Return how many decimals show `digits` digits of the largest of several numbers: all are written with them.

    Examples
    --------
    >>> decimals(0.49), decimals(12.3), decimals(0.013)
    (2, 0, 3)
    """
    return max(0, digits - 1 - int(np.floor(np.log10(abs(largest))))) if largest else digits


def round_limit(largest: float) -> float:
    """Return the next number above `largest` that divides into eight round steps; 1 for a map of zeros.

    Examples
    --------
    >>> round_limit(3.2), round_limit(0.0)
    (4.0, 1.0)
    """
    if largest == 0.0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(largest))
    return float(power * next(step for step in (1.2, 1.6, 2.0, 4.0, 8.0, 12.0) if largest <= step * power))


def mark_beyond(image: ScalarMappable, values: NDArray[np.floating]) -> None:
    """Give the colour bar of an image arrows at the ends that `values` lie beyond."""
    low, high = image.get_clim()
    ends = bool((values < low).any()), bool((values > high).any())
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[ends]
    image.cmap.colorbar_extend = extend  # type: ignore[assignment]  # matplotlib's stubs say bool
