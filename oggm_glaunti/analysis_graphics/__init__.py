"""Figures of the analyses, one module for each."""
