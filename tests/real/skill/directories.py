"""Glaciers of the tests of skill that have directories: as in :mod:`tests.real.fits`, model A."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from tests import glaciers
from tests.real import fits
from tests.real.skill.sites import SkillSet, with_year


def trio(shared: Path) -> SkillSet:
    """The set ``trio``."""
    with tempfile.TemporaryDirectory() as folder:
        gdirs = glaciers.prepare_rofental(Path(folder), shared)
        table = fits.rofental_observations(gdirs, shared)
        return SkillSet("trio", [_site(gdir, table) for gdir in gdirs.values()])


def aletsch(shared: Path) -> SkillSet:
    """The set ``aletsch``, its geodetic balance of 2000-2019 as the last row."""
    with tempfile.TemporaryDirectory() as folder:
        gdir = glaciers.prepare_aletsch(Path(folder), shared)
        from oggm_glaunti.tasks import glaunti_features

        glaunti_features(gdir)
        table = fits.aletsch_observations(shared).drop(columns="number")
        table = pd.concat([table, fits.geodetic_observation()], ignore_index=True)
        return SkillSet("aletsch", [_site(gdir, table)])


def _site(gdir: Any, table: pd.DataFrame) -> Any:
    from oggm_glaunti import GlaUnTIMassBalance
    from oggm_glaunti.fit.calibration.sites import glacier_site

    made = glacier_site(gdir, GlaUnTIMassBalance(gdir, model="A", check_calib_params=False), table)
    return made._replace(used=with_year(made.used))
