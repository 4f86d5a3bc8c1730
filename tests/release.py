"""Build a release and try it as a stranger would: ``python -m tests.release [--dist DIR]``.

Builds sdist and wheel from the committed files, checks their metadata with twine, compares the wheel with the package's
files, installs it alone into an empty environment and runs the demo there: another folder, an empty home, no network
(a network namespace without interfaces, on Linux). Prints a line per check; the exit status is 0 if all hold.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = "oggm_glaunti"
# MB: the sample glacier, and what a wheel of Python files weighs.
MOST_SAMPLE, MOST_WHEEL = 2.5, 5.0
# Model A on Hintereisferner against the measured bands of 2015-2020, as in docs/validation.md.
SCORES = {"r": 0.899, "rmse": 0.995}
# Seconds on two idle cores.
MOST_TIME = 60.0


def run(*command: str | Path, **kwargs) -> str:
    """Run a command to its end and return what it printed."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **kwargs)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def python_of(folder: Path) -> Path:
    """Make an empty environment and return its interpreter."""
    venv.create(folder, with_pip=True)
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def build(scratch: Path, dist: Path) -> tuple[Path, Path]:
    """Build sdist and wheel of the committed files, in isolation."""
    tree = scratch / "tree"
    tree.mkdir()
    archive = scratch / "tree.tar"
    run("git", "-C", REPOSITORY, "archive", "--output", archive, "HEAD")
    with tarfile.open(archive) as file:
        file.extractall(tree, filter="data")
    python = python_of(scratch / "builder")
    run(python, "-m", "pip", "install", "--quiet", "build", "twine")
    run(python, "-m", "build", "--outdir", dist, tree)
    (sdist,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    print(run(python, "-m", "twine", "check", "--strict", sdist, wheel).strip())
    return sdist, wheel


def files_of_the_package() -> set[str]:
    """Return the committed files of the package."""
    return set(run("git", "-C", REPOSITORY, "ls-files", PACKAGE).split("\n")) - {""}


def check_contents(wheel: Path, report: Report) -> None:
    """Compare the wheel with the package: nothing left out, nothing else in it."""
    with zipfile.ZipFile(wheel) as file:
        sizes = {info.filename: info.compress_size for info in file.infolist()}
    mine = {name for name in sizes if ".dist-info/" not in name}
    missing, foreign = files_of_the_package() - mine, mine - files_of_the_package()
    report(
        not missing and not foreign,
        f"{len(mine)} files of the package in the wheel, {len(missing)} missing, {len(foreign)} foreign",
    )
    sample = sum(size for name, size in sizes.items() if name.startswith(f"{PACKAGE}/sample/")) / 1e6
    report(sample <= MOST_SAMPLE, f"sample glacier in the wheel: {sample:.2f} MB (<= {MOST_SAMPLE})")
    whole = wheel.stat().st_size / 1e6
    report(whole <= MOST_WHEEL, f"wheel: {whole:.2f} MB (<= {MOST_WHEEL})")


def offline() -> list[str]:
    """Return the command that runs another without a network, where the system has one."""
    command = ["unshare", "--map-root-user", "--net"]
    works = (
        shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    )
    return command if works else []


def check_demo(wheel: Path, scratch: Path, report: Report) -> None:
    """Install the wheel alone and run the demo with an empty home and no network."""
    python = python_of(scratch / "user")
    run(python, "-m", "pip", "install", "--quiet", wheel)
    home, here = scratch / "home", scratch / "here"
    home.mkdir()
    here.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    without = offline()
    start = time.perf_counter()
    printed = run(*without, python.with_name("oggm-glaunti"), "demo", cwd=here, env={**kept, "HOME": str(home)})
    seconds = time.perf_counter() - start
    print(printed.rstrip())
    where = "no network" if without else "network not taken away on this system"
    report(seconds <= MOST_TIME, f"demo from the wheel, empty home, {where}: {seconds:.1f} s (<= {MOST_TIME:.0f})")
    for name, value in SCORES.items():
        found = [float(text) for text in re.findall(rf"(?i)\b{name}\b[ =]*(-?\d+\.\d+)", printed)]
        report(value in found, f"demo, model A against the measured bands, {name}: {found} has {value}")
    for pattern in ("*.png", "report.html", "*.nc"):
        found = sorted(path.name for path in here.rglob(pattern) if path.stat().st_size)
        report(bool(found), f"demo leaves {pattern}: {', '.join(found[:6]) or 'none'}")


class Report:
    """Lines as they are found, and whether all hold."""

    failed = 0

    def __call__(self, holds: bool, what: str) -> None:
        """Print one line."""
        self.failed += not holds
        print(f"{'holds' if holds else 'falls short'}: {what}", flush=True)


def main() -> int:
    """Build, check, install, run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--dist", type=Path, help="folder for sdist and wheel (new or empty; default: not kept)")
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        dist = args.dist or scratch / "dist"
        if dist.exists() and any(dist.iterdir()):
            raise SystemExit(f"{dist} is not empty: give a new folder")
        sdist, wheel = build(scratch, dist)
        report(
            True, f"built {sdist.name} ({sdist.stat().st_size / 1e6:.2f} MB) and {wheel.name}; twine has no complaint"
        )
        check_contents(wheel, report)
        check_demo(wheel, scratch, report)
    return int(report.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
