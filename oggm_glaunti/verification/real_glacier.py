"""A real glacier: maps of models A and C over a run of mass-balance years, and their scores."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from oggm_glaunti.core.forcing import StationForcing, monthly_climate, pad_days
from oggm_glaunti.core.glaunti import Season, geometry_fields, run_year
from oggm_glaunti.core.run import run_ti, season_weights
from oggm_glaunti.fit.evaluation.scores import Scores, scores
from oggm_glaunti.verification.recipes import Outputs, Registry, Source
from oggm_glaunti.verification.report import NUMBER, Tolerance, VerificationError

recipe = Registry()


def year_weather(source: Source, year: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Days, temperature (degC at the reference height) and precipitation (m w.e. day-1), 1 Oct - 30 Sep.

    Raises
    ------
    VerificationError
        where days of the year are missing or out of order
    """
    dates = source["forcing_dates"].astype("datetime64[D]")
    wanted = np.arange(f"{year - 1}-10-01", f"{year}-10-01", dtype="datetime64[D]")
    inside = (dates >= wanted[0]) & (dates <= wanted[-1])
    if not np.array_equal(dates[inside], wanted):
        raise VerificationError(
            f"{source.path}: forcing_dates has {int(inside.sum())} days of {wanted[0]} to {wanted[-1]}, "
            f"expected {wanted.size} in order"
        )
    temp, prcp = (source.finite(name, dates.shape)[inside] for name in ("forcing_temp", "forcing_prcp_m"))
    return wanted, temp, prcp


@recipe(r"(?P<what>climate_monthly)", "monthly climate", NUMBER)
def real_climate(source: Source) -> Outputs:
    """Monthly climate over the outline, year by year."""
    inside = source["outlines"] > 0.5
    height = float(np.mean(source["elevation"][inside], dtype=np.float64))
    offset = float(source["lapse_rate"]) * (height - float(source["ref_hgt"]))
    weather = (year_weather(source, int(year)) for year in source["years"])
    return {"climate_monthly": np.stack([monthly_climate(days, temp + offset, prcp) for days, temp, prcp in weather])}


@jax.jit
def real_year(a, c, swe_a, swe_c, season, fields, climate) -> tuple[Any, Any, Outputs]:
    """Run a year of models A and C on every cell of the rectangle."""
    swe_a, smb_a, _ = run_ti(a.ti.resolve(), swe_a, season.forcing, season.weights)
    year = run_year(c, swe_c, (season,), fields, climate)
    maps = {"smb_a": smb_a, "swe_a": swe_a, "smb_c": year.smb[0], "swe_c": year.swe, "ds": year.ds}
    return swe_a, year.swe, maps


# Ten years with carried snow: the softplus of SWE alone drifts by 1.5e-5 m a year through float32 rounding.
@recipe(r"(?P<what>smb_[ac])", "balance", Tolerance(absolute=1e-4, unit=" m w.e."))
@recipe(r"(?P<what>swe_[ac])", "snow", Tolerance(absolute=3e-4, unit=" m w.e."))
@recipe(r"(?P<what>ds)", "corrections", Tolerance(absolute=1e-4))
def real_years(source: Source) -> Outputs:
    """All years in order, the snow carried from each to the next."""
    years = source["years"]
    if not np.array_equal(np.diff(years), np.ones(years.size - 1, years.dtype)):
        raise VerificationError(f"{source.path}: years {years.tolist()} are not consecutive, so snow cannot be carried")
    elevation = source.finite("elevation")
    std = np.broadcast_to(np.asarray(source["elevation_std"], elevation.dtype), elevation.shape)
    fields = geometry_fields(source.finite("outlines", elevation.shape), elevation, std)
    offset = (source["lapse_rate"] * (elevation.astype(np.float64) - source["ref_hgt"])).astype(np.float32)
    swe_a = swe_c = np.full(offset.shape, source["initial_swe"], np.float32)
    climates, maps = source.once(real_climate)["climate_monthly"], []
    for year, climate in zip(years, climates, strict=True):
        days, temp, prcp = year_weather(source, int(year))
        forcing = StationForcing(temp.astype(np.float32), prcp.astype(np.float32), offset)
        # One length of year, 366 days: one compiled program.
        season = Season(*pad_days(forcing, season_weights(days.size), 366))
        swe_a, swe_c, year_maps = real_year(source.model("A"), source.model("C"), swe_a, swe_c, season, fields, climate)
        maps.append(year_maps)
    return {name: np.stack([np.asarray(m[name]) for m in maps]) for name in maps[0]}


def scores_against_bands(
    smb_a: np.ndarray,
    smb_c: np.ndarray,
    elevation: np.ndarray,
    outlines: np.ndarray,
    rows_csv: str | Path,
    years: Iterable[int],
    glacier: str = "HEF",
) -> dict[str, Scores]:
    """Scores of models A and C against observed balances of elevation bands.

    Parameters
    ----------
    smb_a, smb_c : arrays (Y, H, W)
        annual balance, m w.e.
    elevation, outlines : arrays (H, W)
        m; 1 on the glacier, 0 elsewhere
    rows_csv : path
        columns ``g`` (glacier), ``y`` (year), ``z`` (height of the band, m) and ``obs`` (m w.e.)
    years : iterable of int (Y,)
        of the maps
    glacier : str
        rows with this ``g`` and a year of the maps are taken

    Returns
    -------
    dict of Scores
        by model; a band is the mean of the outline's cells within 25 m of its height

    Raises
    ------
    VerificationError
        where no row is of that glacier and those years, or a band has no cell
    """
    index = {int(year): i for i, year in enumerate(years)}
    with open(rows_csv, newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        if missing := {"g", "y", "z", "obs"} - set(reader.fieldnames or ()):
            raise VerificationError(f"{rows_csv}: no column {', '.join(sorted(missing))}, found {reader.fieldnames}")
        rows = [row for row in reader if row["g"] == glacier and int(row["y"]) in index]
    if not rows:
        raise VerificationError(f"{rows_csv}: no rows of glacier {glacier!r} and the years {sorted(index)}")
    inside = outlines > 0.5
    found: dict[str, list[float]] = {"A": [], "C": []}
    for row in rows:
        cells = inside & (np.abs(elevation - float(row["z"])) <= 25.0)
        if not cells.any():
            raise VerificationError(f"{rows_csv}: no cell of the outline within 25 m of the band at {row['z']} m")
        for model, smb in (("A", smb_a), ("C", smb_c)):
            found[model].append(float(np.mean(smb[index[int(row["y"])]][cells])))
    observed = np.array([float(row["obs"]) for row in rows])
    return {model: scores(values, observed) for model, values in found.items()}


def band_remarks(source: Source) -> tuple[str, ...]:
    """Scores of the recomputed maps, where the observed bands lie beside the file as ``<name>_rows.csv``."""
    rows_csv = Path(source.path).with_name(f"{Path(source.path).stem}_rows.csv")
    if not rows_csv.is_file():
        return ()
    maps, place = source.once(real_years), (source["elevation"], source["outlines"])
    try:
        found = scores_against_bands(maps["smb_a"], maps["smb_c"], *place, rows_csv, source["years"].tolist())
    except VerificationError as err:
        # The comparison with observations is an extra: without it the report is still the report.
        return (f"no scores against elevation bands: {err}",)
    return tuple(
        f"elevation bands, model {model}: r {s.r:.3f}, RMSE {s.rmse:.3f} m w.e., bias {s.bias:.3f} m w.e., n = {s.n}"
        for model, s in found.items()
    )
