"""Filling of voids in yearly DEMs, for a surface that moves (Maslov et al. 2026, appendix B).

From arrays to arrays: :mod:`~oggm_glaunti.companions.dem.impute`, which combines

- ``stack``: checked inputs; ``trend``: a straight line in time for every pixel,
- ``coregister``: the reference shifted under the surface, each tile of a mosaic separately,
- ``predictors``, ``regression``, ``residuals`` and ``fill``: height differences for pixels without a height,
- ``voids``, ``scores`` and ``cross_validation``: errors, measured on synthetic voids.

From files to files: ``tiles`` and ``inputs`` read, ``tiles`` writes; ``tasks`` and ``datum`` bring a stack into
a glacier directory, where ``glaunti_smb(surface='yearly')`` and ``glaunti_features(year=...)`` use it. On the command
line: ``oggm-glaunti impute-dem``. User documentation: docs/dem.md.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
