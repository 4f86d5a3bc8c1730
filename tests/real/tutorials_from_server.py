"""Every tutorial, run where nothing was prepared: a clone without shared data, an empty home, an empty cache.

``python -m tests.real.tutorials_from_server [01 06 ...]`` serves the registered files out of the shared folder under
the paths of their addresses, and runs each notebook of a clone of the last commit with nothing but that server to ask:
other addresses are led to a dead end. It prints a line for each notebook with the files and megabytes it fetched and
its seconds, and ends with status 1 if any falls short.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import xarray as xr

from oggm_glaunti import settings
from oggm_glaunti.downloads.registry import registry
from tests.conftest import REPOSITORY, SHARED
from tests.downloads.archives import pack

LONGEST = 1800
"""s, for a notebook"""
RUN = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], 4)
how = {"timeout": None, "startup_timeout": 600, "resources": {"metadata": {"path": "tutorials"}}}
nbclient.NotebookClient(notebook, **how).execute()
"""
DEAD_END = "http://127.0.0.1:9"


class Counting(SimpleHTTPRequestHandler):
    """Serves files of a folder and keeps their sizes."""

    sizes: list[int] = []  # noqa: RUF012

    def copyfile(self, source, outputfile) -> None:
        self.sizes.append(os.fstat(source.fileno()).st_size)
        super().copyfile(source, outputfile)

    def log_message(self, format: str, *args: object) -> None:
        pass


def lay_out(shared: Path, mirror: Path, melt: bool) -> None:
    """Link the registered files by host and path; what was repacked is brought into its first form again.

    That takes a minute, so it is done only if a notebook needs the maps of `melt`. The hourly files of the Rofental are
    not served: the shared folder lacks one of them, and no tutorial fetches them.
    """
    for data in registry().values():
        for file in data.files:
            target = data.place(mirror) / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            if data.made:
                if melt and data.name == "antarctica_melt":
                    unpacked_melt(shared / data.shared, target)
            elif (source := shared / data.shared / file.path).is_file():
                target.symlink_to(source)


def unpacked_melt(folder: Path, archive: Path) -> None:
    """Write the archive from which the melt maps were repacked, of its days and maps that are used."""
    with xr.open_dataset(folder / "static.nc", mask_and_scale=False) as opened:
        static = {name: opened[name].values for name in ("elevation", "mean_temperature")}
    days = []
    for path in sorted(folder.glob("melt_*.nc")):
        with xr.open_dataset(path, mask_and_scale=False) as opened:
            melt, dates = opened["melt"].values, opened["time"].dt.strftime("%Y-%m-%d").values
        days.append(zip(dates, melt, strict=True))
    pack(archive, static, (day for part in days for day in part))


def run(notebook: Path, clone: Path, server: str, programs: Path) -> str:
    """Run a notebook in an empty home; return what went wrong, if anything."""
    kept = {name: os.environ[name] for name in ("PATH", "VIRTUAL_ENV", "LANG") if name in os.environ}
    with tempfile.TemporaryDirectory(prefix="home_", ignore_cleanup_errors=True) as home:
        environment = {
            **kept,
            "HOME": home,
            "PYTHONPATH": str(clone),
            "JAX_COMPILATION_CACHE_DIR": str(programs),
            "HTTP_PROXY": DEAD_END,
            "HTTPS_PROXY": DEAD_END,
            "NO_PROXY": "127.0.0.1",
            settings.MIRROR_ENV: server,
        }
        command = [sys.executable, "-c", RUN, str(notebook)]
        try:
            done = subprocess.run(
                command, cwd=clone, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
            )
        except subprocess.TimeoutExpired:
            return f"not finished in {LONGEST} s"
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def main(chosen: list[str]) -> int:
    """Run the notebooks whose numbers are given, or all."""
    if SHARED is None:
        sys.exit(f"no shared data: set {settings.SHARED_ENV} to their folder")
    short = 0
    with tempfile.TemporaryDirectory(prefix="from_server_") as folder:
        clone, mirror = Path(folder, "clone"), Path(folder, "mirror")
        subprocess.run(["git", "clone", "-q", str(REPOSITORY), str(clone)], check=True)
        notebooks = [n for n in sorted(clone.glob("tutorials/*.ipynb")) if not chosen or n.name[:2] in chosen]
        lay_out(SHARED, mirror, melt=any("antarctica_melt" in notebook.read_text("utf-8") for notebook in notebooks))
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Counting, directory=str(mirror)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for notebook in notebooks:
            Counting.sizes.clear()
            begin = time.monotonic()
            wrong = run(notebook, clone, f"http://127.0.0.1:{server.server_port}", Path(folder, "programs"))
            short += bool(wrong)
            print(
                f"{'falls short' if wrong else 'holds'}: {notebook.name}, {len(Counting.sizes)} files fetched, "
                f"{sum(Counting.sizes) / 1e6:.1f} MB, {time.monotonic() - begin:.0f} s"
                + (f": {wrong}" if wrong else ""),
                flush=True,
            )
        server.shutdown()
    return int(short > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
