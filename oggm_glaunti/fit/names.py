"""Names of what is observed, and numbers of folds; importing them starts neither OGGM nor jax."""

from __future__ import annotations

KINDS = ("point", "glacier-wide", "geodetic")
SEASONS = ("annual", "winter", "summer")
ALL_SEASONS = (*SEASONS, "free")
"""With observations whose dates are those of no season."""
TEST_FOLD, VALIDATION_FOLD, TRAINING_FOLD = 0, 1, 2
"""Of a data set's glaciers; all folds but the first two are for training."""
