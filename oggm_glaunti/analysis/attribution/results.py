"""Parts that the results of all attributions have in common."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import xarray as xr

from oggm_glaunti.analysis.glaciers import GlacierRun, years_within
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory

if TYPE_CHECKING:
    from oggm_glaunti.analysis.attribution.integrated_gradients import Integrated

M_WE = {"units": "m w.e."}


def years_compared(run: GlacierRun, year: int, reference: tuple[int, int] | None) -> list[int]:
    """Return the reference years after checking that the record holds them and the year to explain.

    Parameters
    ----------
    run : GlacierRun
    year : int
        to explain
    reference : (first, last), optional
        both included; default: all years of the record

    Raises
    ------
    InvalidParamsError
        for no years, or years that the record does not hold
    """
    years_within(run.gdir, (year, year), run.years, "year")
    first, last = years_within(run.gdir, reference, run.years, "reference")
    return list(range(first, last + 1))


def warn_incomplete(gdir: GlacierDirectory, found: Any, log: logging.Logger) -> None:
    """Warn if the contributions do not add up with the largest number of nodes; the result holds the gap."""
    if not found.complete:
        log.warning(
            "(%s) the difference of %+.4f m w.e. and the sum of its contributions are %+.4f apart, with %d nodes",
            gdir.rgi_id,
            float(found.difference),
            float(found.gap),
            found.nodes,
        )


def with_numbers(data: xr.Dataset, numbers: dict[str, tuple[float, str]], found: Integrated) -> xr.Dataset:
    """Add numbers in m w.e. with their descriptions, the gap and the nodes of the quadrature."""
    numbers = {**numbers, "gap": (float(found.gap), "difference minus the sum of all contributions")}
    for name, (value, what) in numbers.items():
        data[name] = ((), value, {**M_WE, "long_name": what})
    data["nodes"] = ((), found.nodes, {"units": "1", "long_name": "nodes of the quadrature"})
    return data.assign_attrs(complete=int(found.complete))
