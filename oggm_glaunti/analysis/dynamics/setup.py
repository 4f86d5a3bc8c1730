"""A glacier directory's run of ice dynamics, with its table of balances and the table's tangents."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.analysis.dynamics.flowline_runs import Experiment, experiment, stored_run
from oggm_glaunti.analysis.glaciers import GlacierRun, MbKwargs, Years, errors_name, glacier_run, years_within
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, cfg
from oggm_glaunti.fit.calibration.sites import corrections_at, spread_over

if TYPE_CHECKING:
    from oggm_glaunti.analysis.dynamics.tables import Control

FORCINGS = ("historical", "constant", "random")


class Prepared(NamedTuple):
    """All that the derivatives of a run of ice dynamics are computed from.

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
        the model that the table comes from
    schedule : float64 array (Y, record)
        share of each year of the record in each year of the run
    tangents : float64 array (K, Y, N)
        exact derivatives of the table for a change of the controls by
        :attr:`~oggm_glaunti.analysis.dynamics.tables.Control.per`, m w.e.
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
        """Return volume (km3), area (km2) and length (m) of each year under a table, (Y + 1, 3)."""
        return self.experiment.run_table(self.heights, table)

    def coords(self) -> dict[str, Any]:
        """Return the coordinates of results: the beginnings of the years, the controls and their changes."""
        labels, per = zip(*((control.label, control.per) for control in self.controls), strict=True)
        time = np.append(self.experiment.years, self.experiment.ye)
        return {"time": time, "control": [*labels], "per": ("control", [*per])}


def prepare_volume_runs(
    gdir: GlacierDirectory,
    ys: int | None = None,
    ye: int | None = None,
    controls: Sequence[str] = ("dT", "dP"),
    by_month: bool = False,
    forcing: str = "historical",
    climate_years: Years = None,
    seed: int = 0,
    mb_kwargs: MbKwargs = None,
    **kwargs: Any,
) -> Prepared:
    """Prepare a run of ice dynamics with its table of balances and the table's exact tangents.

    Parameters
    ----------
    gdir : GlacierDirectory
        see :func:`~oggm_glaunti.analysis.dynamics.tasks.volume_sensitivity`
    ys, ye : int, optional
        the run is from the beginning of year `ys` to that of year `ye`; default: from the year after the outline's, or
        the end of the run of `init_model_filesuffix`, to the end of the record. Years without weather are allowed
        unless `forcing` is ``historical``.
    controls : sequence of str
        keys of :data:`oggm_glaunti.analysis.dynamics.tables.PER`: ``dT`` (per K), ``dP`` (per 10 %), and parameters by
        name. They change all days of the record, also those before `ys`, as the tunable parameters of the mass-balance
        model do.
    by_month : bool
        split ``dT`` and ``dP`` by calendar month
    forcing : {'historical', 'constant', 'random'}
        the weather of the years themselves; the mean balance of `climate_years` every year; or years drawn from them
    climate_years : (first, last), optional
        both included; default: the whole record
    seed : int
        random seed of the drawn years
    mb_kwargs : mapping, optional
        arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`: ``model``, ``corrector``, ``mb_params_filesuffix``...
    **kwargs
        of the run, see :func:`~oggm_glaunti.analysis.dynamics.flowline_runs.experiment`: ``init_model_filesuffix``,
        ``glen_a_fac``, ``evolution_model``, ``mb_elev_feedback`` and so on
    """
    from oggm_glaunti.analysis.dynamics.tables import controls_of, table_tangents

    with errors_name(gdir):
        chosen = controls_of(controls, by_month)
    if forcing not in FORCINGS:
        raise InvalidParamsError(f"{gdir.rgi_id}: forcing: expected one of {FORCINGS}, found {forcing!r}")
    run = glacier_run(gdir, None, "calendar", mb_kwargs, "volume_sensitivity or volume_gradient")
    if ys is None:
        # OGGM's default: the end of a stored run, otherwise the year after the outline's.
        suffix, year = kwargs.get("init_model_filesuffix"), kwargs.get("init_model_yr")
        after_outline = int(getattr(gdir.rgi_date, "year", gdir.rgi_date)) + 1
        ys = after_outline if suffix is None else int(stored_run(gdir, suffix).last_yr if year is None else year)
    ye = int(run.years[-1]) + 1 if ye is None else ye
    to_run = experiment(gdir, ys, ye, **kwargs)
    if others := {getattr(line, "rgi_id", None) for line in to_run.flowlines} - {None, gdir.rgi_id}:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: merged with {sorted(map(str, others))}, which have balances of their own; expected one "
            "table for all flowlines"
        )
    schedule = _schedule(run, to_run.years, forcing, climate_years, seed)
    inputs = run.mb_model.table_inputs
    heights = inputs.heights
    months = run.days.astype("M8[M]").astype(int) % 12 + 1
    # On all heights that the ice may reach.
    trajectory = run.trajectory.replace(
        above_ref=(heights - inputs.climate.ref_hgt).astype(np.float32),
        area=np.full(heights.size, 1.0 / heights.size, np.float32),
        ds=corrections_at(inputs, heights),
    )
    tangents = table_tangents(run.tuned, trajectory, months, chosen).tangents
    # Shares of the ice-covered area at the heights; those of the whole line if there is no ice.
    rows = [(fl.surface_h, fl.bin_area_m2, fl.widths_m * fl.dx_meter) for fl in to_run.flowlines]
    at, ice, line = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    weights = spread_over(at, ice if ice.any() else np.maximum(line, 1.0), heights)
    table = schedule @ _record(run.mb_model, heights)
    tangents = schedule @ tangents.astype(np.float64)
    return Prepared(to_run, chosen, heights, weights, table, run.mb_model, schedule, tangents)


def _record(mb_model: Any, heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the balance of every year of the record (record, N), m w.e."""
    ice = np.stack([mb_model.get_annual_mb(heights, year=year) for year in mb_model.years])
    return ice * cfg.SEC_IN_YEAR * mb_model.rho / 1000.0


def _schedule(
    run: GlacierRun, years: NDArray[np.int64], forcing: str, climate_years: Years, seed: int
) -> NDArray[np.float64]:
    """Return the share of each year of the record in each year of the run (Y, record)."""
    known = run.years
    if forcing == "historical" and climate_years is not None:
        raise InvalidParamsError(f"{run.gdir.rgi_id}: climate_years are for forcing='constant' and 'random'")
    first, last = years_within(run.gdir, climate_years, known, "climate_years")
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
    """Rerun with another climate, the table computed anew: volume, area and length of each year (Y + 1, 3).

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
