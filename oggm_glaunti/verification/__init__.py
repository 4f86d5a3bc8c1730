"""Recompute the outputs of a reference file and compare: trust in a GPU, a new jax, changed code.

Two layouts are known. A *reference file* holds inputs (``in_*``) and outputs of all models and variants, gradients and
losses. A *real-glacier file* holds a glacier's grid, its weather, and maps of models A and C for a run of mass-balance
years. What is checked follows from the names in the file: each output belongs to a recipe, and one that belongs to none
counts as outside tolerance.

``report``
    tolerances, differences, the report and its printing
``recipes``
    from the name of an output to the function that recomputes it
``reference_runs``, ``reference_derived``
    the recipes of a reference file
``real_glacier``
    those of a real-glacier file; scores against observed elevation bands
``files``
    layouts, reading, the whole file
"""

from oggm_glaunti.verification.files import verify_file
from oggm_glaunti.verification.real_glacier import scores_against_bands
from oggm_glaunti.verification.report import ArrayResult, Group, Report, Tolerance, VerificationError, print_report

__all__ = [
    "ArrayResult",
    "Group",
    "Report",
    "Tolerance",
    "VerificationError",
    "print_report",
    "scores_against_bands",
    "verify_file",
]
