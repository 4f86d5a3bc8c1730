"""Models C and D on a glacier's own cells: the fast path.

Where precipitation is uniform and temperature follows a lapse rate, the uncorrected runs that feed the corrector depend
on height alone: they are made on heights and interpolated to the grid. Under coarse-gridded weather this holds within
each coarse cell, which then has heights of its own. What the corrector changes is run on the cells inside the outline
only.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import numpy.typing
from jaxtyping import Array, Float, Int

from oggm_glaunti.core.arrays import AnyArray, Climate, Corrections, Field, Fields
from oggm_glaunti.core.checks import require_finite, require_index
from oggm_glaunti.core.forcing import CoarseForcing, StationForcing
from oggm_glaunti.core.glaunti import (
    CorrectedYear,
    GlaUnTI,
    Season,
    Seasons,
    checked,
    corrected_run,
    corrections,
    response_fields,
)
from oggm_glaunti.core.run import Observe
from oggm_glaunti.core.smooth import cubic_weights, interpolate_cubic, interpolate_profile
from oggm_glaunti.core.units import BAND_WIDTH

Pixels = Float[AnyArray, " pixel"]
"""A number for each of a glacier's cells."""


class GlacierColumns(NamedTuple):
    """What the fast path needs to know of a glacier: where its cells are and how they map to heights.

    Attributes
    ----------
    rows, cols : int arrays (P,)
        the glacier's cells
    pixel_offset, node_offset : arrays (P,), (N,)
        temperature there minus temperature at the reference height, K
    node_start, node_weights : arrays (H, W), (H, W, 4)
        interpolation from the heights to all cells
    nodes : array (N,)
        heights on which the uncorrected model runs, m
    band : int array (P,)
        band of each glacier cell, only bands that hold cells are counted: the on-glacier snow is carried into the next
        year's uncorrected run as a profile over such bands
    band_height, band_count : arrays (B,)
        mean height (m) of the cells of a band, and their number
    pixel_cell, node_cell : int arrays (P,), (N,), optional
        cell of the coarse grid of weather; None for station weather. The heights of all coarse cells stand in one row
    """

    rows: np.ndarray
    cols: np.ndarray
    pixel_offset: np.ndarray
    node_offset: np.ndarray
    node_start: np.ndarray
    node_weights: np.ndarray
    nodes: np.ndarray
    band: np.ndarray
    band_height: np.ndarray
    band_count: np.ndarray
    pixel_cell: np.ndarray | None = None
    node_cell: np.ndarray | None = None


def glacier_columns(
    outline: np.ndarray,
    elevation: np.ndarray,
    nodes: np.ndarray,
    ref_hgt: float | np.ndarray,
    temp_gradient: float,
    dtype: np.typing.DTypeLike = np.float32,
    cells: np.ndarray | None = None,
    reach: tuple[np.ndarray, np.ndarray] | None = None,
) -> GlacierColumns:
    """Prepare the fast path (NumPy, once per glacier).

    Parameters
    ----------
    outline, elevation : arrays (H, W)
    nodes : array (N,)
        evenly spaced heights around all elevations, m, see :func:`~oggm_glaunti.core.smooth.even_heights`
    ref_hgt : float or array (K,)
        reference height of the weather, m; with `cells` that of each coarse cell
    temp_gradient : float
        K m-1
    cells : int array (H, W), optional
        coarse cell of every cell of the grid, for a :class:`~oggm_glaunti.core.forcing.CoarseForcing`
    reach : (lowest, highest) arrays (H, W), optional
        between which the cells lie on all surfaces of a glacier whose surface moves: each coarse cell then has the same
        heights on all of them. Without it the heights that this surface needs

    Raises
    ------
    ValueError
        for an empty outline, elevations beyond the heights, or coarse cells that are not there
    """
    rows, cols = np.nonzero(outline > 0.5)
    if rows.size == 0:
        raise ValueError("outline: no cell is inside")
    if elevation.min() < nodes[0] or elevation.max() > nodes[-1]:
        raise ValueError(
            f"elevation: {elevation.min():.0f} to {elevation.max():.0f} m is not within the heights, "
            f"{nodes[0]:.0f} to {nodes[-1]:.0f} m"
        )
    height = np.asarray(elevation[rows, cols], np.float64)
    _, band = np.unique(np.floor(height / BAND_WIDTH), return_inverse=True)
    count = np.bincount(band)
    start, weights = _cubic(elevation, nodes)
    pixel_cell = node_cell = None
    pixel_ref = node_ref = ref_hgt
    if cells is not None:
        cells = np.asarray(cells, np.int32)
        require_index("cells", cells, np.size(ref_hgt))
        ends = (start, start) if reach is None else tuple(_cubic(surface, nodes)[0] for surface in reach)
        start, node, node_cell = _heights_by_cell(start, cells, *ends)
        nodes, pixel_cell = nodes[node], cells[rows, cols]
        pixel_ref, node_ref = np.asarray(ref_hgt)[pixel_cell], np.asarray(ref_hgt)[node_cell]
    return GlacierColumns(
        rows=rows,
        cols=cols,
        pixel_offset=(temp_gradient * (height - pixel_ref)).astype(dtype),
        node_offset=(temp_gradient * (nodes - node_ref)).astype(dtype),
        node_start=start,
        node_weights=weights.astype(dtype),
        nodes=nodes.astype(dtype),
        band=band,
        band_height=(np.bincount(band, height) / count).astype(dtype),
        band_count=count.astype(dtype),
        pixel_cell=pixel_cell,
        node_cell=node_cell,
    )


def _cubic(elevation: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where and with which weights the heights are read at the elevations."""
    start, weights = cubic_weights(np.asarray(elevation, np.float64), nodes[0], nodes[1] - nodes[0], nodes.size, np)
    return np.asarray(start), np.asarray(weights)


def _heights_by_cell(
    start: np.ndarray, cells: np.ndarray, lowest: np.ndarray, highest: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give each coarse cell only the heights that its points need, all cells' heights in one row.

    Parameters
    ----------
    start, lowest, highest : int arrays (H, W)
        index of the first of four neighbours, and the lowest and highest that is to be covered
    cells : int array (H, W)

    Returns
    -------
    start : int array (H, W)
        index of the first of four neighbours in that row
    node, node_cell : int arrays (N,)
        which of the original heights, and of which coarse cell
    """
    start, nodes, owners, end = start.copy(), [], [], 0
    for cell in np.unique(cells):
        here = cells == cell
        first, last = lowest[here].min(), highest[here].max() + 3
        start[here] += end - first
        nodes.append(np.arange(first, last + 1))
        owners.append(np.full(nodes[-1].size, cell, np.int32))
        end += nodes[-1].size
    return start, np.concatenate(nodes), np.concatenate(owners)


def swe_profile(columns: GlacierColumns, swe: Pixels) -> Float[Array, " node"]:
    """Snow of the glacier's cells as a profile over the heights: band means, linear between, constant beyond."""
    sums = jnp.zeros(columns.band_height.shape, swe.dtype).at[columns.band].add(swe)
    return interpolate_profile(columns.nodes, columns.band_height, sums / columns.band_count)


def run_year_on_columns(
    model: GlaUnTI,
    swe: Pixels,
    seasons: Seasons,
    fields: Fields,
    climate: Climate,
    columns: GlacierColumns,
    ds: Corrections | None = None,
    observe: Observe = None,
) -> CorrectedYear:
    """Run a mass-balance year on the glacier's cells only, the uncorrected runs on heights: the fast path.

    Parameters
    ----------
    swe : array (P,)
        snow of the glacier's cells
    seasons : tuple of Season
        with a :class:`~oggm_glaunti.core.forcing.StationForcing`, or a
        :class:`~oggm_glaunti.core.forcing.CoarseForcing` if the columns have coarse cells; what they say of points
        (offsets, cells) is not used
    columns : GlacierColumns
    ds : array (5, H, W), optional
        corrections to use instead of asking the corrector
    observe : callable, optional
        applied to the daily balance of the cells (P,)
    model, fields, climate
        as in :func:`run_year`

    Returns
    -------
    CorrectedYear
        `swe` and `smb` on the cells (P,)

    Notes
    -----
    With uniform snow the inputs of the corrector are those of :func:`run_year` to 1e-5 m w.e. From the second year on
    the snow differs from cell to cell; it enters the uncorrected runs as a profile by height, also outside the outline.
    On Hintereisferner, ten years: cells within 1.7e-3 m, the glacier mean within 2.5e-4 m of :func:`run_year`. Under
    coarse weather the profile is one for all coarse cells together.
    """
    swe, seasons, response = require_finite("swe", swe), checked(seasons), None
    if ds is None:
        response, ds = correct_from_heights(model, columns, swe, seasons, fields, climate)
    at_cells = ds[:, columns.rows, columns.cols]
    swe, smb, observed = corrected_run(model.ti.resolve(), at_cells, swe, at_pixels(seasons, columns), observe)
    return CorrectedYear(swe, smb, ds, response, observed)


def correct_from_heights(
    model: GlaUnTI, columns: GlacierColumns, swe: Pixels, seasons: Seasons, fields: Fields, climate: Climate
) -> tuple[Float[Array, "3 h w"], Float[Array, "5 h w"]]:
    """Response fields and corrections of a year, the uncorrected runs on heights; arguments as above, unchecked."""
    snow = swe_profile(columns, swe)
    at_nodes = response_fields(model.ti.resolve(), snow, _moved(seasons, columns.node_offset, columns.node_cell))
    response = interpolate_cubic(at_nodes, columns.node_start, columns.node_weights)
    return response, corrections(model, response, fields, climate)


def at_pixels(seasons: Seasons, columns: GlacierColumns) -> Seasons:
    """Return the same weather at the glacier's cells.

    Raises
    ------
    ValueError
        if the columns were prepared for another kind of weather
    """
    return _moved(seasons, columns.pixel_offset, columns.pixel_cell)


def _moved(seasons: Seasons, offset: Field, cell: Int[AnyArray, "..."] | None) -> Seasons:
    """Seasons of station or coarse weather, at other points."""
    kind = StationForcing if cell is None else CoarseForcing
    for season in seasons:
        if not isinstance(season.forcing, kind):
            raise ValueError(
                f"forcing: expected {kind.__name__}, for which the columns were prepared, found "
                f"{type(season.forcing).__name__}"
            )
    points = (offset,) if cell is None else (cell, offset)
    return tuple(Season(kind(s.forcing.temp, s.forcing.prcp, *points), s.weights) for s in seasons)
