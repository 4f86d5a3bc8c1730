"""Small glaciers in memory with observations made by the package's own model: what training is given in tests."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import equinox as eqx
import numpy as np

from oggm_glaunti.core.forcing import GriddedForcing, StationForcing, monthly_climate, pad_days
from oggm_glaunti.core.glaunti import GlaUnTI, Season, geometry_fields, run_year
from oggm_glaunti.core.run import season_weights
from oggm_glaunti.core.temperature_index import ti_weights
from oggm_glaunti.fit.data.year import Targets, YearData
from tests.benchmarks import synthetic
from tests.core import worlds

GRADIENT, REF_HGT = -0.006, 2500.0
N_POINTS = 6


@dataclass
class Glacier:
    """What :mod:`oggm_glaunti.fit.training.train` asks of a glacier."""

    name: str
    fold: int
    shape: tuple[int, int]
    data: dict[int, YearData]
    spin_up_years: tuple[int, ...] = ()
    loaded: list[int] = field(default_factory=list)

    @property
    def years(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.data) - set(self.spin_up_years)))

    def load(self, year: int, facies: bool = False) -> YearData:
        self.loaded.append(year)
        data = self.data[year]
        if facies:
            return data
        fields = data.fields.copy()
        fields[3:] = -1.0
        return data._replace(fields=fields)


def truth() -> GlaUnTI:
    return GlaUnTI(ti_weights(prec_scale=1.25, ddf_snow=0.0056, snow_to_rain_centre=1.3), None, "A")


def glacier(
    name: str = "Made up",
    fold: int = 2,
    shape: tuple[int, int] = (16, 18),
    years: int = 3,
    seed: int = 0,
    noise: float = 0.0,
    facies: bool = False,
    gridded: bool = False,
    model: GlaUnTI | None = None,
    seasonal: bool = True,
) -> Glacier:
    """A glacier of `years` years after one of spin-up; without a midseason date in every third."""
    rng = np.random.default_rng(seed)
    side = max(shape)
    outline = synthetic.elliptic_outline(side)[: shape[0], : shape[1]]
    elevation = synthetic.terrain(side, seed)[: shape[0], : shape[1]]
    offset = (GRADIENT * (elevation - REF_HGT)).astype(np.float32)
    model, swe = model or truth(), None
    swe = np.broadcast_to(np.float32(0.03), shape)
    data = {}
    for k in range(years + 1):
        year = 2000 + k
        days = np.arange(np.datetime64(f"{year - 1}-10-01"), np.datetime64(f"{year}-10-01") + 1)
        temp, prcp = worlds.weather(days.size, seed=100 * seed + k)
        mid = None if not seasonal or k % 3 == 2 else np.datetime64(f"{year}-05-01") - seed
        cut = [0, days.size - 1] if mid is None else [0, int((mid - days[0]).astype(int)), days.size - 1]
        seasons = tuple(_season(temp[a : b + 1], prcp[a : b + 1], offset, gridded) for a, b in itertools.pairwise(cut))
        map_of_facies = rng.random((9, *shape)).astype(np.float32) if facies and k % 2 else None
        fields = np.asarray(geometry_fields(outline, elevation, np.full(shape, 5.0, np.float32), map_of_facies))
        climate = monthly_climate(days, temp + offset[outline > 0.5].mean(), prcp)
        # Seasons of one length: one compiled program for years and seeds.
        padded = tuple(Season(*pad_days(*season, 384 if mid is None else 256)) for season in seasons)
        result = _true_year(model, swe, padded, fields, climate)
        swe = np.asarray(result.swe)
        targets = {} if k == 0 else _targets([np.asarray(s) for s in result.smb], outline, rng, noise)
        data[year] = YearData(year, days[0], mid, days[-1], seasons, fields, climate, outline, elevation, targets)
    return Glacier(name, fold, shape, data, (2000,))


@eqx.filter_jit
def _true_year(model: GlaUnTI, swe: np.ndarray, seasons: tuple[Season, ...], fields: np.ndarray, climate: np.ndarray):
    ds = np.zeros((5, *swe.shape), np.float32) if model.corrector is None else None
    return run_year(model, swe, seasons, fields, climate, ds)


def _season(temp: np.ndarray, prcp: np.ndarray, offset: np.ndarray, gridded: bool) -> Season:
    if not gridded:
        return Season(StationForcing(temp, prcp, offset), season_weights(temp.size))
    fields = temp[:, None, None] + offset, np.broadcast_to(prcp[:, None, None], (prcp.size, *offset.shape))
    return Season(GriddedForcing(*fields), season_weights(temp.size))


def _targets(
    balances: list[np.ndarray], outline: np.ndarray, rng: np.random.Generator, noise: float
) -> dict[str, Targets]:
    named = {"annual": sum(balances)}
    if len(balances) == 2:
        named |= {"winter": balances[0], "summer": balances[1]}
    rows, cols = np.nonzero(outline > 0.5)
    found = {}
    for name, smb in named.items():
        chosen = rng.integers(0, rows.size, N_POINTS)
        observed = smb[rows[chosen], cols[chosen]] + noise * rng.normal(size=N_POINTS)
        weights = rng.uniform(0.3, 1.0, N_POINTS)
        mean = float(smb[outline > 0.5].mean()) if name == "annual" else float("nan")
        found[name] = Targets(
            rows[chosen].astype(np.int32),
            cols[chosen].astype(np.int32),
            observed.astype(np.float32),
            weights.astype(np.float32),
            mean,
        )
    return found
