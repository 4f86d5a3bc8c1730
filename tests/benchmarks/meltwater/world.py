"""Synthetic worlds with known water: networks against every source alone, and without each of them."""

from __future__ import annotations

import numpy as np

from oggm_glaunti.companions.meltwater.baselines import chosen_decay, fit_logistic, of_scenes, tuned_threshold
from oggm_glaunti.companions.meltwater.features import features, scales_of
from oggm_glaunti.companions.meltwater.fit_loop import FitOptions
from oggm_glaunti.companions.meltwater.scores import pooled
from oggm_glaunti.companions.meltwater.splits import Split, random_days
from oggm_glaunti.companions.meltwater.stack import SceneStack, checked_stack
from oggm_glaunti.companions.meltwater.synthetic import LAPSE, STATION_HEIGHT, make_world
from oggm_glaunti.companions.meltwater.training import predict_features, prepare, train_network
from oggm_glaunti.companions.meltwater.water_fit import fit_water, water_of
from tests.benchmarks.meltwater.lines import Verdict, head, mean_sd, score_line

SIZE, CROP, DATA_SEEDS, TRAINING_SEEDS = 64, 32, (0, 1, 2), (0, 1, 2)
OPTIONS = FitOptions(epochs=8, rate=2e-3, patience=8, decay=0.0)
WITHOUT = ("SAR window", "PMW", "physics", "DEM")
F1_GAIN = 0.02


def stack_of(seed: int, size: int = SIZE):
    world = make_world(seed, size)
    layers = {"pmw": world.pmw, "model": world.model, "water": world.water}
    static = {"elevation": world.elevation}
    return world, checked_stack(world.time, world.sar, layers, static, world.land)


def without(stack: SceneStack, split: Split, what: str) -> tuple[SceneStack, Split]:
    """The same without one source; climatology is part of the window."""
    if what == "SAR window":
        return stack, split._replace(window=split.window[:0])
    if what == "DEM":
        return stack._replace(static={}), split
    gone = {"PMW": ("pmw",), "physics": ("model", "water")}[what]
    return stack._replace(layers={k: v for k, v in stack.layers.items() if k not in gone}), split


def shuffled(stack: SceneStack, seed: int) -> SceneStack:
    """Days of all layers in another order than those of the scenes; only the season's shape is left."""
    order = np.random.default_rng(seed).permutation(stack.time.size)
    return stack._replace(layers={name: values[order] for name, values in stack.layers.items()})


def train_and_score(stack: SceneStack, split: Split, seed: int, y, prior):
    decay, scales = chosen_decay(stack, split), scales_of(stack, split)
    prepared, tested = prepare(stack, split, decay, scales), features(stack, split, split.test, decay, scales)
    trained = train_network(stack, split, decay, crop=CROP, seed=seed, options=OPTIONS, prepared=prepared)
    return pooled(predict_features(trained.network, trained.weights, tested), y, prior), trained.best_epoch


def run() -> list[Verdict]:
    head(f"Synthetic worlds of {SIZE} x {SIZE} cells, four seasons: scores on test scenes")
    unet, rivals, ablated, window = [], {}, {}, []
    gains = []
    for data_seed in DATA_SEEDS:
        world, stack = stack_of(data_seed)
        split = random_days(stack, data_seed)
        y_learn, y = (np.where(stack.valid, stack.target[d], np.nan) for d in (split.learn, split.test))
        decay = chosen_decay(stack, split)
        rules = of_scenes(stack, split, decay)
        prior = rules["climatology"](split.test)
        singles = {}
        for name, values in {**stack.layers, "melt": world.melt}.items():
            rule = tuned_threshold(values[split.learn], y_learn)
            singles[f"{name} above a threshold"] = pooled(
                rule.probability(values[split.test]), y, prior, rule.wet(values[split.test])
            )
        singles |= {name: pooled(rule(split.test), y, prior) for name, rule in rules.items()}
        gains.append(water_gain(world, stack, split, y_learn, y))
        for name, found in singles.items():
            print(score_line(f"data {data_seed}: {name}", found))
            rivals.setdefault(name, []).append(found)
        window.append(singles["decaying window"])
        scales = scales_of(stack, split)
        tested = features(stack, split, split.test, decay, scales)
        line = fit_logistic(prepare(stack, split, decay, scales)[0].x, y_learn)
        print(score_line(f"data {data_seed}: logistic regression of all", pooled(line.predict(tested.x), y, prior)))
        for seed in TRAINING_SEEDS:
            found, epoch = train_and_score(stack, split, seed, y, prior)
            print(score_line(f"data {data_seed}, seed {seed}: UNet, epoch {epoch}", found), flush=True)
            unet.append((data_seed, found))
        for what in WITHOUT:
            found, _ = train_and_score(*without(stack, split, what), 0, y, prior)
            print(score_line(f"data {data_seed}: UNet without {what}", found), flush=True)
            ablated.setdefault(what, []).append(found.brier)
        blind, none = shuffled(stack, data_seed), split._replace(window=split.window[:0])
        found, _ = train_and_score(blind, none, 0, y, prior)
        print(score_line(f"data {data_seed}: UNet, shuffled days", found), flush=True)
        ablated.setdefault("order of days", []).append(found.skill)
    full = [found.brier for _, found in unet]
    print(f"  UNet: Brier {mean_sd(full)}")
    for what in WITHOUT:
        print(f"  UNet without {what}: Brier {mean_sd(ablated[what])}")
    verdicts = []
    for name, found in rivals.items():
        mine = [np.mean([f.brier for seed, f in unet if seed == d]) for d in DATA_SEEDS]
        better = all(a < b.brier for a, b in zip(mine, found, strict=True))
        my_f1 = [np.mean([f.f1 for seed, f in unet if seed == d]) for d in DATA_SEEDS]
        better &= all(a >= b.f1 for a, b in zip(my_f1, found, strict=True))
        theirs = f"Brier {np.mean([f.brier for f in found]):.4f}, F1 {np.mean([f.f1 for f in found]):.3f}"
        mean = f"Brier {np.mean(mine):.4f}, F1 {np.mean(my_f1):.3f}"
        verdicts.append(Verdict(f"synthetic: UNet ({mean}) ahead of {name} ({theirs}) in every world", bool(better)))
    skill = ablated["order of days"]
    verdicts.append(
        Verdict(f"synthetic: shuffled days fall to climatology, skill {mean_sd(skill)} <= 0.1", np.mean(skill) <= 0.1)
    )
    gain = [water - melt for water, melt in gains]
    what = f"synthetic: F1 of GlaUnTI's water minus that of raw melt {mean_sd(gain)} >= {F1_GAIN}"
    return [*verdicts, Verdict(what, float(np.mean(gain)) >= F1_GAIN)]


def water_gain(world, stack: SceneStack, split: Split, y_learn, y) -> tuple[float, float]:
    """F1 on test scenes of water with fitted parameters and of raw melt, thresholds tuned alike."""
    air = world.temp[:, None, None] + LAPSE * (world.elevation - STATION_HEIGHT)
    rain = np.zeros_like(world.melt)
    starts = np.flatnonzero(np.r_[True, np.diff(stack.seasons) > 0])
    y_all = np.where(stack.valid, stack.target, np.nan)
    fitted = fit_water(world.melt, rain, air, y_all, split.learn, starts=starts)
    water = water_of(fitted.parameters, world.melt, rain, air, 18.0, starts)[split.test]
    of_water = pooled(fitted.rule.probability(water), y, wet=fitted.rule.wet(water)).f1
    raw = tuned_threshold(world.melt[split.learn], y_learn)
    of_melt = pooled(raw.probability(world.melt[split.test]), y, wet=raw.wet(world.melt[split.test])).f1
    print(f"  {fitted.parameters}: F1 of water {of_water:.3f}, of raw melt {of_melt:.3f}")
    return of_water, of_melt
