"""The recipe of the contributing guide: a reader is one new file and one line in the package of readers."""

from __future__ import annotations

import sys
from pathlib import Path

import lazy_loader
import pytest

from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.fit import readers
from oggm_glaunti.fit.observations import COLUMNS, check_observations

# The new file, oggm_glaunti/fit/readers/my_institute.py ...
READER = '''
"""Stakes of my institute."""

from __future__ import annotations

from pathlib import Path

from oggm_glaunti.coupling.text.table import NOTE, read_table
from oggm_glaunti.fit.observations import Read
from oggm_glaunti.fit.readers.settle import settle

HEADER = {"Gletscher": "glacier", "von": "begin", "bis": "end", "Meereshoehe": "height", "Bilanz": "value"}


def read_my_institute(path: str | Path) -> Read:
    """Read annual balances of stakes, mm w.e."""
    cells = read_table(path, sep=";", needed=HEADER)[[*HEADER, NOTE]].rename(columns=HEADER)
    return settle(cells.assign(kind="point", season="annual"), source="my institute", unit="mm")
'''
# ... and the line in oggm_glaunti/fit/readers/__init__.pyi.
LINE = "from .my_institute import read_my_institute as read_my_institute"

TABLE = """Gletscher;von;bis;Meereshoehe;Bilanz
Hintereisferner;30.09.2018;30.09.2019;2800;-2100
Hintereisferner;30.09.2018;30.09.2019;;-1900
Hintereisferner;30.09.2018;ca. Oktober;3000;-900
"""


@pytest.fixture
def with_reader(monkeypatch, tmp_path):
    """The package of readers with the file and the line: its public names by name."""
    (tmp_path / "my_institute.py").write_text(READER, "utf-8")
    monkeypatch.setattr(readers, "__path__", [*readers.__path__, str(tmp_path)])
    stub = tmp_path / "__init__.pyi"
    stub.write_text(Path(readers.__file__).with_suffix(".pyi").read_text("utf-8") + LINE + "\n", "utf-8")
    get, _, names = lazy_loader.attach_stub(readers.__name__, str(stub))
    yield {name: get(name) for name in names}
    monkeypatch.delattr(readers, "read_my_institute")
    monkeypatch.delitem(sys.modules, f"{readers.__name__}.my_institute")


def test_a_reader_is_one_file_and_one_line(with_reader, tmp_path):
    assert set(with_reader) == {*readers.__all__, "read_my_institute"}
    (tmp_path / "stakes.csv").write_text(TABLE, "utf-8")
    read_my_institute = with_reader["read_my_institute"]
    read = read_my_institute(tmp_path / "stakes.csv")
    assert list(read.observations) == list(COLUMNS)
    assert read.observations[["glacier", "value", "source"]].values.tolist() == [
        ["Hintereisferner", -2.1, "my institute"]
    ]
    good, bad = check_observations(read.observations)
    assert (len(good), len(bad)) == (1, 0)
    assert read.rejected[["row", "problem"]].values.tolist() == [
        [3, "a point with neither height nor position"],
        [4, "end 'ca. Oktober' is no date; write 2015-04-30"],
    ]
    (tmp_path / "other.csv").write_text("name;mb\na;1\n", "utf-8")
    with pytest.raises(InvalidParamsError, match=r"other\.csv: no column Gletscher, von, bis, Meereshoehe, Bilanz"):
        read_my_institute(tmp_path / "other.csv")
