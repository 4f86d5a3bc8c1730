"""Debris on the ice: by how much it changes the melt of ice, as a profile by height."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from oggm import entity_task
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import settings
from oggm_glaunti.core.units import BAND_WIDTH
from oggm_glaunti.coupling.ground.features_file import read_features
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.coupling.ground.rasters import average_on_grid, read_around
from oggm_glaunti.coupling.oggm.writing import writing

if TYPE_CHECKING:
    from oggm import GlacierDirectory

settings.register()
log = logging.getLogger(__name__)

KINDS = ("factor", "thickness")
MOST = 3.0  # thin debris may double the melt of ice; what is more is no factor
THICKEST = 50.0  # m; a raster in cm would be above
LEAST = 1e-3  # melt under metres of debris, of which a logarithm is taken
THIN = 0.02  # m, below which the curve of Rounce et al. (2021) does not hold


@dataclass(frozen=True)
class DebrisProfile:
    """Factor on the melt of ice by height.

    Attributes
    ----------
    heights : float64 array (B,)
        m, rising
    factor : float64 array (B,)
        mean over the glacier's cells in bands of height
    """

    heights: np.ndarray
    factor: np.ndarray

    def at(self, heights: np.ndarray) -> np.ndarray:
        """Interpolate to other heights (N,); beyond the bands the nearest one holds."""
        return np.interp(heights, self.heights, self.factor)

    def digest(self) -> str:
        """Return the digest of the numbers."""
        return hashlib.sha256(np.stack([self.heights, self.factor]).tobytes()).hexdigest()


def melt_under(thickness: np.ndarray, half: float, peak: float = 1.0) -> np.ndarray:
    """Return the factor on melt under debris, by the curve of Rounce et al. (2021, doi 10.1029/2020GL091311).

    They fit ``b = b0 / (1 + k b0 h)`` to energy balances under debris of thickness h, for each glacier anew, and go
    linearly from bare ice to the curve at 2 cm. Here `half` is ``1 / (k b0)`` and `peak` is b0 over the melt of bare
    ice; there are no numbers for all glaciers.

    Parameters
    ----------
    thickness : array
        m
    half : float
        thickness under which half of b0 melts, m
    peak : float
        above 1 where thin debris melts more than bare ice

    Examples
    --------
    >>> melt_under(np.array([0.0, 0.1, 0.3]), 0.1)
    array([1.  , 0.5 , 0.25])
    >>> melt_under(np.array([0.0, 0.01, 0.02, 0.3]), 0.1, peak=1.8)
    array([1.  , 1.25, 1.5 , 0.45])
    """
    thickness = np.asarray(thickness, np.float64)
    curve = peak / (1.0 + np.maximum(thickness, THIN) / half)
    return np.where(thickness < THIN, 1.0 + thickness / THIN * (curve - 1.0), curve)


@entity_task(log, writes=["glaunti_debris"])
def process_debris(
    gdir: GlacierDirectory,
    *,
    path: Any,
    kind: str = "factor",
    half_thickness: float | None = None,
    peak: float = 1.0,
    filesuffix: str = "",
) -> DebrisProfile:
    """Read a map of debris and write its mean factor on the melt of ice by height.

    ``GlaUnTIMassBalance(gdir, debris=True)`` melts ice with it, in all balances and in the daily water.

    Parameters
    ----------
    gdir : GlacierDirectory
        with ``glaunti_features``
    path : path
        raster of any coordinate system; cells without a value are bare
    kind : {'factor', 'thickness'}
        the factor itself (1 is bare ice), such as those that Rounce et al. (2021) publish, or thickness in m
    half_thickness : float
        thickness under which half as much melts, m; for ``kind='thickness'``, see :func:`melt_under`. There is no
        default: it differs between glaciers (some 0.05 to 0.15 m)
    peak : float
        melt that their curve has without debris over that of bare ice, 1 to 3; above 1 under thin debris more melts
    filesuffix : str
        of ``glaunti_debris.json``

    Returns
    -------
    DebrisProfile

    Raises
    ------
    InvalidParamsError
        if the raster does not overlap the glacier, or holds what is no factor or thickness
    """
    label = f"{gdir.rgi_id}: process_debris"
    if kind not in KINDS:
        raise InvalidParamsError(f"{label}: kind: expected one of {KINDS}, found {kind!r}")
    if (kind == "thickness") != (half_thickness is not None) or (half_thickness is not None and not half_thickness > 0):
        raise InvalidParamsError(
            f"{label}: half_thickness: expected metres for kind='thickness', and none otherwise; found "
            f"{half_thickness!r} for {kind!r}"
        )
    if not 1.0 <= peak <= MOST or (peak != 1.0 and kind != "thickness"):
        raise InvalidParamsError(
            f"{label}: peak: expected 1 to {MOST:g} for kind='thickness', and none otherwise; found {peak!r} for "
            f"{kind!r}"
        )
    features = read_features(gdir)
    grid = CellGrid(
        features.crs, features.x[0] - settings.CELL_SIZE / 2, features.y[0] + settings.CELL_SIZE / 2, features.shape
    )
    raster = read_around(label, [path], grid)
    most = MOST if kind == "factor" else THICKEST
    bad = (raster.values < 0) | (raster.values > most)
    if bad.any():
        raise InvalidParamsError(
            f"{label}: {Path(path).name}: expected a {kind} of 0 to {most:g}{' m' if kind == 'thickness' else ''}, "
            f"found {float(raster.values[bad][0]):g}; declare missing pixels as nodata"
        )
    values = raster.values if half_thickness is None else melt_under(raster.values, half_thickness, peak)
    # Bare pixels count to a cell's mean as well.
    bare = np.where(np.isfinite(values), values, 1.0).astype(np.float32)
    of_cells = average_on_grid(raster._replace(values=bare), grid)[0]
    on_glacier = features.glacier
    factor = np.where(np.isfinite(of_cells), of_cells, 1.0)[on_glacier]
    band = np.floor(features.elevation[on_glacier] / BAND_WIDTH).astype(int)
    _, index, count = np.unique(band, return_inverse=True, return_counts=True)
    mean = np.bincount(index, factor) / count
    height = np.bincount(index, features.elevation[on_glacier]) / count
    profile = DebrisProfile(height, np.maximum(mean, LEAST))
    content = {"heights": height.tolist(), "factor": profile.factor.tolist(), "source": Path(path).name, "kind": kind}
    content |= {} if half_thickness is None else {"half_thickness": half_thickness, "peak": peak}
    with writing(gdir.get_filepath("glaunti_debris", filesuffix=filesuffix), gdir.rgi_id) as temporary:
        temporary.write_text(json.dumps(content, indent=1), "utf-8")
    return profile


def read_debris(gdir: GlacierDirectory, filesuffix: str = "") -> DebrisProfile:
    """Read ``glaunti_debris.json``.

    Raises
    ------
    InvalidWorkflowError
        if it is missing or damaged
    """
    path = Path(gdir.get_filepath("glaunti_debris", filesuffix=filesuffix))
    try:
        content = json.loads(path.read_text("utf-8"))
        heights, factor = (np.array(content[name], np.float64) for name in ("heights", "factor"))
    except FileNotFoundError:
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: {path} is missing; run process_debris(gdir, path=...) first"
        ) from None
    except (ValueError, KeyError, TypeError) as err:
        raise InvalidWorkflowError(f"{gdir.rgi_id}: {path} is damaged ({err}); run process_debris again") from err
    whole = heights.ndim == 1 and heights.shape == factor.shape and heights.size > 0 and np.isfinite(factor).all()
    if not whole or (np.diff(heights) <= 0).any() or (factor <= 0).any() or (factor > MOST).any():
        raise InvalidWorkflowError(f"{gdir.rgi_id}: {path} is damaged: no profile of factors; run process_debris again")
    return DebrisProfile(heights, factor)
