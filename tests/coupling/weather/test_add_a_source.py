"""The recipe "add a weather source" of CONTRIBUTING.md: one new file and one line of registration."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
from oggm.exceptions import InvalidParamsError

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.coupling.weather import task
from oggm_glaunti.coupling.weather.file import read_daily_climate
from oggm_glaunti.coupling.weather.task import process_daily_climate

from .test_task import Gdir

NEW_FILE = '''
"""Source of daily weather: a plain text file of AWS "Hut", one line a day."""

import numpy as np
from pathlib import Path

from oggm_glaunti.coupling.weather import series as ds


def hut(gdir, years: ds.Years, *, path, lapse: float = 0.0) -> ds.DailySeries:
    """Read the log of the station; `lapse` (K) is added to the temperatures."""
    label = f"{gdir.rgi_id}: {Path(path).name}"
    date, kelvin, mm = np.loadtxt(path, dtype=str, unpack=True)
    days = ds.to_days(label, date.astype("M8[s]"))
    rows = ds.choose_rows(label, days, years)
    temp = ds.to_celsius(label, kelvin[rows].astype(float) + lapse, "K")
    prcp = ds.to_kg_per_day(label, mm[rows].astype(float), "mm/day")
    ds.check_values(label, days[rows], temp, prcp)
    return ds.DailySeries(days[rows], temp, prcp, 2900.0, 10.8, 46.8, "AWS_hut_daily", Path(path).name)
'''


@pytest.fixture
def new_module(tmp_path) -> ModuleType:
    path = tmp_path / "hut.py"
    path.write_text(NEW_FILE)
    spec = importlib.util.spec_from_file_location("hut", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def log_of_the_hut(tmp_path):
    days = np.arange("2003-07-01", "2006-01-01", dtype="M8[D]")
    lines = [f"{day} {270 + k % 7} {k % 3}" for k, day in enumerate(days)]
    (tmp_path / "hut.txt").write_text("\n".join(lines))
    return tmp_path / "hut.txt"


@pytest.fixture
def gdir(tmp_path, oggm_env, new_module, monkeypatch):
    monkeypatch.setitem(task.SOURCES, "hut", new_module.hut)  # the line of registration
    return Gdir(tmp_path / "gdir")


def test_a_new_source_is_used_with_its_own_options(gdir, log_of_the_hut):
    process_daily_climate(gdir, source="hut", path=log_of_the_hut, y1=2004)
    plain = read_daily_climate(gdir)
    process_daily_climate(gdir, source="hut", path=log_of_the_hut, lapse=-1.5, filesuffix="_high_daily")
    high = read_daily_climate(gdir, input_filesuffix="_high")
    assert (plain.years.tolist(), high.years.tolist()) == ([2004], [2004, 2005])
    assert (plain.source, plain.ref_hgt) == ("AWS_hut_daily", 2900.0)
    np.testing.assert_allclose(high.temp[:366], plain.temp - 1.5, atol=1e-4)


def test_an_option_it_does_not_have_names_the_source_and_its_options(gdir, log_of_the_hut):
    with pytest.raises(
        InvalidParamsError, match=r"RGI60-11\.00897: gradient not with source='hut'; its options are path, lapse$"
    ):
        process_daily_climate(gdir, source="hut", path=log_of_the_hut, gradient=-0.006)
    with pytest.raises(InvalidParamsError, match=r"lapse not with source='W5E5_daily'; it has no options but y0, y1"):
        process_daily_climate(gdir, source="W5E5_daily", lapse=1.0)


def test_an_option_that_is_none_is_the_sources_default(gdir, log_of_the_hut):
    process_daily_climate(gdir, source="hut", path=log_of_the_hut, lapse=None, ref_hgt=None)
    assert read_daily_climate(gdir).years.tolist() == [2004, 2005]


@pytest.mark.slow
def test_computing_a_table_imports_no_source():
    code = (
        "import sys, oggm_glaunti.coupling.table.table; "
        "print([name for name in sys.modules if name.startswith('oggm_glaunti.coupling.weather.sources')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
