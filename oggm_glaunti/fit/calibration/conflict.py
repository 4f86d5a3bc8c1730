"""What balances and discharge of a glacier ask for, alone and together.

A glacier's balances and the river below it commonly want different precipitation. A fit to both is a compromise that
neither is content with; so whoever fits to both is told what each would have had.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from oggm_glaunti.core.parameters import physical_numbers
from oggm_glaunti.fit.calibration.gauge import Gauge, error_in_words
from oggm_glaunti.fit.calibration.map_estimate import fit_map, linearised, place
from oggm_glaunti.fit.names import DISCHARGE

if TYPE_CHECKING:
    from oggm_glaunti.core.on_heights import Tuned
    from oggm_glaunti.fit.calibration.errors import ErrorSizes
    from oggm_glaunti.fit.calibration.hierarchy import Posterior
    from oggm_glaunti.fit.calibration.priors import Priors
    from oggm_glaunti.fit.calibration.sites import GlacierSite

BALANCES, RIVER, BOTH = "balances alone", "discharge alone", "both"


class Asked(NamedTuple):
    """What a fit to some of the rows asks for, and what comes of it.

    Attributes
    ----------
    prec_scale, ddf_snow : float
        of the fit: 1, m w.e. K-1 day-1
    volume : float
        of discharge, modelled over measured, minus 1
    balances : dict
        mean of modelled minus measured by season, m w.e.; empty without balances
    """

    prec_scale: float
    ddf_snow: float
    volume: float
    balances: dict[str, float]


def discharge_record(
    glacier: GlacierSite, gauge: Gauge, start: Tuned, priors: Priors, posterior: Posterior, errors: ErrorSizes | None
) -> dict[str, Any]:
    """Describe discharge in a fit of one glacier: its error, and what it asks for beside the balances.

    Parameters
    ----------
    glacier : GlacierSite
        with rows of discharge
    gauge : Gauge
    start, priors, posterior, errors
        arguments and result of :func:`~oggm_glaunti.fit.calibration.map_estimate.fit_map`

    Returns
    -------
    dict
        ``fits`` (an :class:`Asked` as a dict for each part of the rows), ``level_error``, ``own_error`` (m w.e., of a
        mean row) and ``words``
    """
    river = (glacier.used["kind"] == DISCHARGE).to_numpy()
    of_rows = {RIVER: river} if river.all() else {BALANCES: ~river, RIVER: river, BOTH: np.ones(river.size, bool)}
    fits = {}
    for name, rows in of_rows.items():
        found = posterior if rows.all() else _fit_to(glacier, rows, start, priors, errors)
        tuned = place(start, priors.names, found.glacier(0).mean)
        fits[name] = _asked(glacier, river, tuned, priors.names)
    assert glacier.rows.level is not None
    level, own = (float(of[river].mean()) for of in (glacier.rows.level, glacier.rows.sigma))
    share = float(np.mean(glacier.rows.level[river] / glacier.used["value"].to_numpy()[river]))
    words = [error_in_words(gauge, level, own), *in_words(fits, share)]
    as_dicts = {name: asked._asdict() for name, asked in fits.items()}
    return {"fits": as_dicts, "level_error": level, "own_error": own, "words": words}


def _fit_to(
    glacier: GlacierSite, rows: np.ndarray, start: Tuned, priors: Priors, errors: ErrorSizes | None
) -> Posterior:
    part = {name: np.asarray(getattr(glacier.site, name))[rows] for name in ("spans", "areas", "observed", "years")}
    return fit_map(start, [glacier.site.replace(**part)], [glacier.rows.select(rows)], priors, errors)


def _asked(glacier: GlacierSite, river: np.ndarray, tuned: Tuned, names: tuple[str, ...]) -> Asked:
    modelled, _ = linearised(tuned, glacier.site, names)
    measured = glacier.used["value"].to_numpy(float)
    season = glacier.used["season"].to_numpy(str)
    means = {name: float((modelled - measured)[~river & (season == name)].mean()) for name in np.unique(season[~river])}
    numbers = physical_numbers(tuned.ti)
    volume = float(modelled[river].sum() / measured[river].sum() - 1.0)
    return Asked(numbers["prec_scale"], numbers["ddf_snow"], volume, means)


def disagree(fits: Mapping[str, Asked], error: float) -> bool:
    """Return whether balances and discharge ask for more different water than the error of discharge, relative."""
    return BALANCES in fits and abs(fits[BALANCES].volume) > error


def in_words(fits: Mapping[str, Asked], error: float) -> list[str]:
    """Say what balances and discharge ask for; differences are model less measured, ddf_snow in mm w.e. K-1 day-1.

    Parameters
    ----------
    fits : mapping of Asked
    error : float
        shared by all rows of discharge, relative to their volume

    Examples
    --------
    >>> fits = {BALANCES: Asked(1.38, 0.005, 0.27, {"winter": 0.01}), RIVER: Asked(0.76, 0.004, 0.0, {"winter": -0.5})}
    >>> words = in_words({**fits, BOTH: Asked(1.1, 0.0045, 0.1, {"winter": -0.2})}, 0.1)
    >>> words[0]
    "Balances and discharge disagree: with the balances' fit the river has +27 % water, and 10 % may be its error."
    >>> words[1]
    'Balances alone ask for prec_scale 1.38, ddf_snow 5.00: volume +27 %, balances +0.01 m (winter).'
    """
    sentences = [
        f"{name.capitalize()} {'asks' if name == RIVER else 'ask'} for prec_scale {of.prec_scale:.2f}, ddf_snow "
        f"{1000 * of.ddf_snow:.2f}: volume {100 * of.volume:+.0f} %, balances {_seasons(of)}."
        for name, of in fits.items()
    ]
    if BALANCES not in fits:
        return sentences
    verdict = "disagree" if disagree(fits, error) else "agree"
    off = f"with the balances' fit the river has {100 * fits[BALANCES].volume:+.0f} % water"
    return [f"Balances and discharge {verdict}: {off}, and {100 * error:.0f} % may be its error.", *sentences]


def _seasons(asked: Asked) -> str:
    return ", ".join(f"{value:+.2f} m ({name})" for name, value in asked.balances.items()) or "are none"
