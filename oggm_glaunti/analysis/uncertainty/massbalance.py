"""A mass-balance model for OGGM under one draw of the errors of parameters, model and weather."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.analysis.uncertainty import draws
from oggm_glaunti.analysis.uncertainty.spread import TAKEN_AS_KNOWN, parameter_spread
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, InvalidWorkflowError
from oggm_glaunti.coupling.table.inputs import TableInputs, TunableParams
from oggm_glaunti.coupling.table.interpolation import Interpolator
from oggm_glaunti.coupling.table.store import TableStore
from oggm_glaunti.coupling.table.table import Days, Table
from oggm_glaunti.coupling.weather.file import DailyClimate
from oggm_glaunti.fit.calibration.errors import ErrorSizes
from oggm_glaunti.fit.calibration.intervals import error_sizes, month_errors
from oggm_glaunti.fit.calibration.priors import TEMP_BIAS, TEMP_GRADIENT


class Draw(NamedTuple):
    """One draw of the errors.

    Attributes
    ----------
    temp, log_prcp : float32 arrays (T,)
        errors of every day of the daily record: added to temperature (K) and to the logarithm of precipitation
    parameters : dict
        ``{stored number: deviation from the calibrated one}``
    model : float64 array (Y, 12)
        errors of the model: added to the balance of every month of the record, at all heights, m w.e.
    seed : int or sequence of them
    """

    temp: NDArray[np.float32]
    log_prcp: NDArray[np.float32]
    parameters: dict[str, float]
    model: NDArray[np.float64]
    seed: Any


class UncertainGlaUnTIMassBalance(GlaUnTIMassBalance):
    """GlaUnTI under one draw of the errors of its parameters, of the model, and, if asked for, of the weather.

    Build one for each member of an ensemble, each with a seed of its own, and run OGGM's dynamics with it (or let
    :func:`~oggm_glaunti.analysis.uncertainty.ensemble_runs.run_ensemble_from_climate_data` do that). The same seed
    gives the same balances, in this process and in any other. Its height-year table is built in memory and never
    written.

    Parameters
    ----------
    gdir, *args, **kwargs
        see :class:`~oggm_glaunti.GlaUnTIMassBalance`
    seed, draw_seed : int or sequence of int
        of the draw; one of the two has to be given. Inside OGGM's ``RandomMassBalance``, whose own seed is called
        `seed`, it is `draw_seed`. The same seed draws the same errors on every glacier: in sums over glaciers they are
        fully correlated, unless each gets a seed of its own
    errors : WeatherErrors
        statistics of errors of the weather drawn in addition, default none: the errors of the model hold what the
        weather makes of a balance. Blocks are counted from the first day of the record
    parameters : bool
        draw the parameters too, from the covariance under ``fit.posterior`` of the calibration, if there is one
    model_errors : bool or ErrorSizes
        draw the errors of each winter, summer and year too, as of
        :func:`~oggm_glaunti.analysis.uncertainty.tasks.smb_uncertainty`: those of the glacier's mean, added to the
        balances at all heights, each month's evenly on its days

    Attributes
    ----------
    draw : Draw

    Raises
    ------
    InvalidParamsError
        for impossible standard deviations, lengths or seeds, and as :class:`~oggm_glaunti.GlaUnTIMassBalance`
    InvalidWorkflowError
        as :class:`~oggm_glaunti.GlaUnTIMassBalance`

    Notes
    -----
    The corrections of models C and D remain those of the recorded weather and of the weights. All realisations of a
    record get the same errors. Changing a tunable parameter keeps the draw.

    Examples
    --------
    >>> from oggm.core.massbalance import MultipleFlowlineMassBalance  # doctest: +SKIP
    >>> MultipleFlowlineMassBalance(gdir, mb_model_class=UncertainGlaUnTIMassBalance, seed=3)  # doctest: +SKIP
    """

    def __init__(
        self,
        gdir: GlacierDirectory,
        *args: Any,
        seed: int | Sequence[int] | None = None,
        errors: draws.WeatherErrors = draws.NO_WEATHER_ERRORS,
        parameters: bool = True,
        model_errors: bool | ErrorSizes = True,
        draw_seed: int | Sequence[int] | None = None,
        **kwargs: Any,
    ):
        from oggm_glaunti.analysis.uncertainty.blocks import weekly_blocks

        super().__init__(gdir, *args, **kwargs)
        seed = draw_seed if seed is None else seed
        if seed is None:
            raise InvalidParamsError(
                f"{gdir.rgi_id}: {type(self).__name__} is one draw of many; say which with seed (draw_seed inside "
                "OGGM's RandomMassBalance), or use run_ensemble_from_climate_data"
            )
        spread = parameter_spread(self.calib_params, gdir.rgi_id) if parameters else TAKEN_AS_KNOWN
        sizes, _ = error_sizes(self.calib_params, model_errors, gdir.rgi_id)
        months = month_errors(self.climate.time[0], self.climate.time[-1], sizes.whole, gdir.hemisphere)
        seeds = np.atleast_1d(seed).tolist()
        try:
            blocks = weekly_blocks(np.zeros(self.climate.time.size, np.int32), errors.block_days)
            drawn = draws.draw_errors([*seeds, draws.WEATHER_SEED], 1, blocks.middles, errors)
            by = draws.draw_parameters([*seeds, draws.PARAMETER_SEED], 1, spread.covariance)[0]
            of_model = draws.draw_model_errors([*seeds, draws.MODEL_SEED], 1, months).reshape(-1, 12)
        except (TypeError, ValueError) as err:
            raise InvalidParamsError(f"{gdir.rgi_id}: seed={seed!r}, {errors}: {err}") from err
        temp, log_prcp = (field[0][blocks.of_day] for field in drawn)
        moved = dict(zip(spread.names, map(float, by), strict=True))
        self.draw = Draw(temp, log_prcp, moved, of_model, seed)
        self.store = DrawnStore(self.store, self.draw)
        if moved:
            self.ti = self.store.ti
            self._set_temperature_globals()
            self.temp_default_gradient = self.store.temp_gradient
            # The table takes the degree-day factor and the bias from the tunable parameters.
            self.melt_f = np.multiply(self.melt_f, np.exp(moved.get("ddf_snow_log", 0.0)))
            self.temp_bias = np.add(self.temp_bias, moved.get(TEMP_BIAS, 0.0))


class DrawnStore(TableStore):
    """Tables of one draw: of perturbed weather and parameters, with the errors of the model, kept in memory only.

    Parameters
    ----------
    store : TableStore
        of the model without errors; its corrections are used
    draw : Draw
    """

    def __init__(self, store: TableStore, draw: Draw):
        kept = {k: v for k, v in vars(store).items() if k not in ("bare_inputs", "inputs", "asked")}
        self.__dict__.update(kept, _in_memory={})
        self.draw = draw
        stored = {name: by for name, by in draw.parameters.items() if name not in (TEMP_BIAS, TEMP_GRADIENT)}
        numbers: dict[str, Any] = {name: np.float32(float(getattr(store.ti, name)) + by) for name, by in stored.items()}
        self.ti = replace(store.ti, **numbers)
        self.temp_gradient = store.temp_gradient + draw.parameters.get(TEMP_GRADIENT, 0.0)

    @cached_property
    def inputs(self) -> TableInputs:
        """Inputs of the tables: the corrections of the recorded weather, and the perturbed weather."""
        inputs = super().inputs
        return replace(inputs, climate=perturbed(inputs.climate, self.draw))

    def table_of(self, tunables: TunableParams, on_disk: bool) -> Any:
        """Return the table of some parameters, not from disk: the directory holds that of the model without errors."""
        del on_disk
        return DrawnTable(super().table_of(tunables, on_disk=False), self.draw.model)

    def read(self, tunables: TunableParams) -> Table | None:
        """Return None: no table of a draw is ever in the directory."""
        del tunables
        return None

    def _write(self, table: Table, tunables: TunableParams, path: Any) -> None:
        raise InvalidWorkflowError(
            f"{self.gdir.rgi_id}: {path.name} holds the calibrated table, and that of a draw (seed={self.draw.seed}) "
            "is not written. Use GlaUnTIMassBalance to keep a table."
        )


class DrawnTable(Interpolator):
    """A table with errors of the model in its balances, the same at all heights, and beyond its ends.

    Parameters
    ----------
    bare : Interpolator
        without them
    errors : float64 array (Y, 12)
        of each month, m w.e.
    """

    def __init__(self, bare: Interpolator, errors: NDArray[np.float64]):
        self._bare, self._errors = bare, errors

    @property
    def heights(self) -> NDArray[np.float64]:  # type: ignore[override]
        """Heights of the table, with those of the continuation, m (K,)."""
        return self._bare.heights

    @cached_property
    def table(self) -> Table:
        """The whole table."""
        return self._moved(self._bare.table)

    @cached_property
    def continued(self) -> Table:
        """The whole table with the heights of the continuation."""
        return self._moved(self._bare.continued)

    def annual(self, heights: Any, year: int) -> NDArray[np.float64]:
        """Return the balance of the year of that index at the heights, m w.e."""
        return self._bare.annual(heights, year) + self._errors[year].sum()

    def days(self, inputs: TableInputs, tunables: TunableParams, year: int) -> Days:
        """Compute the days of the year of that index, the error of a month evenly on its days."""
        days = self._bare.days(inputs, tunables, year)
        first = inputs.climate.time[0].astype("M8[M]") + 12 * year
        lengths = np.diff((first + np.arange(13)).astype("M8[D]")).astype(int)
        return days._replace(smb=days.smb + np.repeat(self._errors[year] / lengths, lengths)[:, None])

    def _moved(self, table: Table) -> Table:
        return replace(table, smb=table.smb + self._errors[..., None])


def perturbed(climate: DailyClimate, draw: Draw) -> DailyClimate:
    """Return the record with a draw's errors in all its realisations."""

    def one(record: DailyClimate) -> DailyClimate:
        return replace(record, temp=record.temp + draw.temp, prcp=record.prcp * np.exp(draw.log_prcp), others=())

    first, *others = (one(record) for record in climate.realisations)
    return replace(first, others=tuple(others))
