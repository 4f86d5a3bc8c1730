"""The days that a reference balance is the mean of."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from oggm import cfg
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError
from oggm.utils import date_to_floatyear

from oggm_glaunti.coupling.oggm.netcdf import netcdf_file
from oggm_glaunti.coupling.oggm.versions import floatyear_of_day
from oggm_glaunti.coupling.text.dates import as_day

if TYPE_CHECKING:
    from oggm import GlacierDirectory

    from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance


# kg m-2 yr-1. Balances nearer to zero are hardly ever known, and look like m w.e.
LEAST_KNOWN = 10.0


def require_kg(mb: float, err: float | None, rgi_id: str) -> None:
    """Raise InvalidParamsError for a reference balance that looks like m w.e. where kg m-2 yr-1 are expected.

    Also for a balance or an error that is no such number.

    Parameters
    ----------
    mb : float
    err : float or None
        its error; one of 10 or more shows that kg m-2 yr-1 are meant
    rgi_id : str

    Examples
    --------
    >>> require_kg(-1340.0, None, "RGI60-11.00897"), require_kg(-3.0, 150.0, "RGI60-11.00897")
    (None, None)
    """
    if not np.isfinite(mb):
        raise InvalidParamsError(f"{rgi_id}: ref_mb is {mb}, expected a finite balance in kg m-2 yr-1")
    if err is not None and not 0 <= err < np.inf:
        raise InvalidParamsError(f"{rgi_id}: ref_mb_err is {err}, expected 0 kg m-2 yr-1 or more")
    if 0 < abs(mb) < LEAST_KNOWN and (err is None or err < LEAST_KNOWN):
        raise InvalidParamsError(
            f"{rgi_id}: ref_mb is {mb:g} kg m-2 yr-1, hardly different from 0; if m w.e. a year are meant give "
            f"{1000 * mb:g}, if the glacier is in balance give 0, or ref_mb_err as well, in kg m-2 yr-1"
        )


@dataclass(frozen=True)
class ReferencePeriod:
    """Days from `begin` to the day before `end` (both datetime64[D])."""

    begin: np.datetime64
    end: np.datetime64

    @classmethod
    def of(cls, period: str, rgi_id: str) -> ReferencePeriod:
        """Read ``'2000-01-01_2020-01-01'``, by OGGM's rule.

        The day at the end belongs to the period, unless it is the first of a month.

        Raises
        ------
        InvalidParamsError
            for another notation, or a period without a day

        Examples
        --------
        >>> ReferencePeriod.of("2000-01-01_2019-12-31", "RGI60-11.01450").years
        20.0
        """
        try:
            begin, end = (as_day(part, "ref_period") for part in period.split("_"))
        except (ValueError, AttributeError) as err:
            raise InvalidParamsError(
                f"{rgi_id}: ref_period: expected like '2000-01-01_2020-01-01', found {period!r}"
            ) from err
        if end != end.astype("datetime64[M]"):
            end = end + 1
        if not begin < end:
            raise InvalidParamsError(f"{rgi_id}: ref_period {period!r} holds no days")
        return cls(begin, end)

    @classmethod
    def of_year(cls, year: int) -> ReferencePeriod:
        """Return a calendar year."""
        return cls(_first(year), _first(year + 1))

    @property
    def years(self) -> float:
        """Length in years of the calendar."""
        return _floatyear(self.end) - _floatyear(self.begin)

    @property
    def calendar_years(self) -> list[int]:
        """The years of which all or some days belong to the period."""
        return list(range(_year(self.begin), _year(self.end - 1) + 1))

    @property
    def whole_years(self) -> list[int]:
        """The years of which all days belong to the period."""
        return [year for year in self.calendar_years if self.begin <= _first(year) and _first(year + 1) <= self.end]


def _year(day: np.datetime64) -> int:
    return int(day.astype("datetime64[Y]").astype(int)) + 1970


def _first(year: int) -> np.datetime64:
    return np.datetime64(f"{year:04d}-01-01", "D")


def _floatyear(day: np.datetime64) -> float:
    return floatyear_of_day(_year(day), int((day - _first(_year(day))).astype(int)) + 1)


class Reference(NamedTuple):
    """What a glacier is calibrated to: kg m-2 yr-1, period and years it is the mean of, and its name.

    Where only some days of the first and last year belong to the period, `days` says which.
    """

    mb: float
    mb_err: float | None
    period: str
    years: list[int]
    source: str
    days: ReferencePeriod | None = None

    def record(self) -> dict[str, Any]:
        """Return the entries of ``glaunti_params.json``."""
        return {f"reference_{name}": value for name, value in self._asdict().items() if name != "days"}


class SpecificBalance:
    """The glacier-wide balance over the cells of its inversion flowlines, or of its grid.

    Parameters
    ----------
    gdir : GlacierDirectory
    mb_model : GlaUnTIMassBalance
    use_2d_mb : bool
        average over the cells of the glacier (``topo_smoothed``) instead of the flowlines

    Raises
    ------
    InvalidWorkflowError
        if there are no flowlines
    """

    def __init__(self, gdir: GlacierDirectory, mb_model: GlaUnTIMassBalance, use_2d_mb: bool = False):
        self._mb_model = mb_model
        if use_2d_mb:
            with netcdf_file(gdir.get_filepath("gridded_data")) as nc:
                self._heights = np.asarray(nc["topo_smoothed"][:])[np.asarray(nc["glacier_mask"][:]) == 1]
            self._widths = np.ones(self._heights.size)
            return
        if not gdir.has_file("inversion_flowlines"):
            raise InvalidWorkflowError(
                f"{gdir.rgi_id}: no inversion_flowlines to average the balance over; run OGGM's flowline tasks first "
                "(elevation_band_flowline, fixed_dx_elevation_band_flowline), or set use_2d_mb=True"
            )
        fls = gdir.read_pickle("inversion_flowlines")
        self._heights = np.concatenate([fl.surface_h for fl in fls])
        self._widths = np.concatenate([fl.widths for fl in fls])

    def of(self, reference: Reference) -> float:
        """Return the mean balance of the days that a reference is the mean of, kg m-2 yr-1."""
        return self.of_years(reference.years) if reference.days is None else self.of_days(reference.days)

    def of_years(self, years: list[int]) -> float:
        """Return the mean balance of calendar years, kg m-2 yr-1."""
        balances = self._mb_model.get_specific_mb(heights=self._heights, widths=self._widths, year=np.array(years))
        return float(np.mean(balances))

    def of_days(self, days: ReferencePeriod) -> float:
        """Return the balance of days divided by their years, kg m-2 yr-1."""
        whole = days.whole_years
        total = self.of_years(whole) * len(whole) if whole else 0.0
        for year in sorted(set(days.calendar_years) - set(whole)):
            total += self._of_part(year, days)
        return total / days.years

    def _of_part(self, year: int, days: ReferencePeriod) -> float:
        """Return the balance of those days that are in a year, kg m-2: of whole months by the table, far faster."""
        total, within = 0.0, []
        begins = np.arange(np.datetime64(f"{year:04d}-01", "M"), 13).astype("M8[D]")
        for month, (begin, end) in enumerate(pairwise(begins), 1):
            if days.begin <= begin and end <= days.end:
                floatyear = date_to_floatyear(year, month)
                rates = self._mb_model.get_monthly_mb(self._heights, year=floatyear)
                total += float(np.average(rates, weights=self._widths)) * self._mb_model.sec_in_month(floatyear)
            elif days.begin < end and begin < days.end:
                within.append((max(begin, days.begin), min(end, days.end)))
        if within:
            rates = np.average(self._mb_model.get_daily_mb_of_year(self._heights, year), axis=0, weights=self._widths)
            dates = _first(year) + np.arange(rates.size)
            inside = np.any([(begin <= dates) & (dates < end) for begin, end in within], axis=0)
            total += float(rates[inside].sum()) * cfg.SEC_IN_DAY
        return total * self._mb_model.ice_density
