from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fau.data.sampling import (
    EpochDraw,
    EvalSampler,
    TrainSampler,
    Undersampling,
    undersample_classes,
    undersample_labels,
)

MANY = settings(max_examples=150, deadline=None)
tables = st.integers(1, 6).flatmap(
    lambda width: st.integers(1, 60).flatmap(
        lambda n: st.tuples(
            hnp.arrays(bool, (n, width)),
            hnp.arrays(bool, (n, width), elements=st.sampled_from([True, True, True, False])),
        )
    )
)
ratios = st.sampled_from([1.0, 1.3, 2.0, 10.0])


def draw(plan: Undersampling, seed: int = 0) -> np.ndarray:
    return plan.draw(np.random.default_rng(seed))


@MANY
@given(table=tables, ratio=ratios, seed=st.integers(0, 5))
def test_multilabel_rule_keeps_what_it_promises(table: tuple[np.ndarray, np.ndarray], ratio: float, seed: int) -> None:
    labels, mask = table
    plan = undersample_labels(labels, mask, ratio)
    kept = draw(plan, seed)
    present = labels & mask
    positives = present.sum(0)
    assert len(kept) == plan.size == len(np.unique(kept)), "the same number in every epoch, none twice"
    assert mask[kept].any(1).all(), "what has no coded label is left out"
    if positives.any():
        floor = ratio * positives[positives > 0].min()
        rare = present[:, (positives > 0) & (positives <= floor)].any(1)
        assert np.isin(np.flatnonzero(rare), kept).all(), "no rare positive is dropped"
        rarest = int(np.where(positives > 0, positives, 10**9).argmin())
        coded_negatives = (~labels & mask)[:, rarest]
        assert present[kept][:, rarest].sum() == positives[rarest]
        assert coded_negatives[kept].sum() <= coded_negatives.sum()
        expected = plan.share @ present
        assert (expected >= np.minimum(positives, floor) - 1e-9).all(), "every label keeps min(n_a, F) in expectation"
        none = mask.any(1) & ~present.any(1)
        assert none[kept].sum() >= min(none.sum(), np.floor(floor))


@MANY
@given(classes=hnp.arrays(np.int64, st.integers(1, 80), elements=st.integers(-1, 4)), ratio=ratios)
def test_single_label_rule_forms_even_sets(classes: np.ndarray, ratio: float) -> None:
    plan = undersample_classes(classes, ratio)
    kept = classes[draw(plan)]
    assert (kept >= 0).all()
    sizes = np.bincount(classes[classes >= 0], minlength=5)
    if sizes.any():
        cap = int(np.ceil(ratio * sizes[sizes > 0].min()))
        np.testing.assert_array_equal(np.bincount(kept, minlength=5), np.minimum(sizes, cap))


@MANY
@given(classes=hnp.arrays(np.int64, st.integers(1, 80), elements=st.integers(0, 4)), ratio=ratios)
def test_multilabel_rule_is_the_single_label_rule_for_exclusive_labels(classes: np.ndarray, ratio: float) -> None:
    one_hot = np.eye(5, dtype=bool)[classes]
    single = undersample_classes(classes, ratio)
    multi = undersample_labels(one_hot, np.ones_like(one_hot), ratio)
    np.testing.assert_array_equal(np.bincount(classes[draw(single)]), np.bincount(classes[draw(multi)]))


def test_each_sample_of_a_stratum_is_as_likely_as_any_other() -> None:
    plan = undersample_classes(np.repeat([0, 1], [5, 20]))
    hits = np.zeros(25)
    for seed in range(4000):
        hits[draw(plan, seed)] += 1
    np.testing.assert_allclose(hits / 4000, plan.share, atol=0.04)
    assert plan.share.tolist() == [1.0] * 5 + [0.25] * 20


def test_a_bp4d_like_corpus_becomes_more_even() -> None:
    """Rates of BP4D; labels drawn independently, which is harder than in life, where rare units come together."""
    rates = np.array([0.211, 0.171, 0.203, 0.461, 0.549, 0.594, 0.562, 0.466, 0.169, 0.343, 0.165, 0.151])
    labels = np.random.default_rng(0).random((20000, 12)) < rates
    plan = undersample_labels(labels, np.ones_like(labels))
    before, after = labels.mean(0), plan.share @ labels / plan.size
    assert after.max() / after.min() < before.max() / before.min()
    assert 0.5 < plan.size / len(labels) < 1


def test_a_million_samples_are_drawn_within_seconds() -> None:
    labels = np.random.default_rng(0).random((1_000_000, 12)) < 0.2
    assert len(draw(undersample_labels(labels, np.ones_like(labels)))) > 0


def order(draw_of: EpochDraw, size: int, world: int, epoch: int) -> list[list[np.ndarray]]:
    """Return the batches of each rank."""
    ranks = []
    for rank in range(world):
        sampler = TrainSampler(draw_of, size, rank, world)
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert len(batches) == len(sampler)
        assert {key.epoch for key in batches} <= {epoch}
        ranks.append([key.indices for key in batches])
    return ranks


@MANY
@given(
    n=st.integers(1, 90),
    world=st.integers(1, 4),
    per_rank=st.integers(1, 6),
    epoch=st.integers(0, 3),
    cut=st.booleans(),
)
def test_ranks_share_global_batches_that_do_not_depend_on_their_number(
    n: int, world: int, per_rank: int, epoch: int, cut: bool
) -> None:
    plan = undersample_classes(np.arange(n) % 3 // 2) if cut else None
    what = EpochDraw(np.arange(n) * 7, seed=1, fold=2, undersampling=plan)
    size = world * per_rank
    ranks = order(what, size, world, epoch)
    assert len({len(batches) for batches in ranks}) == 1
    assert len({len(batch) for batches in ranks for batch in batches}) <= 1
    seen = np.concatenate([batch for batches in ranks for batch in batches] or [np.array([], int)])
    assert len(seen) == len(np.unique(seen))
    dropped = what.size - len(seen)
    assert dropped == (what.size % size if what.size >= size else what.size % world)
    alone = order(what, size, 1, epoch)[0]
    if what.size >= size:
        for i, whole in enumerate(alone):
            np.testing.assert_array_equal(np.sort(np.concatenate([b[i] for b in ranks])), np.sort(whole))


def test_order_and_undersampling_follow_from_seed_fold_and_epoch() -> None:
    plan = undersample_classes(np.repeat([0, 1], [10, 30]))
    rows = np.arange(40)

    def epoch(seed: int, fold: int, number: int) -> list[int]:
        return EpochDraw(rows, seed, fold, plan).order(number).tolist()

    assert epoch(0, 1, 0) == epoch(0, 1, 0)
    orders = [epoch(*key) for key in ((0, 1, 0), (1, 1, 0), (0, 2, 0), (0, 1, 1))]
    assert all(a != b for i, a in enumerate(orders) for b in orders[:i])
    assert len({frozenset(o) for o in orders}) == 4, "what is kept is drawn anew as well"


@MANY
@given(n=st.integers(1, 70), world=st.integers(1, 5), per_rank=st.integers(1, 6))
def test_evaluation_counts_every_sample_and_pads_to_equal_batches(n: int, world: int, per_rank: int) -> None:
    rows = np.arange(n) + 100
    size = min(per_rank, n)
    ranks = [list(EvalSampler(rows, per_rank, rank, world)) for rank in range(world)]
    assert {len(batches) for batches in ranks} == {len(EvalSampler(rows, per_rank, 0, world))}
    assert {len(key.indices) for batches in ranks for key in batches} == {size}  # whatever world is
    seen = np.concatenate([key.indices for batches in ranks for key in batches])
    assert len(seen) - n == -n % (world * size) < world * n, "no batch is larger than the part"
    np.testing.assert_array_equal(np.unique(seen), rows)


def test_unlabelled_samples_alone_make_an_empty_epoch() -> None:
    assert undersample_classes(np.array([-1, -1])).size == 0
    nothing = undersample_labels(np.zeros((3, 2), bool), np.zeros((3, 2), bool))
    assert nothing.size == 0
    assert len(draw(nothing)) == 0
    negatives = undersample_labels(np.zeros((3, 2), bool), np.ones((3, 2), bool))
    assert negatives.size == 3


def test_a_ratio_is_milder() -> None:
    sizes = [undersample_classes(np.repeat([0, 1], [10, 100]), ratio).size for ratio in (1.0, 2.5, 20.0)]
    assert sizes == [20, 35, 110]


@pytest.mark.parametrize("world", [1, 2])
def test_a_small_training_part_is_one_smaller_batch(world: int) -> None:
    sampler = TrainSampler(EpochDraw(np.arange(7), 0, 1), 16, 0, world)
    assert [len(key.indices) for key in sampler] == [7 if world == 1 else 3]
