"""Data sets for training and evaluation, from the published layout or from glacier directories."""
