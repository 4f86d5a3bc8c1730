"""Task that sets the flux of ice against GlaUnTI's balance, by elevation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from oggm_glaunti import settings
from oggm_glaunti.companions.iceflow import flux
from oggm_glaunti.companions.iceflow.gridded import maps_of, read_maps, velocity_maps
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, entity_task

settings.register()

log = logging.getLogger(__name__)

# Maps of thickness and of dh/dt, and the years of the latter.
THICKNESS, DHDT, YEARS = "consensus_ice_thickness", "hugonnet_dhdt", (2000, 2019)
# m. Width of elevation bands.
BAND = 500.0
# Density of ice and of water, kg m-3.
ICE, WATER = 900.0, 1000.0


@entity_task(log)
def apparent_balance(
    gdir: GlacierDirectory,
    *,
    velocity: str = "iceflow",
    thickness: str = THICKNESS,
    dhdt: str = DHDT,
    gamma: tuple[float, float] = (0.8, 1.0),
    bands: Sequence[float] | None = None,
    errors: flux.Errors | None = None,
    length: float = flux.CORRELATION_LENGTH,
    glaunti: bool = True,
    years: tuple[int, int] = YEARS,
    mb_kwargs: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """Compute the balance that the motion of the ice asks for, by elevation band, next to GlaUnTI's.

    The apparent balance is the change of the surface plus the divergence of the ice flux. It uses no weather, so what
    it and GlaUnTI differ by is an error of either, or of the thickness, which decides more than the velocity does.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
    velocity : {'iceflow', 'itslive', 'millan'}
        Velocity map of the directory
    thickness, dhdt : str
        Maps of thickness, m, and of the change of the surface, m yr-1
    gamma : (float, float)
        Range of the ratio of column to surface velocity
    bands : sequence of float, optional
        Heights between bands, m; by default multiples of 500 m
    errors : flux.Errors, optional
        Standard errors of velocity, thickness and dh/dt; by default 5 m yr-1, 25 % and 0.3 m yr-1
    length : float
        m over which they are alike
    glaunti : bool
        Whether to add GlaUnTI's balance
    years : (int, int)
        Calendar years of dh/dt, first and last included, over which GlaUnTI's balance is averaged
    mb_kwargs : dict, optional
        Arguments of ``GlaUnTIMassBalance``

    Returns
    -------
    DataFrame
        A row for each band: ``low``, ``high`` (m), ``area`` (km2); ``dhdt``, ``divergence``, ``balance``, ``error``,
        ``gamma_low``, ``gamma_high`` (m ice yr-1), ``balance_we`` (m w.e. yr-1); for a gate across the glacier at
        ``low``, ``flux`` and ``flux_error`` through it (km3 ice yr-1), ``balance_above`` and ``balance_above_error``
        (m ice yr-1); with `glaunti` ``glaunti``, ``glaunti_above`` (m ice yr-1) and ``glaunti_we`` (m w.e. yr-1).
        ``attrs['left_over']``: mean divergence over the glacier, which should
        vanish, m yr-1

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        If a map or what GlaUnTI needs is missing
    oggm.exceptions.InvalidParamsError
        If a map is empty on half of the glacier or more
    """
    maps = maps_of(gdir)
    vx, vy, _ = velocity_maps(gdir, velocity)
    fields = read_maps(gdir, thickness, dhdt)
    # Where a map of velocity has no value within the glacier, the ice is taken to stand still there.
    ice = flux.Ice(vx, vy, fields[thickness], fields[dhdt], maps.topo, maps.glacier, maps.dx)
    edges = np.arange(0.0, 9001.0, BAND) if bands is None else np.asarray(bands, float)
    try:
        found = flux.by_band(ice, edges, gamma, errors or flux.Errors(), length)
        gates = flux.through_gates(ice, found.low, gamma, errors or flux.Errors(), length)
    except ValueError as err:
        raise InvalidParamsError(f"{gdir.rgi_id}: apparent balance from {velocity} and {thickness}: {err}") from err
    names = ("low", "high", "area", "dhdt", "divergence", "balance", "error")
    table = pd.DataFrame({name: getattr(found, name) for name in names})
    table["gamma_low"], table["gamma_high"] = found.gamma_range
    table["balance_we"] = table["balance"] * ICE / WATER
    table["flux"], table["flux_error"] = gates.flux, gates.flux_error
    table["balance_above"], table["balance_above_error"] = gates.balance, gates.balance_error
    if glaunti:
        table["glaunti"], table["glaunti_above"] = _glaunti(gdir, maps, table, years, mb_kwargs or {})
        table["glaunti_we"] = table["glaunti"] * ICE / WATER
    table.attrs = {
        "left_over": flux.left_over(ice, sum(gamma) / 2),
        "velocity": velocity,
        "thickness": thickness,
        "dhdt": dhdt,
        "gamma": gamma,
        "years": years,
    }
    return table


def _glaunti(gdir: GlacierDirectory, maps: Any, table: pd.DataFrame, years: tuple[int, int], mb_kwargs: dict[str, Any]):
    """Return GlaUnTI's mean balance of bands and of all above them, m ice yr-1: at the heights of the cells."""
    model = GlaUnTIMassBalance(gdir, **mb_kwargs)
    heights = maps.topo[maps.glacier]
    total = np.zeros(heights.size)
    span = range(max(years[0], int(model.ys)), min(years[1], int(model.ye)) + 1)
    if not span:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: the weather covers {model.ys} to {model.ye}, none of the years {years[0]} to {years[1]}"
        )
    for year in span:
        total += np.asarray(model.get_annual_mb(heights, year=year)) * model.sec_in_year(year)
    mean = total / len(span)
    of_bands = [mean[(heights >= a) & (heights < b)].mean() for a, b in zip(table["low"], table["high"], strict=True)]
    return of_bands, [mean[heights >= a].mean() for a in table["low"]]


def band_targets(table: pd.DataFrame, rgi_id: str) -> pd.DataFrame:
    """Return apparent balances as observations of elevation bands, for ``fit_glaunti``.

    They are no measurements: thickness rules them. Nothing uses them unless they are passed on.

    Parameters
    ----------
    table : DataFrame
        Of :func:`apparent_balance`
    rgi_id : str

    Returns
    -------
    DataFrame
        Columns of docs/observations.md: a row a band, m w.e. over all years of dh/dt, with the standard error

    Examples
    --------
    >>> found = pd.DataFrame({"low": [2000.0], "high": [2500.0], "balance_we": [-3.0], "error": [1.0]})
    >>> found.attrs["years"] = (2000, 2019)
    >>> band_targets(found, "RGI60-11.01450")[["height", "height_range", "value", "sigma"]].values.tolist()
    [[2250.0, 500.0, -60.0, 18.0]]
    """
    from oggm_glaunti.fit.observations import as_observations

    first, last = table.attrs["years"]
    count = last - first + 1
    return as_observations(
        {
            "glacier": [rgi_id] * len(table),
            "kind": "point",
            "begin": f"{first}-01-01",
            "end": f"{last}-12-31",
            "height": (table["low"] + table["high"]) / 2,
            "height_range": table["high"] - table["low"],
            "value": table["balance_we"] * count,
            "sigma": table["error"] * ICE / WATER * count,
            "source": "ice flux",
        }
    )
