"""Files: their layouts, their reading, and the verification of a whole file."""

import re
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from oggm_glaunti.core.weights import Model
from oggm_glaunti.verification import real_glacier, reference_derived, reference_runs
from oggm_glaunti.verification.recipes import Load, Recipe, Source, recompute
from oggm_glaunti.verification.report import Report, VerificationError


class Layout(NamedTuple):
    """A kind of file: what tells it apart, which arrays are inputs, how the others are recomputed."""

    name: str
    marks: frozenset[str]
    inputs: re.Pattern[str]
    recipes: list[Recipe]
    check: Callable[[Source], None] = lambda source: None
    remarks: Callable[[Source], tuple[str, ...]] = lambda source: ()


LAYOUTS = (
    Layout(
        name="reference file",
        marks=frozenset({"in_temperature", "in_precipitation", "in_outlines"}),
        inputs=re.compile(
            rf"in_.+|{reference_derived.PARAMETER.pattern}|loss_(rows|cols|obs|begin_offset_days|end_offset_days|total_obs)"
        ),
        recipes=reference_runs.recipe + reference_derived.recipe,
        check=reference_derived.check_parameters,
    ),
    Layout(
        name="real glacier",
        marks=frozenset({"forcing_dates", "forcing_temp", "forcing_prcp_m", "elevation", "outlines", "years"}),
        inputs=re.compile(
            "elevation|outlines|x0|y_top|years|cell_m|epsg|forcing_(dates|temp|prcp_m)|ref_hgt|lapse_rate|elevation_std"
            "|initial_swe"
        ),
        recipes=real_glacier.recipe,
        remarks=real_glacier.band_remarks,
    ),
)


def weights_loader(weights_dir: str | Path | None) -> Load:
    """Loader of weights by model and glacier, from a folder or from where published weights are found.

    Raises
    ------
    VerificationError
        where the folder is none; the loader also where a file cannot be used
    """
    from oggm_glaunti import shop

    if weights_dir is not None and not Path(weights_dir).is_dir():
        raise VerificationError(f"{weights_dir}: no such folder of weights")

    @cache
    def load(name: str, glacier: str | None = None) -> Model:
        try:
            return shop.load_model(name, path=weights_dir, glacier=glacier)
        except ValueError as err:
            raise VerificationError(str(err)) from err

    return load


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz`` file; every error names it."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if not zipfile.is_zipfile(path):
        raise VerificationError(f"{path}: not an .npz file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as err:  # zip, zlib, struct, tokenizer and NumPy each have errors of their own
        raise VerificationError(f"{path}: cannot be read as .npz ({err})") from err


def verify_file(path: str | Path, weights_dir: str | Path | None = None, progress: bool = False) -> Report:
    """Recompute every output in a file from its inputs and the weights, and compare; nothing is unpickled.

    Parameters
    ----------
    path : path
        an ``.npz`` in one of the layouts of :data:`LAYOUTS`, of any grid size and length
    weights_dir : path, optional
        folder with files of the published names; without it they are found as :func:`oggm_glaunti.shop.find_weights`
        finds them, and model A is the embedded one
    progress : bool
        show a progress bar if the standard error is a terminal

    Returns
    -------
    Report

    Raises
    ------
    FileNotFoundError
        where the file or weights are missing
    VerificationError
        where the file is no ``.npz`` or damaged, has an unknown layout, lacks an input, has a NaN in one, or was made
        with other weights
    """
    arrays = read_arrays(path)
    layout = next((layout for layout in LAYOUTS if layout.marks <= arrays.keys()), None)
    if layout is None:
        known = "; or ".join(", ".join(sorted(layout.marks)) for layout in LAYOUTS)
        found = ", ".join(list(arrays)[:5]) or "no arrays"
        raise VerificationError(f"{path}: unknown layout, found {found}. Known: {known}")
    source = Source(str(path), arrays, weights_loader(weights_dir))
    layout.check(source)
    names = [name for name in arrays if not layout.inputs.fullmatch(name)]
    if not names:
        raise VerificationError(f"{path}: only inputs in the file, nothing to verify")
    shown = tqdm(names, desc="verify", unit="array", leave=False, disable=None if progress else True)
    results = tuple(recompute(source, name, layout.recipes) for name in shown)
    # A real glacier's weather is cast to float32; a reference file is computed in its own type.
    dtype = jnp.asarray(arrays.get("in_temperature", np.float32(0))).dtype
    config: Any = jax.config
    device, precision = jax.devices()[0], config.jax_default_matmul_precision or "default"
    computes = f"jax {jax.__version__}, {device.platform} ({device.device_kind}), {dtype}, matrix products {precision}"
    return Report(str(path), layout.name, computes, results, layout.remarks(source))
