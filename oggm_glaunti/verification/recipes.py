"""How an output of a file finds the function that recomputes it."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from oggm_glaunti.core.checks import require_finite, require_shape
from oggm_glaunti.verification.report import (
    NOT_RECOMPUTED,
    ArrayResult,
    Tolerance,
    VerificationError,
    allow_for_ties,
    compare,
)

Outputs = dict[str, Any]
Compute = Callable[..., Outputs]
Load = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Source:
    """The arrays of a file and the weights that go with them; each recipe runs once."""

    path: str
    arrays: Mapping[str, np.ndarray]
    model: Load
    """weights by model and glacier, read once"""
    memory: dict[Any, Any] = dataclasses.field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            raise VerificationError(f"{self.path}: no array {name!r}, which the outputs are computed from")
        return self.arrays[name]

    def finite(self, name: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """Return an input without NaN and, if given, of that shape; raise a ValueError that names it otherwise."""
        values = require_finite(name, self[name])
        return values if shape is None else require_shape(name, values, shape)

    def once(self, function: Callable[..., Any], **kwargs: str | None) -> Any:
        """``function(self, **kwargs)``, from memory the second time."""
        key = (function, tuple(sorted(kwargs.items())))
        if key not in self.memory:
            self.memory[key] = function(self, **kwargs)
        return self.memory[key]


class Recipe(NamedTuple):
    """How the outputs whose names match `pattern` are recomputed.

    The group ``what`` of the pattern is the key into what `compute` returns; its other groups are its arguments. Where
    rounding alone may move single entries beyond the tolerance, `bounds` returns how far, as (lowest, highest).
    """

    pattern: re.Pattern[str]
    group: str
    tolerance: Tolerance
    compute: Compute
    bounds: Compute | None = None


class Registry(list[Recipe]):
    """Recipes of a module; an instance is the decorator that fills it and may be applied several times."""

    def __call__(
        self, pattern: str, group: str, tolerance: Tolerance, bounds: Compute | None = None
    ) -> Callable[[Compute], Compute]:
        """Register the decorated function; no name may match two patterns."""

        def register(compute: Compute) -> Compute:
            self.append(Recipe(re.compile(pattern), group, tolerance, compute, bounds))
            return compute

        return register


def recompute(source: Source, name: str, recipes: Iterable[Recipe]) -> ArrayResult:
    """Compare one output of the file with what its recipe gives.

    Raises
    ------
    VerificationError
        naming the array, where inputs or weights are unusable
    """
    for entry in recipes:
        match = entry.pattern.fullmatch(name)
        if match is None:
            continue
        arguments = match.groupdict()
        what = arguments.pop("what")
        try:
            outputs = source.once(entry.compute, **arguments)
        except VerificationError:
            raise
        except ValueError as err:
            raise VerificationError(f"{source.path}: {name} cannot be recomputed: {err}") from err
        if what in outputs:
            group = entry.group.format(**{key: value.upper() for key, value in arguments.items()})
            result = compare(name, group, outputs[what], source[name], entry.tolerance)
            if result.ok or result.note or entry.bounds is None:
                return result
            lowest, highest = source.once(entry.bounds, **arguments)[what]
            return allow_for_ties(result, outputs[what], source[name], lowest, highest)
    return ArrayResult(name, NOT_RECOMPUTED, np.nan, np.nan, 0.0, "none", f"{NOT_RECOMPUTED}: no recipe of that name")
