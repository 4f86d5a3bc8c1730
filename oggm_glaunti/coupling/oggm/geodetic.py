"""OGGM's table of geodetic balances (Hugonnet et al. 2021), or one in its format."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from oggm import utils
from oggm.exceptions import HttpDownloadError, InvalidParamsError, InvalidWorkflowError, NoInternetException


def geodetic_table(file_path: str | Path | None = None) -> pd.DataFrame:
    """Rates (m w.e. a year) by RGI id, a row for each period.

    Parameters
    ----------
    file_path : path, optional
        your own table in OGGM's format instead of its download

    Returns
    -------
    DataFrame
        index RGI ids; at least the columns ``period, dmdtda, err_dmdtda``

    Raises
    ------
    InvalidWorkflowError
        where the table cannot be had: no network, no such file
    InvalidParamsError
        where a column is missing, or a glacier has more than one row for a period
    """
    name = "OGGM's geodetic table" if file_path is None else str(file_path)
    try:
        table = utils.get_geodetic_mb_dataframe(None if file_path is None else str(file_path))
    except (TypeError, OSError, HttpDownloadError, NoInternetException) as err:
        # OGGM's downloader returns None where there is no network, over which the reader stumbles with a TypeError.
        remedy = "Connect to the internet once, or give" if file_path is None else "Give"
        raise InvalidWorkflowError(
            f"{name} could not be had ({err}). {remedy} a table (read_geodetic, file_path) or a balance "
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
