"""How well voids of yearly DEMs are filled, printed: ``python -m tests.benchmarks.dem``.

Three glaciers, five realisations of voids each (Maslov et al. 2026, appendix B), and wide discs. The lines at the end
say what was expected and whether it holds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from oggm_glaunti.companions.dem.cross_validation import CrossValidation, cross_validate
from oggm_glaunti.companions.dem.fill import FillOptions
from oggm_glaunti.companions.dem.impute import impute_dem_stack
from oggm_glaunti.companions.dem.scores import hold_out, score
from oggm_glaunti.companions.dem.stack import Stack, checked_stack
from oggm_glaunti.companions.dem.tiles import read_tiles
from oggm_glaunti.companions.dem.voids import disc, void_library
from tests.real.measured import shared_data

GLACIERS = ("Corbassiere", "Grosser Aletsch", "Sarenne")
SMALL = "Sarenne"
DEFAULT = "rff_kriging"
METHODS = ("constant", "hypsometric", "idw", "rff", "kriging", DEFAULT)
CANDIDATES = tuple(
    FillOptions(gamma=gamma, n_features=n, nugget=nugget, distance=distance)
    for gamma, n in ((0.01, 128), (0.1, 256))
    for nugget, distance in ((0.05, 3.0), (0.15, 3.0), (0.3, 8.0))
)
RADIUS, DISC_SHARE = 8.0, 0.10
SLOPES = (0, 15, 30, 45, 90)
DISTANCES = (0, 1.1, 2.1, 3.1, 20)

# Highest RMSE of features alone and of the default, its median absolute error, RMSE on discs (m); cells won against
# features alone; excess over the constant; share of heights in the 90 % interval; seconds.
FEATURES, BEST, MEDIAN, DISCS, WON, EXCESS, COVERAGE, SECONDS = 28.0, 21.0, 6.0, 26.0, 12, 1.10, (0.85, 0.95), 60.0


def read_all() -> dict[str, xr.Dataset]:
    """Tiles of the three glaciers."""
    folder = shared_data() / "data" / "demimputation"
    return {name: read_tiles(folder, name) for name in GLACIERS}


def as_stack(tiles: xr.Dataset) -> Stack:
    """Tiles looked at."""
    return checked_stack(tiles.z, tiles.z_std, tiles.dem_ref, tiles.slope, tiles.aspect, pieces=tiles.pieces)


def line(name: str, found: CrossValidation) -> str:
    """Scores of one method over all cells."""
    table = found.table
    cells = " ".join(f"{rmse:5.1f}" for rmse in table.rmse)
    return (
        f"{name:28s}{found.rmse:6.2f} {table.median_error.mean():6.2f} {table.nmad.mean():6.2f} "
        f"{table.coverage_90.mean():6.3f}  {cells}"
    )


def by_bins(found: CrossValidation, what: str, edges: tuple[float, ...]) -> Iterator[str]:
    """Errors of a method by slope or by distance to the void's edge."""
    parts = found.held_out.values()
    values = np.concatenate([np.broadcast_to(getattr(part, what), part.error.shape).ravel() for part in parts])
    errors = np.abs(np.concatenate([part.error.ravel() for part in parts]))
    bins = pd.cut(values, edges, include_lowest=True)
    table = pd.DataFrame({"error": errors}).groupby(bins, observed=True).error
    for interval, of_bin in table:
        rmse = np.sqrt((of_bin**2).mean())
        yield (
            f"  {what} {max(interval.left, 0.0):4.0f} to {interval.right:3.0f}: {of_bin.size // 20:6d} pixels, median "
            f"{of_bin.median():5.1f} m, 90 % below {of_bin.quantile(0.9):6.1f} m, RMSE {rmse:5.1f} m"
        )


def random_discs(void: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Five times known pixels near random places, also over voids and the edge, 10 % of the raster or more."""
    rows, columns = np.indices(void.shape)
    for k in range(5):
        rng, new = np.random.default_rng([42, k]), np.zeros_like(void)
        while new.mean() < DISC_SHARE:
            row, column = rng.uniform((0, 0), void.shape)
            new |= ~void & (np.hypot(rows - row, columns - column) <= RADIUS)
        yield new


def edge_strips(void: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Known pixels of a tenth of the raster at its northern, southern, western and eastern edge."""
    rows, columns = np.indices(void.shape)
    for index, count in ((rows, void.shape[0]), (columns, void.shape[1])):
        for from_edge in (index, count - 1 - index):
            yield (from_edge < DISC_SHARE * count) & ~void


def print_hidden(title: str, stacks: dict[str, Stack], hide: Any) -> None:
    """Hide the same pixels from some methods and print a line for each; nothing is scaled."""
    print(f"\n{title}\n{'':28s}  RMSE median    RMSE by glacier and part (m)")
    for method in ("constant", "rff", "kriging", DEFAULT):
        parts = [hold_out(stack, hidden, method) for stack in stacks.values() for hidden in hide(stack.void)]
        found = [score(part) for part in parts]
        rmse = np.array([of_part.rmse for of_part in found])
        median = np.mean([of_part.median_error for of_part in found])
        cells = " ".join(f"{of_part:5.1f}" for of_part in rmse)
        print(f"{method:28s}{np.sqrt(np.mean(rmse**2)):6.2f} {median:6.2f}   {cells}", flush=True)


def print_table(title: str, stacks: dict[str, Stack], methods: tuple[str, ...], **kwargs: Any) -> dict[str, Any]:
    """Cross-validate some methods and print a line for each."""
    print(f"\n{title}\n{'':28s}  RMSE median   NMAD  90 %    RMSE by glacier and realisation (m)")
    found = {}
    for method in methods:
        found[method] = cross_validate(stacks, method, **kwargs)
        print(line(method, found[method]), flush=True)
    return found


def seconds_of_imputation(tiles: dict[str, xr.Dataset]) -> dict[str, float]:
    """How long a glacier takes, from heights to heights."""
    seconds = {}
    for name, of_glacier in tiles.items():
        start = time.perf_counter()
        fields = (of_glacier[key] for key in ("z", "z_std", "dem_ref", "slope", "aspect"))
        filled = impute_dem_stack(*fields, pieces=of_glacier.pieces)
        seconds[name] = time.perf_counter() - start
        about = filled.attrs
        pairs = zip(about["shift_rows"], about["shift_cols"], strict=True)
        moved = " and ".join(f"{rows:+.2f}, {cols:+.2f}" for rows, cols in pairs)
        print(
            f"{name}: {int(filled.imputed.isel(year=0).sum())} pixels of {filled.imputed[0].size} filled in "
            f"{seconds[name]:.1f} s; reference moved by {moved} pixels, "
            f"NMAD {about['nmad_before']:.1f} -> {about['nmad_after']:.1f} m, median of the differences "
            f"{about['median_dh']:.1f} m"
        )
    return seconds


def verdicts(voids: dict[str, Any], discs: dict[str, Any], seconds: dict[str, float]) -> list[tuple[str, bool]]:
    """What was expected, with what was found."""
    best, features, constant = (voids[name].table for name in (DEFAULT, "rff", "constant"))
    won = int((best.rmse < features.rmse).sum())
    excess = float((best.rmse / constant.rmse).max())
    coverage = [float(t.coverage_90.mean()) for t in (best, discs[DEFAULT].table)]
    median = float(best.median_error.mean())
    return [
        (f"features alone {voids['rff'].rmse:.1f} m <= {FEATURES:.0f} m", voids["rff"].rmse <= FEATURES),
        (f"default {voids[DEFAULT].rmse:.1f} m <= {BEST:.0f} m", voids[DEFAULT].rmse <= BEST),
        (f"median absolute error {median:.1f} m <= {MEDIAN:.0f} m", median <= MEDIAN),
        (f"better than features alone in {won} of {len(best)} cells, >= {WON}", won >= WON),
        (f"worst cell {excess:.2f} of the constant <= {EXCESS:.2f}", excess <= EXCESS),
        (f"discs {discs[DEFAULT].rmse:.1f} m <= {DISCS:.0f} m", discs[DEFAULT].rmse <= DISCS),
        *(
            (
                f"90 % intervals hold {100 * share:.1f} % ({what}), {COVERAGE[0]:.0%} to {COVERAGE[1]:.0%}",
                COVERAGE[0] <= share <= COVERAGE[1],
            )
            for what, share in zip(("voids", "discs"), coverage, strict=True)
        ),
        (f"slowest glacier {max(seconds.values()):.1f} s < {SECONDS:.0f} s", max(seconds.values()) < SECONDS),
    ]


def main() -> int:
    """Print everything; 1 where something expected does not hold."""
    tiles = read_all()
    seconds = seconds_of_imputation(tiles)
    stacks = {name: as_stack(of_glacier) for name, of_glacier in tiles.items()}
    shapes = void_library([stack.void for stack in stacks.values()])
    print_table("Voids like real ones, reference not moved", stacks, ("constant",), coregister=False, calibrate=False)
    voids = print_table("Voids like real ones, 4.69 % of the pixels", stacks, METHODS)
    nested = cross_validate(stacks, DEFAULT, candidates=CANDIDATES)
    print(line(f"{DEFAULT}, nested choice", nested))
    chosen = nested.table.groupby(list(FillOptions._fields)).size()
    print(
        "  chosen: "
        + "; ".join(f"{dict(zip(FillOptions._fields, key, strict=True))} {n}x" for key, n in chosen.items())
    )
    print(f"\n{DEFAULT} by slope (degrees) and by distance to the nearest known pixel (pixels)")
    for what, edges in (("slope", SLOPES), ("distance", DISTANCES)):
        print(*by_bins(voids[DEFAULT], what, edges), sep="\n")
    some = ("constant", "rff", "kriging", DEFAULT)
    title = f"Discs of {RADIUS:.0f} pixels' radius where nothing is void, 10 % of the pixels or more"
    discs = print_table(title, stacks, some, library=[disc(RADIUS)], share=DISC_SHARE)
    print_hidden("Discs anywhere, also over voids and the edge", stacks, random_discs)
    print_hidden("Strips at the edge: north, south, west, east", stacks, edge_strips)
    more = {"realisations": 40, "seed": 9, "calibrate": False, "library": shapes}
    many = {method: cross_validate({SMALL: stacks[SMALL]}, method, **more) for method in ("constant", DEFAULT)}
    ratio = many[DEFAULT].table.rmse / many["constant"].table.rmse
    print(
        f"\n{SMALL}, 40 more realisations of some {many[DEFAULT].table.hidden.median():.0f} pixels each: "
        f"{many['constant'].rmse:.1f} m by the constant, {many[DEFAULT].rmse:.1f} m by the default, which is more "
        f"than 10 % worse in {(ratio > EXCESS).sum()} of them (at worst {ratio.max():.2f} times)\n"
    )
    found = verdicts(voids, discs, seconds)
    for what, holds in found:
        print(f"{'holds' if holds else 'FAILS'}: {what}")
    return int(not all(holds for _, holds in found))


if __name__ == "__main__":
    sys.exit(main())
