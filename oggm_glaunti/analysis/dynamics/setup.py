"""A glacier directory's run of ice dynamics, with the table it is run on and the table's tangents."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.analysis.dynamics.flowline_runs import Experiment, experiment, stored_year
from oggm_glaunti.analysis.glaciers import GlacierRun, glacier_run
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError, cfg
from oggm_glaunti.fit.calibration.sites import corrections_at, spread_over

if TYPE_CHECKING:
    from oggm import GlacierDirectory

    from oggm_glaunti.analysis.dynamics.tables import Control

FORCINGS = ("historical", "constant", "random")


class Prepared(NamedTuple):
    """All that derivatives of a run of ice dynamics are made from.

    Attributes
    ----------
    experiment : Experiment
    controls : list of Control
    heights : float64 array (N,)
        of the tables, m
    weights : float64 array (N,)
        shares of the glacier's area at the beginning of the run; they add up to 1
    table : float64 array (Y, N)
        balance of each year of the run, m w.e.
    mb_model : GlaUnTIMassBalance
        it is of
    schedule : float64 array (Y, record)
        what share each year of the record has in each year of the run
    tangents : float64 array (K, Y, N)
        its exact derivatives for the controls' :attr:`~oggm_glaunti.analysis.dynamics.tables.Control.per`, m w.e.
    """

    experiment: Experiment
    controls: list[Control]
    heights: NDArray[np.float64]
    weights: NDArray[np.float64]
    table: NDArray[np.float64]
    mb_model: Any
    schedule: NDArray[np.float64]
    tangents: NDArray[np.float64]

    def run(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Volume (km3), area (km2) and length (m) of each year under a table, (Y + 1, 3)."""
        return self.experiment.run_table(self.heights, table)


def prepare_volume_runs(
    gdir: GlacierDirectory,
    ys: int | None,
    ye: int | None,
    controls: Sequence[str],
    by_month: bool = False,
    forcing: str = "historical",
    climate_years: Sequence[int] | None = None,
    seed: int = 0,
    massbalance: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> Prepared:
    """The run, its table and the table's exact tangents; arguments as in ``volume_sensitivity``."""
    from oggm_glaunti.analysis.dynamics.tables import controls_of, table_tangents

    try:
        chosen = controls_of(controls, by_month)
    except ValueError as error:
        raise InvalidParamsError(f"{gdir.rgi_id}: {error}") from error
    if forcing not in FORCINGS:
        raise InvalidParamsError(f"{gdir.rgi_id}: forcing: expected one of {FORCINGS}, found {forcing!r}")
    if own := {"ys", "ye", "repeat"} & {*(massbalance or {})}:
        raise InvalidParamsError(f"{gdir.rgi_id}: massbalance: {sorted(own)} are for ys, ye, forcing and climate_years")
    run = glacier_run(gdir, None, "calendar", **(massbalance or {}))
    ys = _first_year(gdir, kwargs) if ys is None else ys
    ye = int(run.years[-1]) + 1 if ye is None else ye
    to_run = experiment(gdir, ys, ye, **kwargs)
    _require_one_climate(to_run)
    schedule = _schedule(run, to_run.years, forcing, climate_years, seed)
    heights = run.mb_model.table_inputs.heights
    months = run.days.astype("M8[M]").astype(int) % 12 + 1
    tangents = table_tangents(run.tuned, _on_heights(run, heights), months, chosen).tangents
    table = schedule @ _record(run.mb_model, heights)
    weights = _shares(to_run.flowlines, heights)
    tangents = schedule @ tangents.astype(np.float64)
    return Prepared(to_run, chosen, heights, weights, table, run.mb_model, schedule, tangents)


def _require_one_climate(to_run: Experiment) -> None:
    others = {getattr(line, "rgi_id", None) for line in to_run.flowlines} - {None, to_run.gdir.rgi_id}
    if others:
        raise InvalidParamsError(
            f"{to_run.gdir.rgi_id}: merged with {sorted(others)}, which have balances of their own; expected one table "
            "for all flowlines"
        )


def _first_year(gdir: GlacierDirectory, kwargs: Mapping[str, Any]) -> int:
    """Where OGGM begins a run if it is not told: where a stored run ended, else the year after the outline's."""
    suffix, year = kwargs.get("init_model_filesuffix"), kwargs.get("init_model_yr")
    if suffix is None:
        return int(getattr(gdir.rgi_date, "year", gdir.rgi_date)) + 1
    return stored_year(gdir, suffix) if year is None else int(year)


def _on_heights(run: GlacierRun, heights: NDArray[np.float64]) -> Any:
    """The run's trajectory on all heights that ice may reach."""
    inputs = run.mb_model.table_inputs
    return run.trajectory._replace(
        above_ref=(heights - inputs.climate.ref_hgt).astype(np.float32),
        area=np.full(heights.size, 1.0 / heights.size, np.float32),
        ds=corrections_at(inputs, heights),
    )


def _record(mb_model: Any, heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Balance of every year of the record, m w.e. (record, N)."""
    ice = np.stack([mb_model.get_annual_mb(heights, year=year) for year in mb_model.years])
    return ice * cfg.SEC_IN_YEAR * mb_model.rho / 1000.0


def _shares(flowlines: list[Any], heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of the ice-covered area (of the whole line where there is no ice) at the heights."""
    at, ice, line = (
        np.concatenate(parts)
        for parts in zip(*[(fl.surface_h, fl.bin_area_m2, fl.widths_m * fl.dx_meter) for fl in flowlines], strict=True)
    )
    return spread_over(at, ice if ice.any() else np.maximum(line, 1.0), heights)


def _schedule(
    run: GlacierRun,
    years: NDArray[np.int64],
    forcing: str,
    climate_years: Sequence[int] | None,
    seed: int,
) -> NDArray[np.float64]:
    """What share each year of the record has in each year of the run (Y, record)."""
    known = run.years
    if forcing == "historical" and climate_years is not None:
        raise InvalidParamsError(f"{run.gdir.rgi_id}: climate_years are for forcing='constant' and 'random'")
    first, last = (known[0], known[-1]) if climate_years is None else (int(climate_years[0]), int(climate_years[-1]))
    if not known[0] <= first <= last <= known[-1]:
        raise InvalidParamsError(
            f"{run.gdir.rgi_id}: climate_years: the daily climate holds {known[0]} to {known[-1]}, found {first} to "
            f"{last}"
        )
    inside = (known >= first) & (known <= last)
    if forcing == "constant":
        return np.tile(inside / inside.sum(), (years.size, 1))
    if forcing == "random":
        years = np.random.default_rng(seed).choice(known[inside], years.size)
    missing = years[~np.isin(years, known)]
    if missing.size:
        raise InvalidParamsError(
            f"{run.gdir.rgi_id}: ys, ye: the daily climate holds {known[0]} to {known[-1]}, the run needs "
            f"{missing[0]}; choose other years, or forcing='constant' or 'random'"
        )
    return (years[:, None] == known).astype(np.float64)


def with_tunables(prepared: Prepared, temp: float = 0.0, prcp: float = 1.0, melt: float = 1.0) -> NDArray[np.float64]:
    """Volume, area and length of each year (Y + 1, 3) with another climate: the table built anew, the whole run again.

    Parameters
    ----------
    prepared : Prepared
    temp : float
        added to temperature, K
    prcp, melt : float
        factors on precipitation and on the degree-day factor of snow
    """
    model = copy.copy(prepared.mb_model)
    model.temp_bias, model.prcp_fac, model.melt_f = model.temp_bias + temp, model.prcp_fac * prcp, model.melt_f * melt
    return prepared.run(prepared.schedule @ _record(model, prepared.heights))
