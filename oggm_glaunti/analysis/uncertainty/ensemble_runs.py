"""OGGM's ice dynamics for an ensemble of draws of the errors of parameters, model and weather."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from oggm_glaunti import settings
from oggm_glaunti.analysis.uncertainty.draws import NO_WEATHER_ERRORS, WeatherErrors
from oggm_glaunti.analysis.uncertainty.massbalance import UncertainGlaUnTIMassBalance
from oggm_glaunti.coupling.model.choice import checked_mb_kwargs
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, InvalidWorkflowError, entity_task
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
from oggm_glaunti.coupling.oggm.writing import writing
from oggm_glaunti.files import state_of
from oggm_glaunti.fit.calibration.errors import ErrorSizes
from oggm_glaunti.fit.calibration.intervals import error_sizes, in_words

settings.register()
log = logging.getLogger(__name__)

RUN_VARIABLES = {"volume_m3": "m3", "area_m2": "m2", "length_m": "m"}
BANDS = {"low": 0.05, "median": 0.5, "high": 0.95}


@entity_task(log, writes=["model_diagnostics"])
def run_ensemble_from_climate_data(
    gdir: GlacierDirectory,
    members: int = 20,
    seed: int = 0,
    output_filesuffix: str = "",
    climate_filename: str = "climate_historical",
    climate_input_filesuffix: str = "",
    bias: float = 0,
    errors: WeatherErrors = NO_WEATHER_ERRORS,
    parameters: bool = True,
    model_errors: bool | ErrorSizes = True,
    mb_kwargs: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> xr.Dataset:
    """Run OGGM's ``run_from_climate_data`` once for each member of an ensemble.

    Each member has its own :class:`~oggm_glaunti.analysis.uncertainty.massbalance.UncertainGlaUnTIMassBalance`, whose
    errors and parameters are drawn anew, and files of its own with the suffix ``<output_filesuffix>_member000`` and so
    on.

    Parameters
    ----------
    gdir : GlacierDirectory
        with ``model_flowlines`` and what :class:`~oggm_glaunti.GlaUnTIMassBalance` needs
    members : int
    seed : int
        of the ensemble; all glaciers get the same errors (see
        :class:`~oggm_glaunti.analysis.uncertainty.massbalance.UncertainGlaUnTIMassBalance`), and a larger ensemble of
        the same seed begins with the same members
    output_filesuffix : str
    climate_filename, climate_input_filesuffix, bias
        as of ``run_from_climate_data``
    errors : WeatherErrors
        statistics of errors of the weather drawn in addition; default: none
    parameters : bool
        draw the parameters too, from the covariance of the glacier's fit, if there is one
    model_errors : bool or ErrorSizes
        draw the errors of each winter, summer and year too, see
        :func:`~oggm_glaunti.analysis.uncertainty.tasks.smb_uncertainty`
    mb_kwargs : mapping, optional
        further arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`: ``{"model": "A"}``
    **kwargs
        further arguments of ``run_from_climate_data``: `ys`, `ye`, `init_model_filesuffix` and so on

    Returns
    -------
    xarray.Dataset
        ``volume_m3``, ``area_m2`` and ``length_m`` (member, time), their 5, 50 and 95 % (``volume_m3_low``,
        ``_median``, ``_high``) over the members, and the ``seed`` with which each member's model can be built again;
        also written as ``model_diagnostics<output_filesuffix>_ensemble.nc``

    Raises
    ------
    InvalidParamsError
        for fewer than two members or a negative seed, and as the mass-balance model
    InvalidWorkflowError
        if a member's run failed
    """
    from oggm.core.massbalance import MultipleFlowlineMassBalance

    if members < 2 or int(seed) != seed or seed < 0:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: expected members of 2 or more and a seed of 0 or more, found {members} and {seed}"
        )
    model = {"filename": climate_filename, "input_filesuffix": climate_input_filesuffix, "bias": bias}
    chosen = checked_mb_kwargs(f"{gdir.rgi_id}: run_ensemble_from_climate_data", mb_kwargs)
    model |= chosen
    seeds = member_seeds(seed, members)
    # The corrections of models C and D are computed once; all members read them from the directory.
    plain = {name: model[name] for name in ("filename", "input_filesuffix", *chosen)}
    lines = MultipleFlowlineMassBalance(gdir, mb_model_class=GlaUnTIMassBalance, **plain)
    first = lines.flowline_mb_models[0]
    if first.corrector != "off":
        first.table()
    sizes, origin = error_sizes(first.calib_params, model_errors, gdir.rgi_id)
    drawn = {**model, "errors": errors, "parameters": parameters, "model_errors": model_errors}
    suffixes = [f"{output_filesuffix}_member{member:03d}" for member in range(members)]
    runs = [_run_member(gdir, s, {**drawn, "seed": one}, kwargs) for s, one in zip(suffixes, seeds, strict=True)]
    result = with_bands(xr.concat(runs, "member").assign_coords(member=np.arange(members), seed=("member", seeds)))
    result.attrs = {
        "rgi_id": gdir.rgi_id,
        "method": "OGGM's flowline model under drawn errors of parameters, model and weather",
        **{name: value for name, value in model.items() if isinstance(value, (int, float, str))},
        **errors._asdict(),
        "parameters": int(parameters),
        "model_errors": in_words(sizes.whole, origin),
        "mean_preserving": int(errors.mean_preserving),
        "seed": seed,
    }
    path = gdir.get_filepath("model_diagnostics", filesuffix=f"{output_filesuffix}_ensemble")
    with writing(path, gdir.rgi_id) as temporary, HDF5_LOCK:
        result.to_netcdf(temporary)
    return result


def member_seeds(seed: int, members: int) -> list[int]:
    """Return seeds of the members of an ensemble, distinct from each other and from those of other ensembles.

    Examples
    --------
    >>> member_seeds(0, 3) == member_seeds(0, 20)[:3], set(member_seeds(0, 3)) & set(member_seeds(1, 3))
    (True, set())
    """
    return np.random.SeedSequence(seed).generate_state(members).tolist()


def _run_member(gdir: GlacierDirectory, suffix: str, model: dict[str, Any], kwargs: dict[str, Any]) -> xr.Dataset:
    """Run one member and return its volume, area and length."""
    from oggm.core.flowline import run_from_climate_data
    from oggm.core.massbalance import MultipleFlowlineMassBalance

    path = Path(gdir.get_filepath("model_diagnostics", filesuffix=suffix))
    before = state_of(path)  # a file of an earlier ensemble must not be taken for this one's
    mb_model = MultipleFlowlineMassBalance(gdir, mb_model_class=UncertainGlaUnTIMassBalance, **model)
    run_from_climate_data(gdir, reset=True, mb_model=mb_model, output_filesuffix=suffix, **kwargs)
    if state_of(path) in (None, before):
        raise InvalidWorkflowError(f"{gdir.rgi_id}: the run{suffix} has failed; OGGM's log says why")
    with HDF5_LOCK, xr.open_dataset(path) as diagnostics:
        return diagnostics[list(RUN_VARIABLES)].load()


def with_bands(runs: xr.Dataset) -> xr.Dataset:
    """Add quantiles over the members to the members."""
    bands = {}
    for name, units in RUN_VARIABLES.items():
        runs[name].attrs["units"] = units
        for label, share in BANDS.items():
            band = runs[name].quantile(share, "member").drop_vars("quantile")
            bands[f"{name}_{label}"] = band.assign_attrs(units=units, long_name=f"{100 * share:.0f} % of the members")
    return runs.assign(bands)
