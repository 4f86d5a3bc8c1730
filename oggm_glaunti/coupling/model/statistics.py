"""GlaUnTI's calibration in OGGM's table of glacier statistics."""

from typing import Any

from oggm_glaunti.coupling.model.params import read_params
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory
from oggm_glaunti.coupling.table.inputs import TUNABLE

ENTRIES = (
    "model",
    "corrector",
    "variant",
    *TUNABLE,
    "reference_mb",
    "reference_mb_err",
    "reference_period",
    "residual",
)


def glaunti_statistics(gdir: GlacierDirectory, statistics: dict[str, Any]) -> None:
    """Add GlaUnTI's calibration to the statistics of a glacier, for OGGM's ``compile_glacier_statistics``.

    OGGM's own columns (``melt_f`` and so on) are those of its own calibration; these begin with ``glaunti_``.

    Parameters
    ----------
    gdir : GlacierDirectory
    statistics : dict
        row of the table, changed in place

    Examples
    --------
    >>> from oggm import utils
    >>> table = utils.compile_glacier_statistics(gdirs, apply_func=glaunti_statistics)  # doctest: +SKIP
    """
    params = read_params(gdir)
    statistics.update({f"glaunti_{name}": params[name] for name in ENTRIES if name in params})
