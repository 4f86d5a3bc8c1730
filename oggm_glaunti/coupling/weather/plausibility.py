"""Whether daily weather can be that of a glacier: units, reference height, fill values and balances that mislead.

Temperature is judged by its warmest month: at one height and latitude it differs much less between oceans and
continents than the mean of the year. :data:`WARMEST_AT_SEA_LEVEL` is its usual value; what mountains, plateaus and ice
sheets do to it is in the lapse rates of the bounds.
"""

from __future__ import annotations

import calendar
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.weather.series import DailySeries, Days, calendar_years

log = logging.getLogger(__name__)

# degC by latitude: mean of the warmest month at sea level. On plateaus the air is warmer than at the same height
# elsewhere (5 K per km on Tibet), over ice sheets colder, hence three lapse rates (K per m).
WARMEST_AT_SEA_LEVEL = (
    (-90, -75, -65, -60, -50, -40, -30, -15, 0, 15, 30, 40, 50, 60, 70, 80, 90),
    (-10, -7, 0, 3, 10, 18, 24, 27, 27, 28, 28, 24, 18.5, 14, 8, 3, 0),
)
LAPSE, LAPSE_OF_WARMEST, LAPSE_OF_COLDEST = 6.5e-3, 5.0e-3, 7.5e-3
# K above and below the usual at sea level: a warning, and an error. Kashgar and Bouvet are within the first.
UNUSUAL, IMPOSSIBLE = (12.0, 10.0), (22.0, 20.0)
# K, from the coldest to the warmest month: least poleward of 35 degrees (Faroe 7.5, Macquarie 3.7), most anywhere (60).
LEAST_SEASONS_NORTH, LEAST_SEASONS_SOUTH, MOST_SEASONS = 5.5, 2.5, 62.0
# K by which summer has to be colder than winter to be taken for another hemisphere's, poleward of 35 degrees.
UPSIDE_DOWN = 3.0
# kg m-2 a year. The driest glaciers are in the Atacama and inner Antarctica (20). Nothing is as dry as 125 poleward of
# 38 degrees where seasons differ by less than 22 K (oceans, Alps). Patagonia and New Zealand have 10,000 or more, and
# less than 13 K between their months.
DRIEST, DRIEST_TEMPERATE, WETTEST, WETTEST_OCEANIC = 10.0, 125.0, 10_000.0, 15_000.0
NO_PRCP, NO_PRCP_POLEWARD, NOWHERE = 1.0, 5.0, 30_000.0
WETTEST_DAY = 800.0  # kg m-2
# What files write for missing values, by magnitude, as far as it passes for weather: limits of packed integers, nines.
PACKED = (32.767, 32.768, 327.67, 327.68)
NINES = (9.99, 9.999, 88.8, 88.88, 99, 99.9, 99.99, 888, 888.8, 999, 999.9)
# A value is repeated if it is found on so many days, and so many times as often as others near it usually are.
FEWEST_FILLED, FEWEST_REPEATED = 3, 20
TIMES_PACKED, TIMES_NINES, TIMES_OTHERS = 4, 8, 20
# m w.e. a year. Measured glacier-wide: -5.6 to +4.7 (WGMS, 290 glaciers).
BALANCE_LIMITS = (-15.0, 8.0)

FEET = 0.3048
MONTHS = tuple(calendar.month_name)[1:]
# Units that are mistaken for degC, and factors of those mistaken for mm a day.
_TEMP_UNITS = {
    "degrees Fahrenheit": lambda temp: (temp - 32) / 1.8,
    "tenths of degC": lambda temp: 0.1 * temp,
    "K": lambda temp: temp - 273.15,
}
_PRCP_UNITS = {
    "cm a day": 10.0, "m a day": 1000.0, "kg m-2 s-1": 86400.0, "mm an hour": 24.0, "inches a day": 25.4,
    "tenths of mm a day": 0.1, "mm a month": 12 / 365.25,
}  # fmt: skip


@dataclass(frozen=True)
class _Climate:
    """A place, mean temperature of its calendar months (degC), precipitation of a year and the wettest day (kg m-2)."""

    height: float
    lat: float
    months: NDArray[np.float64]
    prcp: float
    wettest: float

    @property
    def warmest(self) -> float:
        """Mean temperature of the warmest month, degC."""
        return float(self.months.max())

    @property
    def seasons(self) -> float:
        """Difference between the warmest and the coldest month, K."""
        return float(np.ptp(self.months))

    def usual(self, lapse: float = LAPSE) -> float:
        """Return the usual temperature of the warmest month at this height and latitude, degC."""
        return float(np.interp(self.lat, *WARMEST_AT_SEA_LEVEL)) - lapse * max(self.height, 0.0)

    def bounds(self, margin: tuple[float, float]) -> tuple[float, float]:
        """Return lower and upper bound of the warmest month, degC."""
        return self.usual(LAPSE_OF_COLDEST) - margin[1], self.usual(LAPSE_OF_WARMEST) + margin[0]

    def driest(self) -> float:
        """Return the lowest usual precipitation, kg m-2 a year."""
        return DRIEST_TEMPERATE if abs(self.lat) > 38 and self.seasons < 22 else DRIEST

    def wettest_year(self) -> float:
        """Return the highest usual precipitation, kg m-2 a year."""
        return WETTEST_OCEANIC if self.seasons < 13 else WETTEST

    def least_seasons(self) -> float:
        """Return the least difference between the warmest and the coldest month at this latitude, K."""
        return 0.0 if abs(self.lat) <= 35 else LEAST_SEASONS_NORTH if self.lat > 0 else LEAST_SEASONS_SOUTH

    def has_usual_temp(self) -> bool:
        low, high = self.bounds(UNUSUAL)
        return low <= self.warmest <= high and self.least_seasons() <= self.seasons <= MOST_SEASONS

    def has_usual_prcp(self) -> bool:
        return self.driest() <= self.prcp <= self.wettest_year() and self.wettest <= WETTEST_DAY


def _climate(days: Days, temp: NDArray[Any], prcp: NDArray[Any], height: float, lat: float) -> _Climate:
    month = days.astype("M8[M]").astype(np.int64) % 12
    of_month = np.bincount(month, temp, 12) / np.bincount(month, minlength=12)
    return _Climate(height, lat, of_month, float(np.mean(prcp, dtype=np.float64)) * 365.25, float(prcp.max()))


def summary(series: DailySeries) -> str:
    """Return a line that shows a person whether a series is what it should be.

    Examples
    --------
    >>> days = np.arange("2003-01-01", "2005-01-01", dtype="M8[D]")
    >>> temp = np.where(days.astype("M8[M]").astype(int) % 12 == 6, 4.0, -5.0)
    >>> rain = np.full(days.size, 4.0)
    >>> print(summary(DailySeries(days, temp, rain, 2919.0, 10.8, 46.8, "CUSTOM_daily", "station.csv")))
    731 days, 2003-2004: mean -4.2 degC, warmest month 4.0 degC (July), 1461 mm a year, wettest day 4 mm, at 2919 m
    """
    climate = _climate(series.time, series.temp, series.prcp, series.ref_hgt, series.ref_pix_lat)
    first, last = calendar_years(series.time[[0, -1]])
    mean = np.mean(series.temp, dtype=np.float64)
    return (
        f"{series.time.size} days, {first}-{last}: mean {mean:.1f} degC, warmest month "
        f"{climate.warmest:.1f} degC ({MONTHS[climate.months.argmax()]}), {climate.prcp:.4g} mm a year, wettest day "
        f"{climate.wettest:.3g} mm, at {series.ref_hgt:.0f} m"
    )


def require_plausible(rgi_id: str, series: DailySeries) -> None:
    """Refuse weather that no glacier on Earth has, and warn of what is unusual, with the likely cause.

    Raises
    ------
    InvalidParamsError
        that names the file, what was found and expected, and the unit or height that would make it plausible
    """
    realisations = ((series.temp, series.prcp), *series.others)
    for number, (temp, prcp) in enumerate(realisations, start=1):
        label = f"{rgi_id}: {series.origin}" + (f", realisation {number}" if series.others else "")
        errors, warnings = faults(series.time, temp, prcp, series.ref_hgt, series.ref_pix_lat)
        if errors:
            raise InvalidParamsError(
                f"{label}: no glacier has such weather: {'; '.join(errors + warnings)}. Correct the values, their "
                "units or ref_hgt; check=False takes the weather as it is."
            )
        if warnings:
            warn_unusual(label, warnings)


def warn_unusual(label: str, found: list[str]) -> None:
    """Log what is unusual about weather."""
    log.warning("%s: unusual weather, check it: %s", label, "; ".join(found))


def faults(
    days: Days, temp: NDArray[Any], prcp: NDArray[Any], height: float, lat: float
) -> tuple[list[str], list[str]]:
    """Return what no glacier has and what is unusual about weather of whole years: degC and kg m-2 day-1, (T,)."""
    climate = _climate(days, temp, prcp, height, lat)
    found = [*_values(days, temp, prcp)]
    if np.ptp(temp) > 0:
        found += [*_temp(climate)]
    if np.ptp(prcp) > 0:
        found += [*_prcp(climate)]
    errors, warnings = ([text for is_error, text in found if is_error is kind] for kind in (True, False))
    return errors, warnings


# Each of these yields what is wrong, and whether that is an error.
_Faults = Iterator[tuple[bool, str]]


def _values(days: Days, temp: NDArray[Any], prcp: NDArray[Any]) -> _Faults:
    for name, values, unit in (("temp", temp, "degC"), ("prcp", prcp, "mm")):
        if np.ptp(values) == 0:
            yield True, f"{name} is {values[0] + 0:g} {unit} on all {values.size} days"
            continue
        for value, count, is_fill in _repeated(values, 1.0 if name == "temp" else 0.3, name == "prcp"):
            what = "a fill value for missing days, so leave those out" if is_fill else "is it a stuck sensor, a limit?"
            yield is_fill, f"{name} is exactly {value:g} {unit} on {count} days: {what}"
    years = calendar_years(days)
    dry = [str(year) for year in np.unique(years) if prcp.any() and not prcp[years == year].any()]
    if dry:
        yield False, f"there is no precipitation at all in {', '.join(dry[:5])}{' and more years' * (len(dry) > 5)}"


def _repeated(values: NDArray[Any], near: float, relative: bool) -> list[tuple[float, int, bool]]:
    """Return values that are found much more often than those near them (by a difference, or a share of the value)."""
    found, counts = np.unique(values, return_counts=True)
    repeated, often = [], counts >= FEWEST_FILLED
    for value, count in zip(found[often].tolist(), counts[often].tolist(), strict=True):
        packed, nines = (bool(np.isclose(abs(value), known, rtol=2e-6, atol=0).any()) for known in (PACKED, NINES))
        # Of precipitation, small amounts are repeated: by rounding, and by models that know of a smallest one.
        if not (packed or nines) and (count < FEWEST_REPEATED or (relative and value < 9)):
            continue
        reach = near * abs(value) if relative else near
        first, end = np.searchsorted(found, [value - reach, value + reach], side="right")
        others = counts[first:end][found[first:end] != np.float32(value)]
        usual = np.median(others) if others.size else 0.0
        if count >= (TIMES_PACKED if packed else TIMES_NINES if nines else TIMES_OTHERS) * usual:
            repeated.append((value, count, packed or nines))
    return repeated


def _temp(climate: _Climate) -> _Faults:
    height, lat, warmest = climate.height, climate.lat, climate.warmest
    summer, winter = climate.months[5:8].mean(), climate.months[[0, 1, 11]].mean()
    if abs(lat) > 35 and (summer - winter) * np.sign(lat) < -UPSIDE_DOWN:
        text = f"June to August has {summer:.1f} degC, December to February {winter:.1f} at {_latitude(lat)}"
        yield True, f"{text}: the weather of the other hemisphere, or temperatures of the wrong sign"
    low, high = climate.bounds(UNUSUAL)
    if not low <= warmest <= high:
        coldest, hottest = climate.bounds(IMPOSSIBLE)
        text = (
            f"the warmest month ({MONTHS[climate.months.argmax()]}) has {warmest:.1f} degC and the year "
            f"{climate.months.mean():.1f} degC at ref_hgt {height:.0f} m; expected {climate.usual():.0f} ({low:.0f} to "
            f"{high:.0f}) degC in the warmest month at this height and {_latitude(lat)}, a difference of "
            f"{warmest - climate.usual():+.0f} K"
        )
        causes = _likely_temp_units(climate) + _likely_heights(climate)
        yield not coldest <= warmest <= hottest, text + _spell_causes(causes)
    elif not climate.least_seasons() <= climate.seasons <= MOST_SEASONS:
        text = (
            f"the warmest and the coldest month differ by {climate.seasons:.1f} K; expected "
            f"{climate.least_seasons():g} to {MOST_SEASONS:g} K at {_latitude(lat)}"
        )
        yield False, text + _spell_causes(_likely_temp_units(climate))


def _likely_temp_units(climate: _Climate) -> list[str]:
    converted = {unit: replace(climate, months=convert(climate.months)) for unit, convert in _TEMP_UNITS.items()}
    return [
        f"the values are in {unit} (the warmest month has {other.warmest:.1f} degC then)"
        for unit, other in converted.items()
        if other.has_usual_temp()
    ]


def _likely_heights(climate: _Climate) -> list[str]:
    fits = climate.height + (climate.usual() - climate.warmest) / LAPSE
    causes = [f"a wrong ref_hgt; about {round(fits, -2) + 0:.0f} m would fit"] if -500 < fits < 9000 else []
    in_feet = replace(climate, height=FEET * climate.height)
    if climate.height >= 1000 and in_feet.has_usual_temp():
        causes.append(f"ref_hgt is in feet; it would be {in_feet.height:.0f} m")
    return causes


def _spell_causes(causes: list[str]) -> str:
    return f". Likely cause: {', or '.join(causes)}" if causes else ""


def _prcp(climate: _Climate) -> _Faults:
    if climate.has_usual_prcp():
        return
    least = NO_PRCP_POLEWARD if abs(climate.lat) > 35 else NO_PRCP
    text = (
        f"precipitation is {climate.prcp:.4g} mm a year, {climate.wettest:.3g} mm on the wettest day; expected "
        f"{climate.driest():g} to {climate.wettest_year():g} mm a year and no more than {WETTEST_DAY:g} mm a day at "
        f"{_latitude(climate.lat)}"
    )
    yield not least <= climate.prcp <= NOWHERE, text + _spell_causes(_likely_prcp_units(climate))


def _likely_prcp_units(climate: _Climate) -> list[str]:
    """Return the units in which a year's precipitation would be usual, the two that bring it closest to 1000 mm."""
    if climate.driest() <= climate.prcp <= climate.wettest_year():
        return []
    scaled = {
        unit: replace(climate, prcp=factor * climate.prcp, wettest=factor * climate.wettest)
        for unit, factor in _PRCP_UNITS.items()
    }
    usual = {unit: other.prcp for unit, other in scaled.items() if other.has_usual_prcp()}
    ranked = sorted(usual, key=lambda unit: abs(np.log(usual[unit] / 1000)))[:2]
    return [f"the values are in {unit} ({usual[unit]:.0f} mm a year then)" for unit in ranked]


def _latitude(lat: float) -> str:
    return f"{abs(lat):.1f} degrees {'north' if lat >= 0 else 'south'}"


def implausible_balances(balances: Mapping[str, ArrayLike]) -> dict[str, str]:
    """Return the glaciers with annual balances that none on Earth has, and these balances in words.

    Glacier-wide balances of -5.6 to +4.7 m w.e. a year have been measured; :data:`BALANCE_LIMITS` leave room for
    models, small tongues and a warmer future.

    Parameters
    ----------
    balances : mapping of str to float array
        annual glacier-wide balances by glacier, m w.e. a year; NaN is no balance

    Examples
    --------
    >>> implausible_balances({"RGI60-11.00897": [-1.2, -63.0, -58.1], "RGI60-11.00787": [0.3, -0.4, float("nan")]})
    {'RGI60-11.00897': '-63.0 to -1.2 m w.e. a year, 2 of 3 years outside -15 to 8'}
    """
    low, high = BALANCE_LIMITS
    found = {}
    for rgi_id, values in balances.items():
        known = np.asarray(values, np.float64)
        known = known[np.isfinite(known)]
        outside = int(((known < low) | (known > high)).sum())
        if outside:
            found[str(rgi_id)] = (
                f"{known.min():.1f} to {known.max():.1f} m w.e. a year, {outside} of {known.size} years outside "
                f"{low:g} to {high:g}"
            )
    return found
