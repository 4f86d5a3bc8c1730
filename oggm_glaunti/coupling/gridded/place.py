"""A glacier's cells on one surface, under its weather."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti import settings
from oggm_glaunti.coupling.gridded.weather import Weather, with_offset
from oggm_glaunti.coupling.ground.features import Features


@dataclass(frozen=True, eq=False)
class Place:
    """What depends on the surface in a gridded run.

    Attributes
    ----------
    features : Features
        of this surface
    weather : Weather
        opened with the features of the fixed surface
    points : GlacierColumns or None
        the cells run, on the fixed surface; None for all cells of the rectangle
    columns : GlacierColumns
        heights and bands on this surface; the cells are the same on every surface
    fields : array (12, H, W)
        the corrector's inputs that describe the place
    rise : float32 array (P,) or (H, W)
        height of this surface above the fixed one on the cells run, m
    mean_rise : float
        over the outline, m
    """

    features: Features
    weather: Weather
    points: Any
    columns: Any
    fields: Any
    rise: NDArray[np.float32]
    mean_rise: float

    @property
    def above_ref(self) -> NDArray[np.float64]:
        """Height of the cells run minus that for which temperature is given for them, m."""
        above = self.weather.above_ref
        return (above if self.points is None else above[self.points.rows, self.points.cols]) + self.rise

    def forcing(self, days: slice) -> Any:
        """Return the weather of some days on the cells run, at their height on this surface."""
        gradient = settings.param("glaunti_temp_gradient")
        return with_offset(self.weather.forcing(days, self.points), gradient * self.rise)

    def monthly(self, days: slice) -> NDArray[np.float32]:
        """Return the corrector's climate of some days (2, M): monthly means over the outline on this surface."""
        return self.weather.monthly(days, settings.param("glaunti_temp_gradient") * self.mean_rise)


def place_on(
    features: Features,
    weather: Weather,
    nodes: NDArray[np.float64],
    model_name: str,
    exact: bool,
    reach: tuple[NDArray[np.float32], NDArray[np.float32]],
    fixed: Place | None = None,
) -> Place:
    """Prepare a surface for runs.

    Parameters
    ----------
    features : Features
        of this surface
    weather : Weather
    nodes : array (N,)
        heights for the uncorrected runs, m, around all surfaces: where they are the same on all of them, programs are
        compiled once
    model_name : str
        D reads facies
    exact : bool
        all cells of the rectangle are run
    reach : (lowest, highest) arrays (H, W)
        of all surfaces, see :func:`~oggm_glaunti.core.glacier_columns.glacier_columns`
    fixed : Place, optional
        the surface with which the weather was opened, where this is another one
    """
    from oggm_glaunti.core.glacier_columns import glacier_columns
    from oggm_glaunti.core.glaunti import geometry_fields

    f, gradient = features, settings.param("glaunti_temp_gradient")
    columns = glacier_columns(
        f.outline, f.elevation, nodes, weather.ref_hgt, gradient, cells=weather.cells, reach=reach
    )
    fields = geometry_fields(f.outline, f.elevation, f.elevation_std, f.facies if model_name == "D" else None)
    rise = f.elevation - (f if fixed is None else fixed.features).elevation
    mean_rise = float(rise[f.glacier].mean(dtype=np.float64))
    points = None if exact else columns if fixed is None else fixed.columns
    rise = rise if exact else rise[columns.rows, columns.cols]
    return Place(f, weather, points, columns, fields, rise, mean_rise)
