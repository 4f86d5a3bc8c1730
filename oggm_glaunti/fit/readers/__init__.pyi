from .discharge import from_discharge as from_discharge
from .oggm_tables import from_gdir as from_gdir, read_geodetic as read_geodetic
from .plain_csv import read_csv as read_csv
from .seasons import (
    read_glamos as read_glamos,
    read_nve_glacier_wide as read_nve_glacier_wide,
    read_nve_stakes as read_nve_stakes,
)
from .wgms import (
    read_fog_points as read_fog_points,
    read_mass_balance_machine as read_mass_balance_machine,
    read_wgms_balances as read_wgms_balances,
    read_wgms_profiles as read_wgms_profiles,
)
