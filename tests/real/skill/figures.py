"""Figures of docs/skill.md: one for each region."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from oggm_glaunti.graphics.style import COLOURS, GREY, MARKERS, light_grid, panels, save_png
from tests.real.skill.bounds import Results
from tests.real.skill.experiments import BOTH, FIT, LOGO, METHODS, NO_FIT, REGIONS, Key
from tests.real.skill.report import SEASONS
from tests.real.skill.scores import NINETY, bootstrap, rmse

TITLES = {
    "trio": "Rofental, three glaciers, bands 2015-2020",
    "ch": "Switzerland, six glaciers, stakes 1981-2020",
    "norway": "Norway, four glaciers, stakes 1962-2020",
}
ROWS = {"trio": "bands", "ch": "stakes", "norway": "stakes"}
SHADES = {
    NO_FIT: "0.75",
    FIT: COLOURS[0],
    "monthly TI": COLOURS[4],
    "daily TI": COLOURS[1],
    "boosted trees": COLOURS[2],
}


def draw(results: Results, folder: Path) -> None:
    """Write ``skill_<set>.png`` of each region."""
    for name in REGIONS:
        figure, axes = panels(1, 2, (10.0, 4.6), width_ratios=(1.0, 1.25))
        scatter(axes[0, 0], results[Key(name, LOGO, FIT)]["year means"])
        bars(axes[0, 1], results, name)
        figure.suptitle(TITLES[name].replace("-", "\N{EN DASH}"), fontsize=12)
        save_png(figure, folder / f"skill_{name}.png")


def scatter(ax, table: pd.DataFrame) -> None:
    """Year means of glaciers that the fit has not seen, with 90 % intervals."""
    for i, season in enumerate(s for s in SEASONS if s in set(table["season"])):
        rows = table[table["season"] == season]
        style = {"color": COLOURS[i], "ecolor": COLOURS[i], "marker": MARKERS[i]}
        bars_of = NINETY * rows["se"]
        ax.errorbar(rows["modelled"], rows["value"], xerr=bars_of, ls="", ms=4, elinewidth=0.5, alpha=0.6, **style)
        ax.plot([], [], color=COLOURS[i], marker=MARKERS[i], ls="", label=season)
    low, high = (f(f(table["value"]), f(table["modelled"])) for f in (min, max))
    ax.plot([low, high], [low, high], color=GREY, lw=0.8, zorder=0)
    ax.set(xlabel="modelled, 90 % interval (m w.e.)", ylabel="observed, mean of the year's rows (m w.e.)")
    ax.set_title("unseen glaciers, a point for each year of each", fontsize=10)
    ax.legend(loc="upper left", fontsize=8, frameon=False)
    light_grid(ax)


def bars(ax, results: Results, name: str) -> None:
    """RMSE of rows by method, on unseen glaciers and on unseen glaciers in unseen years, with its range."""
    table = results[Key(name, LOGO, FIT)]["rows"]
    groups = [g for g, _ in table.groupby(["kind", "season"])]
    groups.sort(key=lambda group: SEASONS.index(group[1]))
    methods, width = list(METHODS), 0.8 / len(METHODS)
    for k, method in enumerate(methods):
        for i, (kind, season) in enumerate(groups):
            at = i + (k - 0.5 * (len(methods) - 1)) * width
            rows = _rows(results, Key(name, LOGO, method), kind, season)
            value = rmse(rows)
            ax.bar(at, value, 0.9 * width, color=SHADES[method], label=method if i == 0 else None)
            low, high = bootstrap(rows)
            ax.plot([at, at], [low, high], color="0.25", lw=0.9)
            key = Key(name, BOTH, method)
            if key in results:
                ax.plot(
                    at, rmse(_rows(results, key, kind, season)), marker="D", ms=4, color="white", mec="0.1", mew=0.9
                )
    ax.plot([], [], marker="D", ls="", ms=4, color="white", mec="0.1", label="in unseen years, too")
    ax.set_xticks(
        np.arange(len(groups)),
        [f"{season}\n{ROWS[name] if kind == 'point' else 'whole glaciers'}" for kind, season in groups],
    )
    ax.set(ylabel="RMSE (m w.e.)", ylim=(0.0, None))
    ax.set_title("unseen glaciers; lines: 90 % of draws of glaciers", fontsize=10)
    ax.legend(fontsize=8, frameon=False, ncols=2, loc="upper right")
    ax.set_ylim(0.0, 1.35 * ax.get_ylim()[1])


def _rows(results: Results, key: Key, kind: str, season: str) -> pd.DataFrame:
    table = results[key]["rows"]
    return table[(table["kind"] == kind) & (table["season"] == season)]
