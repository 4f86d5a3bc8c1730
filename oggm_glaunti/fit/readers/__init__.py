"""Readers of files of observations; each returns a :class:`~oggm_glaunti.fit.observations.Read`.

A reader raises an error for a file that is not what it reads, never for a row: invalid rows are in ``rejected``.
"""

from oggm_glaunti.fit.readers.glamos import read_glamos as read_glamos
from oggm_glaunti.fit.readers.mass_balance_machine import read_mass_balance_machine as read_mass_balance_machine
from oggm_glaunti.fit.readers.nve import read_nve_glacier_wide as read_nve_glacier_wide
from oggm_glaunti.fit.readers.nve import read_nve_stakes as read_nve_stakes
from oggm_glaunti.fit.readers.oggm_tables import from_gdir as from_gdir
from oggm_glaunti.fit.readers.oggm_tables import read_geodetic as read_geodetic
from oggm_glaunti.fit.readers.plain_csv import read_csv as read_csv
from oggm_glaunti.fit.readers.wgms import read_fog_points as read_fog_points
from oggm_glaunti.fit.readers.wgms import read_wgms_balances as read_wgms_balances
from oggm_glaunti.fit.readers.wgms import read_wgms_profiles as read_wgms_profiles

__all__ = [name for name in globals() if name.startswith(("read_", "from_"))]
