"""Initial weights of a training."""

import numpy as np

from oggm_glaunti.core.glaunti import GlaUnTI
from oggm_glaunti.core.letters import model_letter
from oggm_glaunti.core.temperature_index import ti_weights
from oggm_glaunti.core.weights import Model, leaf_shapes, leaves_of, model_from_leaves
from oggm_glaunti.fit.training.objective import model_name

OUTPUT_SHARE = 0.01  # of the usual size of last layers: balances of B and corrections of C start near 0


def initial_model(name: str, seed: int = 0, start: Model | None = None) -> Model:
    """Return the weights with which training starts.

    Parameters
    ----------
    name : str
        ``A``, ``B``, ``C`` or ``D``
    seed : int
        random seed of B and C
    start : GlaUnTI or GRU, optional
        weights to start from: the same model for any; A for C, which then gets a new network in addition to A's
        temperature index; C for D

    Returns
    -------
    GlaUnTI or GRU
        without `start`: A has the priors; B is uniform within ``1 / sqrt(hidden units)``, its read-out a hundredth of
        that, its initial state and last bias 0. C needs an A and D needs a C

    Raises
    ------
    ValueError
        if a model cannot start from `start`

    Notes
    -----
    Convolutions of a new network are normal with variance 2 / (number of inputs) (He et al. 2015), scales of norms 1,
    shifts and the last bias 0; the last convolution is a hundredth of that, so that corrections start near 0 and
    model C near A.

    Examples
    --------
    >>> round(float(initial_model("A").ti.resolve().prec_scale), 3)
    1.4
    """
    rng, name = np.random.default_rng(seed), model_letter(name)
    match name, start:
        case "A", None:
            return GlaUnTI(ti_weights(), None, "A")
        case "B", None:
            shapes = leaf_shapes("B")
            bound = 1.0 / np.sqrt(shapes[-1][0])
            leaves = [rng.uniform(-bound, bound, shape).astype(np.float32) for shape in shapes]
            leaves[-3] *= np.float32(OUTPUT_SHARE)
            leaves[-2:] = [np.zeros_like(leaf) for leaf in leaves[-2:]]
            return model_from_leaves("B", leaves)
        case "C", GlaUnTI(name="A", ti=ti):
            numbers = leaves_of(GlaUnTI(ti, None, "A"))
            shapes = leaf_shapes("C")[: -len(numbers)]
            leaves = [_new_leaf(rng, shape, shapes[k - 1] if k else ()) for k, shape in enumerate(shapes)]
            leaves[-2:] = leaves[-2] * np.float32(OUTPUT_SHARE), np.zeros_like(leaves[-1])
            return model_from_leaves("C", [*leaves, *(number.astype(np.float32) for number in numbers)])
        case "D", GlaUnTI(name="C", ti=ti, corrector=corrector):
            return GlaUnTI(ti, corrector, "D")
    if start is not None and name == model_name(start):
        return start
    allowed = {"A": "nothing or an A", "B": "nothing or a B", "C": "an A or a C", "D": "a C or a D"}
    raise ValueError(f"model {name} begins with {allowed[name]}, found {model_name(start) if start else 'nothing'}")


def _new_leaf(rng: np.random.Generator, shape: tuple[int, ...], before: tuple[int, ...]) -> np.ndarray:
    """Return a random kernel; after a kernel come the scale of its norm, 1, and the shift, 0."""
    if np.prod(shape[1:]) > 1:
        fan_in = np.prod(shape[1:])
        return (rng.normal(size=shape) * np.sqrt(2.0 / fan_in)).astype(np.float32)
    return np.ones(shape, np.float32) if np.prod(before[1:]) > 1 else np.zeros(shape, np.float32)
