"""A real glacier in the package: Hintereisferner with its DEM, weather and measured balances; nothing is downloaded.

Sources, licences and how each file was made: ``hintereisferner/README.md`` beside this module.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
