"""Real daily melt round the Antarctic Peninsula with hidden scenes: leak test, baselines, networks, extent."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from oggm_glaunti.companions.meltwater.antarctica import CELL_AREA, overpasses, read_antarctic_melt
from oggm_glaunti.companions.meltwater.baselines import (
    Predict,
    chosen_decay,
    fit_height_line,
    fit_logistic,
    months_of,
    of_scenes,
    tuned_threshold,
)
from oggm_glaunti.companions.meltwater.calibration import fit_calibration, scale_to_scenes
from oggm_glaunti.companions.meltwater.features import features, scales_of
from oggm_glaunti.companions.meltwater.fit_loop import FitOptions
from oggm_glaunti.companions.meltwater.scores import (
    FEWEST_IN_BIN,
    WET,
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
from oggm_glaunti.companions.meltwater.windows import decaying_window
from tests.benchmarks.meltwater.lines import Verdict, head, mean_sd, score_line
from tests.companions.meltwater.leak import BROKEN, broken_rule, movement
from tests.real.measured import shared_data

LEFT_OUT = (2017, 2018, 2019)
DRAWS = (0, 1, 2)
MANY_DRAWS, VERY_MANY_DRAWS = 10, 100
# The UNet is trained on many draws, since one draw's share of melt differs from another's by half; the other on three.
KINDS = {seed: ("unet", "deeplab") if seed in DRAWS else ("unet",) for seed in range(MANY_DRAWS)}
OPTIONS = FitOptions(epochs=6, rate=1e-3, patience=3, decay=0.0)
CROP = 32
# Brier scores of the prototype, on another draw.
PROTOTYPE = {
    "a": {"nothing melts": 0.0310, "climatology": 0.0239, "window 3+3": 0.0258, "decaying window": 0.0225},
    "b": {"nothing melts": 0.0213, "climatology": 0.0166, "window 3+3": 0.0176, "decaying window": 0.0153},
}
NEAR, BEST_RATIO, RELIABLE = 0.15, 0.92, 0.05
SET_RIGHT = "calibrated on learning scenes"


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


def shares_of_melt(full: SceneStack) -> None:
    """How rare a draw as wet as the prototype's is: its test scenes lay in the 15 seasons that learn."""
    shares = []
    for seed in range(VERY_MANY_DRAWS):
        stack = overpasses(full, seed=seed)
        test = random_days(stack, seed).test
        shares.append(np.nanmean(observed(stack, test[~np.isin(stack.seasons[test], LEFT_OUT)])))
    expected, whole = PROTOTYPE["a"]["nothing melts"], np.nanmean(np.where(full.valid, full.target, np.nan))
    rare = np.mean(np.array(shares) >= expected)
    print(f"  melt fills {whole:.4f} of all cell-days, {mean_sd(shares)} of the test scenes of {VERY_MANY_DRAWS} draws "
          f"({min(shares):.4f} to {max(shares):.4f}); {100 * rare:.0f} % of draws are as wet as the prototype's "
          f"({expected:.4f})")  # fmt: skip


def baseline_lines(full: SceneStack) -> list[Verdict]:
    """Baselines over many draws: one draw's melt share differs from another's by half."""
    head(f"Baselines, Brier score on test scenes, mean and sd of {MANY_DRAWS} draws of overpasses and splits")
    scores: dict[str, dict[str, list[float]]] = {key: {} for key in "abc"}
    f1: dict[str, dict[str, list[float]]] = {key: {} for key in "abc"}
    areas: list[dict[str, float]] = []
    for seed in range(MANY_DRAWS):
        drawn = draw(full, seed)
        for key, split in drawn.splits.items():
            y = observed(drawn.stack, split.test)
            line = fit_height_line(drawn.stack, split)
            decay = chosen_decay(drawn.stack, split)
            rules = dict(of_scenes(drawn.stack, split, decay))
            rules["monthly linear in height"] = lambda days, d=drawn, at=line: at.predict(
                months_of(d.stack, days), d.stack.static["elevation"]
            )
            for name, rule in rules.items():
                found = pooled(rule(split.test), y)
                scores[key].setdefault(name, []).append(found.brier)
                f1[key].setdefault(name, []).append(found.f1)
            if key == "b":
                areas.append(season_errors(full, drawn, split, of_scenes(drawn.stack, split, decay)))
    for name in scores["a"]:
        cells = "   ".join(f"{key}: {mean_sd(scores[key][name])} F1 {np.mean(f1[key][name]):.3f}" for key in "abc")
        print(f"  {name:26s}{cells}")
    print_areas(f"{MANY_DRAWS} draws", areas)
    shares_of_melt(full)
    verdicts = []
    for key, expected in PROTOTYPE.items():
        wet = np.mean(scores[key]["nothing melts"])
        for name, brier in expected.items():
            mine, low, high = np.mean(scores[key][name]), min(scores[key][name]), max(scores[key][name])
            what = f"split {key}, {name}: the prototype's Brier {brier:.4f} within 15 % of {low:.4f} to {high:.4f}"
            near = low * (1 - NEAR) <= brier <= high * (1 + NEAR)
            verdicts.append(Verdict(f"{what} of {MANY_DRAWS} draws (mean {mine:.4f})", near))
            if name != "nothing melts":
                ratio, theirs = mine / wet, brier / expected["nothing melts"]
                what = f"split {key}, {name}: Brier over that of nothing {ratio:.3f} within 15 % of {theirs:.3f}"
                verdicts.append(Verdict(what, abs(ratio / theirs - 1) <= NEAR))
        ratio = np.mean(scores[key]["decaying window"]) / np.mean(scores[key]["window 3+3"])
        verdicts.append(
            Verdict(f"split {key}: decaying window / window 3+3 {ratio:.3f} <= {BEST_RATIO}", ratio <= BEST_RATIO)
        )
    return verdicts


class Scored(NamedTuple):
    """A network on the test scenes of a draw, with what it and the baseline say of the scenes calibrations are of."""

    kind: str
    split: str
    ratio: float
    gain: float
    y: Floats
    maps: dict[str, Floats]


def network_lines(full: SceneStack) -> list[Verdict]:
    """Networks on draws of scenes, each with a training seed of its own."""
    head(f"Networks that correct the decaying window; draws and training seeds: UNet {len(KINDS)}, DeepLabv3+ {DRAWS}")
    done: list[Scored] = []
    seconds, areas, dates = [], [], []
    for seed, kinds in KINDS.items():
        drawn = draw(full, seed)
        for key in "ab":
            split, stack = drawn.splits[key], drawn.stack
            decay = chosen_decay(stack, split)
            scales = scales_of(stack, split)
            prepared, tested = prepare(stack, split, decay, scales), features(stack, split, split.test, decay, scales)
            y_learn, y_check, y = (observed(stack, days) for days in (split.learn, split.validation, split.test))
            prior = of_scenes(stack, split, decay)["climatology"](split.test)
            base = pooled(tested.base, y, prior)
            print(score_line(f"draw {seed}, {key}: decaying window", base) + f"  {decay}")
            rule = fit_logistic(prepared[0].x, y_learn)
            print(score_line(f"draw {seed}, {key}: logistic regression", pooled(rule.predict(tested.x), y, prior)))
            for kind in kinds:
                begin = time.perf_counter()
                trained = train_network(
                    stack, split, decay, kind, crop=CROP, seed=seed, options=OPTIONS, prepared=prepared
                )
                seconds.append(time.perf_counter() - begin)
                p = predict_features(trained.network, trained.weights, tested)
                found = pooled(p, y, prior)
                print(score_line(f"draw {seed}, {key}: {kind}, epoch {trained.best_epoch}", found), flush=True)
                maps = {}
                if kind == "unet":
                    of_parts = [predict_features(trained.network, trained.weights, part) for part in prepared]
                    maps = calibrated_maps(kind, p, of_parts, [y_learn, y_check])
                done.append(Scored(kind, key, found.brier / base.brier, found.f1 - base.f1, y, maps))
                if kind == "unet" and key == "b":
                    rules = dict(of_scenes(stack, split, decay))
                    rules["unet"] = lambda days, of=(trained, stack, split): predict_days(*of, days)
                    areas.append(season_errors(full, drawn, split, rules))
                    dates.append(season_dates(full, drawn, rules["unet"], trained.wet_above))
                if seed == DRAWS[0] and kind == "unet":
                    print_tables(stack, split, p, y, tested.gap, prior)
    print_dates(dates)
    slowest = Verdict(f"slowest of {len(seconds)} trainings {max(seconds):.0f} s <= 300 s", max(seconds) <= 300)
    return [*gain_lines(done), *reliability_lines(done), *area_lines(areas), slowest]


def calibrated_maps(name: str, p: Floats, of_parts: list[Floats], y_parts: list[Floats]) -> dict[str, Floats]:
    """As it is, calibrated on learning and on validation scenes, and wet above a threshold of the learning scenes."""
    learning, validation = (fit_calibration(*pair) for pair in zip(of_parts, y_parts, strict=True))
    print(f"    {name}: log-odds times slope plus offset: learning {learning.slope:.2f}, {learning.offset:+.2f}; "
          f"validation {validation.slope:.2f}, {validation.offset:+.2f}")  # fmt: skip
    return {
        name: p,
        f"{name}, calibrated on learning scenes": learning.apply(p),
        f"{name}, calibrated on validation scenes": validation.apply(p),
        f"{name}, threshold of learning scenes": tuned_threshold(of_parts[0], y_parts[0]).wet(p),
    }


def gain_lines(done: list[Scored]) -> list[Verdict]:
    """Brier score and F1 against the decaying window."""
    verdicts = []
    for kind, key in dict.fromkeys((one.kind, one.split) for one in done):
        ratios, gains = zip(
            *((one.ratio, one.gain) for one in done if (one.kind, one.split) == (kind, key)), strict=True
        )
        # A start that is kept is the window to 0.001 in probability, which moves the fifth digit.
        what = f"{kind}, split {key}: Brier / decaying window {mean_sd(ratios)} <= 1.000"
        verdicts.append(Verdict(what, round(float(np.mean(ratios)), 3) <= 1.0))
        what = f"{kind}, split {key}: F1 minus decaying window {mean_sd(gains)} >= 0"
        verdicts.append(Verdict(what, float(np.mean(gains)) >= 0.0))
        sure = 1.0 - np.mean(ratios) > 2.0 * np.std(ratios, ddof=1)
        print(f"  {kind}, split {key}: {'a gain above 2 sd' if sure else 'no gain above 2 sd: none is claimed'}")
    return verdicts


def print_calibrated(key: str, name: str, pairs: list[tuple[Floats, Floats]]) -> tuple[float, pd.DataFrame | None]:
    """Scores of all draws of a rule, and how far its reliability is off in the bins that have cells enough."""
    found = [pooled(*pair) for pair in pairs]
    f1 = f"F1 {mean_sd([one.f1 for one in found])}"
    if "threshold" in name:
        print(f"  split {key}, {name}: {f1}")
        return 0.0, None
    table = reliability(*(np.concatenate([part.ravel() for part in parts]) for parts in zip(*pairs, strict=True)))
    table = table[table.cells >= FEWEST_IN_BIN]
    worst = float(np.abs(table.predicted - table.observed).max())
    scores = f"Brier {mean_sd([one.brier for one in found])}, {f1}"
    print(f"  split {key}, {name}: {scores}, reliability within {worst:.3f} in {len(table)} bins")
    return worst, table


def window_lines(full: SceneStack) -> list[Verdict]:
    """Calibration of the window over many draws: on few validation scenes, and on the learning scenes it leaves out."""
    head(f"The decaying window, calibrated, {MANY_DRAWS} draws")
    name, worst = "decaying window", {}
    for key in "ab":
        maps: dict[str, list[tuple[Floats, Floats]]] = {}
        for seed in range(MANY_DRAWS):
            stack, splits = draw(full, seed)
            split = splits[key]
            decay = chosen_decay(stack, split)
            parts = [decaying_window(stack, split, days, decay) for days in (split.test, split.learn, split.validation)]
            y, *ys = (observed(stack, days) for days in (split.test, split.learn, split.validation))
            for label, p in calibrated_maps(name, parts[0], parts[1:], ys).items():
                maps.setdefault(label, []).append((p, y))
        worst |= {(key, label): print_calibrated(key, label, pairs)[0] for label, pairs in maps.items()}
    found, as_it_is = worst["a", f"{name}, {SET_RIGHT}"], worst["a", name]
    what = f"reliability of the {name}, {SET_RIGHT}, split a, {MANY_DRAWS} draws: worst {found:.3f} <= {RELIABLE}"
    return [Verdict(f"{what} (as it is: {as_it_is:.3f})", found <= RELIABLE)]


def reliability_lines(done: list[Scored]) -> list[Verdict]:
    """Reliability of the UNet over the draws it was trained on, as it is and calibrated."""
    worst, tables = {}, {}
    for key in "ab":
        of_split = [one for one in done if one.maps and one.split == key]
        for name in of_split[0].maps:
            worst[key, name], tables[key, name] = print_calibrated(
                key, name, [(one.maps[name], one.y) for one in of_split]
            )
    table, found = tables["a", f"unet, {SET_RIGHT}"], worst["a", f"unet, {SET_RIGHT}"]
    assert table is not None
    print(f"  reliability of the UNet, {SET_RIGHT}, split a, all draws\n" + table.round(3).to_string())
    what = f"reliability of the UNet, {SET_RIGHT}, split a, {len(table)} bins: worst {found:.3f} <= {RELIABLE}"
    return [Verdict(f"{what} (as it is: {worst['a', 'unet']:.3f})", found <= RELIABLE)]


def season_errors(full: SceneStack, drawn: Drawn, split: Split, rules: Mapping[str, Predict]) -> dict[str, float]:
    """Absolute errors of the left-out seasons' melt area (km2 days) against all that the radiometer saw."""
    found: dict[str, list[float]] = {}
    for season in LEFT_OUT:
        days = np.flatnonzero(drawn.stack.seasons == season)
        truth = observed(full, days)
        scenes = np.where(np.isin(days, split.window)[:, None, None], observed(drawn.stack, days), np.nan)
        seen = np.isfinite(truth)
        expected = np.where(seen, truth, 0).sum(dtype=np.float64)
        for name, rule in rules.items():
            p = rule(days)
            area = np.where(seen, p, 0).sum(dtype=np.float64)
            for label, factor in ((name, 1.0), (f"{name}, scaled", scale_to_scenes(p, scenes))):
                found.setdefault(label, []).append(abs(factor * area - expected) * CELL_AREA)
    return {name: float(np.mean(values)) for name, values in found.items() if name != "nothing melts, scaled"}


def season_dates(full: SceneStack, drawn: Drawn, rule: Predict, wet_above: float) -> dict[str, float]:
    """Errors (days) of onset and end of the left-out seasons, wet above one half and above a tuned threshold."""
    found: dict[str, list[float]] = {}
    for season in LEFT_OUT:
        days = np.flatnonzero(drawn.stack.seasons == season)
        truth, p = observed(full, days), rule(days)
        seen = np.isfinite(truth)
        melted = melt_dates(full.time[days], np.where(seen, truth, 0) > WET)
        for label, threshold in (("0.5", 0.5), ("a threshold of learning scenes", wet_above)):
            modelled = melt_dates(full.time[days], np.where(seen, p, 0) > threshold)
            both, either = (modelled.days > 0) & (melted.days > 0), (modelled.days > 0) | (melted.days > 0)
            errors = date_errors(modelled, melted) | {"share of cells that melt in both": both.sum() / either.sum()}
            for key, value in errors.items():
                found.setdefault(f"above {label}, {key}", []).append(float(value))
    return {key: float(np.mean(values)) for key, values in found.items()}


def print_dates(dates: list[dict[str, float]]) -> None:
    print(f"  first and last wet day of cells, split b, {len(dates)} draws, {len(LEFT_OUT)} seasons each (days):")
    for key in dates[0]:
        print(f"    UNet {key}: {mean_sd([one[key] for one in dates])}")


def print_areas(title: str, areas: list[dict[str, float]]) -> None:
    text = ", ".join(f"{name} {np.mean([one[name] for one in areas]):.0f}" for name in areas[0])
    print(f"  season's melt area, split b, {title}, mean absolute error in km2 days: {text}")


def area_lines(areas: list[dict[str, float]]) -> list[Verdict]:
    """The melt area of a season, scaled to its scenes, of the UNet against every baseline, scaled or not."""
    print_areas(f"{len(areas)} draws", areas)
    means = {name: float(np.mean([one[name] for one in areas])) for name in areas[0]}
    mine = means["unet, scaled"]
    best = min((name for name in means if "unet" not in name), key=lambda name: means[name])
    what = f"season's melt area, split b: error of the UNet, scaled to scenes, {mine:.0f} km2 days <= {best}'s"
    return [Verdict(f"{what} {means[best]:.0f}", mine <= means[best])]


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
    return [*leak_lines(draw(full, 0)), *baseline_lines(full), *window_lines(full), *network_lines(full)]
