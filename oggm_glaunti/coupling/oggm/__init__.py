"""OGGM, its versions and the operating system: what the rest of the package must know about them."""
