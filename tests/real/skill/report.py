"""Tables as text."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from tests.real.skill.bounds import BEFORE, Results
from tests.real.skill.experiments import FIT, NO_FIT, Key
from tests.real.skill.scores import bootstrap, by_season, rmse

SEASONS = ("annual", "winter", "summer")
TITLE = f"{'':<52}{'n':>5}   rows: RMSE, r, bias, share within 90 %; year means: RMSE, share; glacier means: same"


def print_tables(results: Results) -> None:
    """A table for each set and test, and what the fit gains on unseen glaciers."""
    for name, test in dict.fromkeys((key.set, key.test) for key in results):
        of = {key.method: judged for key, judged in results.items() if (key.set, key.test) == (name, test)}
        print(f"\n{name}: {test}\n{TITLE}")
        for method, judged in of.items():
            for row in _rows(judged):
                print(f"{method:<32}{row}")
        for group, before in BEFORE.get((name, test), {}).items():
            print(f"{'the fit before':<32}{group[1]:<7}{group[0]:<13}{'':>5} {before:6.3f}")
        if NO_FIT in of:
            for line in gains(results, name, test):
                print(line)
    print()


def _rows(judged: dict[str, pd.DataFrame]) -> list[str]:
    of_rows = by_season(judged["rows"])
    rows = []
    for group in sorted(of_rows, key=lambda group: (SEASONS.index(group[1]), group[0])):
        found = of_rows[group]
        means = [by_season(judged[level])[group] for level in ("year means", "glacier means") if level in judged]
        numbers = f"{found.rmse:6.3f} {found.r:+.2f} {found.bias:+.3f} {_share(found.coverage)}"
        of_means = "".join(f"{mean.rmse:9.3f} {_share(mean.coverage)}" for mean in means)
        rows.append(f"{group[1]:<7}{group[0]:<13}{found.n:>5} {numbers}{of_means}".rstrip())
    return rows


def _share(value: float) -> str:
    return "    " if math.isnan(value) else f"{value:.2f}"


def gains(results: Results, name: str, test: str) -> list[str]:
    """RMSE of the fit against that of the other methods, with the range over glaciers drawn anew."""
    table, lines = results[Key(name, test, FIT)]["rows"], []
    assert np.isfinite(table["modelled"]).all()
    for (kind, season), rows in table.groupby(["kind", "season"]):
        low, high = bootstrap(rows)
        words = f"{FIT}, {season} {kind}, glaciers drawn anew: RMSE"
        lines.append(f"{words:<64}{rmse(rows):.3f} ({low:.3f} to {high:.3f})")
        for key, judged in results.items():
            if (key.set, key.test) == (name, test) and key.method != FIT:
                other = judged["rows"].loc[rows.index, "modelled"].to_numpy()
                low, high = bootstrap(rows, other)
                found = rmse(rows) / rmse(rows.assign(modelled=other)) - 1.0
                words = f"    against {key.method}"
                lines.append(f"{words:<64}{found:+.1%} ({low:+.1%} to {high:+.1%})")
    return lines
