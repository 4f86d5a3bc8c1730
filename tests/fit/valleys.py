"""A glacier of a data set in memory: what :mod:`oggm_glaunti.fit` asks of one, without files."""

from __future__ import annotations

import numpy as np

from oggm_glaunti.core.forcing import StationForcing, monthly_climate
from oggm_glaunti.core.glaunti import Season, geometry_fields
from oggm_glaunti.core.run import season_weights
from oggm_glaunti.fit.data.year import Targets, YearData

GRADIENT, REF_HGT = -0.006, 2500.0


class Valley:
    """A slope with a glacier in its middle; years begin on 30 September, the last day of the year before."""

    region, fold = "ALP", 0

    def __init__(
        self,
        name="Valley",
        shape=(20, 17),
        years=(2001, 2002, 2003),
        no_mid=(),
        targets=None,
        begin="09-30",
        mid="05-01",
        spin_up=(),
    ):
        self.name, self.shape, self.years, self.no_mid = name, shape, tuple(years), set(no_mid)
        self.begin, self.mid, self.spin_up_years = begin, mid, tuple(spin_up)
        self.targets = targets or {}
        self.asked_facies: list[bool] = []
        row, col = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
        self.elevation = (3000.0 - 600.0 * row + 400.0 * np.abs(col)).astype(np.float32)
        self.outline = ((row / 0.8) ** 2 + (col / 0.5) ** 2 < 1.0).astype(np.float32)
        self.offset = np.asarray(GRADIENT * (self.elevation - REF_HGT), np.float32)

    def weather(self, first: np.datetime64, last: np.datetime64):
        """Days from `first` to `last`, both included; a date has the same weather whenever it is asked for."""
        time = np.arange(first, last + 1)
        day = (time - time.astype("datetime64[Y]")).astype(int)
        rng = np.random.default_rng(7)
        noise, wet = rng.normal(0.0, 2.5, 40_000), rng.exponential(0.008, 40_000) * (rng.random(40_000) < 0.45)
        index = time.astype("datetime64[D]").astype(int)
        temp = -1.0 - 9.0 * np.cos(2 * np.pi * (day - 15) / 365) + noise[index]
        return time, temp.astype(np.float32), wet[index].astype(np.float32)

    def season(self, first, last) -> Season:
        _, temp, prcp = self.weather(first, last)
        return Season(StationForcing(temp, prcp, self.offset), season_weights(temp.size))

    def load(self, year: int, facies: bool = False) -> YearData:
        self.asked_facies.append(facies)
        begin, end = np.datetime64(f"{year - 1}-{self.begin}"), np.datetime64(f"{year}-09-30")
        mid = None if year in self.no_mid else np.datetime64(f"{year}-{self.mid}") + year % 3
        parts = [(begin, end)] if mid is None else [(begin, mid), (mid, end)]
        time, temp, prcp = self.weather(begin, end)
        mean_offset = float(self.offset[self.outline > 0].mean())
        fields = np.asarray(geometry_fields(self.outline, self.elevation, np.full(self.shape, 5.0, np.float32)))
        climate = monthly_climate(time, temp + mean_offset, prcp)
        seasons = tuple(self.season(*part) for part in parts)
        targets = self.targets.get(year, {})
        return YearData(year, begin, mid, end, seasons, fields, climate, self.outline, self.elevation, targets)


def targets(rows=(), cols=(), observed=(), glacier=np.nan) -> Targets:
    """Points of full weight and a glacier-wide balance."""
    cells = np.asarray(rows, np.int32), np.asarray(cols, np.int32)
    return Targets(*cells, np.asarray(observed, np.float32), np.ones(len(observed), np.float32), glacier)
