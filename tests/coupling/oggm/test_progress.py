"""Progress bars on entity tasks: results are the same with and without."""

from __future__ import annotations

import io
import sys

import pytest

from oggm_glaunti.coupling.oggm.progress import PER_PROCESS, execute_with_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "progress", "processes", "pieces"),
    [
        (io.StringIO, True, None, [9]),
        (Terminal, False, None, [9]),
        (Terminal, True, None, [1] * 9),
        (Terminal, True, 2, [2 * PER_PROCESS, 9 - 2 * PER_PROCESS]),
    ],
)
def test_glaciers_are_done_in_pieces_only_if_a_bar_is_shown(oggm_env, monkeypatch, stream, progress, processes, pieces):
    from oggm import cfg, workflow

    found = []

    def execute(task, gdirs, **kwargs):
        found.append(len(gdirs))
        return [task(gdir, **kwargs) for gdir in gdirs]

    monkeypatch.setattr(workflow, "execute_entity_task", execute)
    monkeypatch.setattr(sys, "stderr", stream())
    cfg.PARAMS["use_multiprocessing"] = processes is not None
    cfg.PARAMS["mp_processes"] = processes or 8
    results = execute_with_bar(lambda gdir, by: gdir * by, range(9), "stage", progress, by=10)
    assert results == [10 * gdir for gdir in range(9)]
    assert found == pieces
    assert ("stage: " in sys.stderr.getvalue()) == (pieces != [9])


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_the_log_has_one_line_with_the_number_of_all_glaciers(oggm_env, monkeypatch, caplog, stream):
    from oggm import workflow

    monkeypatch.setattr(sys, "stderr", stream())

    def negative(gdir: int) -> int:
        return -gdir

    level = workflow.log.level
    with caplog.at_level("INFO"):
        assert execute_with_bar(negative, [1, 2, 3], "stage") == [-1, -2, -3]
    assert [r.getMessage() for r in caplog.records] == ["Execute entity tasks [negative] on 3 glaciers"]
    assert workflow.log.level == level
