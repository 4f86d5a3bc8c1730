"""Fitting the model to observations, training it, and judging it."""
