"""OGGM's ice dynamics in memory for a given table of balances; nothing is written to the glacier directory."""

import copy
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.coupling.oggm.attributes import OGGMAttributes
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, InvalidWorkflowError, cfg
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
from oggm_glaunti.coupling.table.continuation import FAR, with_end_slopes
from oggm_glaunti.coupling.table.interpolation import Interpolator

# years; OGGM's time steps may end this much before the year does, and then the last step starts at its end
TIME_ROUNDING = 1e-6
QUANTITIES = {"volume": "km3", "area": "km2", "length": "m"}


class TableMassBalance(OGGMAttributes):
    """A given table as a mass-balance model of OGGM, read at the heights of the ice in each year.

    Parameters
    ----------
    years : int array (Y,)
        consecutive
    heights : array (N,)
        ascending, m; the balance is linear between them and extrapolated with the slopes at the ends
    smb : array (Y, N)
        annual balance, m w.e.
    hemisphere : {'nh', 'sh'}

    Raises
    ------
    ValueError
        if shapes do not match, or numbers are not finite

    Examples
    --------
    >>> cfg.initialize_minimal(logging_level="CRITICAL")
    >>> model = TableMassBalance(np.array([2000]), np.array([2000.0, 3000.0]), np.array([[-1.0, 1.0]]))
    >>> ice = model.get_annual_mb(np.array([2000.0, 2500.0, 3500.0]), year=2000) * cfg.SEC_IN_YEAR
    >>> (ice * 900.0 / 1000.0).round(6).tolist()
    [-1.0, 0.0, 2.0]
    """

    def __init__(
        self, years: NDArray[np.int_], heights: NDArray[np.float64], smb: NDArray[np.float64], hemisphere: str = "nh"
    ):
        super().__init__()
        if smb.shape != (len(years), len(heights)) or not np.isfinite(smb).all():
            raise ValueError(
                f"table: expected finite numbers (years, heights) ({len(years)}, {len(heights)}), found {smb.shape} "
                f"with {np.count_nonzero(~np.isfinite(smb))} that are not"
            )
        self.ys, self.ye, self.years = int(years[0]), int(years[-1]), np.asarray(years)
        self.hemisphere, self.valid_bounds, self.bias = hemisphere, [-1e4, 2e4], 0.0
        self.rho = self.ice_density = cfg.PARAMS["ice_density"]
        below, above = np.array([-FAR]), np.array([FAR])
        far = np.concatenate([below, heights, above]), with_end_slopes(smb, heights, below, above)
        self._table = Interpolator(*far, lambda: _refuse_months("TableMassBalance"))

    def get_annual_mb(self, heights: Any, year: float | None = None, **kwargs: Any) -> NDArray[np.float64]:
        """Return the balance of a calendar year at the heights, m of ice per second."""
        del kwargs
        if year is None:
            raise ValueError("year: expected a calendar year, found None")
        index = int(np.floor(year)) - self.ys
        if index == self.years.size and year - self.ye - 1 < TIME_ROUNDING:
            index -= 1
        if not 0 <= index < self.years.size:
            raise ValueError(f"year {year} out of the valid time bounds: [{self.ys}, {self.ye}]")
        return 1000.0 * self._table.annual(heights, index) / cfg.SEC_IN_YEAR / self.rho

    def get_monthly_mb(self, heights: Any, year: float | None = None, **kwargs: Any) -> NDArray[np.float64]:
        """Raise an error: a table of years has no months."""
        del heights, year, kwargs
        return _refuse_months("TableMassBalance")

    def __repr__(self) -> str:
        """Return OGGM's summary."""
        return super(OGGMAttributes, self).__repr__()


def _refuse_months(found: str) -> Any:
    raise InvalidParamsError(f"{found}: the table holds whole years; run with mb_elev_feedback 'annual' or 'never'")


class Experiment(NamedTuple):
    """A run of ice dynamics that lacks only the balance.

    Attributes
    ----------
    gdir : GlacierDirectory
    flowlines : list of Flowline
        at the beginning; every run works on a copy
    ys, ye : int
        the run is from the beginning of year `ys` to that of year `ye`
    model_class : type
        a model of :mod:`oggm.core.flowline`
    kwargs : dict
        arguments of the model
    """

    gdir: GlacierDirectory
    flowlines: list[Any]
    ys: int
    ye: int
    model_class: type
    kwargs: dict[str, Any]

    @property
    def years(self) -> NDArray[np.int64]:
        """Years whose balance is needed, (ye - ys,)."""
        return np.arange(self.ys, self.ye)

    def run(self, mb_model: Any) -> NDArray[np.float64]:
        """Return volume (km3), area (km2) and length (m) at the beginning of the years ys to ye, (ye - ys + 1, 3).

        Raises
        ------
        RuntimeError, FloatingPointError
            as in OGGM, if the ice leaves the domain or the solution is not finite
        """
        model = self.model_class(self.flowlines, mb_model=mb_model, y0=self.ys, inplace=False, **self.kwargs)
        states = [_state(model)]
        with warnings.catch_warnings():
            # As in OGGM's own task.
            warnings.filterwarnings("ignore", category=RuntimeWarning)
            for year in range(self.ys + 1, self.ye + 1):
                model.run_until(year)
                states.append(_state(model))
        return np.array(states)

    def run_table(self, heights: NDArray[np.float64], smb: NDArray[np.float64]) -> NDArray[np.float64]:
        """Run a table (ye - ys, N) at the heights (N,), m w.e.; the result is that of :meth:`run`."""
        return self.run(TableMassBalance(self.years, heights, smb, self.gdir.hemisphere))


def _state(model: Any) -> tuple[float, float, float]:
    return float(model.volume_km3), float(model.area_km2), float(model.length_m)


def experiment(
    gdir: GlacierDirectory,
    ys: int,
    ye: int,
    init_model_filesuffix: str | None = None,
    init_model_yr: int | None = None,
    init_model_fls: list[Any] | None = None,
    zero_initial_glacier: bool = False,
    glen_a_fac: float | None = None,
    fs_fac: float | None = None,
    evolution_model: type | None = None,
    **kwargs: Any,
) -> Experiment:
    """Prepare a run as OGGM's ``flowline_model_run`` does, without its files.

    Parameters
    ----------
    gdir : GlacierDirectory
    ys, ye : int
        the run is from the beginning of year `ys` to that of year `ye`
    init_model_filesuffix, init_model_yr, init_model_fls, zero_initial_glacier, glen_a_fac, fs_fac
        see :func:`oggm.core.flowline.flowline_model_run`
    evolution_model : type, optional
        a model of :mod:`oggm.core.flowline`; default: that of ``cfg.PARAMS['evolution_model']``
    **kwargs
        arguments of the model: ``water_level``, ``mb_elev_feedback`` ('annual' or 'never'), ``fixed_dt``,
        ``cfl_number`` and so on

    Raises
    ------
    InvalidParamsError
        if no year is run, or monthly balances are requested
    InvalidWorkflowError
        if the directory has no flowlines, or a tidewater glacier no water level
    """
    from oggm_glaunti.coupling.oggm.versions import evolution_model_for

    if ye <= ys:
        raise InvalidParamsError(f"{gdir.rgi_id}: ys, ye: expected an end after the beginning, found {ys} and {ye}")
    if kwargs.get("mb_elev_feedback", "annual") not in ("annual", "never"):
        _refuse_months(f"{gdir.rgi_id}: mb_elev_feedback={kwargs['mb_elev_feedback']!r}")
    if init_model_filesuffix is not None:
        stored = stored_run(gdir, init_model_filesuffix)
        stored.run_until(stored.last_yr if init_model_yr is None else init_model_yr)
        init_model_fls = stored.fls
    if init_model_fls is None and not gdir.has_file("model_flowlines"):
        raise InvalidWorkflowError(f"{gdir.rgi_id}: no model_flowlines; run oggm.tasks.init_present_time_glacier first")
    flowlines = gdir.read_pickle("model_flowlines") if init_model_fls is None else copy.deepcopy(init_model_fls)
    for line in flowlines:
        line.thick = line.thick * (not zero_initial_glacier)
    # Creep and sliding: those of the inversion if OGGM is set to use them.
    of_inversion = gdir.get_diagnostics() if cfg.PARAMS["use_inversion_params_for_run"] else {}
    options: dict[str, Any] = {name: getattr(gdir, name) for name in ("is_tidewater", "is_lake_terminating")}
    for name, factor in (("glen_a", glen_a_fac), ("fs", fs_fac)):
        value = of_inversion.get(f"inversion_{name}", cfg.PARAMS[name])
        options[name] = value * (1.0 if factor is None else factor)
    options |= {"water_level": None, **kwargs}
    if options["water_level"] is None and cfg.PARAMS["use_kcalving_for_run"] and gdir.is_tidewater:
        options["water_level"] = gdir.get_diagnostics().get("calving_water_level")
        if options["water_level"] is None:
            raise InvalidWorkflowError(
                f"{gdir.rgi_id}: a tidewater glacier without a water level; run oggm.tasks.find_inversion_calving, "
                "give water_level, or set cfg.PARAMS['use_kcalving_for_run'] to False"
            )
    return Experiment(gdir, flowlines, int(ys), int(ye), evolution_model_for(gdir, evolution_model), options)


def stored_run(gdir: GlacierDirectory, filesuffix: str) -> Any:
    """Return a stored run as a model of OGGM."""
    from oggm.core.flowline import FileModel

    with HDF5_LOCK:
        return FileModel(gdir.get_filepath("model_geometry", filesuffix=filesuffix))
