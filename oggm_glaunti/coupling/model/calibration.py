"""The reference balance of a glacier, and tunable parameters turned until it is met."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from oggm import cfg
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError, MassBalanceCalibrationError
from scipy.optimize import brentq

from oggm_glaunti import settings
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.model.reference_period import Reference, ReferencePeriod, require_kg
from oggm_glaunti.coupling.oggm.geodetic import geodetic_table
from oggm_glaunti.coupling.table.inputs import TUNABLE

if TYPE_CHECKING:
    from oggm import GlacierDirectory

settings.register()
log = logging.getLogger(__name__)

LARGEST_RESIDUAL = 1.0  # mm w.e. yr-1
# OGGM's informed three steps let precipitation go this far from its first guess before the next one is turned.
INFORMED_PRCP_WINDOW = (0.8, 1.2)


def search_bounds(
    order: Sequence[str], given: Mapping[str, tuple[float, float]] | None, rgi_id: str
) -> dict[str, tuple[float, float]]:
    """Return the bounds of all tunable parameters: OGGM's, those of its informed three steps, or the given ones.

    Raises
    ------
    InvalidParamsError
        for unknown names
    """
    if isinstance(order, str) or not order or set(order) - set(TUNABLE) or len(set(order)) != len(order):
        raise InvalidParamsError(f"{rgi_id}: order: expected some of {TUNABLE}, each once, found {order!r}")
    unknown = set(given or {}) - set(TUNABLE)
    if unknown:
        raise InvalidParamsError(f"{rgi_id}: bounds: expected some of {TUNABLE}, found {sorted(unknown)}")
    bounds = {tunable: (cfg.PARAMS[f"{tunable}_min"], cfg.PARAMS[f"{tunable}_max"]) for tunable in TUNABLE}
    if order[0] == "prcp_fac" and len(order) > 1:
        bounds["prcp_fac"] = tuple(np.clip(INFORMED_PRCP_WINDOW, *bounds["prcp_fac"]).tolist())
    return {**bounds, **(given or {})}


def turn(
    mb_model: GlaUnTIMassBalance, misfit: Any, order: Sequence[str], bounds: Mapping[str, tuple[float, float]]
) -> tuple[float, list[str]]:
    """Turn the tunable parameters in order until the misfit vanishes; return the rest (kg m-2 yr-1) and those used.

    Raises
    ------
    MassBalanceCalibrationError
        if it does not vanish within the bounds; says how close it came
    """
    rgi_id = mb_model.gdir.rgi_id

    def with_tunable(value: float, tunable: str) -> float:
        setattr(mb_model, tunable, value)
        return misfit()

    tried = []
    for tunable in order:
        low, high = bounds[tunable]
        ends = with_tunable(low, tunable), with_tunable(high, tunable)
        if ends[0] * ends[1] <= 0:
            best = brentq(with_tunable, low, high, args=(tunable,), xtol=1e-7)
            residual = with_tunable(best, tunable)
            if abs(residual) > LARGEST_RESIDUAL:
                raise MassBalanceCalibrationError(
                    f"{rgi_id}: {tunable}={best:.4f} leaves {residual:.1f} kg m-2 yr-1, more than {LARGEST_RESIDUAL}"
                )
            return residual, list(order[: order.index(tunable) + 1])
        nearest = int(abs(ends[1]) < abs(ends[0]))
        with_tunable((low, high)[nearest], tunable)
        tried.append(f"{tunable} {low:g} to {high:g} misses it by {ends[0]:.0f} to {ends[1]:.0f}")
    raise MassBalanceCalibrationError(
        f"{rgi_id}: the reference balance is out of reach: {'; '.join(tried)} kg m-2 yr-1 (model minus reference). "
        "Check the climate and the reference, add tunable parameters to order, or widen bounds."
    )


# --- references ---


def find_reference(
    mb_model: GlaUnTIMassBalance, mb: float | None, err: float | None, period: str | None, source: str
) -> Reference:
    """Find what a glacier is calibrated to; arguments as in :func:`~oggm_glaunti.tasks.calibrate_glaunti`.

    Raises
    ------
    InvalidParamsError, InvalidWorkflowError
        if there is none, or it needs years without weather
    """
    gdir = mb_model.gdir
    if mb is None and source == "wgms":
        return _wgms_reference(gdir, mb_model, period)
    if source not in ("geodetic", "wgms"):
        raise InvalidParamsError(f"{gdir.rgi_id}: ref_source: expected 'geodetic' or 'wgms', found {source!r}")
    period = period or cfg.PARAMS["geodetic_mb_period"]
    days = ReferencePeriod.of(period, gdir.rgi_id)
    years = days.calendar_years
    if years[0] < mb_model.ys or years[-1] > mb_model.ye:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: the reference needs the years {years[0]} to {years[-1]}, the daily climate holds "
            f"{mb_model.ys} to {mb_model.ye}: process a longer record or give another ref_period"
        )
    where = period, years, "given" if mb is not None else "OGGM's geodetic table"
    if mb is None:
        mb, err = _geodetic_reference(gdir, period)
    some_days = None if days.whole_years == years else days
    return Reference(float(mb), None if err is None else float(err), *where, some_days)


def _geodetic_reference(gdir: GlacierDirectory, period: str) -> tuple[float, float]:
    """Look up balance and error in OGGM's geodetic table, kg m-2 yr-1."""
    remedy = "Give ref_mb, ref_mb_err and ref_period yourself."
    try:
        table = geodetic_table()
    except InvalidWorkflowError as err:
        raise InvalidWorkflowError(f"{gdir.rgi_id}: {err}") from err
    if gdir.rgi_id not in table.index:
        raise InvalidWorkflowError(f"{gdir.rgi_id}: not in OGGM's geodetic table. {remedy}")
    rows = table.loc[[gdir.rgi_id]]
    row = rows.loc[rows["period"] == period]
    if row.empty:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: OGGM's geodetic table has no period {period}, only {sorted(rows['period'])}. {remedy}"
        )
    return 1000.0 * float(row["dmdtda"].iloc[0]), 1000.0 * float(row["err_dmdtda"].iloc[0])


def _wgms_reference(gdir: GlacierDirectory, mb_model: GlaUnTIMassBalance, period: str | None) -> Reference:
    """Average the annual balances of the WGMS over the years that record and observations share."""
    remedy = "Give ref_mb and ref_period yourself, or ref_source='geodetic'."
    first, last = mb_model.ys, mb_model.ye
    if period is not None:
        years = ReferencePeriod.of(period, gdir.rgi_id).whole_years or [last + 1]
        first, last = max(first, years[0]), min(last, years[-1])
    try:
        observed = gdir.get_ref_mb_data(y0=first, y1=last)["ANNUAL_BALANCE"]
    except Exception as err:
        # OGGM raises whatever its lookup stumbles over (often without a message) where the WGMS has no such glacier.
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: no WGMS balances found ({type(err).__name__}: {err}). {remedy}"
        ) from err
    observed = observed[(observed.index >= first) & (observed.index <= last)]
    if observed.empty:
        raise InvalidWorkflowError(f"{gdir.rgi_id}: no WGMS balances between {first} and {last}. {remedy}")
    require_kg(float(observed.abs().max()), None, f"{gdir.rgi_id}, the largest balance of the WGMS")
    years = observed.index.to_numpy(int).tolist()
    period = f"{len(years)} years {years[0]} to {years[-1]}"
    return Reference(float(observed.mean()), None, period, years, "WGMS")
