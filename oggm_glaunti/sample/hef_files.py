"""The files of the sample glacier, and its measured balances as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(__file__).resolve().parent / "hintereisferner"
FILES = ("outline.geojson", "dem.tif", "weather.csv", "observations.csv", "README.md")
# What process_daily_climate has to be told of weather.csv.
WEATHER = {"source": "custom", "temp_units": "degC", "prcp_units": "mm/day", "ref_hgt": 2919.0}


def path(name: str) -> Path:
    """Return the path of a file of the sample glacier.

    Parameters
    ----------
    name : str
        ``outline.geojson`` (RGI 6.0), ``dem.tif`` (SRTM, m), ``weather.csv`` (daily, at 2919 m: ``date``, ``temp`` in
        degC, ``prcp`` in mm), ``observations.csv`` (see :func:`observations`) or ``README.md`` (sources, licences)

    Raises
    ------
    ValueError
        for another name

    Examples
    --------
    >>> path("dem.tif").stat().st_size < 200_000
    True
    """
    if name not in FILES:
        raise ValueError(f"{name!r} is no file of the sample glacier, expected one of {', '.join(FILES)}")
    return FOLDER / name


def observations() -> pd.DataFrame:
    """Return the measured balances of the sample glacier, in the form of :mod:`oggm_glaunti.fit.readers`.

    Returns
    -------
    DataFrame
        a row for each balance, m w.e.: elevation bands 2015-2020 (``kind`` ``point``, 50 m wide) and the whole glacier
        1953-2020, in its later years with winter and summer (``glacier-wide``), both of the WGMS; the geodetic balance
        of 2000-2019 (``geodetic``)

    Examples
    --------
    >>> table = observations()
    >>> table["kind"].value_counts().loc[["point", "geodetic"]].to_list()
    [154, 1]
    """
    from oggm_glaunti.fit.readers.plain_csv import read_csv

    return read_csv(path("observations.csv")).observations
