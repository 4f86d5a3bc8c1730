"""Heights above the ellipsoid or the geoid: distinguished on the ground around the glacier, never mixed silently."""

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti import settings
from oggm_glaunti.companions.dem.arrays import Floats
from oggm_glaunti.companions.dem.coregister import LEAST_COMPARED
from oggm_glaunti.companions.dem.predictors import reference_surface
from oggm_glaunti.companions.dem.trend import linear_in_time
from oggm_glaunti.coupling.ground.surface import SAME_DATUM, STEADY
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError

log = logging.getLogger(__name__)

DATUMS = ("ellipsoid", "geoid")
# m. Larger median differences mean, beyond doubt, that the datum was stated wrongly.
WRONG_DATUM = 20.0
# m. The geoid lies 107 m below to 86 m above the ellipsoid (EGM2008); larger differences are not those of a datum.
HIGHEST_GEOID = 110.0
# Degrees. Steeper ground does not tell two vertical datums apart.
GENTLE = 30.0


class Datum(NamedTuple):
    """Shift that is subtracted from heights, and its origin.

    Attributes
    ----------
    shift : float or array (H, W)
        Height to subtract, m
    said : str
        Datum of the input, in words
    source : str
        Origin of the shift, in words
    unsure : bool
        Whether the datum was inferred, since none was stated
    """

    shift: float | NDArray[np.float32]
    said: str
    source: str
    unsure: bool = False


def find_datum(
    label: str,
    difference: NDArray[np.floating],
    vertical_datum: str | None = None,
    geoid: float | NDArray[np.floating] | None = None,
    geoid_source: str = "geoid_height",
) -> Datum:
    """Find the shift between the datum of some heights and that of the DEM they were compared with.

    Parameters
    ----------
    label : str
        Begin of error messages
    difference : array (H, W)
        Heights minus DEM on stable ground, m; NaN elsewhere
    vertical_datum : {'ellipsoid', 'geoid', None}
        Datum of the heights; that of the DEM is the geoid. If None, they are taken to agree if the median difference is
        below 5 m; otherwise the shift is measured
    geoid : float or array (H, W), optional
        Height of the geoid above the ellipsoid, m; measured by default
    geoid_source : str
        Origin of the geoid height, in words

    Returns
    -------
    Datum

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If the stated datum leaves a median difference above 20 m, or the difference exceeds any geoid height

    Examples
    --------
    >>> ground = np.array([[53.0, 54.0, 55.0]])
    >>> find_datum("here", ground, "ellipsoid").shift, find_datum("here", ground - 53.0).shift
    (54.0, 0.0)
    """
    measured = float(np.nanmedian(difference))
    if vertical_datum == "ellipsoid" and geoid is not None:
        left = float(np.nanmedian(difference - geoid))
        height = f"{float(np.nanmedian(geoid)):.2f} m"
        _require_small(label, left, measured, f"vertical_datum='ellipsoid' with a geoid height of {height}")
        return Datum(geoid, "ellipsoid", f"height of the geoid as given: {geoid_source}")
    if vertical_datum == "geoid":
        _require_small(label, measured, measured, "vertical_datum='geoid'")
        return Datum(0.0, "geoid", "none: the input is stated to have the datum of the directory's DEM")
    if vertical_datum is None and abs(measured) < SAME_DATUM:
        source = f"none: on stable ground the median difference is {measured:.2f} m, below {SAME_DATUM:g} m"
        return Datum(0.0, "not stated, taken as that of the directory's DEM", source)
    if abs(measured) > HIGHEST_GEOID:
        raise InvalidParamsError(
            f"{label}: on stable ground the heights lie {measured:+.1f} m from the directory's DEM; the geoid is "
            f"nowhere more than {HIGHEST_GEOID:g} m from the ellipsoid. Are both in metres and of the same place?"
        )
    source = "measured: median of input minus the directory's DEM on stable ground"
    if vertical_datum == "ellipsoid":
        return Datum(measured, "ellipsoid", source)
    return Datum(measured, "not stated, taken as ellipsoid for its difference to the directory's DEM", source, True)


def stable_ground(
    label: str, difference: Floats, z: NDArray[np.float32], years: NDArray[np.int64], elevation: NDArray[np.float32]
) -> tuple[Floats, str]:
    """Return differences to the DEM on ground that tells datums apart, NaN elsewhere, and a description of it.

    Neighbouring glaciers sink, and on steep ground a small horizontal offset has more effect than a datum.

    Parameters
    ----------
    label : str
        Begin of the log message if there is too little such ground and all ground is used
    difference : array (H, W)
        Heights minus DEM, m; NaN on the glacier
    z : array (K, H, W)
        Yearly heights, m
    years : int array (K,)
        Calendar years
    elevation : array (H, W)
        Heights of the DEM, m, on the cells of the glacier's maps
    """
    steepness = reference_surface(elevation.astype(np.float64), (-settings.CELL_SIZE, settings.CELL_SIZE)).slope
    trend = linear_in_time(z.astype(np.float64), np.ones(z.shape), years).slope
    stable = np.where((steepness < GENTLE) & (np.abs(trend) < STEADY), difference, np.nan)
    count = int(np.isfinite(stable).sum())
    words = f"less than {GENTLE:g} degrees steep and moving less than {STEADY:g} m a year"
    if count < LEAST_COMPARED:
        said = f"all ground beside the glacier, of which {count} cells are {words}"
        log.warning("(%s) yearly heights: vertical datums are compared on %s", label, said)
        return difference, said
    return stable, f"{count} cells beside the glacier, {words}"


def require_datum(label: str, vertical_datum: str | None, geoid_height: object) -> None:
    """Raise an InvalidParamsError for an unknown datum, or a geoid height that would not be used."""
    if vertical_datum not in (None, *DATUMS):
        raise InvalidParamsError(f"{label}: vertical_datum is {vertical_datum!r}; expected one of {DATUMS}, or None")
    if geoid_height is not None and vertical_datum != "ellipsoid":
        raise InvalidParamsError(
            f"{label}: geoid_height is given with vertical_datum={vertical_datum!r}; it is subtracted from heights "
            "above the ellipsoid only (vertical_datum='ellipsoid')"
        )


def _require_small(label: str, left: float, measured: float, said: str) -> None:
    if abs(left) > WRONG_DATUM:
        raise InvalidParamsError(
            f"{label}: {said} leaves a median difference of {left:+.1f} m to the directory's DEM on stable ground (as "
            f"read: {measured:+.1f} m); expected less than {WRONG_DATUM:g} m. Set another datum, or none to have "
            "it measured"
        )
