"""Whole chains, built on the entity tasks."""
