"""``glaunti_meltwater.nc``: maps of water and runoff, dates of melt, melt area by height and the table of seasons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from oggm_glaunti.companions.meltwater.extent import Bands
from oggm_glaunti.companions.meltwater.predictor import MeltDays
from oggm_glaunti.companions.meltwater.scores import Dates
from oggm_glaunti.companions.meltwater.stack import Floats
from oggm_glaunti.coupling.ground.features_file import new_cells_file, write_coordinates

EPOCH = np.datetime64("1801-01-01", "D")
_UNITS = {
    "days": ("day", "days with water, mean over the glacier"),
    "largest_area": ("km2", "largest wet area"),
    "melt_line": ("m", "highest melt line"),
    "melt_volume": ("m3", "melt, water equivalent"),
    "runoff_volume": ("m3", "melt and rain less refreezing and storage, water equivalent"),
    "melt_below_line": ("1", "share of the melt below the observed wet line"),
}


def write_season(
    gdir: Any,
    days: MeltDays,
    table: pd.DataFrame,
    dates: list[Dates],
    bands: Bands,
    areas: Floats,
    lines: Floats,
    wet_above: float,
    filesuffix: str,
) -> None:
    """Write the file; it appears complete or not at all.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
    days : MeltDays
    table : DataFrame
        a row for each season
    dates : list of Dates
        onset, end and days of each season's cells (P,)
    bands : Bands
    areas, lines : arrays (T, B), (T,)
        wet area by band (km2) and melt line (m) of each day
    wet_above : float
        m w.e.
    filesuffix : str
    """
    about = {"wet_above": wet_above, "source": "GlaUnTI's daily melt through a surface layer, see docs/meltwater.md"}
    with new_cells_file(gdir, "glaunti_meltwater", filesuffix, "meltwater", about) as nc:
        write_coordinates(nc, days.features)
        time = days.time
        for name, size in (("time", time.size), ("season", len(table)), ("band", bands.lower.size)):
            nc.createDimension(name, size)
        variable = nc.createVariable("time", "i4", ("time",))
        variable.units, variable.calendar = "days since 1801-01-01 00:00:00", "standard"
        variable.standard_name = "time"
        variable[:] = (time - EPOCH).astype(int)
        nc.createVariable("season", "i4", ("season",))[:] = table.index.to_numpy()
        nc["season"].long_name, nc["season"].units = "year in which the season begins", "1"
        nc.createVariable("band", "f8", ("band",))[:] = bands.lower
        nc["band"].long_name, nc["band"].units = "lower end of the band of height", "m"

        def add(name: str, dims: tuple[str, ...], values: Any, units: str, long_name: str) -> None:
            chunks = (1, *days.features.shape) if dims[1:] == ("y", "x") else None
            fill = np.float32(np.nan)
            new = nc.createVariable(name, "f4", dims, zlib=True, complevel=1, chunksizes=chunks, fill_value=fill)
            new.units, new.long_name = units, long_name
            if dims[-1] == "x":
                new.grid_mapping = "crs"
            new[:] = values

        for name, values, long_name in (
            ("water_morning", days.morning, "surface water at about 6 h local solar time"),
            ("water_evening", days.evening, "surface water at about 18 h local solar time"),
            ("melt", days.melt, "melt of snow and ice of the day"),
            ("runoff", days.runoff, "runoff of the day: melt and rain less refreezing and storage"),
        ):
            add(name, ("time", "y", "x"), days.on_grid(values), "m", f"{long_name}, water equivalent")
        elevation = np.where(days.features.glacier, days.features.elevation, np.nan)
        add("elevation", ("y", "x"), elevation, "m", "surface elevation")
        add("melt_area", ("time", "band"), areas, "km2", "wet area by height")
        add("melt_line", ("time",), lines, "m", "height up to which half of every band and more is wet")
        for name in ("onset", "end"):
            first = np.array([f"{year}-01-01" for year in table.index], "datetime64[D]")
            since = [(getattr(d, name) - day).astype(float) for d, day in zip(dates, first, strict=True)]
            values = np.where(np.isnat([getattr(d, name) for d in dates]), np.nan, since)
            add(name, ("season", "y", "x"), days.on_grid(values), "day", f"{name} of melt, days since 1 January")
        add("wet_days", ("season", "y", "x"), days.on_grid(np.array([d.days for d in dates])), "day", "days with water")
        for name, (units, long_name) in _UNITS.items():
            label = f"season_{name}"
            add(label, ("season",), table[name].to_numpy(np.float32), units, long_name)
