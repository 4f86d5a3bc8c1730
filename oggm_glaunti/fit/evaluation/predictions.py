"""Predictions and observations in a table, and tables of their scores as in the paper.

A *predictions* table has one row per observation: ``glacier``, ``kind`` (point, glacier-wide or geodetic), ``season``
(annual, winter, summer or free), ``year``, ``true`` and one column ``pred_<model>`` per model, all in m w.e. Missing
values are empty; they are counted in ``n_dropped``, per model.
"""

import importlib.metadata
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from oggm_glaunti.files import write_text
from oggm_glaunti.fit.evaluation.scores import Scores, scores
from oggm_glaunti.fit.names import ALL_SEASONS, KINDS

PREFIX = "pred_"
KEYS = ("glacier", "kind", "season", "year", "true")
MEASURES = ("n", "pearson_r", "rmse", "mae", "bias", "skill_vs_mean_r2", "n_dropped")
POOLED_COLUMNS = ("model", "kind", "season", *MEASURES)
"""Columns of ``scores.csv``, in order."""
SITE_COLUMNS = ("glacier", "kind", "season", "model", *MEASURES)
"""Columns of ``scores_per_glacier.csv``, in order."""
EMPTY = ("", "na", "nan")
DECIMALS = 6


def models_of(predictions: pd.DataFrame) -> dict[str, str]:
    """Return the columns of predictions by model: ``pred_a`` is A.

    Examples
    --------
    >>> models_of(pd.DataFrame(columns=["true", "pred_a", "pred_finetuned"]))
    {'A': 'pred_a', 'finetuned': 'pred_finetuned'}
    """
    names = {column: column.removeprefix(PREFIX) for column in predictions.columns if column.startswith(PREFIX)}
    return {name.upper() if len(name) == 1 else name: column for column, name in names.items()}


def predictions_of(modelled: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Make a table of predictions of observations that were modelled in glacier directories.

    Parameters
    ----------
    modelled : mapping
        for each model (its name becomes ``pred_<name>``) a table of observations with a column ``modelled``, the result
        of :func:`oggm_glaunti.fit.calibration.tasks.modelled`; all of the same observations in the same order

    Raises
    ------
    ValueError
        if the tables hold different observations

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
        CSV file

    Returns
    -------
    pandas.DataFrame
        numbers as float64, NaN if missing

    Raises
    ------
    ValueError
        if the file is invalid; names file, row and what is wrong
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
    for name, known in (("kind", KINDS), ("season", ALL_SEASONS)):
        _refuse(table[name], ~table[name].isin(known), path, name, f"one of {', '.join(known)}")
    for name in ("true", *models.values()):
        table[name] = _numbers(table[name], path)
    _refuse(table["year"], ~table["year"].str.fullmatch(r"\s*-?\d+\s*"), path, "year is", "a whole number")
    return table.assign(year=table["year"].astype(np.int64))


def _refuse(cells: pd.Series, bad: pd.Series, path: str | os.PathLike[str], what: str, expected: str) -> None:
    """Raise an error that names the first bad cell and its line as an editor counts: the header is line 1."""
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{path}: line {first + 2}: {what} {cells.iloc[first]!r}; expected {expected}")


def _numbers(column: pd.Series, path: str | os.PathLike[str]) -> pd.Series:
    empty = column.str.strip().str.lower().isin(EMPTY)
    values = pd.to_numeric(column.where(~empty), errors="coerce").astype(np.float64)
    _refuse(column, (values.isna() & ~empty) | np.isinf(values), path, f"{column.name} is", "a number of m w.e.")
    return values


def write_predictions(predictions: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a table of predictions with five decimals; the file appears complete or not at all."""
    write_text(path, predictions.to_csv(index=False, float_format="%.5f"))
    return Path(path)


def pooled_scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Compute the scores of every kind, season and model over all glaciers.

    Parameters
    ----------
    predictions : DataFrame
        see :func:`read_predictions`

    Returns
    -------
    DataFrame
        :data:`POOLED_COLUMNS` and ``p``; NaN if a score is undefined

    Examples
    --------
    >>> table = pd.DataFrame({"glacier": ["x"] * 3, "kind": ["point"] * 3, "season": ["annual"] * 3})
    >>> table = table.assign(year=[2001, 2002, 2003], true=[-1.0, 0.0, 1.0], pred_a=[-0.5, 0.5, None])
    >>> pooled_scores(table)[["model", "n", "bias", "n_dropped"]].values.tolist()
    [['A', 2, 0.5, 1]]
    """
    found = _scores_by(["kind", "season"], predictions, POOLED_COLUMNS)
    pairs = [(kind, season) for kind in KINDS for season in ALL_SEASONS]
    rows = [np.flatnonzero((found["kind"] == kind) & (found["season"] == season)) for kind, season in pairs]
    return found.iloc[np.concatenate(rows)].reset_index(drop=True)


def scores_per_glacier(predictions: pd.DataFrame) -> pd.DataFrame:
    """Compute the same for each glacier, in alphabetical order: :data:`SITE_COLUMNS` and ``p``."""
    return _scores_by(["glacier", "kind", "season"], predictions, SITE_COLUMNS)


def _scores_by(keys: list[str], predictions: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    rows = [
        {**dict(zip(keys, key, strict=True)), "model": model, **scores(group[column], group["true"])._asdict()}
        for key, group in predictions.groupby(keys)
        for model, column in models_of(predictions).items()
    ]
    table = pd.DataFrame(rows, columns=[*keys, "model", *Scores._fields])
    return table.rename(columns={"r": "pearson_r", "skill": "skill_vs_mean_r2"})[[*columns, "p"]]


def largest_differences(found: pd.DataFrame, reference: pd.DataFrame) -> dict[str, float]:
    """Compute the largest absolute difference of each measure between two tables of scores.

    Parameters
    ----------
    found, reference : DataFrame
        columns :data:`POOLED_COLUMNS` or :data:`SITE_COLUMNS`; rows in any order

    Returns
    -------
    dict
        by measure; infinite if a value is missing in one table only

    Raises
    ------
    ValueError
        if columns or rows differ
    """
    keys = [name for name in ("glacier", "kind", "season", "model") if name in reference.columns]
    missing = {*keys, *MEASURES} - set(found.columns) | {*keys, *MEASURES} - set(reference.columns)
    if missing:
        raise ValueError(f"tables of scores: no column {', '.join(sorted(missing))} in one of the two")
    found, reference = (table.set_index(keys).sort_index() for table in (found, reference))
    if not found.index.equals(reference.index):
        other = found.index.symmetric_difference(reference.index)
        raise ValueError(f"tables of scores: {len(other)} rows are in one of the two only, or twice: {list(other[:3])}")
    found, reference = (table[[*MEASURES]].astype(float) for table in (found, reference))
    largest = (found - reference).abs().max().fillna(0.0)
    return largest.mask((found.isna() != reference.isna()).any(), np.inf).to_dict()


def format_scores(pooled: pd.DataFrame) -> str:
    """Format pooled scores as text, a block for each kind and season; m w.e., blank if a score is undefined."""
    width = max(5, *(len(name) for name in pooled["model"])) if len(pooled) else 5
    head = f"{'':<{width}} {'n':>6} {'r':>7} {'p':>9} {'RMSE':>7} {'MAE':>7} {'bias':>7} {'skill':>8}"
    lines = []
    for (kind, season), block in pooled.groupby(["kind", "season"], sort=False):
        lines += [f"{kind}, {season} (m w.e.)", head]
        lines += [_format_row(row, width) for _, row in block.iterrows()]
    return "\n".join(lines)


def _format_row(row: pd.Series, width: int) -> str:
    # The p value underflows to 0, which is none.
    p = f"{'<1e-300':>9}" if row["p"] < 1e-300 else _format(row["p"], "9.1e")
    cells = [f"{row['model']:<{width}}", f"{row['n']:>6}", _format(row["pearson_r"], "7.3f"), p]
    cells += [_format(row[name], "7.3f") for name in ("rmse", "mae")]
    cells += [_format(row["bias"], "+7.3f"), _format(row["skill_vs_mean_r2"], "8.3f")]
    return " ".join(cells) + (f"  {row['n_dropped']} left out" if row["n_dropped"] else "")


def _format(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else " " * int(form.lstrip("+").split(".")[0])


def write_scores(predictions: pd.DataFrame, folder: str | os.PathLike[str], source: str) -> dict[str, Path]:
    """Write ``scores.csv``, ``scores_per_glacier.csv`` and ``scores.json``; each appears complete or not at all.

    Parameters
    ----------
    predictions : DataFrame
        see :func:`read_predictions`
    folder : path
        created if missing
    source : str
        description of the predictions, for the JSON file

    Returns
    -------
    dict of Path
        paths by name of the file
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pooled, sites = pooled_scores(predictions), scores_per_glacier(predictions)
    records = [table.astype(object).where(table.notna(), None).to_dict("records") for table in (pooled, sites)]
    about = {
        "source": source,
        "package_version": importlib.metadata.version("oggm-glaunti"),
        "units": {"rmse": "m w.e.", "mae": "m w.e.", "bias": "m w.e., predicted minus observed"},
        "pooled": records[0],
        "glaciers": records[1],
    }
    texts = {
        "scores.csv": pooled.round(DECIMALS).to_csv(index=False, columns=[*POOLED_COLUMNS]),
        "scores_per_glacier.csv": sites.round(DECIMALS).to_csv(index=False, columns=[*SITE_COLUMNS]),
        "scores.json": json.dumps(about, indent=1, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return {name: folder / name for name in texts}
