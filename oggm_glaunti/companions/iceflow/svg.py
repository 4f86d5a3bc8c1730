"""SVG-LP (Denton and Fergus 2018), the network of the paper on ice flow, for sequences of chips.

An encoder and a decoder of DCGAN's kind with skips, an LSTM that predicts the code of the next frame, and two more for
the prior and the posterior of a latent variable. Group instead of batch normalisation, so that a chip's result does not
depend on its neighbours in the batch. The LSTMs run over frames in ``lax.scan``: a loop written out takes minutes to
compile.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from oggm_glaunti.companions.iceflow.frames import Chips
from oggm_glaunti.companions.iceflow.predictors import normalised
from oggm_glaunti.fit.training.checkpoint import Progress
from oggm_glaunti.fit.training.fit_loop import FitOptions, fit_loop

Images = NDArray[np.float32]


class Size(NamedTuple):
    """Size of the network and weights of its loss.

    Attributes
    ----------
    side : int
        Of a chip, px, a power of two from 16
    width : int
        Channels of the first layer (nf); they double to eight times that
    code, latent, hidden : int
        Numbers of a frame's code, of the latent variable, and of an LSTM
    beta : float
        Weight of the divergence of posterior and prior
    peak_weight, peak_side : float, int
        Weight of the error in the middle of the frame, and the side of that, px: the paper's area around the
        correlation peak, which followed or moved chips have in their middle
    """

    side: int = 128
    width: int = 64
    code: int = 128
    latent: int = 128
    hidden: int = 128
    beta: float = 1e-4
    peak_weight: float = 0.5
    peak_side: int = 32


FULL = Size()
SMALL = Size(side=64, width=12, code=32, latent=12, hidden=64)
GROUPS = 4


class _Lstm(eqx.Module):
    """Linear, two LSTM layers, linear."""

    into: eqx.nn.Linear
    cells: tuple[eqx.nn.LSTMCell, eqx.nn.LSTMCell]
    out: eqx.nn.Linear

    def __init__(self, inputs: int, hidden: int, outputs: int, key: Array):
        keys = jax.random.split(key, 4)
        self.into = eqx.nn.Linear(inputs, hidden, key=keys[0])
        self.cells = (
            eqx.nn.LSTMCell(hidden, hidden, key=keys[1]),
            eqx.nn.LSTMCell(hidden, hidden, key=keys[2]),
        )
        self.out = eqx.nn.Linear(hidden, outputs, key=keys[3])

    def start(self) -> Any:
        zero = jnp.zeros(self.into.out_features)
        return ((zero, zero), (zero, zero))

    def __call__(self, state: Any, x: Array) -> tuple[Any, Array]:
        first = self.cells[0](self.into(x), state[0])
        second = self.cells[1](first[0], state[1])
        return (first, second), self.out(second[0])


class _Block(eqx.Module):
    conv: Any
    norm: eqx.nn.GroupNorm

    def __init__(self, inputs: int, outputs: int, key: Array, up: bool = False):
        kind = eqx.nn.ConvTranspose2d if up else eqx.nn.Conv2d
        self.conv = kind(inputs, outputs, 4, stride=2, padding=1, key=key)
        self.norm = eqx.nn.GroupNorm(GROUPS, outputs)

    def __call__(self, x: Array) -> Array:
        return jax.nn.leaky_relu(self.norm(self.conv(x)), 0.2)


class Svg(eqx.Module):
    """The network; see the module."""

    down: tuple[_Block, ...]
    to_code: eqx.nn.Linear
    from_code: eqx.nn.Linear
    up: tuple[_Block, ...]
    last: eqx.nn.ConvTranspose2d
    predictor: _Lstm
    prior: _Lstm
    posterior: _Lstm
    size: Size = eqx.field(static=True)

    def __init__(self, size: Size, key: Array):
        count = int(np.log2(size.side)) - 2
        widths = [1, *(size.width * min(2**k, 8) for k in range(count))]
        keys = iter(jax.random.split(key, 2 * count + 6))
        self.down = tuple(_Block(a, b, next(keys)) for a, b in itertools.pairwise(widths))
        self.to_code = eqx.nn.Linear(widths[-1] * 16, size.code, key=next(keys))
        self.from_code = eqx.nn.Linear(size.code, widths[-1] * 16, key=next(keys))
        back = widths[:0:-1]
        self.up = tuple(_Block(2 * a, b, next(keys), up=True) for a, b in itertools.pairwise(back))
        self.last = eqx.nn.ConvTranspose2d(2 * widths[1], 1, 4, stride=2, padding=1, key=next(keys))
        self.predictor = _Lstm(size.code + size.latent, size.hidden, size.code, next(keys))
        self.prior = _Lstm(size.code, size.hidden, 2 * size.latent, next(keys))
        self.posterior = _Lstm(size.code, size.hidden, 2 * size.latent, next(keys))
        self.size = size

    def encode(self, frame: Float[Array, "side side"]) -> tuple[Array, tuple[Array, ...]]:
        """Return the code of a frame, and the layers that the decoder takes over."""
        x, skips = frame[None], []
        for block in self.down:
            x = block(x)
            skips.append(x)
        return jnp.tanh(self.to_code(x.ravel())), tuple(skips)

    def decode(self, code: Array, skips: tuple[Array, ...]) -> Float[Array, "side side"]:
        """Return the frame of a code, between 0 and 1."""
        x = jax.nn.leaky_relu(self.from_code(code).reshape(skips[-1].shape), 0.2)
        for block, skip in zip(self.up, skips[:0:-1], strict=True):
            x = block(jnp.concatenate([x, skip]))
        return jax.nn.sigmoid(self.last(jnp.concatenate([x, skips[0]])))[0]

    def __call__(self, frames: Float[Array, "time side side"], key: Array | None) -> tuple[Array, Array]:
        """Return the predictions of frames 1, 2, ... and the divergence of posterior and prior of each.

        With `key` None the prior's mean is used instead of a draw from the posterior.
        """
        # Convolutions of all frames at once: inside the scan a CPU runs them several times slower.
        codes, skips = jax.vmap(self.encode)(frames)
        start = self.predictor.start(), self.prior.start(), self.posterior.start()
        keys = jax.random.split(jax.random.key(0) if key is None else key, len(frames) - 1)

        def step(state: Any, inputs: Any) -> tuple[Any, tuple[Array, Array]]:
            predictor, prior, posterior = state
            code, following, own_key = inputs
            prior, of_prior = self.prior(prior, code)
            mean, spread = jnp.split(of_prior, 2)
            divergence = jnp.zeros(())
            latent = mean
            if key is not None:
                posterior, of_posterior = self.posterior(posterior, following)
                own_mean, own_spread = jnp.split(of_posterior, 2)
                own_spread, spread = jnp.clip(own_spread, -8.0, 8.0), jnp.clip(spread, -8.0, 8.0)
                latent = own_mean + jnp.exp(0.5 * own_spread) * jax.random.normal(own_key, own_mean.shape)
                apart = (own_mean - mean) ** 2 * jnp.exp(-spread) + jnp.exp(own_spread - spread)
                divergence = 0.5 * (spread - own_spread + apart - 1.0).sum()
            predictor, next_code = self.predictor(predictor, jnp.concatenate([code, latent]))
            return (predictor, prior, posterior), (jnp.tanh(next_code), divergence)

        _, (next_codes, divergence) = jax.lax.scan(step, start, (codes[:-1], codes[1:], keys))
        made = jax.vmap(self.decode)(next_codes, jax.tree.map(lambda layer: layer[:-1], skips))
        return made, divergence


def as_brightness(frames: Images) -> Images:
    """Return frames between 0 and 1: four standard deviations to either side of their mean."""
    return np.clip(normalised(frames) / 8.0 + 0.5, 0.0, 1.0).astype(np.float32)


def sequences_of(chips: Chips) -> Images:
    """Return sequences (N, P + 1, c, c) to learn from: past frames, moved with the ice, and the target."""
    return as_brightness(np.concatenate([chips.moved, chips.target[:, None]], axis=1))


def elbo(model: Svg, sequences: Array, key: Array) -> Array:
    """Return the negative evidence bound: error of all frames, of their middles, and the weighted divergence."""
    made, divergence = jax.vmap(model)(sequences, jax.random.split(key, len(sequences)))
    error = (made - sequences[:, 1:]) ** 2
    side, inner = model.size.side, model.size.peak_side
    middle = slice((side - inner) // 2, (side + inner) // 2)
    return (
        error.mean() + model.size.peak_weight * error[..., middle, middle].mean() + model.size.beta * divergence.mean()
    )


def train_svg(sequences: Images, size: Size = SMALL, options: FitOptions | None = None, **how: Any) -> Progress:
    """Train the network; the first tenth of the sequences validates. Further arguments are those of ``fit_loop``."""
    options = options or FitOptions(epochs=20, batch=16, learning_rate=2e-3, clip=1.0)
    held = max(1, min(len(sequences) // 10, 64))
    parameters, static = eqx.partition(Svg(size, jax.random.key(options.seed)), eqx.is_array)
    loss = lambda trained, batch, key: elbo(eqx.combine(trained, static), batch, key)
    validation = jnp.asarray(sequences[:held])
    run, key = jax.jit(loss), jax.random.key(1)
    error = lambda trained: float(run(trained, validation, key))
    return fit_loop(parameters, loss, sequences[held:], error, options, **how)


def with_parameters(size: Size, parameters: Any) -> Svg:
    """Return the network of a training's parameters."""
    return eqx.combine(parameters, Svg(size, jax.random.key(0)))


def predict(model: Svg, past: Images) -> Images:
    """Return the frames (N, c, c) that follow past ones (N, P, c, c), with the prior's mean."""
    run = eqx.filter_jit(lambda frames: jax.vmap(lambda one: model(one, None)[0][-1])(frames))
    # The last prediction is of the frame after the last: what stands in its place is not looked at.
    sequences = as_brightness(np.concatenate([past, past[:, -1:]], axis=1))
    return np.concatenate([np.asarray(run(sequences[k : k + 64])) for k in range(0, len(sequences), 64)])
