"""Predictions beside observations: a table in, tables of scores out, as in the paper.

A *predictions* table has one row per observation: ``glacier``, ``kind`` (point, glacier-wide or geodetic), ``season``
(annual, winter, summer or free), ``year``, ``true`` and one column ``pred_<model>`` per model, all in m w.e. A missing
value is left empty; it is counted in ``n_dropped``, per model.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from oggm_glaunti.files import write_text
from oggm_glaunti.fit.evaluation.scores import Scores, scores
from oggm_glaunti.fit.names import ALL_SEASONS, KINDS

__all__ = [
    "POOLED_COLUMNS",
    "SITE_COLUMNS",
    "Scores",
    "format_scores",
    "largest_differences",
    "models_of",
    "pooled_scores",
    "predictions_of",
    "read_predictions",
    "scores",
    "scores_per_glacier",
    "write_predictions",
    "write_scores",
]

PREFIX = "pred_"
KEYS = ("glacier", "kind", "season", "year", "true")
MEASURES = ("n", "pearson_r", "rmse", "mae", "bias", "skill_vs_mean_r2", "n_dropped")
POOLED_COLUMNS = ("model", "kind", "season", *MEASURES)
"""Columns of ``scores.csv``, in order."""
SITE_COLUMNS = ("glacier", "kind", "season", "model", *MEASURES)
"""Columns of ``scores_per_glacier.csv``, in order."""
MISSING = ("", "na", "nan")
DECIMALS = 6


def models_of(predictions: pd.DataFrame) -> dict[str, str]:
    """Columns with predictions by the name of their model: ``pred_a`` is A.

    Examples
    --------
    >>> models_of(pd.DataFrame(columns=["true", "pred_a", "pred_finetuned"]))
    {'A': 'pred_a', 'finetuned': 'pred_finetuned'}
    """
    names = {column: column.removeprefix(PREFIX) for column in predictions.columns if column.startswith(PREFIX)}
    return {name.upper() if len(name) == 1 else name: column for column, name in names.items()}


def predictions_of(modelled: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A table of predictions from observations that were modelled in glacier directories.

    Parameters
    ----------
    modelled : mapping
        for each model (its name becomes ``pred_<name>``) a table of observations with a column ``modelled``, as
        :func:`oggm_glaunti.fit.calibration.tasks.modelled` gives it; the same observations, in the same order, in all

    Raises
    ------
    ValueError
        if the tables are not of the same observations

    Examples
    --------
    >>> rows = {"glacier": ["a"], "kind": "point", "season": "annual", "end": pd.to_datetime(["2020-09-30"])}
    >>> table = pd.DataFrame({**rows, "value": -1.0, "modelled": -1.2})
    >>> predictions_of({"fitted": table}).to_dict("records")
    [{'glacier': 'a', 'kind': 'point', 'season': 'annual', 'year': 2020, 'true': -1.0, 'pred_fitted': -1.2}]
    """
    first = next(iter(modelled.values()))
    observed = ["glacier", "kind", "season", "end", "value"]
    for name, rows in modelled.items():
        if not rows[observed].reset_index(drop=True).equals(first[observed].reset_index(drop=True)):
            raise ValueError(f"{name}: not the same observations, in the same order, as in {next(iter(modelled))}")
    columns = {"year": first["end"].dt.year, "true": first["value"]}
    columns |= {f"{PREFIX}{name}": rows["modelled"].to_numpy() for name, rows in modelled.items()}
    return first[["glacier", "kind", "season"]].assign(**columns).reset_index(drop=True)


def read_predictions(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read and check a table of predictions.

    Parameters
    ----------
    path : path
        CSV

    Returns
    -------
    pandas.DataFrame
        numbers as float64, NaN where missing

    Raises
    ------
    ValueError
        naming file, row and what is wrong
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as err:
        raise ValueError(f"{path}: not a CSV table ({err})") from err
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError(f"{path}: more values in a row than the {len(table.columns)} columns that line 1 names")
    missing = [name for name in KEYS if name not in table.columns]
    models = models_of(table)
    if missing or not models:
        lacking = ", ".join(missing or [f"{PREFIX}<model>"])
        raise ValueError(f"{path}: no column {lacking}; found {', '.join(table.columns)}")
    _require_known(table, path, "kind", KINDS)
    _require_known(table, path, "season", ALL_SEASONS)
    for name in ("true", *models.values()):
        table[name] = _numbers(table[name], path)
    table["year"] = _years(table["year"], path)
    return table


def _at(bad: pd.Series) -> str:
    """Number of the first row as an editor counts: the header is line 1."""
    return f"line {int(np.flatnonzero(bad)[0]) + 2}"


def _require_known(table: pd.DataFrame, path: str | os.PathLike[str], name: str, known: Sequence[str]) -> None:
    bad = ~table[name].isin(known)
    if bad.any():
        found = table[name][bad].iloc[0]
        raise ValueError(f"{path}: {_at(bad)}: {name} {found!r}; expected one of {', '.join(known)}")


def _numbers(column: pd.Series, path: str | os.PathLike[str]) -> pd.Series:
    empty = column.str.strip().str.lower().isin(MISSING)
    values = pd.to_numeric(column.where(~empty), errors="coerce").astype(np.float64)
    bad = (values.isna() & ~empty) | np.isinf(values)
    if bad.any():
        raise ValueError(f"{path}: {_at(bad)}: {column.name} is {column[bad].iloc[0]!r}; expected a number of m w.e.")
    return values


def _years(column: pd.Series, path: str | os.PathLike[str]) -> pd.Series:
    bad = ~column.str.fullmatch(r"\s*-?\d+\s*")
    if bad.any():
        raise ValueError(f"{path}: {_at(bad)}: year is {column[bad].iloc[0]!r}; expected a whole number")
    return column.astype(np.int64)


def write_predictions(predictions: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a table of predictions with five decimals; the file appears complete or not at all."""
    return _write(Path(path), predictions.to_csv(index=False, float_format="%.5f"))


# --- tables of scores ---


def pooled_scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Scores of every kind, season and model over all glaciers.

    Parameters
    ----------
    predictions : DataFrame
        see :func:`read_predictions`

    Returns
    -------
    DataFrame
        :data:`POOLED_COLUMNS` and ``p``; NaN where a score has no meaning

    Examples
    --------
    >>> table = pd.DataFrame({"glacier": ["x"] * 3, "kind": ["point"] * 3, "season": ["annual"] * 3})
    >>> table = table.assign(year=[2001, 2002, 2003], true=[-1.0, 0.0, 1.0], pred_a=[-0.5, 0.5, None])
    >>> pooled_scores(table)[["model", "n", "bias", "n_dropped"]].values.tolist()
    [['A', 2, 0.5, 1]]
    """
    groups = dict(list(predictions.groupby(["kind", "season"])))
    order = [(kind, season) for kind in KINDS for season in ALL_SEASONS if (kind, season) in groups]
    rows = [
        {"model": model, "kind": kind, "season": season, **_measures(groups[kind, season], column)}
        for kind, season in order
        for model, column in models_of(predictions).items()
    ]
    return pd.DataFrame(rows, columns=[*POOLED_COLUMNS, "p"])


def scores_per_glacier(predictions: pd.DataFrame) -> pd.DataFrame:
    """The same glacier by glacier, in alphabetical order: :data:`SITE_COLUMNS` and ``p``."""
    rows = [
        {"glacier": glacier, "kind": kind, "season": season, "model": model, **_measures(group, column)}
        for (glacier, kind, season), group in predictions.groupby(["glacier", "kind", "season"])
        for model, column in models_of(predictions).items()
    ]
    return pd.DataFrame(rows, columns=[*SITE_COLUMNS, "p"])


def _measures(group: pd.DataFrame, column: str) -> dict[str, float | int]:
    found = scores(group[column], group["true"])
    return {
        "n": found.n,
        "pearson_r": found.r,
        "rmse": found.rmse,
        "mae": found.mae,
        "bias": found.bias,
        "skill_vs_mean_r2": found.skill,
        "n_dropped": found.n_dropped,
        "p": found.p,
    }


def largest_differences(found: pd.DataFrame, reference: pd.DataFrame) -> dict[str, float]:
    """Largest absolute difference of each measure between two tables of scores.

    Parameters
    ----------
    found, reference : DataFrame
        with the columns :data:`POOLED_COLUMNS` or :data:`SITE_COLUMNS`; rows in any order

    Returns
    -------
    dict
        by measure; infinite where one table is blank and the other is not

    Raises
    ------
    ValueError
        if they do not have the same columns, or not the same rows
    """
    keys = [name for name in ("glacier", "kind", "season", "model") if name in reference.columns]
    missing = {*keys, *MEASURES} - set(found.columns) | {*keys, *MEASURES} - set(reference.columns)
    if missing:
        raise ValueError(f"tables of scores: no column {', '.join(sorted(missing))} in one of the two")
    found, reference = (table.set_index(keys).sort_index() for table in (found, reference))
    if not found.index.equals(reference.index):
        other = found.index.symmetric_difference(reference.index)
        raise ValueError(f"tables of scores: {len(other)} rows are in one of the two only, or twice: {list(other[:3])}")
    return {name: _largest(found[name], reference[name]) for name in MEASURES}


def _largest(found: pd.Series, reference: pd.Series) -> float:
    if not found.isna().equals(reference.isna()):
        return float("inf")
    return float(np.nanmax(np.abs(found - reference), initial=0.0))


# --- output ---


def format_scores(pooled: pd.DataFrame) -> str:
    """The table of pooled scores as text, a block per kind and season; m w.e., blank where a score has no meaning."""
    width = max(5, *(len(name) for name in pooled["model"])) if len(pooled) else 5
    head = f"{'':<{width}} {'n':>6} {'r':>7} {'p':>9} {'RMSE':>7} {'MAE':>7} {'bias':>7} {'skill':>8}"
    lines = []
    for (kind, season), block in pooled.groupby(["kind", "season"], sort=False):
        lines += [f"{kind}, {season} (m w.e.)", head]
        lines += [_format_row(row, width) for _, row in block.iterrows()]
    return "\n".join(lines)


def _format_row(row: pd.Series, width: int) -> str:
    cells = [f"{row['model']:<{width}}", f"{row['n']:>6}", _format(row["pearson_r"], "7.3f"), _format_p(row["p"])]
    cells += [_format(row[name], "7.3f") for name in ("rmse", "mae")]
    cells += [_format(row["bias"], "+7.3f"), _format(row["skill_vs_mean_r2"], "8.3f")]
    return " ".join(cells) + (f"  {row['n_dropped']} left out" if row["n_dropped"] else "")


def _format_p(p: float) -> str:
    # Below the smallest float it is 0, which no p value is.
    return f"{'<1e-300':>9}" if p < 1e-300 else _format(p, "9.1e")


def _format(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else " " * int(form.lstrip("+").split(".")[0])


def write_scores(predictions: pd.DataFrame, folder: str | os.PathLike[str], source: str) -> dict[str, Path]:
    """Write ``scores.csv``, ``scores_per_glacier.csv`` and ``scores.json``; each appears complete or not at all.

    Parameters
    ----------
    predictions : DataFrame
        see :func:`read_predictions`
    folder : path
        made if missing
    source : str
        what the predictions are, for the JSON file

    Returns
    -------
    dict of Path
        by name
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pooled, sites = pooled_scores(predictions), scores_per_glacier(predictions)
    about = {
        "source": source,
        "package_version": importlib.metadata.version("oggm-glaunti"),
        "units": {"rmse": "m w.e.", "mae": "m w.e.", "bias": "m w.e., predicted minus observed"},
        "pooled": _records(pooled),
        "glaciers": _records(sites),
    }
    texts = {
        "scores.csv": _csv(pooled, POOLED_COLUMNS),
        "scores_per_glacier.csv": _csv(sites, SITE_COLUMNS),
        "scores.json": json.dumps(about, indent=1, allow_nan=False) + "\n",
    }
    return {name: _write(folder / name, text) for name, text in texts.items()}


def _csv(table: pd.DataFrame, columns: Sequence[str]) -> str:
    return table.round(DECIMALS).to_csv(index=False, columns=list(columns))


def _records(table: pd.DataFrame) -> list[dict]:
    return table.astype(object).where(table.notna(), None).to_dict("records")


def _write(path: Path, text: str) -> Path:
    write_text(path, text)
    return path
