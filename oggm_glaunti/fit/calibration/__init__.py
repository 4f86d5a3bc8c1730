"""Calibration: parameters of one glacier, or of several together, from observations."""
