"""What the errors of the model make of a balance over any days, for intervals around modelled balances.

The errors are those that a fit takes its observations to have (:mod:`oggm_glaunti.fit.calibration.errors`): one that
all balances of a glacier share in each winter and each summer, and one of each balance's own. Between the ends of
seasons their variances grow with the days: the error of a calendar month is independent of those of others and spread
evenly over its days. So errors of different mass-balance years are independent, and a whole winter, summer or year has
exactly the variance that it has in a fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.coupling.oggm.balance_year import FIRST_MONTH, WINTER_MONTHS
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.fit.calibration.errors import MEDIANS, ErrorSizes, Floats, Sizes, checked_sizes, sizes_from_dict
from oggm_glaunti.fit.observations import DAYS_A_YEAR

Days = NDArray[np.datetime64]


class MonthErrors(NamedTuple):
    """Errors of the balance of each month.

    Attributes
    ----------
    months : datetime64[M] array (M,)
    own, season : float64 arrays (M,)
        standard deviations of the balance's own error and of that of the winter or summer, which all balances of the
        glacier share, m w.e.
    """

    months: NDArray[np.datetime64]
    own: Floats
    season: Floats

    @property
    def sd(self) -> Floats:
        """Standard deviation of both (M,), m w.e."""
        return np.hypot(self.own, self.season)

    def shares(self, begin: Any, end: Any) -> Floats:
        """Return the shares (S, M) of the months' days within periods.

        Parameters
        ----------
        begin, end : datetime64[D] arrays (S,)
            first day of each period, and one past its last
        """
        starts, stops = self.months.astype("M8[D]"), (self.months + 1).astype("M8[D]")
        begin, end = (np.asarray(edge, "M8[D]")[..., None] for edge in (begin, end))
        days = (np.minimum(end, stops) - np.maximum(begin, starts)).astype(float)
        return np.maximum(days, 0.0) / (stops - starts).astype(float)


def month_errors(first: Any, last: Any, sizes: Sizes, hemisphere: str) -> MonthErrors:
    """Divide the errors of winters, summers and years into those of their months.

    Parameters
    ----------
    first, last : datetime64[D]
        of the days that matter, both included
    sizes : Sizes
        of the sort of balance: :class:`~oggm_glaunti.fit.calibration.errors.ErrorSizes` has those of points and of
        whole glaciers
    hemisphere : {'nh', 'sh'}
        mass-balance years begin in October or in April; winter is the first seven months

    Examples
    --------
    >>> found = month_errors("2018-10-01", "2019-09-30", Sizes(0.0, 0.3, 0.4), "nh")
    >>> begin, end = ["2018-10-01", "2018-10-01", "2019-05-01"], ["2019-10-01", "2019-05-01", "2019-10-01"]
    >>> np.sqrt((found.shares(begin, end) * found.season) ** 2 @ np.ones(12)).round(6).tolist()
    [0.5, 0.3, 0.4]
    """
    months = np.arange(np.datetime64(first, "M"), np.datetime64(last, "M") + 1)
    within_year = (months.astype(int) + 1 - FIRST_MONTH[hemisphere]) % 12
    is_winter = within_year < WINTER_MONTHS
    begin = months - np.where(is_winter, within_year, within_year - WINTER_MONTHS)
    end = begin + np.where(is_winter, WINTER_MONTHS, 12 - WINTER_MONTHS)
    days, of_season = (
        (b.astype("M8[D]") - a.astype("M8[D]")).astype(float) for a, b in ((months, months + 1), (begin, end))
    )
    season = np.where(is_winter, sizes.winter, sizes.summer) * np.sqrt(days / of_season)
    return MonthErrors(months, sizes.own * np.sqrt(days / DAYS_A_YEAR), season)


NO_MODEL_ERRORS = ErrorSizes(Sizes(0.0, 0.0, 0.0), Sizes(0.0, 0.0, 0.0))


def error_sizes(params: Mapping[str, Any], wanted: bool | ErrorSizes = True, label: str = "") -> tuple[ErrorSizes, str]:
    """Return the sizes of the errors of a glacier's model, and where they are from in words.

    Parameters
    ----------
    params : mapping
        content of ``glaunti_params.json``
    wanted : bool or ErrorSizes
        True for those of its fit, or those expected a priori if there is none; False for none; or others
    label : str
        of the glacier, named in errors

    Raises
    ------
    InvalidParamsError
        for sizes that are no numbers of 0 or more

    Examples
    --------
    >>> error_sizes({"melt_f": 5.0})[0].whole
    Sizes(own=0.45, winter=0.25, summer=0.35)
    """
    recorded = params.get("fit", {}).get("error_sizes")
    try:
        if isinstance(wanted, bool):
            if not wanted:
                return NO_MODEL_ERRORS, "none"
            found = MEDIANS if recorded is None else checked_sizes(sizes_from_dict(recorded))
            return found, "as expected, not estimated" if found == MEDIANS else "of the fit"
        return checked_sizes(wanted), "given"
    except (AttributeError, TypeError, ValueError) as err:
        expected = "expected own, winter and summer of points and of whole glaciers, m w.e. of 0 or more"
        if isinstance(wanted, bool):
            raise InvalidParamsError(
                f"{label}: fit.error_sizes of glaunti_params.json: {expected}, found {recorded}; fit the glacier again"
            ) from err
        raise InvalidParamsError(f"{label}: model_errors: {expected}, or True or False, found {wanted!r}") from err


def in_words(sizes: Sizes, origin: str) -> str:
    """Say what sizes of errors are and where they are from.

    Examples
    --------
    >>> in_words(Sizes(0.45, 0.25, 0.35), "given")
    'given: 0.45 m w.e. a year of its own, 0.25 of a winter, 0.35 of a summer'
    """
    own, winter, summer = sizes
    return f"{origin}: {own:.2f} m w.e. a year of its own, {winter:.2f} of a winter, {summer:.2f} of a summer"
