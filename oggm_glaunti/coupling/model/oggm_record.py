"""What OGGM's own tasks leave in a glacier directory, as far as it concerns this class.

Up to OGGM 1.6.3 that is ``mb_calib<suffix>.json``, from 1.7 on ``settings<suffix>.yml``. The numbers in it are ours if
OGGM calibrated this class (:mod:`oggm_glaunti.coupling.oggm.hooks` leaves a note of it); otherwise they belong to
another mass-balance model and are of no use here, but for perturbations.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from oggm import cfg
from oggm.core.massbalance import MB_GLOBAL_PARAMS
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.oggm.hooks import OWNER
from oggm_glaunti.coupling.oggm.versions import HAS_SETTINGS
from oggm_glaunti.coupling.oggm.writing import writing
from oggm_glaunti.coupling.table.inputs import TUNABLE

if TYPE_CHECKING:
    from oggm import GlacierDirectory

BY_OGGM = "OGGM's calibration"
BACKUP = "glaunti_params"
"""Entry of ``settings.yml``: the content of ``glaunti_params.json``: OGGM copies the settings wherever it goes."""

OF_OGGM = (
    *("rgi_id", "bias", *TUNABLE, "reference_mb", "reference_mb_err", "reference_period"),
    *("mb_global_params", "baseline_climate_source", OWNER),
)
"""What OGGM's calibrations write, with the note of its owner."""


class OGGMRecord(NamedTuple):
    """Content of a file of OGGM and the file's name; empty if there is none."""

    values: dict[str, Any]
    file: str

    @property
    def is_ours(self) -> bool:
        """Whether OGGM's tasks calibrated this class."""
        return bool(self._owner)

    @property
    def _owner(self) -> dict[str, Any]:
        # mb_calib_glaunti.json is our own calibration with what OGGM notes beside it.
        return self.values.get(OWNER) or (self.values if "weights_sha256" in self.values else {})

    @property
    def is_foreign(self) -> bool:
        """Whether OGGM's tasks calibrated another mass-balance model."""
        return "mb_global_params" in self.values and not self.is_ours

    def calibration(self, ours: dict[str, Any]) -> dict[str, Any]:
        """Return the calibration of this class in the record.

        Parameters
        ----------
        ours : dict
            content of ``glaunti_params.json``, empty if there is none. It counts alone if it was edited since it was
            copied to the record
        """
        owner = self._owner
        if ours and owner.get("calibrated_by") != BY_OGGM and ours != owner:
            return ours
        numbers = {name: self.values[name] for name in self._numbers()}
        if any(owner.get(name) != value for name, value in numbers.items()):
            # The residual that an earlier calibration left is no longer true.
            owner = {name: value for name, value in owner.items() if name != "residual"}
        return {**owner, **numbers}

    def set_by_hand(self) -> dict[str, Any]:
        """Return the numbers that no calibration wrote."""
        return {} if "mb_global_params" in self.values else {name: self.values[name] for name in self._numbers()}

    def perturbation(self) -> dict[str, float]:
        """Return what ``perturbate_mb_params`` changed: a factor for ``prcp_fac``, a difference otherwise.

        It keeps the original of each number, so this does not depend on whose numbers they are.
        """
        values, found = self.values, {}
        for name in self._numbers():
            now, before = values[name], values.get(f"{name}_orig", values[name])
            if now != before:
                found[name] = now / before if name == "prcp_fac" else now - before
        return found

    def _numbers(self) -> list[str]:
        return [name for name in TUNABLE if name in self.values]


class OGGMFile:
    """The file in which OGGM's tasks keep the numbers of a mass-balance model.

    Parameters
    ----------
    gdir : GlacierDirectory
    filesuffix : str
        of ``settings.yml`` or ``mb_calib.json``
    """

    def __init__(self, gdir: GlacierDirectory, filesuffix: str = ""):
        self.gdir, self.filesuffix = gdir, filesuffix
        self.path = Path(gdir.get_filepath("settings" if HAS_SETTINGS else "mb_calib", filesuffix=filesuffix))

    def read(self) -> dict[str, Any]:
        """Return the file's content; empty if there is none."""
        if HAS_SETTINGS:
            return self.gdir.read_yml("settings", filesuffix=self.filesuffix, allow_empty=True) or {}
        return read_json(self.path, self.gdir.rgi_id) or {}

    def write(self, values: dict[str, Any]) -> None:
        """Replace the file's content."""
        if not HAS_SETTINGS:
            write_json(self.path, values)
            return
        import yaml  # which this version of OGGM needs itself

        with writing(self.path, self.gdir.rgi_id) as temporary:
            temporary.write_text(yaml.safe_dump(plain(values)))
        # The directory keeps what it has read.
        self.gdir.settings_filesuffix = self.gdir.settings_filesuffix

    def put_back(self, before: dict[str, Any], copy: Path | None) -> None:
        """Undo what was written over the numbers `before`; what else OGGM has written since to its settings stays.

        Parameters
        ----------
        before : dict
            content before
        copy : path, optional
            copy of the file before, None if there was none
        """
        if HAS_SETTINGS:
            others = {name: value for name, value in self.read().items() if name not in OF_OGGM}
            self.write(others | {name: before[name] for name in OF_OGGM if name in before})
        elif copy is not None:
            os.replace(copy, self.path)
        else:
            self.path.unlink(missing_ok=True)


def read_oggm_record(gdir: GlacierDirectory, filesuffix: str = "") -> OGGMRecord:
    """Read what OGGM's tasks left under a suffix.

    Parameters
    ----------
    gdir : GlacierDirectory
    filesuffix : str
        of ``settings.yml`` or ``mb_calib.json``

    Raises
    ------
    InvalidParamsError
        if the file is damaged
    """
    file = OGGMFile(gdir, filesuffix)
    values = file.read()
    if HAS_SETTINGS and not any(name in values for name in TUNABLE):
        # As OGGM 1.6.3 left it; OGGM reads it too.
        path = Path(gdir.get_filepath("mb_calib", filesuffix=filesuffix))
        return OGGMRecord(read_json(path, gdir.rgi_id) or {}, path.name)
    return OGGMRecord(values, file.path.name)


def read_backup(gdir: GlacierDirectory, filesuffix: str) -> dict[str, Any]:
    """Return the content of ``glaunti_params<suffix>.json`` from the files of OGGM that carry it too; {} if none."""
    path = Path(gdir.get_filepath("mb_calib", filesuffix=f"_glaunti{filesuffix}"))
    found = read_json(path, gdir.rgi_id)
    if found is None:
        return OGGMFile(gdir, filesuffix).read().get(BACKUP, {}) if HAS_SETTINGS else {}
    return found


def forget_calibration(gdir: GlacierDirectory, filesuffix: str = "") -> None:
    """Remove a calibration from everywhere it is kept, so that the glacier runs with the published model again.

    What OGGM's tasks calibrated for another mass-balance model stays.
    """
    for name, suffix in (("glaunti_params", filesuffix), ("mb_calib", f"_glaunti{filesuffix}")):
        Path(gdir.get_filepath(name, filesuffix=suffix)).unlink(missing_ok=True)
    file, record = OGGMFile(gdir, filesuffix), read_oggm_record(gdir, filesuffix)
    ours = {BACKUP, *(OF_OGGM if record.is_ours else ())}
    values = file.read()
    if ours & values.keys():
        file.write({name: value for name, value in values.items() if name not in ours})


def parent_of_settings(gdir: GlacierDirectory, filesuffix: str) -> str | None:
    """Return the suffix of the settings that others fall back to; None if there are none of that suffix."""
    stored = OGGMFile(gdir, filesuffix).read() if HAS_SETTINGS and filesuffix else {}
    if not stored:
        return None
    parent = stored.get("parent_filesuffix", "cfg.PARAMS")
    return "" if parent == "cfg.PARAMS" else parent


def hand_to_oggm(gdir: GlacierDirectory, params: dict[str, Any], filesuffix: str) -> None:
    """Let the numbers of a calibration be those that OGGM's tasks read and turn.

    What OGGM calibrated for this class before is replaced, what it calibrated for another one is left alone. From OGGM
    1.7 on, settings without a calibration get it too.

    Parameters
    ----------
    gdir : GlacierDirectory
    params : dict
        content of ``glaunti_params<suffix>.json``
    filesuffix : str
    """
    record, file = read_oggm_record(gdir, filesuffix), OGGMFile(gdir, filesuffix)
    if not HAS_SETTINGS and not record.is_ours:
        return
    values = file.read() or {"parent_filesuffix": ""} if HAS_SETTINGS else record.values
    file.write({**values, **({BACKUP: params} if record.is_foreign or "melt_f" not in params else for_oggm(params))})


def for_oggm(params: dict[str, Any]) -> dict[str, Any]:
    """Return a calibration in the words of OGGM's own, with a note of its owner."""
    # None of OGGM's models has these two: they refuse the numbers instead of running on them.
    marks = {"temp_melt": 0.0, "temp_default_gradient": params.get("temp_gradient")}
    noted = {**global_params(params), **({"mb_global_params": marks} if HAS_SETTINGS else {})}
    return {**{name: params[name] for name in OF_OGGM if name in params}, **noted, OWNER: params}


def global_params(params: dict[str, Any]) -> dict[str, Any]:
    """Return what OGGM notes beside its calibrations: its global parameters and the source of the climate."""
    return {
        "mb_global_params": {name: cfg.PARAMS[name] for name in MB_GLOBAL_PARAMS},
        "baseline_climate_source": params.get("climate_source"),
    }


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return values with NumPy's scalars and arrays as plain Python."""
    return json.loads(json.dumps(values, default=lambda value: value.tolist()))


def read_json(path: Path, label: str, remedy: str = "delete it and calibrate again") -> dict[str, Any] | None:
    """Read a file of named values.

    Parameters
    ----------
    path : path
    label : str
        begins the message of an error: the glacier
    remedy : str
        ends it

    Returns
    -------
    dict or None
        None if there is no file

    Raises
    ------
    InvalidParamsError
        if it is damaged, a link to nothing, or holds something else
    """
    if not os.path.lexists(path):
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as err:
        broken = path.is_symlink() and not path.exists()
        what = f"is a link to {os.readlink(path)}, which is not there" if broken else f"cannot be read ({err})"
        raise InvalidParamsError(f"{label}: {path} {what}; {remedy}") from err
    if not isinstance(content, dict):
        raise InvalidParamsError(f"{label}: {path}: expected named values in braces, found {content!r:.80}; {remedy}")
    return content


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write JSON to a temporary name in the same folder, then rename it."""
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    with writing(path, str(values.get("rgi_id", path.parent.name))) as temporary:
        temporary.write_text(text)
