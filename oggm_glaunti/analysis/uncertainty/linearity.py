"""Where the first order ends: against an ensemble, the errors scaled from small to large."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from oggm_glaunti.analysis.trajectory import Trajectory
from oggm_glaunti.analysis.uncertainty.blocks import Blocks
from oggm_glaunti.analysis.uncertainty.draws import SCALES, SIGMA_LOG_PRCP, SIGMA_TEMP, draw_errors
from oggm_glaunti.analysis.uncertainty.propagation import run_ensemble, run_forcing_variance, run_propagate
from oggm_glaunti.core.on_heights import Tuned

TOLERANCE = 0.1


class Linearity(NamedTuple):
    """First order against an ensemble, for errors of several sizes; arrays (S,).

    Attributes
    ----------
    scale : array
        factor on both standard deviations
    first_order, ensemble : arrays
        standard deviations of the whole balance, m w.e.
    same_draws : array
        that of the first order over the very errors the ensemble had, m w.e.: what chance does to both drops out of the
        comparison
    bias : array
        mean of the ensemble minus the balance without errors, m w.e.; zero to first order
    """

    scale: np.ndarray
    first_order: np.ndarray
    ensemble: np.ndarray
    same_draws: np.ndarray
    bias: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        """First-order standard deviation over the ensemble's, over the same draws; nan without errors."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.same_draws / self.ensemble

    def sentence(self, tolerance: float = TOLERANCE) -> str:
        """In words, up to which errors the first order is good to `tolerance`."""
        good = np.abs(self.ratio - 1.0) <= tolerance
        fine = int(np.argmin(good)) if not good.all() else good.size
        within = f"within {100 * tolerance:.0f} % of the ensemble's"
        if fine == good.size:
            return f"The first-order standard deviation is {within} up to {self.scale[-1]:g} times the errors."
        off = (
            f"at {self.scale[fine]:g} times the errors it is {abs(100 * (self.ratio[fine] - 1)):.0f} % too "
            f"{'large' if self.ratio[fine] > 1 else 'small'} and the mean moves by {self.bias[fine]:+.2f} m w.e."
        )
        if fine == 0:
            return f"The first-order standard deviation is not {within}: {off}"
        return f"The first-order standard deviation is {within} up to {self.scale[fine - 1]:g} times the errors; {off}"


def linearity(
    tuned: Tuned,
    trajectory: Trajectory,
    blocks: Blocks,
    sigma_temp: float = SIGMA_TEMP,
    sigma_log_prcp: float = SIGMA_LOG_PRCP,
    correlation_days: float = 0.0,
    scales: Sequence[float] = SCALES,
    members: int = 500,
    seed: int = 0,
    mean_preserving: bool = False,
    chunk: int = 16,
) -> Linearity:
    """Compare the first order with an ensemble, the errors scaled from small to large.

    Parameters
    ----------
    tuned, trajectory, blocks
        see :func:`propagate`
    sigma_temp, sigma_log_prcp, correlation_days
        see :func:`forcing_variance`
    scales : sequence of float
        factors on both standard deviations, from small to large
    members, seed, mean_preserving
        see :func:`~oggm_glaunti.analysis.uncertainty.draws.draw_errors`; all scales have the same draws
    chunk : int
        see :func:`ensemble`

    Returns
    -------
    Linearity
        of the balance over all blocks
    """
    jacobians = run_propagate(tuned, trajectory, blocks)
    variance = run_forcing_variance(jacobians, blocks, sigma_temp, sigma_log_prcp, correlation_days)
    first_order = float(np.sqrt(variance.total[-1]))
    temp, log_prcp = (np.asarray(field[-1], np.float64) for field in (jacobians.temp, jacobians.log_prcp))
    rows = []
    for scale in scales:
        sigmas = scale * sigma_temp, scale * sigma_log_prcp
        errors = draw_errors(seed, members, blocks.middles, *sigmas, correlation_days, mean_preserving)
        series = run_ensemble(tuned, trajectory, blocks, errors, chunk=chunk)
        whole = np.asarray(series[:, -1], np.float64)
        line = errors.temp @ temp + errors.log_prcp @ log_prcp
        rows.append((scale, scale * first_order, whole.std(), line.std(), whole.mean() - float(jacobians.smb[-1])))
    return Linearity(*np.array(rows).T)
