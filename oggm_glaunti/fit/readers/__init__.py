"""Readers of files of observations; each gives a :class:`~oggm_glaunti.fit.observations.Read`.

A reader raises for a file that cannot be used, never for a row: rows that cannot be used are in ``rejected``.
"""

from oggm_glaunti.fit.readers.glamos import read_glamos
from oggm_glaunti.fit.readers.mass_balance_machine import read_mass_balance_machine
from oggm_glaunti.fit.readers.nve import read_nve_glacier_wide, read_nve_stakes
from oggm_glaunti.fit.readers.oggm_tables import from_gdir, read_geodetic
from oggm_glaunti.fit.readers.plain_csv import read_csv
from oggm_glaunti.fit.readers.wgms import read_fog_points, read_wgms_balances, read_wgms_profiles

__all__ = [
    "from_gdir",
    "read_csv",
    "read_fog_points",
    "read_geodetic",
    "read_glamos",
    "read_mass_balance_machine",
    "read_nve_glacier_wide",
    "read_nve_stakes",
    "read_wgms_balances",
    "read_wgms_profiles",
]
