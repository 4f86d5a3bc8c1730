"""Most probable parameters of glaciers that resemble each other, given observations, and their uncertainty.

Symbols are those of :mod:`~oggm_glaunti.fit.calibration.hierarchy`. The sum of squared differences from the
observations, each in units of what is expected of it (:func:`~oggm_glaunti.fit.calibration.errors.bound`), plus those
of mu and ``b_g / w`` is minimised with Levenberg-Marquardt and exact derivatives. At the minimum the inverse of the
Gauss-Newton Hessian is the posterior covariance (Laplace approximation). Sizes of errors and w are estimated in turns
with the parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import least_squares

from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.core.on_heights import Tuned
from oggm_glaunti.fit.calibration.errors import MEDIANS, Effects, ErrorSizes, Floats, bound, estimate_sizes
from oggm_glaunti.fit.calibration.hierarchy import BETWEEN, Posterior, estimate_w, to_stored_matrix
from oggm_glaunti.fit.calibration.predictions import Site, balances, predictions
from oggm_glaunti.fit.calibration.priors import STORED, Priors

MAX_EVALUATIONS = 200
# Relative to the sum of squares, and to the parameters in prior standard deviations; float32 resolves no more.
FIT_TOLERANCE = 1e-5
ROUNDS = 2  # fits after which sizes of errors and w are estimated, and the fit is made anew: they depend little on it


class NoConvergence(RuntimeError):
    """Raised if a fit finds no minimum."""


def place(start: Tuned, names: Sequence[str], numbers: Sequence[float] | AnyArray) -> Tuned:
    """Replace parameters: stored ones of the temperature index, ``temp_bias`` (K), ``temp_gradient`` (K m-1).

    Parameters
    ----------
    start : Tuned
        model whose other parameters are kept
    names : sequence of str
        names in physical units, see :data:`~oggm_glaunti.fit.calibration.priors.STORED`
    numbers : array (P,)
        stored parameters
    """
    dtype = jnp.result_type(start.ti.ddf_snow_log)
    given: dict[str, Any] = {name: jnp.asarray(number, dtype) for name, number in zip(names, numbers, strict=True)}
    stored = {STORED[name]: given.pop(name) for name in tuple(given) if name in STORED}
    return Tuned(replace(start.ti, **stored), start.temp_bias, start.temp_gradient)._replace(**given)


class FitProblem(eqx.Module):
    """Everything that is constant during a fit.

    Attributes
    ----------
    start : Tuned
    mean, sd, w : arrays (P,)
        prior means and standard deviations of the stored parameters; the spread of glaciers in units of the latter
    expected : tuple of arrays (O,)
        expected difference between model and observation of each site, m w.e.
    sites : tuple of Site
    names : tuple of str
        names of the fitted parameters
    """

    start: Tuned
    mean: Float[AnyArray, " parameter"]
    sd: Float[AnyArray, " parameter"]
    w: Float[AnyArray, " parameter"]
    expected: tuple[Float[AnyArray, " observation"], ...]
    sites: tuple[Site, ...]
    names: tuple[str, ...] = eqx.field(static=True)

    def stored(self, z: Float[AnyArray, " unknown"]) -> list[Float[AnyArray, " parameter"]]:
        """Return the stored parameters of each glacier."""
        mu, *own = z.reshape(-1, self.w.size)
        return [self.mean + self.sd * (mu + self.w * b) for b in own]


def _with_jacobian(numbers: Array, start: Tuned, site: Site, names: tuple[str, ...]) -> tuple[Array, Array]:
    """Model the observations of a site (O,), and their derivatives to the stored parameters (O, P)."""

    def modelled(numbers: Array) -> tuple[Array, Array]:
        return (predictions(place(start, names, numbers), site),) * 2

    jacobian, values = jax.jacfwd(modelled, has_aux=True)(numbers)  # in one run through the days
    return values, jacobian


@partial(jax.jit, static_argnames="names")
def _of_stretches(numbers: Array, start: Tuned, site: Site, names: tuple[str, ...]) -> tuple[Array, Array]:
    """Compute balances of stretches at heights (S, N), and their derivatives to the stored parameters (S, N, P)."""

    def modelled(numbers: Array) -> tuple[Array, Array]:
        return (balances(place(start, names, numbers), site),) * 2

    jacobian, values = jax.jacfwd(modelled, has_aux=True)(numbers)
    return values, jacobian


def _begin(numbers: Array, start: Tuned, site: Site, names: tuple[str, ...]) -> tuple[Array, Array]:
    """Start a site's run, without waiting: one program for its days and heights, however many rows are in the fit."""
    one_row = {name: np.asarray(getattr(site, name))[:1] for name in ("spans", "areas", "observed", "years")}
    return _of_stretches(numbers, start, site.replace(**one_row), names)


def _finish(begun: tuple[Array, Array], site: Site) -> tuple[Floats, Floats]:
    """Return the modelled observations (O,) and their derivatives (O, P)."""
    spans, areas = (np.asarray(of, np.float64) for of in (site.spans, site.areas))
    values, slopes = (np.asarray(array, np.float64) for array in begun)
    of_slopes = np.tensordot(spans, slopes, 1)
    return ((spans @ values) * areas).sum(axis=1), np.einsum("onp,on->op", of_slopes, areas)


def linearised(tuned: Tuned, site: Site, names: Sequence[str]) -> tuple[Floats, Floats]:
    """Compute the modelled observations of a site and their derivatives to stored parameters.

    Parameters
    ----------
    tuned : Tuned
    site : Site
    names : sequence of str
        of the parameters, in physical units

    Returns
    -------
    predicted : float64 array (O,)
        m w.e.
    jacobian : float64 array (O, P)
        m w.e. per unit of the stored parameters
    """
    tuned = _as_arrays(tuned)
    top = {"temp_bias": tuned.temp_bias, "temp_gradient": tuned.temp_gradient}
    numbers = jnp.stack([top[name] if name in top else getattr(tuned.ti, STORED[name]) for name in names])
    return _finish(_begin(numbers, tuned, site, tuple(names)), site)


def log_posterior(z: Float[Array, " unknown"], problem: FitProblem) -> tuple[Array, Array]:
    """Compute the log posterior density, up to an additive constant, and its gradient.

    Do not differentiate it: the gradient uses forward mode through the days, which is much faster than reverse mode.

    Parameters
    ----------
    z : array (P + G P,)
        mu, and ``b_g / w`` of each glacier
    problem : FitProblem
        see :func:`fit_problem`
    """
    value, slope = -0.5 * (z @ z), -z
    n = problem.w.size
    for number, (numbers, site) in enumerate(zip(problem.stored(z), problem.sites, strict=True)):
        modelled, jacobian = _with_jacobian(jnp.asarray(numbers), problem.start, site, problem.names)
        data = (modelled - site.observed) / problem.expected[number]
        of_theta = data @ (jacobian / problem.expected[number][:, None]) * problem.sd
        slope = slope.at[:n].add(-of_theta).at[n * (number + 1) : n * (number + 2)].add(-of_theta * problem.w)
        value = value - 0.5 * (data @ data)
    return value, slope


def predict(tuned: Tuned, sites: Sequence[Site]) -> list[Floats]:
    """Compute the modelled values of all observations (m w.e.), for each site."""
    return [np.asarray(p, np.float64) for p in _predictions(_as_arrays(tuned), tuple(sites))]


_predictions = jax.jit(lambda tuned, sites: [predictions(tuned, site) for site in sites])


def _as_arrays(tree):
    """Convert the numbers of a model to arrays of its precision."""
    dtype = jnp.result_type(tree.ti.ddf_snow_log)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)


def fit_map(
    start: Tuned,
    sites: Sequence[Site],
    rows: Sequence[Effects],
    priors: Priors,
    sizes: ErrorSizes | None = None,
    w: Floats | None = None,
) -> Posterior:
    """Fit parameters to all observations of one or more sites.

    Parameters
    ----------
    start : Tuned
        model; parameters that are not in `priors` are kept
    sites : sequence of Site
        weather and observations of each glacier
    rows : sequence of Effects
        what the observations of each glacier share, see :func:`~oggm_glaunti.fit.calibration.errors.effects`
    priors : Priors
        parameters to fit, and their prior distributions
    sizes : ErrorSizes, optional
        standard deviations of errors; default: estimated
    w : float64 array (P,), optional
        spread of glaciers around the region's mean, in units of the priors; default: estimated

    Raises
    ------
    NoConvergence
        if the optimiser fails; with its reason
    """
    now, spread = sizes or MEDIANS, np.full(len(priors.names), BETWEEN) if w is None else w
    problem = fit_problem(start, sites, rows, priors, now, spread)
    found = _minimum(problem, np.zeros(len(priors.names) * (len(sites) + 1)))
    runs = found.runs
    for _ in range(ROUNDS if sizes is None or w is None else 0):
        now, spread = (
            sizes or _sizes_of(found, rows, priors, spread),
            estimate_w(found.z, found.z_cov, spread) if w is None else w,
        )
        problem = fit_problem(start, problem.sites, rows, priors, now, spread)
        found = _minimum(problem, found.z)
        runs += found.runs
    predicted = [d + np.asarray(site.observed, np.float64) for d, site in zip(found.differences, sites, strict=True)]
    misfit = float(np.mean(np.concatenate(found.data) ** 2))
    return Posterior(priors, found.z, found.z_cov, spread, now, predicted, misfit, runs)


def _sizes_of(found: _Minimum, rows: Sequence[Effects], priors: Priors, w: Floats) -> ErrorSizes:
    """Estimate the sizes of errors from the differences at the prior means, to first order from where the fit is."""
    moved = [stored - priors.mean for stored in found.stored]
    differences = [d - slopes @ m for d, slopes, m in zip(found.differences, found.jacobians, moved, strict=True)]
    unknown = [slopes * (priors.sd * np.hypot(1.0, w)) for slopes in found.jacobians]
    return estimate_sizes(differences, rows, unknown)


def fit_problem(
    start: Tuned,
    sites: Sequence[Site],
    rows: Sequence[Effects],
    priors: Priors,
    sizes: ErrorSizes,
    w: Floats | None = None,
) -> FitProblem:
    """Prepare a fit; arguments as in :func:`fit_map`, but the sizes are required."""
    dtype = jnp.result_type(start.ti.ddf_snow_log)
    arrays = tuple(jax.tree.map(jnp.asarray, site) for site in sites)
    w = np.full(len(priors.names), BETWEEN) if w is None else w
    mean, sd, between = (np.asarray(values, dtype) for values in (priors.mean, priors.sd, w))
    expected = tuple(np.sqrt(bound(of, sizes)).astype(dtype) for of in rows)
    return FitProblem(_as_arrays(start), mean, sd, between, expected, arrays, priors.names)


class _Minimum(NamedTuple):
    """Where a fit has found its minimum.

    Unknowns (U,) and their covariance, stored parameters (P,) of each glacier, residuals in units of what is expected
    and in m w.e. (O,), derivatives (O, P) to the stored parameters, and the number of runs of the model.
    """

    z: Floats
    z_cov: Floats
    stored: list[Floats]
    data: list[Floats]
    differences: list[Floats]
    jacobians: list[Floats]
    runs: int


def _minimum(problem: FitProblem, first_guess: Floats) -> _Minimum:
    """Minimise with Levenberg-Marquardt."""
    expected = [np.asarray(of_site, np.float64) for of_site in problem.expected]
    to_stored = [
        to_stored_matrix(len(expected), g, *(np.asarray(v, np.float64) for v in (problem.sd, problem.w)))
        for g in range(len(expected))
    ]

    @lru_cache(maxsize=1)  # SciPy asks for residuals and Jacobian one after the other
    def run(z: bytes) -> tuple[list[Floats], list[Floats]]:
        numbers = problem.stored(np.frombuffer(z).astype(problem.mean.dtype))
        # All are begun before the first is waited for.
        begun = [
            _begin(jnp.asarray(of), problem.start, site, problem.names)
            for of, site in zip(numbers, problem.sites, strict=True)
        ]
        found = [_finish(of_site, site) for of_site, site in zip(begun, problem.sites, strict=True)]
        observed = [np.asarray(site.observed, np.float64) for site in problem.sites]
        return [f - y for (f, _), y in zip(found, observed, strict=True)], [slopes for _, slopes in found]

    def residuals(z: Floats) -> Floats:
        return np.concatenate([*(d / s for d, s in zip(run(z.tobytes())[0], expected, strict=True)), z])

    def jacobian(z: Floats) -> Floats:
        of_data = [
            slopes @ matrix / s[:, None]
            for slopes, matrix, s in zip(run(z.tobytes())[1], to_stored, expected, strict=True)
        ]
        return np.concatenate([*of_data, np.eye(z.size)])

    tolerances = {"ftol": FIT_TOLERANCE, "xtol": FIT_TOLERANCE, "max_nfev": MAX_EVALUATIONS}
    result = least_squares(residuals, first_guess, jacobian, method="lm", **tolerances)
    if not result.success or not np.isfinite([*result.x, result.cost]).all():
        raise NoConvergence(f"no minimum after {result.nfev} runs of the model: {result.message}")
    all_rows = jacobian(result.x)
    z_cov = np.linalg.inv(all_rows.T @ all_rows).astype(np.float64)
    differences, jacobians = run(result.x.tobytes())
    stored = [np.asarray(numbers, np.float64) for numbers in problem.stored(result.x)]
    data = [d / s for d, s in zip(differences, expected, strict=True)]
    return _Minimum(result.x, z_cov, stored, data, differences, jacobians, result.nfev)
