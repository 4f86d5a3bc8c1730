"""A year's balance as a function of the corrector's inputs, and its integrated gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from oggm_glaunti.analysis.attribution.integrated_gradients import Integrated, until_complete
from oggm_glaunti.analysis.trajectory import Trajectory
from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.core.corrector import Corrector, run_corrector
from oggm_glaunti.core.on_heights import Tuned, stepper


class CorrectorInputs(NamedTuple):
    """What changes from year to year of the corrector's inputs, normalised as it takes them.

    Attributes
    ----------
    response : array (3, H, W)
        uncorrected balance, its change for +0.5 K and for 1.05 times the precipitation
    climate : array (2, M)
        monthly temperature and precipitation
    """

    response: Float[AnyArray, "3 h w"]
    climate: Float[AnyArray, "2 month"]


class Place(NamedTuple):
    """What does not: the geometry, and how a map of corrections becomes a profile by height.

    Attributes
    ----------
    fields : array (12, H, W)
        see :func:`~oggm_glaunti.core.glaunti.geometry_fields`
    rows, cols, band : int arrays (P,)
        the glacier's cells, and the band each is in
    count : array (B,)
        cells in each band
    to_heights : array (N, B)
        weights of the bands at the heights of the run
    """

    fields: Float[AnyArray, "12 h w"]
    rows: Int[AnyArray, " cell"]
    cols: Int[AnyArray, " cell"]
    band: Int[AnyArray, " cell"]
    count: Float[AnyArray, " band"]
    to_heights: Float[AnyArray, "height band"]


def profile_of_corrections(corrector: Corrector, place: Place, inputs: CorrectorInputs) -> Float[Array, "5 height"]:
    """Corrections by height (5, N): means over the bands' cells, linear between the bands."""
    ds = run_corrector(corrector, jnp.concatenate([inputs.response, place.fields]), inputs.climate)
    sums = jnp.zeros((5, place.count.shape[0]), ds.dtype).at[:, place.band].add(ds[:, place.rows, place.cols])
    return jnp.matmul(sums / place.count, jnp.transpose(place.to_heights), precision=jax.lax.Precision.HIGHEST)


def balance_of_inputs(
    corrector: Corrector,
    tuned: Tuned,
    place: Place,
    year: Trajectory,
    swe: Float[AnyArray, "realisation height"],
    inputs: CorrectorInputs,
) -> Float[Array, ""]:
    """Glacier-wide balance of a year under the corrections that the network makes of its inputs.

    Parameters
    ----------
    corrector : Corrector
    tuned : Tuned
    place : Place
    year : Trajectory
        of one mass-balance year; its own corrections are not looked at
    swe : array (R, N)
        snow on its first day, m w.e.
    inputs : CorrectorInputs

    Returns
    -------
    array ()
        m w.e.
    """
    ds = profile_of_corrections(corrector, place, inputs)[None]
    _, step = stepper(tuned, year.replace(ds=ds))

    def one_realisation(swe: Array, temp: Array, prcp: Array) -> Array:
        smb = jax.lax.scan(step, swe, (temp, prcp, jnp.zeros(temp.shape, jnp.int32)))[1]
        return jnp.sum(smb * year.area)

    return jnp.mean(jax.vmap(one_realisation)(jnp.asarray(swe), year.temp, year.prcp))


corrected_balance = eqx.filter_jit(balance_of_inputs)


def network_contributions(
    corrector: Corrector,
    tuned: Tuned,
    place: Place,
    year: Trajectory,
    swe: Float[AnyArray, "realisation height"],
    start: CorrectorInputs,
    end: CorrectorInputs,
    alpha: Float[AnyArray, " node"],
    weights: Float[AnyArray, " node"],
) -> CorrectorInputs:
    """Weighted sum over nodes of the path from `start` to `end` of gradient times difference, m w.e. glacier-wide.

    Parameters
    ----------
    corrector, tuned, place, year, swe
        see :func:`balance_of_inputs`
    start, end : CorrectorInputs
    alpha, weights : arrays (K,)
        nodes of a quadrature on 0 to 1
    """
    whole = jax.tree.map(jnp.subtract, end, start)

    def balance(inputs: CorrectorInputs) -> Array:
        return balance_of_inputs(corrector, tuned, place, year, swe, inputs)

    def one_node(total: CorrectorInputs, node: tuple[Array, Array]) -> tuple[CorrectorInputs, None]:
        a, weight = node
        gradient = jax.grad(balance)(jax.tree.map(lambda low, up: low + a * up, start, whole))
        return jax.tree.map(lambda t, g, up: t + weight * g * up, total, gradient, whole), None

    # Node by node: the network's activations of one are enough to hold.
    return jax.lax.scan(one_node, jax.tree.map(jnp.zeros_like, whole), (alpha, weights))[0]


_network_contributions = eqx.filter_jit(network_contributions)


def integrate(
    corrector: Corrector,
    tuned: Tuned,
    place: Place,
    year: Trajectory,
    swe: Float[AnyArray, "realisation height"],
    start: CorrectorInputs,
    end: CorrectorInputs,
    *,
    difference: Any,
) -> Integrated:
    """Contributions of the inputs, with as many nodes as it takes for them to add up to `difference` (m w.e.).

    Arguments as in :func:`network_contributions`.
    """
    given = (corrector, tuned, place, year, swe, start, end)
    return until_complete(
        lambda alpha, weights: _network_contributions(*given, alpha, weights),
        lambda found: sum(jnp.sum(values) for values in found),
        difference,
        start.climate.dtype,
    )
