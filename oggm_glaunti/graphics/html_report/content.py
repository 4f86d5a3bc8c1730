"""What a report shows, as arrays and words: nothing of how it is drawn."""

from __future__ import annotations

import importlib.metadata
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.core.units import NORMAL_90
from oggm_glaunti.coupling.weather.plausibility import implausible_balances
from oggm_glaunti.graphics.html_report.folder import Beside, GlacierFiles, Profile
from oggm_glaunti.graphics.region import SHADED
from oggm_glaunti.graphics.style import round_limit

if TYPE_CHECKING:
    import xarray as xr

BALANCES = ("specific_mb", "winter_mb", "summer_mb")
SERIES = (*BALANCES, "ela", "aar", "volume", "area")
REGION = (*BALANCES, "volume", "area", "count")
WORDS = {
    "specific_mb": "annual balance",
    "winter_mb": "winter balance",
    "summer_mb": "summer balance",
    "ela": "equilibrium line altitude",
    "aar": "accumulation area ratio",
    "volume": "ice volume",
    "area": "area",
    "count": "number of glaciers",
}
COLOURED = 0.98  # quantile of the absolute annual balances at which the colours of the map end


class Content(NamedTuple):
    """What a report shows.

    Attributes
    ----------
    title : str
    ids, names : list of str (N,)
    lon, lat, area : arrays (N,)
        of the inventory; degrees, degrees, km2
    years : int array (Y,)
    of_seasons : bool
        whether years are mass-balance years
    series : dict of arrays (N, Y)
        by name, those of :data:`SERIES` that there are
    bands : dict of pairs of arrays (N, Y)
        lower and upper end of 90 % intervals
    means : dict of arrays (N,)
        means over the years that the region has, of glaciers with values in all of them
    region : dict of arrays (Y,)
        those of :data:`REGION` that there are
    spread : pair of arrays (Y,)
        annual balance that a tenth of the glaciers is below, or above
    limit : float
        end of the colours of the map, m w.e. a year
    outlines : dict
        by row, degrees
    profiles : dict of Profile
        by row
    warnings : list of tuples of str (N,)
    missing : list of str
        what the report lacks, in sentences
    about : list of pairs of str
        what made it
    options : str
    """

    title: str
    ids: list[str]
    names: list[str]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    area: NDArray[np.float64]
    years: NDArray[np.int64]
    of_seasons: bool
    series: dict[str, NDArray[np.float64]]
    bands: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    means: dict[str, NDArray[np.float64]]
    region: dict[str, NDArray[np.float64]]
    spread: tuple[NDArray[np.float64], NDArray[np.float64]]
    limit: float
    outlines: dict[int, Any]
    profiles: dict[int, Profile]
    warnings: list[tuple[str, ...]]
    missing: list[str]
    about: list[tuple[str, str]]
    options: str


def content_of(ds: xr.Dataset, beside: Beside, outlines: dict[str, Any], title: str | None = None) -> Content:
    """Gather what a report shows.

    Parameters
    ----------
    ds : xarray.Dataset
        checked, see :mod:`oggm_glaunti.graphics.html_report.dataset`
    beside : Beside
    outlines : dict
        by id, in degrees; those of `beside` are taken for the others
    title : str, optional
    """
    compiled = [str(rgi_id) for rgi_id in ds["rgi_id"].to_numpy()]
    ids = compiled + [rgi_id for rgi_id in beside.failures if rgi_id not in compiled]
    files = [beside.glaciers.get(rgi_id, GlacierFiles()) for rgi_id in ids]
    shapes = {row: outlines.get(rgi_id, files[row].outline) for row, rgi_id in enumerate(ids)}
    shapes = {row: shape for row, shape in shapes.items() if shape is not None and not shape.is_empty}
    series = {name: _rows(_of_years(ds, name), len(ids)) for name in SERIES if _has(ds, name)}
    bands = {name: band for name in BALANCES if (band := _band(ds, name, len(ids))) is not None}
    balance = series["specific_mb"]
    lon, lat, area = (_rows(ds[name].to_numpy(), len(ids)) for name in ("cenlon", "cenlat", "rgi_area"))
    for row, shape in shapes.items():
        if not np.isfinite(lon[row]):
            lon[row], lat[row] = shape.representative_point().coords[0]
    names = [str(name).strip() for name in ds["name"].to_numpy()] if "name" in ds.variables else [""] * len(compiled)
    region = {name: ds[f"region_{name}"].to_numpy().astype(float) for name in REGION if f"region_{name}" in ds}
    years = ds["year"].to_numpy().astype(int)
    known = np.asarray(np.isfinite(balance).any(axis=0))
    known_balances = np.abs(balance[np.isfinite(balance)])
    profiles = {row: found.profile for row, found in enumerate(files) if found.profile is not None}
    return Content(
        title=title or ds.attrs.get("title", "Surface mass balance"),
        ids=ids,
        names=names + [""] * (len(ids) - len(compiled)),
        lon=lon,
        lat=lat,
        area=area,
        years=years,
        of_seasons=ds.attrs.get("balance_years") != "calendar",
        series=series,
        bands=bands,
        # Of all years, as in plot_region_map: a mean of fewer years is one of other weather.
        means={name: values[:, known].mean(axis=1) for name, values in series.items()},
        region=region,
        spread=_spread(balance),
        limit=round_limit(float(np.quantile(known_balances, COLOURED))),
        outlines=shapes,
        profiles=profiles,
        warnings=[*_warnings(ds, beside, ids, files, balance, years, known)],
        missing=[*_missing(ds, ids, shapes, profiles, series, bands, region)],
        about=[*_about(ds, beside)],
        options=beside.options,
    )


def _has(ds: xr.Dataset, name: str) -> bool:
    return name in ds and set(ds[name].dims) == {"rgi_id", "time"} and bool(np.isfinite(ds[name]).any())


def _of_years(ds: xr.Dataset, name: str) -> NDArray[np.float64]:
    return ds[name].transpose("rgi_id", "time").to_numpy().astype(np.float64)


def _rows(values: NDArray[Any], n: int) -> NDArray[np.float64]:
    """Append rows without values up to `n`."""
    return np.concatenate([values, np.full((n - len(values), *values.shape[1:]), np.nan)]).astype(np.float64)


def _band(ds: xr.Dataset, name: str, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    if _has(ds, f"{name}_low") and _has(ds, f"{name}_high"):
        return _rows(_of_years(ds, f"{name}_low"), n), _rows(_of_years(ds, f"{name}_high"), n)
    if _has(ds, name) and _has(ds, f"{name}_sd"):
        middle, half = _of_years(ds, name), NORMAL_90 * _of_years(ds, f"{name}_sd")
        return _rows(middle - half, n), _rows(middle + half, n)
    return None


def _spread(balance: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.full((2, balance.shape[1]), np.nan)
    known = np.isfinite(balance).any(axis=0)
    low[known], high[known] = np.nanquantile(balance[:, known], SHADED, axis=0)
    return low, high


def _warnings(
    ds: xr.Dataset,
    beside: Beside,
    ids: list[str],
    files: list[GlacierFiles],
    balance: NDArray[np.float64],
    years: NDArray[np.int64],
    known: NDArray[np.bool_],
) -> Iterator[tuple[str, ...]]:
    """Yield the warnings of each glacier."""
    implausible = implausible_balances(dict(zip(ids, balance, strict=True)))
    ended = _rows(_of_years(ds, "area"), len(ids)) == 0 if _has(ds, "area") else np.zeros(balance.shape, bool)
    for row, rgi_id in enumerate(ids):
        found, without = [], known & ~np.isfinite(balance[row])
        if rgi_id in beside.failures:
            found.append(f"failed in the run, {beside.failures[rgi_id]}")
        elif without[known].all():
            found.append("no balance could be computed; log.txt in its directory says why")
        elif ended[row].any():
            found.append(f"no ice left from {years[ended[row]][0]} on")
        elif without.any():
            found.append(f"no balance in {_years_in_words(years[without])}; not in the means of all years")
        if rgi_id in beside.glaciers and rgi_id not in beside.failures and files[row].calibration is None:
            found.append("not calibrated: the published parameters")
        if rgi_id in implausible:
            found.append(f"implausible balance: {implausible[rgi_id]}; check its weather and parameters")
        yield (*found, *files[row].warnings)


def _years_in_words(years: NDArray[np.int64]) -> str:
    """Return a list of years, as ranges.

    Examples
    --------
    >>> _years_in_words(np.array([2001, 2003, 2004, 2005]))
    '2001, 2003-2005'
    """
    runs = np.split(years, np.flatnonzero(np.diff(years) > 1) + 1)
    return ", ".join(f"{run[0]}-{run[-1]}" if run.size > 1 else str(run[0]) for run in runs)


def _missing(
    ds: xr.Dataset,
    ids: list[str],
    outlines: dict[int, Any],
    profiles: dict[int, Profile],
    series: dict[str, Any],
    bands: dict[str, Any],
    region: dict[str, Any],
) -> Iterator[str]:
    """Yield what the report lacks."""
    for what, n in (("outline, but a disc on the map", len(outlines)), ("profile by height", len(profiles))):
        lack = len(ids) - n
        if lack:
            yield f"{lack} of {len(ids)} glaciers {'has' if lack == 1 else 'have'} no {what}."
    absent = [WORDS[name] for name in SERIES if name not in series]
    if absent:
        yield f"The dataset has no {', '.join(absent)}."
    if not bands:
        yield "The dataset has no errors of the balances: no bands."
    absent = [WORDS[name] for name in REGION if name in {*series, "count"} and name not in region]
    if absent:
        yield f"The dataset has no regional {', '.join(absent)}."


def _about(ds: xr.Dataset, beside: Beside) -> Iterator[tuple[str, str]]:
    """Yield what made the report, name and value."""
    version = importlib.metadata.version
    for name in ("source", "history", "balance_years", "seasons", "geometry", "references"):
        if name in ds.attrs:
            yield name.replace("_", " "), str(ds.attrs[name])
    for name, words in (("model", "model"), ("corrector", "corrections"), ("climate_source", "daily weather")):
        if name in ds:
            counted = Counter(str(value) for value in ds[name].to_numpy() if str(value))
            yield words, _counted(counted)
    of_table = Counter(files.weights for files in beside.glaciers.values() if files.weights)
    if of_table:
        yield "SHA-256 of the weights", _counted(of_table)
    if beside.glaciers:
        compiled = {str(rgi_id) for rgi_id in ds["rgi_id"].to_numpy()}
        of_dataset = {rgi_id: files for rgi_id, files in beside.glaciers.items() if rgi_id in compiled}
        found = Counter(_calibration(files.calibration) for files in of_dataset.values())
        yield "calibration", _counted(found)
    others = sorted(set(ds.attrs) - {"source", "history", "balance_years", "seasons", "geometry", "references"})
    for name in others:
        if name not in ("Conventions", "title"):
            yield name.replace("_", " "), str(ds.attrs[name])
    yield "this report", f"oggm-glaunti {version('oggm-glaunti')}, Bokeh {version('bokeh')}"


def _counted(found: Counter[str]) -> str:
    """Return values, with numbers of glaciers where there are several."""
    if len(found) < 2:
        return "".join(found)
    first = [f"{value} ({n})" for value, n in found.most_common(5)]
    return "; ".join([*first, *([f"{len(found) - 5} more"] if len(found) > 5 else [])])


def _calibration(params: dict[str, Any] | None) -> str:
    if params is None:
        return "none: the published parameters"
    if params.get("fit"):
        return "fitted to observations"
    reference, period = params.get("reference_mb"), params.get("reference_period")
    if not isinstance(reference, int | float):
        return "calibrated"
    return f"{reference:g} kg m-2 yr-1" + (f" of {period}" if period else "")
