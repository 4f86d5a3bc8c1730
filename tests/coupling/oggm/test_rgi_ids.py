"""Ids of the Randolph Glacier Inventory."""

from __future__ import annotations

import numpy as np
import pytest

from oggm_glaunti.coupling.oggm.rgi_ids import COUNTS, RGI_ID, region_of, require_ids


def test_the_inventory_of_version_6_has_216502_glaciers():
    assert sum(COUNTS) == 216_502
    require_ids([f"RGI60-{region:02d}.{count:05d}" for region, count in enumerate(COUNTS, start=1)])


@pytest.mark.parametrize(
    "rgi_id", ["RGI60-11.0089", "rgi60-11.00897", "RGI60-00.00001", "RGI60-11.00000", "G010743E46810N"]
)
def test_ids_that_no_glacier_has_are_refused(rgi_id):
    with pytest.raises(ValueError, match=rgi_id):
        require_ids([rgi_id])


def test_a_server_of_ones_own_may_have_other_numbers():
    require_ids(["RGI60-11.99999"], published=False)


@pytest.mark.parametrize(
    ("rgi_id", "region"),
    [
        ("RGI50-11.00897", 11),
        ("RGI61-16.02207", 16),
        ("RGI60-05.10315_d02", 5),
        ("RGI2000-v7.0-C-18-00001", 18),
        ("RGI60-11-00897", np.nan),
        ("RGI2000-v7.0-G-11.00897", np.nan),
        ("RGI60-11.008970", np.nan),
        ("Antizana 15 Alpha", np.nan),
    ],
)
def test_an_id_has_a_region_and_what_is_none_has_not(rgi_id, region):
    np.testing.assert_equal(region_of(rgi_id), region)
    assert (RGI_ID.fullmatch(rgi_id) is not None) == (not np.isnan(region))
