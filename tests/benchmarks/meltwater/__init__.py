"""Daily meltwater maps judged: ``python -m tests.benchmarks.meltwater``."""
