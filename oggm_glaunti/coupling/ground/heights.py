"""The range of heights that a glacier's table must cover."""

from __future__ import annotations

from typing import Any

import numpy as np
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti.coupling.oggm.netcdf import netcdf_file

# m. The bed lies below the surface and glaciers thin and advance: the table reaches this far beyond today's surface.
BELOW, ABOVE = 1000.0, 500.0
_FLOWLINES = ("inversion_flowlines", "model_flowlines")
MAX_STEP = 50.0  # m; the table is read by linear interpolation, which errs by the square of the step


def table_heights(bounds: tuple[float, float], step: float) -> np.ndarray:
    """Heights of a glacier's table, m (N,), on multiples of `step`, covering the bounds.

    Raises
    ------
    InvalidParamsError
        for a step that is no distance, or too coarse
    """
    from oggm_glaunti.core.smooth import even_heights

    if not isinstance(step, (int, float)) or not 0 < step <= MAX_STEP:
        raise InvalidParamsError(
            f"cfg.PARAMS['glaunti_table_step']: expected more than 0 and at most {MAX_STEP:g} m, found {step!r}"
        )
    return even_heights(*bounds, step)


def height_files(gdir: Any) -> list[str]:
    """Return the files that :func:`height_bounds` reads, existing or not."""
    return [gdir.get_filepath(name) for name in ("gridded_data", *_FLOWLINES)]


def height_bounds(gdir: Any) -> tuple[float, float]:
    """Lowest and highest height that a glacier's table must cover, m.

    From well below the lowest surface or bed to well above the highest surface, by the glacier's gridded data and,
    where there are, its flowlines.

    Raises
    ------
    InvalidWorkflowError
        if the directory has neither gridded data nor flowlines, or their heights are none
    """
    lines = [line for name in _FLOWLINES if gdir.has_file(name) for line in gdir.read_pickle(name)]
    bounds = [(float(np.min(getattr(f, "bed_h", f.surface_h))), float(np.max(f.surface_h))) for f in lines]
    if gdir.has_file("gridded_data"):
        with netcdf_file(gdir.get_filepath("gridded_data")) as nc:
            low, high = (float(getattr(nc, name, np.nan)) for name in ("min_h_glacier", "max_h_glacier"))
        if np.isfinite([low, high]).all():
            bounds.append((low - BELOW, high + ABOVE))
    if not bounds:
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: gridded_data.nc has no glacier heights and there are no flowlines; run "
            "oggm.tasks.simple_glacier_masks first"
        )
    if not np.isfinite(bounds).all():
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: heights of {' or '.join(_FLOWLINES)} are NaN or infinite; make them again from a DEM "
            "without faults"
        )
    return min(low for low, _ in bounds), max(high for _, high in bounds)
