"""Training of models A to D."""
