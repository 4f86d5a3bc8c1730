"""What ``oggm-glaunti run`` is asked for; OGGM's start and its glacier directories, new or of an earlier call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from oggm_glaunti import settings
from oggm_glaunti.workflows.lists import first_lines
from oggm_glaunti.workflows.outlines import check_outlines, id_name, read_outlines

if TYPE_CHECKING:
    import geopandas
    from oggm import GlacierDirectory

STAGES_FILE, MADE_FROM = "glaunti_stages.json", "glaunti_run.json"
# OGGM's pre-processed directories hold inverted ice from this level on.
LEVEL_WITH_ICE = 3
# Date that outlines of version 7 are as close to as possible (RGI 7.0 Consortium 2023).
RGI7_DATE = "2000-01-01 00:00:00"


class Directories(NamedTuple):
    """Glacier directories and failures.

    Attributes
    ----------
    gdirs : list of GlacierDirectory
    failures : dict
        by id, why there is no directory
    outlines : dict
        by id, a digest of the outline and its attributes; empty for OGGM's pre-processed directories
    """

    gdirs: list[GlacierDirectory]
    failures: dict[str, str]
    outlines: dict[str, str]


@dataclass(frozen=True)
class Request:
    """What a region is run with; see ``oggm-glaunti run --help``."""

    out: Path
    climate: str
    years: tuple[int, int]
    climate_is_file: bool = True
    rgi_ids: tuple[str, ...] = ()
    shapefile: Path | None = None
    dem: Path | None = None
    crs: str | None = None
    prepro_level: int = 3
    border: int = 80
    prepro_url: str | None = None
    climate_options: Mapping[str, Any] = field(default_factory=dict)
    model: str = "C"
    weights: Path | None = None
    ref_mb: float | str | None = None
    ref_mb_err: float | None = None
    ref_period: str | None = None
    dynamics: bool = True
    workers: int = 1
    memory: float | None = None
    progress: bool = True

    @property
    def inverts(self) -> bool:
        """Whether the ice thickness is inverted here, and not in OGGM's pre-processed directories."""
        return self.dynamics and (self.shapefile is not None or self.prepro_level < LEVEL_WITH_ICE)


def open_directories(request: Request, say: Callable[[str], None]) -> Directories:
    """Start OGGM in ``request.out`` and open or make the glacier directories.

    Parameters
    ----------
    request : Request
        outlines or ids, DEM and where to put the directories
    say : callable
        called with lines of progress

    Returns
    -------
    Directories

    Raises
    ------
    InvalidParamsError
        if outlines or DEM cannot be read, or the folder was made from others
    InvalidWorkflowError
        if OGGM needs the network and there is none
    """
    from oggm_glaunti.coupling.model.oggm_record import read_json, write_json
    from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError

    request.out.mkdir(parents=True, exist_ok=True)
    # What the geometry of the glaciers is made from.
    source: dict[str, Any] = {name: getattr(request, name) for name in ("prepro_level", "border", "prepro_url")}
    if request.shapefile is not None:
        files = {"shapefile": request.shapefile, "dem": request.dem}
        source = {name: None if file is None else str(file.resolve()) for name, file in files.items()}
        source |= {} if request.crs is None else {"crs": request.crs}
    path = request.out / MADE_FROM
    try:
        found = read_json(path, "made from", "all glaciers are done again")
        there = source if found is None else found
    except InvalidParamsError as err:
        say(str(err))
        for stages in request.out.glob(f"per_glacier/*/*/*/{STAGES_FILE}"):
            stages.unlink()
        there = source
    if there != source:
        # Ice and tables of the directory would no longer belong to its geometry.
        raise InvalidParamsError(f"{request.out} was made from {there}, now asked for is {source}; give another --out")
    outlines = None if request.shapefile is None else read_outlines(request.shapefile, request.years[0], request.crs)
    _start_for(request, outlines)
    # Only now: a file that could not be read is no reason to refuse the right one.
    write_json(path, source)
    if outlines is None:
        return _prepro_directories(request, say)
    say(f"outlines: {len(outlines)} glaciers from {request.shapefile}")
    if outlines.attrs.get("made_up"):
        first = outlines["RGIId"].iloc[0]
        say(f"  no RGI attributes: called {first} and so on in the file's order, as of {request.years[0]}")
    checked = check_outlines(outlines, request.dem)
    for remark in first_lines(checked.remarks):
        say(f"  {remark}")
    made = _outline_directories(checked.outlines)
    return made._replace(failures={**checked.failures, **made.failures})


def _start_for(request: Request, outlines: geopandas.GeoDataFrame | None) -> None:
    """Initialise OGGM; with its own downloads only where the request cannot do without."""
    from oggm_glaunti.coupling.ground.rasters import open_raster
    from oggm_glaunti.coupling.oggm.from_oggm import InvalidWorkflowError, cfg
    from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
    from oggm_glaunti.coupling.oggm.offline import start_offline

    params = {
        "border": request.border,
        "continue_on_error": True,
        "use_multiprocessing": request.workers > 1,
        "mp_processes": request.workers,
        # A fork of this process, in which JAX is at work, could not use JAX.
        "use_mp_spawn": True,
        "store_fl_diagnostics": True,
    }
    if outlines is not None and request.dem is not None:
        start_offline(request.out, params, logging_level="CRITICAL")
        if "rgi_id" in outlines and "src_date" not in outlines:
            # Complexes of version 7 have no dates, and OGGM would download a table of them.
            outlines["src_date"] = RGI7_DATE
        with HDF5_LOCK, open_raster("--dem", request.dem):
            pass  # what is wrong with the file itself need not be said glacier by glacier
        cfg.PATHS["dem_file"] = str(request.dem.resolve())
        # The directories are offline, W5E5's weather is not.
        settings.set_params({"has_internet": not request.climate_is_file})
        return
    try:
        cfg.initialize(logging_level="CRITICAL")
    except Exception as err:
        # Without a network OGGM stumbles over a download that is None, wherever that is.
        raise InvalidWorkflowError(
            f"OGGM could not download its own data ({type(err).__name__}: {err}). --rgi-ids, and --shapefile without "
            "--dem, need a network; --shapefile with --dem FILE and --climate FILE does not."
        ) from err
    settings.register()
    settings.set_params(params)
    cfg.PATHS["working_dir"] = str(request.out.resolve())


def _outline_directories(outlines: geopandas.GeoDataFrame) -> Directories:
    import oggm

    gdirs, failures, digests = [], {}, {}
    # Not in OGGM's pool: a spawned worker would download the names of the RGI's regions.
    for rgi_id, (_, entity) in zip(outlines[id_name(outlines)], outlines.iterrows(), strict=True):
        about = [entity.geometry.wkb_hex, *entity.drop(outlines.geometry.name).items()]
        digests[rgi_id] = hashlib.sha256(json.dumps(about, default=str).encode()).hexdigest()
        try:
            gdirs.append(oggm.GlacierDirectory(entity))
        except Exception as err:  # an attribute of the inventory that is missing or senseless, wherever OGGM meets it
            empty = ", ".join(entity.index[entity.isna()])
            failures[rgi_id] = (
                f"OGGM makes no directory of its outline ({type(err).__name__}: {err}"
                f"{'; empty: ' + empty if empty else ''}); give all attributes of the RGI, or none, not even an id"
            )
    return Directories(gdirs, failures, digests)


def _prepro_directories(request: Request, say: Callable[[str], None]) -> Directories:
    """Open directories of OGGM's server; those that an earlier call has unpacked are used as they are."""
    import oggm
    from oggm import DEFAULT_BASE_URL, workflow

    gdirs, failures, kept = [], {}, 0
    for rgi_id in dict.fromkeys(request.rgi_ids):
        try:
            folder = request.out / "per_glacier" / rgi_id[:-6] / rgi_id[:-3] / rgi_id
            # An earlier call began to work in the directory, so it had been unpacked to the end.
            if (folder / STAGES_FILE).exists():
                gdirs.append(oggm.GlacierDirectory(rgi_id))
                kept += 1
            else:
                where = {"prepro_border": request.border, "base_url": request.prepro_url or DEFAULT_BASE_URL}
                gdirs.append(workflow.gdir_from_prepro(rgi_id, from_prepro_level=request.prepro_level, **where))
        except Exception as err:  # an id that does not exist, a server that does not answer: the others go on
            failures[rgi_id] = f"no directory of level {request.prepro_level}: {type(err).__name__}: {err}"
    say(f"directories: {len(gdirs)} of {len(gdirs) + len(failures)}, {kept} from before")
    return Directories(gdirs, failures, {})
