"""How well daily runoff follows measured discharge."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

SUMMER = (6, 9)  # months, first and last


class RunoffScores(NamedTuple):
    """Scores of a daily series.

    Attributes
    ----------
    nse : float
        Nash-Sutcliffe efficiency: 1 is perfect, 0 as good as the mean of the measured
    kge : float
        Kling-Gupta efficiency (Gupta et al. 2009)
    log_nse : float
        NSE of the logarithms, which low flow decides; both series at least `floor`
    volume : float
        mean over that measured, minus 1
    r_month : float
        correlation of monthly means
    r_summer : float
        correlation of the days from June to September (of the south: December to March)
    r_anomaly : float
        correlation of the differences to the mean of each day of year
    """

    nse: float
    kge: float
    log_nse: float
    volume: float
    r_month: float
    r_summer: float
    r_anomaly: float


def runoff_scores(
    modelled: pd.Series, measured: pd.Series, hemisphere: str = "nh", floor: float = 0.01
) -> RunoffScores:
    """Score a daily series on the days for which both have a value.

    Parameters
    ----------
    modelled, measured : pandas.Series
        by day, one unit
    hemisphere : {'nh', 'sh'}
    floor : float
        lowest value of which a logarithm is taken, in that unit

    Raises
    ------
    ValueError
        for fewer than 365 days in common

    Examples
    --------
    >>> days = pd.date_range("2001-01-01", "2002-12-31")
    >>> measured = pd.Series(10.0 + np.sin(np.arange(730) / 58.0) + np.sin(np.arange(730)), days)
    >>> round(runoff_scores(measured + 1.0, measured).volume, 3), round(runoff_scores(measured, measured).kge, 6)
    (0.1, 1.0)
    """
    both = pd.DataFrame({"model": modelled, "gauge": measured}).dropna()
    if len(both) < 365:
        raise ValueError(f"expected a year of days with modelled and measured values or more, found {len(both)}")
    months = both.resample("MS").mean().dropna()
    first, last = SUMMER if hemisphere == "nh" else ((SUMMER[0] + 5) % 12 + 1, (SUMMER[1] + 5) % 12 + 1)
    index = pd.DatetimeIndex(both.index)
    in_summer = (
        (index.month >= first) & (index.month <= last)
        if first < last
        else (index.month >= first) | (index.month <= last)
    )
    anomaly = both - both.groupby(index.day_of_year).transform("mean")
    logs = np.log(both.clip(lower=floor))
    ratio, spread = both["model"].mean() / both["gauge"].mean(), both["model"].std() / both["gauge"].std()
    kge = 1.0 - np.sqrt((_r(both) - 1.0) ** 2 + (spread - 1.0) ** 2 + (ratio - 1.0) ** 2)
    return RunoffScores(
        _nse(both), float(kge), _nse(logs), float(ratio - 1.0), _r(months), _r(both[in_summer]), _r(anomaly)
    )


def climatology(measured: pd.Series, days: pd.DatetimeIndex) -> pd.Series:
    """Return the mean of each day of year of a measured series, on other days."""
    index = pd.DatetimeIndex(measured.index)
    mean = measured.groupby(index.day_of_year).mean()
    return pd.Series(mean.reindex(days.day_of_year).to_numpy(), days)


def _nse(both: pd.DataFrame) -> float:
    error, spread = both["model"] - both["gauge"], both["gauge"] - both["gauge"].mean()
    return float(1.0 - (error**2).sum() / (spread**2).sum())


def _r(both: pd.DataFrame) -> float:
    if (both.std() <= 1e-12 * both.abs().max()).any():
        return 0.0
    return float(np.corrcoef(both["model"], both["gauge"])[0, 1])
