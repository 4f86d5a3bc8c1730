"""Units, and the constants with which the published corrector was trained."""

DAYS_PER_MONTH = 365.0 / 12.0
"""Mean days in a month as OGGM counts them (its SEC_IN_MONTH is a twelfth of 365 days)."""

# Normalisation of the corrector's and the GRU's inputs: the constants of the published weights (Maslov et al. 2026).
TEMP_NORM = 45.744850158691406  # degC
PRCP_NORM = 0.16851751506328583  # m w.e. day-1
ELEVATION_NORM = 4341.383118842848  # m
ELEVATION_STD_NORM = 5699.1201273232155  # m
SMB_NORM = 10.0  # m w.e.

N_CORRECTIONS = 5
"""Fields with which the network of models C and D shifts the parameters: d1 to d5."""
N_FACIES = 9
"""Bands of a facies map: eight class scores and the confidence."""
MISSING_FACIES = -1.0
"""In all of them if there is no map."""

BAND_WIDTH = 50.0
"""Width of the bands over which a glacier's snow and corrections are averaged, m."""

NORMAL_90 = 1.6448536
"""Half the width of the central 90 % interval of a normal distribution, in standard deviations."""
LANE = 16
"""Cells of one glacier that lie side by side in a batch; a glacier's last lane is filled up."""
