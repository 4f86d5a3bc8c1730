"""How balances differ from a model: errors that rows share, by winter and summer of a glacier, and errors of their own.

An observation i of glacier g is ``y_i = f_i + sum over years k of (a_i u^w_gk + c_i u^s_gk) + eps_i``. The weather of a
winter or summer is wrong for all stakes alike, so their rows share its error: ``u^w ~ N(0, winter^2)``,
``u^s ~ N(0, summer^2)``. An annual row holds both, a geodetic one both of every year. ``eps_i ~ N(0, sigma_i^2 +
own^2 T_i)`` is the row's own, T its length in years. Rows of whole glaciers have standard deviations of their own:
means over a glacier are nearer to the model than points are.

Volumes of discharge share none of these: a row has its own sigma, and all of a gauge share the error of their level
(:mod:`oggm_glaunti.fit.calibration.gauge`).

Where all these rows of a glacier are few, the level of each season is uncertain too (:data:`LEVELS`): a year of stakes
tells the level of this year, not that of the glacier's weather.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]

WHOLE = ("glacier-wide", "geodetic")
"""Kinds of observations that are means over a glacier."""
# Standard deviation of ln of the estimated standard deviations, around their medians.
HYPERPRIOR = {False: 0.4, True: 0.7}
# m w.e.: level of a glacier's winters and summers where few years tell them, see `Effects`.
LEVELS = (0.20, 0.25)
FEW_YEARS = 3


class Sizes(NamedTuple):
    """Standard deviations of the errors of one sort of rows, m w.e.

    Attributes
    ----------
    own : float
        of a row's own error, over one year; it grows with the square root of time
    winter, summer : float
        of the errors that rows of the same glacier and season share
    """

    own: float
    winter: float
    summer: float


class ErrorSizes(NamedTuple):
    """Sizes of errors of points (stakes, bands) and of whole glaciers; the default is what is expected a priori."""

    points: Sizes = Sizes(0.70, 0.30, 0.45)
    whole: Sizes = Sizes(0.45, 0.25, 0.35)

    def of(self, is_whole: NDArray[np.bool_]) -> Floats:
        """Return the sizes (O, 3) of rows."""
        return np.where(is_whole[:, None], self.whole, self.points)


MEDIANS = ErrorSizes()


def checked_sizes(sizes: ErrorSizes) -> ErrorSizes:
    """Return the sizes; ValueError if they are not finite numbers of 0 or more, three for each sort of rows."""
    try:
        numbers = np.array([tuple(of) for of in sizes], np.float64)
    except (TypeError, ValueError):  # no sequences of numbers, or of several lengths
        numbers = np.empty(0)
    if numbers.shape != (2, 3) or not ((numbers >= 0.0) & np.isfinite(numbers)).all():
        raise ValueError(f"errors: expected ErrorSizes of 0 m w.e. or more, found {sizes}")
    return ErrorSizes(*(Sizes(*of.tolist()) for of in numbers))


def sizes_as_dict(sizes: ErrorSizes) -> dict[str, dict[str, float]]:
    """Return sizes as they stand in ``glaunti_params.json``."""
    return {name: {k: float(v) for k, v in of._asdict().items()} for name, of in sizes._asdict().items()}


def sizes_from_dict(found: Mapping[str, Mapping[str, float]]) -> ErrorSizes:
    """Return the sizes of :func:`sizes_as_dict`."""
    return ErrorSizes(**{name: Sizes(**of) for name, of in found.items()})


class Effects(NamedTuple):
    """What each row of one glacier shares with others.

    Attributes
    ----------
    winter, summer : float64 arrays (O, K)
        number of times that a row holds the winter and the summer of each of K mass-balance years: 0 or 1
    sigma, years : float64 arrays (O,)
        standard errors of the observations, m w.e., and lengths of their periods
    is_whole : bool array (O,)
    few : bool
        whether the level of the seasons is uncertain too
    level : float64 array (O,), optional
        of rows of discharge the error that all of them share, m w.e.; 0 for balances
    """

    winter: Floats
    summer: Floats
    sigma: Floats
    years: Floats
    is_whole: NDArray[np.bool_]
    few: bool = False
    level: Floats | None = None

    @property
    def is_balance(self) -> NDArray[np.bool_]:
        """Which rows (O,) are balances, and not discharge."""
        return np.ones(self.years.shape, bool) if self.level is None else self.level == 0.0

    def select(self, rows: NDArray[np.bool_]) -> Effects:
        """Return the effects on some of the rows."""
        level = None if self.level is None else self.level[rows]
        shared = self.winter[rows], self.summer[rows]
        return Effects(*shared, self.sigma[rows], self.years[rows], self.is_whole[rows], self.few, level)

    def _sizes(self, sizes: ErrorSizes) -> Floats:
        """Sizes (O, 3) of the errors of balances; none for discharge."""
        return sizes.of(self.is_whole) if self.level is None else sizes.of(self.is_whole) * self.is_balance[:, None]

    def own(self, sizes: ErrorSizes) -> Floats:
        """Variances (O,) of the rows' own errors."""
        return self.sigma**2 + self._sizes(sizes)[:, 0] ** 2 * self.years

    def shared(self, sizes: ErrorSizes) -> Floats:
        """Effects (O, E) of shared errors of unit variance; products of two rows are covariances."""
        _, winter, summer = self._sizes(sizes).T
        columns = [winter[:, None] * self.winter, summer[:, None] * self.summer]
        if self.few:
            levels = np.stack([self.winter.sum(axis=1), self.summer.sum(axis=1)], axis=1)
            columns.append(levels * LEVELS)
        if self.level is not None:
            columns.append(self.level[:, None])
        return np.concatenate(columns, axis=1)


def effects(table: pd.DataFrame, southern: bool = False, level: Floats | None = None) -> Effects:
    """Find the winters and summers in the rows of one glacier.

    Parameters
    ----------
    table : DataFrame
        ``kind, season, begin, end, sigma`` of observations, see :mod:`oggm_glaunti.fit.observations`
    southern : bool
        mass-balance years begin in April
    level : float64 array (O,), optional
        error that rows of discharge share, m w.e., and 0 for all others; needed if there are any

    Examples
    --------
    >>> table = pd.DataFrame({"kind": "point", "season": ["annual", "winter"], "sigma": 0.2})
    >>> table = table.assign(begin=pd.Timestamp("2018-10-01"), end=pd.to_datetime(["2019-09-30", "2019-05-01"]))
    >>> found = effects(table)
    >>> found.winter.tolist(), found.summer.tolist()
    ([[1.0], [1.0]], [[1.0], [0.0]])
    """
    begin, end = (table[name].to_numpy().astype("M8[D]") for name in ("begin", "end"))
    length = (end - begin).astype(float)
    is_balance = np.ones(len(table), bool) if level is None else level == 0.0
    counts = np.maximum(np.round(length / 365.25).astype(int), 1) * is_balance
    middles = [
        b + ((np.arange(n) + 0.5) * (t / max(n, 1))).astype("m8[D]")
        for b, t, n in zip(begin, length, counts, strict=True)
    ]
    of_rows = [balance_years(middle, southern) for middle in middles]
    known = np.unique(np.concatenate(of_rows))
    held = np.stack([np.isin(known, of_row) for of_row in of_rows]).astype(float)
    season = table["season"].to_numpy(str)[:, None]
    return Effects(
        held * (season != "summer"),
        held * (season != "winter"),
        table["sigma"].to_numpy(np.float64),
        length / 365.25,
        table["kind"].isin(WHOLE).to_numpy(),
        known.size < FEW_YEARS,
        level,
    )


def balance_years(days: NDArray[np.datetime64], southern: bool = False) -> NDArray[np.int_]:
    """Return the mass-balance years of days: named by the year in which they end, from October or (south) from April.

    Examples
    --------
    >>> days = np.array(["2018-12-31", "2019-05-01"], "M8[D]")
    >>> balance_years(days).tolist(), balance_years(days, southern=True).tolist()
    ([2019, 2019], [2019, 2020])
    """
    months = days.astype("M8[M]").astype(int) + (9 if southern else 3)
    return months // 12 + 1970


def bound(rows: Effects, sizes: ErrorSizes) -> Floats:
    """Return variances (O,) with which rows may count as independent: together they are never too certain.

    They are the sums of each row of the covariances, so that the diagonal matrix of them minus the covariances is
    diagonally dominant: there is no direction in which it claims to know more. The inverse of the covariances
    themselves would put the level of a year down to its error and leave the differences between stakes to decide, where
    models of one temperature and one lapse rate are wrong.
    """
    shared = rows.shared(sizes)
    return rows.own(sizes) + shared @ shared.sum(axis=0)


def covariance(rows: Effects, sizes: ErrorSizes) -> Floats:
    """Return the covariances (O, O) of the differences between observations and model."""
    shared = rows.shared(sizes)
    return shared @ shared.T + np.diag(rows.own(sizes))


def log_likelihood(difference: Floats, rows: Effects, sizes: ErrorSizes, others: Floats | None = None) -> float:
    """Compute the log probability density of differences (O,) of one glacier, up to a constant (Woodbury identity).

    Parameters
    ----------
    difference : float64 array (O,)
        m w.e.
    rows : Effects
    sizes : ErrorSizes
    others : float64 array (O, U), optional
        effects on the rows of other unknowns of unit variance, such as parameters
    """
    own, shared = rows.own(sizes), rows.shared(sizes)
    shared = shared if others is None else np.concatenate([shared, others], axis=1)
    scaled = shared / own[:, None]
    inner = np.eye(shared.shape[1]) + shared.T @ scaled
    root = np.linalg.cholesky(inner)
    projected = np.linalg.solve(root, scaled.T @ difference)
    log_det = np.log(own).sum() + 2.0 * np.log(np.diag(root)).sum()
    return float(-0.5 * (log_det + (difference**2 / own).sum() - projected @ projected))


def estimate_sizes(
    differences: Sequence[Floats], rows: Sequence[Effects], others: Sequence[Floats] | None = None
) -> ErrorSizes:
    """Estimate the sizes of all errors from differences between model and observations.

    The most probable ones under lognormal priors with the medians :data:`MEDIANS`, of the exact covariances. Sorts of
    rows of which there are none keep their medians.

    Parameters
    ----------
    differences : sequence of float64 arrays (O,)
        model - observation of each glacier before anything was fitted, m w.e.
    rows : sequence of Effects
    others : sequence of float64 arrays (O, U), optional
        what parameters, as far as they are unknown a priori, do to the rows, see :func:`log_likelihood`. Differences
        that a fit has left are too small, as it has bent the parameters to them
    """
    held = [of.is_whole[of.is_balance] for of in rows]
    sorts = [is_whole for is_whole in (False, True) if any((of_rows == is_whole).any() for of_rows in held)]
    if not sorts:
        return MEDIANS
    unknowns = [None] * len(rows) if others is None else others

    def sizes_at(x: Floats) -> ErrorSizes:
        found = list(MEDIANS)
        for number, is_whole in enumerate(sorts):
            spread = HYPERPRIOR[is_whole] * x[3 * number : 3 * number + 3]
            found[is_whole] = Sizes(*(np.array(MEDIANS[is_whole]) * np.exp(spread)).tolist())
        return ErrorSizes(*found)

    def cost(x: Floats) -> float:
        sizes = sizes_at(x)
        return 0.5 * float(x @ x) - sum(map(log_likelihood, differences, rows, [sizes] * len(rows), unknowns))

    return sizes_at(minimize(cost, np.zeros(3 * len(sorts)), method="L-BFGS-B", options={"ftol": 1e-6}).x)
