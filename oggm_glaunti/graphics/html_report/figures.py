"""The figures of a report in Bokeh. The page's script fills those of one glacier when it is chosen.

Names of models and columns are those that ``page.js`` looks for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.graphics.html_report.content import Content
from oggm_glaunti.graphics.html_report.geography import Projection, extent_of, grid_of, rings_of
from oggm_glaunti.graphics.style import COLOURS, SHADES

# Bokeh's properties take much that its types do not know.
Figure = Any
Floats = NDArray[np.float64]

INK, NO_VALUE = "#222222", "#c9c9c9"
PER_YEAR, WATER = "m w.e. a⁻¹", "m w.e."
# Name: label, colour, dash and marker; each can be told from the others without colour.
LINES = {
    "specific_mb": ("annual", INK, "solid", "circle"),
    "winter_mb": ("winter", COLOURS[1], "dashed", "triangle"),
    "summer_mb": ("summer", COLOURS[0], "dotdash", "square"),
}
DISC, LARGEST_DISC, SMALLEST_DISC = 26.0, 34.0, 7.0  # px: of a glacier of the mean area; limits
SMALL = 0.02  # of the map's width: an outline of less is hard to see, so a disc marks it


def region_map(content: Content) -> Figure:
    """Draw outlines, and discs for glaciers that have none or a small one; values and colours come from the page."""
    from bokeh.models import BoxZoomTool, ColorBar, HoverTool, TapTool
    from bokeh.models.mappers import LinearColorMapper
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    projection = Projection(content.lon, content.lat)
    shapes = {row: projection.outline(outline) for row, outline in content.outlines.items()}
    places = projection.xy(content.lon, content.lat)
    extent = extent_of(places, shapes)
    fig = _figure(
        name="map", height=450, tools="pan,wheel_zoom,reset", match_aspect=True, x_range=(0, 1), y_range=(0, 1)
    )
    fig.tags = [list(extent)]
    fig.add_tools(BoxZoomTool(match_aspect=True))
    fig.axis.visible = fig.grid.visible = False
    _draw_grid(fig, projection, extent)
    palette = [to_hex(colour) for colour in colormaps["RdBu"].resampled(SHADES)(np.arange(SHADES))]
    colours = LinearColorMapper(palette=palette, low=-content.limit, high=content.limit, nan_color=NO_VALUE)
    fill = {"fill_color": {"field": "value", "transform": colours}, "line_color": "#555555", "fill_alpha": 0.95}
    width = extent[2] - extent[0]
    small = [
        row for row in range(len(content.ids)) if np.isfinite(places[row]).all() and _is_small(shapes.get(row), width)
    ]
    drawn = [*_draw_outlines(fig, shapes, fill), *_draw_discs(fig, small, content.area, places, fill)]
    for renderer in drawn:  # what is not chosen is not pale
        renderer.nonselection_glyph = renderer.selection_glyph = None
    _draw_marks(fig)
    fig.add_tools(HoverTool(renderers=drawn, tooltips="@label", point_policy="follow_mouse"), TapTool(renderers=drawn))
    title = f"surface mass balance ({PER_YEAR}); hatched or grey: no value"
    bar = ColorBar(color_mapper=colours, title=title, title_text_font_size="12px", height=12, border_line_color=None)
    bar.major_label_text_font_size, bar.title_text_font_style, bar.title_standoff = "12px", "normal", 6
    fig.add_layout(bar, "below")
    fig.add_layout(_scale_bar(fig), "above")  # on the map it would hide glaciers
    return fig


def _draw_grid(fig: Figure, projection: Projection, extent: tuple[float, float, float, float]) -> None:
    """Draw meridians and parallels below the glaciers, and their labels above them."""
    from bokeh.models import ColumnDataSource

    grid = grid_of(projection, extent)
    lines = fig.multi_line([line[:, 0] for line in grid.lines], [line[:, 1] for line in grid.lines], color="#e3e3e3")
    lines.level = "underlay"
    for is_meridian, at in ((True, {"y_offset": -4}), (False, {"x_offset": 4, "y_offset": -2})):
        chosen = [k for k, meridian in enumerate(grid.meridian) if meridian == is_meridian]
        words = [grid.labels[k] for k in chosen]
        x, y = grid.places[chosen].T if chosen else np.zeros((2, 0))
        share = (x - extent[0]) / (extent[2] - extent[0])
        align = np.where(is_meridian & (share > 0.1), np.where(share < 0.9, "center", "right"), "left").tolist()
        source = ColumnDataSource({"x": x, "y": y, "text": words, "align": align})
        look: dict[str, Any] = {"text_font_size": "11px", "text_color": "#4d4d4d"}
        look |= {"background_fill_color": "#ffffff", "background_fill_alpha": 0.7}
        fig.text("x", "y", text="text", text_align="align", source=source, level="annotation", **look, **at)


def _draw_outlines(fig: Figure, shapes: dict[int, Any], fill: dict[str, Any]) -> list[Any]:
    """Draw outlines, large ones below, and return their renderer, if there are any."""
    from bokeh.models import ColumnDataSource

    rows = sorted(shapes, key=lambda row: -shapes[row].area)
    if not rows:
        return []
    rings = [rings_of(shapes[row]) for row in rows]
    columns = _values(rows) | {"xs": [xs for xs, _ in rings], "ys": [ys for _, ys in rings]}
    source = ColumnDataSource(columns, name="outlines")
    return [fig.multi_polygons("xs", "ys", source=source, **fill, line_width=0.7)]


def _draw_discs(fig: Figure, rows: list[int], area: Floats, places: Floats, fill: dict[str, Any]) -> list[Any]:
    """Draw discs with the areas of glaciers, large ones below, and return their renderer, if there are any."""
    from bokeh.models import ColumnDataSource

    if not rows:
        return []
    areas = np.nan_to_num(area[rows])
    sizes = DISC * np.sqrt(areas / max(float(areas.mean()), 1e-9)) * min(1.0, 4.0 / np.sqrt(len(rows)))
    order = [int(k) for k in np.argsort(-sizes, kind="stable")]
    rows, sizes = [rows[k] for k in order], np.clip(sizes[order], SMALLEST_DISC, LARGEST_DISC)
    columns: dict[str, Any] = _values(rows) | {"x": places[rows, 0], "y": places[rows, 1], "size": sizes}
    source = ColumnDataSource(columns, name="discs")
    return [fig.scatter("x", "y", size="size", source=source, **fill, line_width=0.6)]


def _draw_marks(fig: Figure) -> None:
    """Draw what the page fills: glaciers without a value, and the chosen one."""
    from bokeh.models import ColumnDataSource

    # A layer of its own: with a pattern for each glacier a browser takes half a minute for a thousand.
    without = ColumnDataSource({"xs": [], "ys": []}, name="without")
    look = {"hatch_pattern": "/", "hatch_color": "#8a8a8a", "hatch_scale": 7, "fill_alpha": 0, "line_width": 0}
    fig.multi_polygons("xs", "ys", source=without, **look)
    chosen = ColumnDataSource({"xs": [], "ys": []}, name="chosen")
    fig.multi_polygons("xs", "ys", source=chosen, fill_alpha=0, line_color="#000000", line_width=2.5)
    ring = ColumnDataSource({"x": [], "y": []}, name="ring")
    fig.scatter("x", "y", source=ring, size=22, fill_alpha=0, line_color="#000000", line_width=2.5)


def _scale_bar(fig: Figure) -> Any:
    from bokeh.models import Metric, ScaleBar

    bar = ScaleBar(range=fig.x_range, unit="m", dimensional=Metric(base_unit="m"), bar_length=0.2)
    bar.border_line_color = bar.background_fill_color = None
    bar.padding, bar.margin, bar.label_text_font_size = 6, 0, "12px"
    return bar


def _is_small(outline: Any, width: float) -> bool:
    return outline is None or max(np.ptp(np.reshape(outline.bounds, (2, 2)), axis=0)) < SMALL * width


def _values(rows: list[int]) -> dict[str, list]:
    """Return the columns that the page fills: rows, values and labels."""
    n = len(rows)
    return {"row": rows, "value": [float("nan")] * n, "label": [""] * n}


def glacier_series(content: Content) -> Figure:
    """Annual, winter and summer balance of the chosen glacier with bands."""
    names = [name for name in LINES if name in content.series]
    return _lines(
        "glacier_series",
        f"balance ({PER_YEAR}, seasons {WATER})",
        names,
        bands=[n for n in names if n in content.bands],
    )


def glacier_profile(content: Content) -> Figure:
    """Balance of the chosen glacier by height, mean and range of the years."""
    from bokeh.models import ColumnDataSource, Span

    fig = _figure(name="glacier_profile", height=300, x_axis_label=f"balance ({PER_YEAR})", y_axis_label="height (m)")
    fig.add_layout(Span(location=0, dimension="height", line_color="#999999"))
    area = ColumnDataSource({"xs": [], "ys": []}, name="profile_band")
    fig.patches("xs", "ys", source=area, color=COLOURS[1], alpha=0.2, line_width=0, legend_label="range of the years")
    line = ColumnDataSource({"x": [], "y": []}, name="profile")
    drawn = fig.line("x", "y", source=line, color=INK, line_width=2, legend_label="mean of the years")
    _hover(fig, [drawn], [("height", "@y{0} m"), ("balance", "@x{0.00}")], "hline")
    _legend(fig)
    return fig


def glacier_ela(content: Content) -> Figure:
    """Equilibrium line altitude of the chosen glacier."""
    return _single("ela", "ELA (m)", COLOURS[4], digits="0")


def glacier_aar(content: Content) -> Figure:
    """Accumulation area ratio of the chosen glacier."""
    from bokeh.models import Range1d

    fig = _single("aar", "AAR", COLOURS[3], digits="0.00")
    fig.y_range = Range1d(-0.03, 1.03)
    return fig


def glacier_volume(content: Content) -> Figure:
    """Ice volume of the chosen glacier."""
    return _single("volume", "volume (km³)", COLOURS[1], digits="0.0000", from_zero=True)


def glacier_area(content: Content) -> Figure:
    """Area of the chosen glacier, by which its balance is weighted."""
    return _single("area", "area (km²)", COLOURS[5], digits="0.000", from_zero=True)


def region_series(content: Content) -> Figure:
    """Area-weighted means over the region, and the spread of its glaciers."""
    names = [name for name in LINES if name in content.region]
    fig = _lines(
        "region_series",
        f"balance ({PER_YEAR}, seasons {WATER})",
        names,
        bands=["specific_mb"],
        what="80 % of the glaciers",
    )
    years = content.years.astype(float)
    for name in names:
        _source(fig, f"line_{name}").data = {"x": years, "y": content.region[name]}
    _source(fig, "band_specific_mb").data = dict(zip(("xs", "ys"), patches_of(years, *content.spread), strict=True))
    return fig


def region_total(content: Content) -> Figure:
    """Sum of the region's volumes, or of its areas where volumes are unknown."""
    name, label = ("volume", "volume (km³)") if "volume" in content.region else ("area", "area (km²)")
    fig = _single(f"region_{name}", label, COLOURS[1], digits="0.00", from_zero=True)
    known = content.region["count"] > 0 if "count" in content.region else slice(None)
    _source(fig, f"line_region_{name}").data = {
        "x": content.years[known].astype(float),
        "y": content.region[name][known],
    }
    return fig


def region_sum(content: Content) -> Figure:
    """Cumulative balance of the region."""
    fig = _single("region_sum", f"cumulative balance ({WATER})", COLOURS[1], digits="0.00")
    values, years = content.region["specific_mb"], content.years.astype(float)
    x, y = np.concatenate([[years[0] - 1], years]), np.concatenate([[0.0], np.cumsum(values)])
    _source(fig, "line_region_sum").data = {"x": x, "y": y}
    return fig


def patches_of(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the outlines of a band, one for each stretch of values.

    Examples
    --------
    >>> one, nothing = np.ones(3), np.array([0.0, np.nan, 0.0])
    >>> xs, ys = patches_of(np.arange(3.0), nothing, one)
    >>> [x.tolist() for x in xs], [y.tolist() for y in ys]
    ([[0.0, 0.0], [2.0, 2.0]], [[1.0, 0.0], [1.0, 0.0]])
    """
    known = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    parts = [part for part in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1) if part.size]
    xs = [np.concatenate([x[part], x[part][::-1]]) for part in parts]
    return xs, [np.concatenate([high[part], low[part][::-1]]) for part in parts]


def _figure(height: int = 260, **kwargs: Any) -> Figure:
    from bokeh.plotting import figure

    kwargs = {"tools": "pan,box_zoom,reset", "active_drag": None} | kwargs
    if kwargs["name"] == "map":
        kwargs["active_drag"] = "pan"
    fig: Any = figure(height=height, sizing_mode="stretch_width", min_width=240, toolbar_inner=True, **kwargs)
    fig.toolbar.logo = None
    fig.toolbar.autohide = True
    fig.outline_line_color = "#bbbbbb"
    fig.grid.grid_line_color = "#ececec"
    fig.axis.axis_label_text_font_style = "normal"
    fig.axis.axis_label_text_font_size = fig.axis.major_label_text_font_size = "12px"
    fig.axis.axis_label_text_color = fig.axis.major_label_text_color = INK
    fig.axis.minor_tick_line_color = None
    return fig


def _years(fig: Figure) -> None:
    from bokeh.models import BasicTicker

    fig.xaxis.ticker = BasicTicker(min_interval=1, mantissas=[1, 2, 5], desired_num_ticks=6)
    fig.xaxis.formatter.use_scientific = False
    fig.xaxis.formatter.precision = 0


def _lines(name: str, label: str, names: list[str], bands: list[str], what: str = "90 % interval") -> Figure:
    from bokeh.models import ColumnDataSource, Span

    fig = _figure(name=name, height=300, y_axis_label=label)
    fig.add_layout(Span(location=0, dimension="width", line_color="#999999"))
    for band in bands:
        source = ColumnDataSource({"xs": [], "ys": []}, name=f"band_{band}")
        colour = LINES[band][1]
        legend = {"legend_label": what if len(bands) == 1 else f"{what}, {LINES[band][0]}"}
        fig.patches("xs", "ys", source=source, color=colour, alpha=0.15, line_width=0, **legend)
    drawn = []
    for line in names:
        words, colour, dash, marker = LINES[line]
        source = ColumnDataSource({"x": [], "y": []}, name=f"line_{line}")
        look = {"source": source, "color": colour, "legend_label": words}
        fig.line("x", "y", line_width=1.8, line_dash=dash, **look)
        drawn.append(fig.scatter("x", "y", size=6, marker=marker, name=words, **look))
    _hover(fig, drawn, [("$name", "@y{0.00}"), ("year", "@x{0}")])
    _years(fig)
    _legend(fig)
    return fig


def _single(name: str, label: str, colour: str, digits: str, from_zero: bool = False) -> Figure:
    from bokeh.models import ColumnDataSource, DataRange1d

    fig = _figure(name=f"single_{name}", height=190, y_axis_label=label)
    if from_zero:
        fig.y_range = DataRange1d(start=0, min_interval=1e-6)
    source = ColumnDataSource({"x": [], "y": []}, name=f"line_{name}")
    fig.line("x", "y", source=source, color=colour, line_width=1.8)
    drawn = fig.scatter("x", "y", source=source, color=colour, size=6)
    _hover(fig, [drawn], [(label, f"@y{{{digits}}}"), ("year", "@x{0}")])
    _years(fig)
    return fig


def _hover(fig: Figure, drawn: list, tooltips: list[tuple[str, str]], mode: str = "mouse") -> None:
    from bokeh.models import HoverTool

    fig.add_tools(HoverTool(renderers=drawn, tooltips=tooltips, mode=mode))


def _legend(fig: Figure) -> None:
    """Put the legend above the axes, where it hides nothing."""
    legend = fig.legend[0]
    legend.orientation, legend.border_line_color, legend.background_fill_alpha = "horizontal", None, 0
    legend.label_text_font_size, legend.padding, legend.margin, legend.spacing = "12px", 0, 0, 12
    fig.add_layout(legend, "above")


def _source(fig: Figure, name: str) -> Any:
    return next(renderer.data_source for renderer in fig.renderers if renderer.data_source.name == name)
