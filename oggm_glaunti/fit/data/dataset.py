"""Data sets for training and evaluation.

A data set is a list of :class:`GlacierData`, read from the layout in which GlaUnTI's training data were published
(:func:`open_dataset`) or made of glacier directories and a table of observations (:func:`dataset_from_gdirs`).
"""

from __future__ import annotations

from oggm_glaunti.fit.data.files import open_dataset
from oggm_glaunti.fit.data.gdirs import dataset_from_gdirs
from oggm_glaunti.fit.data.year import SPIN_UP, GlacierData, Problem, Targets, YearData, outline_means
from oggm_glaunti.fit.names import TEST_FOLD, TRAINING_FOLD, VALIDATION_FOLD

__all__ = [
    "SPIN_UP",
    "TEST_FOLD",
    "TRAINING_FOLD",
    "VALIDATION_FOLD",
    "GlacierData",
    "Problem",
    "Targets",
    "YearData",
    "dataset_from_gdirs",
    "open_dataset",
    "outline_means",
]
