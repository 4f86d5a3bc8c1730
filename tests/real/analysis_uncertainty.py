"""The uncertainty of Grosser Aletsch's balance, its cost and its limits: ``python -m tests.real.analysis_uncertainty``.

Model A, CAMELS-CH forcing, 20 years, weekly blocks. Peak memory is that of a process of its own for each measurement.
With the name of a PNG the balance with its intervals is drawn.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests import glaciers
from tests.benchmarks.runner import own_peak_mb
from tests.real import fits
from tests.real.measured import shared_data, timed

YEARS = (2001, 2020)
MEMBERS = 500
LINEAR = 0.125  # factor on both standard deviations


def prepared(working_dir: Path) -> Any:
    """Trajectory of 20 years and its 1,043 blocks."""
    import oggm

    from oggm_glaunti.analysis.glaciers import glacier_run
    from oggm_glaunti.analysis.uncertainty.blocks import weekly_blocks
    from oggm_glaunti.coupling.oggm.offline import start_offline

    start_offline(working_dir)
    gdir = oggm.GlacierDirectory(glaciers.ALETSCH, base_dir=str(working_dir / "per_glacier"))
    run = glacier_run(gdir, YEARS, mb_kwargs={"model": "A"})
    return run, weekly_blocks(run.trajectory.period)


def first_order(run: Any, blocks: Any) -> Callable[[], np.ndarray]:
    """Standard deviation at the end of every block, Jacobians included."""
    from oggm_glaunti.analysis.uncertainty import propagation as u

    def sd() -> np.ndarray:
        series = u.propagate(run.tuned, run.trajectory, blocks)
        return np.sqrt(np.asarray(u.forcing_variance(series, blocks).total))

    return sd


def against_jvps(run: Any, blocks: Any, chosen: np.ndarray) -> tuple[float, float, float]:
    """In double precision: largest difference from forward derivatives of the whole run, and largest of these, m w.e.

    And the largest relative difference of the standard deviations in single precision from those in double.
    """
    single = first_order(run, blocks)()
    import jax
    import jax.numpy as jnp

    from oggm_glaunti.analysis.uncertainty import propagation as u
    from oggm_glaunti.analysis.uncertainty.draws import BlockErrors

    with jax.enable_x64(True):
        tuned, trajectory = jax.tree.map(_double, (run.tuned, run.trajectory))
        series = u.propagate(tuned, trajectory, blocks)
        double = np.sqrt(np.asarray(u.forcing_variance(series, blocks).total))
        assert double.dtype == np.float64, double.dtype
        none, worst, largest = jnp.zeros(blocks.n), 0.0, 0.0
        jvp = jax.jit(
            lambda *by: jax.jvp(lambda *x: u.cumulative(tuned, trajectory, blocks, BlockErrors(*x)), (none, none), by)[
                1
            ]
        )
        for b in chosen:
            unit = none.at[b].set(1.0)
            for mine, theirs in ((series.temp, jvp(unit, none)), (series.log_prcp, jvp(none, unit))):
                worst = max(worst, float(np.abs(mine[:, b] - theirs).max()))
                largest = max(largest, float(np.abs(theirs).max()))
    return worst, largest, float(np.abs(single / double - 1.0).max())


def _double(leaf: Any) -> np.ndarray:
    array = np.asarray(leaf)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def measure_first_order(run: Any, blocks: Any) -> str:
    """The time it takes and what it finds."""
    first, warm, sd = timed(first_order(run, blocks))
    ends = [np.argmin(np.abs(blocks.stops - blocks.starts[0] - 365.25 * years)) for years in (1, 5, 20)]
    found = ", ".join(f"{sd[end]:.3f}" for end in ends)
    return (
        f"{blocks.n} blocks x 2, {run.heights.size} heights, {run.days.size} days: {first:.2f} s the first time, "
        f"{warm:.3f} s warm (median of 5)\nstandard deviation after 1, 5 and 20 years: {found} m w.e."
    )


def measure_against_jvps(run: Any, blocks: Any) -> str:
    """How exact it is."""
    chosen = np.linspace(0, blocks.n - 30, 12).astype(int)
    worst, largest, single = against_jvps(run, blocks, chosen)
    return (
        f"largest difference from JVPs in float64, {chosen.size} blocks x 2: {worst:.1e} m w.e. (derivatives of up to "
        f"{largest:.3f}); float32 standard deviations within {single:.1e} of float64's"
    )


def measure_ensemble(run: Any, blocks: Any, scale: float) -> str:
    """First order against members of errors of a size."""
    from oggm_glaunti.analysis.uncertainty import propagation as u
    from oggm_glaunti.analysis.uncertainty.draws import SIGMA_LOG_PRCP, SIGMA_TEMP, WeatherErrors, draw_errors

    sigmas = scale * SIGMA_TEMP, scale * SIGMA_LOG_PRCP
    errors = draw_errors(0, MEMBERS, blocks.middles, WeatherErrors(*sigmas))
    args = (run.tuned, run.trajectory, blocks, errors)
    first, warm, members = timed(lambda: np.asarray(u.ensemble(*args), np.float64), 1)
    smb = np.asarray(u.propagate(run.tuned, run.trajectory, blocks).smb)
    ratio = scale * first_order(run, blocks)() / members.std(axis=0)
    return (
        f"{MEMBERS} members, sigma_T {sigmas[0]:.3f} K, sigma_logP {sigmas[1]:.3f}: first order over ensemble "
        f"{ratio.min():.3f} to {ratio.max():.3f} over all weeks, {ratio[-1]:.3f} at the end; mean of the ensemble "
        f"{members[:, -1].mean() - smb[-1]:+.2f} m w.e. off; {first:.1f} s the first time, {warm:.1f} s warm"
    )


def measure_linearity(run: Any, blocks: Any, mean_preserving: bool) -> str:
    """Where the first order ends."""
    from oggm_glaunti.analysis.uncertainty.draws import WeatherErrors
    from oggm_glaunti.analysis.uncertainty.linearity import linearity

    found = linearity(run.tuned, run.trajectory, blocks, WeatherErrors(mean_preserving=mean_preserving))
    rows = zip(found.scale, found.first_order, found.ensemble, found.ratio, found.bias, strict=True)
    lines = [f"  {s:5g} x: {f:7.3f} {e:7.3f} ratio {r:.3f} bias {b:+8.3f}" for s, f, e, r, b in rows]
    kind = "mean" if mean_preserving else "median"
    return "\n".join([f"draws that keep the {kind} of precipitation: {found.sentence()}", *lines])


def fitted(run: Any) -> Any:
    """The glacier with model A fitted to all of GLAMOS' winters and summers."""
    from oggm_glaunti.fit.calibration.tasks import fit_glaunti

    table = fits.aletsch_observations(shared_data()).drop(columns="number")
    fit_glaunti(run.gdir, observations=table[table["season"] != "annual"], mb_kwargs={"model": "A"})
    return run.gdir


def measure_intervals(run: Any, blocks: Any) -> str:
    """What the 90 % intervals hold, and that members and where to measure say the same."""
    from oggm_glaunti.tasks import glaunti_features, smb_ensemble, smb_uncertainty, where_to_measure

    del blocks
    gdir = fitted(run)
    glaunti_features(gdir)
    found, members = smb_uncertainty(gdir, years=YEARS), smb_ensemble(gdir, years=YEARS, members=MEMBERS)
    advice = where_to_measure(gdir, year=YEARS[1], years=YEARS)
    lines = [f"errors of the model, {found.attrs['model_errors']}"]
    for prefix, name in (("annual_", "a year (mean of all)"), ("", "all twenty years")):
        parts = ("sd", "sd_parameters", "sd_model", "sd_weather")
        numbers = [f"{part} {float(found[prefix + part].mean() if prefix else found[part][-1]):.3f}" for part in parts]
        lines.append(f"standard deviation of {name}: {', '.join(numbers)} m w.e.")
    for name in ("smb", "annual_smb"):
        sd, low, high = (found[name.replace("smb", what)] for what in ("sd", "low", "high"))
        ratio, inside = members[name].std("member") / sd, (members[name] > low) & (members[name] < high)
        lines.append(
            f"{MEMBERS} members, {name}: their standard deviation over the first order's {float(ratio.min()):.3f} to "
            f"{float(ratio.max()):.3f}; {100 * float(inside.mean()):.1f} % of them within low and high"
        )
    lines.append(
        f"mean of {YEARS[0]}-{YEARS[1]}: {float(found['sd'][-1]) / 20:.4f} m w.e. by smb_uncertainty, "
        f"{float(advice.maps['sd']):.4f} by where_to_measure"
    )
    return "\n".join([*lines, *other_years(gdir)])


def other_years(gdir: Any) -> list[str]:
    """Share of GLAMOS' annual balances within 90 % of a fit to the winters and summers of every other year."""
    from oggm_glaunti.core.units import NORMAL_90
    from oggm_glaunti.fit.calibration.tasks import fit_glaunti, modelled
    from oggm_glaunti.tasks import smb_uncertainty

    ratios, of_parameters = [], []
    for half in fits.halves(fits.aletsch_observations(shared_data())):
        fit_glaunti(gdir, observations=half.fit[half.fit["season"] != "annual"], mb_kwargs={"model": "A"})
        rows = modelled(gdir, half.test[half.test["season"] == "annual"])
        found = smb_uncertainty(gdir).sel(year=rows["end"].dt.year.to_numpy())
        away = np.abs(rows["modelled"] - rows["value"]).to_numpy()
        ratios.append(away / np.hypot(found["annual_sd"].to_numpy(), rows["sigma"]))
        of_parameters.append(away / np.hypot(found["annual_sd_parameters"].to_numpy(), rows["sigma"]))
    shares = [100.0 * np.mean(np.concatenate(each) <= NORMAL_90) for each in (ratios, of_parameters)]
    n = sum(map(len, ratios))
    return [
        f"GLAMOS' annual balances of years that were not fitted, sigma included: {shares[0]:.0f} % of {n} within 90 %, "
        f"{shares[1]:.0f} % if parameters alone were uncertain"
    ]


def draw(run: Any, path: Path) -> None:
    """The balance and its intervals, first order and members, after a fit."""
    from oggm_glaunti.graphics import plot_uncertainty, save_png
    from oggm_glaunti.tasks import smb_ensemble, smb_uncertainty

    gdir = fitted(run)
    found, members = smb_uncertainty(gdir, years=YEARS), smb_ensemble(gdir, years=YEARS, members=MEMBERS)
    save_png(plot_uncertainty(found, members), path)


MEASUREMENTS: dict[str, Callable[[Any, Any], str]] = {
    "reading the glacier": lambda run, blocks: f"{run.gdir.rgi_id}, {YEARS[0]} to {YEARS[1]}",
    "first order": measure_first_order,
    "exactness": measure_against_jvps,
    "ensemble, small errors": lambda run, blocks: measure_ensemble(run, blocks, LINEAR),
    "ensemble, full errors": lambda run, blocks: measure_ensemble(run, blocks, 1.0),
    "linearity": lambda run, blocks: measure_linearity(run, blocks, False),
    "linearity, mean kept": lambda run, blocks: measure_linearity(run, blocks, True),
    "intervals": measure_intervals,  # the last, since it calibrates the glacier
}


def main() -> None:
    """Print everything, each measurement in a process of its own."""
    shared = shared_data()
    if len(sys.argv) == 3:
        run, blocks = prepared(Path(sys.argv[1]))
        if sys.argv[2] not in MEASUREMENTS:
            draw(run, Path(sys.argv[2]))
            return
        print(MEASUREMENTS[sys.argv[2]](run, blocks))
        print(f"peak memory {own_peak_mb():.0f} MB")
        return
    with tempfile.TemporaryDirectory() as folder:
        working_dir = Path(folder) / "aletsch"
        glaciers.prepare_aletsch(working_dir, shared)
        for name in [*MEASUREMENTS, *sys.argv[1:2]]:
            print(f"--- {name}", flush=True)
            call = [sys.executable, "-m", "tests.real.analysis_uncertainty", str(working_dir), name]
            subprocess.run(call, check=True, stderr=subprocess.DEVNULL, env=dict(os.environ))


if __name__ == "__main__":
    main()
