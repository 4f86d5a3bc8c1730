"""The precipitation that discharge at a gauge asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from oggm_glaunti.analysis.runoff.routing import KG_A_DAY
from oggm_glaunti.core.parameters import physical_numbers
from oggm_glaunti.coupling.hydro.fixed import water_of_outline
from oggm_glaunti.coupling.hydro.units import Units, read_units
from oggm_glaunti.coupling.model.choice import MB_KWARGS, checked_mb_kwargs
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError

RANGE = (0.1, 5.0)  # of prcp_fac
TOLERANCE = 1e-4  # relative, of the volume


class Volume(NamedTuple):
    """Precipitation fitted to the volume of discharge.

    Attributes
    ----------
    prcp_fac : float
        factor on precipitation that gives the measured volume
    prec_scale : float
        the model's own factor times `prcp_fac`: all that precipitation is multiplied with
    before : float
        volume with the model's own precipitation over that measured, minus 1
    components : pandas.DataFrame
        ``rain``, ``snow_melt``, ``ice_melt`` by day with the fitted factor, m3 s-1, not routed
    """

    prcp_fac: float
    prec_scale: float
    before: float
    components: pd.DataFrame


def fit_volume(
    gdir: GlacierDirectory,
    discharge: pd.Series,
    units: Any,
    years: tuple[int, int] | None = None,
    mb_kwargs: Mapping[str, Any] | None = None,
) -> Volume:
    """Fit the factor on precipitation to the volume of discharge, with the glacier of the outline.

    What the factor makes up for is more than precipitation: errors of the gauge's area, of the glacier area, ice of
    other glaciers in the catchment, and evaporation, which the model has not. It is no calibration of the glacier, and
    is not written to the directory: winter balances commonly ask for more snow than discharge does (see the page on
    runoff).

    Parameters
    ----------
    gdir : GlacierDirectory
        with daily climate and ``gridded_data.nc``
    discharge : pandas.Series
        m3 s-1 by day; only days with a value count
    units : path, GeoDataFrame or array
        the gauge's catchment, as of ``run_with_daily_hydro``
    years : (first, last), optional
        to fit to; default: all
    mb_kwargs : mapping, optional
        arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`; its variant must be ``mass_conserving``

    Raises
    ------
    InvalidParamsError
        if fewer than 365 days have discharge, or no factor between 0.1 and 5 gives the volume

    Examples
    --------
    >>> found = fit_volume(gdir, measured, massa.mask, years=(1982, 2000))  # doctest: +SKIP
    """
    from scipy.optimize import brentq

    chosen = checked_mb_kwargs(f"{gdir.rgi_id}: fit_volume", mb_kwargs, (*MB_KWARGS, "debris"))
    mb_model = GlaUnTIMassBalance(gdir, **chosen)
    on_units = read_units(gdir, units)
    measured = discharge.dropna()
    of_years = pd.DatetimeIndex(measured.index).year
    first, last = years or (mb_model.ys, mb_model.ye)
    measured = measured[(of_years >= max(first, mb_model.ys)) & (of_years <= min(last, mb_model.ye))]
    if len(measured) < 365:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: fit_volume: {len(measured)} days with discharge in {first} to {last} and in the daily "
            f"climate ({mb_model.ys} to {mb_model.ye}), expected a year or more"
        )
    own, target = np.asarray(mb_model.prcp_fac, np.float64), float(measured.mean())
    until_last = GlaUnTIMassBalance(gdir, **chosen, ye=pd.DatetimeIndex(measured.index).year[-1])

    def excess(log_factor: float) -> float:
        water = _water(until_last, on_units, float(np.exp(log_factor)) * own).loc[measured.index]
        return float(water.sum(axis=1).mean()) / target - 1.0

    low, high = np.log(RANGE[0]), np.log(RANGE[1])
    ends = excess(low), excess(high)
    if ends[0] > 0 or ends[1] < 0:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: fit_volume: with {RANGE[0]:g} to {RANGE[1]:g} times its precipitation the model gives "
            f"{1 + ends[0]:.2f} to {1 + ends[1]:.2f} times the measured volume; check the catchment, the unit of "
            "discharge and the melt factors"
        )
    factor = float(np.exp(brentq(excess, low, high, xtol=TOLERANCE)))
    scale = physical_numbers(mb_model.ti)["prec_scale"]
    return Volume(factor, float(np.mean(own)) * factor * scale, excess(0.0), _water(mb_model, on_units, factor * own))


def _water(mb_model: GlaUnTIMassBalance, units: Units, prcp_fac: np.ndarray) -> pd.DataFrame:
    """Water of all units and days with a factor on precipitation, m3 s-1."""
    mb_model.prcp_fac = prcp_fac if prcp_fac.ndim else float(prcp_fac)
    water = water_of_outline(mb_model, units)
    parts = {name: getattr(water, name).sum(axis=1) * KG_A_DAY for name in ("rain", "snow_melt", "ice_melt")}
    return pd.DataFrame(parts, pd.DatetimeIndex(water.days))
