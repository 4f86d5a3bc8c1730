"""A year's balance as a function of the corrector's inputs, and its integrated gradients."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from oggm_glaunti.analysis.attribution.integrated_gradients import Integrated, until_complete
from oggm_glaunti.analysis.trajectory import Trajectory
from oggm_glaunti.core.arrays import EXACT, AnyArray
from oggm_glaunti.core.corrector import Corrector, run_corrector
from oggm_glaunti.core.on_heights import Tuned, stepper
from oggm_glaunti.core.units import N_CORRECTIONS


class CorrectorInputs(NamedTuple):
    """Inputs of the corrector that vary from year to year, normalised.

    Attributes
    ----------
    response : array (3, H, W)
        uncorrected balance, its change for +0.5 K and for 1.05 times the precipitation
    climate : array (2, M)
        monthly temperature and precipitation
    """

    response: Float[AnyArray, "3 h w"]
    climate: Float[AnyArray, "2 month"]


class CorrectorGeometry(NamedTuple):
    """What stays the same from year to year: the geometry, and how a map of corrections becomes a profile by height.

    A network sees maps, a run sees heights: :func:`corrections_by_height` leads from the one to the other.

    Attributes
    ----------
    fields : array (12, H, W)
        see :func:`~oggm_glaunti.core.glaunti.geometry_fields`
    rows, cols, band : int arrays (P,)
        the glacier's cells, and the band each belongs to
    band_count : array (B,)
        cells in each band
    to_heights : array (N, B)
        weights of the bands at the heights of the run
    """

    fields: Float[AnyArray, "12 h w"]
    rows: Int[AnyArray, " cell"]
    cols: Int[AnyArray, " cell"]
    band: Int[AnyArray, " cell"]
    band_count: Float[AnyArray, " band"]
    to_heights: Float[AnyArray, "height band"]


def corrections_by_height(
    corrector: Corrector, geometry: CorrectorGeometry, inputs: CorrectorInputs
) -> Float[Array, "5 height"]:
    """Compute the corrections by height (5, N): means over the cells of each band, linear between the bands."""
    fields = jnp.concatenate([inputs.response, geometry.fields])
    ds = run_corrector(corrector, fields, jnp.asarray(inputs.climate))
    sums = jnp.zeros((N_CORRECTIONS, geometry.band_count.shape[0]), ds.dtype)
    sums = sums.at[:, geometry.band].add(ds[:, geometry.rows, geometry.cols])
    weights = jnp.transpose(geometry.to_heights)
    return jnp.matmul(sums / geometry.band_count, weights, precision=EXACT)


class CorrectedRun(NamedTuple):
    """A year's run under the corrections that the network makes of given inputs.

    The function that is differentiated is :func:`balance_of_inputs`.

    Attributes
    ----------
    corrector : Corrector
    tuned : Tuned
    geometry : CorrectorGeometry
    year : Trajectory
        of one mass-balance year; its own corrections are not used
    swe : array (R, N)
        snow on its first day, m w.e.
    """

    corrector: Corrector
    tuned: Tuned
    geometry: CorrectorGeometry
    year: Trajectory
    swe: Float[AnyArray, "realisation height"]


def balance_of_inputs(run: CorrectedRun, inputs: CorrectorInputs) -> Float[Array, ""]:
    """Compute the glacier-wide balance of a year under the corrections that the network makes of its inputs, m w.e."""
    ds = corrections_by_height(run.corrector, run.geometry, inputs)[None]
    _, step = stepper(run.tuned, run.year.replace(ds=ds))

    def one_realisation(swe: Array, temp: Array, prcp: Array) -> Array:
        smb = jax.lax.scan(step, swe, (temp, prcp, jnp.zeros(temp.shape, jnp.int32)))[1]
        return jnp.sum(smb * run.year.area)

    weather = jnp.asarray(run.year.temp), jnp.asarray(run.year.prcp)
    return jnp.mean(jax.vmap(one_realisation)(jnp.asarray(run.swe), *weather))


corrected_balance = eqx.filter_jit(balance_of_inputs)


def network_contributions(
    run: CorrectedRun, start: CorrectorInputs, end: CorrectorInputs, nodes: Float[AnyArray, "2 node"]
) -> CorrectorInputs:
    """Sum gradient times difference over nodes of the path from `start` to `end`, m w.e. of the glacier-wide balance.

    Parameters
    ----------
    run : CorrectedRun
    start, end : CorrectorInputs
    nodes : array (2, K)
        positions from 0 to 1 and weights of the nodes of a quadrature
    """
    whole = jax.tree.map(jnp.subtract, end, start)

    def one_node(total: CorrectorInputs, node: Array) -> tuple[CorrectorInputs, None]:
        a, weight = node
        at_node = jax.tree.map(lambda low, up: low + a * up, start, whole)
        gradient = jax.grad(lambda inputs: balance_of_inputs(run, inputs))(at_node)
        return jax.tree.map(lambda t, g, up: t + weight * g * up, total, gradient, whole), None

    # Node by node, so that memory holds the network's activations of one node only.
    return jax.lax.scan(one_node, jax.tree.map(jnp.zeros_like, whole), jnp.asarray(nodes).T)[0]


compiled_network_contributions = eqx.filter_jit(network_contributions)


def integrate(run: CorrectedRun, start: CorrectorInputs, end: CorrectorInputs, difference: Any) -> Integrated:
    """Compute the contributions of the inputs with as many nodes as they need to add up to `difference` (m w.e.).

    Other arguments as in :func:`network_contributions`.
    """
    program = lambda alpha, weights: compiled_network_contributions(run, start, end, np.stack([alpha, weights]))
    total = lambda found: sum(jnp.sum(values) for values in found)
    return until_complete(program, total, difference, start.climate.dtype)
