"""A glacier directory and its observations as arrays for a fit.

The model is run on heights, with the corrections of models C and D as profiles by height: the fit sees the same model
as the height-year table, and so as every run of ice dynamics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oggm_glaunti.core.parameters import physical_numbers
from oggm_glaunti.core.units import N_CORRECTIONS
from oggm_glaunti.coupling.ground.features import read_features
from oggm_glaunti.coupling.model.days import no_split_reason
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, InvalidWorkflowError
from oggm_glaunti.fit.calibration.errors import Effects, effects
from oggm_glaunti.fit.calibration.gauge import (
    Gauge,
    Ground,
    ground_of,
    level_errors,
    outside_run,
    shares_of_row,
    term_weights,
)
from oggm_glaunti.fit.names import DISCHARGE
from oggm_glaunti.fit.observations import DAYS_A_YEAR, check_observations, on_grid

if TYPE_CHECKING:
    from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
    from oggm_glaunti.coupling.table.table import TableInputs
    from oggm_glaunti.fit.calibration.predictions import Site

HEIGHT_STEP = 25.0  # m; the mean over a glacier is then accurate to 1e-3 m w.e. a year
SPIN_UP_YEARS = 5  # run before the first observation, as far as the weather reaches
NOT_ASKED_FOR = "discharge counts only where it is asked for: give its catchment, gauge=Gauge(units)"


class Surface(NamedTuple):
    """Heights of the parts of a glacier, m (P,), and their areas (P,), in any unit."""

    heights: NDArray[np.float64]
    areas: NDArray[np.float64]


class GlacierSite(NamedTuple):
    """One glacier in a fit.

    Attributes
    ----------
    site : Site
        arrays for :func:`~oggm_glaunti.fit.calibration.predictions.predictions`, an observation for each row of `used`
    used : DataFrame
        observations used in the fit
    rows : Effects
        the errors that these share
    rejected : DataFrame
        ``row``, ``glacier`` and ``problem`` of observations that cannot be used
    days : datetime64[D] array (T,)
        days to be run
    """

    site: Site
    used: pd.DataFrame
    rows: Effects
    rejected: pd.DataFrame
    days: NDArray[np.datetime64]


def surface_of(gdir: GlacierDirectory) -> Surface:
    """Return the glacier's cells on the 100 m grid, or its inversion flowlines if it has no ``glaunti_features``.

    Raises
    ------
    InvalidWorkflowError
        if the directory has neither
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
    """Return the table of observations, given itself or as the result of a reader.

    Raises
    ------
    InvalidParamsError
        if it is neither of them
    """
    table = getattr(observations, "observations", observations)
    if not isinstance(table, pd.DataFrame) or "glacier" not in table:
        raise InvalidParamsError(
            "observations: expected a table with the columns of fit.observations, or the result of a reader; "
            f"found {type(observations).__name__}"
        )
    return table


def glacier_site(
    gdir: GlacierDirectory, mb_model: GlaUnTIMassBalance, observations: pd.DataFrame, gauge: Gauge | None = None
) -> GlacierSite:
    """Prepare the observations of one glacier for a fit.

    Parameters
    ----------
    gdir : GlacierDirectory
    mb_model : GlaUnTIMassBalance
        provides weather and corrections
    observations : DataFrame
        see :mod:`oggm_glaunti.fit.observations`; rows of other glaciers are ignored
    gauge : Gauge, optional
        where rows of discharge were measured; without they are left out

    Raises
    ------
    InvalidParamsError
        if no observation can be used, or discharge is asked for and the model or the table has none
    """
    from oggm_glaunti.fit.calibration.predictions import Site, stretches

    inputs = mb_model.table_inputs
    surface = surface_of(gdir)
    names = {gdir.rgi_id, getattr(gdir, "name", "") or gdir.rgi_id}
    own = observations[observations["glacier"].isin(names)]
    if own.empty:
        known = ", ".join(map(str, observations["glacier"].unique()[:10])) or "nothing"
        words = f"no observations; column glacier has {known}, expected one of {sorted(names)}"
        raise InvalidParamsError(f"{gdir.rgi_id}: {words}")
    ground = None if gauge is None else _ground(gdir, mb_model, own, gauge)
    used, rejected = _comparable(gdir, own, inputs.climate.time, surface, ground)
    begin, end = (used[name].to_numpy().astype("M8[D]") for name in ("begin", "end"))
    # From some years before the first observation to the end of the last one.
    year = begin.min().astype("M8[Y]").astype(int) + 1970 - SPIN_UP_YEARS
    days = inputs.climate.time.astype("M8[D]")
    start = max(days[0], np.datetime64(f"{year}-{begin.min().item().month:02d}-01", "D"))
    rows = slice(int((start - days[0]).astype(int)), int((end.max() - days[0]).astype(int)) + 1)
    days = days[rows]
    points = used["height"].dropna().to_numpy()
    heights = heights_around(surface, points if ground is None else np.append(points, ground.heights))
    before, after, spans = stretches(days, begin, end)
    site = Site(
        **on_heights(inputs, rows, heights),
        before=before,
        after=after,
        spans=spans,
        areas=np.stack([_weights(row, surface, heights, ground) for row in used.itertuples()]).astype(np.float32),
        years=((end - begin).astype(float) / DAYS_A_YEAR).astype(np.float32),
        observed=used["value"].to_numpy(np.float32),
        water=ground is not None,
    )
    level = None if gauge is None else _levels(gauge, used, site, mb_model)
    return GlacierSite(site, used, effects(used, gdir.hemisphere == "sh", level), rejected, days)


def _ground(gdir: GlacierDirectory, mb_model: GlaUnTIMassBalance, own: pd.DataFrame, gauge: Gauge) -> Ground:
    """Read the gauge's ground; InvalidParamsError if the model has no discharge, or the table none."""
    if (reason := no_split_reason(mb_model)) is not None:
        raise InvalidParamsError(f"{reason}. So there is no discharge to compare with: leave out gauge=")
    if not (own["kind"] == DISCHARGE).any():
        raise InvalidParamsError(
            f"{gdir.rgi_id}: gauge= is given, but no observation is of kind {DISCHARGE!r}; make them with "
            "oggm_glaunti.fit.readers.from_discharge"
        )
    return ground_of(gdir, gauge)


def _levels(gauge: Gauge, used: pd.DataFrame, site: Site, mb_model: GlaUnTIMassBalance) -> NDArray[np.float64]:
    """Return the shared errors (O,) of the rows of discharge, m w.e.; 0 for balances."""
    n = site.above_ref.size
    off = -np.asarray(site.areas, np.float64)[:, 2 * n :].sum(axis=1)
    prcp = np.asarray(site.prcp, np.float64).mean(axis=0)
    scale = physical_numbers(mb_model.ti)["prec_scale"] * float(np.mean(mb_model.prcp_fac))
    of_stretches = np.bincount(site.before, 0.5 * prcp, site.spans.shape[1])
    of_stretches += np.bincount(site.after, 0.5 * prcp, site.spans.shape[1])
    fallen = scale * np.asarray(site.spans, np.float64) @ of_stretches
    found = level_errors(gauge, used["value"].to_numpy(float), off * fallen, off, np.asarray(site.years, np.float64))
    # A row of discharge is told by its error, which must not vanish.
    return np.where(used["kind"] == DISCHARGE, np.maximum(found, 1e-6), 0.0)


def _comparable(
    gdir: GlacierDirectory, own: pd.DataFrame, time: NDArray[Any], surface: Surface, ground: Ground | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Select the observations that can be compared with a model run, and list the others with the reason."""
    good, bad = check_observations(own)
    outside = bad.iloc[:0]
    if gdir.has_file("glaunti_features") and len(good):
        good, outside = on_grid(good, gdir)
    problem = _obstacles(good, time, surface, ground)
    use = problem == ""
    left_out = pd.DataFrame({"row": good.index, "glacier": good["glacier"], "problem": problem})[~use]
    rejected = pd.concat([table for table in (bad, outside, left_out) if len(table)] or [bad], ignore_index=True)
    if not use.any():
        first = rejected["problem"].iloc[0]
        raise InvalidParamsError(f"{gdir.rgi_id}: none of {len(own)} observations can be used, first: {first}")
    return good[use], rejected


def _obstacles(good: pd.DataFrame, time: NDArray[Any], surface: Surface, ground: Ground | None) -> NDArray[np.object_]:
    """Describe why each observation cannot be compared with a model run; empty if it can."""
    problem = np.full(len(good), "", object)
    for i, row in enumerate(good.itertuples()):
        if row.begin < time[0] or row.end > time[-1]:
            period = f"{row.begin:%Y-%m-%d} to {row.end:%Y-%m-%d}"
            problem[i] = f"{period} is not within the weather, {time[0]} to {time[-1]}"
        elif row.kind == "point" and not np.isfinite(row.height):
            problem[i] = "a point without a height"
        elif row.kind == "point" and row.height_range > 0 and not _in_band(row, surface).any():
            problem[i] = f"the outline has no cell within {0.5 * row.height_range:g} m of {row.height:g} m"
        elif row.kind == DISCHARGE:
            problem[i] = NOT_ASKED_FOR if ground is None else outside_run(ground, row.begin, row.end)
    return problem


def _in_band(row: Any, surface: Surface) -> NDArray[np.bool_]:
    return np.abs(surface.heights - row.height) <= 0.5 * row.height_range


def heights_around(surface: Surface, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return heights around the whole glacier and all points (m), on multiples of the step."""
    from oggm_glaunti.core.smooth import even_heights

    every = np.concatenate([surface.heights, points])
    return even_heights(float(every.min()), float(every.max()), HEIGHT_STEP)


def on_heights(inputs: TableInputs, rows: slice, heights: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Return the fields of :class:`~oggm_glaunti.core.on_heights.OnHeights` for some days of a glacier.

    Parameters
    ----------
    inputs : TableInputs
        of the glacier's height-year table: weather and corrections
    rows : slice
        days of the record
    heights : float64 array (N,)
        m
    """
    climate = inputs.climate
    years, months = (climate.time[rows].astype("M8[D]").astype(f"M8[{unit}]").astype(int) for unit in "YM")
    return {
        "temp": np.stack([weather.temp[rows] for weather in climate.realisations]),
        "prcp": np.stack([weather.prcp[rows] for weather in climate.realisations]),
        "above_ref": (heights - climate.ref_hgt).astype(np.float32),
        "ds": corrections_at(inputs, heights),
        "ds_index": inputs.ds_index()[years + 1970 - climate.ys, months % 12].astype(np.int32),
    }


def corrections_at(inputs: Any, heights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return corrections (K, 5, N) at heights (m), one year of zeros if there are none; `inputs` are a table's."""
    if inputs.corrections is None:
        return np.zeros((1, N_CORRECTIONS, heights.size), np.float32)
    return inputs.corrections.at(heights)


def _weights(row: Any, surface: Surface, heights: NDArray[np.float64], ground: Ground | None) -> NDArray[np.float64]:
    """Compute the weights of a row: of the heights, with discharge in the fit of all terms at the heights."""
    if ground is None:
        return _observed_shares(row, surface, heights)
    if row.kind == DISCHARGE:
        return term_weights(*shares_of_row(ground, row.begin, row.end, heights))
    return np.pad(_observed_shares(row, surface, heights), (0, 2 * heights.size))


def _observed_shares(row: Any, surface: Surface, heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the shares of the heights in an observation, linear between the neighbours of observed cells."""
    if row.kind == "point" and not row.height_range > 0:
        return spread_over(np.array([row.height]), np.ones(1), heights)
    cells = _in_band(row, surface) if row.kind == "point" else np.full(surface.heights.shape, True)
    return spread_over(surface.heights[cells], surface.areas[cells], heights)


def spread_over(
    where: NDArray[np.float64], areas: NDArray[np.float64], heights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distribute `areas` (P,) at heights `where` (P,) over even `heights` (N,), as shares, linearly."""
    position = (where - heights[0]) / (heights[1] - heights[0])
    lower = np.minimum(position.astype(int), heights.size - 2)
    upper_share = position - lower
    sums = np.bincount(lower, areas * (1.0 - upper_share), heights.size)
    sums += np.bincount(lower + 1, areas * upper_share, heights.size)
    return sums / areas.sum()
