"""Figures of :mod:`tests.real.fits` for the documentation: ``python -m tests.real.fit_figures docs/figures``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oggm_glaunti.graphics.style import COLOURS, LINES, line_widths, save_png
from tests import glaciers
from tests.real import fits
from tests.real.measured import prepared_aletsch

BEST = fits.FITS["+ lapse rate"]


def profiles(rows: pd.DataFrame, column: str) -> pd.Series:
    """Mean over the years of each band."""
    return rows.groupby("height")[column].mean()


def plot_held_out(models: dict[str, pd.DataFrame], path: Path) -> None:
    """Balance against height of every glacier with the parameters of the other two, mean of the years."""
    import matplotlib.pyplot as plt

    first = next(iter(models.values()))
    names = list(first["glacier"].unique())
    fig, axes = plt.subplots(1, len(names), figsize=(10, 4.4), sharex=True, sharey=True, layout="constrained")
    for ax, name in zip(axes, names, strict=True):
        own = first[first["glacier"] == name]
        observed, spread = profiles(own, "value"), own.groupby("height")["value"].std()
        ax.errorbar(
            observed, observed.index, xerr=spread, fmt="o", ms=4, color="0.35", lw=0.8, label="WGMS, mean ± 1 sd"
        )
        for i, ((label, rows), width) in enumerate(zip(models.items(), line_widths(len(models)), strict=True)):
            mean = profiles(rows[rows["glacier"] == name], "modelled")
            ax.plot(mean, mean.index, color=COLOURS[i], linestyle=LINES[i], lw=width, label=label)
        ax.axvline(0.0, color="0.7", lw=0.8, zorder=0)
        ax.set_title(name, fontsize=11)
        ax.set_xlabel("annual balance (m w.e. a$^{-1}$)")
    axes[0].set_ylabel("height (m)")
    axes[0].legend(loc="upper left", fontsize=8, frameon=False)
    fig.suptitle("Each glacier with parameters fitted on the other two, 2015\N{EN DASH}2020", fontsize=12)
    save_png(fig, path)
    plt.close(fig)


def plot_halves(series: dict[str, pd.DataFrame], path: Path) -> None:
    """Annual, winter and summer balance of every year, each modelled with the other half's parameters."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(3, 1, figsize=(10, 8), sharex=True, layout="constrained")
    for ax, season in zip(axes, fits.SEASONS, strict=True):
        for i, ((label, table), width) in enumerate(zip(series.items(), line_widths(len(series)), strict=True)):
            rows = table[table["season"] == season].sort_values("end")
            years = rows["end"].dt.year
            if i == 0:
                ax.plot(years, rows["value"], "o-", ms=4, color="0.35", lw=0.8, label="GLAMOS")
            style = {"color": COLOURS[i], "linestyle": LINES[i], "lw": width}
            ax.plot(years, rows["modelled"], label=label, **style)
        ax.axhline(0.0, color="0.7", lw=0.8, zorder=0)
        ax.set_ylabel(f"{season} balance\n(m w.e.)")
    axes[0].legend(ncols=4, fontsize=8, frameon=False, loc="upper right")
    axes[0].set_title("Grosser Aletsch: every year with parameters fitted on the other half of the years", fontsize=12)
    axes[-1].set_xlabel("year")
    save_png(fig, path)
    plt.close(fig)


def aletsch_series(gdir: Any, shared: Path) -> dict[str, pd.DataFrame]:
    """Modelled test rows of both halves together, by model."""
    from oggm_glaunti.fit.calibration.tasks import fit_glaunti, modelled

    both, series = fits.halves(fits.aletsch_observations(shared)), {}
    plain = {"published": True, "mb_kwargs": {"model": "A"}}
    series["A as published"] = pd.concat([modelled(gdir, half.test, **plain) for half in both])
    for label, case in {"A fitted": fits.CASES["A"], "C climatology fitted": fits.CASES["C climatology"]}.items():
        parts = []
        for half in both:
            observations = fits.targets(half)["seasons + geodetic"]
            fit_glaunti(gdir, observations=observations, free=fits.TWO, filesuffix="_fit", mb_kwargs=case._asdict())
            chosen = {**case._asdict(), "mb_params_filesuffix": "_fit"}
            parts.append(modelled(gdir, half.test, mb_kwargs=chosen))
        series[label] = pd.concat(parts)
    return series


def main(folder: Path) -> None:
    """Write both figures."""
    with prepared_aletsch() as (gdir, shared, working):
        plot_halves(aletsch_series(gdir, shared), folder / "fits_aletsch.png")
        gdirs = glaciers.prepare_rofental(working / "rofental", shared)
        table = fits.rofental_observations(gdirs, shared)
        models = {
            "C as published (yearly)": fits.held_out(gdirs, table, fits.CASES["C yearly"], None),
            "C climatology fitted": fits.held_out(gdirs, table, fits.CASES["C climatology"], BEST),
            "A fitted": fits.held_out(gdirs, table, fits.CASES["A"], BEST),
            "daily TI fitted": fits.held_out_baselines(gdirs, table, BEST)["daily TI"],
        }
        assert all(np.isfinite(rows["modelled"]).all() for rows in models.values())
        plot_held_out(models, folder / "fits_rofental.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
