"""Tables with a row for each year: winter, summer and annual balance, and up to three dates."""

import numpy as np
import pandas as pd

from oggm_glaunti.fit.readers.dates import parse_days
from oggm_glaunti.fit.readers.text_table import NOTE, is_missing

# Begin and end of each season, of the three dates of a row.
SEASON_DATES = {"winter": ("begin", "mid"), "summer": ("mid", "end"), "annual": ("begin", "end")}
# In the north no winter ends after July: later dates are placeholders for unknown ones.
LATEST_SPRING_MONTH = 7


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
        input for :func:`~oggm_glaunti.fit.readers.text_table.settle`. A missing balance gives no row; a row of the file
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
        with columns ``season, begin, end`` and :data:`~oggm_glaunti.fit.readers.text_table.NOTE`

    Returns
    -------
    DataFrame of str
        only winter and summer balances are marked: the annual ones do not need that day
    """
    mid = rows["end"].where(rows["season"] == "winter", rows["begin"])
    month = parse_days(mid, "end of winter")[0].dt.month
    late = (month > LATEST_SPRING_MONTH) & (rows["season"] != "annual")
    return rows.assign(**{NOTE: np.where(late, "winter ends on " + mid + ", after the summer's melt", rows[NOTE])})
