from . import (
    analysis as analysis,
    companions as companions,
    core as core,
    fit as fit,
    graphics as graphics,
    region as region,
    sample as sample,
    tasks as tasks,
)
from .analysis.uncertainty.massbalance import UncertainGlaUnTIMassBalance as UncertainGlaUnTIMassBalance
from .coupling.ground.dem_stack_file import (
    DemStack as DemStack,
    read_dem_stack as read_dem_stack,
    read_dem_stack_attributes as read_dem_stack_attributes,
    write_dem_stack as write_dem_stack,
)
from .coupling.ground.features import read_features as read_features
from .coupling.model.massbalance import (
    GlaUnTIMassBalance as GlaUnTIMassBalance,
    GlaUnTIMassBalanceA as GlaUnTIMassBalanceA,
    GlaUnTIMassBalanceC as GlaUnTIMassBalanceC,
    GlaUnTIMassBalanceD as GlaUnTIMassBalanceD,
)
from .coupling.model.statistics import glaunti_statistics as glaunti_statistics
from .coupling.oggm.offline import start_offline as start_offline
from .coupling.weather.file import read_daily_climate as read_daily_climate
from .shop import load_model as load_model

__version__: str
