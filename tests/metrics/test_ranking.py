import numpy as np
import pytest

from fau.metrics.ranking import RECALL_GRID, average, rank


def naive(score, label):
    """Counted pair by pair and threshold by threshold."""
    positive, negative = score[label == 1], score[label == 0]
    pairs = positive[:, None] - negative[None]
    auc = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    mean, before = 0.0, 0.0
    for threshold in sorted(set(score), reverse=True):
        called = score >= threshold
        recall = (called & (label == 1)).sum() / len(positive)
        mean += (recall - before) * (called & (label == 1)).sum() / called.sum()
        before = recall
    return auc, mean


@pytest.mark.parametrize("ties", [False, True])
def test_against_counting(ties):
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, (80, 3))
    score = (label + rng.normal(0, 1, label.shape)).astype(np.float32)
    score = np.round(score) if ties else score
    mask = rng.random(label.shape) < 0.9
    ranking = rank(score, label, mask)
    for i in range(3):
        auc, mean = naive(score[mask[:, i], i], label[mask[:, i], i])
        assert ranking.roc_auc[i] == pytest.approx(auc) and ranking.average_precision[i] == pytest.approx(mean)


def test_precision_at_recall():
    score, label = np.array([[0.9], [0.8], [0.7], [0.6]]), np.array([[1], [0], [1], [0]])
    precision = rank(score, label, np.ones((4, 1), bool)).precision[0]
    assert precision[RECALL_GRID <= 0.5] == pytest.approx(1) and precision[-1] == pytest.approx(2 / 3)


def test_one_class_is_not_scored_and_left_out_of_the_average():
    score = np.array([[0.9, 0.1], [0.2, 0.3]])
    mask = np.ones((2, 2), bool)
    lone = rank(score, np.array([[1, 0], [0, 0]]), mask)
    assert lone.roc_auc[0] == 1 and np.isnan(lone.roc_auc[1]) and np.isnan(lone.precision[1]).all()
    full = rank(score, np.array([[0, 1], [1, 1]]), mask)
    assert np.isnan(full.roc_auc[1]) and full.average_precision.tolist() == [0.5, 1]
    both = average([lone, full])
    assert both.roc_auc[0] == 0.5 and np.isnan(both.roc_auc[1]) and both.average_precision[1] == 1
