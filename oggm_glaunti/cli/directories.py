"""What the verbs on glacier directories share: which directories, which model, and what is made on the way."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from oggm_glaunti.cli import common
from oggm_glaunti.cli.config import config_of_run
from oggm_glaunti.settings import set_params

if TYPE_CHECKING:
    from oggm import GlacierDirectory

DIRECTORY = """\
DIR is a working directory of OGGM, for example what "oggm-glaunti run --out DIR" has made. The model is that of the
glacier's calibration if it has one, otherwise that of the run. What a glacier lacks is made on the way and kept:
height-year tables, and glaunti_features (a map of the glacier) for models C and D and where maps are asked for."""

# Arguments of tasks and of the mass-balance model, and the options that give them.
ALIASES = {
    "filename": "--climate",
    "input_filesuffix": "--climate-suffix",
    "mb_params_filesuffix": "--calibration",
    "filesuffix": "--calibration",
    "check_calib_params": "--uncalibrated",
    "gdirs": "DIR",
}
# What messages advise in the words of Python.
OWN_BALANCE = (
    "a table (read_geodetic, file_path) or a balance (calibrate_glaunti, ref_mb, ref_mb_err and ref_period) of your own"
)
OWN_REF_MB = "a balance of your own (--ref-mb, --ref-mb-err and --ref-period)"


class Outputs(NamedTuple):
    """Where the results of one glacier go: a folder, and the beginning of file names."""

    folder: Path
    stem: str

    def path(self, ending: str) -> Path:
        """Return the path of a file, after making its folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{self.stem}{ending}"


def add_directory(parser: argparse.ArgumentParser) -> None:
    """Add ``DIR`` and ``--glacier``."""
    parser.add_argument("directory", metavar="DIR", type=Path, help="working directory of OGGM")
    parser.add_argument("--glacier", metavar="RGI_ID", nargs="+", help="default: all glaciers of the directory")


def add_chosen_model(parser: argparse.ArgumentParser, other_weather: bool = True) -> Any:
    """Add ``--model``, ``--corrector``, ``--weights`` and, for other weather, ``--climate``; return their group."""
    group = parser.add_argument_group("model")
    common.add_model(group, "ACD", help="default: that of the calibration, otherwise of the run in DIR, otherwise C")
    group.add_argument("--corrector", choices=("auto", "yearly", "climatology", "off"), help="default: as calibrated")
    common.add_weights(group)
    if other_weather:
        name = "base name of the daily climate (default: climate_historical)"
        group.add_argument("--climate", metavar="NAME", help=name)
        group.add_argument("--climate-suffix", metavar="SUFFIX", help="suffix of the daily climate (default: none)")
    return group


def open_glaciers(working_dir: Path, rgi_ids: list[str] | None = None) -> list[GlacierDirectory]:
    """Open glacier directories of a working directory, with OGGM started without downloads.

    Parameters
    ----------
    working_dir : path
        working directory of OGGM
    rgi_ids : list of str, optional
        by default all glaciers of the directory

    Raises
    ------
    FileNotFoundError
        if the directory does not hold them; the message says which it holds
    """
    found = sorted(path.parent.name for path in Path(working_dir).glob("per_glacier/*/*/*/outlines.*"))
    missing = sorted(set(rgi_ids or []) - set(found))
    if missing or not found:
        there = f"{len(found)} glaciers, {', '.join(found[:5])}" if found else "no glacier directories"
        raise FileNotFoundError(f"{working_dir}: expected {', '.join(missing) or 'per_glacier/'}, found {there}")
    ids = rgi_ids or found

    from oggm_glaunti.coupling.oggm.offline import start_offline

    start_offline(working_dir, logging_level="CRITICAL")
    import oggm

    # Weights and OGGM's tables may be downloaded, and heights are those of the run's DEM.
    set_params({"has_internet": True})
    dem = config_of_run(working_dir, "dem").get("dem", "")
    if Path(dem).is_file():
        oggm.cfg.PATHS["dem_file"] = dem

    return [oggm.GlacierDirectory(rgi_id) for rgi_id in ids]


def for_each(args: argparse.Namespace, do: Callable[[GlacierDirectory], None]) -> int:
    """Do something with the glaciers of the directory one after the other; the first error ends the command."""
    for gdir in common.each(args, open_glaciers(args.directory, args.glacier), "glacier"):
        do(gdir)
    return common.OK


def mb_kwargs_of(gdir: GlacierDirectory, args: argparse.Namespace, maps: bool = False) -> dict[str, Any]:
    """Return the arguments of a glacier's mass-balance model that were given, and make the features that it needs.

    Without ``--model`` the glacier's calibration provides the others, otherwise the run in the directory.

    Parameters
    ----------
    gdir : GlacierDirectory
    args : Namespace
        with the options of :func:`add_chosen_model`; ``--calibration`` and ``--uncalibrated`` if the verb has them
    maps : bool
        whether features are needed with model A as well
    """
    renamed = {"filename": "climate", "input_filesuffix": "climate_suffix"}
    if args.reads_calibration:
        renamed["mb_params_filesuffix"] = "calibration"
    chosen = common.given(args, "model", "corrector", "weights", **renamed)
    calibrated = gdir.has_file("glaunti_params", filesuffix=args.calibration or "")
    if "model" not in chosen and not calibrated:
        chosen = config_of_run(args.directory, "model", "weights") | chosen
    if args.reads_calibration and args.uncalibrated:
        chosen["check_calib_params"] = False
    if maps or chosen.get("model", "A" if calibrated else "C") != "A":  # a calibration of C or D had features
        make_features(gdir, args)
    return chosen


def make_features(gdir: GlacierDirectory, args: argparse.Namespace) -> None:
    """Make a glacier's features unless it has them."""
    if gdir.has_file("glaunti_features"):
        return
    from oggm_glaunti.coupling.ground.features import glaunti_features

    glaunti_features(gdir)
    common.say(args, f"{gdir.rgi_id}: glaunti_features.nc made from its outline and DEM")
