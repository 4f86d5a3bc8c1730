"""The height-year table: mass balance as a function of height and year."""
