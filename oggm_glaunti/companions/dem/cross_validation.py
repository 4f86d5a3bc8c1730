"""Cross-validation of methods on synthetic voids: several realisations for each of several glaciers."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from oggm_glaunti.companions.dem.arrays import Mask
from oggm_glaunti.companions.dem.fill import FillOptions, what_is_known
from oggm_glaunti.companions.dem.impute import tried, usable_scale
from oggm_glaunti.companions.dem.scores import HeldOut, hold_out, score
from oggm_glaunti.companions.dem.stack import Stack
from oggm_glaunti.companions.dem.voids import VOID_SHARE, place_voids, void_library


class CrossValidation(NamedTuple):
    """Result of a cross-validation.

    Attributes
    ----------
    table : DataFrame
        A row for each glacier and realisation: the fields of
        :class:`~oggm_glaunti.companions.dem.scores.VoidScores` (m), ``hidden`` (pixels) and the
        :class:`~oggm_glaunti.companions.dem.fill.FillOptions` that were used
    held_out : dict
        Hidden pixels of each glacier and realisation
    """

    table: pd.DataFrame
    held_out: dict[tuple[str, int], HeldOut]

    @property
    def rmse(self) -> float:
        """Root of the mean over all rows of the mean squared error, m, as in the published objective."""
        return float(np.sqrt((self.table.rmse**2).mean()))


def cross_validate(
    stacks: Mapping[str, Stack],
    method: str = "rff_kriging",
    *,
    library: Sequence[Mask] | None = None,
    share: float = VOID_SHARE,
    realisations: int = 5,
    candidates: Sequence[FillOptions] = (FillOptions(),),
    calibrate: bool = True,
    coregister: bool = True,
    seed: int = 42,
) -> CrossValidation:
    """Hide pixels of every glacier, fill them from the rest and compare; all choices are made without them.

    Parameters
    ----------
    stacks : mapping of name to Stack
        Stacks, see :func:`~oggm_glaunti.companions.dem.stack.checked_stack`
    method, coregister
        See :func:`~oggm_glaunti.companions.dem.impute.impute_dem_stack`
    library : sequence of bool arrays, optional
        Shapes of voids; by default those of all stacks
    share : float
        Share of the pixels to hide
    realisations : int
        Number of realisations of voids for each glacier
    candidates : sequence of FillOptions
        If there are several, the one with the smallest squared error on other voids, made among the pixels that are not
        hidden, is used (nested choice)
    calibrate : bool
        Scale the standard deviations as an imputation does, on voids among the pixels that are not hidden
    seed : int
        Seed of the voids, which are the same for every method

    Returns
    -------
    CrossValidation

    Notes
    -----
    Protocol of Maslov et al. 2026, appendix B, except for the choice of options, which is made there once for all
    glaciers and on the reported scores.
    """
    if library is None:
        library = void_library([stack.void for stack in stacks.values()])
    rows, kept = [], {}
    for name, stack in stacks.items():
        for k in range(realisations):
            hidden = place_voids(stack.void, library, share, np.random.default_rng([seed, k]))
            if not hidden.any():
                raise ValueError(f"{name}: no void shape fits into the pixels with known heights")
            rest = stack._replace(z=np.where(hidden, np.nan, stack.z), z_std=np.where(hidden, np.nan, stack.z_std))
            options = choose(rest, method, candidates, library, share, [seed, k, 1], coregister)
            where = what_is_known(rest, coregister).registration
            trial = tried(rest, where, method, options, seed) if calibrate else None
            scale = 1.0 if trial is None else usable_scale(score(trial))
            found = hold_out(stack, hidden, method, options, seed, coregister, where)
            kept[name, k] = found = found._replace(std=scale * found.std)
            about = {"glacier": name, "realisation": k, "hidden": int(hidden.sum())}
            rows.append({**about, **score(found)._asdict(), **options._asdict()})
    return CrossValidation(pd.DataFrame(rows), kept)


def choose(
    stack: Stack,
    method: str,
    candidates: Sequence[FillOptions],
    library: Sequence[Mask],
    share: float,
    seed: Sequence[int],
    coregister: bool = True,
) -> FillOptions:
    """Return the candidate with the smallest squared error on voids made in a stack, the first one of equals."""
    if len(candidates) == 1:
        return candidates[0]
    hidden = place_voids(stack.void, library, share, np.random.default_rng(seed))
    where = what_is_known(stack, coregister, hidden).registration
    tries = (hold_out(stack, hidden, method, options, seed[0], coregister, where) for options in candidates)
    return candidates[int(np.argmin([score(held_out).rmse for held_out in tries]))]
