"""Inverse forcing: the change of temperature or precipitation that gives a balance, and the sensitivity to both."""
