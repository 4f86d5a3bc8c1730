"""Daily meltwater maps: where liquid water is on a glacier, from GlaUnTI's melt, scenes with gaps and a DEM.

From arrays to arrays:

- ``water`` and ``water_fit``: surface water from daily melt; ``sar`` and ``pmw``: melt in backscatter and brightness,
- ``stack``, ``splits``: scenes, and what may be learned from; ``windows``: what other scenes say of a day,
- ``baselines``, ``calibration``; ``features``, ``layers``, ``model``, ``fit_loop``, ``training``, ``tiling``:
  networks that correct them,
- ``scores``, ``extent``: what is scored and what users take; ``synthetic``: a world with known water.

From files to files: ``bench`` and ``antarctica`` read, ``maps_file``, ``season_file`` and ``network_file`` write;
``predictor`` and ``tasks`` work on the glacier directory. On the command line: ``oggm-glaunti meltwater``. User
documentation: docs/meltwater.md.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
