from .attribution import plot_attribution as plot_attribution
from .dem.hidden_pixels import plot_errors as plot_errors, plot_held_out as plot_held_out
from .dem.surface_change import plot_surface_change as plot_surface_change
from .dem.voids_map import plot_voids as plot_voids
from .dynamics import plot_gradient as plot_gradient, plot_months as plot_months, plot_volume as plot_volume
from .fit import save_figures as save_figures
from .glacier import (
    mean_profile as mean_profile,
    plot_against_observations as plot_against_observations,
    plot_balance_map as plot_balance_map,
    plot_elevation as plot_elevation,
    plot_hypsometry as plot_hypsometry,
    plot_profiles as plot_profiles,
    plot_series as plot_series,
)
from .html_report.page import report as report
from .iceflow.balance import plot_apparent_balance as plot_apparent_balance
from .iceflow.predictions import plot_predictions as plot_predictions, plot_table1 as plot_table1
from .iceflow.velocity import (
    plot_ice_velocity as plot_ice_velocity,
    plot_image_shifts as plot_image_shifts,
    plot_stable_scatter as plot_stable_scatter,
)
from .inverse import plot_forcing_series as plot_forcing_series, plot_sensitivity as plot_sensitivity
from .measure_next import plot_where_to_measure as plot_where_to_measure
from .meltwater.scenes import (
    plot_ablation as plot_ablation,
    plot_error_by_gap as plot_error_by_gap,
    plot_reliability as plot_reliability,
    plot_scene as plot_scene,
)
from .meltwater.season import plot_extent as plot_extent, plot_melt_by_height as plot_melt_by_height
from .region import plot_region_map as plot_region_map, plot_region_series as plot_region_series
from .runoff import plot_runoff as plot_runoff
from .style import COLOURS as COLOURS, LINES as LINES, MARKERS as MARKERS, save_png as save_png
from .uncertainty import (
    plot_linearity as plot_linearity,
    plot_uncertainty as plot_uncertainty,
    plot_volumes as plot_volumes,
)
