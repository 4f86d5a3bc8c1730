"""Long lists, as they are shown."""

from collections.abc import Iterable


def first_lines(lines: Iterable[str], most: int = 20) -> list[str]:
    """Return the first lines and, if there are more, one that counts them.

    Examples
    --------
    >>> first_lines("abcd", most=2)
    ['a', 'b', '... and 2 more']
    """
    lines = [*lines]
    return lines[:most] + [f"... and {len(lines) - most} more"] * (len(lines) > most)
