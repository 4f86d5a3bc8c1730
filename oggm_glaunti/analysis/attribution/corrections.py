"""Contributions of the corrector's inputs to the effect of a year's corrections: integrated gradients of the network.

The path leads from the mean of the reference years' inputs to those of the year. Geometry, weather and snow are those
of the year all along it, so that only the corrections change: contributions add up to the year's balance under its own
corrections minus that under the corrections of the mean inputs. A baseline of zeros would be meaningless: the network
normalises each field by itself, so that fields of zeros do not stand for the absence of anything.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from oggm_glaunti import settings
from oggm_glaunti.analysis.attribution.tasks import M_WE, warn_incomplete, with_numbers, years_compared
from oggm_glaunti.analysis.glaciers import GlacierRun, MbKwargs, glacier_run
from oggm_glaunti.coupling.gridded.corrections import correction_years
from oggm_glaunti.coupling.gridded.model import GriddedModel
from oggm_glaunti.coupling.gridded.periods import Period
from oggm_glaunti.coupling.ground.features import Features, read_features
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, entity_task

if TYPE_CHECKING:
    from oggm_glaunti.analysis.attribution.network_gradients import CorrectorInputs

settings.register()
log = logging.getLogger(__name__)

INPUT_MAPS = {
    "smb0": "uncorrected balance of the year",
    "smb0_warmer": "change of the uncorrected balance for +0.5 K",
    "smb0_wetter": "change of the uncorrected balance for 1.05 times the precipitation",
}


@entity_task(log)
def attribute_corrections(
    gdir: GlacierDirectory, *, year: int, reference: tuple[int, int] | None = None, mb_kwargs: MbKwargs = None
) -> xr.Dataset:
    """Attribute the effect of a year's corrections on its balance to the inputs of the corrector.

    Parameters
    ----------
    gdir : GlacierDirectory
        with daily climate and ``glaunti_features``
    year : int
        mass-balance year (the calendar year in which it ends)
    reference : (first, last), optional
        years whose mean inputs are the baseline, both included; default: all complete years of the record
    mb_kwargs : mapping, optional
        arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`: `model` (C or D), `weights` and so on; `corrector` is
        ``yearly`` (under the other modes all years have the same corrections)

    Returns
    -------
    xarray.Dataset
        maps ``smb0``, ``smb0_warmer``, ``smb0_wetter`` (y, x) and months ``temp``, ``prcp`` (month), all m w.e. of the
        glacier-wide balance: they add up to ``difference`` minus ``gap``. A cell of a map shows the contribution of
        that cell's input, wherever on the glacier it had its effect; the network also sees cells outside the glacier.
        ``balance`` and ``reference_balance`` are those under the corrections of the year's and of the mean inputs

    Raises
    ------
    InvalidParamsError
        for a year outside the record, a reference without years, model A, or several realisations
    """
    from oggm_glaunti.analysis.attribution.network_gradients import CorrectorInputs

    run = _yearly_run(gdir, {"corrector": "yearly", **(mb_kwargs or {})})
    compared = years_compared(run, year, reference)
    features, climate = read_features(gdir), run.mb_model.climate
    gridded = GriddedModel(run.mb_model.loaded_model, climate, features, gdir.rgi_id)
    periods = correction_years(climate, gdir.hemisphere, gdir.rgi_id)
    made = {each.period.year: (each.response, each.monthly) for each in gridded.run(periods)}
    inputs = {year: CorrectorInputs(*map(np.asarray, fields)) for year, fields in made.items()}
    means = (np.mean(f, axis=0, dtype=np.float64) for f in zip(*(inputs[y] for y in compared), strict=True))
    start = CorrectorInputs(*(np.asarray(mean, np.float32) for mean in means))
    found, ends = _integrated(run, gridded, year, start, inputs[year])
    warn_incomplete(gdir, found, log)
    result = _corrections_dataset(features, next(p for p in periods if p.year == year), found, ends)
    about = {"rgi_id": gdir.rgi_id, "name": gdir.name, "model": run.mb_model.model_name}
    return result.assign_attrs(**about, reference=[compared[0], compared[-1]])


def _yearly_run(gdir: GlacierDirectory, mb_kwargs: dict[str, Any]) -> GlacierRun:
    if mb_kwargs["corrector"] != "yearly":
        raise InvalidParamsError(
            f"{gdir.rgi_id}: attribute_corrections needs corrector='yearly', found {mb_kwargs['corrector']!r}: under "
            "any other mode all years have the same corrections"
        )
    run = glacier_run(gdir, mb_kwargs=mb_kwargs, task="attribute_corrections")
    if run.mb_model.corrector != "yearly":
        raise InvalidParamsError(f"{gdir.rgi_id}: model {run.mb_model.model_name} has no corrector; take C or D")
    if run.mb_model.climate.others:
        found = f"{len(run.mb_model.climate.realisations)} realisations; each has inputs of its own"
        raise InvalidParamsError(f"{gdir.rgi_id}: attribute_corrections takes one series of weather, found {found}")
    return run


def _integrated(
    run: GlacierRun, gridded: GriddedModel, year: int, start: CorrectorInputs, end: CorrectorInputs
) -> tuple[Any, tuple[float, float]]:
    """Return contributions, and balances under the corrections of the mean inputs and of the year's, m w.e."""
    from oggm_glaunti.analysis.attribution import network_gradients as n
    from oggm_glaunti.analysis.attribution.paths import year_of

    columns, corrector = gridded.columns, run.mb_model.loaded_model.corrector
    bands = columns.band_height.astype(np.float64)
    to_heights = np.stack([np.interp(run.heights, bands, row) for row in np.eye(bands.size)], axis=1)
    count = columns.band_count.astype(np.float32)
    cells = columns.rows, columns.cols, columns.band.astype(np.int32)
    geometry = n.CorrectorGeometry(np.asarray(gridded.fields), *cells, count, to_heights.astype(np.float32))
    assert corrector is not None, "checked with the mode of the corrector"
    corrected = n.CorrectedRun(corrector, run.tuned, geometry, *year_of(run.tuned, run.trajectory, year))
    there, here = (float(n.corrected_balance(corrected, inputs)) for inputs in (start, end))
    return n.integrate(corrected, start, end, here - there), (there, here)


def _corrections_dataset(features: Features, period: Period, found: Any, ends: tuple[float, float]) -> xr.Dataset:
    maps, monthly = (np.asarray(part) for part in found.contributions)
    months = np.arange(period.begin.astype("M8[M]"), period.end.astype("M8[M]") + 1).astype(int) % 12 + 1
    data: dict[str, Any] = {
        name: (("y", "x"), values, {**M_WE, "long_name": f"contribution of the {what}"})
        for name, values, what in zip(INPUT_MAPS, maps, INPUT_MAPS.values(), strict=True)
    }
    for name, values, what in zip(("temp", "prcp"), monthly, ("temperature", "precipitation"), strict=True):
        data[name] = ("month", values, {**M_WE, "long_name": f"contribution of the monthly {what} in the network"})
    coords = {"y": ("y", features.y, {"units": "m"}), "x": ("x", features.x, {"units": "m"}), "month": months}
    there, here = ends
    numbers = {
        "balance": (here, "balance under the year's corrections"),
        "reference_balance": (there, "balance under the corrections of the mean inputs"),
        "difference": (float(found.difference), "difference of the two"),
    }
    result = xr.Dataset(data, coords, {"year": period.year, "crs": features.crs.to_wkt()})
    return with_numbers(result, numbers, found)
