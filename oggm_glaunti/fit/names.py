"""Names of kinds and seasons of observations, and numbers of folds; importing this loads neither OGGM nor JAX."""

KINDS = ("point", "glacier-wide", "geodetic", "discharge")
DISCHARGE = "discharge"
"""Water of a catchment: not a balance, and counted only where it is asked for."""
SEASONS = ("annual", "winter", "summer")
ALL_SEASONS = (*SEASONS, "free")
"""``free``: an observation whose dates are those of no season."""
TEST_FOLD, VALIDATION_FOLD, TRAINING_FOLD = 0, 1, 2
"""Folds of the glaciers of a data set; all folds but the first two are for training."""
