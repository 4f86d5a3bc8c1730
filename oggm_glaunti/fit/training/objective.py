"""Loss and gradient of one glacier in one mass-balance year.

The loss of a glacier is a sum of ratios whose denominators (the points' weights, the number of glacier-wide balances)
are known beforehand, so what single years add to it, and to its gradient, is summed up one year after the other. Snow,
or model B's hidden state, is carried from year to year; no gradient flows back over the turn of a mass-balance year,
which keeps memory to one year. Maslov et al. 2026, section on training.

Models C and D take three programs: the response of the uncorrected model (no gradient), the network, and the corrected
run. Each is compiled for few shapes, where one program of all three would be compiled for each combination of theirs.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from oggm_glaunti.core.columns import Span, run_columns
from oggm_glaunti.core.corrector import Corrector, run_corrector_batch
from oggm_glaunti.core.forcing import CoarseForcing, Forcing, GriddedForcing, StationForcing
from oggm_glaunti.core.glaunti import GlaUnTI, Season, correct, response_fields, run_checked
from oggm_glaunti.core.gru import GRU, gru_step
from oggm_glaunti.core.run import run_days, ti_step
from oggm_glaunti.core.temperature_index import TIWeights
from oggm_glaunti.core.weights import Model
from oggm_glaunti.fit.names import SEASONS
from oggm_glaunti.fit.training import losses
from oggm_glaunti.fit.training.arrays import Maps, Observed, YearArrays
from oggm_glaunti.fit.training.survey import Scale

Trained = dict[str, Any]
"""What is trained, under the names of :data:`KINDS`: a dict of the temperature index' numbers, a corrector, a GRU."""
KINDS = ("ti", "corrector", "gru")
USUAL = {"A": ("ti",), "B": ("gru",), "C": ("corrector",), "D": ("corrector",)}
"""What is trained in each model unless something else is asked for."""


class Terms(NamedTuple):
    """What a year, a glacier or a data set adds to the loss.

    Attributes
    ----------
    points, glacier : arrays (3,)
        mean squared errors by season (annual, winter, summer), (m w.e.)2
    corrections : array ()
        regulariser of the corrections
    """

    points: Float[Array, "3"]
    glacier: Float[Array, "3"]
    corrections: Float[Array, ""]

    def by_season(self) -> Float[Array, "3"]:
        """Loss of each season, (m w.e.)2: points, and a tenth of glacier-wide balances."""
        return self.points + losses.GLACIER_WEIGHT * self.glacier

    def total(self) -> Float[Array, ""]:
        """Their sum and the regulariser."""
        return self.by_season().sum() + self.corrections


def model_name(model: Model) -> str:
    """``A``, ``B``, ``C`` or ``D``."""
    return "B" if isinstance(model, GRU) else model.name


def trained_part(model: Model, kinds: tuple[str, ...]) -> Trained:
    """The part of a model that is to be trained.

    Parameters
    ----------
    model : GlaUnTI or GRU
    kinds : tuple of str
        of :data:`KINDS`

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
        raise ValueError(
            f"model {model_name(model)}: can train {' and '.join(parts)}, asked for {', '.join(kinds) or 'nothing'}"
        )
    return {kind: parts[kind] for kind in kinds}


def with_trained(model: Model, trained: Trained) -> Model:
    """The model with what was trained put in."""
    if isinstance(model, GRU):
        return trained["gru"]
    ti = TIWeights(**{**vars(model.ti), **trained.get("ti", {})})
    return GlaUnTI(ti, trained.get("corrector", model.corrector), model.name)


# --- programs ---


@partial(jax.jit, static_argnums=1)
def initial_state(model: Model, n_cells: int) -> Array:
    """Snow (L,), or model B's hidden state (L, 16), where none is known."""
    if isinstance(model, GRU):
        return model.initial_state((n_cells,))
    return jnp.broadcast_to(model.ti.resolve().snow_depletion_centre, (n_cells,))


@jax.jit
def response(ti: TIWeights, swe: Float[Array, " cell"], seasons: tuple[Season, ...]) -> Float[Array, "3 cell"]:
    """How the uncorrected model behaves in a year, see :func:`~oggm_glaunti.core.glaunti.response_fields`."""
    return response_fields(ti.resolve(), swe, seasons)


def _network(corrector: Corrector, response: Float[Array, "3 cell"], maps: Maps) -> Float[Array, "5 cell"]:
    side = maps.place.shape[1]
    on_map = jnp.zeros((side * side, 3), response.dtype).at[maps.cell].set(response.T)
    inputs = jnp.concatenate([on_map.reshape(1, side, side, 3), maps.place], axis=-1)
    ds = run_corrector_batch(corrector, inputs, maps.climate, maps.sizes)
    return ds.reshape(-1, ds.shape[-1])[maps.cell].T


@jax.jit
def network_and_reverse(corrector: Corrector, response: Float[Array, "3 cell"], maps: Maps) -> tuple[Array, Any]:
    """Corrections (5, L), and their reverse pass for :func:`run_reverse`."""
    return jax.vjp(lambda corrector: _network(corrector, response, maps), corrector)


@jax.jit
def run_reverse(reverse: Any, by_ds: Float[Array, "5 cell"]) -> Corrector:
    """Gradient with respect to the network, from that with respect to the corrections."""
    return reverse(by_ds)[0]


def _ti_terms(free: dict[str, Any], model: GlaUnTI, swe: Float[Array, " cell"], year: YearArrays, scale: Scale):
    """Terms of the temperature index; `free` is what is differentiated by: ``ti`` and ``ds``, each or both."""
    n = year.outline.shape[0]
    params = TIWeights(**{**vars(model.ti), **free.get("ti", {})}).resolve()
    ds = free.get("ds")
    matter = params if ds is None else correct(params, ds[:, :n])
    seasons = tuple(Season(_first(season.forcing, n), season.weights) for season in year.seasons)
    end, smb, _ = run_checked(matter, swe[:n], seasons)
    if swe.shape[0] > n:
        others = jax.lax.stop_gradient(params if ds is None else correct(params, ds))
        span = Span(jnp.asarray(n, jnp.int32), swe.shape[0] - n)
        end_of_others, _ = run_columns(ti_step, others, swe, year.seasons, span)
        end = jnp.concatenate([end, end_of_others])
    terms = _terms(smb, year, scale)
    if ds is not None:
        terms = terms._replace(corrections=scale.corrections * _regulariser(ds[:, :n], year.outline))
    return terms, jax.lax.stop_gradient(end)


def _regulariser(ds: Float[Array, "5 cell"], outline: Float[Array, " cell"]) -> Float[Array, ""]:
    return losses.corrector_regulariser(ds[:, None], outline[None])


def _first(forcing: Forcing, n: int) -> Forcing:
    """Weather of the first `n` cells."""
    match forcing:
        case GriddedForcing():
            return GriddedForcing(forcing.temp[:, :n], forcing.prcp[:, :n])
        case StationForcing():
            return StationForcing(forcing.temp, forcing.prcp, forcing.temp_offset[:n])
        case CoarseForcing():
            return CoarseForcing(forcing.temp, forcing.prcp, forcing.cell[:n], forcing.temp_offset[:n])


def _gru_terms(free: dict[str, Any], hidden: Float[Array, "cell 16"], year: YearArrays, scale: Scale):
    """Terms of model B. The reverse pass keeps the hidden states alone and runs each day again."""
    step, balances = jax.checkpoint(gru_step(free["gru"])), []
    for season, repeated in zip(year.seasons, year.repeated, strict=True):
        (hidden, _), smb, _ = run_days(step, (hidden, repeated), season.forcing, season.weights)
        balances.append(smb)
    return _terms(tuple(balances), year, scale), jax.lax.stop_gradient(hidden)


def _terms(smb: tuple[Float[Array, " cell"], ...], year: YearArrays, scale: Scale) -> Terms:
    """Errors against the observations of a year; without a midseason date those of the annual balance alone count."""
    seen, balances = year.observed, jnp.stack([sum(smb), *smb])
    return Terms(
        scale.points * _point_errors(balances, seen),
        scale.glacier * _glacier_errors(balances, year.outline, seen),
        jnp.zeros((), balances.dtype),
    )


def _point_errors(balances: Float[Array, "3 cell"], seen: Observed) -> Float[Array, "3"]:
    def of_season(k: int) -> Float[Array, ""]:
        weights = jnp.where(seen.season == k, seen.weight, 0.0)
        return losses.point_error(balances, seen.season, seen.index, seen.balance, weights)[0]

    return jnp.stack([of_season(k) for k in range(len(SEASONS))])


def _glacier_errors(
    balances: Float[Array, "3 cell"], outline: Float[Array, " cell"], seen: Observed
) -> Float[Array, "3"]:
    def of_season(k: int) -> Float[Array, ""]:
        return seen.has_glacier[k] * losses.glacier_error(balances[k, None], outline[None], seen.glacier[k])

    return jnp.stack([of_season(k) for k in range(len(SEASONS))])


def _with_total(run: Any) -> Any:
    """The same as a function of its first argument that returns the loss, and the rest beside it."""

    def loss(free: dict[str, Any], *arguments: Any):
        terms, state = run(free, *arguments)
        return terms.total(), (terms, state)

    return loss


run_ti = jax.jit(_ti_terms)
run_b = jax.jit(_gru_terms)
gradient_of_ti = jax.jit(jax.grad(_with_total(_ti_terms), has_aux=True))
gradient_of_b = jax.jit(jax.grad(_with_total(_gru_terms), has_aux=True))


# --- a year, with and without its gradient ---


def year_terms(model: Model, state: Any, year: YearArrays, scale: Scale) -> tuple[Terms, Any]:
    """What a year adds to the loss, and the state at its end.

    Parameters
    ----------
    model : GlaUnTI or GRU
    state : array
        snow (L,) in m w.e., or hidden state (L, 16)
    year : YearArrays
    scale : Scale

    Returns
    -------
    (Terms, state)
    """
    if isinstance(model, GRU):
        return run_b({"gru": model}, state, year, scale)
    if model.corrector is None:
        return run_ti({}, model, state, year, scale)
    # With its reverse pass, which costs little beside the runs: one program less to compile.
    ds, _ = network_and_reverse(model.corrector, response(model.ti, state, year.seasons), year.maps)
    return run_ti({"ds": ds}, _without_corrector(model), state, year, scale)


def year_gradient(
    model: Model, state: Any, year: YearArrays, scale: Scale, kinds: tuple[str, ...]
) -> tuple[Terms, Any, Trained]:
    """:func:`year_terms`, and the gradient of their total with respect to what is trained.

    Parameters
    ----------
    model, state, year, scale
        as in :func:`year_terms`
    kinds : tuple of str
        what is trained, see :data:`KINDS`

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
    """The temperature index alone: the programs of the runs do not depend on the network."""
    return GlaUnTI(model.ti, None, "A")


def glacier_terms(model: Model, years: Any, kinds: tuple[str, ...] = ()) -> tuple[Terms, Trained | None]:
    """What a glacier adds to the loss: spin-up, then one year after the other.

    Parameters
    ----------
    model : GlaUnTI or GRU
        on the device of `years`
    years : GlacierYears
        see :class:`~oggm_glaunti.fit.training.arrays.GlacierYears`
    kinds : tuple of str
        what the gradient is wanted for; none by default

    Returns
    -------
    (Terms, gradient)
        the gradient is None where none is wanted
    """
    state, terms, gradient = initial_state(model, years.survey.rows.size), None, None
    for k, turn in enumerate(years.survey.turns):
        year = years.load(k)
        if turn.counted and kinds:
            of_year, state, slope = year_gradient(model, state, year, years.scale, kinds)
            gradient = slope if gradient is None else _add(gradient, slope)
        else:
            of_year, state = year_terms(model, state, year, years.scale)
        if turn.counted:
            terms = of_year if terms is None else _add(terms, of_year)
    return terms, gradient


@jax.jit
def _add(a: Any, b: Any) -> Any:
    return jax.tree.map(jnp.add, a, b)
