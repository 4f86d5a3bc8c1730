"""Runoff against discharge at a gauge: the catchment, reading, routing to the gauge, scores."""

from oggm_glaunti.coupling.ground.catchment import Catchment, catchment_of
from oggm_glaunti.coupling.hydro.file import read_daily_hydro

__all__ = ["Catchment", "catchment_of", "read_daily_hydro"]
