"""The weight of an observation whose dates are not those of the season it is compared with (Maslov et al. 2026)."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from oggm_glaunti.core.arrays import AnyArray

DATE_DECAY = 6.355375070295649  # days; a date off by 11 days leaves a weight of 0.05


def date_weights(
    begin_offset: Num[AnyArray, " point"], end_offset: Num[AnyArray, " point"], decay: float = DATE_DECAY
) -> Float[Array, " point"]:
    """Return the weights of points by how far their dates lie from those of the season.

    ``exp(-(begin / decay)^2) exp(-(end / decay)^2)``.

    Parameters
    ----------
    begin_offset, end_offset : arrays (N,)
        days between the point's and the season's begin and end, of either sign
    decay : float
        days

    Returns
    -------
    array (N,)
        0 to 1

    Examples
    --------
    >>> [round(float(w), 3) for w in date_weights(jnp.array([0, 0]), jnp.array([0, -11]))]
    [1.0, 0.05]
    """
    scale = jnp.asarray(decay, float)
    begin, end = (jnp.asarray(offset, scale.dtype) / scale for offset in (begin_offset, end_offset))
    return jnp.exp(-(begin**2)) * jnp.exp(-(end**2))
