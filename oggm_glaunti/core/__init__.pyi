from .forcing import (
    StationForcing as StationForcing,
    monthly_climate as monthly_climate,
    station_forcing as station_forcing,
)
from .glaunti import Season as Season, geometry_fields as geometry_fields, run_seasons as run_seasons
from .run import initial_swe as initial_swe, season_weights as season_weights
from .temperature_index import ti_weights as ti_weights
from .weights import embedded_a as embedded_a, physical_values as physical_values
