"""Loss and gradient of one glacier in one mass-balance year.

The loss of a glacier is a sum of ratios whose denominators (the points' weights, the number of glacier-wide balances)
are known in advance, so the contributions of years to it, and to its gradient, are summed year by year. Snow, or model
B's hidden state, is carried from year to year; no gradient flows back across the boundary of mass-balance years, which
limits memory to one year. Maslov et al. 2026, section on training.

Models C and D take three programs: the response of the uncorrected model (no gradient), the network, and the corrected
run. Each is compiled for few shapes; one program of all three would be compiled for each combination of their shapes.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.core.columns import Span, run_columns
from oggm_glaunti.core.corrector import Corrector, run_corrector_batch
from oggm_glaunti.core.glaunti import GlaUnTI, Season, correct, corrected_run, response_fields
from oggm_glaunti.core.gru import GRU, gru_step
from oggm_glaunti.core.run import run_days, ti_step
from oggm_glaunti.core.temperature_index import TIWeights
from oggm_glaunti.core.weights import Model
from oggm_glaunti.fit.names import SEASONS
from oggm_glaunti.fit.training import losses
from oggm_glaunti.fit.training.arrays import GlacierYears, NetworkMaps, YearArrays, weather_at
from oggm_glaunti.fit.training.survey import Scale

Trained = dict[str, Any]
"""Trained parts by the names of :data:`TRAINABLE`: a dict of temperature-index parameters, a corrector, a GRU."""
TRAINABLE = ("ti", "corrector", "gru")
USUAL = {"A": ("ti",), "B": ("gru",), "C": ("corrector",), "D": ("corrector",)}
"""Parts of each model that are trained by default."""


class Terms(NamedTuple):
    """Contribution of a year, a glacier or a data set to the loss.

    Attributes
    ----------
    points, glacier : arrays (3,)
        mean squared errors by season (annual, winter, summer), (m w.e.)2
    corrections : array ()
        regulariser of the corrections
    """

    points: Float[AnyArray, "3"]
    glacier: Float[AnyArray, "3"]
    corrections: Float[AnyArray, ""]

    def by_season(self) -> Float[AnyArray, "3"]:
        """Return the loss of each season, (m w.e.)2: points, and a tenth of glacier-wide balances."""
        return self.points + losses.GLACIER_WEIGHT * self.glacier

    def total(self) -> Float[AnyArray, ""]:
        """Return the total loss: all seasons and the regulariser."""
        return self.by_season().sum() + self.corrections


def model_name(model: Model) -> str:
    """Return ``A``, ``B``, ``C`` or ``D``."""
    return "B" if isinstance(model, GRU) else model.name


def trained_part(model: Model, kinds: tuple[str, ...]) -> Trained:
    """Select the parts of a model that are to be trained.

    Parameters
    ----------
    model : GlaUnTI or GRU
        the model
    kinds : tuple of str
        names of :data:`TRAINABLE`

    Raises
    ------
    ValueError
        if the model has no such part
    """
    if isinstance(model, GRU):
        parts: dict[str, Any] = {"gru": model}
    else:
        ti = {name: getattr(model.ti, name) for name in losses.TRAINED}
        parts = {"ti": ti, **({} if model.corrector is None else {"corrector": model.corrector})}
    missing = set(kinds) - set(parts)
    if missing or not kinds:
        asked = ", ".join(kinds) or "nothing"
        raise ValueError(f"model {model_name(model)}: can train {' and '.join(parts)}, asked for {asked}")
    return {kind: parts[kind] for kind in kinds}


def with_trained(model: Model, trained: Trained) -> Model:
    """Return the model with its trained parts replaced."""
    if isinstance(model, GRU):
        return trained["gru"]
    ti = TIWeights(**{**vars(model.ti), **trained.get("ti", {})})
    return GlaUnTI(ti, trained.get("corrector", model.corrector), model.name)


@partial(jax.jit, static_argnums=1)
def start_cells(model: Model, n_cells: int) -> Array:
    """Return the initial snow (L,), or model B's initial hidden state (L, 16)."""
    if isinstance(model, GRU):
        return model.initial_state((n_cells,))
    return jnp.broadcast_to(model.ti.resolve().snow_depletion_centre, (n_cells,))


@jax.jit
def response(ti: TIWeights, swe: Float[Array, " cell"], seasons: tuple[Season, ...]) -> Float[Array, "3 cell"]:
    """Compute :func:`~oggm_glaunti.core.glaunti.response_fields` of the uncorrected model in a year."""
    return response_fields(ti.resolve(), swe, seasons)


@jax.jit
def network_and_reverse(corrector: Corrector, response: Float[Array, "3 cell"], maps: NetworkMaps) -> tuple[Array, Any]:
    """Compute corrections (5, L), and their reverse pass for :func:`run_reverse`."""

    def network(corrector: Corrector) -> Array:
        side = maps.place.shape[1]
        on_map = jnp.zeros((side * side, 3), response.dtype).at[maps.cell].set(response.T)
        inputs = jnp.concatenate([on_map.reshape(1, side, side, 3), maps.place], axis=-1)
        ds = run_corrector_batch(corrector, inputs, maps.climate, maps.sizes)
        return ds.reshape(-1, ds.shape[-1])[maps.cell].T

    return jax.vjp(network, corrector)


@jax.jit
def run_reverse(reverse: Any, by_ds: Float[Array, "5 cell"]) -> Corrector:
    """Compute the gradient with respect to the network from that with respect to the corrections."""
    return reverse(by_ds)[0]


def _ti_terms(free: dict[str, Any], model: GlaUnTI, swe: Float[Array, " cell"], year: YearArrays, scale: Scale):
    """Compute the terms of models A, C and D; `free` holds the variables of the gradient: ``ti`` and ``ds``, or one."""
    n = year.outline.shape[0]
    params = TIWeights(**{**vars(model.ti), **free.get("ti", {})}).resolve()
    ds = free.get("ds")
    seasons = tuple(Season(weather_at(season.forcing, (slice(n),)), season.weights) for season in year.seasons)
    end, smb, _ = corrected_run(params, None if ds is None else ds[:, :n], swe[:n], seasons)
    if swe.shape[0] > n:
        others = jax.lax.stop_gradient(params if ds is None else correct(params, ds))
        span = Span(jnp.asarray(n, jnp.int32), swe.shape[0] - n)
        end_of_others, _ = run_columns(ti_step, others, swe, year.seasons, span)
        end = jnp.concatenate([end, end_of_others])
    terms = _terms(smb, year, scale)
    if ds is not None:
        regulariser = losses.corrector_regulariser(ds[:, None, :n], year.outline[None])
        terms = terms._replace(corrections=scale.corrections * regulariser)
    return terms, jax.lax.stop_gradient(end)


def _gru_terms(free: dict[str, Any], hidden: Float[Array, "cell 16"], year: YearArrays, scale: Scale):
    """Compute the terms of model B. The reverse pass keeps only the hidden states and runs each day again."""
    step, balances = jax.checkpoint(gru_step(free["gru"])), []
    for season, repeated in zip(year.seasons, year.repeated, strict=True):
        (hidden, _), smb, _ = run_days(step, (hidden, repeated), season.forcing, season.weights)
        balances.append(smb)
    return _terms(tuple(balances), year, scale), jax.lax.stop_gradient(hidden)


def _terms(smb: tuple[Float[AnyArray, " cell"], ...], year: YearArrays, scale: Scale) -> Terms:
    """Compute the errors of a year; without a midseason date only those of the annual balance count."""
    seen, balances, outline = year.observed, jnp.stack([sum(smb), *smb]), year.outline[None]
    weights = [jnp.where(seen.season == k, seen.weight, 0.0) for k in range(len(SEASONS))]
    points = [losses.point_error(balances, seen.season, seen.cell, seen.balance, w)[0] for w in weights]
    glacier = [losses.glacier_error(balances[k, None], outline, seen.glacier[k]) for k in range(len(SEASONS))]
    of_glacier = scale.glacier * (seen.has_glacier * jnp.stack(glacier))
    return Terms(scale.points * jnp.stack(points), of_glacier, jnp.zeros((), balances.dtype))


def _with_total(run: Any) -> Any:
    """Turn a run into a function that returns the loss, and terms and state as auxiliary output."""

    def loss(free: dict[str, Any], *arguments: Any):
        terms, state = run(free, *arguments)
        return terms.total(), (terms, state)

    return loss


run_ti = jax.jit(_ti_terms)
run_b = jax.jit(_gru_terms)
gradient_of_ti = jax.jit(jax.grad(_with_total(_ti_terms), has_aux=True))
gradient_of_b = jax.jit(jax.grad(_with_total(_gru_terms), has_aux=True))


def year_terms(model: Model, state: Any, year: YearArrays, scale: Scale) -> tuple[Terms, Any]:
    """Compute the contribution of a year to the loss, and the state at its end.

    Parameters
    ----------
    model : GlaUnTI or GRU
        the model
    state : array
        at the beginning: snow (L,) in m w.e., or hidden state (L, 16)
    year : YearArrays
        weather and observations
    scale : Scale
        factors of the glacier
    """
    if isinstance(model, GRU):
        return run_b({"gru": model}, state, year, scale)
    if model.corrector is None:
        return run_ti({}, model, state, year, scale)
    # With its reverse pass, which costs little compared with the runs: one program less to compile.
    ds, _ = network_and_reverse(model.corrector, response(model.ti, state, year.seasons), year.maps)
    return run_ti({"ds": ds}, _without_corrector(model), state, year, scale)


def year_gradient(
    model: Model, state: Any, year: YearArrays, scale: Scale, kinds: tuple[str, ...]
) -> tuple[Terms, Any, Trained]:
    """Compute :func:`year_terms`, and the gradient of their total with respect to what is trained.

    Parameters
    ----------
    model, state, year, scale
        see :func:`year_terms`
    kinds : tuple of str
        trained parts, see :data:`TRAINABLE`

    Returns
    -------
    (Terms, state, gradient)
        the gradient has the structure of :func:`trained_part`
    """
    trained = trained_part(model, kinds)
    if isinstance(model, GRU):
        gradient, (terms, state) = gradient_of_b(trained, state, year, scale)
        return terms, state, gradient
    free = {"ti": trained["ti"]} if "ti" in trained else {}
    reverse = None
    if model.corrector is not None:
        fields = response(model.ti, state, year.seasons)
        free["ds"], reverse = network_and_reverse(model.corrector, fields, year.maps)
    gradient, (terms, state) = gradient_of_ti(free, _without_corrector(model), state, year, scale)
    if "corrector" in trained:
        gradient["corrector"] = run_reverse(reverse, gradient["ds"])
    return terms, state, {kind: gradient[kind] for kind in kinds}


def _without_corrector(model: GlaUnTI) -> GlaUnTI:
    """Return the temperature index alone: the programs of the runs do not depend on the network."""
    return GlaUnTI(model.ti, None, "A")


def glacier_terms(model: Model, years: GlacierYears, kinds: tuple[str, ...] = ()) -> tuple[Terms, Trained | None]:
    """Compute the contribution of a glacier to the loss: spin-up, then year by year.

    Parameters
    ----------
    model : GlaUnTI or GRU
        the model, on the device of `years`
    years : GlacierYears
        see :class:`~oggm_glaunti.fit.training.arrays.GlacierYears`
    kinds : tuple of str
        parts to compute the gradient for; default: none

    Returns
    -------
    (Terms, gradient)
        the gradient is None if `kinds` is empty
    """
    state: Any = start_cells(model, years.survey.rows.size)
    terms: Any = None
    gradient: Any = None
    for k, turn in enumerate(years.survey.turns):
        year = years.load(k)
        if turn.counted and kinds:
            of_year, state, slope = year_gradient(model, state, year, years.scale, kinds)
            gradient = slope if gradient is None else _tree_sum(gradient, slope)
        else:
            of_year, state = year_terms(model, state, year, years.scale)
        if turn.counted:
            terms = of_year if terms is None else _tree_sum(terms, of_year)
    return terms, gradient


@jax.jit
def _tree_sum(a: Any, b: Any) -> Any:
    return jax.tree.map(jnp.add, a, b)
