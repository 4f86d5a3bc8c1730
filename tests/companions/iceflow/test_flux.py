from __future__ import annotations

import numpy as np
import pytest

from oggm_glaunti.companions.iceflow import flux
from oggm_glaunti.companions.iceflow.flux import Errors, Ice, by_band, divergence, left_over, through_gates

EDGES = (2000.0, 2200.0, 2400.0, 2600.0, 2800.0)


@pytest.fixture
def slab():
    """A glacier along x whose flux grows to its middle and falls again: balance in m of ice is known everywhere."""
    rows, cols = np.indices((24, 64))
    glacier = (rows > 3) & (rows < 20) & (cols > 3) & (cols < 60)
    along = np.where(glacier, (cols - 3.0) / 57.0, 0.0)
    vx = np.where(glacier, 100.0 * np.sin(np.pi * along), np.nan)
    thickness = np.where(glacier, 100.0, np.nan)
    topo = 2800.0 - 800.0 * along
    return Ice(vx, np.where(glacier, 0.0, np.nan), thickness, np.where(glacier, -0.5, np.nan), topo, glacier, 100.0)


def test_the_divergence_is_the_slope_of_the_flux(slab):
    inner = (slice(8, 16), slice(8, 56))
    along = (np.arange(64) - 3.0) / 57.0
    exact = 0.9 * 100.0 * 100.0 * np.pi / 5700.0 * np.cos(np.pi * along)
    np.testing.assert_allclose(divergence(flux.filled(slab), 0.9)[inner], np.tile(exact[8:56], (8, 1)), atol=0.01)


def test_ice_is_conserved_over_the_glacier(slab):
    assert abs(left_over(slab)) < 0.02
    gates = through_gates(slab, [2000.0, 2400.0, 9000.0])
    assert gates.height.tolist() == [2000.0, 2400.0]
    assert gates.flux[0] == pytest.approx(0.0, abs=2e-4)
    width, most = 16 * 100.0, 0.9 * 100.0 * 100.0
    assert gates.flux[1] == pytest.approx(width * most * 1e-9, rel=0.05)
    above = slab.glacier & (slab.topo >= 2400.0)
    np.testing.assert_allclose(gates.balance[1], gates.flux[1] / (above.sum() * 1e-5) - 0.5)
    assert np.isnan(gates.flux_error).all()


def test_a_gate_tells_the_balance_above_it_better_than_bands_do(slab):
    gates, bands = through_gates(slab, EDGES[:-1], errors=Errors()), by_band(slab, EDGES, errors=Errors())
    area = bands.area[::-1].cumsum()[::-1]
    np.testing.assert_allclose(gates.balance, (bands.balance * bands.area)[::-1].cumsum()[::-1] / area)
    assert (gates.balance_error[:-1] < bands.error[:-1]).all()
    # Through the middle: 25 % in thickness, half of it over all of the glacier, gamma within 0.9 +- 0.06.
    assert 0.15 < gates.flux_error[2] / gates.flux[2] < 0.35


def test_bands_hold_both_parts_and_the_range_of_gamma(slab):
    found = by_band(slab, EDGES)
    np.testing.assert_allclose(found.balance, found.dhdt + found.divergence)
    assert found.balance[0] < -0.5 < found.balance[-1]
    assert np.isnan(found.error).all()
    assert (found.gamma_range.min(axis=0) <= found.balance).all()
    assert (found.gamma_range.max(axis=0) >= found.balance).all()
    assert found.area.sum() == pytest.approx(slab.glacier.sum() * 0.01)


def test_errors_grow_with_what_goes_in_and_with_the_length_over_which_they_are_alike(slab):
    one = by_band(slab, EDGES, errors=Errors())
    worse = by_band(slab, EDGES, errors=Errors(15.0, 0.5, 0.3))
    longer = by_band(slab, EDGES, errors=Errors(0.0, 0.0, 0.3), gamma=(0.9, 0.9), length=2000.0)
    shorter = by_band(slab, EDGES, errors=Errors(0.0, 0.0, 0.3), gamma=(0.9, 0.9), length=200.0)
    assert (one.error > 0).all()
    assert (worse.error > one.error).all()
    assert (longer.error > 1.5 * shorter.error).all()


def test_missing_maps_and_bands_are_errors(slab):
    with pytest.raises(ValueError, match="vx: 100 % of the glacier's cells have no value, expected at most 50 %"):
        by_band(Ice(np.full((24, 64), np.nan), *list(vars(slab).values())[1:]), EDGES)
    with pytest.raises(ValueError, match="no cell of the glacier lies within the bands"):
        by_band(slab, (5000.0, 6000.0))
