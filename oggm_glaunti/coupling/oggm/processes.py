"""Forked workers and JAX.

A process that is forked after JAX has computed something hangs as soon as it computes itself. OGGM's pool forks unless
``PARAMS['use_mp_spawn']`` is set. So: what needs no JAX goes on in such a worker, everything else raises and says what
to set. Nothing here imports JAX.
"""

from __future__ import annotations

import multiprocessing
import os

from oggm_glaunti.xla_flags import jax_is_live

_forked_after_jax: bool


def _after_fork_in_child() -> None:
    global _forked_after_jax
    _forked_after_jax = _forked_after_jax or jax_is_live()


def _in_forked_worker() -> bool:
    """Return whether this is a worker of multiprocessing that was forked, neither spawned nor by a forkserver."""
    own = getattr(multiprocessing.current_process(), "_start_method", None)
    method = own or multiprocessing.get_start_method(allow_none=True)
    return multiprocessing.parent_process() is not None and method == "fork"


os.register_at_fork(after_in_child=_after_fork_in_child)
# First imported in a forked worker in which JAX is live already: it came with the fork.
_forked_after_jax = _in_forked_worker() and jax_is_live()


def jax_is_unsafe() -> bool:
    """Return whether computing with JAX would hang here: in a worker forked from a process in which JAX was live.

    Examples
    --------
    >>> jax_is_unsafe()
    False
    """
    return _forked_after_jax


def require_jax(what: str) -> None:
    """Raise an error instead of hanging.

    Parameters
    ----------
    what : str
        task that needs JAX, with the glacier's id; begins the message

    Raises
    ------
    InvalidWorkflowError
        in a worker forked after JAX had started
    """
    if jax_is_unsafe():
        from oggm.exceptions import InvalidWorkflowError

        raise InvalidWorkflowError(
            f"{what} needs JAX, and this worker was forked from a process that had used JAX already, in which it "
            "would hang. Set cfg.PARAMS['use_mp_spawn'] = True before the first multiprocessing task, or run this task "
            "without multiprocessing."
        )
