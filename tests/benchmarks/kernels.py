"""Cases of the numerics: a year of models A and C, gradients, tables, years with carried snow."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from tests.benchmarks import plain, synthetic
from tests.benchmarks.runner import Case, Subject

TINY = 24  # cells a side in quick runs


def subjects():
    """The package's side; imported on use, so that the list of cases is cheap."""
    from tests.benchmarks import subjects

    return subjects


def map_error(reference: Callable[[], Any], outline: np.ndarray) -> Callable[[Any], str]:
    """Largest error on the glacier and of its mean; results are maps (..., H, W) or cells (..., P)."""
    inside = outline > 0.5

    def cells(values: Any) -> np.ndarray:
        values = np.asarray(values, np.float64)
        return values[..., inside] if values.shape[-2:] == outline.shape else values

    def error(result: Any) -> str:
        misfit = cells(result) - cells(reference())
        rms = np.sqrt(np.mean(misfit**2))
        return f"{np.abs(misfit).max():.1e} m (rms {rms:.0e}, mean {np.abs(misfit.mean(-1)).max():.0e})"

    return error


def gradient_error(reference: Callable[[], Any]) -> Callable[[Any], str]:
    """Relative error of the value, of the gradient as a whole, and of its worst leaf."""

    def error(result: Any) -> str:
        (value, gradient), (true_value, true) = result, reference()
        pairs = [
            (np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel())
            for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(true), strict=True)
        ]
        whole = _relative(*(np.concatenate(part) for part in zip(*pairs, strict=True)))
        worst = max(_relative(a, b) for a, b in pairs)
        value = abs(float(value) / float(true_value) - 1.0)
        return f"value {value:.0e}, gradient {whole:.1e}, its worst leaf {worst:.1e}"

    return error


def _relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def plain_a(g: synthetic.Glacier) -> Callable[[], Any]:
    """Balance (H, W)."""
    arguments = synthetic.leaves("A"), g.swe, g.temp, g.prcp, g.offset, (g.weights,)
    return lambda: plain.station_a(*arguments)[1]


def plain_c(g: synthetic.Glacier) -> Callable[[], Any]:
    """Balance (H, W)."""
    arguments = synthetic.leaves("C"), g.swe, g.temp, g.prcp, g.offset, (g.weights,), g.fields, g.climate
    return lambda: plain.station_c(*arguments)[1]


def model_a(side: int) -> Callable[[bool], list[Subject]]:
    """Model A: masked and on heights."""

    def make(quick: bool) -> list[Subject]:
        s, g = subjects(), synthetic.glacier(TINY if quick else side)
        error = map_error(functools.cache(s.a_exact(g)), g.outline)
        needed = (8.0, 100.0) if side == 200 else (None, None)
        return [
            Subject("plain", plain_a(g), error),
            Subject("glacier cells", s.a_masked(g), error, needed[0]),
            Subject("on heights", s.a_on_heights(g), error, needed[1]),
        ]

    return make


def model_c(side: int) -> Callable[[bool], list[Subject]]:
    """Model C forward."""

    def make(quick: bool) -> list[Subject]:
        s, g = subjects(), synthetic.glacier(TINY if quick else side)
        error = map_error(functools.cache(s.c_exact(g)), g.outline)
        needed = {200: 12.0, 500: 10.0}.get(side)
        fast = Subject("fast", s.c_fast(g), error, needed, memory_limit=1000.0 if side == 500 else None)
        return [Subject("plain", plain_c(g), error), Subject("exact", s.c_exact(g)), fast]

    return make


def gridded_c(quick: bool) -> list[Subject]:
    """Model C, weather given for each cell."""
    s, g = subjects(), synthetic.glacier(TINY if quick else 200)
    temp, prcp = synthetic.gridded_weather(g)
    arguments = synthetic.leaves("C"), g.swe, temp, prcp, (g.weights,), g.fields, g.climate
    work = lambda: plain.gridded_c(*arguments)[1]
    error = map_error(functools.cache(work), g.outline)
    return [Subject("plain", work), Subject("fast", s.c_gridded(g, temp, prcp), error, 2.5)]


def in_double(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[[], Any]:
    """The same in double precision; computed once."""
    from tests.core.worlds import x64

    def run() -> Any:
        with x64():
            return jax.block_until_ready(function(*jax.tree.map(lambda a: np.asarray(a, np.float64), arguments)))

    return functools.cache(run)


def gradient_a(quick: bool) -> list[Subject]:
    """Value and gradient of the glacier-mean balance of model A."""
    s, g = subjects(), synthetic.glacier(TINY if quick else 200)
    arguments = synthetic.leaves("A"), g.swe, g.temp, g.prcp, g.offset, (g.weights,), g.outline
    error = gradient_error(in_double(plain.gradient_a, arguments))
    steps = (10.0, 5.0, 2.5)
    fast = [Subject(f"on heights, {step:g} m apart", s.a_gradient(g, step), error, 30.0) for step in steps]
    return [Subject("plain, reverse mode", lambda: plain.gradient_a(*arguments), error), *fast]


def gradient_c(quick: bool) -> list[Subject]:
    """Value and gradient of a misfit of model C with respect to the network."""
    s, g = subjects(), synthetic.glacier(TINY if quick else 200)
    leaves, observed = synthetic.leaves("C"), (0.004 * (g.elevation - 2900.0)).astype(np.float32)
    n, weather = len(plain.TI_NAMES), (g.swe, g.temp, g.prcp, g.offset, (g.weights,), g.fields, g.climate)
    arguments = leaves[:-n], leaves[-n:], *weather, g.outline, observed
    work = lambda: plain.gradient_c(*arguments)
    # Compiling it once more in double precision takes long: quick runs do without.
    error = gradient_error(functools.cache(work) if quick else in_double(plain.gradient_c, arguments))
    return [Subject("plain, reverse mode", work, error), Subject("fast", s.c_gradient(g, observed), error, 8.0)]


def plain_table(climate: Any, heights: np.ndarray) -> Callable[[], Any]:
    """Monthly balance (month, N) of model A."""
    offset = (synthetic.GRADIENT * (heights - climate.ref_hgt)).astype(np.float32)
    months = climate.time.astype("datetime64[M]").astype(int)
    month = months - months[0]
    n = int(month[-1]) + 1
    return lambda: plain.table(synthetic.leaves("A"), climate.temp, climate.prcp, offset, month, n_months=n)


def table(quick: bool) -> list[Subject]:
    """The height-year table of model A."""
    s = subjects()
    climate, heights = s.daily_climate(2 if quick else 40), 1600.0 + 10.0 * np.arange(8 if quick else 200)
    work = plain_table(climate, heights)
    error = lambda result: f"{np.abs(np.asarray(result) - np.asarray(work())).max():.1e} m a month, against plain"
    return [Subject("plain", work), Subject("table rebuilt", s.table_of(climate, heights), error, limit=0.040)]


def corrected_table(quick: bool) -> list[Subject]:
    """Corrections of 40 years and the table, on Hintereisferner's grid."""
    s, years = subjects(), real_years(2)
    climate, heights = s.daily_climate(2 if quick else 40), 1600.0 + 10.0 * np.arange(8 if quick else 200)
    weather = mass_balance_years(climate.time, climate.temp, climate.prcp)
    offset = (synthetic.GRADIENT * (years.elevation - climate.ref_hgt)).astype(np.float32)
    inside = float(offset[years.outline > 0.5].mean())
    monthly = [plain.monthly_climate(time, temp + inside, prcp) for time, temp, prcp in weather]
    years = years._replace(offset=offset, weather=weather, climate=monthly)
    features = features_on_grid(years.outline, years.elevation, years.elevation_std)
    return [
        Subject("plain, balances only", plain_years(years)),
        Subject("corrections and table", s.corrected_table_of(climate, features, heights), limit=0.8),
    ]


def features_on_grid(outline: np.ndarray, elevation: np.ndarray, elevation_std: float) -> Any:
    """The grid as the package holds it."""
    from oggm_glaunti.coupling.ground.features import Features

    h, w = outline.shape
    x, y = 630_050.0 + 100.0 * np.arange(w), 5_190_050.0 - 100.0 * np.arange(h)
    return Features(outline, elevation, np.full((h, w), elevation_std), None, x, y, "EPSG:32632")


def mass_balance_years(time: np.ndarray, temp: np.ndarray, prcp: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """All full years from 1 October to 30 September: days, temperature, precipitation."""
    first, last = (int(str(day)[:4]) for day in time[[0, -1]])
    found = []
    for year in range(first + 1, last + 1):
        begin, end = np.datetime64(f"{year - 1}-10-01"), np.datetime64(f"{year}-10-01")
        if time[0] <= begin and end <= time[-1] + 1:
            rows = slice(*(int((day - time[0]).astype(int)) for day in (begin, end)))
            found.append((time[rows], temp[rows], prcp[rows]))
    return found


def real_years(n: int) -> Any:
    """The first `n` years of ``hef_real.npz``: Hintereisferner on 100 m, station weather."""
    from tests.conftest import SHARED

    if SHARED is None:
        raise FileNotFoundError("no shared data: set OGGM_GLAUNTI_SHARED to their folder")
    with np.load(SHARED / "reference" / "hef_real.npz") as npz:
        data = {name: npz[name] for name in npz.files}
    gradient, ref_hgt = float(data["lapse_rate"]), float(data["ref_hgt"])
    outline, elevation = (data[name].astype(np.float32) for name in ("outlines", "elevation"))
    offset = (gradient * (elevation.astype(np.float64) - ref_hgt)).astype(np.float32)
    dates = data["forcing_dates"].astype("datetime64[D]")
    weather = mass_balance_years(dates, *(data[k].astype(np.float32) for k in ("forcing_temp", "forcing_prcp_m")))
    last_days = [int(str(days[-1])[:4]) for days, _, _ in weather]
    weather = [weather[last_days.index(year)] for year in data["years"][:n]]
    std = float(np.mean(data["elevation_std"]))
    swe = np.full(outline.shape, data["initial_swe"], np.float32)
    fields = plain.geometry(outline, elevation, std)
    years = (
        outline,
        elevation,
        offset,
        std,
        ref_hgt,
        gradient,
        swe,
        weather,
        list(data["climate_monthly"][:n]),
        fields,
    )
    return subjects().Years(*years)


def plain_years(years: Any) -> Callable[[], Any]:
    """Balances (Y, H, W) of model C, snow carried."""

    def run() -> Any:
        swe, maps = years.swe, []
        for (_, temp, prcp), climate in zip(years.weather, years.climate, strict=True):
            weights = (plain.season_weights(temp.size),)
            leaves = synthetic.leaves("C")
            swe, smb = plain.station_c(leaves, swe, temp, prcp, years.offset, weights, years.fields, climate)
            maps.append(smb)
        return jax.numpy.stack(maps)

    return run


def carried_snow(quick: bool) -> list[Subject]:
    """Ten years on Hintereisferner."""
    s, years = subjects(), real_years(2 if quick else 10)
    error = map_error(functools.cache(plain_years(years)), years.outline)
    return [
        Subject("plain", plain_years(years), _against_file(years)),
        Subject("exact", s.years_exact(years), error, 2.5),
        Subject("profile", s.years_profile(years), error, 8.0),
    ]


def _against_file(years: Any) -> Callable[[Any], str]:
    """Error of the baseline against the maps of the original implementation."""
    from tests.conftest import SHARED

    with np.load(SHARED / "reference" / "hef_real.npz") as npz:
        published = npz["smb_c"][: len(years.weather)]
    error = map_error(lambda: published, years.outline)
    return lambda result: f"{error(result)} against the original implementation"


CASES = [
    *(Case(f"a_{n}", f"Model A, a year on {n} x {n} cells", model_a(n)) for n in (100, 200)),
    Case("a_500", "Model A, a year on 500 x 500 cells", model_a(500), rounds=3),
    *(Case(f"c_{n}", f"Model C, a year on {n} x {n} cells", model_c(n)) for n in (100, 200)),
    Case("c_500", "Model C, a year on 500 x 500 cells", model_c(500), rounds=3),
    Case("gridded_c", "Model C, weather given for each of 200 x 200 cells", gridded_c, "Errors against the baseline."),
    Case(
        "gradient_a",
        "Value and gradient of model A, 200 x 200 cells",
        gradient_a,
        "Of the glacier-mean balance with respect to the nine numbers. Relative errors against the baseline in double "
        "precision; a leaf is one of the nine.",
    ),
    Case(
        "gradient_c",
        "Value and gradient of model C, 200 x 200 cells",
        gradient_c,
        "Of the mean squared misfit to a balance profile with respect to all 47 leaves of the network. Relative errors "
        "against the baseline in double precision.",
        rounds=5,
    ),
    Case("table", "A height table: 40 years, 200 heights", table),
    Case(
        "corrected_table",
        "Corrections of 40 years and the table, Hintereisferner's grid (68 x 90)",
        corrected_table,
        "The baseline computes the balances of the same years on the grid and no table.",
        rounds=2,
        needs_data=True,
    ),
    Case(
        "carried_snow",
        "Ten years of model C on Hintereisferner, snow carried",
        carried_snow,
        "The exact path and the profile (the on-glacier snow enters the uncorrected runs as a profile by height) "
        "against the baseline, largest error of any cell and year.",
        rounds=3,
        needs_data=True,
    ),
]
