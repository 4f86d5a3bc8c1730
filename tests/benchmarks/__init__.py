# A home of its own, in which OGGM can be imported without a network; before anything here imports OGGM.
import tests.conftest  # noqa: F401
