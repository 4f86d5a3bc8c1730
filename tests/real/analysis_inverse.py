"""Inverse forcing on Grosser Aletsch: ``python -m tests.real.analysis_inverse``."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.runner import own_peak_mb
from tests.real.measured import prepared_aletsch, timed

YEARS = (2010, 2019)


def shift_line(gdir: Any, years: tuple[int, int]) -> str:
    """The shift of temperature for no change of mass, model A."""
    from oggm_glaunti.analysis.inverse.tasks import invert_forcing

    _, warm, found = timed(lambda: invert_forcing(gdir, target=0.0, years=years, mb_kwargs={"model": "A"}))
    row = found.change.loc["dT"]
    return (
        f"{years[0]}-{years[1]}: dT {row['value']:+.4f} K for a mean of 0 ({found.mean_before:+.4f} m w.e. a year "
        f"before, {1000 * found.mean_after:+.4f} mm after); derivative there {row['slope']:+.4f} m w.e. K-1; "
        f"{found.iterations} runs, {warm:.3f} s warm"
    )


def aletsch_inverse(gdir: Any) -> None:
    """Print the shifts for no change of mass, the sensitivity, series, how long they take, and the peak memory."""
    from oggm_glaunti.analysis.inverse.tasks import climate_sensitivity, invert_forcing

    print(f"Grosser Aletsch, model A, CAMELS-CH, hydrological years; {own_peak_mb():.0f} MB before the first call")
    for years in (YEARS, (2020, 2020)):
        print(shift_line(gdir, years))
    _, warm, table = timed(lambda: climate_sensitivity(gdir, years=YEARS, mb_kwargs={"model": "A"}))
    for part in ("winter", "summer", "annual"):
        row = table.loc[part]
        print(f"sensitivity, {part}: {row['temp']:+.4f} m w.e. K-1, {row['prcp_10pct']:+.4f} m w.e. for 10 % more")
    print(f"sensitivity by month: {warm:.3f} s warm; peak memory so far {own_peak_mb():.0f} MB")
    print(many_line(gdir, 100))
    for resolution, prior, correlation in (("monthly", (1.0, 0.3), 0.0), ("daily", (1.5889, 0.964), 7.0)):
        keys = {
            "mb_kwargs": {"model": "A"},
            "control": "both",
            "resolution": resolution,
            "prior": prior,
            "correlation": correlation,
        }
        _, warm, found = timed(
            lambda keys=keys: invert_forcing(
                gdir, target=0.0, sigma=0.1, years=YEARS, mb_kwargs={"model": "A"}, **keys
            ),
            3,
        )
        print(
            f"{resolution} series for a mean balance of 0 ± 0.1 m w.e.: {found.mean_after:+.3f} m w.e., "
            f"{found.iterations} iterations, {warm:.2f} s warm"
        )
    print(f"peak memory of the process {own_peak_mb():.0f} MB")


def many_line(gdir: Any, n: int) -> str:
    """So many glaciers at once: this one under weather that is up to 1 K warmer or cooler."""
    import jax
    import numpy as np

    from oggm_glaunti.analysis.glaciers import glacier_run
    from oggm_glaunti.analysis.inverse.shifts import solve_shifts
    from oggm_glaunti.analysis.trajectory import stack_trajectories

    run, warmer = glacier_run(gdir, YEARS, mb_kwargs={"model": "A"}), np.linspace(-1.0, 1.0, n, dtype=np.float32)
    batch = stack_trajectories([run.trajectory.replace(temp=run.trajectory.temp + shift) for shift in warmer])
    tuned = jax.tree.map(lambda leaf: np.full(n, leaf, np.float32), run.tuned)
    mean, given = np.full((n, 1, run.years.size), 1.0 / run.years.size), (np.zeros((n, 1)), np.full((n, 1), 0.1))
    _, warm, found = timed(lambda: solve_shifts(tuned, batch, given[0], mean, given[1]), 3)
    spread = np.ptp(found.shift[:, 0] + warmer)
    peak = own_peak_mb()
    return f"{n} glaciers at once: {warm:.2f} s warm, the same weather found to {spread:.1e} K, peak {peak:.0f} MB"


def main() -> None:
    """Prepare the glacier and print everything."""
    with prepared_aletsch() as (gdir, _, _):
        aletsch_inverse(gdir)


if __name__ == "__main__":
    main()
