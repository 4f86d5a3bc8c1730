"""Files with one row a year that holds winter, summer and annual balance and up to three dates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from oggm_glaunti.fit.readers.dates import parse_days
from oggm_glaunti.fit.readers.text_table import NOTE, is_missing

# Which of a row's three dates are a season's begin and end.
DATES = {"winter": ("begin", "mid"), "summer": ("mid", "end"), "annual": ("begin", "end")}
# In the north no winter balance ends after July: such dates stand in for unknown ones.
LATEST_SPRING_MONTH = 7


def one_row_each(rows: pd.DataFrame) -> pd.DataFrame:
    """Cells of one observation a row, from rows with up to three; the shared day `mid` ends winter and begins summer.

    Parameters
    ----------
    rows : DataFrame of str
        columns ``winter, summer, annual`` (balances), ``begin, mid, end`` (dates), optionally ``winter_sigma`` and so
        on, and others, which are repeated

    Returns
    -------
    DataFrame of str
        as :func:`~oggm_glaunti.fit.readers.text_table.settle` takes it. A balance that is missing gives no row; a row
        of the file without any gives one annual row without a value, so that it is reported.
    """
    sigmas = [name for name in rows if name.endswith("_sigma")]
    others = rows.drop(columns=[*DATES, *sigmas, "begin", "mid", "end"])
    none_at_all = pd.concat([is_missing(rows[season]) for season in DATES], axis=1).all(axis=1)
    parts = []
    for season, (begin, end) in DATES.items():
        has_one = ~is_missing(rows[season]) | (none_at_all & (season == "annual"))
        part = others.assign(season=season, value=rows[season], begin=rows[begin], end=rows[end])
        if sigmas:
            part["sigma"] = rows[f"{season}_sigma"]
        parts.append(part[has_one])
    return pd.concat(parts).sort_index(kind="stable")


def with_late_winters_noted(rows: pd.DataFrame) -> pd.DataFrame:
    """Note rows of :func:`one_row_each` of the northern hemisphere whose winter ends in August to December.

    Parameters
    ----------
    rows : DataFrame of str
        with columns ``season, begin, end`` and :data:`~oggm_glaunti.fit.readers.text_table.NOTE`

    Returns
    -------
    DataFrame of str
        noted are winter and summer balances only: the annual ones do not need that day
    """
    mid = rows["end"].where(rows["season"] == "winter", rows["begin"])
    month = parse_days(mid, "end of winter")[0].dt.month
    late = (month > LATEST_SPRING_MONTH) & (rows["season"] != "annual")
    return rows.assign(**{NOTE: np.where(late, "winter ends on " + mid + ", after the summer's melt", rows[NOTE])})
