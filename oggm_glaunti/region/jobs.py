"""What is asked for one glacier, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
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


def require_each_once(rgi_ids: Sequence[str]) -> None:
    """Raise an InvalidParamsError that names the glaciers which are there more than once.

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
        whatever the caller knows the glacier by; unique
    rgi_id : str
        named in errors
    model : GlaUnTI
        A, C or D; of the weights alone, for the corrections
    weights_sha256 : str
        of the model: glaciers of different weights are run apart
    inputs : TableInputs
        climate, heights, hemisphere and the temperature index of the table; without corrections
    tunables : TunableParams
    corrector : {'yearly', 'climatology', 'off'}
    features : Features or None
        the corrector's inputs; not used where the corrections are known or the corrector is off
    yearly : BandCorrections or None
        the corrections where they are known
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

    def corrected(self, yearly: BandCorrections) -> Job:
        """The same with the corrections found; the corrector's inputs are let go."""
        return replace(self, yearly=yearly, features=None)

    def table_inputs(self) -> TableInputs:
        """What the table is made from."""
        used = self.yearly
        if used is not None and self.corrector == "climatology":
            used = used.climatology()
        return replace(self.inputs, corrections=used)

    def size(self) -> Size:
        """What the plan has to know.

        Raises
        ------
        InvalidWorkflowError
            where corrections are wanted and the record holds no full mass-balance year
        """
        periods = 1 if self.corrector != "yearly" or self.yearly is None else self.yearly.years.size
        climate = self.inputs.climate
        table = (self.key, self.weights_sha256, self.inputs.heights.size, climate.years.size, periods)
        held = climate.time.nbytes + climate.temp.nbytes + climate.prcp.nbytes
        if not self.wants_corrections:
            return Size(*table, held=held, day=self.inputs.ti.day.name)
        years = len(correction_years(climate, self.inputs.hemisphere, self.rgi_id))
        warn_about_inputs(self.model, climate, self.features, self.rgi_id)
        f, own = self.features, self.features.elevation[self.features.glacier]
        bands = int(own.max() // BAND_WIDTH - own.min() // BAND_WIDTH) + 1
        channels = 15 if self.model.name == "D" else 6
        held += sum(values.nbytes for values in (f.outline, f.elevation, f.elevation_std))
        held += 0 if f.facies is None else f.facies.nbytes
        return Size(*table, *f.shape, channels, nodes_of(f).size, own.size, bands, years, held, self.inputs.ti.day.name)


@dataclass(frozen=True, eq=False)
class Outcome:
    """The table of a job and the corrections it was made with, or the error that was in the way."""

    job: Job
    table: Table | None = None
    error: Exception | None = None
    seconds: float = 0.0


def nodes_of(features: Features) -> np.ndarray:
    """Heights of the uncorrected runs, m (N,)."""
    from oggm_glaunti.core.smooth import even_heights

    return even_heights(features.elevation.min(), features.elevation.max(), settings.param("glaunti_table_step"))
