"""Seasons of meltwater of real glaciers from GlaUnTI alone, and the Massa's discharge."""

from __future__ import annotations

import os
import time

import numpy as np
import pandas as pd

from tests.benchmarks.meltwater.lines import Verdict, head
from tests.real.measured import prepared_aletsch

YEARS, SECONDS = (1983, 1985), 5.0


def run() -> list[Verdict]:
    from oggm_glaunti.companions.meltwater.predictor import melt_predictor
    from oggm_glaunti.tasks import glaunti_smb, melt_season

    head("Grosser Aletsch, model A as published: seasons of meltwater and the discharge of the Massa")
    with prepared_aletsch() as (gdir, shared, _):
        begin = time.perf_counter()
        glaunti_smb(gdir, ys=YEARS[0], ye=YEARS[1], daily=True, mb_kwargs={"model": "A"})
        print(f"  daily balance {YEARS[0]}-{YEARS[1]}: {time.perf_counter() - begin:.0f} s")
        melt_season(gdir, ys=YEARS[0], ye=YEARS[0])
        begin, cpu = time.perf_counter(), time.process_time()
        table = melt_season(gdir, ys=YEARS[1], ye=YEARS[1])
        wall, seconds = time.perf_counter() - begin, time.process_time() - cpu
        print(melt_season(gdir).T.to_string())
        days = melt_predictor(gdir)
    series = pd.read_csv(
        shared / "data/camels_ch_glaciers/CAMELS_CH_obs_based_2161.csv", parse_dates=["date"], index_col="date"
    )
    gauged = series["discharge_vol(m3/s)"] * 86400.0
    water = (
        pd.DataFrame(
            {"melt + rain": (days.melt + days.rain).sum(axis=1), "runoff": days.runoff.sum(axis=1)},
            index=pd.DatetimeIndex(days.time),
        )
        * 100.0**2
    )
    summer = water[water.index.month.isin((6, 7, 8, 9))]
    q = gauged.reindex(summer.index)
    for name in summer:
        ratio, r = summer[name].sum() / q.sum(), np.corrcoef(summer[name], q)[0, 1]
        print(f"  June to September, {name} of the glacier against the gauge: volume {ratio:.2f}, daily r {r:.2f}")
    assert len(table) == 1
    what = f"melt_season of one year on top of the daily balance: {seconds:.1f} s of a core <= {SECONDS:.0f} s"
    what += f" ({wall:.0f} s by the clock, load average {os.getloadavg()[0]:.1f})"
    return [Verdict(what, seconds <= SECONDS)]
