from .antarctica import overpasses as overpasses, read_antarctic_melt as read_antarctic_melt
from .baselines import chosen_decay as chosen_decay, tuned_threshold as tuned_threshold
from .bench import MeltwaterBench as MeltwaterBench, write_bench as write_bench
from .calibration import (
    Calibration as Calibration,
    fit_calibration as fit_calibration,
    scale_to_scenes as scale_to_scenes,
)
from .extent import Comparison as Comparison
from .fit_loop import FitOptions as FitOptions
from .maps_file import open_maps as open_maps, write_maps as write_maps
from .pmw import melt_threshold as melt_threshold, pmw_melt as pmw_melt
from .predictor import MeltDays as MeltDays, melt_predictor as melt_predictor
from .sar import wet_fraction as wet_fraction
from .scores import by_gap as by_gap, pooled as pooled, published as published, reliability as reliability
from .splits import Split as Split, random_days as random_days, seasons_left_out as seasons_left_out
from .stack import SceneStack as SceneStack, checked_stack as checked_stack
from .synthetic import make_world as make_world
from .training import Trained as Trained, predict_days as predict_days, train_network as train_network
from .water import (
    WaterDays as WaterDays,
    WaterParameters as WaterParameters,
    surface_water as surface_water,
    water_at as water_at,
)
from .water_fit import fit_water as fit_water
from .windows import (
    Decay as Decay,
    climatology as climatology,
    decaying_window as decaying_window,
    gap_days as gap_days,
)
