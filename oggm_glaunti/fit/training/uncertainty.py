"""Uncertainty of a trained temperature index: how well observations constrain its seven parameters.

Training minimises a weighted sum of squares, so its parameters scatter, from one set of observation errors to the next,
with the covariance ``H^-1 V H^-1``: ``H = sum v J J'`` is the curvature of the loss (Gauss-Newton), and
``V = sum v^2 s^2 J J'`` the covariance of its slope, with the derivatives ``J`` of the modelled observations by the
parameters, the weights ``v`` in the loss and the variance ``s^2`` of the misfits. Errors of observations
are assumed independent.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from oggm_glaunti.core.glaunti import GlaUnTI, corrected_run
from oggm_glaunti.core.parameters import PARAMETERS, physical_numbers
from oggm_glaunti.core.temperature_index import TIWeights, ti_weights
from oggm_glaunti.fit.training.arrays import GlacierYears, Room, YearArrays
from oggm_glaunti.fit.training.losses import GLACIER_WEIGHT, TRAINED, outline_mean
from oggm_glaunti.fit.training.objective import start_cells
from oggm_glaunti.fit.training.survey import Part, Scale


class Sums(NamedTuple):
    """Sums over observations, separately over points and glacier-wide balances, as their errors differ.

    Attributes
    ----------
    curvature : array (2, 7, 7)
        ``sum v J J'``
    slope : array (2, 7, 7)
        ``sum v^2 J J'``
    squares, weight : arrays (2,)
        weighted squared misfits, (m w.e.)2, and their weights
    """

    curvature: Float[np.ndarray, "2 7 7"]
    slope: Float[np.ndarray, "2 7 7"]
    squares: Float[np.ndarray, "2"]
    weight: Float[np.ndarray, "2"]


def trained_uncertainty(model: GlaUnTI, parts: Sequence[Part], ti_strength: float = 0.0) -> pd.DataFrame:
    """Compute values and standard deviations of the parameters of a trained model A.

    Parameters
    ----------
    model : GlaUnTI
        model A after training
    parts : sequence of Part
        glaciers and years that it was trained on
    ti_strength : float
        strength of the regulariser of the temperature index in that training

    Returns
    -------
    DataFrame
        rows: the seven parameters; columns: `value` and `sigma` in physical units, `relative` (sigma over the value)

    Raises
    ------
    ValueError
        for a model that is not A

    Notes
    -----
    The derivatives, as in training, are for given snow at the beginning of each mass-balance year.
    """
    if not isinstance(model, GlaUnTI) or model.corrector is not None:
        raise ValueError("expected model A")
    device, room = jax.local_devices()[0], Room(0.0)
    sums = [_glacier_sums(model, GlacierYears(part, False, False, room, device)) for part in parts]
    return in_physical_units(model.ti, covariance(jax.tree.map(lambda *a: sum(a), *sums), ti_strength))


def covariance(sums: Sums, ti_strength: float = 0.0) -> Float[np.ndarray, "7 7"]:
    """Compute the covariance of the seven stored parameters, see the module's description; priors add to ``H``."""
    priors = np.array([float(getattr(ti_weights(), name)) for name in TRAINED])
    variance = sums.squares / np.where(sums.weight > 0, sums.weight, 1.0)
    curvature = sums.curvature.sum(axis=0) + np.diag(ti_strength / priors**2)
    inverse = np.linalg.pinv(curvature, hermitian=True)
    return inverse @ np.einsum("k,kij->ij", variance, sums.slope) @ inverse


def in_physical_units(ti: TIWeights, stored: Float[np.ndarray, "7 7"]) -> pd.DataFrame:
    """Make a table of values and standard deviations in physical units, to first order."""
    values, rows = physical_numbers(ti), {}
    for parameter, number_sigma in zip((p for p in PARAMETERS if p.trained), np.sqrt(np.diag(stored)), strict=True):
        value = values[parameter.name]
        sigma = parameter.slope(value) * number_sigma
        rows[parameter.name] = {"value": value, "sigma": sigma, "relative": sigma / abs(value)}
    return pd.DataFrame.from_dict(rows, orient="index")


def _glacier_sums(model: GlaUnTI, years: GlacierYears) -> Sums:
    state, sums = start_cells(model, years.survey.rows.size), []
    numbers = {name: jnp.asarray(getattr(model.ti, name)) for name in TRAINED}
    for k, turn in enumerate(years.survey.turns):
        year = years.load(k)
        (values, state), slopes = _run_with_slopes(numbers, model.ti, state, year)
        if turn.counted:
            sums.append(_year_sums(np.asarray(values, np.float64), slopes, year, years.scale))
    return jax.tree.map(lambda *a: sum(a), *sums)


def _year_sums(values: np.ndarray, slopes: dict[str, Any], year: YearArrays, scale: Scale) -> Sums:
    jacobian = np.stack([np.asarray(slopes[name], np.float64) for name in TRAINED], axis=1)
    seen = jax.tree.map(lambda a: np.asarray(a, np.float64), year.observed)
    misfit = values - np.r_[seen.balance, seen.glacier]
    plain = np.r_[seen.weight, seen.has_glacier]
    by_season = np.asarray(scale.points, np.float64)[np.asarray(year.observed.season)]
    weight = np.r_[seen.weight * by_season, GLACIER_WEIGHT * seen.has_glacier * np.asarray(scale.glacier)]
    kinds = np.arange(weight.size) < seen.weight.size
    shares = np.stack([kinds, ~kinds]).astype(np.float64)
    curvature, slope = (np.einsum("kn,n,ni,nj->kij", shares, w, jacobian, jacobian) for w in (weight, weight**2))
    return Sums(curvature, slope, shares @ (plain * misfit**2), shares @ plain)


@jax.jit
def _run_with_slopes(numbers: dict[str, Any], ti: TIWeights, swe: Float[Array, " cell"], year: YearArrays):
    """Compute the modelled observations (N + 3,), the snow at the end, and derivatives of the former by parameters."""

    def run(numbers: dict[str, Any]):
        params = TIWeights(**{**vars(ti), **numbers}).resolve()
        end, smb, _ = corrected_run(params, None, swe, year.seasons)
        balances = jnp.stack([sum(smb), *smb])
        at_points = balances[year.observed.season, year.observed.cell]
        means = jnp.stack([outline_mean(balance[None], year.outline[None]) for balance in balances])
        observed = jnp.concatenate([at_points, means])
        return observed, (observed, end)

    slopes, result = jax.jacfwd(run, has_aux=True)(numbers)
    return result, slopes
