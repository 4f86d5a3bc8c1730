"""Daily weather: from a file to a `DailyClimate`."""
