"""What refreezing and debris do to balances of real glaciers and of a cold one made by code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from oggm_glaunti.core.refreezing import ACTIVE, HEAT_CAPACITY, LATENT_HEAT
from tests.real.measured import Bounds

SPLIT = "mass_conserving"


def refreezing(bounds: Bounds, name: str, gdir: Any, years: range) -> None:
    """What freezes again by Woodward's potential and in the cold of the snow, and what turned melt factors leave."""
    for kind in ("woodward", "cold_content"):
        _refreezing(bounds, f"{kind}, {name}", kind, gdir, years)


def _refreezing(bounds: Bounds, name: str, kind: str, gdir: Any, years: range) -> None:
    from scipy.optimize import brentq

    from oggm_glaunti import GlaUnTIMassBalanceA

    has_run = gdir.has_file("model_flowlines")
    fls = gdir.read_pickle("model_flowlines" if has_run else "inversion_flowlines")
    cold = GlaUnTIMassBalanceA(gdir, variant=SPLIT, refreezing=kind)
    plain, melt_f = GlaUnTIMassBalanceA(gdir, variant=SPLIT), float(cold.melt_f)

    def balances(model: Any, factor: float = melt_f) -> np.ndarray:
        model.melt_f = factor
        return model.get_specific_mb(fls=fls, year=list(years)) / 1000.0

    without, with_it = balances(plain), balances(cold)
    gain = with_it - without
    heights = np.concatenate([fl.surface_h for fl in fls])
    temp = np.mean([cold.get_annual_climate(heights, year=year)[0] for year in years], axis=0)
    # Of a year at most: Woodward's potential at the coldest height, or all of the active layer as cold as a winter.
    woodward = float(np.max(0.69 * np.maximum(-temp, 0.0) + 0.0096) / 100.0)
    most = woodward if kind == "woodward" else HEAT_CAPACITY / LATENT_HEAT * ACTIVE * 40.0
    bounds(
        gain.min() >= 0.0 and gain.mean() <= most,
        f"refreezing, {name} ({temp.mean():.1f} degC): {gain.mean():+.3f} m w.e. a year ({gain.min():.3f} to "
        f"{gain.max():.3f}; at most {most:.3f}) of a balance of {without.mean():+.2f}",
    )
    try:
        turned = brentq(lambda factor: balances(cold, factor).mean() - without.mean(), melt_f, 3 * melt_f, xtol=1e-3)
    except ValueError:
        print(f"  no melt factor up to {3 * melt_f:.1f} gives the balance back")
        return
    left = balances(cold, turned) - without
    print(
        f"  with melt_f {turned:.2f} for {melt_f:.2f} the mean is the same, and years differ by {left.std():.3f} m w.e."
    )


def debris(bounds: Bounds, gdir: Any) -> None:
    """Half a factor on the ice below 2500 m: only the tongue melts less."""
    from oggm_glaunti import GlaUnTIMassBalanceA

    heights, years = np.array([2000.0, 3000.0]), range(1982, 2021)
    content = {"heights": [2500.0, 2550.0], "factor": [0.5, 1.0]}
    Path(gdir.get_filepath("glaunti_debris")).write_text(json.dumps(content), "utf-8")
    bare, under = (GlaUnTIMassBalanceA(gdir, variant=SPLIT, debris=on) for on in (False, True))
    ice = [np.mean([model.get_annual_melt(year, heights)[2] for year in years], axis=0) for model in (bare, under)]
    ratio = ice[1] / np.maximum(ice[0], 1e-9)
    fls = gdir.read_pickle("model_flowlines")
    gain = np.mean(under.get_specific_mb(fls=fls, year=list(years)) - bare.get_specific_mb(fls=fls, year=list(years)))
    bounds(
        abs(ratio[0] - 0.5) < 1e-3 and abs(ratio[1] - 1.0) < 1e-3,
        f"debris, factor 0.5 below 2500 m: ice melts {ratio[0]:.3f} as much at 2000 m and {ratio[1]:.3f} at 3000 m; "
        f"the glacier {gain / 1000:+.3f} m w.e. a year",
    )
