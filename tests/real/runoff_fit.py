"""Discharge as an observation: what GLAMOS' winters and summers and the Massa ask for, alone and together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.real.fits import aletsch_observations
from tests.real.measured import Bounds

AREA = 195.5  # km2
MB_KWARGS = {"model": "A", "variant": "mass_conserving"}


def fits(
    bounds: Bounds, gdir: Any, shared: Path, measured: pd.Series, where: tuple[float, float], years: tuple[int, int]
) -> None:
    """Fit on some years, with melt free and with precipitation alone, and judge on all others."""
    from oggm_glaunti.analysis import catchment_of
    from oggm_glaunti.fit import Gauge, modelled
    from oggm_glaunti.fit.readers import from_discharge
    from oggm_glaunti.tasks import fit_glaunti

    mask = catchment_of(gdir, *where, area=AREA).mask
    gauge = Gauge(mask)
    rows = aletsch_observations(shared).drop(columns="number")
    rows = rows[rows["season"] != "annual"]
    table = pd.concat([rows, from_discharge(gdir, measured, AREA).observations], ignore_index=True)
    known = table[table["end"].dt.year <= years[1]]
    river = known["kind"] == "discharge"
    for free in (("prec_scale", "ddf_snow", "temp_gradient"), ("prec_scale",)):
        found = {}
        for name, part in {"GLAMOS": known[~river], "discharge": known[river], "both": known}.items():
            given = gauge if (part["kind"] == "discharge").any() else None
            how = {"free": free, "filesuffix": "_river", "mb_kwargs": MB_KWARGS}
            params = fit_glaunti(gdir, observations=part, gauge=given, **how)
            both = modelled(gdir, table, mb_kwargs={"mb_params_filesuffix": "_river"}, gauge=gauge)
            numbers = {k: params["parameters"][k]["value"] for k in ("prec_scale", "ddf_snow")}
            found[name] = {**numbers, "ddf_snow": 1000.0 * numbers["ddf_snow"], **_errors(both, years[1])}
        print(f"free: {' '.join(free)}; fitted to years to {years[1]}, errors of the later ones, model less measured")
        print(pd.DataFrame(found).T.round(3).to_string())
        for sentence in params["fit"]["discharge"]["words"]:
            print(f"  {sentence}")
        a, b, c = (abs(found[name]["volume"]) for name in ("GLAMOS", "both", "discharge"))
        bounds(
            c <= b <= a,
            f"discharge in a fit of {' '.join(free)}: volume of the years held out off by {100 * a:.0f} % without, "
            f"{100 * b:.0f} % with, {100 * c:.0f} % alone",
        )


def _errors(table: pd.DataFrame, last: int) -> dict[str, float]:
    """Mean and RMS errors on the years after `last`: volume relative, balances m w.e."""
    later = table[table["end"].dt.year > last]
    river = later[later["kind"] == "discharge"]
    found = {
        "volume": river["modelled"].sum() / river["value"].sum() - 1.0,
        "volume rms": np.sqrt(np.mean((river["modelled"] / river["value"] - 1.0) ** 2)),
    }
    for season in ("winter", "summer"):
        error = (later["modelled"] - later["value"])[(later["kind"] != "discharge") & (later["season"] == season)]
        found |= {season: float(error.mean()), f"{season} rms": float(np.sqrt(np.mean(error**2)))}
    return found
