"""What a region is run with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STAGES_FILE = "glaunti_stages.json"


# OGGM's pre-processed directories hold inverted ice from this level on.
LEVEL_WITH_ICE = 3


@dataclass(frozen=True)
class Request:
    """What a region is run with; see ``oggm-glaunti run --help``."""

    out: Path
    climate: str
    years: tuple[int, int]
    climate_is_file: bool = True
    rgi_ids: tuple[str, ...] = ()
    shapefile: Path | None = None
    dem: Path | None = None
    prepro_level: int = 3
    border: int = 80
    prepro_url: str | None = None
    climate_options: Mapping[str, Any] = field(default_factory=dict)
    model: str = "C"
    weights: Path | None = None
    ref_mb: float | str | None = None
    ref_period: str | None = None
    dynamics: bool = True
    workers: int = 1

    @property
    def inverts(self) -> bool:
        """Whether the ice thickness is inverted here, and not in OGGM's pre-processed directories."""
        return self.dynamics and (self.shapefile is not None or self.prepro_level < LEVEL_WITH_ICE)
