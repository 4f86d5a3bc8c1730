"""What derivatives of the balance are good for: inverse forcing, attribution, uncertainty, where to measure next.

Everything is computed on one object, a :class:`~oggm_glaunti.analysis.trajectory.Trajectory`: a glacier's weather day
by day on the heights it consists of. Functions on it are pure and can be differentiated, mapped over members of an
ensemble and over glaciers; tasks that take a glacier directory only read, call them, and give the numbers names.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
