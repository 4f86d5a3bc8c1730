"""What a verification finds: tolerances, differences, the report and how it is printed."""

import dataclasses
import sys
from functools import partial
from typing import Any, NamedTuple, TextIO

import numpy as np

NOT_RECOMPUTED = "not recomputed"


class VerificationError(ValueError):
    """The file or the weights cannot be used; nothing has been compared."""


class Tolerance(NamedTuple):
    """Largest difference allowed: absolute, or as a share of the array's largest absolute value, the smaller counts."""

    absolute: float = np.inf
    share: float = np.inf
    unit: str = ""

    def limit(self, largest: float) -> float:
        """Return the difference allowed in an array whose largest absolute value is `largest`."""
        return min(self.absolute, self.share * largest if np.isfinite(self.share) else np.inf)

    def __str__(self) -> str:
        absolute = f"{self.absolute:.0e}{self.unit}" if np.isfinite(self.absolute) else ""
        share = f"{self.share:.0e} of largest" if np.isfinite(self.share) else ""
        return " and ".join(part for part in (absolute, share) if part)


# float32 rounding moves the published code itself by up to 9e-6 m w.e. Corrections, response fields, hidden states and
# branch outputs have no unit or another one, magnitudes of 0.1 to 10, and the same rounding.
BALANCE = Tolerance(absolute=2e-5, unit=" m w.e.")
NUMBER = Tolerance(absolute=2e-5)
# Regularisers can be as small as the absolute tolerance, so they must also agree in relation to themselves.
LOSS = Tolerance(absolute=2e-5, share=1e-4)
GRADIENT = Tolerance(share=1e-4)
SHARPNESS_GRADIENT = Tolerance(share=1e-3)


@dataclasses.dataclass(frozen=True)
class ArrayResult:
    """Comparison of one array; `relative` is the largest difference over the reference's largest absolute value.

    Entries that ties explain are said in `ties` and left out of the differences, see :func:`allow_for_ties`.
    """

    name: str
    group: str
    absolute: float
    relative: float
    limit: float
    tolerance: str
    note: str = ""
    ties: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was recomputed and lies within its tolerance; NaN and infinity never do."""
        return not self.note and bool(np.isfinite(self.absolute)) and self.absolute <= self.limit


@dataclasses.dataclass(frozen=True)
class Group:
    """Arrays that belong together."""

    name: str
    arrays: tuple[ArrayResult, ...]

    @property
    def outside(self) -> tuple[ArrayResult, ...]:
        """Arrays outside tolerance."""
        return tuple(array for array in self.arrays if not array.ok)


@dataclasses.dataclass(frozen=True)
class Report:
    """Outcome of a verification: data only, see :func:`print_report`."""

    path: str
    layout: str
    environment: str
    arrays: tuple[ArrayResult, ...]
    remarks: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[Group, ...]:
        """Arrays by group, in the order of the file."""
        names = dict.fromkeys(array.group for array in self.arrays)
        return tuple(Group(name, tuple(a for a in self.arrays if a.group == name)) for name in names)

    @property
    def outside(self) -> tuple[ArrayResult, ...]:
        """Arrays outside tolerance, those not recomputed included."""
        return tuple(array for array in self.arrays if not array.ok)

    @property
    def ok(self) -> bool:
        """Whether every output array of the file was recomputed and lies within tolerance."""
        return not self.outside


def print_report(report: Report, file: TextIO | None = None) -> None:
    """Print a report: one line per group, the arrays outside, and a last line with the totals.

    Parameters
    ----------
    report : Report
    file : text stream, optional
        standard output if not given
    """
    write = partial(print, file=sys.stdout if file is None else file)
    write(f"{report.path}: {report.layout}; {report.environment}")
    for group in report.groups:
        absolute, relative = np.max([(array.absolute, array.relative) for array in group.arrays], axis=0)
        write(
            f"{group.name:<36}{len(group.arrays):>4} arrays  max abs {absolute:.1e}  max rel {relative:.1e}"
            f"  tolerance {group.arrays[0].tolerance:<25} {'OUTSIDE' if group.outside else 'ok'}"
        )
        for array in group.arrays:
            if array.ties:
                write(f"    {array.name}: {array.ties}")
        for array in group.outside:
            write(f"    {array.name}: {array.note or f'differs by {array.absolute:.2e}, allowed {array.limit:.2e}'}")
    for remark in report.remarks:
        write(remark)
    write(f"verified {len(report.arrays)} arrays, {len(report.outside)} outside tolerance")


def compare(name: str, group: str, found: Any, expected: np.ndarray, tolerance: Tolerance) -> ArrayResult:
    """Largest differences between an array and its reference.

    Examples
    --------
    >>> compare("smb", "maps", np.array([1.0, -2.00001]), np.array([1.0, -2.0]), BALANCE).ok
    True
    """
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        note = f"shape {expected.shape} in the file, recomputed {found.shape}"
        return ArrayResult(name, group, np.nan, np.nan, 0.0, str(tolerance), note)
    largest = float(np.max(np.abs(expected), initial=0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        absolute = float(np.max(np.abs(found - expected), initial=0.0))
        relative = np.divide(absolute, largest) if absolute != 0 else 0.0
    return ArrayResult(name, group, absolute, float(relative), tolerance.limit(largest), str(tolerance))


def allow_for_ties(
    result: ArrayResult, found: Any, expected: np.ndarray, lowest: np.ndarray, highest: np.ndarray
) -> ArrayResult:
    """Set apart the entries of a gradient that differ because a maximum was taken of another of two equal cells.

    Parameters
    ----------
    result : ArrayResult
        comparison of `found` and `expected`, outside tolerance
    found, expected : arrays
        recomputed, and in the file
    lowest, highest : arrays
        of the recomputed gradient while its inputs are moved by rounding: where cells tie, both choices occur. An entry
        beyond the tolerance is explained if the file's value lies between them, within the tolerance

    Returns
    -------
    ArrayResult
        with the differences of all other entries; `result` itself if a tie explains none

    Examples
    --------
    >>> found, expected = np.array([1.0, 0.5]), np.array([1.0, 0.2])
    >>> outside = compare("gradient", "of a maximum", found, expected, GRADIENT)
    >>> allow_for_ties(outside, found, expected, np.array([1.0, 0.0]), np.array([1.0, 0.5])).ties
    '1 of 2 entries differ by up to 3.00e-01, as cells tie in a max pooling; all others by 0.00e+00'
    """
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    difference, limit = np.abs(found - expected), result.limit
    tied = (difference > limit) & (expected >= lowest - limit) & (expected <= highest + limit)
    if not tied.any():
        return result
    others = float(np.max(difference[~tied], initial=0.0))
    ties = (
        f"{int(tied.sum())} of {tied.size} entries differ by up to {difference[tied].max():.2e}, as cells tie in a max "
        f"pooling; all others by {others:.2e}"
    )
    largest = float(np.max(np.abs(expected)))
    return dataclasses.replace(result, absolute=others, relative=others / largest, ties=ties)
