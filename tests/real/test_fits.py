"""What fits reach on years and glaciers they have not seen; the whole tables are in docs/evidence/fits.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import glaciers
from tests.real import fits

pytestmark = pytest.mark.slow


@pytest.fixture
def rofental(oggm_env: Path, shared: Path, weights, tmp_path):
    return glaciers.prepare_rofental(tmp_path, shared)


def test_aletsch_in_years_that_the_fit_has_not_seen(aletsch, shared):
    first = fits.halves(fits.aletsch_observations(shared))[0]
    simple = fits.aletsch_simple(aletsch, first)["A minus its mean error"]["annual"].rmse
    # A little off the figure of the original implementation, whose rows overlap and leave gaps: 0.400.
    assert simple == pytest.approx(0.400, abs=0.005)
    annual, seasons = (
        fits.aletsch_case(aletsch, fits.CASES["A"], first, fits.targets(first)[target], fits.TWO)
        for target in ("annual", "winter + summer")
    )
    assert annual["annual"].rmse < simple - 0.01
    theirs = fits.aletsch_baselines(aletsch, first, fits.targets(first)["winter + summer"], fits.TWO)["monthly TI"]
    assert seasons["summer"].rmse < theirs["summer"].rmse - 0.05
    assert seasons["summer"].rmse < annual["summer"].rmse


def test_parameters_of_two_glaciers_serve_the_third(rofental, shared):
    table = fits.rofental_observations(rofental, shared)
    case, fit = fits.CASES["A"], fits.FITS["+ lapse rate"]
    fitted = fits.transfer_scores(fits.held_out(rofental, table, case, fit))["all"]
    published = fits.transfer_scores(fits.held_out(rofental, table, case, None))["all"]
    assert fitted.n == published.n == 297
    assert fitted.rmse < 0.87 < 0.9 < published.rmse
