"""GlaUnTI as an OGGM mass-balance model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from oggm.exceptions import InvalidParamsError
from oggm.utils import floatyear_to_date

from oggm_glaunti import settings
from oggm_glaunti.coupling.gridded.corrections import resolve_mode
from oggm_glaunti.coupling.ground.debris import read_debris
from oggm_glaunti.coupling.model.choice import choose_model
from oggm_glaunti.coupling.model.days import DailyBalance
from oggm_glaunti.coupling.model.merged import params_filesuffix_of
from oggm_glaunti.coupling.model.oggm_record import BY_OGGM
from oggm_glaunti.coupling.model.params import FIT_ENTRIES, CheckedProperty, TunableProperty, require_calibrated_with
from oggm_glaunti.coupling.oggm.versions import TEMPFORMELT_DAYS, days_in_year, floatyear_of_day
from oggm_glaunti.coupling.table.file import read_head
from oggm_glaunti.coupling.table.inputs import InputFiles, TableInputs, TunableParams
from oggm_glaunti.coupling.table.interpolation import Interpolator
from oggm_glaunti.coupling.table.refreezing import checked_refreezing
from oggm_glaunti.coupling.table.store import TableStore, table_path, tributary_suffix
from oggm_glaunti.coupling.weather.file import DailyClimate

if TYPE_CHECKING:
    from oggm import GlacierDirectory

settings.register()


class GlaUnTIMassBalance(DailyBalance):
    """GlaUnTI, the glacier-universal temperature index, as an OGGM mass-balance model.

    Daily weather and, in models C and D, the corrector are turned into a height-year table once; every call is an
    interpolation in it. The table is kept in the glacier directory and rebuilt when anything it was made from changes.
    Defaults are those of the directory's ``glaunti_params.json`` (see ``calibrate_glaunti``), or of the published model
    if there is no such file.

    Parameters
    ----------
    gdir : GlacierDirectory
        glacier with daily climate (``process_daily_climate``) and, for models C and D, ``glaunti_features``
    filename : str
        BASENAME of the climate file
    input_filesuffix : str
        suffix of the climate file; if empty, ``climate_historical_daily.nc`` is used
    mb_params_filesuffix : str
        suffix of ``glaunti_params.json`` (or of what OGGM's calibration tasks write for this class: ``mb_calib.json``,
        from OGGM 1.7 on ``settings.yml``)
    fl_id : int, optional
        flowline; ``mb_calib_fl<fl_id>.json`` counts if OGGM's tasks wrote it for this class, otherwise all flowlines
        share the calibration
    melt_f : float or 12 of them, optional
        degree-day factor of snow, kg m-2 day-1 K-1
    temp_bias : float or 12 of them, optional
        offset added to temperature, K
    prcp_fac : float or 12 of them, optional
        factor on precipitation, on top of the model's own
    bias : float
        constant subtracted from the balance, mm w.e. yr-1
    temp_melt : float, optional
        None or 0: the smooth melt law of GlaUnTI has no threshold
    ys, ye : int, optional
        first and last calendar year; the default is the whole record
    repeat : bool
        repeat the period `ys`-`ye` indefinitely
    check_calib_params : bool
        raise if the directory was calibrated with another climate, lapse rate or weights than are used here
    check_climate_data : bool
        without effect, as the daily climate is always checked
    use_leap_years : bool
        whether rates refer to the true length of a year (from OGGM 1.7 on), see Notes
    settings_filesuffix : str
        of ``settings.yml`` (from OGGM 1.7 on). It also names the calibration, unless `mb_params_filesuffix` does; if
        these settings were made to vary something else, the calibration of the settings they fall back to counts
    model : {'A', 'C', 'D'}, optional
        default: the calibrated model, otherwise C. Model A must be requested explicitly
    corrector : {'auto', 'yearly', 'climatology', 'off'}, optional
        ``auto`` is ``yearly`` if the weather is ERA5-Land, otherwise ``climatology``
    weights : path, optional
        file or folder of the weights; default: see :func:`oggm_glaunti.shop.find_weights`
    variant : {'smooth', 'mass_conserving'}, optional
        daily step of the temperature index: as published, or with snow that is conserved, see
        :func:`~oggm_glaunti.core.temperature_index.mass_conserving_day`. Default: the calibrated one, otherwise
        ``smooth``
    refreezing : {'none', 'woodward', 'cold_content'}
        whether rain and melt freeze again in cold firn, up to a potential of the year, or by day in the cold of the
        snow, see :mod:`oggm_glaunti.core.refreezing`; for cold glaciers, with ``variant='mass_conserving'`` only
    debris : bool
        whether ice melts with the factors of ``glaunti_debris.json`` (``process_debris``)

    Attributes
    ----------
    loaded_model : GlaUnTI
        the model of the weights, without tunable parameters and fit
    weights_sha256 : str
        SHA-256 of the weights in use
    store : TableStore
        where the tables are kept, and what they are made from

    Raises
    ------
    InvalidWorkflowError
        if an input is missing or the calibration does not fit the inputs; the message says what to run
    InvalidParamsError
        for invalid parameters
    oggm_glaunti.shop.WeightsNotFoundError
        if the weights of models C or D cannot be found

    Notes
    -----
    Rates are m of ice per second; the sum over a calendar year or month, leap day included, is divided by the length
    that OGGM gives them (:meth:`sec_in_year`, :meth:`sec_in_month`: in OGGM 1.6.3 365 days and a twelfth of them,
    afterwards those of the calendar, leap days only with `use_leap_years`), so that OGGM's integration gives it back.
    Beyond the table the balance goes on with the slopes at its ends, and is never more than the snowfall, nor that more
    than the precipitation. ``tempformelt`` is in the unit of OGGM's MonthlyTIModel: the
    sum of positive degree days in K day, in OGGM 1.6.3 divided by its mean month (365 / 12 days).

    If the calibration holds fitted parameters (attribute `fitted_parameters`, otherwise None), they replace the
    weights' own (attribute `ti`), and a fitted lapse rate replaces ``cfg.PARAMS['glaunti_temp_gradient']`` (attribute
    `temp_default_gradient`); the corrections of models C and D are always those of the weights and that parameter.
    """

    # The model a subclass stands for, whatever the directory's calibration says.
    fixed_model: str | None = None
    _table: Interpolator | None
    use_calibration = True  # whether the numbers of the directory's calibration count

    def __init__(
        self,
        gdir: GlacierDirectory,
        filename: str = "climate_historical",
        input_filesuffix: str = "",
        mb_params_filesuffix: str = "",
        fl_id: int | None = None,
        melt_f: Any = None,
        temp_bias: Any = None,
        prcp_fac: Any = None,
        bias: float = 0,
        *,  # OGGM's versions disagree about the order from here on
        temp_melt: float | None = None,
        ys: int | None = None,
        ye: int | None = None,
        repeat: bool = False,
        check_calib_params: bool = True,
        check_climate_data: bool = True,
        use_leap_years: bool = False,
        settings_filesuffix: str = "",
        model: str | None = None,
        corrector: str | None = None,
        weights: Any = None,
        variant: str | None = None,
        refreezing: str = "none",
        debris: bool = False,
        **kwargs: Any,
    ):
        if kwargs:
            raise TypeError(f"{type(self).__name__}: unknown arguments {sorted(kwargs)}")
        super().__init__()
        self.filename, self.input_filesuffix = filename, input_filesuffix
        self.gdir, self.fl_id, self.settings_filesuffix = gdir, fl_id, settings_filesuffix
        self.valid_bounds = [-1e4, 2e4]
        self.hemisphere = gdir.hemisphere
        self._set_conventions(temp_melt, use_leap_years)
        self.repeat, self.bias = repeat, bias
        given = {"model": model, "corrector": corrector, "weights": weights, "variant": variant}
        given |= {"melt_f": melt_f, "prcp_fac": prcp_fac, "temp_bias": temp_bias}
        suffix = params_filesuffix_of(gdir, mb_params_filesuffix, input_filesuffix)
        how = suffix, check_calib_params, self.fixed_model, self.use_calibration
        self.choice = choice = choose_model(gdir, given, *how, settings_filesuffix, fl_id)
        self.loaded_model, self.weights_sha256 = choice.model, choice.weights_sha256
        self.model_name, self.calib_params = choice.model.name, choice.calibration
        self.ti, self.fitted_parameters = choice.ti, choice.fitted_parameters
        self.temp_default_gradient = choice.temp_gradient
        self.refreezing = checked_refreezing(refreezing, self.variant, gdir.rgi_id)
        self._set_temperature_globals()
        self.melt_f, self.prcp_fac, self.temp_bias = vars(choice.tunables).values()
        own_climate = filename == "climate_historical"
        climate_suffix = input_filesuffix if own_climate else f"_{filename}{input_filesuffix}"
        head = read_head(table_path(gdir, self.model_name, choice.params_filesuffix, climate_suffix))
        self._files = self._open_files(filename, input_filesuffix, "" if head is None else head.input_files)
        self._set_years(ys, ye)
        self.corrector = resolve_mode(choice.corrector, self.model_name, self.climate_source)
        if check_calib_params:
            self._check_calibration(own_climate, input_filesuffix)
        profile = read_debris(gdir, tributary_suffix(choice.params_filesuffix)) if debris else None
        origin = choice.model, choice.weights_sha256, self._files, self.corrector, choice.temp_gradient, choice.ti
        self.store = TableStore(gdir, *origin, choice.params_filesuffix, climate_suffix, head, self.refreezing, profile)

    @property
    def variant(self) -> str:
        """Name of the day of the temperature index."""
        return self.ti.day.name

    def _open_files(self, filename: str, input_filesuffix: str, record: str) -> InputFiles:
        return InputFiles(self.gdir, filename, input_filesuffix, record)

    def _set_years(self, ys: int | None, ye: int | None) -> None:
        climate = self._files.about_climate
        self.climate_source, self.ref_hgt, self._first_year = climate.source, climate.ref_hgt, climate.ys
        self.ys = int(climate.ys if ys is None else max(ys, climate.ys))
        self.ye = int(climate.ye if ye is None else min(ye, climate.ye))
        if self.ys > self.ye:
            raise InvalidParamsError(
                f"{self.gdir.rgi_id}: no years between ys={ys} and ye={ye}; {climate.file} in {self.gdir.dir} holds "
                f"{climate.ys} to {climate.ye}"
            )
        self.years = np.arange(self.ys, self.ye + 1)
        self.ys_float, self.ye_float = float(self.ys), floatyear_of_day(self.ye, days_in_year(self.ye))

    def _check_calibration(self, own_climate: bool, input_filesuffix: str) -> None:
        if not self.calib_params:
            return
        # Weather named for this run alone may be any, and the path of the weights is where they were found.
        compare_climate = own_climate and input_filesuffix == tributary_suffix(self.choice.params_filesuffix)
        found = self.origin(with_features="features_sha256" in self.calib_params)
        for name in ("weights_path", *(() if compare_climate else self._files.about_climate.origin())):
            del found[name]
        require_calibrated_with({"variant": "smooth", **self.calib_params}, found, self.gdir.rgi_id)

    melt_f = TunableProperty("Degree-day factor of snow, kg m-2 day-1 K-1 (a number or 12).")
    prcp_fac = TunableProperty("Factor on precipitation (a number or 12).")
    temp_bias = TunableProperty("Temperature bias, K (a number or 12).")
    bias = CheckedProperty("Constant subtracted from the balance, kg m-2 yr-1.")

    # --- the table ---

    @property
    def climate(self) -> DailyClimate:
        """The daily record, tunable parameters not applied."""
        return self._files.climate

    @property
    def table_inputs(self) -> TableInputs:
        """What the table is made from: weather, heights, temperature index, corrections (computed unless kept)."""
        return self.store.inputs

    def tunable_params(self) -> TunableParams:
        """Return the current tunable parameters."""
        return TunableParams(self.melt_f, self.prcp_fac, self.temp_bias)

    def table(self) -> Interpolator:
        """Return the table of the current tunable parameters; that of the initial ones is kept in the directory."""
        if self._table is None:
            tunables = self.tunable_params()
            self._table = self.store.table_of(tunables, on_disk=tunables.digest() == self.choice.tunables.digest())
        return self._table

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "_table": None,
            "_days": None,
            "_refrozen": None,
        }  # workers find or rebuild the table themselves

    def keep_table(self, params_filesuffix: str = "") -> None:
        """Write the table of the current tunable parameters, for models made from a calibration with that suffix."""
        self.store.keep(self.tunable_params(), params_filesuffix)

    def _year_index(self, year: float | None) -> int:
        if year is None:
            raise ValueError(f"{type(self).__name__}: year is required")
        year = int(np.floor(year))
        if self.repeat:
            year = self.ys + (year - self.ys) % (self.ye - self.ys + 1)
        if not self.is_year_valid(year):
            raise ValueError(f"year {year} out of the valid time bounds: [{self.ys}, {self.ye}]")
        return year - self._first_year

    def record_year(self, year: float) -> int:
        """Return the calendar year of the record that stands for a year: another one only with `repeat`."""
        return self._first_year + self._year_index(year)

    # --- OGGM's interface ---

    def get_monthly_climate(self, heights: Any, year: float | None = None) -> tuple[np.ndarray, ...]:
        """Return the climate of a month at the heights, all tunable parameters applied.

        Parameters
        ----------
        heights : array-like (N,)
            m
        year : float

        Returns
        -------
        (temp, tempformelt, prcp, prcpsol) : arrays (N,)
            degC, K day (OGGM 1.6.3: K), kg m-2 month-1, kg m-2 month-1; precipitation as the balance counts it, with
            the model's own factor
        """
        y, month = floatyear_to_date(year)
        return self._climate_of(heights, self._year_index(y), month - 1)

    def _climate_of(self, heights: Any, index: int, month: int) -> tuple[np.ndarray, ...]:
        heights = np.atleast_1d(np.asarray(heights, np.float64))
        at = self.table()
        temp = at.table.temp[index, month] + self.temp_default_gradient * (heights - self.ref_hgt)
        pdd, solid, scale = (at.monthly(name, heights, index, month) for name in ("pdd", "solid_prcp", "prec_scale"))
        prcp = 1000.0 * scale * at.table.prcp[index, month]
        # The sums of the table are rounded.
        return temp, np.maximum(pdd, 0.0) / TEMPFORMELT_DAYS, prcp, np.clip(1000.0 * solid, 0.0, prcp)

    def get_annual_climate(self, heights: Any, year: float | None = None) -> tuple[np.ndarray, ...]:
        """Return the climate of a calendar year: mean temp, sums of the monthly tempformelt, prcp and prcpsol."""
        months = [self._climate_of(heights, self._year_index(year), month) for month in range(12)]
        temp, tempformelt, prcp, prcpsol = (np.stack(values) for values in zip(*months, strict=True))
        return temp.mean(axis=0), tempformelt.sum(axis=0), prcp.sum(axis=0), prcpsol.sum(axis=0)

    def get_monthly_mb(
        self, heights: Any, year: float | None = None, add_climate: bool = False, **kwargs: Any
    ) -> np.ndarray | tuple[np.ndarray, ...]:
        """Return the balance of a month at the heights (N,), m of ice per second; arguments as OGGM has them.

        With `add_climate` also what :meth:`get_monthly_climate` returns.
        """
        del kwargs
        y, month = floatyear_to_date(year)
        index = self._year_index(y)
        self._asked_heights = heights
        smb = 1000.0 * self.table().monthly("smb", heights, index, month - 1)
        seconds = self.sec_in_month(year)
        mb = (smb - self.bias * seconds / self.sec_in_year(year)) / seconds / self.rho
        return (mb, *self._climate_of(heights, index, month - 1)) if add_climate else mb

    def get_annual_mb(
        self, heights: Any, year: float | None = None, add_climate: bool = False, **kwargs: Any
    ) -> np.ndarray | tuple[np.ndarray, ...]:
        """Return the balance of a calendar year at the heights; arguments as in :meth:`get_monthly_mb`."""
        del kwargs
        self._asked_heights = heights
        smb = self.table().annual(heights, self._year_index(year))
        mb = (1000.0 * smb - self.bias) / self.sec_in_year(year) / self.rho
        return (mb, *self.get_annual_climate(heights, year)) if add_climate else mb

    # --- what a calibration belongs to ---

    def calibration_owner(self) -> dict[str, Any]:
        """Return what the numbers that OGGM's tasks calibrate on this model belong to."""
        fit = {name: self.calib_params[name] for name in FIT_ENTRIES if name in self.calib_params}
        return {"rgi_id": self.gdir.rgi_id, **self.origin(), **fit, "calibrated_by": BY_OGGM}

    def origin(self, with_features: bool = True) -> dict[str, Any]:
        """Return which model this is, and the digests of all that its balances are made from but its parameters."""
        how = {"corrector": self.corrector, "temp_gradient": settings.param("glaunti_temp_gradient")}
        found = {**self.choice.origin(), **how, **self._files.about_climate.origin()}
        if with_features and self.corrector != "off":
            found["features_sha256"] = self._files.features_sha256(tributary_suffix(self.choice.params_filesuffix))
        return found


class GlaUnTIMassBalanceA(GlaUnTIMassBalance):
    """Model A, the smooth temperature index; its calibration may be next to another's as ``glaunti_params_A.json``."""

    fixed_model = "A"


class GlaUnTIMassBalanceC(GlaUnTIMassBalance):
    """Model C, corrected without facies; its calibration may be next to another's as ``glaunti_params_C.json``."""

    fixed_model = "C"


class GlaUnTIMassBalanceD(GlaUnTIMassBalance):
    """Model D, corrected with facies; its calibration may be next to another's as ``glaunti_params_D.json``."""

    fixed_model = "D"
