"""Readers of files of observations; each returns a :class:`~oggm_glaunti.fit.observations.Read`.

A reader raises an :class:`~oggm.exceptions.InvalidParamsError` for a file that is not what it reads, never for a row:
invalid rows are in ``rejected``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
