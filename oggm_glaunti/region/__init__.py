"""Whole regions: the tables of many glaciers in batches of like size, on one machine or a cluster.

``plan``
    which glacier goes into which batch, as plain data
``jobs``, ``arrays``
    what is asked for one glacier; the padded arrays of a batch
``engine``
    batches on the devices at hand
``tables``
    the task: glacier directories in, ``glaunti_table.nc`` out
``cluster``
    the same over a Dask cluster
``outputs``, ``geometry``, ``sums``, ``dataset``, ``store``
    the balance of one glacier and of all of them, as one dataset
"""

import lazy_loader

import oggm_glaunti.coupling  # noqa: F401 - first: it makes importing OGGM safe without a network

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
