"""Loss of training: errors at points and of glaciers, and two regularisers.

Maslov et al. 2026, section on training. Pure functions; balances are m w.e.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.core.parameters import PARAMETERS
from oggm_glaunti.core.temperature_index import TIWeights

GLACIER_WEIGHT = 0.1  # weight of glacier-wide balances relative to points
TI_STRENGTH = 0.1
SIZE_STRENGTH = 5.0
SPREAD_STRENGTH = 20.0
AGREEMENT_STRENGTH = 5.0
TRAINED = tuple(p.stored_name for p in PARAMETERS if p.trained)
"""The stored parameters that training changes; both softplus sharpnesses are kept."""


def require_inside(rows: Int[AnyArray, " point"], cols: Int[AnyArray, " point"], shape: tuple[int, ...]) -> None:
    """Raise a ValueError if points lie outside a grid (H, W); nothing is checked inside JIT.

    JAX clamps such an index, and counts a negative one from the end.
    """
    if isinstance(rows, jax.core.Tracer) or isinstance(cols, jax.core.Tracer):
        return
    rows, cols = np.asarray(rows), np.asarray(cols)
    outside = (rows < 0) | (rows >= shape[0]) | (cols < 0) | (cols >= shape[1])
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        raise ValueError(
            f"{int(outside.sum())} of {outside.size} points lie outside the grid of {shape[0]} x {shape[1]} cells, "
            f"the first at row {rows[first]}, column {cols[first]}"
        )


def point_error(
    smb: Float[AnyArray, "h w"],
    rows: Int[AnyArray, " point"],
    cols: Int[AnyArray, " point"],
    observed: Float[AnyArray, " point"],
    weights: Float[AnyArray, " point"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Compute the weighted sum of squared errors at points, and the sum of their weights.

    Two sums instead of their ratio, so that years can be added before dividing.

    Parameters
    ----------
    smb : array (H, W)
        modelled balance, m w.e.
    rows, cols : int arrays (N,)
        cells of the points
    observed : array (N,)
        observed balances, m w.e.
    weights : array (N,)
        see :func:`~oggm_glaunti.fit.data.date_weights.date_weights`

    Returns
    -------
    (error, weight) : arrays ()
        in (m w.e.)2 and 1

    Raises
    ------
    ValueError
        for a point outside the grid

    Examples
    --------
    >>> smb = jnp.array([[0.0, -1.0]])
    >>> error, weight = point_error(smb, jnp.array([0]), jnp.array([1]), jnp.array([-3.0]), jnp.array([0.5]))
    >>> float(error), float(weight)
    (2.0, 0.5)
    """
    require_inside(rows, cols, smb.shape)
    misfit = smb[rows, cols] - observed
    return jnp.sum(weights * misfit**2), jnp.sum(weights)


def outline_mean(field: Float[AnyArray, "h w"], outline: Float[AnyArray, "h w"]) -> Float[Array, ""]:
    """Average a field (H, W) over the outline (H, W), 1 on the glacier and 0 elsewhere; units of the field.

    Examples
    --------
    >>> float(outline_mean(jnp.array([[1.0, 2.0, 9.0]]), jnp.array([[1.0, 1.0, 0.0]])))
    1.5
    """
    return jnp.sum(field * outline) / jnp.sum(outline)


def glacier_error(
    smb: Float[AnyArray, "h w"], outline: Float[AnyArray, "h w"], observed: Float[AnyArray, ""]
) -> Float[Array, ""]:
    """Compute the squared error of the glacier-wide balance.

    Parameters
    ----------
    smb, outline : arrays (H, W)
        modelled balance, m w.e.; 1 on the glacier, 0 elsewhere
    observed : array ()
        observed balance, m w.e.

    Returns
    -------
    array ()
        (m w.e.)2
    """
    return (outline_mean(smb, outline) - observed) ** 2


def balance_loss(
    error: Float[AnyArray, ""],
    weight: Float[AnyArray, ""],
    glacier_errors: Float[AnyArray, " year"],
    glacier_weight: float = GLACIER_WEIGHT,
) -> Float[Array, ""]:
    """Compute the loss of one kind of balance (annual, winter or summer) of a glacier.

    Parameters
    ----------
    error, weight : arrays ()
        sums of :func:`point_error` over all years; both are 0 without points
    glacier_errors : array (Y,)
        :func:`glacier_error` of the years with an observation; may be empty
    glacier_weight : float
        weight of glacier-wide balances relative to points

    Returns
    -------
    array ()
        (m w.e.)2

    Examples
    --------
    >>> float(balance_loss(jnp.array(2.0), jnp.array(4.0), jnp.array([5.0])))
    1.0
    """
    # The inner where keeps the gradient of the unused quotient finite.
    points = jnp.where(weight > 0, error / jnp.where(weight > 0, weight, 1.0), 0.0)
    glacier = jnp.mean(glacier_errors) if glacier_errors.shape[0] else jnp.zeros_like(points)
    return points + glacier_weight * glacier


def ti_regulariser(weights: TIWeights, priors: TIWeights, strength: float = TI_STRENGTH) -> Float[Array, ""]:
    """Compute the sum of squared relative deviations of the stored parameters from their priors.

    Parameters
    ----------
    weights, priors : TIWeights
        only the seven of :data:`TRAINED` are used; no prior may be 0
    strength : float
        factor of the sum

    Examples
    --------
    >>> from oggm_glaunti.core import ti_weights
    >>> float(ti_regulariser(ti_weights(), ti_weights()))
    0.0
    """
    deviations = [(getattr(weights, name) - getattr(priors, name)) / getattr(priors, name) for name in TRAINED]
    first, *others = (jnp.asarray(deviation) ** 2 for deviation in deviations)
    return strength * sum(others, first)


def corrector_regulariser(
    ds: Float[AnyArray, "5 h w"],
    outline: Float[AnyArray, "h w"],
    size: float = SIZE_STRENGTH,
    spread: float = SPREAD_STRENGTH,
    agreement: float = AGREEMENT_STRENGTH,
) -> Float[Array, ""]:
    """Compute ``size sum mean(d^2) + spread sum var(d) + agreement mean((d2 - d3)^2)`` of the corrections of a year.

    Sums run over the five corrections, means and variances over the outline.

    Parameters
    ----------
    ds : array (5, H, W)
        corrections d1..d5
    outline : array (H, W)
        1 on the glacier, 0 elsewhere
    size, spread, agreement : float
        strengths of the three terms

    Examples
    --------
    >>> ds = jnp.zeros((5, 1, 2)).at[0].set(1.0)
    >>> float(corrector_regulariser(ds, jnp.ones((1, 2))))
    5.0
    """
    share = outline / jnp.sum(outline)

    def means(fields):
        return jnp.sum(fields * share[None], axis=(1, 2))

    mean = means(ds)
    variance = means((ds - mean[:, None, None]) ** 2)
    difference = means((ds[1:2] - ds[2:3]) ** 2)
    return size * jnp.sum(means(ds**2)) + spread * jnp.sum(variance) + agreement * jnp.sum(difference)
