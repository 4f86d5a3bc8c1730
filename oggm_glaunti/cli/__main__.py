"""Run the command as ``python -m oggm_glaunti.cli``."""

import sys

from oggm_glaunti.cli.main import main

sys.exit(main())
