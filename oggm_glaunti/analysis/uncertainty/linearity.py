"""The range of validity of the first order, from a comparison with ensembles for errors of increasing size."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from oggm_glaunti.analysis.trajectory import Trajectory
from oggm_glaunti.analysis.uncertainty.blocks import Blocks
from oggm_glaunti.analysis.uncertainty.draws import SCALES, WEEKLY_ERRORS, WeatherErrors, draw_errors
from oggm_glaunti.analysis.uncertainty.propagation import ensemble, forcing_variance, propagate
from oggm_glaunti.core.on_heights import Tuned

RATIO_TOLERANCE = 0.1


class Linearity(NamedTuple):
    """Comparison of the first order with an ensemble for S sizes of the errors; arrays (S,).

    Attributes
    ----------
    scale : array
        factor on both standard deviations
    first_order, ensemble : arrays
        standard deviations of the whole balance, m w.e.
    same_draws : array
        that of the first order applied to the errors drawn for the ensemble, m w.e.: sampling noise, which both share,
        cancels in the comparison
    bias : array
        ``mean of the ensemble - balance without errors``, m w.e.; zero to first order
    """

    scale: np.ndarray
    first_order: np.ndarray
    ensemble: np.ndarray
    same_draws: np.ndarray
    bias: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        """Ratio of the first-order standard deviation to the ensemble's for the same draws; nan without errors."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.same_draws / self.ensemble

    def sentence(self, tolerance: float = RATIO_TOLERANCE) -> str:
        """Say in words up to which size of errors the first order is accurate to `tolerance`."""
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
    errors: WeatherErrors = WEEKLY_ERRORS,
    scales: Sequence[float] = SCALES,
    members: int = 500,
    seed: int = 0,
    chunk: int = 16,
) -> Linearity:
    """Compare the first order with an ensemble for errors of several sizes.

    Parameters
    ----------
    tuned, trajectory, blocks
        see :func:`~oggm_glaunti.analysis.uncertainty.propagation.propagate`
    errors : WeatherErrors
    scales : sequence of float
        factors on both standard deviations, from small to large
    members, seed : int
        see :func:`~oggm_glaunti.analysis.uncertainty.draws.draw_errors`; all scales have the same draws
    chunk : int
        see :func:`~oggm_glaunti.analysis.uncertainty.propagation.ensemble`

    Returns
    -------
    Linearity
        of the balance over all blocks
    """
    jacobians = propagate(tuned, trajectory, blocks)
    first_order = float(np.sqrt(forcing_variance(jacobians, blocks, errors).total[-1]))
    temp, log_prcp = (np.asarray(field[-1], np.float64) for field in (jacobians.temp, jacobians.log_prcp))
    rows = []
    for scale in scales:
        scaled = errors._replace(sigma_temp=scale * errors.sigma_temp, sigma_log_prcp=scale * errors.sigma_log_prcp)
        drawn = draw_errors(seed, members, blocks.middles, scaled)
        series = ensemble(tuned, trajectory, blocks, drawn, chunk=chunk)
        whole = np.asarray(series[:, -1], np.float64)
        line = drawn.temp @ temp + drawn.log_prcp @ log_prcp
        rows.append((scale, scale * first_order, whole.std(), line.std(), whole.mean() - float(jacobians.smb[-1])))
    return Linearity(*np.array(rows).T)
