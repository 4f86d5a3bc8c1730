"""The arrays that the numerics take, JAX's or NumPy's, and the precision of their products."""

import jax
import numpy as np
from jaxtyping import Array, Float

AnyArray = Array | np.ndarray
"""An input that may be a NumPy array; annotate as ``Float[AnyArray, "h w"]``. Results of JAX are ``Array``."""
Field = Float[AnyArray, "..."]
"""A number, or one for each point of any spatial shape."""
Daily = Float[AnyArray, " time"]
"""A number for each day."""
Map = Float[AnyArray, "h w"]
"""A number for each cell of a grid."""
Fields = Float[AnyArray, "12 h w"]
"""What describes the place to the network, see :func:`~oggm_glaunti.core.glaunti.geometry_fields`."""
Climate = Float[AnyArray, "2 month"]
"""Monthly temperature and precipitation as the network takes them."""
Corrections = Float[AnyArray, "5 h w"]
"""The network's answer, d1 to d5."""
EXACT = jax.lax.Precision.HIGHEST
"""Matrix products in full float32: GPUs would round to TF32 by default."""
