"""The stages that a glacier directory has finished: a digest of what was asked for and the names of the files made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oggm_glaunti.coupling.model.oggm_record import read_json, write_json
from oggm_glaunti.coupling.oggm.from_oggm import cfg
from oggm_glaunti.coupling.oggm.netcdf import netcdf_file
from oggm_glaunti.coupling.oggm.shapefiles import without_search_for_projections
from oggm_glaunti.files import state_of
from oggm_glaunti.settings import set_params
from oggm_glaunti.workflows.region_directories import STAGES_FILE

if TYPE_CHECKING:
    from oggm import GlacierDirectory

# A task and its keyword arguments.
EntityTask = tuple[Callable, dict[str, Any]]
# What a worker answers for one stage of one glacier, otherwise the error.
DONE, KEPT = "done", "kept"


def do_stage(gdir: GlacierDirectory, stage: str, digest: str, tasks: Sequence[EntityTask]) -> str:
    """Run the tasks of a stage unless they have been run with the same options.

    Parameters
    ----------
    gdir : GlacierDirectory
        the glacier
    stage : str
        name of the stage
    digest : str
        digest of all options up to this stage
    tasks : sequence of (task, keyword arguments)
        entity tasks

    Returns
    -------
    str
        'done', 'kept' or the error
    """
    path, doing = Path(gdir.dir) / STAGES_FILE, STAGES_FILE
    # Tasks raise, also those that a task calls: continue_on_error would hide the reason of a failure.
    before = cfg.PARAMS["continue_on_error"]
    set_params({"continue_on_error": False})
    try:
        stages = read_stages(gdir)
        noted = stages.get(stage)
        if isinstance(noted, list) and noted[:1] == [digest] and all(_is_sound(gdir.dir, name) for name in noted[1:]):
            return KEPT
        # Until all is done the directory is neither what it was nor what it will be, nor is what was made from it.
        write_json(path, dict(takewhile(lambda item: item[0] != stage, stages.items())))
        states = _states(path.parent)
        with without_search_for_projections():
            for task, kwargs in tasks:
                doing = task.__name__
                task(gdir, print_log=False, reset=True, **kwargs)
        doing = STAGES_FILE
        made = [name for name, state in _states(path.parent).items() if state != states.get(name)]
        write_json(path, {**read_stages(gdir), stage: [digest, *sorted(made)]})
    except Exception as err:
        # Whatever it is, OGGM has it in the directory's log, and the other glaciers go on.
        return f"{doing}: {type(err).__name__}: {' '.join(str(err).split())}"
    finally:
        set_params({"continue_on_error": before})
    return DONE


def read_stages(gdir: GlacierDirectory) -> dict[str, list[str]]:
    """Return the digest of each finished stage and the names of the files it made, in the order of the stages."""
    return read_json(Path(gdir.dir) / STAGES_FILE, gdir.rgi_id, "the glacier is done again") or {}


def _states(folder: Path) -> dict[str, Any]:
    return {path.name: state_of(path) for path in folder.iterdir() if path.name not in (STAGES_FILE, "log.txt")}


def _is_sound(folder: str, name: str) -> bool:
    """Whether a file of a finished stage is still there and, if it is NetCDF, can be opened."""
    try:
        with netcdf_file(Path(folder) / name) if name.endswith(".nc") else nullcontext():
            return (Path(folder) / name).exists()
    except (OSError, RuntimeError):
        return False
