"""Real glaciers: Hintereisferner in the package, with its DEM, weather and measured balances; others' data by name.

Sources, licences and how each file of Hintereisferner was made: ``hintereisferner/README.md`` beside this module.
What is fetched by name is listed by :func:`datasets`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
