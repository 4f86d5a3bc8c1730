"""Model B: one gated recurrent cell shared by all pixels.

Maslov et al. 2026, model B; the cell is the usual GRU with a bias inside the reset product (as in equinox and PyTorch).
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from oggm_glaunti.core.arrays import EXACT, AnyArray, Daily
from oggm_glaunti.core.checks import require_finite
from oggm_glaunti.core.forcing import Forcing
from oggm_glaunti.core.run import Observe, Step, run_days
from oggm_glaunti.core.units import PRCP_NORM, TEMP_NORM


class GRU(eqx.Module):
    """Weights of model B, in the order of the published file: 2 inputs, 16 hidden units, a linear read-out.

    The inputs are ``prcp / PRCP_NORM, temp / TEMP_NORM``; the gates are ordered reset, update, new.
    """

    weight_ih: Float[AnyArray, "48 2"]
    weight_hh: Float[AnyArray, "48 16"]
    bias: Float[AnyArray, "48"]
    bias_n: Float[AnyArray, "16"]
    out_weight: Float[AnyArray, "1 16"]
    out_bias: Float[AnyArray, "1"]
    init_h: Float[AnyArray, "16"]

    def initial_state(self, shape: tuple[int, ...]) -> Float[Array, "... 16"]:
        """Hidden state at the very start of a run over points of that shape."""
        return jnp.broadcast_to(self.init_h, (*shape, self.init_h.shape[0]))

    def cell(self, hidden: Float[AnyArray, "... 16"], inputs: Float[AnyArray, "... 2"]) -> Float[Array, "... 16"]:
        """Return the hidden state one day later."""
        lead = (1,) * (hidden.ndim - 1)
        from_input = _product(inputs, self.weight_ih.T) + self.bias.reshape(*lead, -1)
        from_hidden = _product(hidden, self.weight_hh.T)
        input_reset, input_update, input_new = jnp.split(from_input, 3, axis=-1)
        hidden_reset, hidden_update, hidden_new = jnp.split(from_hidden, 3, axis=-1)
        reset = jax.nn.sigmoid(input_reset + hidden_reset)
        update = jax.nn.sigmoid(input_update + hidden_update)
        new = jnp.tanh(input_new + reset * (hidden_new + self.bias_n.reshape(*lead, -1)))
        return new + update * (hidden - new)

    def read_out(self, hidden: Float[AnyArray, "... 16"]) -> Float[Array, "..."]:
        """Balance of the day, m w.e."""
        return _product(hidden, self.out_weight[0]) + self.out_bias[0]


_product = partial(jnp.matmul, precision=EXACT)


def run_gru(
    model: GRU,
    hidden: Float[AnyArray, "... 16"],
    forcing: Forcing,
    weights: Daily,
    observe: Observe = None,
    *,
    first_day_seen: bool | Bool[AnyArray, ""] = False,
) -> tuple[Float[Array, "... 16"], Float[Array, "..."], Array | None]:
    """Run model B over all days of a forcing.

    Parameters
    ----------
    model : GRU
    hidden : array (..., 16)
        state at the beginning, see :meth:`GRU.initial_state`
    forcing, weights, observe
        see :func:`~oggm_glaunti.core.run.run_days`
    first_day_seen : bool
        True if the state comes from a season whose last day is this season's first: that day then counts in the
        balance and does not advance the state again

    Returns
    -------
    (hidden, smb, observed)
        as in :func:`~oggm_glaunti.core.run.run_days`
    """
    state = (require_finite("hidden state", hidden), jnp.asarray(first_day_seen))
    state, smb, observed = run_days(gru_step(model), state, forcing.checked(weights), weights, observe)
    return state[0], smb, observed


def gru_step(model: GRU) -> Step:
    """Return the step of model B; its state is ``(hidden, seen)``, `seen` being true before a day already seen."""

    def step(state, temp, prcp, weight):
        hidden, seen = state
        inputs = jnp.stack([prcp / PRCP_NORM, temp / TEMP_NORM], axis=-1)
        hidden = jnp.where(seen, hidden, model.cell(hidden, inputs))
        return (hidden, jnp.zeros_like(seen)), weight * model.read_out(hidden)

    return step
