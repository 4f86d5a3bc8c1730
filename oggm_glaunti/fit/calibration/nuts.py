"""Sample the posterior of a fit, if a normal distribution around its peak is not good enough.

The No-U-Turn Sampler of blackjax (the extra ``nuts``), run in coordinates in which the Laplace approximation is a
standard normal distribution.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array

from oggm_glaunti.core.on_heights import Tuned
from oggm_glaunti.fit.calibration.errors import Effects
from oggm_glaunti.fit.calibration.hierarchy import Posterior
from oggm_glaunti.fit.calibration.map_estimate import FitProblem, fit_problem, log_posterior
from oggm_glaunti.fit.calibration.posterior import physical
from oggm_glaunti.fit.calibration.predictions import Site
from oggm_glaunti.fit.calibration.tasks import as_tuned, estimate

TARGET_ACCEPTANCE = 0.8  # share of accepted steps; the step size is tuned to it during the warm-up


class Samples(NamedTuple):
    """Draws from a posterior, and diagnostics of the sampler.

    Attributes
    ----------
    numbers : float64 array (N, 1 + G, P)
        stored parameters of the region's mean and of each glacier, in the order of the priors
    ess : array (1 + G, P)
        effective sample size: number of independent draws that would give the mean as precisely
    rhat : array (1 + G, P)
        potential scale reduction, from the two halves of the draws; above 1.05 the sampler has not converged
    divergences : int
        number of divergent steps; more than a few mean that parts of the posterior were not visited
    acceptance : float
        mean acceptance rate, 0.8 by design
    """

    numbers: np.ndarray
    ess: np.ndarray
    rhat: np.ndarray
    divergences: int
    acceptance: float


def sample_glaunti(
    gdirs: Any, observations: pd.DataFrame, *, n_samples: int = 500, n_warmup: int = 300, seed: int = 0, **kwargs: Any
) -> pd.DataFrame:
    """Draw parameters of one glacier, or of several and of their region, from their posterior given observations.

    Parameters
    ----------
    gdirs : GlacierDirectory or list of them
    observations : DataFrame
        see :func:`~oggm_glaunti.fit.calibration.tasks.fit_glaunti`
    n_samples, n_warmup : int
        number of draws kept, and of draws discarded before, in which the sampler tunes itself
    seed : int
        random seed
    **kwargs
        `free`, `spread`, `errors`, `gauge`, `mb_kwargs` of
        :func:`~oggm_glaunti.fit.calibration.tasks.fit_glaunti`. The sizes of
        errors and the spread between glaciers are those of the fit and are not sampled

    Returns
    -------
    DataFrame
        a row for each draw, a column for each free parameter in physical units, of a list of glaciers under ``region``
        (its mean) and each RGI id; ``attrs`` has ``ess``, ``rhat``, ``divergences`` and ``acceptance`` as in
        :class:`Samples`. Nothing is written

    Raises
    ------
    ImportError
        if blackjax is not installed
    InvalidParamsError, MassBalanceCalibrationError
        see :func:`~oggm_glaunti.fit.calibration.tasks.fit_glaunti`

    Examples
    --------
    >>> draws = sample_glaunti(gdir, observations, mb_kwargs={"model": "A"})  # doctest: +SKIP
    >>> draws["ddf_snow"].quantile([0.16, 0.5, 0.84])  # doctest: +SKIP
    """
    _blackjax()
    several = isinstance(gdirs, (list, tuple))
    gdirs = list(gdirs) if several else [gdirs]
    found = estimate(gdirs, observations, **kwargs)
    start, sites = as_tuned(gdirs[0].rgi_id, found.model), [glacier.site for glacier in found.sites]
    rows = [glacier.rows for glacier in found.sites]
    samples = sample_posterior(found.posterior, start, sites, rows, n_samples, n_warmup, seed)
    names, labels = found.posterior.priors.names, ["region", *(gdir.rgi_id for gdir in gdirs)]
    tables = {
        label: pd.DataFrame({name: [physical(name, x) for x in of[:, i]] for i, name in enumerate(names)})
        for label, of in zip(labels, np.moveaxis(samples.numbers, 1, 0), strict=True)
    }
    table = pd.concat(tables, axis=1) if several else tables[labels[1]]
    kept = slice(None) if several else slice(1, 2)
    columns = list(table)
    by_name = {
        name: dict(zip(columns, getattr(samples, name)[kept].ravel().tolist(), strict=True)) for name in ("ess", "rhat")
    }
    table.attrs = {**by_name, "divergences": samples.divergences, "acceptance": samples.acceptance}
    return table


def sample_posterior(
    posterior: Posterior,
    start: Tuned,
    sites: Sequence[Site],
    rows: Sequence[Effects],
    n_samples: int = 500,
    n_warmup: int = 300,
    seed: int = 0,
) -> Samples:
    """Draw the stored parameters of a fit from their posterior.

    Parameters
    ----------
    posterior : Posterior
        result of :func:`~oggm_glaunti.fit.calibration.map_estimate.fit_map`
    start, sites, rows
        its arguments
    n_samples, n_warmup, seed : int
        see :func:`sample_glaunti`

    Raises
    ------
    ImportError
        if blackjax is not installed
    ValueError
        for too few draws
    """
    blackjax = _blackjax()
    if n_samples < 10 or n_warmup < 20:
        raise ValueError(f"expected n_samples of 10 and n_warmup of 20 or more, found {n_samples} and {n_warmup}")
    problem = fit_problem(start, sites, rows, posterior.priors, posterior.sizes, posterior.w)
    root = np.linalg.cholesky(posterior.z_cov)
    peak, shape = (jnp.asarray(array, problem.mean.dtype) for array in (posterior.z, root))
    warmup = jnp.arange(n_warmup + n_samples) < n_warmup
    draws = _chain(problem, peak, shape, jax.random.split(jax.random.key(seed), warmup.size), warmup)
    u, divergent, accepted = (np.asarray(array)[n_warmup:] for array in draws)
    z = np.asarray(peak, np.float64) + u.astype(np.float64) @ np.asarray(shape, np.float64).T
    numbers = posterior.stored(z)
    flat = numbers.reshape(n_samples, -1)
    halves = jnp.asarray(flat[n_samples % 2 :].reshape(2, n_samples // 2, -1))
    ess = jax.jit(blackjax.diagnostics.effective_sample_size)(flat[None])
    rhat = jax.jit(blackjax.diagnostics.potential_scale_reduction)(halves)
    # Draws that never moved have a variance of 0.
    ess, rhat = (
        np.nan_to_num(np.asarray(found), nan=none).reshape(numbers.shape[1:])
        for found, none in ((ess, 0.0), (rhat, np.inf))
    )
    return Samples(numbers, ess, rhat, int(divergent.sum()), float(accepted.mean()))


@eqx.filter_jit
def _chain(problem: FitProblem, peak: Array, shape: Array, keys: Array, warmup: Array) -> tuple[Array, Array, Array]:
    """Run the sampler: positions in units of the Laplace approximation, divergences, acceptance rates; with warm-up."""
    from blackjax.adaptation.step_size import dual_averaging_adaptation
    from blackjax.mcmc import nuts

    kernel, (begin, adapt, final) = nuts.build_kernel(), dual_averaging_adaptation(TARGET_ACCEPTANCE)

    def log_density(u):
        # Forward mode through the days, which is fast; the reverse mode of the sampler sees a linear function.
        here = jax.lax.stop_gradient(u)
        value, slope = log_posterior(peak + shape @ here, problem)
        return value + (slope @ shape) @ (u - here)

    def one(carry, this):
        (state, tuning), (key, warm) = carry, this
        size = jnp.where(warm, jnp.exp(tuning.log_step_size), final(tuning)).astype(peak.dtype)
        state, info = kernel(key, state, log_density, size, jnp.ones_like(peak))
        adapted = adapt(tuning, info.acceptance_rate)
        tuning = jax.tree.map(lambda new, old: jnp.where(warm, new, old), adapted, tuning)
        return (state, tuning), (state.position, info.is_divergent, info.acceptance_rate)

    first = nuts.init(jnp.zeros_like(peak), log_density), begin(1.0)
    return jax.lax.scan(one, first, (keys, warmup))[1]


def _blackjax() -> Any:
    try:
        import blackjax
    except ImportError as err:
        raise ImportError("sampling needs blackjax: pip install blackjax") from err
    return blackjax
