"""Residence times fitted to measured discharge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from oggm_glaunti.analysis.runoff.scores import RunoffScores, runoff_scores
from oggm_glaunti.coupling.hydro.file import read_daily_hydro
from oggm_glaunti.coupling.hydro.reservoirs import COMPONENTS, DEFAULT_DAYS, routed, running_share
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError

if TYPE_CHECKING:
    import xarray as xr

KG_A_DAY = 1.0 / 1000.0 / 86400.0
"""m3 s-1 in a kg day-1 of water."""
WARM_UP = 30  # days, not scored: what the reservoirs held before is not known
MOST_DAYS = 100.0  # longest residence time that is tried
LARGEST_MISFIT = 0.25  # relative difference of a gauge's and a delineated area


class Routing(NamedTuple):
    """Fitted residence times and how good they are.

    Attributes
    ----------
    days : dict
        residence time of each component, days
    fitted, held_out : RunoffScores
        on the years fitted to and on all others; None if there are none
    default : RunoffScores
        on the years held out (all, if there are none), with 5 days for all water
    discharge : pandas.Series
        routed, m3 s-1
    """

    days: dict[str, float]
    fitted: RunoffScores
    held_out: RunoffScores | None
    default: RunoffScores
    discharge: pd.Series


def fit_routing(
    gdir: GlacierDirectory,
    discharge: pd.Series,
    years: tuple[int, int] | None = None,
    area: float | None = None,
    unit: str | None = None,
    filesuffix: str = "",
) -> Routing:
    """Fit residence times of rain, snow melt and ice melt to discharge at a gauge.

    They maximise the Nash-Sutcliffe efficiency. The volume of the water is not changed: compare it first.

    Parameters
    ----------
    gdir : GlacierDirectory
        with ``glaunti_hydro_daily.nc`` of the gauge's catchment (``run_with_daily_hydro(units=...)``)
    discharge : pandas.Series
        m3 s-1 by day, see :func:`~oggm_glaunti.analysis.read_discharge`; gaps are left out
    years : (first, last), optional
        to fit to; all others are held out. Default: all
    area : float, optional
        of the gauge's catchment as published, km2: refused if the run's is far from it
    unit : str, optional
        name of the unit that is the gauge's catchment; default: the sum of all
    filesuffix : str
        of the file

    Returns
    -------
    Routing

    Raises
    ------
    InvalidParamsError
        if the areas differ by more than a quarter, or fewer than 365 days have discharge and water
    InvalidWorkflowError
        if there is no file, or its variant cannot tell melt of snow from melt of ice

    Examples
    --------
    >>> found = fit_routing(gdir, read_discharge("2161.csv"), years=(1982, 2000))  # doctest: +SKIP
    """
    water = read_daily_hydro(gdir, filesuffix)
    label = f"{gdir.rgi_id}: fit_routing"
    if "snow_bucket" not in water:
        raise InvalidParamsError(f"{label}: {water.attrs.get('without_snow_and_ice', 'melt is not split')}")
    if area is not None:
        _require_area(label, water, area, unit)
    return fit_reservoirs(label, components_of(water, unit), discharge, years, gdir.hemisphere)


def components_of(water: xr.Dataset, unit: str | None = None) -> pd.DataFrame:
    """Return rain, snow melt and ice melt of a run, m3 s-1 by day; means over realisations."""
    if unit is not None:
        if "unit" not in water.dims or unit not in water["unit"].values:
            raise InvalidParamsError(f"{water.attrs['rgi_id']}: the run has no unit {unit!r}")
        water = water.sel(unit=unit)
    elif "unit" in water.dims:
        water = water.sum("unit", keep_attrs=True)
    if "realisation" in water.dims:
        water = water.mean("realisation", keep_attrs=True)
    # What freezes again is taken from all water on the glacier alike.
    on_glacier = water["liq_prcp_on_glacier"] + water["melt_on_glacier"]
    frozen = water["refreezing_on_glacier"] if "refreezing_on_glacier" in water else 0.0 * on_glacier
    kept = running_share(on_glacier, frozen)
    parts = {
        "rain": kept * water["liq_prcp_on_glacier"] + water["liq_prcp_off_glacier"],
        "snow_melt": kept * water["snow_melt_on_glacier"] + water["melt_off_glacier"],
        "ice_melt": kept * water["ice_melt_on_glacier"],
    }
    return pd.DataFrame({name: part.values * KG_A_DAY for name, part in parts.items()}, water["time"].to_index())


def fit_reservoirs(
    label: str,
    components: pd.DataFrame,
    discharge: pd.Series,
    years: tuple[int, int] | None = None,
    hemisphere: str = "nh",
) -> Routing:
    """Fit residence times to the water of days (columns ``rain``, ``snow_melt``, ``ice_melt``, m3 s-1)."""
    from scipy.optimize import minimize

    days = pd.DatetimeIndex(components.index)
    measured = discharge.reindex(days)
    measured.iloc[:WARM_UP] = np.nan
    inside = np.ones(days.size, bool) if years is None else (days.year >= years[0]) & (days.year <= years[1])
    known = measured.notna().to_numpy()
    if (known & inside).sum() < 365:
        raise InvalidParamsError(
            f"{label}: {int((known & inside).sum())} days have both water and discharge"
            f"{f' in {years[0]} to {years[1]}' if years else ''}; expected a year or more"
        )
    target, water = measured.to_numpy(), {name: components[name].to_numpy() for name in COMPONENTS}
    scored = known & inside

    def misfit(log_days: np.ndarray) -> float:
        times = dict(zip(COMPONENTS, np.exp(log_days).tolist(), strict=True))
        return float(np.mean((routed(water, times)[0][scored] - target[scored]) ** 2))

    bounds = [(np.log(0.05), np.log(MOST_DAYS))] * len(COMPONENTS)
    starts = [np.full(len(COMPONENTS), np.log(begin)) for begin in (2.0, DEFAULT_DAYS)]
    best = min((minimize(misfit, s, method="Nelder-Mead", bounds=bounds) for s in starts), key=lambda found: found.fun)
    found = dict(zip(COMPONENTS, np.exp(best.x).tolist(), strict=True))
    series, plain = _series(water, found, days), _series(water, dict.fromkeys(COMPONENTS, DEFAULT_DAYS), days)
    others = measured[~inside]
    held_out = runoff_scores(series, others, hemisphere) if others.notna().sum() >= 365 else None
    default = runoff_scores(plain, others if held_out is not None else measured, hemisphere)
    return Routing(found, runoff_scores(series, measured[inside], hemisphere), held_out, default, series)


def _series(water: Mapping[str, np.ndarray], times: Mapping[str, float], days: pd.DatetimeIndex) -> pd.Series:
    return pd.Series(routed(water, times)[0], days, name="discharge")


def _require_area(label: str, water: xr.Dataset, area: float, unit: str | None) -> None:
    areas = water["on_area"][0] + water["off_area"][0]
    found = float(areas.sel(unit=unit) if unit is not None else areas.sum()) / 1e6
    if abs(found / area - 1.0) > LARGEST_MISFIT:
        raise InvalidParamsError(
            f"{label}: the gauge's catchment has {area:.1f} km2, the run's {found:.1f} km2; run with the catchment as "
            "units (oggm_glaunti.analysis.catchment_of), or compare with another gauge"
        )
