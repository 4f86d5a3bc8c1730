"""Maps of the balance for tests."""

from __future__ import annotations

import numpy as np


def run_smb(gdir, **kwargs) -> dict[str, np.ndarray]:
    """Maps of model A, or of the one named; arguments of the mass-balance model may be among the task's own."""
    from oggm_glaunti.coupling.model.smb import SMB_KWARGS, glaunti_smb

    chosen = {name: kwargs.pop(name) for name in SMB_KWARGS if name in kwargs}
    return glaunti_smb(gdir, mb_kwargs={"model": "A", **chosen}, **kwargs)
