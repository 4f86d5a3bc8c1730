"""Cache of height-year tables: in memory for trial parameter values, on disk for the calibrated ones.

The steps from inputs to a table's file are those of one glacier as of a whole region: :attr:`TableStore.bare_inputs`,
:meth:`TableStore.kept_corrections` or computed ones, :meth:`TableStore.adopt_corrections`, and :meth:`TableStore.adopt`
of the finished table.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti import settings
from oggm_glaunti.core.parameters import STORED_NAMES
from oggm_glaunti.coupling.ground.debris import DebrisProfile
from oggm_glaunti.coupling.ground.features import Features
from oggm_glaunti.coupling.ground.heights import table_heights
from oggm_glaunti.coupling.oggm.processes import require_jax
from oggm_glaunti.coupling.oggm.rgi_ids import RGI_ID
from oggm_glaunti.coupling.table.band_corrections import BandCorrections, compute_corrections, corrections_digest
from oggm_glaunti.coupling.table.file import TableHead, read_corrections, read_head, read_kept_table, write_table
from oggm_glaunti.coupling.table.inputs import InputFiles, TableInputs, TunableParams
from oggm_glaunti.coupling.table.interpolation import Interpolator
from oggm_glaunti.coupling.table.refreezing import with_refreezing
from oggm_glaunti.coupling.table.table import Table, build_table
from oggm_glaunti.coupling.table.trial import AskedHeights, TrialTable
from oggm_glaunti.coupling.weather.file import DailyClimate

if TYPE_CHECKING:
    from oggm import GlacierDirectory

    from oggm_glaunti.core.glaunti import GlaUnTI
    from oggm_glaunti.core.temperature_index import TIWeights

# Tables of other tunable parameter settings kept in memory: OGGM's UncertainMassBalance goes to and fro between two.
TABLES_KEPT = 4
# What OGGM puts before the climate's suffix for a tributary of a merged glacier: its id.
TRIBUTARY = re.compile(f"_{RGI_ID.pattern}")


@dataclass(eq=False, repr=False)
class TableStore:
    """Tables of one glacier under one model, climate and corrector mode.

    Attributes
    ----------
    gdir : GlacierDirectory
    model : GlaUnTI
        A, C or D
    weights_sha256 : str
        checksum of its weights
    files : InputFiles
        the files tables are made from
    corrector : {'yearly', 'climatology', 'off'}
    temp_gradient : float
        K m-1
    ti : TIWeights
        temperature index of the tables, that of the weights or another; the corrections are those of the weights
    params_filesuffix, input_filesuffix : str
        of the calibration and of the climate: each pair has a file of its own, see :func:`table_path`
    head : TableHead or None
        of that file, where it has been read already
    refreezing : {'none', 'woodward', 'cold_content'}
    debris : DebrisProfile or None
    """

    gdir: GlacierDirectory
    model: GlaUnTI
    weights_sha256: str
    files: InputFiles
    corrector: str
    temp_gradient: float
    ti: TIWeights
    params_filesuffix: str
    input_filesuffix: str
    head: TableHead | None
    refreezing: str = "none"
    debris: DebrisProfile | None = None

    def __post_init__(self) -> None:
        # Each tributary of a merged glacier has features of its own, as it has its own climate.
        self._features_suffix = tributary_suffix(self.input_filesuffix)
        self._in_memory: dict[tuple[bool, bytes], Interpolator] = {}

    def path(self, params_filesuffix: str | None = None) -> Path:
        """Return the path of the table's file."""
        params = self.params_filesuffix if params_filesuffix is None else params_filesuffix
        return table_path(self.gdir, self.model.name, params, self.input_filesuffix)

    # --- what a table is made from ---

    @property
    def climate(self) -> DailyClimate:
        """The daily climate."""
        return self.files.climate

    @property
    def features(self) -> Features:
        """The corrector's inputs."""
        return self.files.features(self._features_suffix)

    @cached_property
    def heights(self) -> np.ndarray:
        """Heights of the tables, m (N,)."""
        return table_heights(self.files.height_bounds(), settings.param("glaunti_table_step"))

    @cached_property
    def bare_inputs(self) -> TableInputs:
        """What tables are made from, without the corrections."""
        how = self.temp_gradient, self.gdir.hemisphere, None, self.debris
        return TableInputs(self.ti, self.climate, self.heights, *how)

    @cached_property
    def yearly_corrections(self) -> BandCorrections | None:
        """Corrections of all mass-balance years, computed on first use unless the directory has them."""
        return None if self.corrector == "off" else self.kept_corrections() or self.compute_corrections()

    @cached_property
    def inputs(self) -> TableInputs:
        """What tables are made from."""
        yearly = self.yearly_corrections
        used = yearly.climatology() if yearly is not None and self.corrector == "climatology" else yearly
        return replace(self.bare_inputs, corrections=used)

    @cached_property
    def corrections_digest(self) -> str:
        """Digest of everything the corrections are made from; empty where there are none."""
        if self.corrector == "off":
            return ""
        files = self.files.about_climate.sha256, self.files.features_sha256(self._features_suffix)
        return corrections_digest(*files, self.weights_sha256, self.gdir.hemisphere)

    def kept_corrections(self) -> BandCorrections | None:
        """Corrections of all mass-balance years, from any table's file of the directory that has them, or None."""
        own = self.path()
        paths = [own, *sorted(own.parent.glob("glaunti_table*.nc"))]
        found = (read_corrections(path, self.corrections_digest) for path in paths)
        return next((kept for kept in found if kept is not None), None)

    def compute_corrections(self) -> BandCorrections:
        """Corrections of all mass-balance years, computed whatever the directory has."""
        require_jax(f"{self.gdir.rgi_id}: computing the corrections of model {self.model.name}")
        return compute_corrections(self.model, self.climate, self.features, self.gdir.hemisphere, self.gdir.rgi_id)

    def adopt_corrections(self, yearly: BandCorrections | None) -> None:
        """Take corrections of all mass-balance years (None where the corrector is off) for the tables to be made."""
        self.yearly_corrections = yearly
        for made_of_them in ("inputs", "asked"):
            self.__dict__.pop(made_of_them, None)

    def digest(self, tunables: TunableParams) -> str:
        """Return the digest of everything a table is made from."""
        weights = {name: float(getattr(self.ti, name)) for name in STORED_NAMES}
        parts = [
            f"{settings.NUMERICS_VERSION} {self.temp_gradient!r}",
            self.files.about_climate.sha256,
            self.weights_sha256,
            self.corrector,
            self.gdir.hemisphere,
            self.corrections_digest,
            hashlib.sha256(self.heights.tobytes()).hexdigest(),
            tunables.digest(),
            f"{self.ti.day.name} {weights!r}",
            *([self.refreezing] if self.refreezing != "none" else []),
            *([self.debris.digest()] if self.debris is not None else []),
        ]
        return hashlib.sha256("|".join(parts).encode()).hexdigest()

    # --- tables ---

    def table_of(self, tunables: TunableParams, on_disk: bool) -> Interpolator:
        """Return the table of given tunable parameters.

        Parameters
        ----------
        tunables : TunableParams
        on_disk : bool
            whether to look for it in the directory, and keep it there
        """
        # Runs are in float32: the last steps of a root finder turn a parameter without any effect.
        key = on_disk, np.stack(tunables.by_month()).tobytes()
        # Moved to the end: the one used least recently goes first.
        table = self._in_memory.pop(key, None) or self._open(tunables, on_disk)
        table.label = self.gdir.rgi_id
        while len(self._in_memory) >= TABLES_KEPT:
            self._in_memory.pop(next(iter(self._in_memory)))
        self._in_memory[key] = table
        return table

    def _open(self, tunables: TunableParams, on_disk: bool) -> Interpolator:
        if on_disk:
            return self._by_head(tunables) or Interpolator.of(self._read_or_build(tunables, on_disk=True))
        if self.refreezing != "none":  # of a year's months all are needed
            return Interpolator.of(self._read_or_build(tunables, on_disk=False))
        checked = lambda smb: self._require_finite(smb, tunables)
        return TrialTable(self.asked, tunables, checked, lambda: self._read_or_build(tunables, on_disk=False))

    @cached_property
    def asked(self) -> AskedHeights:
        """Which heights of trial tables are read."""
        return AskedHeights(self.inputs)

    def _by_head(self, tunables: TunableParams) -> Interpolator | None:
        """Open the directory's table of these tunable parameters; months and climate are read on demand."""
        digest, head = self.digest(tunables), self.head
        if head is None or head.table_digest != digest:
            head = read_head(self.path())
        if head is None or head.table_digest != digest:
            return None
        return Interpolator(head.heights, head.annual_smb, lambda: self._read_or_build(tunables, on_disk=True))

    def read(self, tunables: TunableParams) -> Table | None:
        """Read the directory's table of these tunable parameters; None if there is none made from the same inputs."""
        return read_kept_table(self.path(), self.digest(tunables))

    def _read_or_build(self, tunables: TunableParams, on_disk: bool) -> Table:
        table = self.read(tunables) if on_disk else None
        if table is None:
            table = self.completed(build_table(self.inputs, tunables), tunables)
            if on_disk:
                self.adopt(table, tunables)
            else:
                self._require_finite(table.smb, tunables)
        return table

    def completed(self, table: Table, tunables: TunableParams) -> Table:
        """Return a table made from :attr:`inputs` with what freezes again, if it is to."""
        return table if self.refreezing == "none" else with_refreezing(self.refreezing, table, self.inputs, tunables)

    def adopt(self, table: Table, tunables: TunableParams) -> None:
        """Check a table made from :attr:`inputs` and write it, with the corrections, to the glacier directory.

        Raises
        ------
        InvalidWorkflowError
            if the table is not finite, or cannot be written
        """
        self._require_finite(table.smb, tunables)
        self._write(table, tunables, self.path())

    def keep(self, tunables: TunableParams, params_filesuffix: str) -> None:
        """Write the table of some tunable parameters, for models made from the calibration with that suffix."""
        table = self.table_of(tunables, on_disk=False).table
        self._write(table, tunables, self.path(params_filesuffix))

    def _write(self, table: Table, tunables: TunableParams, path: Path) -> None:
        attributes = {
            "rgi_id": self.gdir.rgi_id,
            "model": self.model.name,
            "corrector": self.corrector,
            "weights_sha256": self.weights_sha256,
            "variant": self.ti.day.name,
            "climate_source": self.files.about_climate.source,
            "ref_hgt": self.files.about_climate.ref_hgt,
            "table_digest": self.digest(tunables),
            "corrections_digest": self.corrections_digest,
            "input_files": self.files.record(),
        }
        write_table(path, _shortened(table), attributes, self.yearly_corrections)

    def _require_finite(self, smb: np.ndarray, tunables: TunableParams) -> np.ndarray:
        if not np.isfinite(smb).all():
            raise InvalidWorkflowError(
                f"{self.gdir.rgi_id}: the balance is not finite with {tunables}; check the tunable parameters and "
                f"{self.files.about_climate.file} in {self.gdir.dir}"
            )
        return smb

    def __getstate__(self) -> dict[str, Any]:
        """Workers get the inputs and find or rebuild the tables themselves."""
        return {**self.__dict__, "_in_memory": {}, "head": None}


def tributary_suffix(input_filesuffix: str) -> str:
    """Return the part of the climate's suffix that names a merged glacier, empty if there is none.

    Examples
    --------
    >>> tributary_suffix("_RGI60-11.00719_ssp126"), tributary_suffix("_ssp126")
    ('_RGI60-11.00719', '')
    """
    found = TRIBUTARY.search(input_filesuffix)
    return found.group() if found else ""


def table_path(gdir: GlacierDirectory, model: str, params_filesuffix: str, input_filesuffix: str) -> Path:
    """Return the path of a table's file, ``glaunti_table_<model>...nc``."""
    return Path(gdir.get_filepath("glaunti_table", filesuffix=f"_{model}{params_filesuffix}{input_filesuffix}"))


def _shortened(table: Table) -> Table:
    """Store fields in float32 if that changes no value: JAX computes in float32, NumPy in float64."""
    fields = {name: getattr(table, name) for name in ("smb", "solid_prcp", "pdd", "swe")}
    short = {name: values.astype(np.float32) for name, values in fields.items()}
    return replace(table, **{name: values for name, values in short.items() if np.array_equal(values, fields[name])})
