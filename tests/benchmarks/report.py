"""From rows to Markdown: what ``docs/evidence/benchmarks.md`` is made of."""

from __future__ import annotations

import os
import platform
import re
import time
from pathlib import Path

from tests.benchmarks.runner import REPOSITORY, Case, Row

DOCUMENT = REPOSITORY / "docs" / "evidence" / "benchmarks.md"
FIGURES = REPOSITORY / "docs" / "figures"

HEAD = """# Benchmarks, all tables

Written by `python -m tests.benchmarks --write`; one case alone by `--case NAME --write`. Without `--write` it prints.

How to read the tables. The work of a table is done turn by turn in one process; times are medians. *Ratio* is the
first row's time over this row's: 10 means ten times as fast. *Needed* is what the package promises. *First call* holds
the compilation, once per shape and process. *Peak* is the peak resident memory of a process that does this work alone,
minus that of an idle process with JAX loaded. The baseline "plain" (`tests/benchmarks/plain.py`) is the equations
written down directly: one `lax.scan` over fields (T, H, W), every cell of the rectangle, gradients by reverse mode. It
runs in the same process and under the same flags of XLA as the package. The synthetic glacier is an ellipse that covers
40 % of a square grid of rough, tilted terrain from 1500 to 3500 m, with 365 days of station weather. *Error* is the
largest of any glacier cell against the package's exact path (`run_year` on all cells), in m w.e., if not said
otherwise. Each table says what it was measured on; where that is "no GPU", everything ran on the CPU.
"""


def processor() -> str:
    """Name of the CPU."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor())
    wide = any("avx512f" in line for line in lines if line.startswith("flags"))
    return f"{name}{' with AVX-512' if wide else ''}"


def setting(command: str, published: bool) -> str:
    """Machine, date, versions and the command, as a paragraph."""
    import jax

    from oggm_glaunti.core.threads import cores

    devices = {f"{d.platform.upper()} ({d.device_kind})" for d in jax.devices() if d.platform != "cpu"}
    return (
        f"{time.strftime('%Y-%m-%d')}, {processor()}, {cores()} cores, "
        f"{', '.join(sorted(devices)) or 'no GPU'}, Python {platform.python_version()}, jax {jax.__version__}, "
        f"XLA_FLAGS `{os.environ.get('XLA_FLAGS', '')}`, {'published weights' if published else 'random network'}: "
        f"`{command}`"
    )


def table(case: Case, rows: list[Row]) -> str:
    """Markdown table of a case."""
    per = f" per {case.unit}" if case.unit else ""
    lines = [f"| | median{per} | ratio | needed | error | peak | first call |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        time_of = f"{readable(row.seconds)} (in all {readable(row.whole)})" if case.unit else readable(row.seconds)
        cells = [row.name, time_of, f"{row.ratio:.3g}", needed(row), row.error]
        cells += ["" if row.peak_mb is None else f"{row.peak_mb:.0f} MB", readable(row.first_call)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def needed(row: Row) -> str:
    """What is needed, and whether it is met."""
    s, words = row.subject, []
    if s.needed is not None:
        words.append(f"{s.needed:g}x")
    if s.limit is not None:
        words.append(f"{readable(s.limit)}")
    if s.memory_limit is not None:
        words.append(f"{s.memory_limit:g} MB")
    if not words:
        return ""
    return f"{', '.join(words)}: {'met' if row.met() else 'NOT MET'}"


def readable(seconds: float) -> str:
    """Three digits and a unit."""
    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if seconds * factor >= 1.0:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def block(name: str, title: str, setting: str, body: str, note: str = "") -> str:
    """One case's part of the document, between markers so that it can be replaced alone."""
    parts = [f"<!-- {name} -->", f"## {title}", f"{setting}", body, *([note] if note else [])]
    return "\n\n".join(parts)


def merge(document: str, blocks: dict[str, str], order: list[str]) -> str:
    """The document with these blocks in place of older ones of the same name, in that order."""
    found = dict(re.findall(r"(?ms)^<!-- (\w+) -->\n(.*?)(?=^<!-- \w+ -->|\Z)", document))
    kept = {name: f"<!-- {name} -->\n{text.rstrip()}" for name, text in found.items()} | blocks
    return "\n\n".join([HEAD.rstrip(), *(kept[name].rstrip() for name in order if name in kept)]) + "\n"


def write(blocks: dict[str, str], order: list[str], path: Path = DOCUMENT) -> None:
    """Put blocks into the document."""
    document = path.read_text("utf-8") if path.exists() else ""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(merge(document, blocks, order), "utf-8")
    os.replace(temporary, path)
