"""Figures of ice flow."""
