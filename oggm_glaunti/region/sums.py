"""Sums and means over the glaciers of a region."""

import numpy as np
import xarray as xr

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
    >>> import xarray as xr
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
