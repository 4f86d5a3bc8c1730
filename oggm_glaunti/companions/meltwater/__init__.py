"""Daily meltwater maps."""
