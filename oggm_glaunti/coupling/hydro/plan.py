"""Which years of which record a run's mass-balance model has taken for its simulated years."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from oggm.core.massbalance import ConstantMassBalance, MultipleFlowlineMassBalance, RandomMassBalance
from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti.coupling.model.days import no_split_reason
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.table.inputs import TableInputs
from oggm_glaunti.coupling.table.refreezing import freezing_again
from oggm_glaunti.coupling.table.water_days import DaysByHeight, days_by_height


class Source(NamedTuple):
    """Weather and parameters that some flowlines of a run share.

    Attributes
    ----------
    mb_model : GlaUnTIMassBalance
    lines : tuple of int
        flowlines
    record_years : list of tuples
        for each simulated year, the years of the record of which it is the mean
    """

    mb_model: GlaUnTIMassBalance
    lines: tuple[int, ...]
    record_years: list[tuple[int, ...]]

    def realisations(self, heights: np.ndarray) -> list[TableInputs]:
        """Return what the days at some heights are made from, for each realisation of the weather."""
        return [replace(one, heights=heights) for one in self.mb_model.table_inputs.realisations()]

    def days(self, inputs: TableInputs, last: int) -> Iterator[DaysByHeight]:
        """Run the record of a realisation up to a year."""
        tunables = self.mb_model.tunable_params()
        years = days_by_height(inputs, tunables, last)
        kind = self.mb_model.refreezing
        return years if kind == "none" else freezing_again(kind, years, inputs, tunables)

    @property
    def no_split(self) -> str | None:
        """Why melt of snow and of ice are not known apart, or None."""
        return no_split_reason(self.mb_model)


def sources_of(rgi_id: str, mb_model: Any, years: np.ndarray) -> list[Source]:
    """Return the sources of a run's mass-balance model, each with its flowlines.

    Raises
    ------
    InvalidWorkflowError
        for models that are not GlaUnTI, or of which it is not known what they make of GlaUnTI's years
    """
    many = isinstance(mb_model, MultipleFlowlineMassBalance)
    models = mb_model.flowline_mb_models if many else [mb_model]
    found: dict[Any, Source] = {}
    for k, model in enumerate(models):
        base, record_years = _resolved(rgi_id, model)
        of_years = [record_years(int(year)) for year in years]
        key = base.store.digest(base.tunable_params()), tuple(of_years)
        lines = (*found[key].lines, k) if key in found else (k,)
        found[key] = Source(base, lines, of_years)
    return list(found.values())


def _resolved(rgi_id: str, model: Any) -> tuple[GlaUnTIMassBalance, Callable[[int], tuple[int, ...]]]:
    base = getattr(model, "mbmod", model)
    if isinstance(base, GlaUnTIMassBalance):
        if base is model:
            return base, lambda year: (base.record_year(year),)
        if isinstance(model, ConstantMassBalance):
            return base, lambda _: tuple(base.record_year(year) for year in model.years)
        if isinstance(model, RandomMassBalance):
            return base, lambda year: (base.record_year(model.get_state_yr(year)),)
    raise InvalidWorkflowError(
        f"{rgi_id}: run_with_daily_hydro: the run's mass-balance model is {type(model).__name__}"
        f"{f' of {type(base).__name__}' if base is not model else ''}; expected GlaUnTIMassBalance, alone or in "
        "ConstantMassBalance or RandomMassBalance: give mb_model_class=GlaUnTIMassBalance"
    )
