from .aletsch_gdir import aletsch as aletsch
from .fetched import datasets as datasets, fetch as fetch
from .glacier import hintereisferner as hintereisferner
from .hef_files import observations as observations, path as path
