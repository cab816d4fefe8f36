"""The simulation of a fleet with a build cache, and the figures of its documentation."""
import importlib.util
import pathlib

import pytest

SIMULATE = pathlib.Path(__file__).resolve().parents[1] / "fleet/simulate.py"
SPEC = importlib.util.spec_from_file_location("simulate", SIMULATE)
simulate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(simulate)

# Builds, their hours, the wait of one request in a hundred (seconds), and the most requests in one second.
TABLE = {
    (12 * 3600, "writers"): (2057, 34, 0.3, 40),
    (12 * 3600, "claims"): (1500, 25, 0.3, 40),
    (3600, "writers"): (7712, 129, 59, 190),
    (3600, "claims"): (1504, 25, 43, 190),
    (60, "writers"): (299_800, 4997, 78, 7081),
    (60, "claims"): (1861, 31, 76, 7081),
    (60, "readers"): (0, 25, 0.3, 7081),
}


@pytest.mark.parametrize("wave, policy", TABLE)
def test_figures(wave, policy):
    """The simulation stays within 5 % of its table."""
    figures = simulate.simulate(float(wave), policy)
    assert (figures.builds, figures.hours, figures.p99, figures.peak) == pytest.approx(TABLE[wave, policy], rel=0.05)
    assert figures.hit_rate == 1 - figures.builds / 400_000
    assert policy != "claims" or figures.lookups < 3_000_000


def test_the_seed_decides():
    assert simulate.simulate(60.0, "claims", 7) == simulate.simulate(60.0, "claims", 7)
