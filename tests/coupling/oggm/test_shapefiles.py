"""Outlines read without a search for the name of their projection."""

import os

from oggm_glaunti.coupling.oggm.shapefiles import SEARCH, without_search_for_projections
from oggm_glaunti.workflows.stages import DONE, do_stage


def test_an_outline_is_the_same_to_the_last_bit(hef_gdir, monkeypatch):
    monkeypatch.delenv(SEARCH, raising=False)
    expected = hef_gdir.read_shapefile("outlines")
    with without_search_for_projections():
        found = hef_gdir.read_shapefile("outlines")
    assert found.geometry.geom_equals_exact(expected.geometry, 0.0).all()
    assert found.crs.to_wkt() == expected.crs.to_wkt()
    assert SEARCH not in os.environ


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv(SEARCH, "YES")
    with without_search_for_projections():
        assert os.environ[SEARCH] == "YES"
    assert os.environ[SEARCH] == "YES"


def test_tasks_of_the_command_read_outlines_so(hef_gdir, monkeypatch):
    monkeypatch.delenv(SEARCH, raising=False)
    seen = []

    def look(gdir, **kwargs):
        seen.append(os.environ.get(SEARCH))

    assert do_stage(hef_gdir, stage="look", digest="1", tasks=[(look, {})]) == DONE
    assert (seen, SEARCH in os.environ) == (["NO"], False)
