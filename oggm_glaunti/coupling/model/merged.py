"""Merged glaciers: each flowline has the weather, the calibration and the corrector's inputs of its own glacier.

OGGM's ``merge_glacier_tasks`` makes a directory for glaciers that flow together and asks for the balance of a flowline
with its glacier's id before the suffix of the climate. Of a glacier's files it takes along the climate it is told to.
"""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from oggm import entity_task

from oggm_glaunti import settings
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, InvalidWorkflowError
from oggm_glaunti.coupling.oggm.writing import writing
from oggm_glaunti.coupling.table.store import tributary_suffix

settings.register()
log = logging.getLogger(__name__)


@entity_task(log, writes=["glaunti_params", "glaunti_features"])
def copy_to_merged(gdir: GlacierDirectory, *, gdirs: Sequence[GlacierDirectory]) -> list[str]:
    """Copy daily weather, calibrations and features of merged glaciers to their common directory.

    Parameters
    ----------
    gdir : GlacierDirectory
        what ``oggm.workflow.merge_glacier_tasks`` made
    gdirs : list of GlacierDirectory
        the glaciers it was made of; others are ignored

    Returns
    -------
    list of str
        names of the files written, such as ``glaunti_params_RGI60-11.00897.json``

    Raises
    ------
    InvalidParamsError
        if one of the glaciers is not given
    """
    directories = {one.rgi_id: one for one in gdirs}
    ids = {line.rgi_id for line in gdir.read_pickle("model_flowlines")} - {None, gdir.rgi_id}
    if missing := sorted(ids - directories.keys()):
        raise InvalidParamsError(f"{gdir.rgi_id}: gdirs: expected the merged glaciers, missing {', '.join(missing)}")
    names = f"climate_historical{settings.DAILY_SUFFIX}*.nc", "glaunti_params*.json", "glaunti_features*.nc"
    written = []
    for rgi_id in sorted(ids):
        for path in sorted(path for name in names for path in Path(directories[rgi_id].dir).glob(name)):
            stem = next(name for name in ("climate_historical", *settings.BASENAMES) if path.name.startswith(name))
            target = Path(gdir.dir) / f"{stem}_{rgi_id}{path.name.removeprefix(stem)}"
            with writing(target, gdir.rgi_id) as temporary:
                shutil.copyfile(path, temporary)
            written.append(target.name)
    return written


def params_filesuffix_of(gdir: GlacierDirectory, params_filesuffix: str, input_filesuffix: str) -> str:
    """Return the suffix of the calibration of a flowline with that climate: its own glacier's, if it is merged.

    Raises
    ------
    InvalidWorkflowError
        if the glacier was calibrated, but its calibration is not in the merged directory
    """
    tributary = tributary_suffix(input_filesuffix)
    name, own = f"glaunti_params{params_filesuffix}.json", tributary + params_filesuffix
    if not tributary or Path(gdir.get_filepath("glaunti_params", filesuffix=own)).exists():
        return own
    rgi_id = tributary.removeprefix("_")
    if (Path(gdir.base_dir) / rgi_id[:-6] / rgi_id[:-3] / rgi_id / name).exists():
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: {rgi_id} is calibrated ({name} in its directory), but the merged directory does not have "
            f"its calibration; run oggm_glaunti.tasks.copy_to_merged(gdir, gdirs=...) after merging"
        )
    return params_filesuffix
