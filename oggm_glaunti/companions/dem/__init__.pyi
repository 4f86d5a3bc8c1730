from .impute import impute_dem_stack as impute_dem_stack
from .scores import hold_out as hold_out, joined as joined, score as score
from .stack import checked_stack as checked_stack
from .tiles import read_tiles as read_tiles
from .voids import VOID_SHARE as VOID_SHARE, disc as disc, place_voids as place_voids, void_library as void_library
