"""Fitting the model to observations."""

import oggm_glaunti.coupling  # noqa: F401 - first: it makes importing OGGM safe without a network
