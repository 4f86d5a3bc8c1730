"""Target balances: a number, a series of annual balances, or a geodetic survey."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oggm_glaunti.analysis.glaciers import Years, first_and_last
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, InvalidWorkflowError
from oggm_glaunti.fit.observations import DEFAULT_SIGMA, MOST_A_YEAR
from oggm_glaunti.fit.readers import read_geodetic


class Geodetic(NamedTuple):
    """The glacier's row in OGGM's geodetic table as a target, in the calendar years of the survey.

    Attributes
    ----------
    period : str, optional
        of the survey, as in the table; default: see :func:`~oggm_glaunti.fit.readers.read_geodetic`
    path : path, optional
        your own table in OGGM's format
    """

    period: str | None = None
    path: str | Path | None = None


class Target(NamedTuple):
    """Balances to be reached.

    Attributes
    ----------
    value, sigma : float64 arrays (O,)
        m w.e. and its standard deviation; None for the default, which depends on the number of years
    years : (first, last) or None
        years to run; None for all of the record
    of_years : int array (O,) or None
        the year of each value; None for one value, the mean of all years
    year_type : {'hydrological', 'calendar'}
    """

    value: NDArray[np.float64]
    sigma: NDArray[np.float64] | None
    years: tuple[int, int] | None
    of_years: NDArray[np.int64] | None
    year_type: str

    def weights(self, years: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the weights (O, Y) of the years that are run."""
        if self.of_years is None:
            return np.full((1, years.size), 1.0 / years.size)
        return (self.of_years[:, None] == years).astype(np.float64)

    def sigmas(self, years: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the standard deviations (O,); default: that of a glacier-wide balance of as many years."""
        if self.sigma is not None:
            return self.sigma
        of_one = DEFAULT_SIGMA["glacier-wide"]
        return np.full(self.value.size, of_one / np.sqrt(years.size) if self.of_years is None else of_one)


def target_of(
    gdir: GlacierDirectory, target: Any, years: Years = None, sigma: Any = None, year_type: str | None = None
) -> Target:
    """Interpret the target that a user has given.

    Parameters
    ----------
    gdir : GlacierDirectory
    target : float, Series, 'geodetic' or Geodetic
        mean annual balance, m w.e.; balances by year, m w.e.; or the glacier's row in OGGM's geodetic table
    years : (first, last), optional
    sigma : float or Series, optional
        standard deviation of the target, m w.e.
    year_type : {'hydrological', 'calendar'}, optional

    Raises
    ------
    InvalidParamsError
        if the target is none of these, or contradicts the other arguments
    InvalidWorkflowError
        if the glacier has no geodetic balance
    """
    target = Geodetic() if isinstance(target, str) and target == "geodetic" else target
    if isinstance(target, str):
        raise InvalidParamsError(f"{gdir.rgi_id}: target: expected a number, a Series or 'geodetic': {target!r}")
    if isinstance(target, Geodetic):
        if years is not None or year_type not in (None, "calendar"):
            raise InvalidParamsError(f"{gdir.rgi_id}: target 'geodetic': the survey says which (calendar) years")
        return _geodetic(gdir, sigma, target)
    year_type = year_type or "hydrological"
    if isinstance(target, pd.Series):
        return _series(gdir, target, years, sigma, year_type)
    value = _finite(gdir, "target", np.atleast_1d(np.asarray(target, np.float64)))
    if value.shape != (1,):
        raise InvalidParamsError(f"{gdir.rgi_id}: target: several balances are given as a pandas Series by year")
    span = None if years is None else first_and_last(gdir, years)
    return Target(value, _sigma(gdir, sigma, pd.Index([0])), span, None, year_type)


def _geodetic(gdir: GlacierDirectory, sigma: Any, survey: Geodetic) -> Target:
    read = read_geodetic(gdir, *survey)
    if read.observations.empty:
        problem = "; ".join(read.rejected["problem"])
        raise InvalidWorkflowError(f"{gdir.rgi_id}: {problem}. Give a number and years instead")
    row = read.observations.iloc[0]
    if (row.begin.month, row.begin.day) != (1, 1):
        raise InvalidParamsError(
            f"{gdir.rgi_id}: the survey from {row.begin:%Y-%m-%d} to {row.end:%Y-%m-%d} does not hold whole calendar "
            "years; give its mean as a number"
        )
    n = row.end.year - row.begin.year + 1
    own = np.array([row.sigma / n]) if sigma is None else _sigma(gdir, sigma, pd.Index([0]))
    return Target(np.array([row.value / n]), own, (row.begin.year, row.end.year), None, "calendar")


def _series(gdir: GlacierDirectory, target: pd.Series, years: Years, sigma: Any, year_type: str) -> Target:
    index = target.index
    if not len(target) or not pd.api.types.is_integer_dtype(index) or not index.is_unique:
        raise InvalidParamsError(f"{gdir.rgi_id}: target: expected balances by year, each year once, found {index}")
    value = _finite(gdir, "target", target.to_numpy(np.float64), index)
    span = (int(index.min()), int(index.max())) if years is None else first_and_last(gdir, years)
    outside = index[(index < span[0]) | (index > span[1])]
    if len(outside):
        raise InvalidParamsError(f"{gdir.rgi_id}: target: {outside.tolist()} are not in years {span[0]} to {span[1]}")
    return Target(value, _sigma(gdir, sigma, index), span, index.to_numpy(np.int64), year_type)


def _sigma(gdir: GlacierDirectory, sigma: Any, index: pd.Index) -> NDArray[np.float64] | None:
    if sigma is None:
        return None
    values = sigma.reindex(index) if isinstance(sigma, pd.Series) else np.broadcast_to(sigma, len(index))
    values = _finite(gdir, "sigma", np.asarray(values, np.float64), index)
    if not (values > 0.0).all():
        raise InvalidParamsError(f"{gdir.rgi_id}: sigma: expected standard deviations above 0, found {values.min()}")
    return values


def _finite(
    gdir: GlacierDirectory, name: str, values: NDArray[np.float64], index: pd.Index | None = None
) -> NDArray[np.float64]:
    if not np.isfinite(values).all():
        where = "" if index is None else f" in {index[~np.isfinite(values)].tolist()}"
        found = f"missing or infinite ones{where}"
        raise InvalidParamsError(f"{gdir.rgi_id}: {name}: expected finite numbers, found {found}")
    most = values.flat[np.abs(values).argmax()] if values.size else 0.0
    if name == "target" and abs(most) > MOST_A_YEAR:
        found = f"{most:g} m w.e. a year, more than {MOST_A_YEAR:g}"
        raise InvalidParamsError(f"{gdir.rgi_id}: {name}: {found}; if kg m-2 a year are meant give {most / 1000:g}")
    return values
