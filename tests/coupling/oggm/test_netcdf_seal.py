"""The checksum behind NetCDF files: found by us, unseen by others, gone once another program changes the file."""

import netCDF4
import numpy as np
import pytest
import xarray as xr

from oggm_glaunti.coupling.oggm.netcdf import netcdf_file
from oggm_glaunti.coupling.oggm.netcdf_seal import require_unbroken


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "one.nc"
    with netcdf_file(path, "w") as nc:
        nc.createDimension("x", 1000)
        nc.createVariable("a", "f8", ("x",))[:] = np.arange(1000.0)
    return path


def test_every_changed_byte_is_damage(path):
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(len(content) - 60, size=40):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.unlink()
        path.write_bytes(damaged)
        with pytest.raises(OSError, match="damaged"), netcdf_file(path):
            pass


@pytest.mark.parametrize("damage", ["cut", "longer", "moved"])
def test_a_seal_that_is_not_at_the_end_is_that_of_a_damaged_file(path, damage):
    content = path.read_bytes()
    half = len(content) - 1000
    moved = content[:half] + content[-500:] + content[half:-500]
    path.unlink()
    path.write_bytes({"cut": content[:-5], "longer": content + bytes(40), "moved": moved}[damage])
    with pytest.raises(OSError, match="damaged"), netcdf_file(path):
        pass


def test_other_programs_read_sealed_files(path):
    with xr.open_dataset(path) as ds:
        np.testing.assert_array_equal(ds["a"], np.arange(1000.0))
    with netCDF4.Dataset(path) as nc:
        assert nc["a"][999] == 999.0


@pytest.mark.parametrize("grown", [False, True])
def test_a_file_that_another_program_has_changed_is_read_as_it_is(path, grown):
    with netCDF4.Dataset(path, "a") as nc:
        nc["a"][0] = 5.0
        if grown:
            nc.createVariable("b", "f8", ("x",))[:] = 1.0
    require_unbroken(path)
    with netcdf_file(path) as nc:
        assert nc["a"][0] == 5.0
        assert ("b" in nc.variables) == grown
