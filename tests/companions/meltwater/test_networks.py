"""Networks: they begin at the baseline, learn, keep the start if they do not, and tiles change nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.companions.meltwater import model
from oggm_glaunti.companions.meltwater.baselines import Logistic
from oggm_glaunti.companions.meltwater.features import features, scales_of
from oggm_glaunti.companions.meltwater.fit_loop import FitOptions, fit_loop
from oggm_glaunti.companions.meltwater.model import Network
from oggm_glaunti.companions.meltwater.network_file import read_network, write_network
from oggm_glaunti.companions.meltwater.scores import f1_of
from oggm_glaunti.companions.meltwater.stack import checked_stack
from oggm_glaunti.companions.meltwater.tiling import in_tiles, tile_windows
from oggm_glaunti.companions.meltwater.training import predict_days, predict_features, train_network
from oggm_glaunti.companions.meltwater.windows import Decay
from tests.companions.meltwater.worlds import small_stack
from tests.full_disk import files_up_to

TINY = {"width": 4, "levels": 2, "crop": 16}
UNET, DEEPLAB = Network("unet", 3, 4, 2), Network("deeplab", 3, 4)
probability, correction = (jax.jit(function, static_argnums=0) for function in (model.probability, model.correction))
loss_of = jax.jit(model.loss_of, static_argnums=(0, 1))


def stirred(network: Network, seed: int = 0):
    """Weights whose last layer is not zero."""
    weights = model.new_weights(network, seed)
    kernel = 0.2 * np.random.default_rng(9).normal(size=weights["last"]["kernel"].shape).astype(np.float32)
    return {**weights, "last": {**weights["last"], "kernel": kernel}}


def maps(rows: int, columns: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(1, rows, columns, channels)).astype(np.float32)


@pytest.mark.parametrize("network", [UNET, DEEPLAB], ids=lambda n: n.kind)
def test_a_new_network_is_the_baseline(network):
    base = np.random.default_rng(0).uniform(0.01, 0.99, (1, 16, 16)).astype(np.float32)
    p = probability(network, model.new_weights(network), maps(16, 16), base)
    np.testing.assert_allclose(p, base, atol=1e-6)


def test_a_network_may_begin_at_a_logistic_regression():
    x = maps(16, 16)
    base = np.asarray(jax.nn.sigmoid(model.ODDS_SCALE * x[..., 0]))
    rule = Logistic(np.array([1.0, -2.0, 0.5], np.float32), 0.3)
    weights = model.beginning_at(model.new_weights(UNET), rule.coefficients, rule.intercept)
    inside = (base > 0.002) & (base < 0.998)
    np.testing.assert_allclose(
        np.asarray(probability(UNET, weights, x, base))[inside], rule.predict(x)[inside], atol=1e-5
    )


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (UNET, (16, 17), "multiples of 2, found 16 x 17"),
        (UNET, (2, 16), "maps of 4 x 4 cells or more"),
        (DEEPLAB, (16, 20), "multiples of 8"),
    ],
)
def test_maps_that_do_not_fit_are_refused(network, shape, message):
    with pytest.raises(ValueError, match=message):
        model.correction(network, model.new_weights(network), maps(*shape))


def test_other_channels_kinds_and_sizes_are_refused():
    with pytest.raises(ValueError, match="expected 3 predictors, found 2"):
        model.correction(UNET, model.new_weights(UNET), maps(16, 16, 2))
    with pytest.raises(ValueError, match="expected 'unet' or 'deeplab', found 'resnet'"):
        model.new_weights(Network("resnet", 3))
    with pytest.raises(ValueError, match="found width 5 and 3 levels"):
        model.new_weights(Network("unet", 3, 5))


def test_cross_entropy_keeps_probabilities_and_l1_ends_at_the_median():
    """Of a cell that melts on 3 of 10 days, the loss of constant probabilities is least at 0.3, and at 0."""
    y, x = np.zeros((10, 4, 4), np.float32), np.zeros((10, 4, 4, 3), np.float32)
    y[:3] = 1.0
    base, weights = np.full_like(y, 0.5), model.new_weights(UNET)
    shares = np.array([0.01, 0.1, 0.2, 0.3, 0.4, 0.5])
    least = {}
    for kind in model.LOSSES:
        of_bias = [{**weights, "last": {**weights["last"], "bias": jnp.log(jnp.array([p / (1 - p)]))}} for p in shares]
        least[kind] = shares[np.argmin([float(loss_of(kind, UNET, w, x, base, y)) for w in of_bias])]
    assert least == {"cross_entropy": 0.3, "l1": 0.01}


@pytest.mark.slow
def test_cells_without_an_observation_do_not_count():
    x, base = maps(16, 16), np.full((1, 16, 16), 0.3, np.float32)
    y = np.full((1, 16, 16), np.nan, np.float32)
    y[0, :8] = 1.0
    weights = stirred(UNET)
    loss, gradient = jax.jit(jax.value_and_grad(lambda w: model.loss_of("cross_entropy", UNET, w, x, base, y)))(weights)
    logits = model.log_odds(base) + correction(UNET, weights, x)
    assert float(loss) == pytest.approx(float(jax.nn.softplus(-logits[0, :8]).mean()), rel=1e-5)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradient))


def test_tiles_change_nothing_where_their_edges_are_wider_than_the_reach():
    weights, x = stirred(UNET), maps(32, 96)
    whole = np.asarray(correction(UNET, weights, x))[0]
    tiled = in_tiles(
        lambda window: np.asarray(correction(UNET, weights, x[:, window[0], window[1]]))[0],
        (32, 96),
        48,
        UNET.reach,
        UNET.multiple,
    )
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_the_reach_is_no_less_than_what_a_cell_depends_on():
    weights, x = stirred(UNET), maps(64, 64)
    slope = jax.jit(jax.grad(lambda x: model.correction(UNET, weights, x)[0, 32, 33]))(jnp.asarray(x))
    rows = np.flatnonzero(np.abs(np.asarray(slope)).sum(axis=(0, 2, 3)))
    assert 8 <= max(32 - rows.min(), rows.max() - 32) <= UNET.reach


def test_tiles_of_nothing_but_edge_are_refused():
    with pytest.raises(ValueError, match="tile: 32 cells with edges of 16 leave nothing"):
        list(tile_windows((64, 64), 32, 16, 4))


@pytest.mark.slow
def test_the_threshold_of_a_network_has_the_best_f1_on_its_learning_scenes():
    stack, split = small_stack()
    trained = train_network(stack, split, Decay(), **TINY, options=FitOptions(epochs=1))
    y = np.where(stack.valid, stack.target[split.learn], np.nan)
    seen = np.isfinite(y)
    p = predict_days(trained, stack, split, split.learn)[seen]
    best = max(f1_of(p > threshold, y[seen] > 0.5) for threshold in np.linspace(0.05, 0.95, 19))
    assert f1_of(p > trained.wet_above, y[seen] > 0.5) > best - 0.005


@pytest.mark.slow
def test_training_improves_on_the_baseline_and_can_be_written(tmp_path):
    stack, split = small_stack()
    options = FitOptions(epochs=2, rate=5e-3)
    trained = train_network(stack, split, Decay(), **TINY, options=options)
    log = [row["validation"] for row in trained.log]
    check = features(stack, split, split.validation, Decay(), scales_of(stack, split))
    y = np.where(stack.valid, stack.target[split.validation], np.nan)
    assert min(log) < np.nanmean((check.base - y) ** 2)
    write_network(tmp_path / "network.npz", trained)
    again = read_network(tmp_path / "network.npz")
    assert again.wet_above == trained.wet_above
    days = split.test[:2]
    np.testing.assert_array_equal(predict_days(again, stack, split, days), predict_days(trained, stack, split, days))
    with pytest.raises(ValueError, match="predictors: trained with"):
        predict_days(again, stack._replace(layers={}), split, days)
    (tmp_path / "network.npz").write_bytes(b"broken")
    with pytest.raises(ValueError, match="cannot be read"):
        read_network(tmp_path / "network.npz")
    with files_up_to(1000), pytest.raises(OSError, match="cannot be written"):
        write_network(tmp_path / "full.npz", trained)
    assert not (tmp_path / "full.npz").exists()


def test_maps_of_any_size_are_predicted():
    stack, split = small_stack()
    odd = checked_stack(stack.time, stack.target[:, :13, :15], {}, {}, stack.valid[:13, :15])
    of = features(odd, split, split.test[:3], Decay(), scales_of(odd, split))
    network = Network("unet", of.x.shape[-1], 4, 2)
    p = predict_features(network, model.new_weights(network), of)
    assert p.shape == (3, 13, 15)
    inside = (of.base > 0.002) & (of.base < 0.998)
    np.testing.assert_allclose(p[inside], of.base[inside], atol=1e-5)


def test_training_that_does_not_improve_returns_the_start():
    weights = {"w": jnp.array([1.0, 2.0])}
    worse = iter([1.0, 2.0, 3.0, 4.0])
    done = fit_loop(
        weights, lambda w, batch: (w["w"] ** 2).sum(), lambda epoch: [0.0], lambda w: next(worse), FitOptions(epochs=3)
    )
    assert done.best_epoch == 0
    np.testing.assert_array_equal(done.best["w"], weights["w"])


def test_training_is_resumed_to_the_last_bit_and_refuses_another(tmp_path):
    def loss(w, batch):
        return ((w["w"] - batch) ** 2).sum()

    def batches(epoch):
        return np.random.default_rng(epoch).normal(size=(5, 2)).astype(np.float32)

    def fit(epochs, path, config=None):
        return fit_loop(
            {"w": jnp.array([3.0, -3.0])}, loss, batches, lambda w: float((w["w"] ** 2).sum()),
            FitOptions(epochs=6, patience=epochs), path, config,
        )  # fmt: skip

    whole = fit(6, None)

    class Killed(Exception):
        pass

    def until_second(row):
        if row["epoch"] == 2:
            raise Killed

    with pytest.raises(Killed):
        fit_loop(
            {"w": jnp.array([3.0, -3.0])}, loss, batches, lambda w: float((w["w"] ** 2).sum()),
            FitOptions(epochs=6, patience=6), tmp_path / "c.npz", {"seed": 1}, until_second,
        )  # fmt: skip
    resumed = fit(6, tmp_path / "c.npz", {"seed": 1})
    np.testing.assert_array_equal(resumed.trained["w"], whole.trained["w"])
    assert resumed.log == whole.log
    with pytest.raises(ValueError, match="seed: was 1, is now 2"):
        fit(6, tmp_path / "c.npz", {"seed": 2})


def test_bad_options_and_small_grids_are_refused():
    stack, split = small_stack()
    with pytest.raises(ValueError, match="rate: expected more than 0, found 0"):
        FitOptions(rate=0.0)
    with pytest.raises(ValueError, match="loss: expected one of"):
        train_network(stack, split, Decay(), loss="l2")
    with pytest.raises(ValueError, match="no validation scene"):
        train_network(stack, split._replace(validation=split.test[:0]), Decay())
    small = stack._replace(
        target=stack.target[:, :6, :6],
        layers={name: v[:, :6, :6] for name, v in stack.layers.items()},
        static={name: v[:6, :6] for name, v in stack.static.items()},
        valid=stack.valid[:6, :6],
    )
    with pytest.raises(ValueError, match=r"grid of 6 x 6 cells .* smallest tile, 8 x 8.*levels="):
        train_network(small, split, Decay())


@pytest.mark.slow
def test_a_training_that_was_killed_goes_on_to_the_same_numbers(tmp_path):
    from tests.benchmarks.meltwater.costs import killed_training

    whole, resumed = killed_training(tmp_path)
    assert whole == resumed
