"""What a calibration or a fit starts from, and what it leaves in the glacier directory.

It leaves ``glaunti_params.json`` and OGGM's view of it.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.model.oggm_record import global_params, write_json
from oggm_glaunti.coupling.model.params import write_params

if TYPE_CHECKING:
    from oggm import GlacierDirectory


class UnfittedMassBalance(GlaUnTIMassBalance):
    """The model with the weights' own temperature index, lapse rate and degree-day factor, whatever was calibrated.

    Parameters
    ----------
    gdir : GlacierDirectory
    **given
        `model`, `corrector`, `weights`, `variant`, `filename`, `input_filesuffix` of
        :class:`~oggm_glaunti.GlaUnTIMassBalance`; default: those of the calibration before
    """

    use_calibration = False

    def __init__(self, gdir: GlacierDirectory, **given: Any):
        super().__init__(gdir, **{**given, "check_calib_params": False})


def model_record(gdir: GlacierDirectory, mb_model: GlaUnTIMassBalance) -> dict[str, Any]:
    """Record which model this is, with its tunable parameters and the digests of all it was made from.

    Parameters
    ----------
    gdir : GlacierDirectory
    mb_model : GlaUnTIMassBalance
    """
    from oggm_glaunti.core.weights import physical_values

    return {
        "rgi_id": gdir.rgi_id,
        **mb_model.origin(),
        **vars(mb_model.tunable_params()),
        "bias": 0.0,
        "published_parameters": physical_values(mb_model.loaded_model.ti),
        "package_version": importlib.metadata.version("oggm-glaunti"),
    }


def write_calibration(gdir: GlacierDirectory, params: dict[str, Any], filesuffix: str) -> None:
    """Write ``glaunti_params<suffix>.json``, and the same with what OGGM's own tasks look for.

    The second file, ``mb_calib_glaunti<suffix>.json``, lies beside OGGM's own ``mb_calib.json`` and not over it.
    """
    write_params(gdir, params, filesuffix)
    calibration = {**params, **global_params(params)}
    write_json(Path(gdir.get_filepath("mb_calib", filesuffix=f"_glaunti{filesuffix}")), calibration)
