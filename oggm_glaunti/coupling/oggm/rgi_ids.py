"""Ids of the Randolph Glacier Inventory: their form, their region, and whether there can be such a glacier."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

# Glaciers of each region in version 6.0 (RGI Consortium 2017); region 5 with those connected to the ice sheet.
COUNTS = (
    *(27108, 18855, 4556, 7415, 20261, 568, 1615, 3417, 1069, 5151),
    *(3927, 1888, 54429, 27988, 13119, 2939, 15908, 3537, 2752),
)
# Of versions 5, 6 and 7; the part is OGGM's number of a divide.
RGI_ID = re.compile(
    r"RGI(?P<version>(?:50|60|61)(?=-\d\d\.)|2000-v7\.\d-[GC](?=-\d\d-))-(?P<region>\d\d)[.-](?P<number>\d{5})(?!\d)"
    r"(?P<part>_d\d\d)?"
)
EXPECTED = "an id such as RGI60-11.00897 or RGI2000-v7.0-G-11-03116"


def region_of(rgi_id: str) -> float:
    """Return the number of the first-order region of a glacier's id, NaN of anything else.

    Examples
    --------
    >>> [region_of(name) for name in ("RGI60-16.02207", "RGI2000-v7.0-G-16-00001", "Antizana 15 Alpha")]
    [16.0, 16.0, nan]
    """
    found = RGI_ID.match(str(rgi_id).strip())
    return float(found["region"]) if found else np.nan


def require_ids(rgi_ids: Iterable[str], published: bool = True) -> None:
    """Raise a ValueError that names ids which no glacier can have.

    Parameters
    ----------
    rgi_ids : iterable of str
    published : bool
        whether they are of the inventory as published; otherwise only form and region are checked

    Examples
    --------
    >>> require_ids(["RGI60-11.00897", "RGI2000-v7.0-G-11-03116"])
    >>> require_ids(["RGI60-11.03928"])
    Traceback (most recent call last):
    ...
    ValueError: RGI60-11.03928: region 11 of version 6 has 3927 glaciers, RGI60-11.00001 to RGI60-11.03927
    """
    for rgi_id in rgi_ids:
        match = RGI_ID.fullmatch(rgi_id)
        if match is None or (published and match["part"]):
            raise ValueError(f"{rgi_id!r}: expected {EXPECTED}")
        version, region, number = match["version"][0], int(match["region"]), int(match["number"])
        if not 1 <= region <= len(COUNTS):
            raise ValueError(f"{rgi_id}: no region {match['region']} of the inventory; expected 01 to {len(COUNTS)}")
        count = COUNTS[region - 1]
        if published and version == "6" and not 1 <= number <= count:
            prefix = rgi_id[:-5]
            has = f"region {match['region']} of version 6 has {count} glaciers"
            raise ValueError(f"{rgi_id}: {has}, {prefix}00001 to {prefix}{count:05d}")
