"""Inference and scores."""
