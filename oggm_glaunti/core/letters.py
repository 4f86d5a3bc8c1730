"""Letters of the models."""

from typing import Any

MODELS = "ABCD"


def model_letter(name: Any, models: str = MODELS) -> str:
    """Return the letter of a model in upper case.

    Parameters
    ----------
    name : str
        a letter, upper or lower case
    models : str
        those that are possible

    Raises
    ------
    ValueError
        for anything else

    Examples
    --------
    >>> model_letter("a")
    'A'
    """
    letter = name.strip().upper() if isinstance(name, str) else ""
    if len(letter) != 1 or letter not in models:
        raise ValueError(f"model: expected {', '.join(models[:-1])} or {models[-1]}, found {name!r}")
    return letter
