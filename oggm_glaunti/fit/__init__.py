"""Calibration, training and evaluation of the models with observations."""
