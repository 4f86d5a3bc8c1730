"""The numerics: arrays in, arrays out.

Pure JAX and equinox; nothing here knows OGGM, xarray, files or global settings. Read in this order:

``temperature_index``
    one day of the smooth temperature index, its classical and single-factor relatives, the mass-conserving option
``parameters``
    the table of its parameters: names, units, defaults, ranges, how they are stored
``run``
    days to seasons to years: the scan, half-weight edges, carried state, what is observed on the way
``gru``, ``corrector``, ``network``
    model B; the network of models C and D; its layers
``glaunti``
    corrections applied: a whole mass-balance year on a grid
``glacier_columns``
    the same on the glacier's cells only, the uncorrected runs on heights
``monthly``, ``batch``
    monthly sums by height; many glaciers at once
``columns``, ``threads``, ``sensitivity``, ``elementary``
    blocks, cores, derivatives carried forwards, cheap functions
``forcing``, ``smooth``, ``units``, ``checks``
    weather at a point, interpolation between heights, constants, errors
``weights``
    leaves of a weight file, its header, the embedded model A

Temperatures are degC, precipitation m w.e. per day, balances and snow m w.e., elevations m.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
