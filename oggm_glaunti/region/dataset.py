"""Balances of many glaciers in one CF dataset (rgi_id, time), with sums and means over all of them."""

import calendar
import datetime
import importlib.metadata
import logging
from typing import NamedTuple

import numpy as np
import xarray as xr
from oggm import GlacierDirectory
from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti.coupling.oggm.balance_year import FIRST_MONTH, WINTER_MONTHS, begin_of_year, months_of_year
from oggm_glaunti.region.outputs import GlacierBalance

log = logging.getLogger(__name__)


class Variable(NamedTuple):
    """CF attributes of a variable."""

    units: str
    long_name: str
    cell_methods: str = "time: mean area: mean"
    standard_name: str = ""

    def attributes(self) -> dict[str, str]:
        """Return those that are set."""
        return {name: value for name, value in self._asdict().items() if value}


_OF_YEAR = "of the balance year, water equivalent"
_TOTAL = "time: mean area: sum"
_SEASON = "time: sum (comment: {} months only) area: mean"
BALANCE_VARIABLES = {
    "specific_mb": Variable(
        "m year-1",
        f"glacier-wide surface mass balance {_OF_YEAR}",
        standard_name="land_ice_surface_specific_mass_balance_rate",
    ),
    "winter_mb": Variable("m", "glacier-wide winter balance, water equivalent", _SEASON.format("winter")),
    "summer_mb": Variable("m", "glacier-wide summer balance, water equivalent", _SEASON.format("summer")),
    "accumulation": Variable("m year-1", f"glacier-wide solid precipitation {_OF_YEAR}"),
    "melt": Variable("m year-1", f"glacier-wide melt {_OF_YEAR}: accumulation minus balance"),
    "mb_total": Variable(
        "Gt year-1",
        "surface mass balance of the whole glacier",
        _TOTAL,
        "tendency_of_land_ice_mass_due_to_surface_mass_balance",
    ),
    "accumulation_total": Variable("Gt year-1", "solid precipitation on the whole glacier", _TOTAL),
    "melt_total": Variable("Gt year-1", "melt of the whole glacier", _TOTAL),
    "area": Variable("km2", "glacier area that the balance is for", ""),
    "volume": Variable("km3", "ice volume at the date of the area", ""),
    "ela": Variable("m", "equilibrium line altitude; missing where no height of the table is one", ""),
    "aar": Variable("1", "accumulation area ratio", ""),
}
ORIGIN = {
    "model": "model of the balance",
    "corrector": "use of the corrections: yearly, climatology or off",
    "climate_source": "daily weather",
}
_COUNTED = "over the region_count glaciers that have values in this year"
MEANS = {
    "specific_mb": ("m year-1", "surface mass balance of the balance year"),
    "winter_mb": ("m", "winter balance"),
    "summer_mb": ("m", "summer balance"),
    "accumulation": ("m year-1", "solid precipitation of the balance year"),
    "melt": ("m year-1", "melt of the balance year"),
}
SUMS = {
    "mb_total": ("Gt year-1", "surface mass balance"),
    "accumulation_total": ("Gt year-1", "solid precipitation"),
    "melt_total": ("Gt year-1", "melt"),
    "volume": ("km3", "ice volume"),
}
_MEAN = f"water equivalent, area-weighted mean {_COUNTED}"
REGION_SUMS = {
    "region_count": {"units": "1", "long_name": "number of glaciers with values in this year"},
    "region_area": {"units": "km2", "long_name": f"area, sum {_COUNTED}"},
    **{f"region_{n}": {"units": units, "long_name": f"{what}, {_MEAN}"} for n, (units, what) in MEANS.items()},
    **{f"region_{n}": {"units": units, "long_name": f"{what}, sum {_COUNTED}"} for n, (units, what) in SUMS.items()},
}


def region_dataset(
    gdirs: list[GlacierDirectory], balances: list[GlacierBalance | None], years: str, run_filesuffix: str | None = None
) -> xr.Dataset:
    """Put the balances of many glaciers into one dataset.

    Parameters
    ----------
    gdirs : list of GlacierDirectory
    balances : list of GlacierBalance or None
        Balance of each glacier; None for a glacier that failed
    years : {'mass_balance', 'calendar'}
        Type of the balance years
    run_filesuffix : str, optional
        Suffix of the run that provided the geometry

    Raises
    ------
    InvalidWorkflowError
        If all glaciers failed
    """
    found = [balance for balance in balances if balance is not None]
    if not found:
        first = f"{gdirs[0].rgi_id}: {gdirs[0].get_task_status('glacier_balance')}"
        raise InvalidWorkflowError(f"none of {len(gdirs)} glaciers has a balance. The first error is that of {first}")
    missing = [gdir.rgi_id for gdir, balance in zip(gdirs, balances, strict=True) if balance is None]
    if missing:
        names = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
        log.warning("%d of %d glaciers have no balance and are missing values: %s", len(missing), len(gdirs), names)
    all_years = np.arange(min(b.years[0] for b in found), max(b.years[-1] for b in found) + 1)
    ds = xr.Dataset(coords=_coordinates(gdirs, all_years, years))
    unknown = {"volume"} if run_filesuffix is None else set()
    unknown |= {"winter_mb", "summer_mb"} if years == "calendar" else set()
    for name, variable in BALANCE_VARIABLES.items():
        values = np.full((len(gdirs), all_years.size), np.nan)
        for row, balance in enumerate(balances):
            if balance is not None:
                values[row, balance.years - all_years[0]] = balance.fields[name]
        if name not in unknown:
            ds[name] = (("rgi_id", "time"), values, variable.attributes())
    for name, long_name in ORIGIN.items():
        origin = [balance.origin[name] if balance is not None else "" for balance in balances]
        ds[name] = ("rgi_id", np.array(origin, dtype=object), {"long_name": long_name})
    flag = {"flag_values": np.array([0, 1], np.int8), "flag_meanings": "missing compiled"}
    flag = {"long_name": "whether the glacier's balance could be computed", **flag}
    ds["compiled"] = ("rgi_id", np.array([b is not None for b in balances], np.int8), flag)
    for name, values in region_sums(ds).items():
        ds[name] = ("time", values, REGION_SUMS[name])
    return ds.assign_attrs(_head(years, gdirs[0].hemisphere, run_filesuffix))


def _coordinates(gdirs: list[GlacierDirectory], all_years: np.ndarray, years: str) -> dict[str, tuple]:
    begins = begin_of_year(all_years, FIRST_MONTH[gdirs[0].hemisphere] if years == "mass_balance" else 1)
    bounds = np.stack([begins, begins + 12], axis=1).astype("M8[s]")

    def column(name: str, dtype: type = float) -> np.ndarray:
        return np.array([getattr(gdir, name) for gdir in gdirs], dtype)

    ids = {"long_name": "RGI identifier", "cf_role": "timeseries_id"}
    lon = {"units": "degrees_east", "standard_name": "longitude", "long_name": "longitude of the glacier's centre"}
    lat = {"units": "degrees_north", "standard_name": "latitude", "long_name": "latitude of the glacier's centre"}
    last = {"standard_name": "time", "long_name": "last day of the balance year", "bounds": "time_bnds", "axis": "T"}
    year = {"units": "1", "long_name": "calendar year in which the balance year ends"}
    return {
        "rgi_id": ("rgi_id", column("rgi_id", object), ids),
        "time": ("time", bounds[:, 1] - np.timedelta64(1, "D"), last),
        "time_bnds": (("time", "bnds"), bounds),
        "year": ("time", all_years.astype(np.int32), year),
        "cenlon": ("rgi_id", column("cenlon"), lon),
        "cenlat": ("rgi_id", column("cenlat"), lat),
        "rgi_area": ("rgi_id", column("rgi_area_km2"), {"units": "km2", "long_name": "area in the inventory"}),
        "name": ("rgi_id", column("name", object), {"long_name": "name of the glacier"}),
    }


def _head(years: str, hemisphere: str, run_filesuffix: str | None) -> dict[str, str]:
    version = importlib.metadata.version
    months = [calendar.month_name[month] for month in months_of_year(hemisphere)]
    seasons = f"winter {months[0]} to {months[WINTER_MONTHS - 1]}, summer {months[WINTER_MONTHS]} to {months[-1]}"
    run = f"run of the ice dynamics with filesuffix '{run_filesuffix}', on 1 January of the year"
    return {
        "Conventions": "CF-1.8",
        "title": "GlaUnTI surface mass balance of a region's glaciers",
        "source": f"oggm-glaunti {version('oggm-glaunti')}, OGGM {version('oggm')}",
        "references": "Maslov et al. 2026, doi 10.5194/egusphere-2026-515; Maussion et al. 2019, "
        "doi 10.5194/gmd-12-909-2019",
        "history": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ} compile_glaunti_output",
        "balance_years": years,
        "seasons": seasons if years == "mass_balance" else "calendar years, without seasons",
        "geometry": "mapped outline and surface in all years" if run_filesuffix is None else run,
    }


def region_sums(ds: xr.Dataset) -> dict[str, np.ndarray]:
    """Compute sums and area-weighted means over the glaciers that have values, year by year.

    Parameters
    ----------
    ds : xarray.Dataset
        Dataset with `area` and any other variables of ``compile_glaunti_output``, (rgi_id, time)

    Returns
    -------
    dict of arrays (time,)
        Sums and means named as in :data:`REGION_SUMS`. A glacier without values in a year is left out of that year's
        numbers, and ``region_count`` is the number of the others. A glacier that has vanished counts, with zero area.
        If no area is left, means are NaN.

    Examples
    --------
    >>> area, smb = [[9.0], [1.0], [np.nan]], [[-1.0], [1.0], [np.nan]]
    >>> dims = ("rgi_id", "time")
    >>> sums = region_sums(xr.Dataset({"area": (dims, area), "specific_mb": (dims, smb)}))
    >>> sums["region_specific_mb"].tolist(), sums["region_count"].tolist()
    ([-0.8], [2])
    """
    area = ds["area"].transpose("rgi_id", "time").to_numpy()
    counted = np.isfinite(area)
    weights = np.where(counted, area, 0.0)
    total = weights.sum(axis=0)
    sums = {"region_count": counted.sum(axis=0, dtype=np.int32), "region_area": total}
    for name in (name for name in MEANS if name in ds):
        values = np.where(weights > 0, ds[name].transpose("rgi_id", "time").to_numpy(), 0.0)
        sums[f"region_{name}"] = np.divide(
            (weights * values).sum(axis=0), total, out=np.full(total.shape, np.nan), where=total > 0
        )
    for name in (name for name in SUMS if name in ds):
        sums[f"region_{name}"] = np.where(counted, ds[name].transpose("rgi_id", "time").to_numpy(), 0.0).sum(axis=0)
    return sums
