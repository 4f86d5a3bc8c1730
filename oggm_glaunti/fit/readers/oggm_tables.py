"""Observations that OGGM provides: the WGMS's balances and bands, and the geodetic table of Hugonnet et al. (2021)."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, InvalidWorkflowError, cfg, utils
from oggm_glaunti.coupling.oggm.geodetic import geodetic_table
from oggm_glaunti.coupling.text.dates import as_day
from oggm_glaunti.coupling.text.table import FIRST_ROW
from oggm_glaunti.fit.names import SEASONS
from oggm_glaunti.fit.observations import Read
from oggm_glaunti.fit.readers.seasons import one_row_each
from oggm_glaunti.fit.readers.settle import settle
from oggm_glaunti.fit.readers.wgms import read_wgms_profiles, require_mm, with_dates

# Longer than any record: without years OGGM crops to those of its monthly climate.
ALL_YEARS = (1700, 2200)
DATES_FILE = "mb_overview_seasonal_mb_time_periods_20220301.csv"
REF_MB_COLUMNS = {"WINTER_BALANCE": "winter", "SUMMER_BALANCE": "summer", "ANNUAL_BALANCE": "annual"}


def from_gdir(gdir: GlacierDirectory, bands: bool = True, default_dates: bool = False) -> Read:
    """Read the WGMS's balances of ``gdir.get_ref_mb_data()``, all years, and the bands of ``mb_profiles``.

    Dates are those of OGGM's overview of seasons (1980 to 2019, about 100 glaciers).

    Parameters
    ----------
    gdir : GlacierDirectory
        its balances are OGGM's own, or were set with ``gdir.set_ref_mb_data``
    bands : bool
        whether to read the elevation bands as well, if available
    default_dates : bool
        use nominal dates of the mass-balance year for years without dates; by default they are rejected

    Returns
    -------
    Read
        ``problem`` in ``rejected`` begins with the name of the table of the row

    Raises
    ------
    InvalidWorkflowError
        if OGGM has no balances of this glacier
    """
    try:
        table = gdir.get_ref_mb_data(*ALL_YEARS)
    except Exception as err:
        # If the WGMS has no such glacier, OGGM raises whatever its lookup fails with, often without a message.
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: no WGMS balances found ({type(err).__name__}: {err}). Give your own with "
            "gdir.set_ref_mb_data(), or read a file"
        ) from err
    # The glacier's WGMS id, none if OGGM links the glacier to none, and OGGM's folder of WGMS tables.
    links, folder = utils.get_wgms_files()
    rgi_ids = links.get(f"RGI{gdir.rgi_version[0]}0_ID", pd.Series("", links.index))  # OGGM has no links of RGI 7
    wgms_ids = links.loc[rgi_ids == gdir.rgi_id, "WGMS_ID"]
    cells = table.reindex(columns=list(REF_MB_COLUMNS)).rename(columns=REF_MB_COLUMNS)
    cells = cells.map(lambda value: "" if pd.isna(value) else repr(float(value)))
    remedy = "give gdir.set_ref_mb_data mm w.e."
    require_mm(pd.concat([cells[season] for season in SEASONS]), "mm", f"{gdir.rgi_id}: balances", remedy)
    cells = cells.assign(glacier=gdir.rgi_id, kind="glacier-wide", year=table.index.astype(str))
    cells = cells.assign(begin="", mid="", end="").set_axis(range(FIRST_ROW, FIRST_ROW + len(table)))
    reads = {}
    for wgms_id in wgms_ids[:1].astype(int):
        dates = Path(folder).parent / DATES_FILE
        cells = with_dates(cells.assign(wgms_id=str(wgms_id)), dates)
        profile = dates.parent / "mb_profiles" / f"profile_WGMS-{wgms_id:05d}.csv"
        if bands and profile.exists():
            reads["bands"] = read_wgms_profiles(profile, dates, gdir.rgi_id, default_dates, gdir.hemisphere)
    reads = {"balances": settle(one_row_each(cells), "WGMS", "mm", default_dates, gdir.hemisphere), **reads}
    for name, read in reads.items():
        read.rejected["problem"] = [f"{name}: {words}" for words in read.rejected["problem"]]
    *tables, rows = zip(*reads.values(), strict=True)
    good, bad = (pd.concat(parts, ignore_index=True) for parts in tables)
    return Read(good, bad, np.concatenate(rows))


def read_geodetic(gdirs: Any, period: str | None = None, file_path: str | Path | None = None) -> Read:
    """Read geodetic balances of OGGM's table: total over the period = rate times years, and its error likewise.

    Parameters
    ----------
    gdirs : GlacierDirectory or list of them, or of RGI ids
    period : str, optional
        e.g. ``'2000-01-01_2020-01-01'``, the last day not included; default ``cfg.PARAMS['geodetic_mb_period']``. Only
        one of the table's periods is read, as they overlap
    file_path : path, optional
        a table in OGGM's format to read instead of its download: RGI ids as index or column ``rgiid``, columns
        ``period, dmdtda, err_dmdtda`` (m w.e. a year)

    Returns
    -------
    Read
        glaciers that are not in the table are rejected; ``row`` is their place in `gdirs`, from 1

    Raises
    ------
    InvalidWorkflowError
        if the table is not available (no network)
    InvalidParamsError
        if the period is invalid
    """
    one = isinstance(gdirs, str) or hasattr(gdirs, "rgi_id")
    ids = [str(getattr(item, "rgi_id", item)) for item in ([gdirs] if one else gdirs)]
    period = period or cfg.PARAMS["geodetic_mb_period"]
    try:
        begin, end = (pd.Timestamp(as_day(part, "period")) for part in period.split("_"))
    except ValueError as err:
        raise InvalidParamsError(f"period: expected like '2000-01-01_2020-01-01', found {period!r}") from err
    if (begin.month, begin.day) != (end.month, end.day) or end <= begin:
        raise InvalidParamsError(f"period: expected whole years, found {period!r}")
    table = geodetic_table(file_path)
    rates = table.loc[table["period"] == period].reindex(ids)
    last = end - pd.Timedelta(days=1)
    value, sigma = (
        [repr(float(rate * (end.year - begin.year))) for rate in rates[name]] for name in ("dmdtda", "err_dmdtda")
    )
    columns = {"glacier": ids, "kind": "geodetic", "season": "free", "value": value, "sigma": sigma}
    columns |= {"begin": f"{begin:%Y-%m-%d}", "end": f"{last:%Y-%m-%d}"}
    cells = pd.DataFrame(columns, index=pd.RangeIndex(1, len(ids) + 1))
    read = settle(cells, "OGGM's geodetic table")
    words = f"not in OGGM's geodetic table for {period}"
    return read._replace(rejected=read.rejected.replace({"problem": {"no value": words}}))
