"""How far a model may be from an observation, and which of these errors go together.

An observation is wrong by its own sigma, independently of the others. A model is wrong because the weather it is given
and its equations are: in a warm year that the weather data miss, all bands of a glacier melt more than modelled. That
error is taken as noise in time, as a random walk of the cumulative balance, that is the same at neighbouring heights
and fades with their distance. So a hundred bands do not count as a hundred independent witnesses, and a twenty-year
balance is uncertain by the root of twenty years.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MODEL_ERROR = 0.5  # m w.e. in a year; residuals of temperature-index models against annual balances are 0.4 to 1
HEIGHT_SCALE = 500.0  # m over which errors of the model are alike
DAYS_A_YEAR = 365.25


def covariance(
    observations: pd.DataFrame,
    heights: NDArray[np.floating],
    model_error: float = MODEL_ERROR,
    height_scale: float = HEIGHT_SCALE,
) -> NDArray[np.float64]:
    """Covariance of model minus observation, (m w.e.)2, array (O, O).

    ``sigma_i^2 delta_ij + model_error^2 years_ij exp(-|z_i - z_j| / height_scale)``, where ``years_ij`` is the time
    that two observations have in common.

    Parameters
    ----------
    observations : DataFrame
        `begin`, `end` and `sigma` of O rows
    heights : array (O,)
        of what was observed, m; the mean height for a whole glacier
    model_error : float
        m w.e. in a year
    height_scale : float
        m

    Examples
    --------
    >>> table = pd.DataFrame({"begin": pd.to_datetime(["2000-01-01"] * 2), "sigma": [0.1, 0.1]})
    >>> table["end"] = table["begin"] + pd.Timedelta(days=365.25)
    >>> covariance(table, np.array([2000.0, 2000.0]), model_error=1.0).round(2).tolist()
    [[1.01, 1.0], [1.0, 1.01]]
    """
    begin, end = ((table.to_numpy() - np.datetime64("1970-01-01")) / np.timedelta64(1, "D") for table in (
        observations["begin"], observations["end"]
    ))
    common = np.minimum(end[:, None], end) - np.maximum(begin[:, None], begin)
    alike = np.exp(-np.abs(heights[:, None] - heights) / height_scale)
    shared = model_error**2 * np.maximum(common, 0.0) / DAYS_A_YEAR * alike
    return shared + np.diag(observations["sigma"].to_numpy(np.float64) ** 2)


def whitener(covariance: NDArray[np.float64]) -> NDArray[np.float32]:
    """Matrix (O, O) that makes differences of this covariance independent with variance 1: inverse of its root."""
    root = np.linalg.cholesky(covariance)
    return np.linalg.solve(root, np.eye(len(root))).astype(np.float32)
