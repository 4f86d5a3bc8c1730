"""Training data: the authors' layout or glacier directories."""
