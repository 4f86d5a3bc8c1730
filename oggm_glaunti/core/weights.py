"""Leaves of a weight file and their checks; the embedded model A.

Records are those of :mod:`~oggm_glaunti.core.weight_records`; a file whose leaves have another count, shape or dtype is
refused. This module reads and writes streams; finding files is left to other modules.
"""

import math
from collections.abc import Mapping
from typing import Any, BinaryIO

import jax
import numpy as np
import numpy.typing

from oggm_glaunti.core.corrector import Branch, ConvBlock, Corrector, DoubleConv
from oggm_glaunti.core.glaunti import GlaUnTI
from oggm_glaunti.core.gru import GRU
from oggm_glaunti.core.letters import model_letter
from oggm_glaunti.core.parameters import BY_NAME, PARAMETERS, STORED_NAMES, physical_numbers, stored_numbers
from oggm_glaunti.core.temperature_index import TIWeights, ti_from_stored
from oggm_glaunti.core.units import N_CORRECTIONS
from oggm_glaunti.core.weight_records import read_records, require_leaves, write_records

Model = GlaUnTI | GRU


def embedded_a() -> GlaUnTI:
    """Return the published model A: the nine numbers of ``a.eqx``, bit for bit.

    Examples
    --------
    >>> round(float(embedded_a().ti.resolve().ddf_snow), 6)
    0.004964
    """
    values = {
        "ddf_relative_ice_minus_one_log": -0.6806425,
        "ddf_snow_log": -5.305512,
        "prec_scale_log": 0.32365558,
        "snow_depletion_centre_log": -3.4936974,
        "snow_depletion_steepness_log": 1.0856535,
        "snow_to_rain_centre": 0.9869593,
        "snow_to_rain_steepness_log": 0.41627684,
        "swe_softplus_sharpness_log": 2.9957323,
        "t_softplus_sharpness_log": 2.3025851,
    }
    return GlaUnTI(ti_from_stored(values), None, "A")


def physical_values(ti: TIWeights) -> dict[str, dict[str, Any]]:
    """Return the temperature index in physical units, ``{name: {value, units}}``; NumPy only.

    Examples
    --------
    >>> round(physical_values(embedded_a().ti)["prec_scale"]["value"], 3)
    1.382
    """
    return {name: {"value": value, "units": BY_NAME[name].unit} for name, value in physical_numbers(ti).items()}


def ti_from_physical(values: Mapping[str, float], dtype: np.typing.DTypeLike = np.float32) -> TIWeights:
    """Return the temperature index of nine numbers in physical units: the inverse of :func:`physical_values`.

    Parameters
    ----------
    values : mapping
        a number for each of :data:`~oggm_glaunti.core.parameters.PARAMETERS`, in its unit
    dtype : dtype

    Raises
    ------
    ValueError
        if a name is missing or unknown, or a value cannot be: not finite, not above 0, or a `ddf_relative_ice` of 1
        or less

    Examples
    --------
    >>> values = {name: value["value"] for name, value in physical_values(embedded_a().ti).items()}
    >>> same = ti_from_physical({**values, "prec_scale": 1.2})
    >>> round(float(same.resolve().prec_scale), 6), round(float(same.resolve().ddf_snow), 6)
    (1.2, 0.004964)
    """
    return ti_from_stored(stored_numbers(values), dtype)


def _double_conv_shapes(channels: int, ndim: int) -> list[tuple[int, ...]]:
    norm = (channels,) + (1,) * ndim
    return [(channels, channels) + (3,) * ndim, norm, norm] * 2


def leaf_shapes(name: str) -> list[tuple[int, ...]]:
    """Shapes of the leaves of a model's file, in order.

    Parameters
    ----------
    name : str
        ``A``, ``B``, ``C`` or ``D``

    Examples
    --------
    >>> [len(leaf_shapes(name)) for name in "ABCD"]
    [9, 7, 56, 56]
    """
    name = model_letter(name)
    if name == "B":
        return [(48, 2), (48, 16), (48,), (16,), (1, 16), (1,), (16,)]
    scalars: list[tuple[int, ...]] = [()] * len(STORED_NAMES)
    if name == "A":
        return scalars
    branch_2d = [(32, 15, 1, 1)] + 4 * _double_conv_shapes(32, 2)
    branch_1d = [(8, 2, 1)] + 2 * _double_conv_shapes(8, 1)
    fuse_and_out = [*_double_conv_shapes(32, 2), (N_CORRECTIONS, 32, 1, 1), (N_CORRECTIONS, 1, 1)]
    return [*branch_2d, *branch_1d, (32, 8, 1), *fuse_and_out, *scalars]


def _take_double_conv(leaves: list[np.ndarray]) -> DoubleConv:
    return DoubleConv(*(ConvBlock(leaves.pop(0), leaves.pop(0), leaves.pop(0)) for _ in range(2)))


def _take_corrector(leaves: list[np.ndarray]) -> Corrector:
    """Build the corrector from the front of the list, in file order."""
    branch_2d = Branch(leaves.pop(0), tuple(_take_double_conv(leaves) for _ in range(3)), _take_double_conv(leaves))
    branch_1d = Branch(leaves.pop(0), tuple(_take_double_conv(leaves) for _ in range(2)), None)
    reproj = leaves.pop(0)
    return Corrector(branch_2d, branch_1d, reproj, _take_double_conv(leaves), leaves.pop(0), leaves.pop(0))


def model_from_leaves(name: str, leaves: list[np.ndarray], source: str = "weights") -> Model:
    """Build a model from the leaves of its file.

    Parameters
    ----------
    name : str
        ``A``, ``B``, ``C`` or ``D``
    leaves : list of arrays
        in file order
    source : str
        named in errors

    Raises
    ------
    ValueError
        if count, shape or dtype differ from what the model needs, or a value is not finite
    """
    name = model_letter(name)
    require_leaves(leaves, leaf_shapes(name), name, source)
    if name == "B":
        return GRU(*leaves)
    rest: list[Any] = list(leaves)
    corrector = None if name == "A" else _take_corrector(rest)
    return GlaUnTI(TIWeights(*rest), corrector, name)


def leaves_of(model: Model) -> list[np.ndarray]:
    """Leaves of a model in file order, as NumPy arrays."""
    # The fields of all modules are in file order.
    parts = model if isinstance(model, GRU) else (model.corrector, model.ti)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(parts)]


def read_model(stream: BinaryIO, name: str, source: str = "weights") -> tuple[Model, dict[str, Any]]:
    """Read a model from a published file or one of ours.

    Parameters
    ----------
    stream : binary stream
    name : str
        ``A``, ``B``, ``C`` or ``D``: published C and D files look the same, so it must be given
    source : str
        named in errors

    Returns
    -------
    (model, header)
        the header is empty for a published file

    Raises
    ------
    ValueError
        if the file is damaged, holds anything pickled, or is another model's
    """
    name = model_letter(name)
    leaves, header = read_records(stream, name, source)
    return model_from_leaves(name, leaves, source), header


def largest_size(name: str) -> int:
    """Return the size that a model's file cannot exceed, bytes.

    Parameters
    ----------
    name : str
        ``A``, ``B``, ``C`` or ``D``

    Examples
    --------
    >>> largest_size("A") < 2_000_000, largest_size("C") < 20_000_000
    (True, True)
    """
    # In float64; each leaf's own header, and the line of JSON with what a training leaves there.
    return sum(8 * math.prod(shape) + 1000 for shape in leaf_shapes(name)) + 1_000_000


def write_model(stream: BinaryIO, model: Model, header: dict[str, Any] | None = None) -> None:
    """Write a model with a JSON header; a file of ours that was read is written back byte for byte.

    Parameters
    ----------
    stream : binary stream
    model : GlaUnTI or GRU
    header : dict, optional
        version, training data and whatever else should travel along; format, model, dtype, units and the
        checksum are filled in
    """
    leaves = leaves_of(model)
    name = "B" if isinstance(model, GRU) else model.name
    units = {p.name: p.unit for p in PARAMETERS} if name != "B" else {"smb": "m w.e. day-1"}
    write_records(stream, leaves, {**(header or {}), "model": name, "units": units})
