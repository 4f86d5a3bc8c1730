"""Maximum a posteriori estimate of parameters given observations, and its uncertainty.

The sum of squared differences from the observations and from the priors, each divided by its expected size, is
minimised with Levenberg-Marquardt and exact derivatives. At the minimum the inverse of the Gauss-Newton Hessian is the
posterior covariance (Laplace approximation).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import brentq, least_squares

from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.core.on_heights import Tuned
from oggm_glaunti.fit.calibration.predictions import Site, predictions
from oggm_glaunti.fit.calibration.priors import STORED, Priors

MAX_EVALUATIONS = 200
# Relative to the sum of squares, and to the parameters in prior standard deviations; float32 resolves no more.
FIT_TOLERANCE = 1e-5
# Structural model error, m w.e. a year: what is expected a priori, and the range within which it is estimated.
FIRST_MODEL_ERROR = 0.5
MODEL_ERRORS = (0.05, 5.0)
# Number of fits after which it is estimated anew, before the last fit: it depends little on them.
ROUNDS = 2


class NoConvergence(RuntimeError):
    """Raised if a fit finds no minimum."""


@dataclass(frozen=True)
class Posterior:
    """Normal distribution of the stored parameters around their maximum a posteriori estimate.

    Attributes
    ----------
    priors : Priors
    mean : float64 array (P,)
        maximum a posteriori estimate of the stored parameters
    cov : float64 array (P, P)
        their covariance
    information : float64 array (P, P)
        Fisher information of the data alone, for parameters in prior standard deviations
    predicted : list of float64 arrays (O,)
        modelled values of the observations, for each site, m w.e.
    misfit : float
        mean square of ``(model - observation) / expected difference``
    model_error : float
        structural model error, given or estimated, m w.e. a year
    evaluations : int
        number of runs of the model
    """

    priors: Priors
    mean: np.ndarray
    cov: np.ndarray
    information: np.ndarray
    predicted: list[np.ndarray]
    misfit: float
    model_error: float
    evaluations: int

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations of the stored parameters (P,)."""
        return np.sqrt(np.diag(self.cov))

    def tuned(self, start: Tuned) -> Tuned:
        """Return the model with the fitted parameters."""
        return place(start, self.priors.names, self.mean)


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


class _Minimum(NamedTuple):
    """Parameters in units of their priors, residuals and Jacobian of the data, and number of runs of the model."""

    z: np.ndarray
    data: np.ndarray
    jacobian: np.ndarray
    runs: int


class FitProblem(eqx.Module):
    """Everything that is constant during a fit.

    Attributes
    ----------
    start : Tuned
    mean, sd : arrays (P,)
        prior means and standard deviations of the stored parameters
    expected : array (O,)
        expected difference between model and observation, concatenated over sites, m w.e.
    sites : tuple of Site
    names : tuple of str
        names of the fitted parameters
    """

    start: Tuned
    mean: Float[Array, " parameter"]
    sd: Float[Array, " parameter"]
    expected: Float[Array, " observation"]
    sites: tuple[Site, ...]
    names: tuple[str, ...] = eqx.field(static=True)


def _data_and_jacobian(z: Float[Array, " parameter"], problem: FitProblem) -> tuple[Array, Array]:
    """Compute ``(model - observation) / expected difference``, concatenated over sites, and its derivatives (O, P)."""

    def residuals(z):
        tuned = place(problem.start, problem.names, problem.mean + problem.sd * z)
        modelled = [predictions(tuned, site) - site.observed for site in problem.sites]
        return (jnp.concatenate(modelled) / problem.expected,) * 2

    jacobian, data = jax.jacfwd(residuals, has_aux=True)(z)  # in one run through the days
    return data, jacobian


_linearised = eqx.filter_jit(_data_and_jacobian)


def log_posterior(z: Float[Array, " parameter"], problem: FitProblem) -> tuple[Array, Array]:
    """Compute the log posterior density, up to an additive constant, and its gradient.

    Do not differentiate it: the gradient uses forward mode through the days, which is much faster than reverse mode.

    Parameters
    ----------
    z : array (P,)
        ``(stored parameters - prior means) / prior standard deviations``
    problem : FitProblem
        see :func:`fit_problem`
    """
    data, jacobian = _data_and_jacobian(z, problem)
    return -0.5 * (data @ data + z @ z), -(data @ jacobian + z)


def predict(tuned: Tuned, sites: Sequence[Site]) -> list[np.ndarray]:
    """Compute the modelled values of all observations (m w.e.), for each site."""
    return [np.asarray(p, np.float64) for p in _predictions(_as_arrays(tuned), tuple(sites))]


_predictions = jax.jit(lambda tuned, sites: [predictions(tuned, site) for site in sites])


def _as_arrays(tree):
    """Convert the numbers of a model to arrays of its precision."""
    dtype = jnp.result_type(tree.ti.ddf_snow_log)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)


def fit_map(start: Tuned, sites: Sequence[Site], priors: Priors, model_error: float | None = None) -> Posterior:
    """Fit parameters to all observations of one or more sites.

    Parameters
    ----------
    start : Tuned
        model; parameters that are not in `priors` are kept
    sites : sequence of Site
        weather and observations; the parameters are common to all sites
    priors : Priors
        parameters to fit, and their prior distributions
    model_error : float, optional
        structural model error: expected difference between model and true balance, m w.e. a year; over several years it
        grows with the square root of time. Default: estimated, see :func:`estimated_model_error`

    Raises
    ------
    NoConvergence
        if the optimiser fails; with its reason
    """
    error = FIRST_MODEL_ERROR if model_error is None else model_error
    problem = fit_problem(start, sites, priors, error)
    found = _minimum(problem, np.zeros(len(priors.names)))
    runs = found.runs
    for _ in range(ROUNDS if model_error is None else 0):
        sigma, years = (_of_all_sites(problem.sites, name, np.float64) for name in ("sigma", "years"))
        known = np.linalg.eigvalsh(found.jacobian.T @ found.jacobian)
        n_eff = float(np.sum(known / (1.0 + known)))  # trace of the hat matrix
        error = estimated_model_error(_differences(problem, found), sigma, years, n_eff)
        problem = fit_problem(start, problem.sites, priors, error)
        found = _minimum(problem, found.z)
        runs += found.runs
    information = found.jacobian.T @ found.jacobian
    cov = np.linalg.inv(information + np.eye(found.z.size)) * np.outer(priors.sd, priors.sd)
    mean = priors.mean + priors.sd * found.z
    predicted = _differences(problem, found) + _of_all_sites(problem.sites, "observed", np.float64)
    by_site = np.split(predicted, np.cumsum([site.observed.size for site in problem.sites])[:-1])
    return Posterior(priors, mean, cov, information, by_site, float(np.mean(found.data**2)), error, runs)


def fit_problem(start: Tuned, sites: Sequence[Site], priors: Priors, model_error: float) -> FitProblem:
    """Prepare a fit; arguments as in :func:`fit_map`, but the model error is required."""
    start, sites = _as_arrays(start), tuple(jax.tree.map(jnp.asarray, site) for site in sites)
    expected = np.sqrt(_of_all_sites(sites, "sigma") ** 2 + model_error**2 * _of_all_sites(sites, "years"))
    dtype = jnp.result_type(start.ti.ddf_snow_log)
    mean, sd, difference = (jnp.asarray(values, dtype) for values in (priors.mean, priors.sd, expected))
    return FitProblem(start, mean, sd, difference, sites, priors.names)


def _of_all_sites(sites: Sequence[Site], name: str, dtype: Any = None) -> np.ndarray:
    """Concatenate a field of all sites."""
    return np.concatenate([np.asarray(getattr(site, name), dtype) for site in sites])


def _differences(problem: FitProblem, found: _Minimum) -> np.ndarray:
    """Compute model - observation, concatenated over sites, m w.e."""
    return found.data * np.asarray(problem.expected, np.float64)


def estimated_model_error(difference: np.ndarray, sigma: np.ndarray, years: np.ndarray, n_eff: float = 0.0) -> float:
    """Estimate the structural model error for which the differences left by a fit are as large as expected.

    Parameters
    ----------
    difference, sigma, years : arrays (O,)
        model - observation and the errors of the observations, m w.e.; lengths of their periods
    n_eff : float
        effective number of parameters constrained by the data: so many differences a fit removes

    Returns
    -------
    float
        m w.e. a year, between 0.05 and 5. The error expected a priori counts as one observation of one year, so that a
        few observations, which can always be fitted, do not make the model look perfect

    Examples
    --------
    >>> round(estimated_model_error(np.full(999, 0.5), np.full(999, 0.3), np.ones(999)), 3)
    0.4
    >>> round(estimated_model_error(np.zeros(1), np.full(1, 0.1), np.ones(1), n_eff=1.0), 3)
    0.5
    """

    def excess(error: float) -> float:
        left = np.sum(difference**2 / (sigma**2 + error**2 * years)) + (FIRST_MODEL_ERROR / error) ** 2
        return float(left - (difference.size - n_eff + 1.0))

    low, high = MODEL_ERRORS
    if excess(low) <= 0.0:
        return low
    return high if excess(high) >= 0.0 else float(brentq(excess, low, high))


def _minimum(problem: FitProblem, first_guess: np.ndarray) -> _Minimum:
    """Minimise with Levenberg-Marquardt."""

    @lru_cache(maxsize=1)  # SciPy asks for residuals and Jacobian one after the other
    def run(z: bytes) -> tuple[np.ndarray, np.ndarray]:
        data, jacobian = _linearised(jnp.asarray(np.frombuffer(z), problem.mean.dtype), problem)
        return np.asarray(data, np.float64), np.asarray(jacobian, np.float64)

    residuals = lambda z: np.concatenate([run(z.tobytes())[0], z])
    jacobian = lambda z: np.concatenate([run(z.tobytes())[1], np.eye(first_guess.size)])
    tolerances = {"ftol": FIT_TOLERANCE, "xtol": FIT_TOLERANCE, "max_nfev": MAX_EVALUATIONS}
    result = least_squares(residuals, first_guess, jacobian, method="lm", **tolerances)
    if not result.success or not np.isfinite([*result.x, result.cost]).all():
        raise NoConvergence(f"no minimum after {result.nfev} runs of the model: {result.message}")
    return _Minimum(result.x, *run(result.x.tobytes()), result.nfev)
