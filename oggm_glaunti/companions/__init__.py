"""Companions of the mass balance: each has a pure part, tasks on the glacier directory, a CLI verb and figures."""
