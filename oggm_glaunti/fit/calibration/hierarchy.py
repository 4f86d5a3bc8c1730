"""Parameters of glaciers that resemble each other: a region's mean, each glacier's own, and the spread between them.

The stored parameters of glacier g are ``theta_g = m + S (mu + b_g)``: m and S are prior means and standard deviations,
``mu ~ N(0, 1)`` is common to the region, ``b_g ~ N(0, w^2)`` the glacier's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from oggm_glaunti.fit.calibration.errors import ErrorSizes, Floats
from oggm_glaunti.fit.calibration.priors import Priors

BETWEEN = 0.6
"""Standard deviation of a glacier's parameters around those of its region, in units of the priors' (w): its prior
median; that of its logarithm is :data:`BETWEEN_SPREAD`."""
BETWEEN_SPREAD = 0.4


class Estimated(NamedTuple):
    """Normal distribution of stored parameters, of a region's mean or of a glacier.

    Attributes
    ----------
    names : tuple of str
    prior_mean, prior_sd : float64 arrays (P,)
    mean : float64 array (P,)
    cov : float64 array (P, P)
    """

    names: tuple[str, ...]
    prior_mean: Floats
    prior_sd: Floats
    mean: Floats
    cov: Floats

    @property
    def sd(self) -> Floats:
        """Standard deviations (P,)."""
        return np.sqrt(np.diag(self.cov))


@dataclass(frozen=True)
class Posterior:
    """A fit: parameters of the region and of each glacier, and the sizes of all errors.

    Attributes
    ----------
    priors : Priors
    z : float64 array (P + G P,)
        most probable mu, and ``b_g / w`` of each glacier
    z_cov : float64 array (P + G P, P + G P)
    w : float64 array (P,)
        spread of glaciers around the region's mean, in units of the priors' standard deviations
    sizes : ErrorSizes
        given or estimated, m w.e.
    predicted : list of float64 arrays (O,)
        modelled values of the observations, for each site, m w.e.
    misfit : float
        mean square of ``(model - observation) / expected difference``
    evaluations : int
        number of runs of the model
    """

    priors: Priors
    z: Floats
    z_cov: Floats
    w: Floats
    sizes: ErrorSizes
    predicted: list[Floats]
    misfit: float
    evaluations: int

    def stored(self, z: Floats) -> Floats:
        """Return the stored parameters (N, 1 + G, P) of the region's mean and of each glacier for draws (N, U) of z."""
        matrices = [self._select(number) for number in (None, *range(self.z.size // self.w.size - 1))]
        return self.priors.mean + np.stack([z @ matrix.T for matrix in matrices], axis=1)

    @property
    def region(self) -> Estimated:
        """The region's mean."""
        return self._estimated(self._select(None), self.priors.sd)

    def glacier(self, number: int) -> Estimated:
        """Return the parameters of a glacier of the fit."""
        return self._estimated(self._select(number), self.priors.sd * np.hypot(1.0, self.w))

    def unseen(self, w_factor: float | Floats = 1.0) -> Estimated:
        """Return the parameters of a glacier that the fit has not seen: the region's mean, and its spread.

        Parameters
        ----------
        w_factor : float or array (P,)
            on the spread: regions differ more than glaciers of one region
        """
        found, own = self.region, self.priors.sd * self.w * w_factor
        return found._replace(prior_sd=np.hypot(self.priors.sd, own), cov=found.cov + np.diag(own**2))

    @property
    def spread(self) -> Floats:
        """Standard deviations of glaciers' stored parameters around the region's mean (P,)."""
        return self.priors.sd * self.w

    def factor_between(self, regions: Sequence[str], expected: float) -> Floats:
        """Estimate the spread of glaciers of other regions, in units of :attr:`w`.

        Squares of what glaciers have of their own are averaged by region first: a glacier of another region is one more
        draw of regions, however many glaciers there are in each.

        Parameters
        ----------
        regions : sequence of str
            region of each glacier
        expected : float
            median of the factor's lognormal prior

        Returns
        -------
        float64 array (P,)
            factors on :attr:`w`, 1 or more: `expected` if there is one region
        """
        n, names = self.w.size, np.asarray(regions)
        own = self.z[n:].reshape(-1, n) * self.w
        variance = np.diag(self.z_cov)[n:].reshape(-1, n) * self.w**2
        groups = [names == region for region in np.unique(names)]
        if len(groups) == 1:
            return np.full(n, expected)
        sums = sum((own[g] ** 2 + variance[g]).mean(axis=0) for g in groups)
        found = [spread_from(s, len(groups), expected * w) / w for s, w in zip(sums, self.w, strict=True)]
        return np.maximum(found, 1.0)

    def _select(self, number: int | None) -> Floats:
        """Return the matrix (P, P + G P) from z to the stored parameters."""
        n = self.w.size
        return to_stored_matrix(self.z.size // n - 1, number, self.priors.sd, self.w)

    def _estimated(self, matrix: Floats, prior_sd: Floats) -> Estimated:
        mean, cov = self.priors.mean + matrix @ self.z, matrix @ self.z_cov @ matrix.T
        return Estimated(self.priors.names, self.priors.mean, prior_sd, mean, cov)


def to_stored_matrix(n_glaciers: int, number: int | None, sd: Floats, w: Floats) -> Floats:
    """Return the matrix (P, P + G P) from mu and all ``b_g / w`` to the stored parameters, minus prior means.

    `number` is that of a glacier, None for the region's mean.
    """
    n = w.size
    out = np.zeros((n, n * (n_glaciers + 1)))
    out[:, :n] = np.diag(sd)
    if number is not None:
        out[:, n * (number + 1) : n * (number + 2)] = np.diag(sd * w)
    return out


def estimate_w(z: Floats, z_cov: Floats, w: Floats) -> Floats:
    """Estimate the spread of glaciers around their region's mean: a step of expectation and maximisation.

    Parameters
    ----------
    z, z_cov : float64 arrays
        of a :class:`Posterior` with spread `w`
    w : float64 array (P,)

    Returns
    -------
    float64 array (P,)
        the most probable spread under a lognormal prior with median :data:`BETWEEN`
    """
    own, variance = z[w.size :].reshape(-1, w.size), np.diag(z_cov)[w.size :].reshape(-1, w.size)
    sums = ((own**2 + variance) * w**2).sum(axis=0)
    return np.array([spread_from(float(s), own.shape[0], BETWEEN) for s in sums])


def spread_from(sum_of_squares: float, n: int, median: float) -> float:
    """Return the most probable standard deviation of n numbers, with a lognormal prior of it.

    Examples
    --------
    >>> round(spread_from(0.0, 0, 0.6), 3), round(spread_from(1000.0, 1000, 0.6), 2)
    (0.6, 1.0)
    """

    def cost(x: float) -> float:
        sd = median * np.exp(x)
        return float(n * x + 0.5 * sum_of_squares / sd**2 + 0.5 * (x / BETWEEN_SPREAD) ** 2)

    return float(median * np.exp(minimize_scalar(cost, bounds=(-4.0, 4.0), method="bounded").x))
