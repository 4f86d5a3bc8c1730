"""Voids of yearly DEMs filled, and a surface that moves (Maslov et al. 2026, appendix B).

From arrays to arrays: :mod:`~oggm_glaunti.companions.dem.impute`, which puts together

- ``stack``: what comes in, looked at; ``trend``: a straight line in time for every pixel,
- ``coregister`` and ``pieces``: the reference moved under the surface, each tile of a mosaic by itself,
- ``predictors``, ``regression``, ``residuals`` and ``fill``: differences of height in pixels without one,
- ``voids``, ``scores`` and ``cross_validation``: how good that is, on voids made on purpose.

From files to files: ``tiles`` and ``inputs`` read, ``imputed_file`` writes; ``tasks`` and ``datum`` bring a stack into
a glacier directory, where ``glaunti_smb(surface='yearly')`` and ``glaunti_features(year=...)`` take it up. On the
command line: ``oggm-glaunti impute-dem``. For users: docs/dem.md.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
