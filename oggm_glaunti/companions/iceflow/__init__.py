"""Ice flow from images: displacements, velocities in a glacier directory, their flux, and frames to come.

From arrays to arrays: ``preprocess``, ``correlation``, ``track``, ``quality``, ``series``, ``mapping``, ``flux``, and
``synthetic``, images whose motion is known. From files to files: ``images``, ``velocity``, ``velocity_file``,
``gridded``, and the tasks in ``tasks`` and ``balance``. On the command line: ``oggm-glaunti iceflow``. User
documentation: docs/iceflow.md.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
