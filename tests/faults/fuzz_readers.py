"""The readers that are fuzzed: each with a good file, and what it makes of a file as values that can be compared."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tests.conftest import SHARED

GLACIER = SimpleNamespace(rgi_id="RGI60-11.00897", cenlon=10.76, cenlat=46.80, rgi_region="11", hemisphere="nh")
DAYS = np.arange("2015-01-01", "2017-01-01", dtype="M8[D]")
# Values by a name that does not change with their place in the file, or arrays by name.
Values = Counter | dict[str, np.ndarray]


class Reader(NamedTuple):
    """A reader under test.

    Attributes
    ----------
    make : callable
        writes a good file into a folder of its own and returns its path; None without the data that it needs
    read : callable
        what the reader finds in a file
    binary : bool
    sealed : bool
        whether the file holds a checksum, by which every changed number is noticed
    """

    make: Callable[[Path], Path | None]
    read: Callable[[Path], Values]
    binary: bool = False
    sealed: bool = False


def count_changed(before: Values, after: Values) -> int:
    """Numbers in `after` that `before` does not hold under the same name."""
    if isinstance(before, Counter):
        return (Counter(after) - before).total()
    if {name: values.shape for name, values in before.items()} != {
        name: values.shape for name, values in after.items()
    }:
        return sum(values.size for values in after.values())
    return sum(int(_unequal(before[name], after[name]).sum()) for name in before)


def _unequal(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return ~((one == other) | (np.isnan(one) & np.isnan(other)))


def count_values(values: Values) -> int:
    """How many numbers there are."""
    return values.total() if isinstance(values, Counter) else sum(array.size for array in values.values())


# --- weather ----------------------------------------------------------------------------------------------------------


def _weather() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    season = -np.cos(2 * np.pi * (np.arange(DAYS.size) - 20) / 365.25)
    temp = np.round(-4.0 + 8.0 * season + rng.normal(0.0, 2.5, DAYS.size), 2)
    return temp, np.round(rng.exponential(0.008, DAYS.size) * (rng.random(DAYS.size) < 0.45) * 1e3, 2)


def _write_weather_csv(folder: Path) -> Path:
    temp, prcp = _weather()
    path = folder / "weather.csv"
    pd.DataFrame({"date": DAYS, "temp": temp, "prcp": prcp}).to_csv(path, index=False)
    return path


def _write_weather_nc(folder: Path, form: str) -> Path:
    import xarray as xr

    temp, prcp = _weather()
    variables = {"temp": ("time", temp, {"units": "degC"}), "prcp": ("time", prcp, {"units": "mm day-1"})}
    path = folder / "weather.nc"
    time = {"units": "days since 2000-01-01", "dtype": "f8"}
    with xr.Dataset(variables, {"time": DAYS.astype("M8[ns]")}, {"ref_hgt": 2900.0}) as ds:
        ds.to_netcdf(path, format=form, encoding={"time": time})
    return path


def _of_series(series: Any) -> Counter:
    days = [str(day) for day in series.time]
    names = ("temp", "prcp")
    found = Counter(
        (name, day, round(float(value), 6))
        for name in names
        for day, value in zip(days, getattr(series, name), strict=True)
    )
    return found + Counter({("ref_hgt", "", series.ref_hgt): 1})


def _read_weather(path: Path, source: str = "custom", **given: Any) -> Counter:
    from oggm_glaunti.coupling.weather.plausibility import require_plausible
    from oggm_glaunti.coupling.weather.task import SOURCES

    series = SOURCES[source](GLACIER, (None, None), path=path, **given)
    require_plausible(GLACIER.rgi_id, series)
    return _of_series(series)


def _write_era5(folder: Path) -> Path:
    import xarray as xr

    temp, prcp = _weather()
    lat, lon = np.array([46.9, 46.8, 46.7]), np.array([10.6, 10.7, 10.8])
    dims, ones = ("time", "latitude", "longitude"), np.ones((1, 3, 3))
    variables = {
        "temperature_2m": (dims, temp[:, None, None] * ones + 273.15, {"units": "K"}),
        "total_precipitation_sum": (dims, prcp[:, None, None] * ones * 1e-3, {"units": "m"}),
        "z": (dims[1:], 2900 * 9.80665 * ones[0], {"units": "m**2 s**-2"}),
    }
    path = folder / "era5_land.nc"
    with xr.Dataset(variables, {"time": DAYS.astype("M8[ns]"), "latitude": lat, "longitude": lon}) as ds:
        packed = {name: {"zlib": True} for name in variables}
        ds.to_netcdf(path, encoding=packed | {"time": {"units": "days since 2000-01-01", "dtype": "f8"}})
    return path


def _write_gridded(folder: Path) -> Path:
    import xarray as xr

    temp, prcp = _weather()
    lat, lon = np.array([46.9, 46.8, 46.7]), np.array([10.6, 10.7, 10.8])
    dims, ones = ("time", "lat", "lon"), np.ones((1, 3, 3))
    variables = {
        "temp": (dims, temp[:, None, None] * ones, {"units": "degC"}),
        "prcp": (dims, prcp[:, None, None] * ones, {"units": "mm day-1"}),
        "hgt": (dims[1:], 2900 * ones[0], {"units": "m"}),
    }
    path = folder / "grid.nc"
    with xr.Dataset(variables, {"time": DAYS.astype("M8[ns]"), "lat": lat, "lon": lon}) as ds:
        ds.to_netcdf(path, encoding={"time": {"units": "days since 2000-01-01", "dtype": "f8"}})
    return path


def _read_gridded(path: Path) -> dict[str, np.ndarray]:
    from oggm_glaunti.coupling.gridded.weather_file import WeatherFile, Window

    file = WeatherFile(path, GLACIER.rgi_id)
    whole = Window(slice(0, file.y.size), slice(0, file.x.size))
    temp, prcp = file.read(slice(0, file.time.size), whole)
    file.require_values(temp[:, 0, 0], prcp[:, 0, 0])
    time = file.time.astype(float)
    return {"temp": temp, "prcp": prcp, "hgt": file.heights(whole), "y": file.y, "x": file.x, "time": time}


# --- files of a glacier directory -------------------------------------------------------------------------------------


@cache
def _directory(folder: Path) -> Any:
    """A glacier directory with weather, features and parameters."""
    from oggm_glaunti.coupling.model.params import write_params
    from oggm_glaunti.coupling.oggm.offline import start_offline
    from tests.region.synthetic import make_directories

    start_offline(folder, {"use_multiprocessing": False, "border": 20}, logging_level="CRITICAL")
    (gdir,) = make_directories(1, folder / "per_glacier", years=2)
    write_params(gdir, {"melt_f": 5.5, "prcp_fac": 1.25, "temp_bias": 0.5, "bias": 0.0, "model": "A"})
    return gdir


def _in_directory(name: str, suffix: str, read: Callable[[Any], Values], sealed: bool, binary: bool = True) -> Reader:
    """A file of a glacier directory, read where it belongs."""
    home: dict[str, Any] = {}

    def make(folder: Path) -> Path:
        gdir = home["gdir"] = _directory(folder.parent / "directory")
        original = Path(gdir.get_filepath(name, filesuffix=suffix))
        shutil.copy(original, folder / original.name)
        home["path"] = original
        return folder / original.name

    def read_there(path: Path) -> Values:
        good = home["path"].read_bytes()
        try:
            home["path"].unlink()
            shutil.copy(path, home["path"])
            return read(home["gdir"])
        finally:
            home["path"].unlink()
            home["path"].write_bytes(good)

    return Reader(make, read_there, binary, sealed)


def _features_of(gdir: Any) -> dict[str, np.ndarray]:
    from oggm_glaunti.coupling.ground.features_file import read_features

    features = read_features(gdir)
    names = ("outline", "elevation", "elevation_std", "x", "y")
    return {name: np.asarray(getattr(features, name), float) for name in names}


def _climate_of(gdir: Any) -> Counter:
    from oggm_glaunti.coupling.weather.file import read_daily_climate

    return _of_series(read_daily_climate(gdir))


def _params_of(gdir: Any) -> Counter:
    from oggm_glaunti.coupling.model.params import read_params

    return Counter((name, repr(value)) for name, value in read_params(gdir).items())


# --- weights, archives ------------------------------------------------------------------------------------------------


def _write_weights(folder: Path) -> Path:
    from oggm_glaunti import shop

    return Path(shop.save_model(shop.load_model("A"), folder / "a.eqx", "none"))


def _read_weights(path: Path) -> dict[str, np.ndarray]:
    from oggm_glaunti import shop
    from oggm_glaunti.core.weights import leaves_of

    leaves = leaves_of(shop.load("A", path).model)
    return {str(k): np.asarray(leaf, float) for k, leaf in enumerate(leaves)}


def _write_npz(folder: Path) -> Path:
    path = folder / "reference.npz"
    rng = np.random.default_rng(0)
    np.savez_compressed(path, **{f"in_{k}": rng.normal(size=200).astype(np.float32) for k in range(4)})
    return path


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    from oggm_glaunti.verification.files import read_arrays

    return {name: np.asarray(array, float) for name, array in read_arrays(path).items()}


# --- observations -----------------------------------------------------------------------------------------------------

PLAIN = (
    "glacier,begin,end,height,season,value,sigma\n"
    + "".join(
        f"RGI60-11.00897,{year - 1}-10-0{1 + k},{year}-09-2{k},{2500 + 57 * k},annual,{-3.1 + 0.43 * k:.2f},0.2\n"
        for year in range(2005, 2017)
        for k in range(5)
    )
).encode()


def _of_read(read: Any) -> Counter:
    columns = ("glacier", "begin", "end", "value")
    table = read.observations[list(columns)].astype(object)
    return Counter(tuple(str(cell) for cell in row) for row in table.itertuples(index=False))


def _text(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _head_of(source: str, rows: int = 80) -> Callable[[Path], Path | None]:
    """The first rows of a real file."""

    def make(folder: Path) -> Path | None:
        if SHARED is None:
            return None
        path = folder / Path(source).name
        path.write_bytes(b"\n".join((SHARED / "data" / source).read_bytes().split(b"\n")[: rows + 1]) + b"\n")
        return path

    return make


def _observations(reader: str, make: Callable[[Path], Path | None], **kwargs: Any) -> Reader:
    def read(path: Path) -> Counter:
        from oggm_glaunti.fit import readers

        return _of_read(getattr(readers, reader)(path, **kwargs))

    return Reader(make, read)


def _wgms(name: str) -> Callable[[Path], Path]:
    from tests.fit.readers.test_wgms import NEW, NEW_ROWS, OLD, OLD_ROWS

    return _text(name, ((OLD + OLD_ROWS) if name.isupper() else (NEW + NEW_ROWS)).encode())


def all_readers() -> dict[str, Reader]:
    """Readers by name."""
    units = {"temp_units": "degC", "prcp_units": "mm/day"}
    return {
        "weather_csv": Reader(_write_weather_csv, lambda path: _read_weather(path, **units, ref_hgt=2900.0)),
        "weather_nc4": Reader(lambda folder: _write_weather_nc(folder, "NETCDF4"), _read_weather, True),
        "weather_nc3": Reader(lambda folder: _write_weather_nc(folder, "NETCDF3_64BIT"), _read_weather, True),
        "era5_land": Reader(_write_era5, lambda path: _read_weather(path, "era5_land"), True),
        "gridded": Reader(_write_gridded, _read_gridded, True),
        "daily_climate": _in_directory("climate_historical", "_daily", _climate_of, sealed=True),
        "features": _in_directory("glaunti_features", "", _features_of, sealed=True),
        "params": _in_directory("glaunti_params", "", _params_of, sealed=False),
        "weights": Reader(_write_weights, _read_weights, True, sealed=True),
        "npz": Reader(_write_npz, _read_npz, True, sealed=True),
        "plain_csv": _observations("read_csv", _text("stakes.csv", PLAIN)),
        "wgms_points_old": _observations("read_fog_points", _wgms("MASS_BALANCE_POINT.CSV")),
        "wgms_points_new": _observations("read_fog_points", _wgms("mass_balance_point.csv")),
        "glamos": _observations("read_glamos", _head_of("glamos_massbalance/massbalance_observation.csv")),
        "nve_stakes": _observations("read_nve_stakes", _head_of("norway_stakes/stake_mb_norway_2023-08-28.csv")),
        "nve_glaciers": _observations(
            "read_nve_glacier_wide", _head_of("norway_stakes/massbalance_glacierwide_norway.csv")
        ),
        "mbm": _observations("read_mass_balance_machine", _head_of("alaska_stakes/01_Alaska.csv")),
    }
