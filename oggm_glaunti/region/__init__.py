"""Whole regions: tables of many glaciers in batches of similar size, on one machine or a cluster.

``plan``
    assignment of glaciers to batches, as plain data
``jobs``, ``arrays``
    the job of one glacier; the padded arrays of a batch
``engine``
    runs batches on the available devices
``tables``
    the task: glacier directories in, ``glaunti_table.nc`` out
``cluster``
    the same on a Dask cluster
``outputs``, ``geometry``, ``dataset``, ``store``
    the balance of one glacier, and of all glaciers in one dataset
"""

import lazy_loader

import oggm_glaunti.coupling  # noqa: F401 - first: it makes importing OGGM safe without a network

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
