"""Derivatives of the volume of real glaciers, beside whole runs: ``python -m tests.real.analysis_dynamics [folder]``.

Hintereisferner 2014-2022 and the mean of these years for 30 more; Grosser Aletsch 1982-2020. With a folder, figures.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests import glaciers
from tests.benchmarks.runner import own_peak_mb
from tests.real.measured import shared_data, timed

CONTROLS = ("dT", "dP", "ddf_snow", "ddf_relative_ice", "prec_scale", "temp_gradient")
SHIFTS = (0.1, 0.25, 0.5, 1.0, 2.0)  # K
MODEL = {"mb_kwargs": {"model": "A"}}


def said(what: str, call: Callable[[], Any]) -> Any:
    """What a call returns; how long it takes the second time is printed."""
    took = timed(call, 1)
    print(
        f"{what}: {took.first:.2f} s the first time, {took.warm:.2f} s the second, peak memory {own_peak_mb():.0f} MB"
    )
    return took.result


def report(gdir: Any, name: str, folder: Path | None, shifts: Sequence[float] = SHIFTS, **period: Any) -> None:
    """Everything of one glacier and one run."""
    from oggm_glaunti.analysis.dynamics.setup import prepare_volume_runs
    from oggm_glaunti.analysis.dynamics.tasks import volume_gradient, volume_sensitivity, volume_summary

    print(f"\n--- {name} {period}")
    given = {**period, **MODEL}
    ready = prepare_volume_runs(gdir, controls=["dT"], **given)
    said("one run of OGGM", lambda: ready.run(ready.table))
    found = said(f"{len(CONTROLS)} controls", lambda: volume_sensitivity(gdir, controls=CONTROLS, **given))
    print(f"volume {float(found['volume'][0]):.4f} to {float(found['volume'][-1]):.4f} km3")
    print(volume_summary(found).to_string(float_format="%.5g"))
    by_modes = said("the same by modes", lambda: volume_sensitivity(gdir, controls=CONTROLS, modes=True, **given))
    exact = said("24 months, exact", lambda: volume_gradient(gdir, controls=["dT", "dP"], by_month=True, **given))
    exact = said(f"{len(CONTROLS)} controls, exact", lambda: volume_gradient(gdir, controls=CONTROLS, **given))
    print(f"the flowline in JAX: {exact.attrs}")
    print(f"dT by differences of 0.001 and 0.002 m w.e. in the balances: {small_steps(ready):+.5f} km3 K-1")
    last = found.isel(time=-1)
    for control in CONTROLS:
        values = [
            float(by_modes["d_volume"].isel(time=-1).sel(control=control)),
            float(exact["d_volume"].sel(control=control)),
        ]
        print(
            f"{control:<18} differences {float(last['d_volume'].sel(control=control)):+.5f} "
            f"± {float(last['d_volume_error'].sel(control=control)):.5f}   modes {values[0]:+.5f} ± "
            f"{float(by_modes['d_volume_error'].isel(time=-1).sel(control=control)):.5f} "
            f"(outside {100 * float(by_modes['outside_share'].sel(control=control)):.0f} %)   exact {values[1]:+.5f}"
        )
    whole_runs(ready, found, exact, shifts)
    if folder is not None:
        figures(gdir, ready, found, name, folder, given)


def small_steps(ready: Any) -> float:
    """What OGGM's model itself does where the change is as small as its time steps let one see."""
    from oggm_glaunti.analysis.dynamics.tables import Line, difference_along

    volume = lambda table: ready.run(table)[-1, 0]
    return float(difference_along(Line(volume, ready.table, ready.tangents[0], ready.weights), 0.001).value)


def whole_runs(ready: Any, found: Any, exact: Any, shifts: Sequence[float]) -> None:
    """First order beside everything anew, shift by shift."""
    from oggm_glaunti.analysis.dynamics.setup import with_tunables

    here = ready.run(ready.table)[-1, 0]
    slope, exact_slope = float(found["d_volume"].sel(control="dT")[-1]), float(exact["d_volume"].sel(control="dT"))
    print("shift (K): whole run's change, km3; first order, its error in %: differences, exact; central slope, km3 K-1")
    for shift in shifts:
        more, less = (with_tunables(ready, temp=sign * shift)[-1, 0] - here for sign in (1, -1))
        for sign, change in ((1, more), (-1, less)):
            off = [100.0 * (sign * shift * value / change - 1.0) for value in (slope, exact_slope)]
            print(
                f"  {sign * shift:+.2f}: {change:+.4f}; {sign * shift * slope:+.4f}, {off[0]:+.1f} {off[1]:+.1f} %",
                end="; ",
            )
        print(f"{(more - less) / (2.0 * shift):+.5f}")


def figures(gdir: Any, ready: Any, found: Any, name: str, folder: Path, given: dict[str, Any]) -> None:
    """Volumes, the derivative to the table, months."""
    from oggm_glaunti.analysis.dynamics.setup import with_tunables
    from oggm_glaunti.analysis.dynamics.tasks import volume_gradient
    from oggm_glaunti.graphics.dynamics import plot_gradient, plot_months, plot_volume
    from oggm_glaunti.graphics.style import save_png

    reruns = {amount: with_tunables(ready, temp=amount)[:, 0] for amount in (1.0, -1.0)}
    months = volume_gradient(gdir, controls=["dT", "dP"], by_month=True, **given)
    for what, figure in (
        ("volume", plot_volume(found, "dT", reruns)),
        ("gradient", plot_gradient(months)),
        ("months", plot_months(months)),
    ):
        print(save_png(figure, folder / f"dynamics_{name}_{what}.png"))


def main() -> None:
    """Print everything."""
    shared = shared_data()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    np.set_printoptions(precision=5)
    with tempfile.TemporaryDirectory() as work:
        hef = glaciers.prepare_hef(Path(work) / "hef", shared)
        report(hef, "Hintereisferner", folder, ys=2014, ye=2023)
        report(hef, "Hintereisferner_mean", None, ys=2020, ye=2050, forcing="constant")
        aletsch = glaciers.prepare_aletsch(Path(work) / "aletsch", shared)
        # Two degrees colder it would grow out of its domain.
        report(aletsch, "Aletsch", folder, SHIFTS[:-1], ys=1982, ye=2021)


if __name__ == "__main__":
    main()
