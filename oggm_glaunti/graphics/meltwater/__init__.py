"""Figures of daily meltwater maps."""
