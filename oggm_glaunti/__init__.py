"""GlaUnTI, the differentiable glacier-universal temperature-index mass-balance model, inside OGGM.

:class:`GlaUnTIMassBalance` is an OGGM mass-balance model: pass it wherever OGGM takes ``mb_model_class``. ``tasks``
holds the entity tasks: those that prepare a glacier directory (daily climate, corrector inputs, calibration, gridded
balances, a surface that moves) and those that analyse its balance (inverse forcing, attribution, uncertainty, where to
measure next). ``core`` is the numerics in pure JAX.

The public names are those of this package and of ``tasks``, ``core``, ``fit``, ``fit.readers``, ``analysis``,
``graphics``, ``region`` and ``companions.dem``, each listed in ``__all__``; all other modules are internal. Names are
loaded on first use: importing this package imports neither JAX nor OGGM.
"""

import lazy_loader

from oggm_glaunti import program_cache, xla_flags

xla_flags.set_flags()
program_cache.use_cache()

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
