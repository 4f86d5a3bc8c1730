"""Run a model over the years of a data set: maps of every season, and predictions at the observations.

The years of a glacier are run in order, spin-up years first. A :class:`State` is carried from one to the next: the snow
of models A, C and D, the hidden state of model B. Everything is computed on all cells of the rectangle, as published
(:func:`oggm_glaunti.core.glaunti.run_year`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float

from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.core.checks import checked_before, require_finite
from oggm_glaunti.core.glaunti import GlaUnTI, Season, run_seasons, run_year
from oggm_glaunti.core.gru import GRU, run_gru
from oggm_glaunti.core.run import initial_swe
from oggm_glaunti.core.weights import Model
from oggm_glaunti.fit.evaluation.predictions import PREFIX
from oggm_glaunti.fit.names import SEASONS
from oggm_glaunti.fit.training.arrays import padded_season
from oggm_glaunti.fit.training.losses import require_inside

if TYPE_CHECKING:
    from oggm_glaunti.fit.data.year import GlacierData, YearData


class State(NamedTuple):
    """State of a model at the end of a season."""

    values: Float[np.ndarray, "h w ..."]
    """snow (H, W), m w.e.; for model B the hidden state (H, W, 16)"""
    last: np.datetime64 | None = None
    """last day that was run; None at the start"""


class PredictedYear(NamedTuple):
    """A mass-balance year of a model on all cells of the rectangle."""

    year: int
    begin: np.datetime64
    mid: np.datetime64 | None
    end: np.datetime64
    maps: dict[str, Float[np.ndarray, "h w"]]
    """balance by season, m w.e.: annual, and winter and summer if the day between them is known"""
    state: State
    """state at the end"""
    ds: Float[np.ndarray, "5 h w"] | None
    """corrections of models C and D"""
    daily: tuple[Float[np.ndarray, "day h w"], ...] = ()
    """balance of each day of each season times its weight, m w.e.; only on request"""


def start_state(model: Model, shape: tuple[int, int]) -> State:
    """Return the initial state: the depletion centre of snow, or the learned hidden state, everywhere.

    Examples
    --------
    >>> from oggm_glaunti.core import embedded_a
    >>> round(float(start_state(embedded_a(), (2, 3)).values[1, 2]), 4)
    0.0304
    """
    if isinstance(model, GRU):
        return State(np.asarray(model.initial_state(shape)))
    return State(np.asarray(initial_swe(model.ti.resolve(), shape)))


def predict_year(model: Model, state: State, data: YearData, daily: bool = False) -> PredictedYear:
    """Run a mass-balance year.

    Parameters
    ----------
    model : GlaUnTI or GRU
    state : State
        see :func:`start_state`
    data : oggm_glaunti.fit.data.year.YearData
        with facies for model D
    daily : bool
        whether to return the balance of every day

    Returns
    -------
    PredictedYear
        the balance of the year is the sum over its seasons; the day that they share counts half in each

    Raises
    ------
    ValueError
        if inputs hold NaN or do not fit the state
    """
    if state.values.shape[:2] != data.elevation.shape:
        raise ValueError(f"the state is on {state.values.shape[:2]} cells, the year on {data.elevation.shape}")
    # Before compilation: the error then says where.
    for season in data.seasons:
        season.forcing.checked(season.weights)
    require_finite("state", state.values)
    if isinstance(model, GlaUnTI) and model.corrector is not None:
        require_finite("corrector fields", data.fields)
        require_finite("monthly climate", data.climate)
    seasons = tuple(padded_season(season.forcing, season.weights) for season in data.seasons)
    if isinstance(model, GRU):
        values, smb, observed = _run_gru(model, state.values, seasons, np.asarray(state.last == data.begin), daily)
        ds = None
    else:
        values, smb, ds, observed = run_glaunti(model, state.values, seasons, data.fields, data.climate, daily)
    balances = [np.asarray(balance) for balance in smb]
    seasonal = dict(zip(("winter", "summer"), balances, strict=True)) if len(balances) == 2 else {}
    lengths = [season.weights.size for season in data.seasons]
    days = tuple(np.asarray(o)[:n] for o, n in zip(observed, lengths, strict=True)) if daily else ()
    maps = {"annual": np.asarray(balances).sum(axis=0, dtype=np.float32), **seasonal}
    state, ds = State(np.asarray(values), data.end), None if ds is None else np.asarray(ds)
    return PredictedYear(data.year, data.begin, data.mid, data.end, maps, state, ds, days)


@eqx.filter_jit
@checked_before
def run_glaunti(
    model: GlaUnTI, swe: AnyArray, seasons: tuple[Season, ...], fields: AnyArray, climate: AnyArray, daily: bool
):
    """Run the seasons of a year; days are recorded if `daily`."""
    observe = (lambda smb: smb) if daily else None
    if model.corrector is None:
        swe, smb, observed = run_seasons(model.ti.resolve(), swe, seasons, observe)
        return swe, smb, None, observed
    year = run_year(model, swe, seasons, fields, climate, observe=observe)
    return year.swe, year.smb, year.ds, year.observed


@eqx.filter_jit
@checked_before
def _run_gru(model: GRU, hidden: AnyArray, seasons: tuple[Season, ...], first_day_seen: AnyArray, daily: bool):
    balances, observations = [], []
    observe = (lambda smb: smb) if daily else None
    for season in seasons:
        hidden, smb, observed = run_gru(model, hidden, *season, observe, first_day_seen=first_day_seen)
        balances.append(smb)
        observations.append(observed)
        # The last day of winter is the first of summer.
        first_day_seen = jnp.ones_like(first_day_seen)
    return hidden, tuple(balances), tuple(observations)


def predict_glacier(
    model: Model, glacier: GlacierData, daily: bool = False
) -> Iterator[tuple[YearData, PredictedYear]]:
    """Run all years of a glacier in order, after its spin-up; one at a time, to save memory.

    Parameters
    ----------
    model : GlaUnTI or GRU
    glacier : GlacierData
        see :mod:`oggm_glaunti.fit.data`
    daily : bool
        see :func:`predict_year`

    Yields
    ------
    (YearData, PredictedYear)
        of `glacier.years`

    Raises
    ------
    ValueError
        if a year cannot be run; names glacier and year
    """
    years = list(glacier.years)
    if years and years != list(range(years[0], years[-1] + 1)):
        raise ValueError(f"{glacier.name}: years {years} are not consecutive; snow is carried from each to the next")
    state = start_state(model, glacier.shape)
    for year in glacier.spin_up_years:
        state = _load_and_predict(model, state, glacier, year, False)[1].state
    for year in years:
        data, predicted = _load_and_predict(model, state, glacier, year, daily)
        yield data, predicted
        state = predicted.state


def _load_and_predict(
    model: Model, state: State, glacier: GlacierData, year: int, daily: bool
) -> tuple[YearData, PredictedYear]:
    data = glacier.load(year, facies=isinstance(model, GlaUnTI) and model.name == "D")
    try:
        return data, predict_year(model, state, data, daily)
    except ValueError as err:
        raise ValueError(f"{glacier.name}, {year}: {err}") from err


def predict_observations(model: Model, glaciers: Iterable[GlacierData], name: str) -> pd.DataFrame:
    """Predict all observations of a data set.

    Parameters
    ----------
    model : GlaUnTI or GRU
    glaciers : iterable of GlacierData
        the data set
    name : str
        name of the model; predictions are in the column ``pred_<name>``

    Returns
    -------
    DataFrame
        see :mod:`oggm_glaunti.fit.evaluation.predictions`; in the order of the glaciers, points first
    """
    rows = [
        row
        for glacier in glaciers
        for data, predicted in predict_glacier(model, glacier)
        for row in _year_rows(glacier.name, data, predicted)
    ]
    columns = ["glacier", "kind", "season", "year", "true", f"{PREFIX}{name.lower()}"]
    table = pd.DataFrame(rows, columns=columns)
    order = {"glacier": list(dict.fromkeys(table["glacier"])), "kind": ["point", "glacier-wide"], "season": SEASONS}
    keys = pd.DataFrame({key: pd.Categorical(table[key], values, ordered=True) for key, values in order.items()})
    rows_in_order = keys.assign(year=table["year"]).sort_values([*order, "year"], kind="stable").index
    return table.loc[rows_in_order].reset_index(drop=True)


def _year_rows(glacier: str, data: YearData, predicted: PredictedYear) -> Iterator[tuple]:
    for season, targets in data.targets.items():
        if season not in predicted.maps:
            what = f"{season} balances were observed, the year has no mid-season date"
            raise ValueError(f"{glacier}, {data.year}: {what}")
        smb = predicted.maps[season]
        require_inside(targets.rows, targets.cols, smb.shape)
        for observed, value in zip(targets.observed, smb[targets.rows, targets.cols], strict=True):
            yield glacier, "point", season, data.year, float(observed), float(value)
        if np.isfinite(targets.glacier):
            yield glacier, "glacier-wide", season, data.year, float(targets.glacier), glacier_mean(smb, data.outline)


def glacier_mean(field: Float[np.ndarray, "h w"], outline: Float[np.ndarray, "h w"]) -> float:
    """Average a field over the outline (1 on the glacier, 0 elsewhere) in float64; units of the field.

    Examples
    --------
    >>> glacier_mean(np.array([[1.0, 2.0, 9.0]]), np.array([[1, 1, 0]]))
    1.5
    """
    return float(np.average(field, weights=np.asarray(outline, np.float64)))
