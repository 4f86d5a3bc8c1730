"""The glaciers of the tests of skill, as a fit needs them: made once, then read from a folder.

==============  ===================================================================================================
set             glaciers, observations, weather
==============  ===================================================================================================
``trio``        Hintereisferner, Kesselwandferner, Vernagtferner: WGMS bands and winter balances of whole glaciers
                2015-2020, one series of weather (stations of the Rofental)
``ch``          six Swiss glaciers, dated GLAMOS stakes 1981-2020, means over their CAMELS-CH catchments
``norway``      four glaciers at Jostedalsbreen, dated NVE stakes 1962-2020, monthly ERA5-Land made daily
``norway_wide`` the same four, NVE's balances of whole glaciers 1962-2020
``aletsch``     Grosser Aletsch, GLAMOS balances of the whole glacier 1982-2020 and its geodetic one, CAMELS-CH
==============  ===================================================================================================

How each was made, and what was left out, is said in :mod:`tests.real.skill.swiss`, :mod:`tests.real.skill.norway` and
:mod:`tests.real.skill.directories`. All are of model A: no corrections.
"""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oggm_glaunti.fit.calibration.errors import effects
from oggm_glaunti.fit.calibration.sites import (
    SPIN_UP_YEARS,
    GlacierSite,
    Surface,
    heights_around,
    spread_over,
)
from oggm_glaunti.fit.observations import DAYS_A_YEAR, check_observations

if TYPE_CHECKING:
    from oggm_glaunti.core.on_heights import Tuned

# Raised if a set is made in another way, so that what is in a folder is made anew.
VERSION = 4
MAKERS = {
    "trio": "directories",
    "aletsch": "directories",
    "ch": "swiss",
    "norway": "norway",
    "norway_wide": "norway",
}
COLUMNS = ("glacier", "kind", "season", "begin", "end", "year", "height", "value", "sigma")


class SkillSet(NamedTuple):
    """Glaciers that are judged together.

    Attributes
    ----------
    name : str
    sites : list of GlacierSite
        one for each glacier; ``used`` has the columns of :data:`COLUMNS`, a row for each observation of the site
    """

    name: str
    sites: list[GlacierSite]

    @property
    def rows(self) -> pd.DataFrame:
        """All observations, in the order of the sites."""
        return pd.concat([glacier.used for glacier in self.sites], ignore_index=True)

    @property
    def glaciers(self) -> list[str]:
        """Names of the glaciers, in the order of the sites."""
        return [glacier.used["glacier"].iloc[0] for glacier in self.sites]

    def where(self, keep: NDArray[np.bool_]) -> SkillSet:
        """Return the set with some of its rows, given for all of :attr:`rows`; sites without a row are left out."""
        parts = np.split(keep, np.cumsum([len(glacier.used) for glacier in self.sites])[:-1])
        chosen = [chosen_rows(g, part) for g, part in zip(self.sites, parts, strict=True) if part.any()]
        return self._replace(sites=chosen)


class Weather(NamedTuple):
    """Daily weather of one place: days (T,), temperature (R, T), degC, precipitation (R, T), m w.e., height, m."""

    days: NDArray[np.datetime64]
    temp: NDArray[np.float32]
    prcp: NDArray[np.float32]
    height: float


def published() -> Tuned:
    """Return model A as published: what a fit starts from, and where its priors lie."""
    from oggm_glaunti import settings
    from oggm_glaunti.core.on_heights import Tuned
    from oggm_glaunti.core.weights import embedded_a

    return Tuned(embedded_a().ti, 0.0, settings.PARAMS["glaunti_temp_gradient"])


def chosen_rows(glacier: GlacierSite, keep: NDArray[np.bool_]) -> GlacierSite:
    """Return a site with some of its observations; its days remain, and so do the programs compiled for them."""
    site = glacier.site
    fields = {name: np.asarray(getattr(site, name))[keep] for name in ("spans", "areas", "observed", "years")}
    used = glacier.used[keep].reset_index(drop=True)
    return glacier._replace(site=site.replace(**fields), used=used, rows=effects(used))


def site_without_directory(weather: Weather, observations: pd.DataFrame, surface: Surface | None = None) -> GlacierSite:
    """Make a site of model A from weather and observations of stakes and, if `surface` is given, whole glaciers.

    Invalid rows and those outside the weather are left out and listed in ``rejected``.
    """
    from oggm_glaunti.core.units import N_CORRECTIONS
    from oggm_glaunti.fit.calibration.predictions import Site, stretches

    good, rejected = check_observations(observations)
    inside = (good["begin"] >= weather.days[0]) & (good["end"] <= weather.days[-1])
    late = {"row": good.index[~inside], "glacier": good["glacier"][~inside], "problem": "outside the weather"}
    rejected = pd.concat([rejected, pd.DataFrame(late)], ignore_index=True)
    used = with_year(good[inside])
    begin, end = (used[name].to_numpy().astype("M8[D]") for name in ("begin", "end"))
    first = begin.min().astype("M8[M]") - 12 * SPIN_UP_YEARS
    run = (weather.days >= first) & (weather.days <= end.max())
    days = weather.days[run]
    points = used["height"].dropna().to_numpy()
    cells = Surface(points, np.ones(points.size)) if surface is None else surface
    heights = heights_around(cells, points)
    before, after, spans = stretches(days, begin, end)
    site = Site(
        temp=weather.temp[:, run],
        prcp=weather.prcp[:, run],
        above_ref=(heights - weather.height).astype(np.float32),
        ds=np.zeros((1, N_CORRECTIONS, heights.size), np.float32),
        ds_index=np.zeros(days.size, np.int32),
        before=before,
        after=after,
        spans=spans,
        areas=np.stack([_shares(height, cells, heights) for height in used["height"]]).astype(np.float32),
        years=((end - begin).astype(float) / DAYS_A_YEAR).astype(np.float32),
        observed=used["value"].to_numpy(np.float32),
    )
    return GlacierSite(site, used, effects(used), rejected, days)


def _shares(height: float, cells: Surface, heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of the heights in a stake, or in the whole glacier if there is no height."""
    if np.isfinite(height):
        return spread_over(np.array([height]), np.ones(1), heights)
    return spread_over(cells.heights, cells.areas, heights)


def with_year(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of :data:`COLUMNS`; ``year`` is the calendar year in which the mass-balance year ends."""
    return table.assign(year=table["end"].dt.year)[list(COLUMNS)].reset_index(drop=True)


def default_folder() -> Path:
    """Folder of the sets if none is named."""
    return Path.home() / ".cache" / "oggm_glaunti_skill"


def load(name: str, folder: Path | None = None) -> SkillSet:
    """Read a set, made before if it is not in the folder.

    Parameters
    ----------
    name : str
        of :data:`MAKERS`
    folder : path, optional
        default: in the user's cache
    """
    from tests.real.measured import shared_data

    path = (folder or default_folder()) / f"{name}-{VERSION}.pickle"
    if not path.exists():
        maker = importlib.import_module(f"tests.real.skill.{MAKERS[name]}")
        _write(path, getattr(maker, name)(shared_data()))
    with path.open("rb") as stream:
        return pickle.load(stream)  # our own file


def _write(path: Path, made: Any) -> None:
    from oggm_glaunti.files import replacing

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as target:
        Path(target).write_bytes(pickle.dumps(made))
