"""Figures of filled voids: their place and uncertainty, errors on hidden pixels, and the effect of a moving surface.

Every function returns a matplotlib Figure; :func:`oggm_glaunti.graphics.save_png` writes it.
"""

from oggm_glaunti.graphics.dem.hidden_pixels import plot_errors, plot_held_out
from oggm_glaunti.graphics.dem.surface_change import plot_surface_change
from oggm_glaunti.graphics.dem.voids_map import plot_voids

__all__ = ["plot_errors", "plot_held_out", "plot_surface_change", "plot_voids"]
