"""Model A and its exact derivatives in one sweep.

Reverse mode keeps every day of a run in memory and walks back over it. A run has thousands of points but only a handful
of parameters at each, so their derivatives are carried forwards with the snow instead: with ``S = d swe / d x``,

    S <- slope (S + w (da - dE F - E (dF + F' S)))

where ``a`` is the accumulation, ``E`` the melt energy, ``F`` the snow-covered fraction of the day, ``F'`` its
derivative by SWE and ``da, dE, dF`` the explicit derivatives by ``x``. The factor of ice changes no snow, so it needs
no ``S``.
"""

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from oggm_glaunti.core.arrays import AnyArray, Daily, Field
from oggm_glaunti.core.columns import in_blocks, run_columns
from oggm_glaunti.core.elementary import sigmoid, softplus_with_slope
from oggm_glaunti.core.forcing import Forcing
from oggm_glaunti.core.parameters import BY_NAME
from oggm_glaunti.core.run import run_days, ti_step
from oggm_glaunti.core.temperature_index import TIParameters, snow_cover

DIFFERENTIABLE = (*BY_NAME, "t_pos_shift")
INITIAL_SWE = "swe"
# Columns of a block: with all derivatives a column's state is several times that of a plain run.
SENSITIVE_BLOCK = 256


def _step(p: TIParameters, wrt: tuple[str, ...]):
    """Return a step of model A that carries derivatives of SWE by `wrt` and returns those of the balance."""

    def step(state, temp, prcp, weight):
        swe, by = state
        cover, floored = snow_cover(p, swe), jnp.maximum(swe, 1e-9)
        above = temp - p.snow_to_rain_centre
        fraction = sigmoid(-p.snow_to_rain_steepness * above)
        shifted = temp + p.t_pos_shift
        pdd, pdd_slope = softplus_with_slope(shifted, p.t_softplus_sharpness)
        solid = prcp * fraction
        energy = p.ddf_snow * pdd
        accumulation, ice = p.prec_scale * solid, p.ddf_relative_ice
        balance_of_snow = weight * (accumulation - energy * cover)
        raw = swe + balance_of_snow
        new_swe, slope = softplus_with_slope(raw, p.swe_softplus_sharpness)
        cover_slope = p.snow_depletion_steepness * cover * (1.0 - cover) / floored
        bare = 1.0 - cover
        mixed, solid_slope = cover * (1.0 - cover), solid * (1.0 - fraction)
        by_sharpness = (shifted * pdd_slope - pdd) / p.t_softplus_sharpness
        # The explicit derivatives da, dE, dF, dr by each of the parameters that have any.
        explicit = {
            "prec_scale": (solid, 0.0, 0.0, 0.0),
            "ddf_snow": (0.0, pdd, 0.0, 0.0),
            "ddf_relative_ice": (0.0, 0.0, 0.0, 1.0),
            "snow_to_rain_steepness": (-p.prec_scale * solid_slope * above, 0.0, 0.0, 0.0),
            "snow_to_rain_centre": (p.prec_scale * solid_slope * p.snow_to_rain_steepness, 0.0, 0.0, 0.0),
            "snow_depletion_steepness": (0.0, 0.0, mixed * jnp.log(floored / p.snow_depletion_centre), 0.0),
            "snow_depletion_centre": (0.0, 0.0, -mixed * p.snow_depletion_steepness / p.snow_depletion_centre, 0.0),
            "t_softplus_sharpness": (0.0, p.ddf_snow * by_sharpness, 0.0, 0.0),
            "t_pos_shift": (0.0, p.ddf_snow * pdd_slope, 0.0, 0.0),
        }

        def derivative(name):
            da, de, df, dr = explicit.get(name, (0.0,) * 4)
            through_swe = df + (cover_slope * by[name] if name in by else 0.0)
            own = da - de * (cover + ice * bare) - energy * (1.0 - ice) * through_swe - dr * energy * bare
            if name not in by:
                return None, weight * own
            new = slope * (by[name] + weight * (da - de * cover - energy * through_swe))
            if name == "swe_softplus_sharpness":
                new = new + (raw * slope - new_swe) / p.swe_softplus_sharpness
            return new, weight * own

        derivatives = {name: derivative(name) for name in wrt}
        smb = balance_of_snow - weight * ice * energy * bare
        by_swe = {name: derivatives[name][0] for name in by}
        return (new_swe, by_swe), (smb, {name: own for name, (_, own) in derivatives.items()})

    return step


def run_sensitive(
    params: TIParameters, swe: Field, forcing: Forcing, weights: Daily, wrt: tuple[str, ...]
) -> tuple[Field, Field, dict[str, Field], dict[str, Field]]:
    """Run model A with exact derivatives at every point.

    Parameters
    ----------
    params : TIParameters
        scalars or fields
    swe : array (...)
        snow at the beginning, m w.e.
    forcing, weights
        see :func:`~oggm_glaunti.core.run.run_days`
    wrt : tuple of str
        names of parameters, and ``swe`` for the snow at the beginning

    Returns
    -------
    swe, smb : arrays (...)
        at the end, and of the period, m w.e.
    by_swe, by_smb : dict of arrays (...)
        derivatives of the two by each of `wrt`: units of the result over those of the parameter

    Examples
    --------
    >>> from oggm_glaunti.core import station_forcing, ti_weights
    >>> weather = station_forcing(jnp.full(30, 5.0), jnp.zeros(30), jnp.array([2000.0]), 2000.0, -0.006)
    >>> params, swe = ti_weights().resolve(), jnp.array([0.5])
    >>> _, smb, _, by = run_sensitive(params, swe, weather, jnp.ones(30), ("ddf_snow",))
    >>> bool(by["ddf_snow"][0] < 0)
    True
    """
    names = tuple(name for name in wrt if name != "ddf_relative_ice")

    def run(params, state, forcings):
        swe, by = state
        (swe, by_swe), (smb, by_smb), _ = run_days(_step(params, wrt), (swe, by), forcings[0], weights)
        return swe, smb, by_swe, by_smb

    swe = jnp.broadcast_to(swe, forcing.shape)
    start = {name: jnp.full_like(swe, 1.0 if name == INITIAL_SWE else 0.0) for name in names}
    swe, smb, by_swe, by_smb = in_blocks(run, params, (swe, start), [forcing], SENSITIVE_BLOCK)
    if "ddf_relative_ice" in wrt:
        by_swe["ddf_relative_ice"] = jnp.zeros_like(swe)
    return swe, smb, by_swe, by_smb


@jax.custom_jvp
def run_smooth(params: TIParameters, swe: Field, forcing: Forcing, weights: Daily) -> tuple[Field, Field]:
    """Run model A over any number of points; differentiable in both modes and cheaply so.

    Derivatives by parameters and initial snow are those of :func:`run_sensitive`, whatever transformation asks for
    them; only derivatives by the weather take JAX's way through the days.

    Parameters
    ----------
    params, swe, forcing, weights
        see :func:`run_sensitive`

    Returns
    -------
    swe, smb : arrays (...)
        at the end, and of the period, m w.e.
    """
    return _run_plainly(params, swe, forcing, weights)


def _run_smooth_jvp(primals, tangents):
    params, swe, forcing, weights = primals
    dparams, dswe, *others = tangents
    is_zero = lambda tangent: isinstance(tangent, SymbolicZero)
    if not all(is_zero(tangent) for tangent in jax.tree.leaves(others)):
        instantiate = lambda tangent: jnp.zeros(tangent.shape, tangent.dtype) if is_zero(tangent) else tangent
        return jax.jvp(_run_plainly, primals, jax.tree.map(instantiate, tangents, is_leaf=is_zero))
    moved = {name: getattr(dparams, name) for name in DIFFERENTIABLE} | {INITIAL_SWE: dswe}
    moved = {name: tangent for name, tangent in moved.items() if not is_zero(tangent)}
    swe, smb, by_swe, by_smb = run_sensitive(params, swe, forcing, weights, tuple(moved))
    dswe, dsmb = (
        sum((by[name] * tangent for name, tangent in moved.items()), jnp.zeros_like(smb)) for by in (by_swe, by_smb)
    )
    return (swe, smb), (dswe, dsmb)


def _run_plainly(params: TIParameters, swe: Field, forcing: Forcing, weights: AnyArray) -> tuple[Field, Field]:
    swe, (smb,) = run_columns(ti_step, params, swe, [(forcing, weights)])
    return swe, smb


run_smooth.defjvp(_run_smooth_jvp, symbolic_zeros=True)
