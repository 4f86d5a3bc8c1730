"""Cost against area and years: times over a range of sizes, slopes, figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.benchmarks import kernels, synthetic
from tests.benchmarks.report import readable
from tests.benchmarks.runner import alternate

Works = dict[str, Callable[[], Any]]


class Scaling(NamedTuple):
    """Pieces of work over a range of sizes.

    Attributes
    ----------
    name, title : str
    sizes : tuple of int
    make : callable
        ``make(size) -> {name: work}``; a name may be missing at some sizes
    label : str
        of the size, with unit
    tiny : tuple of int
        sizes of quick runs
    """

    name: str
    title: str
    sizes: tuple[int, ...]
    make: Callable[[int], Works]
    label: str
    tiny: tuple[int, ...]
    note: str = ""
    needs_data: bool = False

    def body(self, quick: bool, memory: bool, figure: Path | None) -> tuple[str, bool]:
        """Table of medians with slopes; the figure where asked for."""
        del memory
        sizes = self.tiny if quick else self.sizes
        times: dict[str, dict[int, float]] = {}
        for size in sizes:
            medians, _, _ = alternate(self.make(size), 1 if quick else 5, 0.0 if quick else 3.0)
            for name, seconds in medians.items():
                times.setdefault(name, {})[size] = seconds
        lines = table(self.label, sizes, times)
        if figure is not None:
            draw(figure, self.title, self.label, times)
            lines += f"\n\n![{self.title}](../figures/{figure.name})"
        return lines, True


def slope(times: dict[int, float]) -> float:
    """Slope of the logarithms over the upper half of the sizes: 1 is proportional."""
    sizes = sorted(times)[len(times) // 2 :] if len(times) > 3 else sorted(times)
    if len(sizes) < 2:
        return float("nan")
    return float(np.polyfit(np.log(sizes), np.log([times[size] for size in sizes]), 1)[0])


def table(label: str, sizes: tuple[int, ...], times: dict[str, dict[int, float]]) -> str:
    """Markdown: a row per size, a column per work, slopes below."""
    lines = [f"| {label} | {' | '.join(times)} |", "|---" * (len(times) + 1) + "|"]
    for size in sizes:
        cells = [readable(column[size]) if size in column else "" for column in times.values()]
        lines.append(f"| {size} | {' | '.join(cells)} |")
    slopes = [f"{slope(column):.2f}" for column in times.values()]
    return "\n".join([*lines, f"| slope, upper half | {' | '.join(slopes)} |"])


def draw(path: Path, title: str, label: str, times: dict[str, dict[int, float]]) -> None:
    """Times over sizes, both logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    fig, ax = plt.subplots(figsize=(6.4, 5.0), layout="constrained")
    for (name, column), marker in zip(times.items(), "osD^vP*X", strict=False):
        sizes = sorted(column)
        ax.loglog(sizes, [column[s] for s in sizes], marker=marker, label=f"{name} (slope {slope(column):.2f})")
    ax.set(xlabel=label, ylabel="time (s)", title=title)
    all_sizes = sorted({size for column in times.values() for size in column})
    ax.set_xticks(all_sizes, [f"{size:,}" for size in all_sizes])
    ax.set_xticks([], minor=True)
    ax.grid(which="both", alpha=0.25)
    columns = 1 if max(map(len, times)) > 25 else 2
    fig.legend(loc="outside lower center", ncols=columns, frameon=False, title="slopes: upper half of the range")
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=130)
    plt.close(fig)


def area(cells: int) -> Works:
    """A year of A and C on a square grid."""
    from tests.benchmarks import subjects as s

    g = synthetic.glacier(round(cells**0.5))
    return {
        "C, plain": kernels.plain_c(g),
        "C, fast": s.c_fast(g),
        "A, plain": kernels.plain_a(g),
        "A, glacier cells": s.a_masked(g),
        "A, on heights": s.a_on_heights(g),
    }


def years(n: int) -> Works:
    """Tables and corrections of `n` calendar years."""
    from tests.benchmarks import subjects as s

    climate, heights = s.daily_climate(n), 1600.0 + 10.0 * np.arange(200)
    works: Works = {
        "table of A, plain": kernels.plain_table(climate, heights),
        "table of A": s.table_of(climate, heights),
    }
    if n > 1:  # one calendar year holds no mass-balance year
        side = 64
        g = synthetic.glacier(side)
        features = kernels.features_on_grid(g.outline, g.elevation, synthetic.ELEVATION_STD)
        works["corrections and table of C, 64 x 64 cells"] = s.corrected_table_of(climate, features, heights)
    return works


CASES = [
    Scaling(
        "area",
        "A year against the number of cells",
        tuple(side**2 for side in (50, 71, 100, 141, 200, 283, 400)),
        area,
        "cells of the grid, 40 % of them glacier",
        (24**2,),
    ),
    Scaling("years", "Tables against the number of years", (1, 2, 5, 10, 20, 40), years, "years", (1,)),
]
