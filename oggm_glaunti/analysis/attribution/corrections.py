"""Which inputs of the corrector have made a year's corrections count: integrated gradients through the network.

The path leads from the mean of the reference years' inputs to those of the year, on the same geometry, weather and snow
being those of the year all along. What changes is the corrections alone, so contributions add up to the year's balance
under its own corrections minus that under those of the mean inputs. A baseline of zeros would mean nothing here: the
network's norms are relative to the field it sees, so that fields of zeros are no "absence" of anything.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from oggm_glaunti import settings
from oggm_glaunti.analysis.attribution.reference_years import warn_incomplete, years_asked
from oggm_glaunti.analysis.glaciers import GlacierRun, glacier_run
from oggm_glaunti.coupling.gridded.corrections import correction_years
from oggm_glaunti.coupling.gridded.model import GriddedModel
from oggm_glaunti.coupling.gridded.periods import Period
from oggm_glaunti.coupling.ground.features import Features, read_features
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError, entity_task

if TYPE_CHECKING:
    import xarray as xr
    from oggm import GlacierDirectory

    from oggm_glaunti.analysis.attribution.network_gradients import CorrectorInputs, Place

settings.register()
log = logging.getLogger(__name__)

FIELDS = ("smb0", "smb0_warmer", "smb0_wetter")
FIELD_NAMES = (
    "uncorrected balance of the year",
    "change of the uncorrected balance for +0.5 K",
    "change of the uncorrected balance for 1.05 times the precipitation",
)


@entity_task(log)
def attribute_corrections(
    gdir: GlacierDirectory, *, year: int, reference: tuple[int, int] | None = None, **kwargs: Any
) -> xr.Dataset:
    """What the corrector's inputs have contributed to the effect of a year's corrections on its balance.

    Parameters
    ----------
    gdir : GlacierDirectory
        with daily climate and ``glaunti_features``
    year : int
        mass-balance year (the calendar year in which it ends)
    reference : (first, last), optional
        years whose mean inputs are the baseline, both included; by default all whole ones of the record
    **kwargs
        of :class:`~oggm_glaunti.GlaUnTIMassBalance`: `model` (C or D), `weights` and so on; `corrector` is ``yearly``
        (the other modes give all years the same corrections, about which there is nothing to tell)

    Returns
    -------
    xarray.Dataset
        maps ``smb0``, ``smb0_warmer``, ``smb0_wetter`` (y, x) and months ``temp``, ``prcp`` (month), all m w.e. of the
        glacier-wide balance: they add up to ``difference`` but for ``gap``. A cell of a map is the part of that cell's
        input, wherever on the glacier it had its effect; cells beside the glacier are seen by the network, too.
        ``balance`` and ``reference_balance`` are those with the corrections of the year's and of the mean inputs

    Raises
    ------
    InvalidParamsError
        for a year that the record does not hold, reference without years, model A, or several realisations
    """
    run = _yearly_run(gdir, kwargs)
    years_asked(gdir, (year, year), run.years, "year")
    asked = years_asked(gdir, reference, run.years)
    features = read_features(gdir)
    gridded, periods, inputs = _inputs_of_all_years(run, features)
    years = [period.year for period in periods]
    chosen = [inputs[years.index(y)] for y in asked]
    end = inputs[years.index(year)]
    start = type(end)(
        *(np.mean(fields, axis=0, dtype=np.float64).astype(np.float32) for fields in zip(*chosen, strict=True))
    )
    found, ends = _integrated(run, gridded, year, start, end)
    warn_incomplete(gdir, found, log)
    about = {"rgi_id": gdir.rgi_id, "name": gdir.name, "model": run.mb_model.model_name}
    result = _dataset(features, periods[years.index(year)], found, ends)
    return result.assign_attrs(**about, reference=[min(asked), max(asked)])


def _yearly_run(gdir: GlacierDirectory, kwargs: dict[str, Any]) -> GlacierRun:
    if kwargs.setdefault("corrector", "yearly") != "yearly":
        raise InvalidParamsError(
            f"{gdir.rgi_id}: attribute_corrections needs corrector='yearly', found {kwargs['corrector']!r}: under any "
            "other mode all years have the same corrections"
        )
    if kwargs.setdefault("year_type", "hydrological") != "hydrological":
        raise InvalidParamsError(
            f"{gdir.rgi_id}: year_type: corrections belong to mass-balance years, expected 'hydrological', found "
            f"{kwargs['year_type']!r}"
        )
    run = glacier_run(gdir, **kwargs)
    if run.mb_model.corrector != "yearly":
        raise InvalidParamsError(f"{gdir.rgi_id}: model {run.mb_model.model_name} has no corrector; take C or D")
    if run.mb_model.climate.others:
        count = len(run.mb_model.climate.realisations)
        raise InvalidParamsError(
            f"{gdir.rgi_id}: attribute_corrections takes one series of weather, found {count} realisations; each has "
            "inputs of its own"
        )
    return run


class _KeepsInputs(GriddedModel):
    """A gridded run that keeps what the corrector was given in each period."""

    def _run_one(self, place: Any, swe: Any, parts: list[slice], longest: int, ds: Any) -> Any:
        from oggm_glaunti.analysis.attribution.network_gradients import CorrectorInputs

        year = super()._run_one(place, swe, parts, longest, ds)
        monthly = place.monthly(slice(parts[0].start, parts[-1].stop))
        self.kept = CorrectorInputs(np.asarray(year.response), np.asarray(monthly))
        return year


def _inputs_of_all_years(
    run: GlacierRun, features: Features
) -> tuple[GriddedModel, list[Period], list[CorrectorInputs]]:
    climate, rgi_id = run.mb_model.climate, run.gdir.rgi_id
    gridded = _KeepsInputs(run.mb_model.loaded_model, climate, features, rgi_id)
    periods = correction_years(climate, run.gdir.hemisphere, rgi_id)
    return gridded, periods, [gridded.kept for _ in gridded.run(periods)]


def _place(gridded: GriddedModel, heights: np.ndarray) -> Place:
    from oggm_glaunti.analysis.attribution.network_gradients import Place

    columns = gridded.columns
    bands = columns.band_height.astype(np.float64)
    to_heights = np.stack([np.interp(heights, bands, row) for row in np.eye(bands.size)], axis=1)
    count = columns.band_count.astype(np.float32)
    cells = columns.rows, columns.cols, columns.band.astype(np.int32)
    return Place(np.asarray(gridded.fields), *cells, count, to_heights.astype(np.float32))


class _Ends(NamedTuple):
    """Glacier-wide balances under the corrections of the mean inputs and of the year's, m w.e."""

    start: float
    end: float


def _integrated(
    run: GlacierRun, gridded: GriddedModel, year: int, start: CorrectorInputs, end: CorrectorInputs
) -> tuple[Any, _Ends]:
    from oggm_glaunti.analysis.attribution.network_gradients import corrected_balance, integrate
    from oggm_glaunti.analysis.attribution.paths import year_of

    place = _place(gridded, run.heights)
    one, swe = year_of(run.tuned, run.trajectory, year)
    given = (run.mb_model.loaded_model.corrector, run.tuned, place, one, swe)
    ends = _Ends(*(float(corrected_balance(*given, inputs)) for inputs in (start, end)))
    return integrate(*given, start, end, difference=ends.end - ends.start), ends


def _dataset(features: Features, period: Period, found: Any, ends: _Ends) -> xr.Dataset:
    import xarray as xr

    maps, monthly = (np.asarray(part) for part in found.contributions)
    months = np.arange(period.begin.astype("M8[M]"), period.end.astype("M8[M]") + 1).astype(int) % 12 + 1
    units = {"units": "m w.e."}
    data: dict[str, Any] = {
        name: (("y", "x"), values, {**units, "long_name": f"contribution of the {what}"})
        for name, values, what in zip(FIELDS, maps, FIELD_NAMES, strict=True)
    }
    for name, values, what in zip(("temp", "prcp"), monthly, ("temperature", "precipitation"), strict=True):
        data[name] = ("month", values, {**units, "long_name": f"contribution of the monthly {what} in the network"})
    numbers = {
        "balance": (ends.end, "balance under the year's corrections"),
        "reference_balance": (ends.start, "balance under the corrections of the mean inputs"),
        "difference": (float(found.difference), "difference of the two"),
        "gap": (float(found.gap), "difference minus the sum of all contributions"),
    }
    for name, (value, what) in numbers.items():
        data[name] = ((), value, {**units, "long_name": what})
    data["nodes"] = ((), found.nodes, {"units": "1", "long_name": "nodes of the quadrature"})
    coords = {"y": ("y", features.y, {"units": "m"}), "x": ("x", features.x, {"units": "m"}), "month": months}
    attrs = {"year": period.year, "crs": features.crs.to_wkt(), "complete": int(found.complete)}
    return xr.Dataset(data, coords, attrs)
