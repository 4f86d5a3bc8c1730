"""Data by name: the list, its page, and Grosser Aletsch made of two of them."""

from __future__ import annotations

import re

import pytest

from oggm_glaunti import sample
from oggm_glaunti.downloads.registry import registry
from tests.conftest import REPOSITORY


def page_table() -> str:
    """The table of the documentation's page, as the registry has it."""
    lines = ["| name | what | to download | licence | cite |", "|---|---|---|---|---|"]
    for data in registry().values():
        files = "1 file" if len(data.files) == 1 else f"{len(data.files)} files"
        repository = "/".join(data.address(data.files[0]).split("/")[3:5])
        size = f"{files}, {data.size / 1e6:.1f} MB, from [{repository}](https://github.com/{repository})"
        lines.append(f"| `{data.name}` | {data.about}; `{data.shared}` | {size} | {data.licence} | {data.citation} |")
    return "\n".join(lines)


def test_the_page_lists_what_there_is():
    page = (REPOSITORY / "docs" / "data.md").read_text("utf-8")
    found = re.search(r"<!-- datasets -->\n(.*?)\n<!-- /datasets -->", page, flags=re.DOTALL)
    assert found
    assert found[1] == page_table()


def test_the_list_has_licence_and_citation_of_every_name():
    table = sample.datasets()
    assert table.index.tolist() == list(registry())
    assert (table[["about", "licence", "citation", "url"]].map(len) > 2).all(axis=None)
    assert table.loc["weights", "files"] == 7


@pytest.mark.slow
def test_aletsch_is_made_anew_with_its_weather(shared, tmp_path, oggm_env, monkeypatch):
    from oggm_glaunti import read_daily_climate

    monkeypatch.setenv("OGGM_GLAUNTI_SHARED", str(shared))
    for _ in range(2):
        gdir = sample.aletsch(tmp_path, params={"border": 10})
        assert (gdir.rgi_id, gdir.has_file("gridded_data"), gdir.has_file("glaunti_features")) == (
            "RGI60-11.01450",
            True,
            False,
        )
        climate = read_daily_climate(gdir)
        assert (len(climate.time), climate.ref_hgt) == (14610, pytest.approx(2929.36))
        (tmp_path / "per_glacier" / "RGI60-11" / "RGI60-11.01" / gdir.rgi_id / "glaunti_features.nc").touch()
