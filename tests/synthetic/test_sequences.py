"""Labels of the synthetic corpus: rates and co-occurrence near BP4D's, rules of FACS, structure of a sequence."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from fau.synthetic.copula import AUS, BP4D_PHI, COLUMN, TARGET_RATES, calibrated
from fau.synthetic.expressions import CLASSES, COMMON_FIRST
from fau.synthetic.recipe import RECIPES, named_recipe
from fau.synthetic.rows import labels_manifest
from fau.synthetic.sequences import (
    Sequence,
    apply_facs_rules,
    make_labels,
    make_person,
    make_sequence,
    target_expression,
)

DEFAULT = RECIPES["synthetic"]
RATE_TOLERANCE = 6.0  # points; 41 subjects who differ as BP4D's do move a rate by some 3 (one standard deviation)
PHI_TOLERANCE = 0.12


@pytest.fixture(scope="module")
def sequences() -> list[Sequence]:
    return make_labels(DEFAULT)


@pytest.fixture(scope="module")
def coded(sequences: list[Sequence]) -> NDArray[np.int8]:
    return np.concatenate([sequence.coded for sequence in sequences])


@pytest.fixture(scope="module")
def known(sequences: list[Sequence]) -> NDArray[np.bool_]:
    return np.concatenate([sequence.known for sequence in sequences])


@pytest.mark.parametrize("au", AUS)
def test_rates_are_near_the_target(coded: NDArray[np.int8], known: NDArray[np.bool_], au: int) -> None:
    column = COLUMN[au]
    rate = 100 * (coded[known[:, column], column] >= 2).mean()
    assert abs(rate - TARGET_RATES[au]) < min(RATE_TOLERANCE, 0.5 * TARGET_RATES[au])


@pytest.mark.parametrize("pair", BP4D_PHI)
def test_co_occurrence_is_near_bp4d(coded: NDArray[np.int8], known: NDArray[np.bool_], pair: tuple[int, int]) -> None:
    a, b = (COLUMN[au] for au in pair)
    both = known[:, a] & known[:, b]
    phi = np.corrcoef(coded[both, a] >= 2, coded[both, b] >= 2)[0, 1]
    assert abs(phi - BP4D_PHI[pair]) < PHI_TOLERANCE


def test_pairs_that_bp4d_does_not_name_are_weak(coded: NDArray[np.int8]) -> None:
    columns = [COLUMN[au] for au in (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)]
    phi = np.corrcoef(coded[:, columns].T >= 2)
    for i, a in enumerate(columns):
        for j, b in enumerate(columns[:i]):
            if (AUS[b], AUS[a]) not in BP4D_PHI:
                assert abs(phi[i, j]) < 0.3, (AUS[a], AUS[b])


def test_other_seeds_stay_near(coded: NDArray[np.int8]) -> None:
    other = np.concatenate([sequence.coded for sequence in make_labels(replace(DEFAULT, seed=1, frames=10))])
    difference = 100 * ((other >= 2).mean(0) - [TARGET_RATES[au] / 100 for au in AUS])
    assert np.abs(difference).max() < 10


def test_subjects_differ_in_their_rates(coded: NDArray[np.int8]) -> None:
    per_subject = (coded.reshape(DEFAULT.subjects, -1, 18) >= 2).mean(1)
    assert per_subject[:, COLUMN[12]].std() > 0.1
    assert (per_subject.std(0) > 0.02).all()


def test_about_five_percent_is_not_coded(sequences: list[Sequence], known: NDArray[np.bool_]) -> None:
    assert 0.03 < 1 - known.mean() < 0.08
    blocks = sum((~sequence.known).all(0).sum() for sequence in sequences)
    frames = sum((~sequence.known).all(1).sum() for sequence in sequences)
    assert blocks > 50 and frames > 50


def test_what_covers_the_mouth_hides_its_action_units(sequences: list[Sequence]) -> None:
    masked = [sequence for sequence in sequences if sequence.occluder == "mask"]
    assert masked
    for sequence in masked:
        assert not sequence.known[:, COLUMN[12]].any()
    assert any(sequence.known[:, COLUMN[1]].any() for sequence in masked)
    assert {sequence.occluder for sequence in sequences} == {None, "glasses", "hand", "mask"}


def test_frames_of_a_sequence_resemble_each_other(sequences: list[Sequence]) -> None:
    step = np.mean([np.abs(np.diff(sequence.drawn, axis=0)).mean() for sequence in sequences])
    apart = np.mean([np.abs(a.drawn - b.drawn).mean() for a, b in zip(sequences, sequences[8:], strict=False)])
    assert step < apart / 4


def test_the_target_rises_holds_and_falls(sequences: list[Sequence]) -> None:
    for sequence in sequences:
        classes = set(sequence.expression) - {None}
        assert classes <= {sequence.target}
        if sequence.target != "neutral":
            shown = np.array([name is not None for name in sequence.expression])
            assert shown.any() and not shown.all()
            assert np.abs(np.diff(np.concatenate([[0], shown.astype(int), [0]]))).sum() == 2  # one stretch


@pytest.mark.parametrize(
    ("expression", "au"),
    [("happiness", 12), ("surprise", 1), ("anger", 4), ("fear", 5), ("sadness", 15), ("contempt", 14)],
)
def test_a_class_shows_its_action_unit(sequences: list[Sequence], expression: str, au: int) -> None:
    here = [
        sequence.coded[frame, COLUMN[au]]
        for sequence in sequences
        for frame, name in enumerate(sequence.expression)
        if name == expression
    ]
    assert (np.array(here) >= 2).mean() > 0.6


def test_neutral_frames_show_nothing(sequences: list[Sequence]) -> None:
    others = [column for au, column in COLUMN.items() if au != 43]
    neutral = [
        sequence.drawn[frame, others].max()
        for sequence in sequences
        for frame, name in enumerate(sequence.expression)
        if name == "neutral"
    ]
    assert len(neutral) > 300 and max(neutral) < 2.2
    assert {sequence.target for sequence in sequences if "neutral" in sequence.expression} == {"neutral"}


def test_blinks_are_short(sequences: list[Sequence]) -> None:
    runs = []
    for sequence in sequences:
        closed = np.concatenate([[False], sequence.coded[:, COLUMN[43]] >= 2, [False]])
        edges = np.flatnonzero(np.diff(closed.astype(int)))
        runs += list(edges[1::2] - edges[::2])
    assert np.median(runs) == 1  # a frame stands for a third of a second
    assert max(runs) > 2  # and now and then eyes stay closed


def test_valence_and_arousal(sequences: list[Sequence]) -> None:
    mean: dict[str, tuple[float, float]] = {}
    for name in CLASSES:
        own = [(s, np.array([e == name for e in s.expression])) for s in sequences if s.target == name]
        mean[name] = tuple(  # type: ignore[assignment]
            float(np.concatenate([values[shown] for values, shown in pairs]).mean())
            for pairs in ([(s.valence, k) for s, k in own], [(s.arousal, k) for s, k in own])
        )
    assert mean["happiness"][0] > 0.5 and mean["sadness"][0] < -0.5 and abs(mean["neutral"][0]) < 0.2
    assert mean["fear"][1] > 0.5 and mean["surprise"][1] > 0.5 and mean["sadness"][1] < 0
    assert all(np.abs(np.stack([s.valence, s.arousal])).max() <= 1 for s in sequences)


def test_facs_rules_hold_in_the_corpus(coded: NDArray[np.int8], sequences: list[Sequence]) -> None:
    drawn = np.concatenate([sequence.drawn for sequence in sequences])
    for values in (drawn, coded):
        assert not ((values[:, COLUMN[24]] > 0) & (values[:, COLUMN[25]] > 0)).any()
    dropped = coded[:, COLUMN[26]] >= 2
    assert (coded[dropped, COLUMN[25]] >= 2).mean() > 0.85


INTENSITIES = arrays(np.float64, st.tuples(st.integers(1, 6), st.just(18)), elements=st.floats(0, 5))


@settings(max_examples=60, deadline=None)
@given(intensity=INTENSITIES, lips_closed=st.booleans())
def test_facs_rules_hold_for_anything(intensity: NDArray[np.float64], lips_closed: bool) -> None:
    before = intensity.copy()
    out = apply_facs_rules(intensity, lips_closed)
    np.testing.assert_array_equal(intensity, before)
    assert out.shape == intensity.shape and out.min() >= 0 and out.max() <= 5
    assert not ((out[:, COLUMN[24]] > 0) & (np.maximum(out[:, COLUMN[25]], out[:, COLUMN[26]]) > 0)).any()
    if not lips_closed:
        assert (out[:, COLUMN[25]][out[:, COLUMN[26]] >= 1.5] >= 1.5).all()
    assert (out[:, COLUMN[5]][out[:, COLUMN[43]] == 5] == 0).all()


def test_the_same_seed_gives_the_same_labels_and_others_do_not() -> None:
    recipe = RECIPES["synthetic-tiny"]
    assert labels_manifest(recipe).equals(labels_manifest(recipe))
    assert not labels_manifest(recipe).equals(labels_manifest(replace(recipe, seed=1)))


def test_a_sequence_does_not_depend_on_its_company() -> None:
    """More subjects, other sizes and thresholds leave a sequence's intensities as they are."""
    few, many = replace(DEFAULT, subjects=2), replace(DEFAULT, subjects=50, tasks=16, size=64, occurrence_threshold=1)
    one, other = (make_sequence(recipe, make_person(recipe, 2), 2, 5) for recipe in (few, many))
    np.testing.assert_array_equal(one.drawn, other.drawn)
    np.testing.assert_array_equal(one.coded, other.coded)


def test_an_imbalance_deals_sequences_by_geometric_shares() -> None:
    recipe = named_recipe("synthetic-uneven")
    places = product(range(1, recipe.subjects + 1), range(1, recipe.tasks + 1))
    counts = Counter(target_expression(recipe, *place) for place in places)
    assert list(counts) != list(COMMON_FIRST) and [name for name, _ in counts.most_common()] == list(COMMON_FIRST)
    ordered = np.array([counts[name] for name in COMMON_FIRST])
    assert ordered[0] / ordered[-1] == pytest.approx(20, rel=0.05)
    np.testing.assert_allclose(ordered[:-1] / ordered[1:], 20 ** (1 / 7), rtol=0.1)
    half = Counter(target_expression(recipe, s, t) for s in range(1, 42) for t in range(1, 9))
    assert all(half[name] for name in COMMON_FIRST), "a quarter of the subjects shows every class"
    even = named_recipe("synthetic")
    assert [target_expression(even, 7, task) for task in range(1, 9)] == list(CLASSES)


def test_the_threshold_decides_occurrence() -> None:
    tiny = RECIPES["synthetic-tiny"]
    lenient, strict = (labels_manifest(replace(tiny, occurrence_threshold=t)) for t in (1, 3))
    assert lenient["au12_int"].equals(strict["au12_int"])
    for manifest, threshold in ((lenient, 1), (strict, 3)):
        both = manifest.drop_nulls("au12")
        assert (both["au12"] == (both["au12_int"] >= threshold)).all()


def test_rows_are_named_after_subject_task_and_frame() -> None:
    manifest = labels_manifest(RECIPES["synthetic-tiny"])
    assert manifest["id"][0] == "S001/T1/000" and manifest["id"][-1] == "S009/T8/003"
    assert manifest["sequence"][0] == "S001/T1" and manifest["group"].equals(manifest["subject"].alias("group"))
    assert manifest["id"].is_unique().all()


def test_the_calibrated_correlation_is_sound() -> None:
    background = calibrated()
    np.testing.assert_allclose(background.factor @ background.factor.T, background.correlation, atol=1e-8)
    assert (np.diag(background.correlation) == 1).all()
