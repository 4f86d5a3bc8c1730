"""Balance of one glacier, year by year, from its height-year table and its area by height."""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from oggm import GlacierDirectory, entity_task
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import settings
from oggm_glaunti.coupling.model.choice import TABLE_KWARGS, checked_mb_kwargs
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.oggm.balance_year import FIRST_MONTH, WINTER_MONTHS
from oggm_glaunti.coupling.table.table import Table
from oggm_glaunti.region.geometry import Geometry, read_geometry

settings.register()
log = logging.getLogger(__name__)

BALANCE_YEARS = ("mass_balance", "calendar")
GT_PER_M3 = 1e-9  # of water


class GlacierBalance(NamedTuple):
    """Balance of one glacier.

    Attributes
    ----------
    years : int array (K,)
        Calendar years in which the balance years end
    fields : dict of str to arrays (K,)
        Values by variable, see :data:`oggm_glaunti.region.dataset.BALANCE_VARIABLES`
    origin : dict of str to str
        Values of model, corrector and climate_source
    """

    years: np.ndarray
    fields: dict[str, np.ndarray]
    origin: dict[str, str]


@entity_task(log)
def glacier_balance(
    gdir: GlacierDirectory,
    *,
    run_filesuffix: str | None = None,
    years: str = "mass_balance",
    ys: int | None = None,
    ye: int | None = None,
    mb_kwargs: Mapping[str, Any] | None = None,
) -> GlacierBalance:
    """Compute balance, area, equilibrium line, melt and accumulation of one glacier.

    If the table exists (``glaunti_tables``), JAX is not started. The arguments are those of
    :func:`~oggm_glaunti.region.store.compile_glaunti_output`.

    Raises
    ------
    InvalidParamsError
        If an argument is invalid
    InvalidWorkflowError
        If an input is missing, or record and run have no full year in common
    """
    if years not in BALANCE_YEARS:
        raise InvalidParamsError(f"{gdir.rgi_id}: years: expected one of {BALANCE_YEARS}, found {years!r}")
    geometry = read_geometry(gdir, run_filesuffix)
    mb_model = GlaUnTIMassBalance(gdir, **checked_mb_kwargs("compile_glaunti_output", mb_kwargs, TABLE_KWARGS))
    table, continued = mb_model.table().table, mb_model.table().continued
    chosen = _common_years(gdir, table.years, geometry, years, (ys, ye))
    start = FIRST_MONTH[gdir.hemisphere] if years == "mass_balance" else None
    profiles = yearly_profiles(continued, chosen, start, mb_model.bias)
    profiles = profiles._replace(own=np.isin(continued.heights, table.heights))
    rows = [balance_of(profiles, i, *geometry.of_year(year)) for i, year in enumerate(chosen)]
    fields = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    origin = {name: str(getattr(mb_model, name)) for name in ("corrector", "climate_source")}
    return GlacierBalance(chosen, fields, {"model": mb_model.model_name, **origin})


def _common_years(
    gdir: GlacierDirectory, record: np.ndarray, geometry: Geometry, years: str, asked: tuple[int | None, int | None]
) -> np.ndarray:
    """Return the full years of the record with a known geometry, within the requested ones."""
    full = record[1:] if years == "mass_balance" else record
    known = full if geometry.years is None else np.intersect1d(full, geometry.years)
    ys, ye = asked
    chosen = known[(known >= (ys if ys is not None else -np.inf)) & (known <= (ye if ye is not None else np.inf))]
    if chosen.size == 0:
        run = "" if geometry.years is None else f", the run's years are {geometry.years[0]} to {geometry.years[-1]}"
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: no full {years.replace('_', '-')} year with ys={ys}, ye={ye}: the daily record holds "
            f"{record[0]} to {record[-1]}{run}"
        )
    return chosen.astype(int)


class Profiles(NamedTuple):
    """Annual sums by height, m w.e.

    Attributes
    ----------
    heights : array (N,)
        Heights, m
    smb, accumulation : arrays (K, N)
        Balance and solid precipitation of each year
    winter : array (K, N) or None
        Balance of the winter months; None for calendar years
    own : bool array (N,) or slice
        Which heights are not beyond the table's ends: among them is the equilibrium line
    """

    heights: np.ndarray
    smb: np.ndarray
    accumulation: np.ndarray
    winter: np.ndarray | None
    own: np.ndarray | slice = slice(None)


def yearly_profiles(table: Table, years: np.ndarray, start_month: int | None, bias: float = 0) -> Profiles:
    """Sum the table's months over balance years.

    Parameters
    ----------
    table : oggm_glaunti.coupling.table.table.Table
    years : int array (K,)
        Calendar years in which the balance years end
    start_month : int or None
        First month of a balance year, in the calendar year before; None for calendar years
    bias : float
        Bias, mm w.e. yr-1, subtracted from the balance, a twelfth each month, as in OGGM

    Returns
    -------
    Profiles
    """
    first = (np.asarray(years) - table.years[0]) * 12 + (0 if start_month is None else start_month - 13)
    smb, solid = (values.reshape(-1, table.heights.size) for values in (table.smb, table.solid_prcp))
    months = first[:, None] + np.arange(12)
    winter = None
    if start_month is not None:
        winter = smb[months[:, :WINTER_MONTHS]].sum(axis=1) - bias / 1000 * WINTER_MONTHS / 12
    return Profiles(table.heights, smb[months].sum(axis=1) - bias / 1000, solid[months].sum(axis=1), winter)


def balance_of(
    profiles: Profiles, index: int, heights: np.ndarray, areas: np.ndarray, volume: float = np.nan
) -> dict[str, float]:
    """Compute the balance of one year for an area by height.

    Parameters
    ----------
    profiles : Profiles
    index : int
        Index of the year
    heights, areas : arrays (P,)
        Heights (m) and areas (m2) of the glacier
    volume : float
        Ice volume, m3

    Returns
    -------
    dict
        Every variable of :data:`oggm_glaunti.region.dataset.BALANCE_VARIABLES`, in its unit. Means and accumulation
        area ratio of a glacier that has vanished are NaN, its sums zero
    """
    total = float(areas.sum())
    smb, accumulation, winter = (
        np.interp(heights, profiles.heights, values[index]) if values is not None else np.full(heights.size, np.nan)
        for values in (profiles.smb, profiles.accumulation, profiles.winter)
    )
    sums = {
        "specific_mb": areas @ smb,
        "winter_mb": areas @ winter,
        "summer_mb": areas @ (smb - winter),
        "accumulation": areas @ accumulation,
        "melt": areas @ (accumulation - smb),
    }
    gaining, own = float(areas[smb > 0].sum()), profiles.own
    return {
        **{name: value / total if total else np.nan for name, value in sums.items()},
        "mb_total": sums["specific_mb"] * GT_PER_M3,
        "accumulation_total": sums["accumulation"] * GT_PER_M3,
        "melt_total": sums["melt"] * GT_PER_M3,
        "area": total * 1e-6,
        "volume": volume * 1e-9,
        "ela": equilibrium_line(profiles.heights[own], profiles.smb[index][own], heights, areas, gaining),
        "aar": gaining / total if total else np.nan,
    }


def equilibrium_line(
    table_heights: np.ndarray, smb: np.ndarray, heights: np.ndarray, areas: np.ndarray, gaining: float
) -> float:
    """Return the height at which loss turns into gain, m.

    If the balance does so at several heights (corrections need not increase with height), it is the one above which the
    area is closest to the accumulation area.

    Parameters
    ----------
    table_heights, smb : arrays (N,)
        Heights of the table (m) and balance of the year (m w.e.)
    heights, areas : arrays (P,)
        Heights (m) and areas (m2) of the glacier
    gaining : float
        Accumulation area, m2

    Returns
    -------
    float
        Equilibrium line altitude; NaN if there is none within the table, which extends from 1000 m below to 500 m above
        the glacier

    Examples
    --------
    >>> equilibrium_line(np.array([2000.0, 3000.0]), np.array([-3.0, 1.0]), np.array([2500.0]), np.array([1e6]), 0.0)
    2750.0
    """
    turns = np.flatnonzero((smb[:-1] < 0) & (smb[1:] >= 0))
    if turns.size == 0:
        return float("nan")
    step = table_heights[turns + 1] - table_heights[turns]
    lines = table_heights[turns] - smb[turns] * step / (smb[turns + 1] - smb[turns])
    above = np.array([areas[heights > line].sum() for line in lines])
    return float(lines[np.argmin(np.abs(above - gaining))])
