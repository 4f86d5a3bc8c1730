"""How well ice flow is tracked, printed: ``python -m tests.benchmarks.iceflow [PART ...]``.

Parts: synthetic, stack, shift, perito, kaskawulsh, engabreen, speed, memory, aletsch, svg, frames, training; by default
all. The lines at the end say what was expected and whether it holds.
"""

from __future__ import annotations

import itertools
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from oggm_glaunti.companions.iceflow import quality, series, synthetic
from oggm_glaunti.companions.iceflow.distortion import distorted, distortions
from oggm_glaunti.companions.iceflow.images import Image, read_image, read_pair, read_stack
from oggm_glaunti.companions.iceflow.tracking import Vectors, track
from oggm_glaunti.companions.iceflow.velocity import track_images, windows_within
from tests.benchmarks.iceflow_frames import frame_prediction, resumed_training, svg_training
from tests.real.measured import shared_data

Verdict = tuple[str, bool]
NOISY = {"noise": 0.2, "decorrelation": 0.3, "illumination": True}
# Clear dates from which a common period can be had, and those before it.
CLEAR = ("0131", "0205", "0207", "0210", "0220", "0222", "0227", "0313")
EARLIER = ("0121", "0126")
TRIPLETS = (("0205", "0207", "0210"), ("0207", "0210", "0220"), ("0210", "0220", "0222"), ("0220", "0222", "0227"))


def at_most(what: str, found: float, bound: float) -> Verdict:
    """A bound from above."""
    return f"{what}: {found:.3f} <= {bound:g}", bool(found <= bound)


def at_least(what: str, found: float, bound: float) -> Verdict:
    """A bound from below."""
    return f"{what}: {found:.3f} >= {bound:g}", bool(found >= bound)


def against_truth(made: synthetic.Scene, found: Vectors) -> dict[str, float]:
    """Errors on ice and rock of a pair, px."""
    height, width = made.ice.shape
    r, c = np.meshgrid(found.row.astype(int), found.col.astype(int), indexing="ij")
    r, c = r.clip(0, height - 1), c.clip(0, width - 1)
    true = made.velocity[:, r, c] * (made.days[1] - made.days[0]) + made.shifts[1][:, None, None]
    ice = made.ice[r, c]
    error = np.stack([found.d_row, found.d_col]) - true
    used, rock = found.valid & ice, found.valid & ~ice
    return {
        "rmse": float(np.sqrt((error[:, used] ** 2).mean())),
        "beyond": float((np.hypot(*error[:, used]) > 1).mean()),
        "valid": float(found.valid[ice].mean()),
        "rock": quality.nmad(error[:, rock]),
        "model": float(np.median(found.error[used])),
    }


def synthetic_pairs() -> Iterator[Verdict]:
    """Pairs with a known motion, peak locking, and chips at a shear margin."""
    for name, how, bound in (("clean", {}, 0.06), ("noise, decorrelation, light", NOISY, 0.16)):
        made = synthetic.scene((768, 768), (0.0, 7.0), **how)
        found = against_truth(made, track(*made.images, chips=(32,), step=16))
        print(f"synthetic, 32 px, {name}: " + ", ".join(f"{key} {value:.3f}" for key, value in found.items()))
        yield at_most(f"synthetic, {name}, RMSE on ice (px)", found["rmse"], bound)
        if how:
            yield at_most("  share off by more than 1 px", found["beyond"], 0.005)
            yield at_least("  share valid", found["valid"], 0.95)
            yield at_most("  NMAD on rock (px)", found["rock"], 0.10)
    yield at_most("bias against sub-pixel phase (px)", peak_locking(), 0.02)
    for name, how in (("clean", {}), ("noisy", NOISY)):
        made = synthetic.scene((512, 512), (0.0, 7.0), power=8.0, **how)
        rmse = {}
        for chips in ((16,), (32,), (64,), (16, 32, 64)):
            rmse[chips] = against_truth(made, track(*made.images, chips=chips, step=16))["rmse"]
        best = min(value for chips, value in rmse.items() if len(chips) == 1)
        print(f"shear margin, {name}: " + ", ".join(f"{chips} {value:.3f} px" for chips, value in rmse.items()))
        yield at_most(f"shear margin, {name}: chips together against the best size", rmse[16, 32, 64] / best, 1.05)


def peak_locking() -> float:
    """Largest median error over shifts by fractions of a pixel, px."""
    fine = synthetic.texture((320, 320), np.random.default_rng(3))
    still = synthetic.moved(fine, np.zeros((2, 320, 320)))
    worst = 0.0
    for phase in np.linspace(0.0, 1.0, 9):
        found = track(still, synthetic.moved(fine, np.full((2, 320, 320), phase)), chips=(32,), search=4)
        worst = max(worst, abs(np.median(found.d_row) - phase), abs(np.median(found.d_col) - phase))
    return float(worst)


def synthetic_stack() -> Iterator[Verdict]:
    """Twelve images with shifts of their own; two seeds."""
    for seed in (0, 11):
        yield from one_stack(seed)


def one_stack(seed: int) -> Iterator[Verdict]:
    """One stack: the error of V against the longest pair's, and of the shifts."""
    days = np.array([0, 5, 8, 15, 20, 24, 31, 36, 44, 50, 55, 62], float)
    made = synthetic.scene((512, 512), days, fastest=0.06, shift_sd=0.5, cover=0.1, seed=seed, **NOISY)
    pairs = series.usual_pairs(days)
    how = {"chips": (32,), "step": 16, "search": 8}
    clear = ~made.cloud
    seen = {(a, b): track(made.images[a], made.images[b], valid=(clear[a], clear[b]), **how) for a, b in pairs}
    one = seen[pairs[0]]
    r, c = np.meshgrid(one.row.astype(int), one.col.astype(int), indexing="ij")
    inside = windows_within(made.ice, one.row, one.col, 32)
    still = windows_within(~made.ice, one.row, one.col, 32)
    true = made.velocity[:, r.clip(0, 511), c.clip(0, 511)]
    found = series.solve(series.displacements(seen, days, still))
    error = found.velocity.reshape(2, *r.shape) - true
    used = inside & np.isfinite(error).all(axis=0)
    long = seen[0, days.size - 1]
    best_pair = long.minus(*quality.stable_shift(*long.believed(), still)[:2])
    single = np.stack(best_pair.believed()) / days[-1] - true
    both = used & np.isfinite(single).all(axis=0)
    rms = lambda field: float(np.sqrt((field[:, both] ** 2).mean()))
    shifts = float(np.abs(found.shifts.T - (made.shifts - made.shifts[0])).max())
    print(
        f"synthetic stack, seed {seed}: {len(pairs)} pairs, RMSE of V {1000 * rms(error):.2f} against "
        f"{1000 * rms(single):.2f} mpx/day of the longest pair on {both.sum()} windows; errors said: window "
        f"{1000 * np.nanmedian(found.window_error.reshape(r.shape)[both]):.2f}, common "
        f"{1000 * found.common_error:.2f}; of each image in a window {np.round(found.image_error, 3).tolist()} px"
    )
    yield at_most(f"synthetic stack, seed {seed}: error of V against the best long pair", rms(error) / rms(single), 0.7)
    yield at_most("  largest error of a shift (px)", shifts, 0.05)


def whole_shifts() -> Iterator[Verdict]:
    """Images moved by whole pixels."""
    image = np.random.default_rng(0).normal(size=(256, 256))
    found = track(image, np.roll(image, (2, -3), (0, 1)), chips=(16, 32), search=6)
    inside = (slice(1, -1), slice(1, -1))
    exact = bool((found.d_row[inside] == 2).all() and (found.d_col[inside] == -3).all())
    yield f"whole shifts exact in {found.valid[inside].sum()} of {found.valid[inside].size} windows", exact
    folder = shared_data() / "data" / "sentinel1_shift_pair"
    pair = read_pair(folder / "DJ_before.tiff", folder / "DJ_after.tiff", dates=("2020-01-01", "2020-01-13"))
    found = track_images(pair.first, pair.second, chips=(32,), step=32, search=12)
    off = max(np.abs(found.d_row[found.valid] - 3).max(), np.abs(found.d_col[found.valid] - 8).max())
    yield at_most(f"sentinel1_shift_pair: farthest of {found.valid.sum()} vectors from (3, 8) (px)", float(off), 0.02)
    there = found.chip > 0
    print(f"sentinel1_shift_pair: {found.valid.sum()} valid of {there.sum()} with texture, {found.valid.size} in all")
    yield at_least("  share valid of windows with texture", float(found.valid[there].mean()), 0.9)


def perito_images(dates: tuple[str, ...]) -> tuple[list[Image], np.ndarray]:
    """Some images and the glacier's mask."""
    folder = shared_data() / "data" / "perito_moreno_sentinel2"
    mask = read_image(folder / "mask.jpg", date="2020-01-01").values > 240
    return read_stack([folder / f"2020{date}.jpg" for date in dates], nodata=0), mask


def perito_displacements(dates: tuple[str, ...]) -> tuple[series.Displacements, np.ndarray]:
    """All pairs of some dates on windows that lie on ice or on ground that does not move, and these windows' places."""
    images, mask = perito_images(dates)
    days = np.array([(image.date - images[0].date).days for image in images], float)
    how = {"chips": (32,), "step": 16, "search": 12}
    vectors = {(a, b): track_images(images[a], images[b], **how) for a, b in series.usual_pairs(days)}
    one = next(iter(vectors.values()))
    seen = images[0].valid
    still = windows_within(ndimage.binary_erosion(~mask, iterations=4) & seen, one.row, one.col, 32, 1.0)
    ice = windows_within(mask & seen, one.row, one.col, 32, 1.0)
    data = series.displacements(vectors, days, still)
    kept = (still | ice).ravel()
    place = np.stack([part.ravel()[kept] for part in np.meshgrid(one.row, one.col, indexing="ij")])
    data = series.Displacements(data.pairs, days, data.d[:, :, kept], data.sigma[:, kept], data.stable[kept])
    return data, place


def of_pairs(data: series.Displacements, d: np.ndarray, shortest: float) -> tuple[float, float, float, float]:
    """Least and greatest median speed (px/day) of pairs, their ratio, and the spread of directions, degrees."""
    common = np.isfinite(data.d[0]).all(axis=0) & ~data.stable
    chosen = np.flatnonzero(data.span >= shortest)
    speeds = [np.median(np.hypot(*d[:, k][:, common])) / data.span[k] for k in chosen]
    angles = [np.degrees(np.arctan2(*(np.median(d[:, k][:, common], axis=1) * (-1, 1)))) for k in chosen]
    return min(speeds), max(speeds), max(speeds) / min(speeds), float(np.ptp(angles))


def perito_moreno() -> Iterator[Verdict]:
    """The series on images that are not co-registered: all clear dates, without the distorted ones, and from 01-31."""
    dates = EARLIER + CLEAR
    data, place = perito_displacements(dates)
    found = series.solve(data)
    off = distortions(data, found, place)
    bad = distorted(off)
    names = [dates[k] for k in bad]
    print("Perito Moreno, parts of images off their shift (px): ", dict(zip(dates, off.round(3).tolist(), strict=True)))
    yield from registered("all ten clear dates", dates, data, found)
    less, kept = data.without(bad), tuple(date for date in dates if date not in names)
    yield from registered(f"without {' and '.join(names)}, distorted", kept, less, series.solve(less))
    data = data.without([dates.index(date) for date in EARLIER])
    found = series.solve(data)
    yield from registered("eight dates from 01-31", CLEAR, data, found)
    alone, counts = of_stable_ground(data, found)
    apart = np.hypot(*(found.shifts - alone))
    good = counts >= 15
    print(
        f"  shifts of images against stable ground alone (px): {np.round(apart, 2).tolist()}, stable windows "
        f"{counts.tolist()}; error of V: window {np.nanmedian(found.window_error[~data.stable]):.4f}, common "
        f"{found.common_error:.4f} px/day"
    )
    yield at_most("  shifts against stable ground, median (px)", float(np.median(apart[good])), 0.12)
    yield at_most("  largest (px)", float(apart[good].max()), 0.3)
    index = {date: k for k, date in enumerate(CLEAR)}
    closed = series.closure(data)
    four = [closed[tuple(index[date] for date in triplet)] for triplet in TRIPLETS]
    every = np.median(list(closed.values()))
    print(f"  closure of {len(closed)} triplets: median {every:.3f} px; four: {np.round(four, 3)}")
    yield at_most("  closure, median NMAD of four triplets (px)", float(np.median(four)), 0.06)


def registered(
    what: str, dates: tuple[str, ...], data: series.Displacements, found: series.Series
) -> Iterator[Verdict]:
    """How well pairs agree on windows that all of them see, before and after the shifts."""
    shift = found.shifts[:, data.pairs[:, 1]] - found.shifts[:, data.pairs[:, 0]]
    after = data.d - shift[:, :, None]
    common = int((np.isfinite(data.d[0]).all(axis=0) & ~data.stable).sum())
    span = f"{what}: {len(dates)} dates {dates[0]} to {dates[-1]}"
    print(f"Perito Moreno, {span}, {len(data.pairs)} pairs, {common} common windows")
    rows = {}
    for shortest in (7.0, 10.0):
        for name, d in (("before", data.d), ("after", after)):
            low, high, ratio, spread = rows[shortest, name] = of_pairs(data, d, shortest)
            print(
                f"  pairs of {shortest:.0f} days and more, {name}: {low:.3f} to {high:.3f} px/day, "
                f"ratio {ratio:.3f}, directions within {spread:.1f} degrees"
            )
    print(f"  error of each image in a window (px): {np.round(found.image_error, 3).tolist()}")
    yield at_most(f"Perito Moreno, {what}, pairs >= 7 days, max/min of the speed", rows[7.0, "after"][2], 1.08)
    yield at_most("  pairs >= 10 days", rows[10.0, "after"][2], 1.05)
    yield at_most("  spread of directions (degrees)", rows[7.0, "after"][3], 8.0)


def of_stable_ground(data: series.Displacements, found: series.Series) -> tuple[np.ndarray, np.ndarray]:
    """Shifts of images (2, K) by stable ground alone, with their median equal to the others', and windows by image."""
    pairs, counts = series.stable_only(data)
    known = np.isfinite(pairs[0])
    weight = np.sqrt(counts[known])[:, None]
    matrix = np.vstack([data.incidence[known] * weight, 100 * np.eye(data.days.size)[:1]])
    shifts = np.stack([np.linalg.lstsq(matrix, np.r_[part[known] * weight[:, 0], 0.0])[0] for part in pairs])
    solved = found.shifts
    per_image = np.array([max(counts[(data.pairs == k).any(axis=1)]) for k in range(data.days.size)])
    return shifts + np.median(solved - shifts, axis=1)[:, None], per_image


def kaskawulsh() -> Iterator[Verdict]:
    """The neighbour filter on a raw velocity map with blunders."""
    import geopandas as gpd
    import rasterio
    import rasterio.features

    folder = shared_data() / "data" / "kaskawulsh_glaft"
    fields = []
    for axis in "xy":
        with rasterio.open(folder / f"20180304-20180405_velo-raw_v{axis}.tif") as source:
            values = source.read(1).astype(float)
            fields.append(np.where(values == source.nodata, np.nan, values))
            transform, shape, crs = source.transform, source.shape, source.crs
    vx, vy = fields
    inside = {}
    for name, file in (("stable", "bedrock_V2"), ("trunk", "glacier_V1_Kaskawulsh_s_inwardBuffer600m")):
        outline = gpd.read_file(folder / f"{file}.shp").to_crs(crs.to_wkt())
        inside[name] = rasterio.features.rasterize(outline.geometry, shape, transform=transform).astype(bool)
    # m a day: 0.2 of a search of 4 px of 15 m in 32 days. Chips of 64 px every 4 px: every fourth is compared.
    good = quality.agreeing(vy, vx, 0.2 * 4 * 15 / 32, stride=4)
    near = lambda part: np.abs(part - quality.local_median(part, 4)) < 0.1
    smooth = np.isfinite(vx) & np.isfinite(vy) & near(vx) & near(vy) & inside["trunk"]
    spread = lambda mask: float(np.hypot(np.nanstd(vx[mask]), np.nanstd(vy[mask])))
    raw, kept = inside["stable"] & np.isfinite(vx), inside["stable"] & good
    wide = lambda mask: np.hypot(quality.nmad(vx[mask]), quality.nmad(vy[mask]))
    print(
        f"Kaskawulsh: spread of stable ground {spread(raw):.3f} -> {spread(kept):.3f} m/day (NMAD {wide(raw):.3f} -> "
        f"{wide(kept):.3f}), {kept.sum()} of {raw.sum()} cells; {(good & smooth).sum()} of {smooth.sum()} good kept"
    )
    yield at_most("Kaskawulsh: stable-ground spread, filtered / raw", spread(kept) / spread(raw), 0.5)
    yield at_least("Kaskawulsh: share of good cells kept", float((good & smooth).sum() / smooth.sum()), 0.85)


def engabreen() -> Iterator[Verdict]:
    """Photographs between which the camera turned."""
    folder = shared_data() / "data" / "engabreen_timelapse"
    pair = read_pair(folder / "IMG_8902.jpg", folder / "IMG_8937.jpg")
    found = track_images(pair.first, pair.second, chips=(64,), step=128, search=24, sigma=5.0)
    rows, cols = found.believed()
    move_rows, move_cols, share = quality.mode_shift(rows, cols)
    # The rocks at the lower left: every other window takes the camera's motion off, the others judge.
    rocks = found.valid & (found.row[:, None] > 2330) & (found.col < 1600 + 0 * found.row[:, None])
    every_other = np.indices(rocks.shape).sum(axis=0) % 2 == 0
    camera = quality.camera_motion(found.row, found.col, rows, cols, rocks & every_other)
    left = np.hypot(rows - camera[0], cols - camera[1])
    still = rocks & ~every_other
    off, fast = np.median(left[still]), np.nanpercentile(left, 95)
    by_mode = np.median(np.hypot(rows - move_rows, cols - move_cols)[still])
    print(f"Engabreen: the foreground moves {by_mode:.2f} px after the mode alone is taken off")
    print(
        f"Engabreen: {found.valid.sum()} of {found.valid.size} vectors, mode {move_rows:+.2f} rows, {move_cols:+.2f} "
        f"columns ({100 * share:.0f} % within 1 px), 95 % below {fast:.1f} px after the camera's motion"
    )
    yield at_most(f"Engabreen: median move of the foreground, {still.sum()} windows (px)", float(off), 0.3)


def speed() -> Iterator[Verdict]:
    """CPU seconds against a loop over scikit-image."""
    from skimage.feature import match_template

    from oggm_glaunti.companions.iceflow.preprocess import prepare

    made = synthetic.scene((480, 480), (0.0, 5.0), noise=0.3)
    first, second = made.images
    how = {"chips": (32,), "step": 16, "search": 12}
    track(first, second, **how)
    begin, clock = time.process_time(), time.perf_counter()
    for _ in range(5):
        found = track(first, second, **how)
    ours, ours_clock = (time.process_time() - begin) / 5, (time.perf_counter() - clock) / 5
    one, two = prepare(first), prepare(second)
    begin, clock, same, count = time.process_time(), time.perf_counter(), 0, 0
    for (i, r), (j, c) in itertools.product(enumerate(found.row.astype(int)), enumerate(found.col.astype(int))):
        if min(r, c) < 28 or r > 452 or c > 452:
            continue
        ncc = match_template(two[r - 28 : r + 28, c - 28 : c + 28], one[r - 16 : r + 16, c - 16 : c + 16])
        top = np.array(np.unravel_index(ncc.argmax(), ncc.shape)) - 12
        count += 1
        # Displacements at the edge of the search are flagged here.
        edge = np.abs(top).max() == 12
        same += edge or bool(np.abs(top - (found.d_row[i, j], found.d_col[i, j])).max() <= 0.75)
    theirs, theirs_clock = time.process_time() - begin, time.perf_counter() - clock
    per = lambda seconds, n: 1e3 * seconds / n
    n = found.d_row.size
    print(
        f"speed: {per(ours, n):.3f} CPU ms a window ({per(ours_clock, n):.3f} by the clock) against "
        f"{per(theirs, count):.3f} ({per(theirs_clock, count):.3f}) of match_template"
    )
    yield at_least("tracker against match_template, CPU seconds", per(theirs, count) / per(ours, found.d_row.size), 4.0)
    yield at_least("  same peak to 0.75 px", same / count, 0.99)


def memory() -> Iterator[Verdict]:
    """Peak memory of a Sentinel-2 tile, in a process of its own."""
    code = (
        "import numpy as np, resource, time\n"
        "from oggm_glaunti.companions.iceflow.tracking import track\n"
        "rng = np.random.default_rng(0)\n"
        "a = rng.integers(0, 10000, (10980, 10980), dtype=np.uint16)\n"
        "b = np.roll(a, (1, 2), (0, 1))\n"
        "t = time.time(); v = track(a, b, chips=(32,), step=16, search=4)\n"
        "most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6\n"
        "print(most, time.time() - t, v.d_row.size, np.median(v.d_row))\n"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    gigabytes, seconds, windows, median = (float(part) for part in done.stdout.split())
    print(f"memory: 10,980 x 10,980 px of 16 bit, {windows:.0f} windows in {seconds:.0f} s, median {median:g} rows")
    yield at_most("peak memory of a Sentinel-2 tile (GB)", gigabytes, 2.0)


def aletsch() -> Iterator[Verdict]:
    """The balance that the flux of ice asks for, next to GlaUnTI's."""
    from oggm_glaunti import tasks as gtasks
    from tests import glaciers

    shared = shared_data()
    expected = {
        "consensus_ice_thickness": (-9.5, -6.4, -3.2, 0.5, 1.6),
        "millan_ice_thickness": (-11.9, -8.0, -4.2, 1.6, 1.8),
    }
    edges = (1500.0, 2000.0, 2500.0, 3000.0, 3500.0, 5000.0)
    with tempfile.TemporaryDirectory() as folder:
        gdir = glaciers.prepare_aletsch(Path(folder), shared)
        gtasks.calibrate_glaunti(gdir, ref_mb=-1210.7, ref_period="2000-01-01_2020-01-01", mb_kwargs={"model": "A"})
        for thickness, numbers in expected.items():
            table = gtasks.apparent_balance(gdir, velocity="millan", thickness=thickness, bands=edges)
            print(f"Aletsch, {thickness}, m ice yr-1 (mean divergence {table.attrs['left_over']:+.3f}):")
            gates = ["low", *(name for name in table if name.startswith("flux") or "above" in name)]
            bands = table.drop(columns=[*gates[1:], "balance_we", "glaunti_we"])
            print(bands.round(2).to_string(index=False))
            print("through gates at the lower edges (km3 ice yr-1), and the balance above them (m ice yr-1):")
            print(table[gates].round(3).to_string(index=False))
            off = float(np.abs(table["balance"].to_numpy() - np.array(numbers)).max())
            yield at_most(f"Aletsch, {thickness}: farthest band from the expected (m ice/yr)", off, 0.3)
            yield at_most("  mean flux divergence (m/yr)", abs(table.attrs["left_over"]), 0.1)


PARTS: dict[str, Callable[[], Iterator[Verdict]]] = {
    "synthetic": synthetic_pairs,
    "stack": synthetic_stack,
    "shift": whole_shifts,
    "perito": perito_moreno,
    "kaskawulsh": kaskawulsh,
    "engabreen": engabreen,
    "speed": speed,
    "memory": memory,
    "aletsch": aletsch,
    "svg": svg_training,
    "frames": frame_prediction,
    "training": resumed_training,
}


def line(verdict: Verdict) -> str:
    """A bound in words."""
    return f"{'holds' if verdict[1] else 'falls short'}: {verdict[0]}"


def main(chosen: list[str]) -> int:
    """Print everything; 1 where something expected does not hold."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.platform()}")
    found: list[Verdict] = []
    for name in chosen or PARTS:
        begin = time.perf_counter()
        for verdict in PARTS[name]():
            found.append(verdict)
            print(line(verdict), flush=True)
        print(f"({name}: {time.perf_counter() - begin:.0f} s)", flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")
    print(*map(line, found), sep="\n")
    return int(not all(holds for _, holds in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
