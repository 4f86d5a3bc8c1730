"""GlaUnTI in OGGM's glacier directories.

Importing this package makes sure that OGGM itself can be imported, with or without a network, so its modules may
import ``oggm`` at their top; and OGGM is told of what it must know of this package.
"""

from oggm_glaunti.coupling.oggm.offline import ensure_oggm_importable

ensure_oggm_importable()

from oggm_glaunti.coupling.oggm import hooks  # noqa: E402

hooks.install()
