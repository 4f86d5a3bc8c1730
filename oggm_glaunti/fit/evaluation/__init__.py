"""Inference on data sets, maps in files, and scores."""
