"""Tables with a row for each year: winter, summer and annual balance, and up to three dates, as of GLAMOS and of NVE.

GLAMOS: whole Swiss glaciers (doi 10.18750/massbalance). NVE: stakes and whole glaciers of Norway (doi
10.58059/sjse-6w92), in the tables of the ML_MB_Norway repository.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from oggm_glaunti.coupling.text.dates import parse_days
from oggm_glaunti.coupling.text.table import NOTE, is_missing, read_table
from oggm_glaunti.fit.names import SEASONS
from oggm_glaunti.fit.observations import Read
from oggm_glaunti.fit.readers.settle import settle

# Begin and end of each season, of the three dates of a row.
SEASON_DATES = {"winter": ("begin", "mid"), "summer": ("mid", "end"), "annual": ("begin", "end")}
# In the north no winter ends after July: later dates are placeholders for unknown ones.
LATEST_SPRING_MONTH = 7
GLAMOS = {"glacier name": "glacier", "start date of observation": "begin"}
GLAMOS |= {"end date of winter observation": "mid", "end date of observation": "end"}
GLAMOS |= {f"{season} mass balance": season for season in SEASONS}
NVE_GLACIER_WIDE = {"Year": "year", "DateMinPrevYear": "begin", "DateMax": "mid", "DateMin": "end"}
NVE_GLACIER_WIDE |= {"Bw": "winter", "Bs": "summer", "Ba": "annual"}
# 1 January stands for an unknown day of the year.
YEAR_ALONE = r"^01\.01\.(\d{4})(?: 00:00)?$"
NVE_STAKES = {"lat": "lat", "lon": "lon", "altitude": "height"}
NVE_STAKES |= {"dt_prev_year_min_date": "begin", "dt_curr_year_max_date": "mid", "dt_curr_year_min_date": "end"}
NVE_STAKES |= {"balance_winter": "winter", "balance_summer": "summer", "balance_netto": "annual"}


def one_row_each(rows: pd.DataFrame) -> pd.DataFrame:
    """Split rows with up to three balances into rows with one; the day `mid` ends winter and begins summer.

    Parameters
    ----------
    rows : DataFrame of str
        columns ``winter, summer, annual`` (balances), ``begin, mid, end`` (dates), optionally ``winter_sigma`` etc.;
        other columns are repeated

    Returns
    -------
    DataFrame of str
        input for :func:`~oggm_glaunti.fit.readers.settle.settle`. A missing balance gives no row; a row of the file
        without any balance gives an annual row without a value, so that it is reported
    """
    sigmas = [name for name in rows if name.endswith("_sigma")]
    others = rows.drop(columns=[*SEASON_DATES, *sigmas, "begin", "mid", "end"])
    none_at_all = pd.concat([is_missing(rows[season]) for season in SEASON_DATES], axis=1).all(axis=1)
    parts = []
    for season, (begin, end) in SEASON_DATES.items():
        has_one = ~is_missing(rows[season]) | (none_at_all & (season == "annual"))
        part = others.assign(season=season, value=rows[season], begin=rows[begin], end=rows[end])
        if sigmas:
            part["sigma"] = rows[f"{season}_sigma"]
        parts.append(part[has_one])
    return pd.concat(parts).sort_index(kind="stable")


def with_late_winters_noted(rows: pd.DataFrame) -> pd.DataFrame:
    """Mark rows of :func:`one_row_each` (northern hemisphere) whose winter ends in August to December as invalid.

    Parameters
    ----------
    rows : DataFrame of str
        with columns ``season, begin, end`` and :data:`~oggm_glaunti.coupling.text.table.NOTE`

    Returns
    -------
    DataFrame of str
        only winter and summer balances are marked: the annual ones do not need that day
    """
    mid = rows["end"].where(rows["season"] == "winter", rows["begin"])
    month = parse_days(mid, "end of winter")[0].dt.month
    late = (month > LATEST_SPRING_MONTH) & (rows["season"] != "annual")
    return rows.assign(**{NOTE: np.where(late, "winter ends on " + mid + ", after the summer's melt", rows[NOTE])})


def read_glamos(path: str | Path) -> Read:
    """Read ``massbalance_observation.csv``; `glacier` is the name given in the file.

    Parameters
    ----------
    path : path
        ``;`` between columns, dates as 30.09.2015 or 2015-09-30, balances in mm w.e.

    Notes
    -----
    Many ends of winter are nominal (30 April) and are used as they are. If winter ends on 1 September, a placeholder
    for an unknown day, winter and summer balance are rejected and the annual balance is used.
    """
    rows = read_table(path, sep=";", needed=GLAMOS)[[*GLAMOS, NOTE]].rename(columns=GLAMOS)
    cells = with_late_winters_noted(one_row_each(rows)).assign(kind="glacier-wide")
    return settle(cells, source="GLAMOS", unit="mm")


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
    return _read_nve(path, NVE_GLACIER_WIDE, "glacier-wide", "NVE glacier-wide", default_dates)


def read_nve_stakes(path: str | Path, default_dates: bool = False) -> Read:
    """Read stakes, m w.e., with up to three balances a row; some of NVE's positions are approximate.

    Parameters
    ----------
    path : path
        columns ``RGIID,BREID,...,altitude,balance_winter,...,dt_prev_year_min_date,...,lat,lon``
    default_dates
        see :func:`read_nve_glacier_wide`
    """
    return _read_nve(path, NVE_STAKES, "point", "NVE stakes", default_dates)


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
    return settle(with_late_winters_noted(cells), source, "m", default_dates, "nh")
