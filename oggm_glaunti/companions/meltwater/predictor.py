"""GlaUnTI's daily melt of a glacier directory as water on the cells, at the hours of overpasses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from oggm_glaunti import settings
from oggm_glaunti.companions.meltwater.stack import Days, Floats
from oggm_glaunti.coupling.ground.features import read_features
from oggm_glaunti.coupling.ground.features_file import Features, read_cells_file, require_variables
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory
from oggm_glaunti.coupling.weather.file import read_daily_climate

if TYPE_CHECKING:
    from oggm_glaunti.companions.meltwater.water import WaterParameters

settings.register()

_EPOCH = np.datetime64("1801-01-01", "D")
TERMS = ("melt_snow", "melt_ice", "rain")


class MeltDays(NamedTuple):
    """Water of a glacier's cells, day by day.

    Attributes
    ----------
    time : datetime64[D] array (T,)
    morning, evening : float32 arrays (T, P)
        surface water at about 6 and 18 h local solar time, m w.e.
    melt, rain, refreeze, runoff : float32 arrays (T, P)
        of the day, m w.e.; ``runoff`` is melt + rain - refreeze less what the layer still holds
    features : Features
        grid, outline and elevation; the P cells are those of ``features.glacier``, in its order
    """

    time: Days
    morning: Floats
    evening: Floats
    melt: Floats
    rain: Floats
    refreeze: Floats
    runoff: Floats
    features: Features

    @property
    def elevation(self) -> Floats:
        """Height of the cells (P,), m."""
        return self.features.elevation[self.features.glacier]

    def on_grid(self, values: Floats) -> Floats:
        """Put values of the cells (..., P) on the map (..., H, W); NaN outside the glacier."""
        grid = np.full((*values.shape[:-1], *self.features.shape), np.nan, np.float32)
        grid[..., self.features.glacier] = values
        return grid


def melt_predictor(
    gdir: GlacierDirectory,
    start: str | np.datetime64 | None = None,
    end: str | np.datetime64 | None = None,
    *,
    parameters: WaterParameters | None = None,
    smb_filesuffix: str = "",
) -> MeltDays:
    """Return GlaUnTI's surface water on the cells of 100 m.

    Parameters
    ----------
    gdir : GlacierDirectory
        with a ``glaunti_smb.nc`` of ``glaunti_smb(gdir, daily=True)``
    start, end : dates, optional
        first and last day, both included; there is no water before the first, so let it lie in the cold season
    parameters : WaterParameters, optional
        of the surface layer, see :func:`~oggm_glaunti.companions.meltwater.water_fit.fit_water`
    smb_filesuffix : str
        suffix of ``glaunti_smb.nc``

    Returns
    -------
    MeltDays

    Raises
    ------
    InvalidWorkflowError, InvalidParamsError
        if there is no daily melt or no daily climate, or the file is of other weather or has none of the days
    """
    features, climate = read_features(gdir), read_daily_climate(gdir)
    glacier = features.glacier
    again = f"Run oggm_glaunti.tasks.glaunti_smb(gdir, daily=True, output_filesuffix={smb_filesuffix!r})"

    begin: Any = start
    finish: Any = end

    def read(nc):
        require_variables(nc, {*TERMS, "time"})
        if nc.weather_sha256 != climate.digest():
            raise ValueError(f"it was made with other weather ({nc.weather}) than the directory's daily climate")
        if nc[TERMS[0]].shape[1:] != features.shape:
            raise ValueError(f"its cells {nc[TERMS[0]].shape[1:]} are not those of the features {features.shape}")
        time = _EPOCH + np.asarray(nc["time"][:]).astype("timedelta64[D]")
        first, last = (time[k] if day is None else np.datetime64(day, "D") for k, day in ((0, begin), (-1, finish)))
        chosen = slice(*np.searchsorted(time, [first, last + np.timedelta64(1, "D")]))
        if not time[chosen].size:
            raise ValueError(f"it holds no day from {first} to {last}, but {time[0]} to {time[-1]}")
        values = {name: np.asarray(nc[name][chosen], np.float32)[:, glacier] for name in TERMS}
        return time[chosen], values, float(nc.temp_gradient), np.broadcast_to(np.atleast_1d(nc.temp_bias), 12)

    time, terms, gradient, bias = read_cells_file(gdir, "glaunti_smb", smb_filesuffix, again, read)
    of_climate = np.searchsorted(climate.time, time)
    months = time.astype("datetime64[M]").astype(int) % 12
    air = climate.temp[of_climate] + bias[months]
    elevation = features.elevation[glacier]
    temp = (air[:, None] + gradient * (elevation - climate.ref_hgt)[None]).astype(np.float32)
    # The smooth day melts a trace of negative snow now and then.
    melt = np.maximum(terms["melt_snow"] + terms["melt_ice"], 0.0)
    rain = np.maximum(terms["rain"], 0.0)
    from oggm_glaunti.companions.meltwater.water import OVERPASSES, WaterParameters, surface_water, water_at

    layer = parameters or WaterParameters()
    days = surface_water(melt, rain, temp, *layer)
    at = [np.asarray(water_at(hour, melt, rain, days, layer.k, layer.capacity)) for hour in OVERPASSES]
    return MeltDays(time, at[0], at[1], melt, rain, np.asarray(days.refreeze), np.asarray(days.runoff), features)
