"""The weights against figures that follow from BP4D's published label lists."""

from __future__ import annotations

import numpy as np
import pytest

from fau.data.weights import balanced_weights, effective_weights, inverse_weights

# Frames and positives of the three parts of BP4D's usual division, in the order of bp4d12.
FRAMES = np.array([50631, 50182, 46034])
POSITIVES = np.array(
    [
        [8322, 8172, 10085, 21055, 29862, 29183, 28277, 20274, 7664, 16080, 8023, 7076],
        [10223, 6568, 9870, 23312, 27651, 27954, 26187, 25762, 10024, 18379, 8657, 7867],
        [12497, 10370, 9800, 23309, 23103, 30133, 28066, 22339, 7181, 15947, 7608, 7286],
    ]
)
# Weights that ME-GraphAU ships for training folds 1 to 3; fold 1 tests part 3, fold 2 part 2, fold 3 part 1.
SHIPPED = [
    (2, [1.343, 1.690, 1.248, 0.561, 0.433, 0.436, 0.457, 0.541, 1.408, 0.723, 1.493, 1.667]),
    (1, [1.191, 1.337, 1.247, 0.559, 0.468, 0.418, 0.440, 0.582, 1.670, 0.774, 1.586, 1.727]),
    (0, [1.133, 1.520, 1.309, 0.552, 0.507, 0.443, 0.474, 0.535, 1.496, 0.750, 1.583, 1.699]),
]


@pytest.mark.parametrize(("tested", "shipped"), SHIPPED)
def test_inverse_weights_are_those_that_me_graphau_ships(tested: int, shipped: list[float]) -> None:
    train = [part for part in range(3) if part != tested]
    coded = np.full(12, FRAMES[train].sum(), float)
    weights = inverse_weights(POSITIVES[train].sum(0).astype(float), coded)
    np.testing.assert_array_equal(np.round(weights, 3), np.array(shipped, np.float32))
    assert weights.sum() == pytest.approx(12, rel=1e-6)


def test_balanced_weight_is_half_the_inverse_rate() -> None:
    np.testing.assert_allclose(balanced_weights(np.array([25.0, 5.0]), np.array([100.0, 50.0])), [2.0, 5.0])


def test_uncoded_samples_do_not_count() -> None:
    coded = np.array([100.0, 10.0])
    np.testing.assert_allclose(inverse_weights(np.array([10.0, 1.0]), coded), [1.0, 1.0])


def test_effective_weights_are_the_papers_formula() -> None:
    counts, beta = np.array([5000.0, 500.0, 5.0]), 0.999
    effective = np.array([sum(beta**i for i in range(int(n))) for n in counts])
    weights = effective_weights(counts, beta)
    np.testing.assert_allclose(weights, 3 / effective / (1 / effective).sum(), rtol=1e-5)
    np.testing.assert_allclose(effective_weights(counts, 0.0), 1)
    np.testing.assert_allclose(effective_weights(counts, 1 - 1e-12), inverse_weights(counts, np.ones(3)), rtol=1e-3)
