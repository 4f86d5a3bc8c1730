"""Figures of filled voids: where and how sure, how good on hidden pixels, and what a surface that moves changes.

Every function returns a matplotlib Figure; :func:`oggm_glaunti.graphics.glacier.save_png` writes it.
"""

from oggm_glaunti.graphics.dem.hidden_pixels import plot_errors, plot_held_out
from oggm_glaunti.graphics.dem.surface_change import plot_surface_change
from oggm_glaunti.graphics.dem.voids_map import plot_voids

__all__ = ["plot_errors", "plot_held_out", "plot_surface_change", "plot_voids"]
