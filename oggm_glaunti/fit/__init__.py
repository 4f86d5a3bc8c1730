"""Fitting the model to observations."""
