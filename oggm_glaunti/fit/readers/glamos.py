"""GLAMOS: winter, summer and annual balances of whole Swiss glaciers with their dates (doi 10.18750/massbalance)."""

from pathlib import Path

from oggm_glaunti.fit.observations import Read
from oggm_glaunti.fit.readers.seasons import one_row_each, with_late_winters_noted
from oggm_glaunti.fit.readers.text_table import NOTE, read_table, settle

HEADER = {"glacier name": "glacier", "start date of observation": "begin"}
HEADER |= {"end date of winter observation": "mid", "end date of observation": "end"}
HEADER |= {f"{season} mass balance": season for season in ("winter", "summer", "annual")}


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
    rows = read_table(path, sep=";", needed=HEADER)[[*HEADER, NOTE]].rename(columns=HEADER)
    cells = with_late_winters_noted(one_row_each(rows)).assign(kind="glacier-wide")
    return settle(cells, source="GLAMOS", unit="mm")
