"""Weights: found, checked, loaded and saved.

Published weights are searched for at the path given, in the folder or file named by the environment variable
``OGGM_GLAUNTI_WEIGHTS``, in OGGM's download cache and at the authors' public repository at a fixed commit, in this
order; address and checksums are those of the registry (``downloads/registry.toml``).
"""

from __future__ import annotations

import hashlib
import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from oggm_glaunti import settings
from oggm_glaunti.core.letters import model_letter
from oggm_glaunti.downloads.cache import caches
from oggm_glaunti.downloads.registry import File, dataset
from oggm_glaunti.downloads.store import find_cached, retrieve
from oggm_glaunti.files import remembered, replacing, sha256_of

if TYPE_CHECKING:
    from oggm_glaunti.core.weights import Model

WEIGHTS = dataset("weights")
# SHA-256 of the published files.
WEIGHTS_SHA256 = {file.path: file.sha256 for file in WEIGHTS.files}
# Where a user has weights; None: not said.
_Place = str | Path | None


class WeightsNotFoundError(FileNotFoundError):
    """No weights were found; the message names the places that were searched and the ways out."""


class LoadedModel(NamedTuple):
    """A model and its origin."""

    model: Model
    sha256: str
    """of the file; of the embedded numbers in file order for model A"""
    source: str


def weights_file(name: str, glacier: str | None = None) -> str:
    """Return the file name of published weights.

    Parameters
    ----------
    name : str
        ``A``, ``B``, ``C`` or ``D``, or the same in lower case
    glacier : str, optional
        for model A finetuned on one glacier

    Examples
    --------
    >>> weights_file("A", "Grosser Aletsch")
    'a_finetuned_Grosser Aletsch.eqx'
    """
    name = model_letter(name)
    if glacier is None:
        return f"{name.lower()}.eqx"
    if name != "A":
        raise ValueError(f"only model A was finetuned on single glaciers, asked for {name} on {glacier}")
    return f"a_finetuned_{glacier}.eqx"


def download(url: str) -> Path:
    """Fetch a file whose server OGGM's parameters name, so that is not in the registry, by OGGM's downloader and cache.

    Raises
    ------
    FileNotFoundError
        if it cannot be downloaded; the message names URL, the place in the cache and the remedy
    """
    from oggm import utils
    from oggm.exceptions import HttpDownloadError, NoInternetException

    reason: Exception | str = "the server did not deliver it"
    try:
        path = utils.file_downloader(url)  # None if OGGM gave up
        if path is not None:
            return Path(path)
    except (NoInternetException, HttpDownloadError, OSError) as err:
        reason = err
    parts, folder = urlsplit(url), caches().folders[0]
    place = folder / (parts.netloc.partition(":")[0] + parts.path)
    raise FileNotFoundError(
        f"cannot download {url} ({reason}). Connect to the internet and run again, or put the file at {place}."
    )


def _file(filename: str) -> File:
    return next((file for file in WEIGHTS.files if file.path == filename), File(filename, 0, ""))


def _not_found(filename: str, looked: list[str]) -> WeightsNotFoundError:
    return WeightsNotFoundError(
        f"GlaUnTI weights {filename} not found. Searched: {'; '.join(looked).rstrip('.')}. Three ways out: "
        "give the path of the file or of the folder that holds it; set the environment variable "
        f"{settings.WEIGHTS_ENV} to it; or run once with an internet connection, which downloads "
        f"{WEIGHTS.address(_file(filename))} into OGGM's cache. Model A needs no file: request it by model='A'."
    )


def find_weights(name: str, path: _Place = None, glacier: str | None = None, allow_download: bool = True) -> Path:
    """Return the path of published weights, or of your own given by path or environment variable.

    Parameters
    ----------
    name : str
        ``A``, ``B``, ``C`` or ``D``, or the same in lower case
    path : path, optional
        a file, or a folder that holds files of the published names
    glacier : str, optional
        for model A finetuned on one glacier
    allow_download : bool
        whether to ask the network as a last resort

    Returns
    -------
    Path

    Raises
    ------
    WeightsNotFoundError
        if there are none; the message names the places searched and the three ways out
    ValueError
        if a file is larger than a model's can be, or a cached or downloaded one has the wrong checksum
    """
    filename = weights_file(name, glacier)
    variable = f"environment variable {settings.WEIGHTS_ENV}"
    place = os.environ.get(settings.WEIGHTS_ENV, "") if path is None else path
    if path is None and not place:
        return _find_published(filename, allow_download, f"{variable} (not set)")
    place = Path(place).expanduser()
    found = place / filename if place.is_dir() else place
    if found.is_file():
        _require_size(found, name)
        return _require_right_model(found, filename)
    looked = f"{found} ({variable if path is None else 'the path given'})"
    if path is not None or not place.exists():
        # A variable that points nowhere is a mistake; a folder may well hold other models' files only.
        raise _not_found(filename, [looked])
    return _find_published(filename, allow_download, looked)


def _require_size(path: Path, name: str) -> None:
    """Refuse what is too large to be a model's file, before it is read."""
    from oggm_glaunti.core.weights import largest_size

    size, most = path.stat().st_size, largest_size(name)
    if size > most:
        raise ValueError(
            f"{path}: {size:,} bytes are no weights of model {model_letter(name)}, which have {most:,} at most. Name "
            "the file of the model"
        )


def _require_right_model(path: Path, filename: str) -> Path:
    """Refuse another model's published file, and a damaged one under a published name."""
    digest = sha256_of(path)
    holds = next((name for name, sha in WEIGHTS_SHA256.items() if sha == digest), None)
    if holds is not None and holds != filename and not (filename == "a.eqx" and holds.startswith("a_finetuned")):
        raise ValueError(f"{path}: holds the published {holds}, expected {filename}. Name the file of the right model.")
    if holds is None and path.name in WEIGHTS_SHA256 and path.read_bytes()[:1] != b"{":
        raise ValueError(
            f"{path}: expected SHA-256 {WEIGHTS_SHA256[path.name]} for {path.name}, found {digest}. The file is "
            "damaged: fetch it again. (Weights of your own need another name.)"
        )
    return path


def _find_published(filename: str, allow_download: bool, before: str) -> Path:
    """Return a published file from OGGM's cache or the network; `before` has been tried already."""
    from oggm import cfg

    looked = [before]
    if not cfg.IS_INITIALIZED:
        raise _not_found(filename, [*looked, "OGGM's download cache (OGGM is not initialised: cfg.initialize())"])
    cached = find_cached(WEIGHTS, _file(filename))
    if cached is None:
        looked.append(f"OGGM's download cache {cfg.PATHS.get('dl_cache_dir')}")
        if not allow_download:
            raise _not_found(filename, looked)
        try:
            if not cfg.PARAMS["has_internet"]:
                raise FileNotFoundError(f"cannot download {WEIGHTS.url}: cfg.PARAMS['has_internet'] is False")
            cached = retrieve(WEIGHTS, _file(filename))
        except FileNotFoundError as err:
            raise _not_found(filename, [*looked, str(err)]) from err
    _require_size(cached, filename[0])
    return cached


def load(name: str, path: _Place = None, glacier: str | None = None, allow_download: bool = True) -> LoadedModel:
    """Load a model with its provenance, in float32; arguments as in :func:`find_weights`.

    Model A without a path or a glacier is the one embedded in the package. Weights of your own in float64 are rounded:
    everything in a glacier directory is computed in float32.
    """
    from oggm_glaunti.core.weights import embedded_a, leaves_of

    name = model_letter(name)
    if name == "A" and path is None and glacier is None:
        model = embedded_a()
        digest = hashlib.sha256(b"".join(leaf.tobytes() for leaf in leaves_of(model))).hexdigest()
        return LoadedModel(model, digest, "embedded")
    found = find_weights(name, path, glacier, allow_download)
    return _read_weights(found, name)


# Every glacier of a region loads the same few files: 7 ms each time.
@remembered(n_files=8)
def _read_weights(found: Path, name: str) -> LoadedModel:
    import numpy as np

    from oggm_glaunti.core.weights import leaves_of, model_from_leaves, read_model

    with found.open("rb") as stream:
        model, _ = read_model(stream, name, str(found))
    if leaves_of(model)[0].dtype != np.float32:
        model = model_from_leaves(name, [leaf.astype(np.float32) for leaf in leaves_of(model)], str(found))
    return LoadedModel(model, sha256_of(found), str(found))


def load_model(name: str, path: str | Path | None = None, glacier: str | None = None) -> Model:
    """Load a model; arguments as in :func:`find_weights`.

    Examples
    --------
    >>> load_model("A").name
    'A'
    """
    return load(name, path, glacier).model


def save_model(model: Model, path: str | Path, training_data: str, header: dict | None = None) -> Path:
    """Save a model in our own format, to a temporary name that is then renamed.

    Parameters
    ----------
    model : GlaUnTI or GRU
    path : path
    training_data : str
        what it was trained on
    header : dict, optional
        what else should travel along; the version of the package, the units and the layout are filled in
    """
    from oggm_glaunti.core.weights import write_model

    about = {"package_version": version("oggm-glaunti"), "training_data": training_data}
    with replacing(path) as temporary, temporary.open("wb") as stream:
        write_model(stream, model, {**(header or {}), **about})
    return Path(path)
