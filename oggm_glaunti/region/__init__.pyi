from .cluster import run as run
from .tables import glaunti_tables as glaunti_tables
