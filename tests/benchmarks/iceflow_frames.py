"""Frames of Perito Moreno predicted, for ``python -m tests.benchmarks.iceflow frames svg training``."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from oggm_glaunti.companions.iceflow import frames, gate, predictors, series, svg
from oggm_glaunti.companions.iceflow.images import Image, read_image, read_stack
from oggm_glaunti.companions.iceflow.tracking import track
from oggm_glaunti.companions.iceflow.velocity import windows_within
from oggm_glaunti.fit.training.fit_loop import FitOptions
from tests.real.measured import shared_data

Verdict = tuple[str, bool]
# Images that velocities are from, the last date of these, and the targets that are not cloudy.
CLEAR = ("0101", "0121", "0131", "0205", "0207", "0210")
CLEAR_TARGETS = ("0220", "0222", "0227", "0313")
FIRST_TARGET = "0212"
SIZE, STEP, PAST = 64, 48, 8
STABLE_STEP, SEARCH = 32, 12
SEEDS = (0, 1, 2)
# Sequences that the small network learns from, and epochs: minutes on a CPU.
SVG_SEQUENCES, SVG_EPOCHS = 544, 3


class World(NamedTuple):
    """Images with shifts and the ice's velocity, and chips of each target."""

    names: list[str]
    days: np.ndarray
    images: np.ndarray
    valid: np.ndarray
    stable: np.ndarray
    shifts: np.ndarray
    velocity: np.ndarray
    places: np.ndarray


def _track(one: Image, two: Image):
    how = {"chips": (32,), "step": STABLE_STEP, "search": SEARCH}
    return track(one.values, two.values, valid=(one.valid, two.valid), **how)


@cache
def world() -> World:
    """Velocity from clear images up to the tenth of February; shifts of targets from stable ground only."""
    folder = shared_data() / "data" / "perito_moreno_sentinel2"
    mask = read_image(folder / "mask.jpg", date="2020-01-01").values > 240
    stack = read_stack(sorted(path for path in folder.glob("2020*.jpg")), nodata=0)
    names = [image.path.stem[4:] for image in stack]
    days = np.array([(image.date - stack[0].date).days for image in stack], float)
    rock = ndimage.binary_erosion(~mask, iterations=4)
    clear = [names.index(name) for name in CLEAR]
    pairs = series.usual_pairs(days[clear], shortest=4.0)
    vectors = {(a, b): _track(stack[clear[a]], stack[clear[b]]) for a, b in pairs}
    one = next(iter(vectors.values()))
    still = windows_within(rock & stack[0].valid, one.row, one.col, 32, 0.9)
    found = series.solve(series.displacements(vectors, days[clear], still))
    field = found.velocity.reshape(2, *one.valid.shape)
    shifts = np.zeros((len(stack), 2))
    shifts[clear] = found.shifts.T
    images = np.stack([image.values.astype(np.float32) for image in stack])
    valid = np.stack([image.valid for image in stack])
    stable = rock & ndimage.binary_dilation(rock, iterations=1)
    first = names.index(FIRST_TARGET)
    references = [names.index(name) for name in ("0131", "0207", "0210")]
    for k in range(len(stack)):
        if k in clear:
            continue
        if k < first:
            shifts[k] = _past_shift(stack, k, references, shifts, field, days)
        else:
            earlier = [(images[j], valid[j], shifts[j]) for j in references]
            shifts[k], _ = frames.shift_of_target(images[k], valid[k], earlier, stable)
    inside = mask & valid[names.index("0207")]
    places = frames.grid_of_chips(inside, SIZE, STEP)
    return World(names, days, images, valid, stable, shifts, _at(field, one, places), places)


def _past_shift(stack, k, references, shifts, field, days):
    seen, expected = {}, []
    for n, j in enumerate(references):
        a, b = (j, k) if days[j] < days[k] else (k, j)
        vectors = _track(stack[a], stack[b])
        sign = 1.0 if a == j else -1.0
        seen[n] = tuple(sign * part for part in vectors.believed())
        expected.append((days[k] - days[j]) * np.stack([part.ravel() for part in field]))
    return frames.registered_shifts(seen, shifts[references], np.array(expected))


def _at(field: np.ndarray, one, places: np.ndarray) -> np.ndarray:
    """Velocity at places, from the nearest windows with one, smoothed."""
    result = []
    for part in field:
        nearest = ndimage.distance_transform_edt(~np.isfinite(part), return_distances=False, return_indices=True)
        smooth = ndimage.gaussian_filter(part[tuple(nearest)], 1.0)
        at = [(places[:, 0] - one.row[0]) / STABLE_STEP, (places[:, 1] - one.col[0]) / STABLE_STEP]
        result.append(ndimage.map_coordinates(smooth, at, order=1, mode="nearest"))
    return np.stack(result, axis=1)


@cache
def chips_by_half() -> dict[str, dict[str, frames.Chips]]:
    """Chips of every target, for the eastern and the western half of the glacier."""
    made = world()
    east = made.places[:, 1] > np.median(made.places[:, 1])
    result: dict[str, dict[str, frames.Chips]] = {"east": {}, "west": {}}
    for k in range(made.names.index(FIRST_TARGET), len(made.names)):
        for half, chosen in (("east", east), ("west", ~east)):
            where = made.places[chosen], made.velocity[chosen]
            result[half][made.names[k]] = frames.chips_of(
                made.images, made.valid, made.days, made.shifts, k, *where, SIZE, PAST
            )
    return result


def gate_samples(of_half: dict[str, frames.Chips]) -> dict[str, np.ndarray]:
    """All targets of a half together."""
    parts = [gate.samples_of(chips) for chips in of_half.values()]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def frame_prediction() -> Iterator[Verdict]:
    """All predictors on two halves; the gate is trained on the other one."""
    halves = chips_by_half()
    print(f"frames: {len(world().places)} chips of {SIZE} px every {STEP} px")
    for half, other in (("east", "west"), ("west", "east")):
        of_half, dropped = halves[half], sum(chips.dropped for chips in halves[half].values())
        training = gate_samples(halves[other])
        trained, seconds = {}, []
        for seed in SEEDS:
            begin = time.perf_counter()
            options = FitOptions(epochs=12, batch=64, learning_rate=2e-3, patience=4, seed=seed)
            trained[seed] = gate.train_gate(training, options).best
            seconds.append(time.perf_counter() - begin)
        del training
        found = []
        for chips in of_half.values():
            samples = gate.samples_of(chips)
            more = {f"learned gate, seed {seed}": gate.predict(trained[seed], samples) for seed in SEEDS}
            found.append(predictors.scores(chips, {**more, **svg_predictions(half, chips)}))
        table = predictors.table1(found, [name in CLEAR_TARGETS for name in of_half], dropped)
        print(f"\nframes, {half}, {len(of_half)} targets, {dropped} chips without data left out")
        print(table.round(3).to_string())
        print(f"gate: {max(seconds):.0f} s a training at most")
        mean = table["mean"]
        ours = mean[[name for name in mean.index if name.startswith(("learned", "agreement", "advected"))]].max()
        yield at_least(f"frames, {half}: best of ours / persistence", ours / mean["persistence"], 1.6)
        high = table["high"]
        best = high[[name for name in high.index if name.startswith(("learned", "agreement"))]].max()
        yield at_least(
            "  share above 0.7 against persistence's and high-pass's",
            best - high[["persistence", "high-pass"]].max(),
            0,
        )
        gates = mean[[name for name in mean.index if name.startswith("learned")]]
        yield at_least("  worst seed of the gate less agreement", gates.min() - mean["agreement"], -0.003)
        yield f"  training of the gate in {max(seconds):.0f} s, <= 180", max(seconds) <= 180
        yield control(of_half)


def control(of_half: dict[str, frames.Chips]) -> Verdict:
    """Past frames of other places predict nothing."""
    rng, values = np.random.default_rng(0), []
    for chips in of_half.values():
        order = rng.permutation(len(chips.target))
        wrong = chips._replace(moved=chips.moved[order])
        values.append(predictors.scores(wrong)["agreement"])
    level = float(np.concatenate(values).mean())
    return f"  control, past frames of other places: {level:.3f}, within 0.05 of 0", abs(level) <= 0.05


def at_least(what: str, found: float, bound: float) -> Verdict:
    """A bound from below."""
    return f"{what}: {found:.3f} >= {bound:g}", bool(found >= bound)


_svg: dict[str, object] = {}


def svg_predictions(half: str, chips: frames.Chips) -> dict[str, np.ndarray]:
    """Frames by SVG-LP, if it was trained in this run."""
    if half not in _svg:
        return {}
    return {"SVG-LP": svg.predict(_svg[half], chips.moved)}


def svg_training() -> Iterator[Verdict]:
    """The paper's network, small, on moved frames of the other half."""
    for half, other in (("east", "west"), ("west", "east")):
        sequences = np.concatenate([svg.sequences_of(chips) for chips in chips_by_half()[other].values()])
        sequences = np.random.default_rng(0).permutation(sequences)[:SVG_SEQUENCES]
        begin = time.perf_counter()
        done = svg.train_svg(
            sequences, svg.SMALL, FitOptions(epochs=SVG_EPOCHS, batch=16, learning_rate=2e-3, clip=1.0)
        )
        _svg[half] = svg.with_parameters(svg.SMALL, done.best)
        losses = [row["training"] for row in done.log]
        print(f"SVG-LP, {half}: loss {np.round(losses, 4).tolist()}, {time.perf_counter() - begin:.0f} s")
        yield f"SVG-LP, {half}: the loss falls from {losses[0]:.4f} to {losses[-1]:.4f}", losses[-1] < losses[0]


KILLED = """
import sys, numpy as np, jax.numpy as jnp, time
from pathlib import Path
from oggm_glaunti.companions.iceflow import gate
from oggm_glaunti.fit.training.fit_loop import FitOptions
rng = np.random.default_rng(0)
shape = (64, 4, 16, 16)
samples = {"frames": rng.normal(size=shape), "logits": rng.normal(size=(64, 4, 4)),
           "features": rng.normal(size=(64, 4, 4, 5)), "target": rng.normal(size=(64, 16, 16))}
samples = {name: values.astype(np.float32) for name, values in samples.items()}
done = gate.train_gate(samples, FitOptions(epochs=int(sys.argv[2]), batch=8), checkpoint=Path(sys.argv[1]))
print(done.epoch, *(float(v) for v in np.asarray(done.trained["w3"]).ravel()), flush=True)
"""


def resumed_training() -> Iterator[Verdict]:
    """A training that is killed and started again, against one that is not."""
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole.npz", Path(folder) / "killed.npz"
        run = [sys.executable, "-c", KILLED]
        expected = subprocess.run([*run, str(whole), "40"], capture_output=True, text=True, check=True).stdout
        process = subprocess.Popen([*run, str(killed), "40"], stdout=subprocess.DEVNULL)
        deadline = time.time() + 120
        while not killed.exists() and time.time() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with np.load(killed) as stored:
            head = str(stored["head"])
        after = subprocess.run([*run, str(killed), "40"], capture_output=True, text=True, check=True).stdout
        epoch = head.partition('"epoch": ')[2].partition(",")[0]
        yield f"kill -9 in training after epoch {epoch}, resumed: the same numbers to the last bit", after == expected
