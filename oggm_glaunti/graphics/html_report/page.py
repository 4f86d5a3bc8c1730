"""The page: figures, arrays and words put into one HTML file."""

from __future__ import annotations

import base64
import importlib.resources
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.files import write_text
from oggm_glaunti.graphics.html_report import figures
from oggm_glaunti.graphics.html_report.content import WORDS, Content, content_of
from oggm_glaunti.graphics.html_report.dataset import find_dataset, read_dataset, require_balances, with_uncertainty
from oggm_glaunti.graphics.html_report.folder import directories_in, read_beside

if TYPE_CHECKING:
    import xarray as xr
    from geopandas import GeoDataFrame

ROWS_SHOWN = 50  # of the table, until all are asked for
# Variable, label, unit and digits of the numbers by year.
COLUMNS = (
    ("specific_mb", "Annual", "m w.e. a⁻¹", 3),
    ("winter_mb", "Winter", "m w.e.", 3),
    ("summer_mb", "Summer", "m w.e.", 3),
    ("ela", "ELA", "m", 0),
    ("aar", "AAR", "", 3),
    ("area", "Area", "km²", 3),
    ("volume", "Volume", "km³", 4),
)
Captioned = tuple[str, Callable[[Content], Any], str]


def report(
    source: str | os.PathLike[str] | xr.Dataset,
    path: str | os.PathLike[str] = "report.html",
    *,
    gdirs: Iterable[Any] | None = None,
    outlines: GeoDataFrame | None = None,
    uncertainty: str | os.PathLike[str] | None = None,
    title: str | None = None,
) -> Path:
    """Write a report of one or many glaciers as one HTML file, which needs no network and nothing installed.

    It has a map of the mean balance with a slider of years, the balances of each glacier with its profile, equilibrium
    line, volume and warnings, the region's means, a table to sort and to search, and what made it all. What the source
    lacks is left out, and the report says so.

    Parameters
    ----------
    source : path or xarray.Dataset
        Folder that ``oggm-glaunti run`` or ``compile_glaunti_output`` wrote to, one of its datasets
        (``glaunti_output*.nc`` or ``.zarr``), or the result of ``compile_glaunti_output``. Beside a file, outlines,
        profiles, calibrations, failures and options are read from its folder
    path : path
        HTML file to write; its folder must exist
    gdirs : iterable of GlacierDirectory, optional
        Directories to read outlines, profiles and calibrations from, with a dataset as source, or for a file that is
        elsewhere
    outlines : GeoDataFrame, optional
        Outlines with a column RGIId or rgi_id; by default those of the glacier directories. Glaciers without are discs
    uncertainty : path, optional
        Folder that ``oggm-glaunti uncertainty`` wrote to: annual balances get 90 % intervals
    title : str, optional
        Title; by default that of the dataset

    Returns
    -------
    pathlib.Path
        Path of the file, which is complete or absent

    Raises
    ------
    InvalidParamsError
        If there is no dataset, or one of another origin; if outlines have no ids or no coordinate system; if there is
        no folder for `path`
    InvalidWorkflowError
        If no glacier has a balance
    oggm_glaunti.files.WriteError
        If the file cannot be written

    Notes
    -----
    Bands are drawn of variables ``specific_mb``, ``winter_mb`` and ``summer_mb`` that have a twin ``..._sd`` (90 % of a
    normal distribution), or twins ``..._low`` and ``..._high``.

    Examples
    --------
    >>> report("region", "region/report.html")  # doctest: +SKIP
    >>> report(compile_glaunti_output(gdirs), "report.html", gdirs=gdirs)  # doctest: +SKIP
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise InvalidParamsError(f"{path}: the folder {path.parent} does not exist; make it first")
    if path.is_dir():
        raise InvalidParamsError(f"{path} is a folder; give the name of a file, such as {path / 'report.html'}")
    shapes = {} if outlines is None else _by_id(outlines)
    folder, directories = None, {}
    if isinstance(source, str | os.PathLike):
        found = find_dataset(source)
        ds, folder = read_dataset(found), found.parent
        directories = directories_in(folder)
    else:
        ds = require_balances(source.load(), "the dataset")
    directories |= {gdir.rgi_id: Path(gdir.dir) for gdir in gdirs or ()}
    if uncertainty is not None:
        ds = with_uncertainty(ds, uncertainty)
    beside = read_beside(folder, directories, ds)
    write_text(path, page_of(content_of(ds, beside, shapes, title)))
    return path


def _by_id(outlines: GeoDataFrame) -> dict[str, Any]:
    name = next((name for name in ("RGIId", "rgi_id") if name in outlines), None)
    if name is None or outlines.crs is None:
        what = "a column RGIId or rgi_id" if name is None else "a coordinate system"
        raise InvalidParamsError(
            f"outlines: expected {what}, found the columns {', '.join(map(str, outlines.columns))}"
        )
    return dict(zip(outlines[name].astype(str), outlines.to_crs(4326).geometry, strict=True))


def page_of(content: Content) -> str:
    """Return the text of the page."""
    from bokeh.embed import json_item
    from bokeh.resources import Resources
    from jinja2 import Environment

    of_glacier, of_region = [*_glacier_figures(content)], [*_region_figures(content)]
    every = [("map", figures.region_map), *((name, draw) for name, draw, _ in (*of_glacier, *of_region))]
    items = {name: json_item(draw(content), name) for name, draw in every}
    # Only what draws: no tables and sliders of Bokeh's, which a keyboard does not reach.
    bokeh = Resources(mode="inline", components=["bokeh"]).render_js()
    files = importlib.resources.files(__package__)
    style, script, template = (files.joinpath(f"page.{kind}").read_text("utf-8") for kind in ("css", "js", "html"))
    return (
        Environment(autoescape=True, trim_blocks=True)
        .from_string(template)
        .render(
            title=content.title,
            summary=_summary(content),
            alerts=[*_alerts(content)],
            years=content.years,
            map_caption=_map_caption(content),
            glacier_figures=[(name, caption) for name, _, caption in of_glacier],
            region_figures=[(name, caption) for name, _, caption in of_region],
            region_words="Means are weighted by area, over the glaciers that have values in a year.",
            missing=content.missing,
            about=content.about,
            options=content.options,
            data=_json(_data(content)),
            items=_json(items),
            bokeh=bokeh,
            css=style,
            script=script,
        )
    )


def _json(values: Any) -> str:
    """Return JSON that cannot end the script it stands in."""
    text = json.dumps(values, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _packed(values: ArrayLike) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def _all_packed(group: Mapping[Any, ArrayLike]) -> dict[Any, str]:
    return {name: _packed(values) for name, values in group.items()}


def _data(content: Content) -> dict[str, Any]:
    """Return what the page's script reads."""
    n = len(content.ids)
    profiles = [content.profiles.get(row) for row in range(n)]
    sizes = [0 if profile is None else profile.heights.size for profile in profiles]
    parts = {
        name: np.concatenate([[], *(getattr(profile, name) for profile in profiles if profile is not None)])
        for name in ("heights", "mean", "low", "high")
    }
    # Glaciers that failed in the run have no area here.
    first = int(np.nanargmax(np.where(np.isfinite(content.series["specific_mb"]).any(axis=1), content.area, -1.0)))
    return {
        "ids": content.ids,
        "names": content.names,
        "years": content.years.tolist(),
        "lon": [round(value, 4) if np.isfinite(value) else None for value in content.lon.tolist()],
        "lat": [round(value, 4) if np.isfinite(value) else None for value in content.lat.tolist()],
        "area": _packed(content.area),
        "series": _all_packed(content.series),
        "means": _all_packed(content.means),
        "low": _all_packed({name: low for name, (low, _) in content.bands.items()}),
        "high": _all_packed({name: high for name, (_, high) in content.bands.items()}),
        "profiles": _all_packed(parts),
        "profileBegins": np.cumsum([0, *sizes]).tolist(),
        "someProfiles": any(sizes),
        "warnings": content.warnings,
        "words": WORDS,
        "columns": COLUMNS,
        "first": first,
        "rowsShown": ROWS_SHOWN,
    }


def _summary(content: Content) -> str:
    years, n = content.years, len(content.ids)
    kind = "mass-balance years" if content.of_seasons else "calendar years"
    size = f"{np.nansum(content.area):.2f} km² in the inventory"
    return f"{n} glacier{'s' * (n > 1)}, {size}; {kind} {years[0]} to {years[-1]}."


def _alerts(content: Content) -> Iterable[str]:
    """Yield in a sentence each how many glaciers have warnings of a kind."""
    n = len(content.ids)
    for begin, words in (
        ("failed", "failed in the run"),
        ("no balance could", "have no balance"),
        ("not calibrated", "are not calibrated: the published parameters"),
        ("outside", "are outside the range that the corrector was trained on"),
        ("implausible", "have an implausible balance"),
    ):
        many = sum(any(text.startswith(begin) for text in warnings) for warnings in content.warnings)
        if many:
            yield f"{many} of {n} {words}."


def _map_caption(content: Content) -> str:
    return (
        f"Colours are the same in all years and end at ±{content.limit:g} m w.e. a⁻¹. Red is loss, blue is gain. A "
        "glacier that lacks a year has no mean. Discs mark glaciers that are small on the map or have no outline. "
        "Choose a glacier by a click, or in the table."
    )


def _glacier_figures(content: Content) -> Iterable[Captioned]:
    seasons = ", winter and summer" if "winter_mb" in content.series else ""
    yield "glacier_series", figures.glacier_series, f"Annual{seasons} balance"
    if content.profiles:
        yield "glacier_profile", figures.glacier_profile, "Balance by height, over the heights of the glacier"
    for name, draw, caption in (
        ("ela", figures.glacier_ela, "Equilibrium line altitude; no point where no height of the table is one"),
        ("aar", figures.glacier_aar, "Accumulation area ratio"),
        ("volume", figures.glacier_volume, "Ice volume"),
        ("area", figures.glacier_area, "Area that the balance is for"),
    ):
        if name in content.series:
            yield f"glacier_{name}", draw, caption


def _region_figures(content: Content) -> Iterable[Captioned]:
    if len(content.ids) < 2:
        return
    if "specific_mb" in content.region:
        yield (
            "region_series",
            figures.region_series,
            "Balances of the region; the band holds 80 % of the glaciers' annual balances, each counted once",
        )
        yield "region_sum", figures.region_sum, "Sum of the region's annual balances"
    for name, caption in (("volume", "Ice volume of all glaciers"), ("area", "Area of all glaciers")):
        if name in content.region:
            yield "region_total", figures.region_total, caption
            return
