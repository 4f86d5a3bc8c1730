"""A mass-balance year on all cores of a CPU.

Inside one compiled program XLA runs one loop at a time, so a program leaves all cores but one idle. Here the columns
are shared out between Python threads, each of which calls the same compiled program for its share; JAX releases the
interpreter while it computes. The results do not depend on the number of threads. These functions call compiled
programs: they are for use from outside and cannot be traced (differentiated, mapped) themselves.
"""

import math
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.experimental
import numpy as np

from oggm_glaunti.core.arrays import Climate, Corrections, Field, Fields
from oggm_glaunti.core.checks import checked_before, require_finite
from oggm_glaunti.core.columns import Span, run_columns
from oggm_glaunti.core.glacier_columns import GlacierColumns, at_pixels, correct_from_heights
from oggm_glaunti.core.glaunti import CorrectedYear, GlaUnTI, Seasons, checked, correct, corrections, response_fields
from oggm_glaunti.core.run import ti_step
from oggm_glaunti.core.temperature_index import TIParameters

_experimental: Any = jax.experimental
# Its place in older versions of JAX.
enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else _experimental.enable_x64

Item = TypeVar("Item")
Result = TypeVar("Result")

# Columns below which a second thread costs more than it saves.
FEWEST_COLUMNS = 256


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_threads() -> int:
    """Threads worth starting: one for each core; one alone on a GPU, and in a worker of a pool, which has its share."""
    if jax.default_backend() != "cpu" or multiprocessing.current_process().daemon:
        return 1
    return cores()


def share_out(program: Callable[[Span], Any], n: int, threads: int | None = None) -> Any:
    """Run a program on equal shares of `n` columns at once and join what it returns along the last axis.

    Parameters
    ----------
    program : callable
        of a span of columns; shares may overlap, as all are of one size
    n : int
        number of columns
    threads : int, optional
        default: :func:`available_threads`

    Returns
    -------
    pytree of NumPy arrays

    Examples
    --------
    >>> share_out(lambda span: np.arange(span.first, span.first + span.size), 1001, threads=2).shape
    (1001,)
    """
    threads = available_threads() if threads is None else threads
    shares = max(1, min(threads, n // FEWEST_COLUMNS))
    size = -(-n // shares)
    firsts = [min(k * size, n - size) for k in range(shares)]
    spans = [Span(np.asarray(first, np.int32), size) for first in firsts]
    if shares == 1:
        return jax.tree.map(np.asarray, program(spans[0]))
    with ThreadPoolExecutor(shares) as pool:
        parts = list(pool.map(_as_here(lambda span: jax.tree.map(np.asarray, program(span))), spans))
    skips = [k * size - first for k, first in enumerate(firsts)]
    return jax.tree.map(
        lambda *outs: np.concatenate([out[..., skip:] for out, skip in zip(outs, skips, strict=True)], axis=-1), *parts
    )


def map_threaded(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Apply a function that calls compiled programs to each item, on all cores.

    Examples
    --------
    >>> map_threaded(abs, [-1, 2])
    [1, 2]
    """
    if len(items) == 1 or available_threads() == 1:
        return [function(item) for item in items]
    return list(_pool().map(_as_here(function), items))


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads that stay. A process forked later has none of them, and must not use JAX anyway."""
    return ThreadPoolExecutor(cores())


def _as_here(function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    """Return the same for another thread: JAX's 64-bit mode, if a context has set it, is that of one thread alone."""
    double = jax.dtypes.canonicalize_dtype(np.float64) == np.float64

    def run(item: Item) -> Result:
        with enable_x64(double):
            return function(item)

    return run


_run_span = eqx.filter_jit(partial(run_columns, ti_step))
_response_of_span = eqx.filter_jit(response_fields)


@eqx.filter_jit
@checked_before
def _correct_grid(model, response, fields, climate, ds):
    if ds is None:
        ds = corrections(model, response, fields, climate)
    return ds, correct(model.ti.resolve(), ds)


@eqx.filter_jit
@checked_before
def _correct_columns(model, swe, seasons, fields, climate, columns, ds):
    response = None
    if ds is None:
        response, ds = correct_from_heights(model, columns, swe, seasons, fields, climate)
    return response, ds, correct(model.ti.resolve(), ds[:, columns.rows, columns.cols])


def run_seasons_threaded(
    params: TIParameters, swe: Field, seasons: Seasons, threads: int | None = None
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """:func:`~oggm_glaunti.core.glaunti.run_seasons` (smooth, nothing observed) on several cores: `swe` and `smb`."""
    return _in_shares(_run_span, params, require_finite("swe", swe), checked(seasons), threads)


def _in_shares(program, params, swe, seasons, threads):
    """Run a program of spans over all columns; its results get the spatial shape."""
    shape = seasons[0].forcing.shape
    # Here and not in each thread: one copy to the device for all.
    arguments = jax.device_put((params, swe, seasons))
    joined = share_out(lambda span: program(*arguments, span), math.prod(shape), threads)
    return jax.tree.map(lambda out: out.reshape((*out.shape[:-1], *shape)), joined)


def run_year_threaded(
    model: GlaUnTI,
    swe: Field,
    seasons: Seasons,
    fields: Fields,
    climate: Climate,
    columns: GlacierColumns | None = None,
    ds: Corrections | None = None,
    threads: int | None = None,
) -> CorrectedYear:
    """Run a mass-balance year on several cores: the same as in one program.

    Parameters
    ----------
    model, swe, seasons, fields, climate, ds
        as in :func:`~oggm_glaunti.core.glaunti.run_year` without `columns`, and as in
        :func:`~oggm_glaunti.core.glacier_columns.run_year_on_columns` with them
    columns : GlacierColumns, optional
        for the fast path; without them all cells of the rectangle are run
    threads : int, optional
        default: :func:`available_threads`

    Returns
    -------
    CorrectedYear
        of NumPy arrays
    """
    swe, seasons = require_finite("swe", swe), checked(seasons)
    if ds is None:
        fields, climate = require_finite("corrector fields", fields), require_finite("monthly climate", climate)
    if columns is not None:
        response, ds, corrected = _correct_columns(model, swe, seasons, fields, climate, columns, ds)
        seasons = at_pixels(seasons, columns)
    else:
        # Weather of every cell is large: one copy to the device for all runs.
        swe, seasons = jax.device_put((swe, seasons))
        response = None if ds is not None else _in_shares(_response_of_span, model.ti.resolve(), swe, seasons, threads)
        ds, corrected = _correct_grid(model, response, fields, climate, ds)
    swe, smb = _in_shares(_run_span, corrected, swe, seasons, threads)
    return CorrectedYear(swe, smb, np.asarray(ds), None if response is None else np.asarray(response))
