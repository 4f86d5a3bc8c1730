"""Sources of daily weather, one module each."""
