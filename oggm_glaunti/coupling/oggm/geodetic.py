"""OGGM's table of geodetic balances (Hugonnet et al. 2021), or one in its format."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from oggm import utils
from oggm.exceptions import HttpDownloadError, InvalidParamsError, InvalidWorkflowError, NoInternetException

from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK


def geodetic_table(file_path: str | Path | None = None) -> pd.DataFrame:
    """Read rates (m w.e. a year) by RGI id, a row for each period.

    Parameters
    ----------
    file_path : path, optional
        your own table in OGGM's format; default: OGGM's download

    Returns
    -------
    DataFrame
        index RGI ids; at least the columns ``period, dmdtda, err_dmdtda``

    Raises
    ------
    InvalidWorkflowError
        if the table is not available: no network, no such file
    InvalidParamsError
        if a column is missing, or a glacier has more than one row for a period
    """
    name = "OGGM's geodetic table" if file_path is None else str(file_path)
    try:
        with HDF5_LOCK:
            table = utils.get_geodetic_mb_dataframe(None if file_path is None else str(file_path))
    except (TypeError, AttributeError, OSError, HttpDownloadError, NoInternetException) as err:
        # OGGM's downloader returns None without a network, which it does not expect (TypeError or
        # AttributeError).
        remedy = "Connect to the internet once, or give" if file_path is None else "Give"
        raise InvalidWorkflowError(
            f"{name} is not available ({err}). {remedy} a table (read_geodetic, file_path) or a balance "
            "(calibrate_glaunti, ref_mb, ref_mb_err and ref_period) of your own"
        ) from err
    table = table.set_index("rgiid") if "rgiid" in table else table
    missing = {"period", "dmdtda", "err_dmdtda"} - set(table)
    if missing:
        raise InvalidParamsError(f"{name}: no column {', '.join(sorted(missing))}; found {', '.join(table)}")
    twice = table.index[table.set_index("period", append=True).index.duplicated()].unique()
    if twice.size:
        raise InvalidParamsError(f"{name}: more than one row for a period of {', '.join(map(str, twice[:5]))}")
    return table
