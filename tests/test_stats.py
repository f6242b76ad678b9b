import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import expit, logit, stdtrit

from fau import stats
from fau.stats import swap

RNG = np.random.default_rng(7)


def study(groups=10, labels=3, seed=0, frames=200, quality=1.5):
    rng = np.random.default_rng(seed)
    positives = rng.binomial(frames, expit(rng.normal(-1, 0.7, (groups, labels))))
    tp = rng.binomial(positives, expit(rng.normal(quality, 0.5, (groups, labels))))
    fp = rng.binomial(frames - positives, expit(rng.normal(-quality, 0.5, (groups, labels))))
    return np.stack([tp, fp, positives - tp], -1).astype(float)


def test_f1_is_pooled_and_absent_labels_are_named():
    assert stats.f1_scores([[3, 1, 2], [0, 5, 2], [0, 4, 0], [0, 0, 0]]) == pytest.approx(
        [6 / 9, 0, np.nan, np.nan], nan_ok=True
    )
    counts = np.array([[[1, 0, 1], [0, 1, 0]], [[3, 1, 1], [0, 2, 0]]])
    estimate = stats.f1_intervals(counts)
    assert estimate.macro.value == pytest.approx(8 / 11)  # pooled, not the mean of 2/3 and 3/4
    assert np.isnan(estimate.labels[1].value) and estimate.labels[1].note == stats.ABSENT


def test_interval_is_the_jackknife_on_the_logit_scale():
    counts = study()
    estimate = stats.f1_intervals(counts)
    values = stats.f1_scores(counts.sum(0))
    left_out = np.array([stats.f1_scores(np.delete(counts, g, 0).sum(0)) for g in range(10)])
    positives = counts[..., 0] + counts[..., 2]
    shares = positives / positives.sum(0)
    n = len(counts)
    for value, replicates, share, interval in [
        (values[1], left_out[:, 1], shares[:, 1], estimate.labels[1]),
        (values.mean(), left_out.mean(1), shares.mean(1), estimate.macro),
    ]:
        x = logit(replicates)
        error = np.sqrt((n - 1) / n * ((x - x.mean()) ** 2).sum())
        half = stdtrit(1 / (share**2).sum() - 1, 0.975) * error
        assert interval.value == pytest.approx(value)
        assert [interval.low, interval.high] == pytest.approx(list(expit(logit(value) + half * np.array([-1, 1]))))
        assert interval.note == "" and interval.estimable
    assert estimate.groups == 10 and 1 < estimate.effective_groups < 10


def test_effective_groups():
    even = np.ones((8, 2, 3))
    assert stats.effective_groups(even)[1] == pytest.approx(8)
    lone = even.copy()
    lone[1:, 0, 0] = lone[1:, 0, 2] = 0
    assert stats.effective_groups(lone)[0] == pytest.approx([1, 8])
    assert stats.effective_groups(np.zeros((3, 2, 3)))[1] == 0


def test_one_group_gives_the_logical_bounds():
    estimate = stats.f1_intervals(study(groups=1))
    for interval in (estimate.macro, *estimate.labels):
        assert (interval.low, interval.high, interval.note) == (0, 1, stats.ONE_GROUP) and not interval.estimable
    difference = stats.difference_intervals(study(groups=1), study(groups=1, seed=1))
    assert (difference.macro.low, difference.macro.high) == (-1, 1)
    test = stats.swap_test(study(groups=1), study(groups=1, seed=1))
    assert test.macro == 1 and test.exact


def test_positives_in_one_group_only():
    counts = study()
    counts[1:, 0, 0] = counts[1:, 0, 2] = 0
    estimate = stats.f1_intervals(counts)
    assert estimate.labels[0].note == stats.ONE_POSITIVE_GROUP
    assert (estimate.labels[0].low, estimate.labels[0].high) == (0, 1)
    assert 0 < estimate.macro.low < estimate.macro.value < estimate.macro.high < 1
    # The mean keeps the label, and its interval is wider for it.
    without = stats.f1_intervals(counts[:, 1:])
    assert estimate.macro.high - estimate.macro.low > without.macro.high - without.macro.low


@pytest.mark.parametrize("value", [0, 1])
def test_f1_of_exactly_0_or_1_has_an_interval(value):
    counts = study()
    positives = counts[:, 0, 0] + counts[:, 0, 2]
    counts[:, 0] = np.stack([positives * value, 0 * positives, positives * (1 - value)], -1)
    interval = stats.f1_intervals(counts).labels[0]
    share = 1 - 0.025 ** (1 / 10)  # Clopper-Pearson for none of ten
    if value:
        assert (interval.value, interval.low, interval.high) == (1, pytest.approx(1 - share), 1)
    else:
        assert (interval.value, interval.low, interval.high) == (0, 0, pytest.approx(2 * share / (share + 1)))
    macro = stats.f1_intervals(counts[:, :1]).macro
    assert (macro.low, macro.value, macro.high) == (interval.low, interval.value, interval.high)


def test_nothing_present():
    counts = np.zeros((4, 2, 3))
    assert stats.f1_intervals(counts).macro.note == stats.ABSENT
    assert stats.difference_intervals(counts, counts).macro.note == stats.ABSENT
    assert np.isnan(stats.swap_test(counts, counts).macro)


@settings(max_examples=150, deadline=None)
@given(hnp.arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(1, 4), st.just(3)), elements=st.integers(0, 4)))
def test_no_nan_without_a_note_and_bounds_in_order(counts):
    other = counts[:, :, [2, 1, 0]]
    for estimate, least in ((stats.f1_intervals(counts), 0), (stats.difference_intervals(counts, other), -1)):
        for interval in (estimate.macro, *estimate.labels):
            if np.isnan([interval.value, interval.low, interval.high]).any():
                assert interval.note == stats.ABSENT
            else:
                assert least <= interval.low <= interval.value + 1e-12
                assert interval.value - 1e-12 <= interval.high <= 1
    test = stats.swap_test(counts, other, resamples=50)
    for p, interval in zip(test.labels, stats.f1_intervals(counts).labels, strict=True):
        assert np.isnan(p) == (interval.note == stats.ABSENT)
        assert np.isnan(p) or 0 < p <= 1


def test_a_network_that_calls_one_class_alone_has_its_f1_in_its_interval():
    """Eight classes of two frames each in each of three groups, all of them called the last."""
    counts = np.zeros((3, 8, 3))
    counts[:, :7, 2], counts[:, 7, 0], counts[:, 7, 1] = 2, 2, 14
    macro = stats.f1_intervals(counts).macro
    assert macro.value == pytest.approx(2 / 9 / 8)
    assert macro.low <= macro.value <= macro.high


def test_seeds_are_averaged_after_pooling():
    seeds = np.stack([study(seed=s) for s in range(3)])
    estimate = stats.f1_intervals(seeds)
    each = [stats.f1_intervals(counts).macro.value for counts in seeds]
    assert estimate.seeds == pytest.approx(each)
    assert estimate.macro.value == pytest.approx(np.mean(each))
    assert stats.spread(estimate.seeds) == pytest.approx(np.std(each, ddof=1))
    assert np.isnan(stats.spread([0.5]))
    same = stats.f1_intervals(np.stack([seeds[0], seeds[0]]))
    single = stats.f1_intervals(seeds[0])
    assert same.macro.low == pytest.approx(single.macro.low)


def test_difference_is_paired_and_antisymmetric():
    first, second = study(seed=1, quality=1.5), study(seed=1, quality=1.0)
    forward, backward = stats.difference_intervals(first, second), stats.difference_intervals(second, first)
    assert forward.macro.value == pytest.approx(-backward.macro.value)
    assert forward.macro.low == pytest.approx(-backward.macro.high)
    same = stats.difference_intervals(first, first)
    assert (same.macro.low, same.macro.value, same.macro.high) == (0, 0, 0)
    with pytest.raises(ValueError, match="same shape"):
        stats.difference_intervals(first, second[1:])


def test_swap_test_enumerates_few_groups():
    first, second = study(groups=6, seed=2), study(groups=6, seed=3)
    test = stats.swap_test(first, second)
    observed = stats.f1_scores(first.sum(0)) - stats.f1_scores(second.sum(0))
    hits = np.zeros(4)
    for swaps in itertools.product([False, True], repeat=6):
        chosen = np.array(swaps)[:, None, None]
        a, b = np.where(chosen, second, first), np.where(chosen, first, second)
        difference = stats.f1_scores(a.sum(0)) - stats.f1_scores(b.sum(0))
        hits += np.abs(np.append(difference, difference.mean())) >= np.abs(np.append(observed, observed.mean())) - 1e-12
    assert test.exact and test.draws == 32
    assert [*test.labels, test.macro] == pytest.approx(hits / 64)


def test_random_swaps_agree_with_enumeration_and_never_give_zero(monkeypatch):
    first, second = study(groups=12, seed=2), study(groups=12, seed=3)
    exact = stats.swap_test(first, second)
    monkeypatch.setattr(swap, "EXACT_SWAPS", 0)
    drawn = stats.swap_test(first, second, resamples=20_000)
    assert exact.exact and not drawn.exact
    assert [*drawn.labels, drawn.macro] == pytest.approx([*exact.labels, exact.macro], abs=0.02)
    far = stats.swap_test(study(groups=41, quality=3), study(groups=41, quality=-1), resamples=99)
    assert far.macro == 0.01
    whole = stats.swap_test(first, second, resamples=50, seed=3)
    swap._random_swaps.cache_clear()
    for name in ("CHUNK", "BLOCK"):
        monkeypatch.setattr(swap, name, 1)
    assert stats.swap_test(first, second, resamples=50, seed=3) == whole  # drawn and compared one by one
    with pytest.raises(ValueError, match="positive"):
        stats.swap_test(first, second, resamples=0)


def test_swapping_a_group_swaps_all_its_seeds():
    first, second = (np.stack([study(groups=8, seed=s)] * 2) for s in (2, 3))
    test, single = stats.swap_test(first, second), stats.swap_test(first[0], second[0])
    assert (test.macro, test.labels) == (single.macro, single.labels)


def test_same_counts_differ_with_p_1():
    counts = study(groups=20)
    test = stats.swap_test(counts, counts, resamples=99)
    assert test.macro == 1 and set(test.labels) == {1.0}


def test_holm():
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    adjusted = stats.holm([[0.5, np.nan], [0.02, 0.9]])
    assert adjusted == pytest.approx(np.array([[1, np.nan], [0.06, 1]]), nan_ok=True)
    assert np.isnan(stats.holm([np.nan])).all() and stats.holm([]).size == 0


def test_accuracy():
    assert stats.accuracy([[1, 2, 3, 4], [0, 0, 0, 0]]) == pytest.approx([0.5, np.nan], nan_ok=True)


def test_counts_must_be_whole():
    for bad in (np.zeros((3, 2)), np.zeros((0, 2, 3)), np.zeros((2, 2, 4))):
        with pytest.raises(ValueError, match="counts must be"):
            stats.f1_intervals(bad)


def test_intervals_cover_in_a_small_simulation():
    """benchmarks/coverage.py does this at length; here one rare, uneven shape at 9 subjects."""
    rng = np.random.default_rng(0)

    def rates(groups):
        deviation = rng.standard_normal((groups, 4))
        rate = expit(np.array([-3.5, -3, -2, 0]) + 1.2 * deviation)
        hit, alarm = expit(rng.normal(0.8, 0.6, (groups, 4))), expit(rng.normal(-2, 0.6, (groups, 4)))
        return rate, hit, alarm

    rate, hit, alarm = rates(200_000)
    truth = stats.f1_scores(np.stack([rate * hit, (1 - rate) * alarm, rate * (1 - hit)], -1).sum(0)).mean()
    held = []
    for _ in range(600):
        rate, hit, alarm = rates(9)
        positives = rng.binomial(400, rate)
        tp = rng.binomial(positives, hit)
        counts = np.stack([tp, rng.binomial(400 - positives, alarm), positives - tp], -1)
        macro = stats.f1_intervals(counts).macro
        held.append(macro.low <= truth <= macro.high)
    assert 0.92 <= np.mean(held) <= 0.98
