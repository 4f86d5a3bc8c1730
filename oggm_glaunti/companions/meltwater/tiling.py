"""Maps larger than memory: tiles whose edges are left out, averaged where they overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from oggm_glaunti.companions.meltwater.stack import Floats

TILE = 512
Window = tuple[slice, slice]


def tile_windows(shape: tuple[int, int], tile: int, edge: int, multiple: int) -> Iterator[tuple[Window, Window]]:
    """Yield windows of a map and, within each, the part that counts.

    Parameters
    ----------
    shape : (int, int)
        of the map
    tile : int
        side of a tile, cells
    edge : int
        cells at the edge of a tile that do not count, unless the map ends there
    multiple : int
        tiles begin at multiples of this, as the network's cells do

    Raises
    ------
    ValueError
        if a tile has nothing but edge

    Examples
    --------
    >>> [window[1] for window, _ in tile_windows((32, 96), 64, 16, 4)]
    [slice(0, 64, None), slice(32, 96, None)]
    """
    step = (tile - 2 * edge) // multiple * multiple
    if step < multiple:
        raise ValueError(f"tile: {tile} cells with edges of {edge} leave nothing; take more than {2 * edge + multiple}")

    def spans(n: int) -> list[tuple[slice, slice]]:
        firsts = [0]
        while firsts[-1] + tile < n:
            firsts.append(firsts[-1] + step)
        ends = [min(first + tile, n) for first in firsts]
        return [
            (slice(first, end), slice(0 if first == 0 else edge, end - first if end == n else end - first - edge))
            for first, end in zip(firsts, ends, strict=True)
        ]

    for row, row_core in spans(shape[0]):
        for column, column_core in spans(shape[1]):
            yield (row, column), (row_core, column_core)


def in_tiles(
    predict: Callable[[Window], Floats], shape: tuple[int, int], tile: int, edge: int, multiple: int
) -> Floats:
    """Predict a map tile by tile.

    Parameters
    ----------
    predict : callable
        window (rows, columns) to a map of it, (..., h, w)
    shape, tile, edge, multiple
        see :func:`tile_windows`

    Returns
    -------
    array (..., H, W)
        means over the tiles that cover a cell

    Examples
    --------
    >>> whole = np.arange(96.0).reshape(1, 96) * np.ones((32, 1))
    >>> bool((in_tiles(lambda window: whole[window], (32, 96), 64, 16, 4) == whole).all())
    True
    """
    total: Floats | None = None
    count = np.zeros(shape, np.float32)
    for window, core in tile_windows(shape, tile, edge, multiple):
        values = predict(window)
        if total is None:
            total = np.zeros((*values.shape[:-2], *shape), np.float32)
        rows, columns = (slice(w.start + c.start, w.start + c.stop) for w, c in zip(window, core, strict=True))
        total[..., rows, columns] += values[..., core[0], core[1]]
        count[rows, columns] += 1.0
    assert total is not None
    return total / count
