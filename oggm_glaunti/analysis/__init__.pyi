from .attribution.integrated_gradients import integrated_gradients as integrated_gradients
from .attribution.paths import path_of as path_of, stack_paths as stack_paths
from .dynamics.setup import prepare_volume_runs as prepare_volume_runs, with_tunables as with_tunables
from .dynamics.tasks import volume_summary as volume_summary
from .glaciers import glacier_run as glacier_run
from .inverse.series import solve_series as solve_series
from .inverse.shifts import (
    balance_and_slope as balance_and_slope,
    sensitivity as sensitivity,
    solve_shift as solve_shift,
    solve_shifts as solve_shifts,
)
from .inverse.targets import Geodetic as Geodetic
from .measure_next.survey import best_in_turn as best_in_turn, survey as survey, variance_removed as variance_removed
from .runoff import Catchment as Catchment, catchment_of as catchment_of, read_daily_hydro as read_daily_hydro
from .runoff.discharge import read_discharge as read_discharge
from .runoff.routing import Routing as Routing, fit_routing as fit_routing
from .runoff.scores import RunoffScores as RunoffScores, runoff_scores as runoff_scores
from .runoff.volume import Volume as Volume, fit_volume as fit_volume
from .trajectory import Trajectory as Trajectory, stack_trajectories as stack_trajectories
from .uncertainty.draws import WeatherErrors as WeatherErrors
from .uncertainty.propagation import (
    ensemble as ensemble,
    forcing_variance as forcing_variance,
    parameter_jacobian as parameter_jacobian,
    propagate as propagate,
)
