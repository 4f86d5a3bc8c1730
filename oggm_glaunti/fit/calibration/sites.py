"""A glacier directory and its observations as arrays for a fit.

The model is run on heights, with the corrections of models C and D as profiles by height: what is fitted is what the
height-year table, and so every run of ice dynamics, will use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oggm_glaunti.coupling.ground.features import read_features
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError, InvalidWorkflowError
from oggm_glaunti.fit.observations import DAYS_A_YEAR, check_observations, on_grid

if TYPE_CHECKING:
    from oggm_glaunti.core.on_heights import Site
    from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance

STEP = 25.0  # m between heights; the mean over a glacier is good to 1e-3 m w.e. a year
SPIN_UP = 5  # years of weather before the first observation, where the record has them


class Surface(NamedTuple):
    """Heights that a glacier consists of, m (P,), and the area each stands for (P,), in any unit."""

    heights: NDArray[np.float64]
    areas: NDArray[np.float64]


class GlacierSite(NamedTuple):
    """One glacier in a fit.

    Attributes
    ----------
    site : Site
        arrays for :func:`~oggm_glaunti.core.on_heights.predictions`, an observation for each row of `used`
    used : DataFrame
        observations that take part
    rejected : DataFrame
        ``row``, ``glacier`` and ``problem`` of those that cannot
    days : datetime64[D] array (T,)
        that are run
    """

    site: Site
    used: pd.DataFrame
    rejected: pd.DataFrame
    days: NDArray[np.datetime64]


def surface_of(gdir: Any) -> Surface:
    """The glacier's cells on the 100 m grid, or its inversion flowlines where there are no ``glaunti_features``.

    Raises
    ------
    InvalidWorkflowError
        if there is neither
    """
    if gdir.has_file("glaunti_features"):
        features = read_features(gdir)
        heights = features.elevation[features.glacier].astype(np.float64)
        return Surface(heights, np.ones(heights.size))
    if gdir.has_file("inversion_flowlines"):
        lines = gdir.read_pickle("inversion_flowlines")
        heights = np.concatenate([line.surface_h for line in lines])
        return Surface(heights, np.concatenate([line.widths * line.dx for line in lines]))
    raise InvalidWorkflowError(
        f"{gdir.rgi_id}: neither glaunti_features nor inversion_flowlines to average the balance over; run the task "
        "glaunti_features first"
    )


def as_table(observations: Any) -> pd.DataFrame:
    """A table of observations, also where the whole result of a reader was given.

    Raises
    ------
    InvalidParamsError
        if it is neither
    """
    table = getattr(observations, "observations", observations)
    if not isinstance(table, pd.DataFrame) or "glacier" not in table:
        raise InvalidParamsError(
            "observations: expected a table with the columns of oggm_glaunti.fit.observations, or what a reader gives; "
            f"found {type(observations).__name__}"
        )
    return table


def observations_of(gdir: Any, observations: pd.DataFrame) -> pd.DataFrame:
    """Rows of a table that are this glacier's, by RGI id or by name.

    Raises
    ------
    InvalidParamsError
        if there are none; it says which glaciers the table has
    """
    names = {gdir.rgi_id, getattr(gdir, "name", "") or gdir.rgi_id}
    own = observations[observations["glacier"].isin(names)]
    if own.empty:
        known = ", ".join(map(str, observations["glacier"].unique()[:10]))
        raise InvalidParamsError(
            f"{gdir.rgi_id}: no observations; column glacier has {known or 'nothing'}, expected one of {sorted(names)}"
        )
    return own


def glacier_site(gdir: Any, mb_model: GlaUnTIMassBalance, observations: pd.DataFrame) -> GlacierSite:
    """Prepare the observations of one glacier for a fit.

    Parameters
    ----------
    gdir : GlacierDirectory
    mb_model : GlaUnTIMassBalance
        gives weather and corrections
    observations : DataFrame
        see :mod:`oggm_glaunti.fit.observations`; other glaciers' rows are left alone

    Raises
    ------
    InvalidParamsError
        if no observation can be used
    """
    from oggm_glaunti.core.on_heights import Site, stretches

    inputs = mb_model.table_inputs
    surface = surface_of(gdir)
    used, rejected = _usable(gdir, observations_of(gdir, observations), inputs.climate.time, surface)
    begin, end = (used[name].to_numpy().astype("M8[D]") for name in ("begin", "end"))
    rows = _days_to_run(inputs.climate.time.astype("M8[D]"), begin, end)
    days = inputs.climate.time[rows].astype("M8[D]")
    heights = heights_around(surface, used["height"].dropna().to_numpy())
    before, after, spans = stretches(days, begin, end)
    site = Site(
        temp=np.stack([weather.temp[rows] for weather in inputs.climate.realisations]),
        prcp=np.stack([weather.prcp[rows] for weather in inputs.climate.realisations]),
        above_ref=(heights - inputs.climate.ref_hgt).astype(np.float32),
        ds=corrections_at(inputs, heights),
        ds_index=corrections_of_days(inputs, days),
        before=before,
        after=after,
        spans=spans,
        areas=np.stack([_shares(row, surface, heights) for row in used.itertuples()]).astype(np.float32),
        observed=used["value"].to_numpy(np.float32),
        sigma=used["sigma"].to_numpy(np.float32),
        years=((end - begin).astype(float) / DAYS_A_YEAR).astype(np.float32),
    )
    return GlacierSite(site, used, rejected, days)


def _usable(gdir: Any, own: pd.DataFrame, time: NDArray[Any], surface: Surface) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Observations that can be compared with a model run, and why the others cannot."""
    good, bad = check_observations(own)
    outside = bad.iloc[:0]
    if gdir.has_file("glaunti_features") and len(good):
        good, outside = on_grid(good, gdir)
    problem = _cannot_be_run(good, time, surface)
    use = problem == ""
    left_out = pd.DataFrame({"row": good.index, "glacier": good["glacier"], "problem": problem})[~use]
    rejected = pd.concat([table for table in (bad, outside, left_out) if len(table)] or [bad], ignore_index=True)
    if not use.any():
        raise InvalidParamsError(
            f"{gdir.rgi_id}: none of {len(own)} observations can be used, first: {rejected['problem'].iloc[0]}"
        )
    return good[use], rejected


def _cannot_be_run(good: pd.DataFrame, time: NDArray[Any], surface: Surface) -> NDArray[np.object_]:
    """What is in the way of each observation, in words; empty where nothing is."""
    problem = np.full(len(good), "", object)
    for i, row in enumerate(good.itertuples()):
        if row.begin < time[0] or row.end > time[-1]:
            problem[i] = (
                f"{row.begin:%Y-%m-%d} to {row.end:%Y-%m-%d} is not within the weather, {time[0]} to {time[-1]}"
            )
        elif row.kind == "point" and not np.isfinite(row.height):
            problem[i] = "a point without a height"
        elif row.kind == "point" and row.height_range > 0 and not _in_band(row, surface).any():
            problem[i] = f"the outline has no cell within {0.5 * row.height_range:g} m of {row.height:g} m"
    return problem


def _in_band(row: Any, surface: Surface) -> NDArray[np.bool_]:
    return np.abs(surface.heights - row.height) <= 0.5 * row.height_range


def _days_to_run(days: NDArray[Any], begin: NDArray[Any], end: NDArray[Any]) -> slice:
    """From some years before the first observation to the end of the last one."""
    year = begin.min().astype("M8[Y]").astype(int) + 1970 - SPIN_UP
    start = max(days[0], np.datetime64(f"{year}-{begin.min().item().month:02d}-01", "D"))
    return slice(int((start - days[0]).astype(int)), int((end.max() - days[0]).astype(int)) + 1)


def heights_around(surface: Surface, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights around the whole glacier and all points (m), on multiples of the step."""
    from oggm_glaunti.core.smooth import even_heights

    every = np.concatenate([surface.heights, points])
    return even_heights(float(every.min()), float(every.max()), STEP)


def corrections_at(inputs: Any, heights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Corrections (K, 5, N) at heights (m); one year of zeros where there are none. `inputs` are a table's."""
    if inputs.corrections is None:
        return np.zeros((1, 5, heights.size), np.float32)
    return inputs.corrections.at(heights)


def corrections_of_days(inputs: Any, days: NDArray[Any]) -> NDArray[np.int32]:
    """Which of the corrections apply on each day, int array (T,); `inputs` are a table's."""
    years, months = (days.astype(f"M8[{unit}]").astype(int) for unit in "YM")
    by_month = inputs.ds_index()
    return by_month[years + 1970 - inputs.climate.ys, months % 12].astype(np.int32)


def _shares(row: Any, surface: Surface, heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of the heights in one observation: linear between the two neighbours of each cell that was observed."""
    if row.kind != "point":
        return spread_over(surface.heights, surface.areas, heights)
    if row.height_range > 0:
        inside = _in_band(row, surface)
        return spread_over(surface.heights[inside], surface.areas[inside], heights)
    return spread_over(np.array([row.height]), np.ones(1), heights)


def spread_over(
    where: NDArray[np.float64], areas: NDArray[np.float64], heights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Areas `areas` (P,) at heights `where` (P,) as shares of even `heights` (N,), linear between two neighbours."""
    position = (where - heights[0]) / (heights[1] - heights[0])
    lower = np.minimum(position.astype(int), heights.size - 2)
    upper_share = position - lower
    sums = np.bincount(lower, areas * (1.0 - upper_share), heights.size)
    sums += np.bincount(lower + 1, areas * upper_share, heights.size)
    return sums / areas.sum()
