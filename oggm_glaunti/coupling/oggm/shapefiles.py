"""Reading the shapefiles of glacier directories without delay."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

SEARCH = "USE_OSR_FIND_MATCHES"


@contextmanager
def without_search_for_projections() -> Iterator[None]:
    """Let GDAL take a shapefile's projection as it is written, unless the user has set how.

    Otherwise it searches its database for the name of the projection, 0.2 s each time a task reads an outline, and in
    vain: the projections of glacier directories are local.
    """
    given = os.environ.get(SEARCH)
    os.environ.setdefault(SEARCH, "NO")
    try:
        yield
    finally:
        if given is None:
            del os.environ[SEARCH]
