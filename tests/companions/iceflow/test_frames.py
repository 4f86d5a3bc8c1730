from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.companions.iceflow import frames, gate, predictors, svg, synthetic
from oggm_glaunti.fit.training.fit_loop import FitOptions

TARGET = 5
SIZE = 32


@pytest.fixture(scope="module")
def scene():
    days = np.arange(6) * 5.0
    return synthetic.scene((160, 160), days, fastest=0.8, shift_sd=0.5, noise=0.2, cover=0.15, seed=1)


@pytest.fixture(scope="module")
def places(scene):
    return frames.grid_of_chips(scene.ice, SIZE, 16)


def chips_of(scene, places, images=None):
    velocity = scene.velocity[:, places[:, 0].astype(int), places[:, 1].astype(int)].T
    images = scene.images if images is None else images
    valid = np.ones(images.shape, bool)
    return frames.chips_of(images, valid, scene.days, scene.shifts, TARGET, places, velocity, SIZE, 5)


@pytest.fixture(scope="module")
def chips(scene, places):
    return chips_of(scene, places)


def test_moving_frames_with_the_ice_is_what_predicts(chips):
    mean = {name: values.mean() for name, values in predictors.scores(chips).items()}
    assert mean["advected last"] > mean["persistence"] + 0.2
    assert mean["agreement"] > mean["advected last"]
    assert mean["agreement"] >= mean["advected median"] - 0.05
    assert mean[predictors.ORACLE] >= mean["advected last"]


def test_nothing_but_the_target_itself_depends_on_the_targets_ice(scene, places, chips):
    images = scene.images.copy()
    images[TARGET][scene.ice] = np.random.default_rng(3).normal(size=int(scene.ice.sum()))
    other = chips_of(scene, places, images)
    for name, predict in predictors.PREDICTORS.items():
        np.testing.assert_array_equal(predict(other), predict(chips), err_msg=name)
    samples, others = gate.samples_of(chips), gate.samples_of(other)
    for name in ("frames", "logits", "features"):
        np.testing.assert_array_equal(samples[name], others[name], err_msg=name)
    assert (samples["target"] != others["target"]).any()
    stable = ~scene.ice
    earlier = [(scene.images[k], np.ones(stable.shape, bool), scene.shifts[k]) for k in (3, 4)]
    everywhere = np.ones(stable.shape, bool)
    shift, count = frames.shift_of_target(scene.images[TARGET], everywhere, earlier, stable)
    again, _ = frames.shift_of_target(images[TARGET], everywhere, earlier, stable)
    np.testing.assert_array_equal(shift, again)
    assert count > 5
    assert np.abs(shift - scene.shifts[TARGET]).max() < 0.15


def test_a_cloudy_target_has_the_usual_shift(scene):
    nothing = np.zeros(scene.ice.shape, bool)
    earlier = [(scene.images[k], ~nothing, np.array([0.1 * k, 1.0])) for k in (1, 2, 3)]
    shift, count = frames.shift_of_target(scene.images[TARGET], nothing, earlier, ~scene.ice)
    assert count == 0
    assert shift.tolist() == [0.2, 1.0]


def test_past_frames_of_other_places_predict_nothing(chips):
    order = np.random.default_rng(0).permutation(len(chips.target))
    wrong = predictors.scores(chips._replace(moved=chips.moved[order], still=chips.still[order]))
    right = predictors.scores(chips)
    assert wrong["agreement"].mean() < 0.3 * right["agreement"].mean()


def test_chips_without_data_are_left_out_and_counted(scene, places):
    velocity = np.zeros((len(places), 2))
    valid = np.ones(scene.images.shape, bool)
    valid[TARGET, :80] = False
    found = frames.chips_of(scene.images, valid, scene.days, scene.shifts, TARGET, places, velocity, SIZE, 5)
    assert 0 < found.dropped < len(places)
    assert len(found.target) == len(places) - found.dropped
    assert found.place[:, 0].min() >= 80
    valid[:TARGET] = False
    assert frames.chips_of(
        scene.images, valid, scene.days, scene.shifts, TARGET, places, velocity, SIZE, 5
    ).dropped == len(places)


def test_followed_chips_go_with_the_ice_and_weak_chains_are_dropped(scene, places):
    rng = np.random.default_rng(0)
    clear = synthetic.scene((160, 160), scene.days, fastest=0.8, noise=0.2, seed=1)
    start = np.array([[80.0, 80.0], [72.0, 84.0]])
    chains, dropped = frames.followed(clear.images, start, SIZE)
    assert dropped == 0
    for chain in chains:
        moved = chain.place[-1] - chain.place[0]
        r, c = chain.place[0].astype(int)
        np.testing.assert_allclose(moved, 25 * clear.velocity[:, r, c], atol=0.8)
        assert (chain.ncc > 0.5).all()
    noise = rng.normal(size=clear.images.shape).astype(np.float32)
    chains, dropped = frames.followed(noise, start, SIZE, least=0.5)
    assert (chains, dropped) == ([], 2)
    with pytest.raises(ValueError, match="enlarged: expected more than 1, found 1"):
        frames.followed(noise, start, SIZE, enlarged=1)


def test_the_table_has_a_row_for_each_predictor_and_shares_that_add_up(chips):
    found = predictors.scores(chips)
    table = predictors.table1([found, found], [True, False], dropped=3)
    assert list(table.index) == [*predictors.PREDICTORS, predictors.ORACLE]
    np.testing.assert_allclose(table[["low", "medium", "high"]].sum(axis=1), 1.0)
    np.testing.assert_allclose(table["mean"], table["mean_clear"], rtol=1e-5)
    assert table.attrs == {"targets": 2, "clear": 1, "dropped": 3}


def test_the_gate_begins_as_the_rule_of_agreement(chips):
    weights = gate.start()
    assert sum(part.size for part in weights.values()) < 1000
    made = gate.predict(weights, gate.samples_of(chips))
    rule = predictors.PREDICTORS["agreement"](chips)
    np.testing.assert_allclose(made, rule, atol=1e-5)


def test_the_gate_learns_and_is_never_worse_than_its_start_on_what_it_has_not_seen(chips):
    samples = gate.samples_of(chips)
    done = gate.train_gate(samples, FitOptions(epochs=6, batch=8, learning_rate=1e-3))
    held = {name: values[: len(values) // 5] for name, values in samples.items()}
    rest = {name: values[len(values) // 5 :] for name, values in samples.items()}
    of = lambda weights, part: float(gate.loss(weights, part, jax.random.key(0)))
    assert of(done.trained, rest) < of(gate.start(), rest)
    assert of(done.best, held) <= of(gate.start(), held) + 1e-6


def test_the_gate_learns_from_several_targets(chips):
    options = FitOptions(epochs=1, batch=8, learning_rate=1e-3)
    samples = {name: np.concatenate([part, part]) for name, part in gate.samples_of(chips).items()}
    expected = gate.train_gate(samples, options).best
    for name, part in gate.learn_gate([chips, chips], options).items():
        np.testing.assert_array_equal(part, expected[name])
    fewer = chips._replace(moved=chips.moved[:, 1:])
    with pytest.raises(ValueError, match="chips: expected one number of past frames and one size, found"):
        gate.learn_gate([chips, fewer], options)


@pytest.mark.slow
def test_svg_lp_learns_and_its_prediction_does_not_look_ahead():
    size = svg.Size(side=16, width=4, code=8, latent=4, hidden=8, peak_side=8)
    rng = np.random.default_rng(0)
    still = svg.as_brightness(rng.normal(size=(40, 1, 16, 16)).repeat(5, axis=1).astype(np.float32))
    done = svg.train_svg(still, size, FitOptions(epochs=5, batch=9, learning_rate=5e-3))
    losses = [row["training"] for row in done.log]
    assert losses[-1] < 0.9 * losses[0]
    model = svg.with_parameters(size, done.best)
    made = svg.predict(model, still[:, :4])
    assert made.shape == (40, 16, 16)
    # Frames that follow do not change what is said of those before.
    later = still[:1].copy()
    later[0, 4] = 0.3
    run = eqx.filter_jit(lambda frames: model(frames, None)[0])
    one, other = (np.asarray(run(jnp.asarray(s[0]))) for s in (still[:1], later))
    np.testing.assert_array_equal(one, other)


def test_the_full_network_has_the_published_size():
    model = jax.eval_shape(lambda key: svg.Svg(svg.FULL, key), jax.random.key(0))
    assert [block.conv.out_channels for block in model.down] == [64, 128, 256, 512, 512]
    assert model.to_code.out_features == 128
    assert (model.prior.out.out_features, model.prior.into.out_features) == (256, 128)
