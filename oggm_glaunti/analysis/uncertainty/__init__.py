"""Uncertainty: errors of weather and parameters through the whole run, to first order and by members."""
