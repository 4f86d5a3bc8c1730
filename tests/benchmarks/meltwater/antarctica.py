"""Real daily melt round the Antarctic Peninsula with hidden scenes: leak test, baselines, networks, extent."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from oggm_glaunti.companions.meltwater.antarctica import CELL_AREA, overpasses, read_antarctic_melt
from oggm_glaunti.companions.meltwater.baselines import (
    chosen_decay,
    fit_height_line,
    fit_logistic,
    months_of,
    of_scenes,
)
from oggm_glaunti.companions.meltwater.features import features, scales_of
from oggm_glaunti.companions.meltwater.fit_loop import FitOptions
from oggm_glaunti.companions.meltwater.scores import (
    FEWEST_IN_BIN,
    by_gap,
    by_season,
    date_errors,
    melt_dates,
    pooled,
    published,
    reliability,
)
from oggm_glaunti.companions.meltwater.splits import Split, random_days, seasons_left_out
from oggm_glaunti.companions.meltwater.stack import Floats, SceneStack
from oggm_glaunti.companions.meltwater.training import predict_days, predict_features, prepare, train_network
from tests.benchmarks.meltwater.lines import Verdict, head, mean_sd, score_line
from tests.companions.meltwater.leak import BROKEN, broken_rule, movement
from tests.real.measured import shared_data

LEFT_OUT = (2017, 2018, 2019)
DRAWS = (0, 1, 2)
MANY_DRAWS = 10
KINDS = ("unet", "deeplab")
OPTIONS = FitOptions(epochs=6, rate=1e-3, patience=3, decay=0.0)
CROP = 32
# Brier scores of the prototype, on another draw.
PROTOTYPE = {
    "a": {"nothing melts": 0.0310, "climatology": 0.0239, "window 3+3": 0.0258, "decaying window": 0.0225},
    "b": {"nothing melts": 0.0213, "climatology": 0.0166, "window 3+3": 0.0176, "decaying window": 0.0153},
}
NEAR, BEST_RATIO, RELIABLE = 0.15, 0.92, 0.05


class Drawn(NamedTuple):
    """One draw of overpasses, with its splits."""

    stack: SceneStack
    splits: dict[str, Split]


def draw(full: SceneStack, seed: int) -> Drawn:
    stack = overpasses(full, seed=seed)
    a = random_days(stack, seed)
    b, c = (seasons_left_out(stack, a, LEFT_OUT, observed) for observed in (True, False))
    return Drawn(stack, {"a": a, "b": b, "c": c})


def observed(stack: SceneStack, days: np.ndarray) -> Floats:
    return np.where(stack.valid, stack.target[days], np.float32(np.nan))


def leak_lines(drawn: Drawn) -> list[Verdict]:
    moved = max(movement(drawn.stack, split) for split in drawn.splits.values())
    found = [Verdict(f"leak test: predictors move by {moved:g} when target and held-out scenes are noise", moved == 0)]
    for how in BROKEN:
        with broken_rule(how):
            moved = movement(drawn.stack, drawn.splits["a"])
        found.append(Verdict(f"leak test fails on a rule that uses {how}: moves by {moved:.2g}", moved > 0.01))
    return found


def baseline_lines(full: SceneStack) -> list[Verdict]:
    """Baselines over many draws: one draw's melt share differs from another's by half."""
    head(f"Baselines, Brier score on test scenes, mean and sd of {MANY_DRAWS} draws of overpasses and splits")
    scores: dict[str, dict[str, list[float]]] = {key: {} for key in "abc"}
    f1: dict[str, dict[str, list[float]]] = {key: {} for key in "abc"}
    for seed in range(MANY_DRAWS):
        drawn = draw(full, seed)
        for key, split in drawn.splits.items():
            y = observed(drawn.stack, split.test)
            line = fit_height_line(drawn.stack, split)
            rules = dict(of_scenes(drawn.stack, split, chosen_decay(drawn.stack, split)))
            rules["monthly linear in height"] = lambda days, d=drawn, at=line: at.predict(
                months_of(d.stack, days), d.stack.static["elevation"]
            )
            for name, rule in rules.items():
                found = pooled(rule(split.test), y)
                scores[key].setdefault(name, []).append(found.brier)
                f1[key].setdefault(name, []).append(found.f1)
    for name in scores["a"]:
        cells = "   ".join(f"{key}: {mean_sd(scores[key][name])} F1 {np.mean(f1[key][name]):.3f}" for key in "abc")
        print(f"  {name:26s}{cells}")
    verdicts = []
    for key, expected in PROTOTYPE.items():
        wet = np.mean(scores[key]["nothing melts"])
        for name, brier in expected.items():
            mine = np.mean(scores[key][name])
            what = f"split {key}, {name}: Brier {mine:.4f} within 15 % of the prototype's {brier:.4f}"
            verdicts.append(Verdict(f"{what} (another draw)", abs(mine / brier - 1) <= NEAR))
            if name != "nothing melts":
                ratio, theirs = mine / wet, brier / expected["nothing melts"]
                what = f"split {key}, {name}: Brier over that of nothing {ratio:.3f} within 15 % of {theirs:.3f}"
                verdicts.append(Verdict(what, abs(ratio / theirs - 1) <= NEAR))
        ratio = np.mean(scores[key]["decaying window"]) / np.mean(scores[key]["window 3+3"])
        verdicts.append(
            Verdict(f"split {key}: decaying window / window 3+3 {ratio:.3f} <= {BEST_RATIO}", ratio <= BEST_RATIO)
        )
    return verdicts


def network_lines(full: SceneStack) -> list[Verdict]:
    """Networks on three draws, each with a training seed of its own."""
    head(f"Networks that correct the decaying window; draws and training seeds {DRAWS}")
    ratios: dict[tuple[str, str], list[float]] = {}
    gains: dict[tuple[str, str], list[float]] = {}
    pool: dict[str, list[np.ndarray]] = {"p": [], "y": []}
    seconds, extent = [], []
    for seed in DRAWS:
        drawn = draw(full, seed)
        for key in "ab":
            split, stack = drawn.splits[key], drawn.stack
            decay = chosen_decay(stack, split)
            scales = scales_of(stack, split)
            prepared, tested = prepare(stack, split, decay, scales), features(stack, split, split.test, decay, scales)
            y = observed(stack, split.test)
            prior = of_scenes(stack, split, decay)["climatology"](split.test)
            base = pooled(tested.base, y, prior)
            print(score_line(f"draw {seed}, {key}: decaying window", base) + f"  {decay}")
            rule = fit_logistic(prepared[0].x, observed(stack, split.learn))
            print(score_line(f"draw {seed}, {key}: logistic regression", pooled(rule.predict(tested.x), y, prior)))
            for kind in KINDS:
                begin = time.perf_counter()
                trained = train_network(
                    stack, split, decay, kind, crop=CROP, seed=seed, options=OPTIONS, prepared=prepared
                )
                seconds.append(time.perf_counter() - begin)
                p = predict_features(trained.network, trained.weights, tested)
                found = pooled(p, y, prior)
                print(score_line(f"draw {seed}, {key}: {kind}, epoch {trained.best_epoch}", found), flush=True)
                ratios.setdefault((kind, key), []).append(found.brier / base.brier)
                gains.setdefault((kind, key), []).append(found.f1 - base.f1)
                if kind == "unet" and key == "a":
                    pool["p"].append(p.ravel())
                    pool["y"].append(y.ravel())
                if kind == "unet" and key == "b":
                    extent.append(season_errors(full, drawn, split, decay, trained))
                if seed == DRAWS[0] and kind == "unet":
                    print_tables(stack, split, p, y, tested.gap, prior)
    verdicts = []
    for (kind, key), values in ratios.items():
        what = f"{kind}, split {key}: Brier / decaying window {mean_sd(values)} <= 1"
        verdicts.append(Verdict(what, float(np.mean(values)) <= 1.0))
        f1 = gains[kind, key]
        verdicts.append(
            Verdict(f"{kind}, split {key}: F1 minus decaying window {mean_sd(f1)} >= 0", np.mean(f1) >= 0.0)
        )
        sure = 1.0 - np.mean(values) > 2.0 * np.std(values, ddof=1)
        print(f"  {kind}, split {key}: {'a gain above 2 sd' if sure else 'no gain above 2 sd: none is claimed'}")
    table = reliability(np.concatenate(pool["p"]), np.concatenate(pool["y"]))
    table = table[table.cells >= FEWEST_IN_BIN]
    print("  reliability of the UNet, split a, all draws\n" + table.round(3).to_string())
    worst = float(np.abs(table.predicted - table.observed).max())
    verdicts.append(
        Verdict(f"reliability, split a, {len(table)} bins: worst {worst:.3f} <= {RELIABLE}", worst <= RELIABLE)
    )
    mine = float(np.mean([errors["unet"] for errors in extent]))
    others = {name: float(np.mean([errors[name] for errors in extent])) for name in extent[0] if name != "unet"}
    best = min(others, key=lambda name: others[name])
    print(
        "  season's melt area, mean absolute error in km2 days: " + ", ".join(f"{n} {v:.0f}" for n, v in others.items())
    )
    what = f"season's melt area, split b: error of the UNet {mine:.0f} km2 days <= {best}'s {others[best]:.0f}"
    verdicts.append(Verdict(what, mine <= others[best]))
    verdicts.append(Verdict(f"slowest of {len(seconds)} trainings {max(seconds):.0f} s <= 300 s", max(seconds) <= 300))
    return verdicts


def season_errors(full: SceneStack, drawn: Drawn, split: Split, decay, trained) -> dict[str, float]:
    """Absolute errors of the left-out seasons' melt area (km2 days) against all that the radiometer saw."""
    found: dict[str, list[float]] = {}
    for season in LEFT_OUT:
        days = np.flatnonzero(drawn.stack.seasons == season)
        truth = observed(full, days)
        seen = np.isfinite(truth)
        rules = {**of_scenes(drawn.stack, split, decay)}
        maps = {name: rule(days) for name, rule in rules.items() if name != "nothing melts"}
        maps["unet"] = predict_days(trained, drawn.stack, split, days)
        for name, p in maps.items():
            area = float((np.where(seen, p, 0).sum() - np.where(seen, truth, 0).sum()) * CELL_AREA)
            found.setdefault(name, []).append(abs(area))
        if season == LEFT_OUT[0]:
            dates = (melt_dates(full.time[days], np.where(seen, m, 0) > 0.5) for m in (maps["unet"], truth))
            errors = {name: round(float(value), 1) for name, value in date_errors(*dates).items()}
            print(f"  season {season}, UNet's dates against the radiometer's (days): {errors}")
    return {name: float(np.mean(values)) for name, values in found.items()}


def print_tables(stack: SceneStack, split: Split, p: Floats, y: Floats, gap: Floats, prior: Floats) -> None:
    print(by_gap(p, y, gap, prior).round(4).to_string())
    print(by_season(p, y, stack.seasons[split.test], prior).round(4).to_string())
    seen = p[np.isfinite(y).any(axis=(1, 2))], y[np.isfinite(y).any(axis=(1, 2))]
    for name, values in (("UNet", seen[0]), ("nothing melts", np.zeros_like(seen[0]))):
        found = published(values, seen[1])
        text = ", ".join(f"{key} {value:.3f} ({found.sd[key]:.3f})" for key, value in found.mean.items())
        print(f"  published scores, {name}: {text}; precision set to 1 in {found.precision_by_convention}, recall in "
              f"{found.recall_by_convention} of {found.scenes} scenes")  # fmt: skip


def run() -> list[Verdict]:
    full = read_antarctic_melt(shared_data() / "data" / "antarctica_daily_melt")
    return [*leak_lines(draw(full, 0)), *baseline_lines(full), *network_lines(full)]
