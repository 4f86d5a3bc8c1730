"""The loss and gradient that training uses, against the published procedure on whole maps and plain reverse mode."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.core.forcing import pad_days
from oggm_glaunti.core.glaunti import GlaUnTI, Season, run_year
from oggm_glaunti.core.gru import run_gru
from oggm_glaunti.core.weights import embedded_a
from oggm_glaunti.fit.training import losses
from oggm_glaunti.fit.training.arrays import GlacierYears, Room, side_of
from oggm_glaunti.fit.training.objective import USUAL, glacier_terms, trained_part, with_trained
from oggm_glaunti.fit.training.survey import Part, round_up_cells, survey_glacier
from tests.core import worlds

from ..training_worlds import glacier


def model_of(name: str):
    model = embedded_a() if name == "A" else worlds.model(name)
    if name == "B":  # random read-outs would give balances of kilometres
        leaves = jax.tree.leaves(model)
        model = type(model)(*leaves[:4], 0.003 * leaves[4], 0.0 * leaves[5], leaves[6])
    return jax.tree.map(jnp.asarray, model)


def years_of(made, name: str, years=None, megabytes: float = 100.0) -> GlacierYears:
    part = Part(made, None if years is None else frozenset(years))
    return GlacierYears(part, name in ("C", "D"), name == "D", Room(megabytes), jax.local_devices()[0])


@eqx.filter_jit
def plain_year(model, state, seasons, fields, climate, follows):
    """Balances of the seasons and the state at the end on all cells, as published."""
    if not isinstance(model, GlaUnTI):
        balances = []
        for k, (forcing, weights) in enumerate(seasons):
            seen = jnp.logical_or(k > 0, follows)
            state, smb, _ = run_gru(model, state, forcing, weights, first_day_seen=seen)
            balances.append(smb)
        return balances, state, None
    ds = jnp.zeros((5, *state.shape)) if model.corrector is None else None
    year = run_year(model, state, seasons, fields, climate, ds)
    return year.smb, year.swe, None if model.corrector is None else year.ds


def plain_loss(model, made, facies: bool, years=None):
    """The loss as it is written: whole maps, all years, then the ratios; no gradient from year to year."""
    shape = made.shape
    if isinstance(model, GlaUnTI):
        state = jnp.full(shape, model.ti.resolve().snow_depletion_centre)
    else:
        state = model.initial_state(shape)
    errors = {season: [0.0, 0.0, []] for season in ("annual", "winter", "summer")}
    regularisers, last = [], None
    for year in (*made.spin_up_years, *made.years):
        data = made.load(year, facies)
        seasons = tuple(Season(*pad_days(*season, 256 if len(data.seasons) == 2 else 384)) for season in data.seasons)
        # No gradient flows back over the turn of a year.
        state = jax.lax.stop_gradient(state)
        balances, state, ds = plain_year(
            model, state, seasons, data.fields, data.climate, np.asarray(last == data.begin)
        )
        last = data.end
        if year in made.spin_up_years or (years is not None and year not in years):
            continue
        maps = dict(zip(("winter", "summer"), balances, strict=True)) if len(balances) == 2 else {}
        maps["annual"] = sum(balances)
        for season, target in data.targets.items():
            error, weight = losses.point_error(maps[season], *target[:4])
            errors[season][0] += error
            errors[season][1] += weight
            if np.isfinite(target.glacier):
                errors[season][2].append(losses.glacier_error(maps[season], data.outline, target.glacier))
        if ds is not None:
            regularisers.append(losses.corrector_regulariser(ds, data.outline))
    loss = sum(regularisers) / max(1, len(regularisers))
    for error, weight, of_glacier in errors.values():
        loss += losses.balance_loss(jnp.asarray(error), jnp.asarray(weight), jnp.array(of_glacier, float))
    return loss


def relative(found, true) -> float:
    pairs = [(np.ravel(a), np.ravel(b)) for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(true), strict=True)]
    a, b = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


CASES = {"A": {"years": 2}, "B": {"years": 1}, "D": {"facies": True, "gridded": True, "years": 1}}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradient_are_those_of_whole_maps(name):
    made, model = glacier(**CASES[name]), model_of(name)
    kinds = ("ti", "corrector") if name == "D" else USUAL[name]
    trained = trained_part(model, kinds)
    plainly = jax.value_and_grad(lambda trained: plain_loss(with_trained(model, trained), made, name == "D"))
    expected = jax.jit(plainly, compiler_options=worlds.PLAINLY)(trained)
    terms, gradient = glacier_terms(model, years_of(made, name), kinds)
    np.testing.assert_allclose(terms.total(), expected[0], rtol=2e-5)
    assert relative(gradient, expected[1]) < 2e-4
    if name == "A":
        without, nothing = glacier_terms(model, years_of(made, name))
        assert nothing is None
        np.testing.assert_allclose(without.total(), terms.total(), rtol=1e-6)


@pytest.mark.slow
def test_years_that_do_not_count_are_run_for_their_snow_and_nothing_else():
    made, model = glacier(), model_of("A")
    terms, _ = glacier_terms(model, years_of(made, "A", years={2002}))
    np.testing.assert_allclose(terms.total(), plain_loss(model, made, False, {2002}), rtol=2e-5)


@pytest.mark.slow
def test_the_last_year_run_is_the_last_that_counts():
    made = glacier()
    assert [turn.year for turn in survey_glacier(Part(made, frozenset({2001})), False, False).turns] == [2000, 2001]


@pytest.mark.slow
def test_years_are_kept_in_memory_as_long_as_there_is_room():
    made = glacier()
    for megabytes, more in ((100.0, 0), (1e-6, 4)):
        years, model = years_of(made, "A", megabytes=megabytes), model_of("A")
        first = glacier_terms(model, years)[0].total()
        made.loaded.clear()
        assert glacier_terms(model, years)[0].total() == first
        assert len(made.loaded) == more


@pytest.mark.slow
def test_cells_that_matter_come_first_and_each_counts_once():
    made = glacier(shape=(18, 21))
    seen = survey_glacier(Part(made), True, False)
    outline = made.load(2001).outline
    flat = seen.rows * outline.shape[1] + seen.cols
    assert np.unique(flat).size == outline.size
    assert set(flat[: seen.n_matter]) >= set(np.flatnonzero(outline))
    assert seen.rows.size == round_up_cells(outline.size)
    assert survey_glacier(Part(made), False, False).rows.size == round_up_cells(int(outline.sum()))


@pytest.mark.slow
def test_points_beside_the_outline_count():
    made, model = glacier(), model_of("A")
    data = made.data[2001]
    corner = data.targets["annual"]._replace(rows=np.zeros(6, np.int32), cols=np.zeros(6, np.int32))
    made.data[2001] = data._replace(targets={"annual": corner})
    terms, _ = glacier_terms(model, years_of(made, "A"))
    np.testing.assert_allclose(terms.total(), plain_loss(model, made, False), rtol=2e-5)


def test_a_point_outside_the_map_is_an_error():
    made = glacier()
    data = made.data[2001]
    wrong = data.targets["annual"]._replace(rows=np.full(6, 16, np.int32))
    made.data[2001] = data._replace(targets={"annual": wrong})
    with pytest.raises(ValueError, match="Made up 2001, annual: 6 of 6 points lie outside the grid of 16 x 18"):
        years_of(made, "A")


def test_winter_observed_without_a_midseason_date_is_an_error():
    made = glacier(seasonal=False)
    data = made.data[2001]
    made.data[2001] = data._replace(targets={"winter": data.targets["annual"]})
    with pytest.raises(ValueError, match="Made up 2001: winter observed, but the year has no midseason date"):
        years_of(made, "A")


def test_a_glacier_without_observations_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="Made up: no observation in the years 1990"):
        years_of(glacier(), "A", years={1990})


def test_maps_have_few_sides():
    assert [side_of(shape) for shape in ((16, 20), (41, 30), (600, 1100))] == [32, 48, 1280]


@pytest.mark.parametrize(("name", "kinds"), [("A", ("corrector",)), ("B", ("ti",)), ("C", ("gru",)), ("A", ())])
def test_only_what_a_model_has_can_be_trained(name, kinds):
    with pytest.raises(ValueError, match=f"model {name}: can train .* asked for"):
        trained_part(model_of(name), kinds)
