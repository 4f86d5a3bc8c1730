"""Weather at every point, day by day.

A forcing is scanned over: :meth:`days` gives what changes from day to day (leading axis: time) and :meth:`at` turns one
day of it into temperature and precipitation at the points. So the field of a whole season need never exist.
"""

from abc import abstractmethod
from dataclasses import replace
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing
from jaxtyping import Array, Float, Int, PyTree

from oggm_glaunti.core.arrays import AnyArray, Daily, Field
from oggm_glaunti.core.checks import require_finite, require_index
from oggm_glaunti.core.units import PRCP_NORM, TEMP_NORM

AnyForcing = TypeVar("AnyForcing", bound="Forcing")


class Forcing(eqx.Module):
    """Daily weather at some points.

    Attributes
    ----------
    temp : array (T, ...)
        daily mean temperature, degC
    prcp : array (T, ...)
        precipitation, m w.e. day-1
    """

    temp: Float[AnyArray, "time ..."]
    prcp: Float[AnyArray, "time ..."]

    def days(self) -> PyTree:
        """Return what changes from day to day."""
        return self.temp, self.prcp

    @abstractmethod
    def at(self, day: PyTree) -> tuple[Array, Array]:
        """Return temperature and precipitation of one day at the points."""

    def block(self, start: Int[AnyArray, ""], size: int) -> "Forcing":
        """Return the weather of `size` neighbouring points, all points taken as one row."""
        of_points = {name: values.reshape(-1) for name, values in vars(self).items() if name not in ("temp", "prcp")}
        return replace(self, **{k: jax.lax.dynamic_slice_in_dim(v, start, size) for k, v in of_points.items()})

    def shifted(self: AnyForcing, temp_bias: float | Field = 0.0, prcp_fac: float | Field = 1.0) -> AnyForcing:
        """Return the same weather, warmer by `temp_bias` K and wetter by the factor `prcp_fac`."""
        return replace(self, temp=self.temp + temp_bias, prcp=self.prcp * prcp_fac)

    def checked(self: AnyForcing, weights: Daily) -> AnyForcing:
        """Return the same; raise an error that names the field if a day that is run holds a NaN."""
        days = weights > 0
        return replace(self, temp=require_finite("temp", self.temp, days), prcp=require_finite("prcp", self.prcp, days))

    def one_day(self) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """Return shapes and precision of a day's temperature and precipitation."""
        return jax.eval_shape(lambda: self.at(jax.tree.map(lambda leaf: jnp.asarray(leaf)[0], self.days())))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the points (...)."""
        return np.broadcast_shapes(*(series.shape for series in self.one_day()))


class GriddedForcing(Forcing):
    """Daily fields given at the points themselves, (T, ...)."""

    def at(self, day: PyTree) -> tuple[Array, Array]:
        """Return temperature and precipitation of one day at the points."""
        return day

    def block(self, start: Int[AnyArray, ""], size: int) -> "BlockForcing":
        """Return the weather of `size` neighbouring points, all points taken as one row."""
        if self.temp.shape != self.prcp.shape:
            raise ValueError(f"temp and prcp: expected one shape, found {self.temp.shape} and {self.prcp.shape}")
        n_days = self.temp.shape[0]
        return BlockForcing(self.temp.reshape(n_days, -1), self.prcp.reshape(n_days, -1), start, size)


class BlockForcing(Forcing):
    """Some neighbouring points of gridded weather, read from the whole array day by day, never copied.

    Attributes
    ----------
    temp, prcp : arrays (T, N)
        as in :class:`GriddedForcing`
    start : int array ()
        first point of the block
    size : int
        number of points
    """

    temp: Float[AnyArray, "time n"]
    prcp: Float[AnyArray, "time n"]
    start: Int[AnyArray, ""]
    size: int = eqx.field(static=True)

    def days(self) -> PyTree:
        """Return what changes from day to day: the index of the day."""
        return jnp.arange(self.temp.shape[0], dtype=self.start.dtype)

    def at(self, day: PyTree) -> tuple[Array, Array]:
        """Return temperature and precipitation of one day at the points."""
        cut = (1, self.size)
        temp, prcp = (jax.lax.dynamic_slice(a, (day, self.start), cut)[0] for a in (self.temp, self.prcp))
        return temp, prcp

    def block(self, start: Int[AnyArray, ""], size: int) -> "BlockForcing":
        """Return the weather of `size` neighbouring points of the block."""
        return BlockForcing(self.temp, self.prcp, self.start + start, size)


class StationForcing(Forcing):
    """One daily series at a reference height, carried to the points by a lapse rate; precipitation is uniform.

    Attributes
    ----------
    temp : array (T,)
        daily mean temperature at the reference height, degC
    prcp : array (T,)
        precipitation, m w.e. day-1
    temp_offset : array (...)
        temperature at the points minus temperature at the reference height, K
    """

    temp: Daily
    prcp: Daily
    temp_offset: Field

    def at(self, day: PyTree) -> tuple[Array, Array]:
        """Return temperature and precipitation of one day at the points."""
        temp, prcp = day
        return temp + self.temp_offset, jnp.broadcast_to(prcp, self.temp_offset.shape)

    def checked(self, weights: Daily) -> "StationForcing":
        """Return the same; raise an error that names the field if a day that is run holds a NaN."""
        return replace(super().checked(weights), temp_offset=require_finite("elevation", self.temp_offset))


class CoarseForcing(Forcing):
    """Daily series of some cells of a coarse grid; every point takes those of its cell, carried by a lapse rate.

    Attributes
    ----------
    temp : array (T, K)
        daily mean temperature at each cell's own height, degC
    prcp : array (T, K)
        precipitation, m w.e. day-1
    cell : int array (...)
        which of the K cells each point lies in
    temp_offset : array (...)
        temperature at the points minus that of their cell, K

    Examples
    --------
    >>> weather = CoarseForcing(np.zeros((1, 2)), np.array([[0.01, 0.02]]), np.array([0, 1, 1]), np.zeros(3))
    >>> weather.at((weather.temp[0], weather.prcp[0]))[1].tolist()
    [0.01, 0.02, 0.02]
    """

    temp: Float[AnyArray, "time cell"]
    prcp: Float[AnyArray, "time cell"]
    cell: Int[AnyArray, "..."]
    temp_offset: Field

    def at(self, day: PyTree) -> tuple[Array, Array]:
        """Return temperature and precipitation of one day at the points."""
        temp, prcp = day
        return temp[self.cell] + self.temp_offset, prcp[self.cell]

    def checked(self, weights: Daily) -> "CoarseForcing":
        """Return the same; raise an error that names the field if a day that is run holds a NaN."""
        return replace(
            super().checked(weights),
            cell=require_index("cell", self.cell, self.temp.shape[1]),
            temp_offset=require_finite("elevation", self.temp_offset),
        )


def station_forcing(temp: Daily, prcp: Daily, heights: Field, ref_hgt: float, temp_gradient: float) -> StationForcing:
    """Carry the weather of a station to other heights.

    Parameters
    ----------
    temp, prcp : arrays (T,)
        degC and m w.e. day-1 at `ref_hgt`
    heights : array (...)
        m
    ref_hgt : float
        m
    temp_gradient : float
        K m-1, negative if it gets colder upwards

    Returns
    -------
    StationForcing

    Examples
    --------
    >>> weather = station_forcing(jnp.array([4.0]), jnp.array([0.01]), jnp.array([2000.0, 3000.0]), 2000.0, -0.006)
    >>> temp, prcp = weather.at((weather.temp[0], weather.prcp[0]))
    >>> [round(float(t), 3) for t in temp]
    [4.0, -2.0]
    """
    return StationForcing(temp, prcp, temp_gradient * (heights - ref_hgt))


def select_days(forcing: AnyForcing, days: slice) -> AnyForcing:
    """Select days of a forcing; series that are NumPy arrays are not copied."""
    return eqx.tree_at(lambda f: (f.temp, f.prcp), forcing, replace_fn=lambda series: series[days])


def pad_days(forcing: Forcing, weights: np.ndarray, n_days: int) -> tuple[Forcing, np.ndarray]:
    """Fill a forcing up to `n_days` with days of weight 0, which are not run.

    Periods of different lengths then share one compiled program.

    Raises
    ------
    ValueError
        if it is longer already
    """
    missing = n_days - weights.shape[0]
    if missing < 0:
        raise ValueError(f"cannot pad {weights.shape[0]} days to {n_days}")
    if missing == 0:
        return forcing, weights

    pad = lambda values: np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])
    forcing = eqx.tree_at(lambda f: (f.temp, f.prcp), forcing, replace_fn=pad)
    return forcing, np.concatenate([weights, np.zeros(missing, weights.dtype)])


def monthly_climate(
    time: np.ndarray,
    temp: Float[np.ndarray, " time"],
    prcp: Float[np.ndarray, " time"],
    dtype: np.typing.DTypeLike = np.float32,
) -> Float[np.ndarray, "2 month"]:
    """Compute the corrector's climate: normalised means over the calendar months that the days touch.

    Parameters
    ----------
    time : array (T,) of datetime64[D]
        consecutive days
    temp, prcp : arrays (T,)
        averaged over the outline, degC and m w.e. day-1

    Returns
    -------
    array (2, M)
        of that dtype; M is 12 to 14 for a mass-balance year

    Examples
    --------
    >>> days = np.arange("2019-01-30", "2019-02-03", dtype="datetime64[D]")
    >>> monthly_climate(days, np.array([1.0, 3.0, 5.0, 5.0]), np.zeros(4)).shape
    (2, 2)
    """
    months = time.astype("datetime64[M]")
    starts = np.flatnonzero(np.r_[True, months[1:] != months[:-1]])
    counts = np.diff(np.r_[starts, time.size])
    means = [np.add.reduceat(np.asarray(series, np.float64), starts) / counts for series in (temp, prcp)]
    return np.stack([means[0] / TEMP_NORM, means[1] / PRCP_NORM]).astype(dtype)
