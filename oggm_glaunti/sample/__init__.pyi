from .glacier import hintereisferner as hintereisferner
from .hef_files import observations as observations, path as path
