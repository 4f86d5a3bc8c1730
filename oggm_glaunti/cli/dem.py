"""The verb ``impute-dem``: voids of yearly surfaces filled, from a folder of tiles to a NetCDF file."""

import argparse
import time
from pathlib import Path

from oggm_glaunti.cli import common

# Those of the imputation; not imported, so that the command's help is quick.
METHODS = ("rff_kriging", "rff", "kriging", "hypsometric", "idw", "constant")

TILES_FOLDER = """\
DIR holds hugonnet_dems/tiles/Z_NAME_YEAR.tif and ZSTDDEV_NAME_YEAR.tif, heights and their standard deviations in m,
and cop30dem/{elevation,slope,aspect}/NAME.tif, a reference DEM on the same cells. What is written are heights (year,
y, x), their uncertainty, flags of what was filled, and the trend. Heights stay in the tiles' place and vertical datum.
"""
EXAMPLE = 'oggm-glaunti impute-dem demimputation aletsch.nc --glacier "Grosser Aletsch"'


def add_impute_dem(subparsers: common.Subparsers) -> None:
    """Add ``impute-dem DIR OUT.nc --glacier NAME``."""
    what, epilog = "fill the voids of yearly surfaces", f"example:\n  {EXAMPLE}"
    parser = common.add_verb(
        subparsers, "impute-dem", run_impute_dem, what, TILES_FOLDER, epilog, {"coregister": "--no-coregister"}
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder of tiles")
    parser.add_argument("out", metavar="OUT.nc", type=Path, help="file to write; its folder is made if missing")
    parser.add_argument("--glacier", metavar="NAME", help="needed where DIR holds several glaciers")
    parser.add_argument("--method", choices=METHODS, default=METHODS[0], help="default: %(default)s")
    parser.add_argument("--no-coregister", action="store_true", help="take the reference to lie right as it is")
    parser.add_argument("--seed", type=int, default=0, help="of random features and test voids (default: %(default)s)")
    parser.add_argument("--figure", metavar="FILE.png", type=Path, help="map of the surface, its uncertainty and trend")


def run_impute_dem(args: argparse.Namespace) -> int:
    """Fill the voids of one glacier's tiles and print how good that is."""
    from pyproj import CRS

    from oggm_glaunti.companions.dem.impute import impute_dem_stack
    from oggm_glaunti.companions.dem.tiles import chosen_glacier, read_tiles, write_imputed

    begin = time.perf_counter()
    name = chosen_glacier(args.folder, args.glacier)
    tiles = read_tiles(args.folder, name)
    z, z_std, dem_ref, slope, aspect = (tiles[key] for key in ("z", "z_std", "dem_ref", "slope", "aspect"))
    chosen = {"method": args.method, "coregister": not args.no_coregister, "seed": args.seed}
    try:
        filled = impute_dem_stack(z, z_std, dem_ref, slope, aspect, pieces=tiles["pieces"], **chosen)
    except ValueError as err:
        raise ValueError(f"{args.folder}: {name}: {err}") from err
    about = {
        "glacier": name,
        "source_files": tiles.attrs["files"],
        "vertical_datum": "that of the input, which is not changed; median_dh is its difference to the reference",
    }
    write_imputed(args.out, filled, CRS.from_wkt(tiles.attrs["crs_wkt"]), about)
    if args.figure is not None:
        from oggm_glaunti.graphics import plot_voids, save_png

        args.figure.parent.mkdir(parents=True, exist_ok=True)
        save_png(plot_voids(filled, title=name), args.figure)
    found, imputed, years = filled.attrs, filled["imputed"].values, filled["year"].values
    void, count = int(imputed.any(axis=0).sum()), int(imputed.sum())
    pairs = zip(found["shift_rows"], found["shift_cols"], strict=True)
    moved = " and ".join(f"{rows:+.2f} rows, {cols:+.2f} columns" for rows, cols in pairs)
    lines = [
        f"{name}, {years[0]}-{years[-1]}: {void} of {imputed[0].size} cells void, {count} heights "
        f"filled by {found['method']} in {time.perf_counter() - begin:.1f} s",
        f"  reference moved by {moved} (NMAD {found['nmad_before']:.1f} -> {found['nmad_after']:.1f} m), median "
        f"difference to the reference {found['median_dh']:+.1f} m",
    ]
    if "rmse" in found:
        lines.append(
            f"  voids made for a test: RMSE {found['rmse']:.1f} m, median |error| {found['median_error']:.1f} m, NMAD "
            f"{found['nmad']:.1f} m; {100 * found['coverage_90']:.0f} % within 90 % intervals, then scaled by "
            f"{found['std_scale']:.2f}"
        )
    print("\n".join(lines))
    return common.OK
