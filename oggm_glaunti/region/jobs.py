"""The job of one glacier, and its outcome."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from oggm.exceptions import InvalidParamsError

from oggm_glaunti import settings
from oggm_glaunti.core.units import BAND_WIDTH
from oggm_glaunti.coupling.gridded.corrections import correction_years
from oggm_glaunti.coupling.gridded.training_range import warn_about_inputs
from oggm_glaunti.coupling.ground.features import Features
from oggm_glaunti.coupling.table.band_corrections import BandCorrections
from oggm_glaunti.coupling.table.inputs import TableInputs, TunableParams
from oggm_glaunti.coupling.table.table import Table
from oggm_glaunti.region.plan import Size

TASK = "glaunti_tables"


def require_each_once(rgi_ids: Sequence[str]) -> None:
    """Raise an InvalidParamsError that names glaciers given more than once.

    Examples
    --------
    >>> require_each_once(["RGI60-11.00897", "RGI60-11.00897", "RGI60-11.01450"])
    Traceback (most recent call last):
    ...
    oggm.exceptions.InvalidParamsError: glaciers given twice: RGI60-11.00897
    """
    twice = [rgi_id for rgi_id, count in Counter(rgi_ids).items() if count > 1]
    if twice:
        raise InvalidParamsError(f"glaciers given twice: {', '.join(twice[:5])}{', ...' if len(twice) > 5 else ''}")


@dataclass(frozen=True, eq=False)
class Job:
    """The table of one glacier.

    Attributes
    ----------
    key : str
        Unique identifier of the glacier, chosen by the caller
    rgi_id : str
        RGI identifier, for error messages
    model : GlaUnTI
        Model A, C or D as in the weights, for the corrections
    weights_sha256 : str
        Digest of the model's weights; glaciers of different weights are run separately
    inputs : TableInputs
        Climate, heights, hemisphere and temperature index of the table; without corrections
    tunables : TunableParams
        Tunable parameters of the table
    corrector : {'yearly', 'climatology', 'off'}
        Use of the corrections
    features : Features or None
        Inputs of the corrector; not used if the corrections are known or the corrector is off
    yearly : BandCorrections or None
        Corrections, if known
    """

    key: str
    rgi_id: str
    model: Any
    weights_sha256: str
    inputs: TableInputs
    tunables: TunableParams
    corrector: str
    features: Features | None = None
    yearly: BandCorrections | None = None

    @property
    def wants_corrections(self) -> bool:
        """Whether the corrector has to be run."""
        return self.corrector != "off" and self.yearly is None

    def corrector_features(self) -> Features:
        """Return the corrector's inputs, without which it cannot be run."""
        if self.features is None:
            raise InvalidParamsError(f"{self.rgi_id}: the corrector needs features")
        return self.features

    @cached_property
    def table_inputs(self) -> TableInputs:
        """The inputs of the table, with the corrections to be used."""
        used = self.yearly
        if used is not None and self.corrector == "climatology":
            used = used.climatology()
        return replace(self.inputs, corrections=used)

    def size(self) -> Size:
        """Return the sizes from which batches are planned.

        Raises
        ------
        InvalidWorkflowError
            If corrections are wanted and the record holds no full mass-balance year
        """
        periods = 1 if self.corrector != "yearly" or self.yearly is None else self.yearly.years.size
        climate = self.inputs.climate
        table = {"heights": self.inputs.heights.size, "table_years": climate.years.size, "periods": periods}
        held = climate.time.nbytes + climate.temp.nbytes + climate.prcp.nbytes
        size = Size(self.key, self.weights_sha256, **table, held=held, day=self.inputs.ti.day.name)
        if not self.wants_corrections:
            return size
        years = len(correction_years(climate, self.inputs.hemisphere, self.rgi_id))
        f = self.corrector_features()
        warn_about_inputs(self.model, climate, f, self.rgi_id)
        own = f.elevation[f.glacier]
        maps = (f.outline, f.elevation, f.elevation_std, *(() if f.facies is None else (f.facies,)))
        held += sum(values.nbytes for values in maps)
        grid: dict[str, Any] = {"rows": f.shape[0], "cols": f.shape[1], "channels": 15 if self.model.name == "D" else 6}
        bands = int(own.max() // BAND_WIDTH - own.min() // BAND_WIDTH) + 1
        return replace(size, **grid, nodes=nodes_of(f).size, cells=own.size, bands=bands, years=years, held=held)


@dataclass(frozen=True, eq=False)
class JobOutcome:
    """The table of a job and the corrections used for it, or the error that occurred."""

    job: Job
    table: Table | None = None
    error: Exception | None = None
    seconds: float = 0.0


def nodes_of(features: Features) -> np.ndarray:
    """Return the heights of the uncorrected runs, m (N,)."""
    from oggm_glaunti.core.smooth import even_heights

    return even_heights(features.elevation.min(), features.elevation.max(), settings.param("glaunti_table_step"))
