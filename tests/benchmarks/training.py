"""Cases of training: an epoch's loss and gradient over several glaciers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.benchmarks import plain, synthetic
from tests.benchmarks.kernels import gradient_error
from tests.benchmarks.runner import Case, Subject

SIDE, GLACIERS, YEARS = 48, 2, 3
SEASONS = ("annual", "winter", "summer")
N_TI = len(plain.TI_NAMES)


@functools.cache
def glaciers(quick: bool) -> list[Any]:
    """Glaciers with observations, one of them without a midseason date in some years."""
    from tests.fit.training_worlds import glacier

    side, years = (16, 1) if quick else (SIDE, YEARS)
    # In quick runs the seasons of both are of the same lengths: one compiled program of the baseline serves them.
    seeds = [0] * GLACIERS if quick else range(GLACIERS)
    return [
        glacier(f"Glacier {k}", shape=(side, side), years=years, seed=seed, noise=0.1) for k, seed in enumerate(seeds)
    ]


# --- the baseline ---


def seasons_of(p: dict[str, Any], swe: Any, weather: Any) -> tuple[Any, list[Any]]:
    """Snow at the end and balance of each season; weather is (temp, prcp, weights) by season, fields (T, H, W)."""
    balances = []
    for temp, prcp, weights in weather:
        swe, smb = plain.run(p, swe, temp, prcp, weights)
        balances.append(smb)
    return swe, balances


def pull(ds: Any, outline: Any) -> Any:
    """The regulariser of the corrections."""
    share = outline / outline.sum()
    mean = (ds * share).sum((1, 2))
    size, spread = (ds**2 * share).sum((1, 2)).sum(), ((ds - mean[:, None, None]) ** 2 * share).sum((1, 2)).sum()
    return 5.0 * size + 20.0 * spread + 5.0 * ((ds[1] - ds[2]) ** 2 * share).sum()


def year_loss(trained: Any, frozen: Any, swe: Any, year: Any) -> tuple[Any, Any]:
    """What a year adds to the loss, and the snow at its end."""
    ti = frozen["ti"] if "network" in trained else [trained.get(n, frozen[n]) for n in plain.TI_NAMES]
    p = plain.parameters(ti)
    weather = [(*plain.to_fields(t, q, year["offset"]), w) for t, q, w in year["weather"]]
    loss = 0.0
    if "network" in trained:
        runs = [[(t + dt, f * q, w) for t, q, w in weather] for dt, f in ((0.0, 1.0), (0.5, 1.0), (0.0, 1.05))]
        smb0, warmer, wetter = (sum(seasons_of(p, swe, run)[1]) for run in runs)
        response = jax.lax.stop_gradient(jnp.stack([smb0 / 10.0, warmer - smb0, wetter - smb0]))
        ds = plain.corrector(trained["network"], jnp.concatenate([response, year["fields"]]), year["climate"])
        p = plain.correct(p, ds)
        loss = year["share"] * pull(ds, year["outline"])
    swe, balances = seasons_of(p, swe, weather)
    maps = {"annual": sum(balances)} | dict(zip(SEASONS[1:], balances, strict=False))
    for season, (rows, cols, observed, weights) in year["points"].items():
        loss += jnp.sum(weights * (maps[season][rows, cols] - observed) ** 2)
    for season, (observed, weight) in year["glacier"].items():
        loss += weight * (plain.mean_inside(maps[season], year["outline"]) - observed) ** 2
    return loss, swe


gradient_of_year = jax.jit(jax.value_and_grad(year_loss, has_aux=True))
run_year = jax.jit(year_loss)


def plain_years(glacier: Any) -> list[tuple[bool, dict[str, Any]]]:
    """Years as the baseline takes them, and whether their observations count; weights are divided already."""
    years = [(year not in glacier.spin_up_years, glacier.load(year)) for year in sorted(glacier.data)]
    counted = [data for counts, data in years if counts]
    sums = {s: sum(d.targets[s].weights.sum() for d in counted if s in d.targets) for s in SEASONS}
    numbers = {s: sum(np.isfinite(d.targets[s].glacier) for d in counted if s in d.targets) for s in SEASONS}
    return [(counts, _plain_year(data, sums, numbers, len(counted))) for counts, data in years]


def _plain_year(data: Any, sums: dict[str, float], numbers: dict[str, int], n: int) -> dict[str, Any]:
    points = {s: (*t[:3], np.float32(t.weights / sums[s])) for s, t in data.targets.items()}
    glacier = {
        s: (np.float32(t.glacier), np.float32(0.1 / numbers[s]))
        for s, t in data.targets.items()
        if np.isfinite(t.glacier)
    }
    return {
        "offset": data.seasons[0].forcing.temp_offset,
        "weather": [(s.forcing.temp, s.forcing.prcp, s.weights) for s in data.seasons],
        "fields": data.fields,
        "climate": data.climate,
        "outline": data.outline,
        "points": points,
        "glacier": glacier,
        "share": np.float32(1.0 / n),
    }


def plain_epoch(name: str, quick: bool) -> Callable[[], Any]:
    """Loss of an epoch and its gradient."""
    leaves = synthetic.leaves(name)
    ti = dict(zip(plain.TI_NAMES, leaves[-N_TI:], strict=True))
    fixed = ("swe_softplus_sharpness_log", "t_softplus_sharpness_log")
    if name == "C":
        trained, frozen = {"network": leaves[:-N_TI]}, {"ti": leaves[-N_TI:]}
    else:
        trained = {n: v for n, v in ti.items() if n not in fixed}
        frozen = {n: ti[n] for n in fixed} | dict.fromkeys(trained, 0.0)
    years = [plain_years(glacier) for glacier in glaciers(quick)]

    def run() -> Any:
        value, gradient = 0.0, jax.tree.map(jnp.zeros_like, trained)
        for glacier in years:
            swe = jnp.full(glacier[0][1]["outline"].shape, np.exp(ti["snow_depletion_centre_log"]))
            for counts, year in glacier:
                if counts:
                    (loss, swe), slope = gradient_of_year(trained, frozen, swe, year)
                    value, gradient = value + loss, jax.tree.map(jnp.add, gradient, slope)
                else:
                    _, swe = run_year(trained, frozen, swe, year)
        return value, gradient

    return run


# --- the package ---


def package_epoch(name: str, quick: bool, threads: int | None) -> Callable[[], Any]:
    """The same by what training uses."""
    from oggm_glaunti.fit.training.arrays import GlacierYears, Room
    from oggm_glaunti.fit.training.epochs import WorkerPool, total
    from oggm_glaunti.fit.training.objective import USUAL
    from oggm_glaunti.fit.training.survey import Part

    room, pool = Room(1000.0), WorkerPool(threads)
    model = jax.tree.map(jnp.asarray, synthetic.model(name))
    years = [
        GlacierYears(Part(g), name == "C", False, room, pool.devices[k % len(pool.devices)])
        for k, g in enumerate(glaciers(quick))
    ]

    def run() -> Any:
        terms, gradients = zip(*pool.run(model, years, USUAL[name]), strict=True)
        return total(terms).total(), total(gradients)

    return run


def epoch(name: str) -> Callable[[bool], list[Subject]]:
    """An epoch of a model."""

    def make(quick: bool) -> list[Subject]:
        work = plain_epoch(name, quick)
        error = gradient_error(functools.cache(work))
        return [
            Subject("plain, reverse mode", work),
            Subject("one thread", package_epoch(name, quick, 1), error),
            Subject("all cores", package_epoch(name, quick, None), error, 4.0),
        ]

    return make


NOTE = (
    f"Loss and gradient of {GLACIERS} glaciers of {SIDE} x {SIDE} cells with a year of spin-up and {YEARS} years of "
    "observations each: all that an epoch consists of but the validation glaciers. Relative errors against the "
    "baseline."
)
CASES = [
    Case("training", "Training, an epoch of model C", epoch("C"), NOTE, rounds=3),
    Case("training_a", "Training, an epoch of model A", epoch("A"), NOTE, rounds=3),
]
