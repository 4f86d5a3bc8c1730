"""NVE: stakes and whole glaciers of Norway (doi 10.58059/sjse-6w92), in the tables of the ML_MB_Norway repository."""

from pathlib import Path

import numpy as np

from oggm_glaunti.fit.observations import Read
from oggm_glaunti.fit.readers.seasons import one_row_each, with_late_winters_noted
from oggm_glaunti.fit.readers.text_table import NOTE, is_missing, read_table, settle

GLACIER_WIDE = {"Year": "year", "DateMinPrevYear": "begin", "DateMax": "mid", "DateMin": "end"}
GLACIER_WIDE |= {"Bw": "winter", "Bs": "summer", "Ba": "annual"}
# 1 January stands for an unknown day of the year.
YEAR_ALONE = r"^01\.01\.(\d{4})(?: 00:00)?$"
STAKES = {"lat": "lat", "lon": "lon", "altitude": "height"}
STAKES |= {"dt_prev_year_min_date": "begin", "dt_curr_year_max_date": "mid", "dt_curr_year_min_date": "end"}
STAKES |= {"balance_winter": "winter", "balance_summer": "summer", "balance_netto": "annual"}


def read_nve_glacier_wide(path: str | Path, default_dates: bool = False) -> Read:
    """Read glacier-wide balances, m w.e.; `glacier` is the RGI id, or e.g. ``NVE-26`` if the table has none.

    Parameters
    ----------
    path : path
        columns ``Year;RGIID;BREID;DateMinPrevYear;DateMax;DateMin;...;Bw;Bs;Ba``
    default_dates : bool
        use nominal dates of the mass-balance year if one is missing (or 1 January); by default such balances are
        rejected
    """
    return _read_nve(path, GLACIER_WIDE, "glacier-wide", "NVE glacier-wide", default_dates)


def read_nve_stakes(path: str | Path, default_dates: bool = False) -> Read:
    """Read stakes, m w.e., with up to three balances a row; some of NVE's positions are approximate.

    Parameters
    ----------
    path : path
        columns ``RGIID,BREID,...,altitude,balance_winter,...,dt_prev_year_min_date,...,lat,lon``
    default_dates
        see :func:`read_nve_glacier_wide`
    """
    return _read_nve(path, STAKES, "point", "NVE stakes", default_dates)


def _read_nve(path: str | Path, columns: dict[str, str], kind: str, source: str, default_dates: bool) -> Read:
    table = read_table(path, needed=["RGIID", "BREID", *columns])
    rows = table[[*columns, NOTE]].rename(columns=columns)
    if "year" not in rows:
        # The end of winter is always known, and lies in the calendar year in which the mass-balance year ends.
        rows["year"] = rows["mid"].str.extract(r"(\d{4})", expand=False).fillna("")
    for name in ("begin", "mid", "end"):
        rows[name] = rows[name].str.replace(YEAR_ALONE, r"\1", regex=True)
    glacier = np.where(is_missing(table["RGIID"]), "NVE-" + table["BREID"], table["RGIID"])
    cells = one_row_each(rows.assign(glacier=glacier, kind=kind))
    return settle(with_late_winters_noted(cells), source, default_dates=default_dates)
