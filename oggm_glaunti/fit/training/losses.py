"""What training minimises: errors of points and of glaciers, and two regularisers.

Maslov et al. 2026, section on training. Pure functions; balances are m w.e.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from oggm_glaunti.core.parameters import PARAMETERS
from oggm_glaunti.core.temperature_index import TIWeights

GLACIER_WEIGHT = 0.1  # of glacier-wide balances beside points
TI_STRENGTH = 0.1
SIZE_STRENGTH = 5.0
SPREAD_STRENGTH = 20.0
AGREEMENT_STRENGTH = 5.0
TRAINED = tuple(p.stored_name for p in PARAMETERS if p.trained)
"""The stored numbers that training moves; both softplus sharpnesses stay."""


def require_inside(rows: Int[Array, " point"], cols: Int[Array, " point"], shape: tuple[int, ...]) -> None:
    """Raise a ValueError that counts the points outside a grid (H, W); nothing is checked inside JIT.

    JAX would clamp such an index, and take a negative one from the other end.
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
    smb: Float[Array, "h w"],
    rows: Int[Array, " point"],
    cols: Int[Array, " point"],
    observed: Float[Array, " point"],
    weights: Float[Array, " point"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Weighted sum of squared errors at points, and the sum of their weights.

    Two sums, not their ratio, so that years can be added up before dividing.

    Parameters
    ----------
    smb : array (H, W)
        m w.e.
    rows, cols : int arrays (N,)
        cells of the points
    observed : array (N,)
        m w.e.
    weights : array (N,)
        see :func:`~oggm_glaunti.fit.data.date_weights.date_weights`

    Returns
    -------
    (error, weight) : arrays ()
        (m w.e.)2 and 1

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


def outline_mean(field: Float[Array, "h w"], outline: Float[Array, "h w"]) -> Float[Array, ""]:
    """Mean of a field (H, W) over the outline (H, W), 1 on the glacier and 0 elsewhere; units of the field.

    Examples
    --------
    >>> float(outline_mean(jnp.array([[1.0, 2.0, 9.0]]), jnp.array([[1.0, 1.0, 0.0]])))
    1.5
    """
    return jnp.sum(field * outline) / jnp.sum(outline)


def glacier_error(
    smb: Float[Array, "h w"], outline: Float[Array, "h w"], observed: Float[Array, ""]
) -> Float[Array, ""]:
    """Squared error of the glacier-wide balance.

    Parameters
    ----------
    smb, outline : arrays (H, W)
        m w.e.; 1 on the glacier, 0 elsewhere
    observed : array ()
        m w.e.

    Returns
    -------
    array ()
        (m w.e.)2
    """
    return (outline_mean(smb, outline) - observed) ** 2


def balance_loss(
    error: Float[Array, ""],
    weight: Float[Array, ""],
    glacier_errors: Float[Array, " year"],
    glacier_weight: float = GLACIER_WEIGHT,
) -> Float[Array, ""]:
    """Loss of one kind of balance (annual, winter or summer) of one glacier.

    Parameters
    ----------
    error, weight : arrays ()
        the sums of :func:`point_error` over all years; without points both are 0 and they add nothing
    glacier_errors : array (Y,)
        see :func:`glacier_error`, of the years with an observation; may be empty
    glacier_weight : float

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
    """Sum of squared relative deviations of the stored numbers (logarithms mostly) from their priors.

    Parameters
    ----------
    weights, priors : TIWeights
        the seven of :data:`TRAINED` count; no prior may be 0
    strength : float

    Returns
    -------
    array ()

    Examples
    --------
    >>> from oggm_glaunti.core import ti_weights
    >>> float(ti_regulariser(ti_weights(), ti_weights()))
    0.0
    """
    deviations = [(getattr(weights, name) - getattr(priors, name)) / getattr(priors, name) for name in TRAINED]
    return strength * sum(jnp.asarray(deviation) ** 2 for deviation in deviations)


def corrector_regulariser(
    ds: Float[Array, "5 h w"],
    outline: Float[Array, "h w"],
    size: float = SIZE_STRENGTH,
    spread: float = SPREAD_STRENGTH,
    agreement: float = AGREEMENT_STRENGTH,
) -> Float[Array, ""]:
    """How far the corrections of one year go: ``size sum mean(d^2) + spread sum var(d) + agreement mean((d2 - d3)^2)``.

    Sums run over the five corrections, means and variances over the outline.

    Parameters
    ----------
    ds : array (5, H, W)
        corrections d1..d5
    outline : array (H, W)
        1 on the glacier, 0 elsewhere
    size, spread, agreement : float

    Returns
    -------
    array ()

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
