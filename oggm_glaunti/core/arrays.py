"""The arrays that the numerics take, JAX's or NumPy's, and the precision of their products."""

import jax
import numpy as np
from jaxtyping import Array, Float

AnyArray = Array | np.ndarray
"""An input that may be a NumPy array; annotate as ``Float[AnyArray, "h w"]``. Results of JAX are ``Array``."""
Field = Float[AnyArray, "..."]
"""A number, or one for each point of any spatial shape."""
EXACT = jax.lax.Precision.HIGHEST
"""Matrix products in full float32: GPUs would round to TF32 by default."""
