"""Figures of filled voids: their place and uncertainty, errors on hidden pixels, and the effect of a moving surface.

Every function returns a matplotlib Figure; :func:`oggm_glaunti.graphics.save_png` writes it.
"""
