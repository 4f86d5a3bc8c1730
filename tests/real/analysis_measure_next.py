"""Where one more stake or snow pit tells most on Grosser Aletsch: ``python -m tests.real.analysis_measure_next``.

Ranked tables, before any observation and after a fit to GLAMOS' balances; how long a warm call takes; the peak of
memory. With the name of a PNG the second case is drawn.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from oggm_glaunti.analysis.uncertainty.draws import WeatherErrors
from tests.benchmarks.runner import own_peak_mb
from tests.real import fits
from tests.real.measured import prepared_aletsch, timed

YEAR, YEARS = 2019, (2010, 2019)
SIGMA, SCALES = 0.2, (0.1, 0.5, 1.0)
WEATHER: dict[str, Any] = {"errors": WeatherErrors(), "model_errors": False}
COLUMNS = ["rank", "season", "height", "row", "col", "variance_before", "variance_after", "reduction", "alone", "left"]


def advice(gdir: Any, **kwargs: Any) -> Any:
    """The task's result for the year."""
    from oggm_glaunti.analysis.measure_next.tasks import where_to_measure

    mb_kwargs = {"model": "A", **kwargs.pop("mb_kwargs", {})}
    return where_to_measure(gdir, year=YEAR, mb_kwargs=mb_kwargs, **kwargs)


def fit(gdir: Any, shared: Path) -> None:
    """Fit the parameters to all of GLAMOS' glacier-wide winter and summer balances."""
    from oggm_glaunti.fit.calibration.tasks import fit_glaunti

    table = fits.aletsch_observations(shared).drop(columns="number")
    fit_glaunti(gdir, observations=table[table["season"] != "annual"], mb_kwargs={"model": "A"}, filesuffix="_fit")


def cases() -> dict[str, dict[str, Any]]:
    """What is asked, by name."""
    from oggm_glaunti.fit.calibration.errors import MEDIANS, ErrorSizes, Sizes

    fitted = {"mb_kwargs": {"mb_params_filesuffix": "_fit"}}
    seasons = ErrorSizes(points=MEDIANS.points._replace(winter=0.0, summer=0.0), whole=Sizes(0.0, 0.0, 0.0))
    return {
        f"balance of {YEAR}, nothing fitted": {},
        f"balance of {YEAR}, parameters fitted to GLAMOS": fitted,
        f"balance of {YEAR}, fitted, errors of weeks' weather instead of those of seasons": {
            **fitted,
            "errors": WeatherErrors(),
            "model_errors": seasons,
        },
        f"balance of {YEAR}, fitted, errors of the weather alone": {**fitted, **WEATHER},
        f"balance of {YEAR}, fitted, no errors but the parameters'": {**fitted, "model_errors": False},
        f"mean balance of {YEARS[0]}-{YEARS[1]}, nothing fitted": {"years": YEARS},
        f"mean balance of {YEARS[0]}-{YEARS[1]}, parameters fitted to GLAMOS": {**fitted, "years": YEARS},
        "degree-day factor of snow, nothing fitted": {"target": "ddf_snow"},
    }


def print_tables(gdir: Any) -> None:
    """A ranked table for each case."""
    for name, kwargs in cases().items():
        table, maps = advice(gdir, **kwargs)
        print(f"{name}: standard deviation {float(maps.sd):.3f} {maps.sd.units} as things are")
        print(table[COLUMNS].to_string(index=False, float_format=lambda number: f"{number:.4g}"))
        print()


def by_ensemble(gdir: Any, scale: float, members: int = 1000, **kwargs: Any) -> tuple[np.ndarray, np.ndarray]:
    """Heights (m) and reductions (%) of one stake for the year's balance, from runs of the model itself.

    The errors are those of parameters and of the weather times `scale`, and so is that of the stake: what a linear
    regression on the stake explains. To first order this does not depend on `scale`.
    """
    import jax
    import jax.numpy as jnp

    from oggm_glaunti.analysis.glaciers import glacier_run
    from oggm_glaunti.analysis.measure_next.tasks import parameter_root
    from oggm_glaunti.analysis.trajectory import Change, annual_by_height
    from oggm_glaunti.analysis.uncertainty.blocks import weekly_blocks
    from oggm_glaunti.analysis.uncertainty.draws import draw_errors, draw_parameters
    from oggm_glaunti.analysis.uncertainty.propagation import moved
    from oggm_glaunti.fit.calibration.priors import STORED

    run = glacier_run(gdir, (YEAR, YEAR), mb_kwargs={"model": "A", **kwargs.get("mb_kwargs", {})})
    names, root, _ = parameter_root(run)
    weeks = weekly_blocks(run.trajectory.period)
    by, errors = scale * draw_parameters(1, members, root @ root.T), draw_errors(0, members, weeks.middles)
    stored = tuple(STORED.get(name, name) for name in names)

    def member(drawn):
        by, errors = drawn
        change = Change(*(jnp.where(weeks.of_day < 0, 0.0, scale * field[weeks.of_day]) for field in errors))
        return annual_by_height(moved(run.tuned, stored, by), run.trajectory, change)[0]

    smb = np.asarray(jax.jit(lambda drawn: jax.lax.map(member, drawn, batch_size=50))((by, errors)), np.float64)
    wanted = smb @ run.trajectory.area
    shared = (wanted - wanted.mean()) @ (smb - smb.mean(axis=0)) / members
    return run.heights, 100.0 * shared**2 / (wanted.var() * (smb.var(axis=0) + (scale * SIGMA) ** 2))


def print_ensemble(gdir: Any) -> None:
    """First order against the model itself, for errors of several sizes."""
    print("One stake for the year's balance, reduction (%) where it is largest: first order, and 1,000 members with")
    print(f"errors of {', '.join(f'{scale:g}' for scale in SCALES)} times their size (in brackets: largest difference)")
    for name, kwargs in (
        ("nothing fitted", {}),
        ("parameters fitted", {"mb_kwargs": {"mb_params_filesuffix": "_fit"}}),
    ):
        by_height = 100.0 * advice(gdir, **WEATHER, **kwargs).maps["reduction_by_height"].sel(season="annual")
        heights, by_height = by_height["height"].to_numpy(), by_height.to_numpy()
        cells = []
        for scale in SCALES:
            found = by_ensemble(gdir, scale, **kwargs)
            here = np.interp(heights, *found)
            off = float(np.abs(here - by_height).max())
            cells.append(f"{here.max():.1f} at {heights[here.argmax()]:.0f} m ({off:.1f})")
        print(f"{name}: {by_height.max():.1f} at {heights[by_height.argmax()]:.0f} m; " + "; ".join(cells))
    print()


def draw(gdir: Any, path: Path) -> None:
    """The figure of the balance of one year, parameters fitted."""
    from oggm_glaunti.graphics.measure_next import plot_where_to_measure
    from oggm_glaunti.graphics.style import save_png

    save_png(plot_where_to_measure(advice(gdir, mb_kwargs={"mb_params_filesuffix": "_fit"})), path)


def main() -> None:
    """Print everything, and draw where a file is named."""
    with prepared_aletsch() as (gdir, shared, _):
        fit(gdir, shared)
        print_tables(gdir)
        print_ensemble(gdir)
        one, ten = (timed(lambda k=k: advice(gdir, **k)).warm for k in ({}, {"years": YEARS}))
        print(f"warm call with maps, one year: {one:.2f} s; ten years: {ten:.2f} s")
        for path in sys.argv[1:2]:
            draw(gdir, Path(path))
        print(f"peak memory: {own_peak_mb():.0f} MB")


if __name__ == "__main__":
    main()
