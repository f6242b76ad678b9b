"""Published divisions against published counts, and the owner's split."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from fau.corpora.bp4d import BP4D
from fau.corpora.registry import corpora
from fau.crops.store import CropSet, CropSetInfo, CropSetWriter
from fau.data.datamodule import FaceDataModule
from fau.data.fixed_folds import FixedFolds
from fau.data.groups import GroupTable
from fau.data.protocols import OfficialSplit, protocol
from fau.data.split import fold_parts, split_fold
from fau.data.weights import inverse_weights
from fau.errors import FauError
from fau.labels import LABEL_SETS, au_column

BP4D_SUBJECTS = [*(f"F{i:03d}" for i in range(1, 24)), *(f"M{i:03d}" for i in range(1, 19))]
DISFA_SUBJECTS = [f"SN{i:03d}" for i in (*range(1, 14), 16, 17, 18, 21, *range(23, 33))]

# Frames and positives of each part, counted over public label lists: those of BP4D for AU 1 2 4 6 7 10 12 14 15 17 23
# 24, those of DISFA (intensity >= 2) for AU 1 2 4 6 9 12 25 26.
FRAMES = {"bp4d3": (50631, 50182, 46034), "disfa3": (43604, 43605, 43605)}
POSITIVES = {
    "bp4d3": (
        (8322, 8172, 10085, 21055, 29862, 29183, 28277, 20274, 7664, 16080, 8023, 7076),
        (10223, 6568, 9870, 23312, 27651, 27954, 26187, 25762, 10024, 18379, 8657, 7867),
        (12497, 10370, 9800, 23309, 23103, 30133, 28066, 22339, 7181, 15947, 7608, 7286),
    ),
    "disfa3": (
        (1839, 1125, 5119, 2360, 1218, 4503, 10850, 4902),
        (1469, 879, 6653, 3558, 1287, 6187, 13206, 4123),
        (3198, 3640, 8161, 4409, 2968, 6161, 12191, 2508),
    ),
}
# Weights of each fold's training part as ME-GraphAU publishes them.
WEIGHTS = {
    "bp4d3": (
        (1.343, 1.690, 1.248, 0.561, 0.433, 0.436, 0.457, 0.541, 1.408, 0.723, 1.493, 1.667),
        (1.191, 1.337, 1.247, 0.559, 0.468, 0.418, 0.440, 0.582, 1.670, 0.774, 1.586, 1.727),
        (1.133, 1.520, 1.309, 0.552, 0.507, 0.443, 0.474, 0.535, 1.496, 0.750, 1.583, 1.699),
    ),
    "disfa3": (
        (1.422, 2.348, 0.400, 0.795, 1.878, 0.440, 0.196, 0.521),
        (1.390, 1.470, 0.527, 1.034, 1.673, 0.657, 0.304, 0.945),
        (1.511, 1.560, 0.476, 0.885, 1.657, 0.571, 0.278, 1.063),
    ),
}


def table(names: Sequence[str], splits: Sequence[str | None] = (), **shown: Sequence[int]) -> GroupTable:
    sizes = np.ones(len(names), np.int64)
    counts = np.array(list(shown.values()), np.int64).reshape(len(shown), len(names)).T
    return GroupTable(tuple(names), sizes, counts, tuple(shown), tuple(splits))


def by_parts(name: str) -> GroupTable:
    """The subjects of a corpus with the frames and positives of their whole part given to the part's first subject."""
    fixed = protocol(f"{name}-jaa")  # numbered by part
    subjects = BP4D_SUBJECTS if name == "bp4d3" else DISFA_SUBJECTS
    part = fixed.assign(table(subjects))
    sizes, counts = np.zeros(len(subjects), np.int64), np.zeros((len(subjects), len(POSITIVES[name][0])), np.int64)
    for k in (1, 2, 3):
        sizes[np.flatnonzero(part == k)[0]] = FRAMES[name][k - 1]
        counts[np.flatnonzero(part == k)[0]] = POSITIVES[name][k - 1]
    return GroupTable(tuple(subjects), sizes, counts)


@pytest.mark.parametrize(
    ("name", "subjects", "sizes"),
    [
        ("bp4d3", BP4D_SUBJECTS, [13, 14, 14]),
        ("bp4d3-jaa", BP4D_SUBJECTS, [14, 14, 13]),
        ("disfa3", DISFA_SUBJECTS, [9, 9, 9]),
        ("disfa3-jaa", DISFA_SUBJECTS, [9, 9, 9]),
    ],
)
def test_three_folds_test_every_subject_once(name: str, subjects: list[str], sizes: list[int]) -> None:
    assert np.bincount(protocol(name).assign(table(subjects)))[1:].tolist() == sizes
    assert sum(sizes) == len(subjects)


def test_parts_name_what_folds_number_differently() -> None:
    for corpus in ("bp4d3", "disfa3"):
        ours, jaa = protocol(corpus), protocol(f"{corpus}-jaa")
        subjects = table(BP4D_SUBJECTS if corpus == "bp4d3" else DISFA_SUBJECTS)
        assert [ours.fold_name(k) for k in (1, 2, 3)] == ["part3", "part2", "part1"]
        assert [jaa.fold_name(k) for k in (1, 2, 3)] == ["part1", "part2", "part3"]
        np.testing.assert_array_equal(ours.assign(subjects), 4 - jaa.assign(subjects))


def test_subjects_of_bp4d_have_the_published_frames_of_their_parts() -> None:
    frames = np.array([BP4D.published[subject] for subject in BP4D_SUBJECTS])
    part = protocol("bp4d3-jaa").assign(table(BP4D_SUBJECTS))
    assert [int(frames[part == k].sum()) for k in (1, 2, 3)] == list(FRAMES["bp4d3"])


@pytest.mark.parametrize("name", ["bp4d3", "disfa3"])
@pytest.mark.parametrize("fold", [1, 2, 3])
def test_weights_of_megraphau_come_out(name: str, fold: int) -> None:
    """Weights of the training part, from counts of the parts: to the published digits, and to six exactly."""
    groups = by_parts(name)
    train = protocol(name).assign(groups) != fold
    positives, frames = groups.counts[train].sum(0), int(groups.sizes[train].sum())
    weights = inverse_weights(positives.astype(np.float64), np.full(len(positives), float(frames)))
    np.testing.assert_allclose(weights, WEIGHTS[name][fold - 1], atol=5.0001e-4)
    # By hand: w_i is 1 / n_i, scaled to sum to their number; frames cancel out.
    total = sum(1.0 / int(n) for n in positives)
    exact = [len(positives) / int(n) / total for n in positives]
    np.testing.assert_allclose(weights, exact, atol=5e-7)


def test_training_frames_of_bp4d_folds() -> None:
    groups = by_parts("bp4d3")
    fold = protocol("bp4d3").assign(groups)
    assert [int(groups.sizes[fold != k].sum()) for k in (1, 2, 3)] == [100813, 96665, 96216]


@pytest.mark.parametrize(
    ("name", "subjects", "sizes"),
    [
        ("bp4d-opengraphau", BP4D_SUBJECTS, (22, 6, 13)),
        ("disfa-opengraphau", DISFA_SUBJECTS, (14, 4, 9)),
        ("fera2015", BP4D_SUBJECTS, (21, 0, 20)),
    ],
)
def test_single_divisions_cover_the_corpus(name: str, subjects: list[str], sizes: tuple[int, int, int]) -> None:
    division = protocol(name)
    groups = table(subjects)
    val = division.validation_groups(groups, 1)
    test = division.test_groups(groups, 1)
    held = 0 if val is None else len(val)
    assert (len(subjects) - held - len(test), held, len(test)) == sizes
    assert val is None or not set(val) & set(test)


def test_fera_tests_even_numbers() -> None:
    tested = protocol("fera2015").test_groups(table(BP4D_SUBJECTS), 1)
    assert {int(BP4D_SUBJECTS[i][1:]) % 2 for i in tested} == {0}


def test_every_reader_names_a_protocol_that_exists() -> None:
    for reader in corpora().values():
        assert protocol(reader.protocol).folds >= 1, reader.name


def test_every_published_division_has_its_source() -> None:
    found = [f for f in (files("fau") / "assets" / "protocols").iterdir() if f.name.endswith(".json")]
    assert len(found) >= 7
    for file in found:
        content = json.loads(file.read_text(encoding="utf-8"))
        assert set(content) <= {"source", "parts", "folds", "rest"} and len(content["source"]) > 20, file.name


def test_missing_subjects_are_noted() -> None:
    [note] = protocol("bp4d3").notes(table([s for s in BP4D_SUBJECTS if s not in ("F001", "M018")]))
    assert note == "the crop set lacks 2 of the 41 groups of protocol 'bp4d3': F001, M018"
    assert protocol("bp4d3").notes(table(BP4D_SUBJECTS)) == []


def test_ckplus_deals_sorted_subjects_in_steps_of_ten() -> None:
    names = [f"S{i:03d}" for i in range(24, -1, -1)]
    fold = protocol("ckplus10").assign(table(names, expression_anger=[1] * 25))
    assert {name: int(k) for name, k in zip(names, fold, strict=True)} == {f"S{i:03d}": i % 10 + 1 for i in range(25)}
    with pytest.raises(FauError, match=r"'ckplus10' has 10 folds, not 5; leave the number of folds out"):
        protocol("ckplus10", 5)


def test_ckplus_deals_subjects_without_an_emotion_last() -> None:
    names = [f"S{i:03d}" for i in range(22)]
    emotion = [i not in (0, 7) for i in range(22)]
    all_of_them = protocol("ckplus10").assign(table(names, expression_neutral=[1] * 22, expression_fear=emotion))
    with_emotion = [name for name, shows in zip(names, emotion, strict=True) if shows]
    alone = protocol("ckplus10").assign(table(with_emotion, expression_fear=[1] * 20))
    assert dict(zip(with_emotion, alone, strict=True)).items() <= dict(zip(names, all_of_them, strict=True)).items()


def test_leave_one_out_needs_the_number_of_groups() -> None:
    np.testing.assert_array_equal(protocol("loso", 4).assign(table("abcd")), [1, 2, 3, 4])
    with pytest.raises(FauError, match="set folds to the number of groups"):
        protocol("loso")
    with pytest.raises(FauError, match="set folds to 4, not 5"):
        protocol("loso", 5).assign(table("abcd"))


# The owner's split


def crop_set(groups: Sequence[str], splits: Sequence[str | None]) -> Any:
    """What dividing needs of a crop set."""
    n = len(groups)
    columns = {"group": groups, "split": splits, "au01": [i % 2 for i in range(n)], "expression": [None] * n}
    frame = pl.DataFrame(columns, schema_overrides={"split": pl.String, "expression": pl.String})
    return SimpleNamespace(manifest=frame, info=SimpleNamespace(aus=(1,)))


def divide(groups: Sequence[str], splits: Sequence[str | None], **settings: Any) -> Any:
    return split_fold(crop_set(groups, splits), protocol("official"), 1, 0, **settings)


GROUPS = [f"g{i:02d}" for i in range(20)]


def test_three_parts_are_used_as_they_are() -> None:
    """FER2013: PublicTest validates, PrivateTest is tested."""
    splits = ["train"] * 12 + ["val"] * 4 + ["test"] * 4
    parts = divide(GROUPS, splits)
    assert parts.groups == {
        **{"train": tuple(GROUPS[:12]), "val": tuple(GROUPS[12:16])},
        **{"test": tuple(GROUPS[16:]), "holdout": ()},
    }
    assert len(divide(GROUPS, splits, validation="none").train) == 16
    tested = divide(GROUPS, splits, validation="test")
    np.testing.assert_array_equal(tested.val, tested.test)


@pytest.mark.parametrize("second", ["val", "test"])
def test_of_two_parts_the_second_is_tested(second: str) -> None:
    """AffectNet and Aff-Wild2 have a validation part alone, RAF-DB a test part: validation is cut from training."""
    parts = divide(GROUPS, ["train"] * 15 + [second] * 5)
    assert parts.groups["test"] == tuple(GROUPS[15:])
    assert len(parts.groups["val"]) == 3 and set(parts.groups["val"]) < set(GROUPS[:15])
    assert len(parts.train) == 12


def test_a_group_in_two_parts_stays_there_and_is_counted() -> None:
    groups = [*GROUPS, "g00", "g01"]
    parts = divide(groups, ["train"] * 15 + ["test"] * 7)
    np.testing.assert_array_equal(parts.test, np.arange(15, 22))
    rows = np.concatenate([parts.train, parts.val, parts.test])
    np.testing.assert_array_equal(np.sort(rows), np.arange(22))
    assert parts.notes == (
        "2 groups are in more than one part of the owner's split, such as 'g00'; kept as the owner has it",
    )
    one = divide([*GROUPS, "g00"], ["train"] * 15 + ["test"] * 6)
    assert one.notes[0].startswith("1 group is in more than one part")


def test_kfold_keeps_groups_together_whatever_the_owner_split() -> None:
    groups = [name for name in GROUPS for _ in range(2)]
    parts = split_fold(crop_set(groups, ["train", "test"] * 20), protocol("kfold", 4), 1, 0)
    assert len(parts.groups["test"]) == 5 and len(parts.test) == 10


@pytest.mark.parametrize(
    ("splits", "sentence"),
    [
        ([None] * 20, "needs the owner's split, which the crop set lacks; use kfold"),
        (["train"] * 18 + ["test", None], "1 crop is in no part of the owner's split"),
        (["train"] * 15 + [None] * 5, "5 crops are in no part of the owner's split"),
        (["train"] * 20, "has nothing to test: all crops are in the owner's part 'train'"),
    ],
)
def test_a_split_that_does_not_do_is_said(splits: list[str | None], sentence: str) -> None:
    with pytest.raises(FauError, match=sentence):
        divide(GROUPS, splits)


def test_official_is_one_fold() -> None:
    with pytest.raises(FauError, match="'official' is fold 1 of 1, not of 5"):
        protocol("official", 5)
    with pytest.raises(FauError, match="fold 2 does not exist"):
        split_fold(crop_set(GROUPS, ["train"] * 15 + ["test"] * 5), protocol("official"), 2, 0)


def test_a_data_module_takes_the_owners_split(tmp_path: Path) -> None:
    aus = LABEL_SETS["bp4d12"]
    info = CropSetInfo("fake", "fake", {}, 8, aus, landmark_set="none")
    rows: list[dict[str, Any]] = []
    for i in range(24):
        group = f"g{i // 2}" if i < 22 else "g0"  # two of the test crops show a training subject
        split = "train" if i < 16 else "test"
        rows.append({"id": str(i), "group": group, "split": split, **{au_column(au): (i + au) % 2 for au in aus}})
    with CropSetWriter(tmp_path / "set", info) as writer:
        writer.append(np.zeros((24, 8, 8, 3), np.uint8), np.zeros((24, 0, 2), np.float32), rows)
    data = FaceDataModule(crop_set=str(tmp_path / "set"), protocol="official", batch_size=4, augment=None)
    assert data.fold_count == 1
    data.setup()
    np.testing.assert_array_equal(data.split.test, np.arange(16, 24))
    record = data.record()
    assert record["fold_name"] == "official" and record["sizes"] == {"train": 12, "val": 4, "test": 8, "holdout": 0}
    assert len(data.split.notes) == 1 and "such as 'g0'" in data.split.notes[0]
    assert data.describe()["protocol"] == {"name": "official", "folds": 1}


def test_a_crop_set_without_a_split_is_told(tmp_path: Path, write_cropset: Callable[..., Path]) -> None:
    cropset = CropSet.open(write_cropset(tmp_path / "set", groups=8, frames=3))
    with pytest.raises(FauError, match="which the crop set lacks"):
        split_fold(cropset, OfficialSplit(), 1, 0)


# The division is checked on each use


def test_a_group_in_two_parts_of_a_protocol_is_an_error() -> None:
    class Leaking(FixedFolds):
        def validation_groups(self, table: GroupTable, fold: int) -> np.ndarray:
            return self.test_groups(table, fold)[:1]

    leaking = Leaking("leaking", [GROUPS[:4]], "train")
    with pytest.raises(FauError, match="protocol 'leaking' puts group 'g00' into 2 parts"):
        split_fold(crop_set(GROUPS, [None] * 20), leaking, 1, 0)


def test_fixed_validation_groups_are_used(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(
        '{"parts": {"seen": ["g00"], "held": ["g05", "g06"]}, "rest": "train",'
        ' "folds": [{"test": ["g01", "g02"], "validation": ["held"]}, {"test": ["held"]}]}'
    )
    mine = protocol(str(file))
    cropset = crop_set(GROUPS, [None] * 20)
    first, second = (split_fold(cropset, mine, fold, 0) for fold in (1, 2))
    assert (first.groups["val"], first.groups["test"]) == (("g05", "g06"), ("g01", "g02"))
    assert second.groups["test"] == ("g05", "g06") and len(second.groups["val"]) == 4
    assert (mine.fold_name(1), mine.fold_name(2)) == ("1", "held")


def test_parts_to_count_in() -> None:
    cropset = crop_set(BP4D_SUBJECTS, [None] * 41)
    parts = fold_parts(cropset, protocol("bp4d3"))
    assert {name: len(rows) for name, rows in parts.items()} == {
        **{"fold 1 (part3)": 13, "fold 2 (part2)": 14, "fold 3 (part1)": 14},
    }
    single = fold_parts(cropset, protocol("bp4d-opengraphau"))
    assert {name: len(rows) for name, rows in single.items()} == {"train": 22, "validation": 6, "test": 13}


def test_many_single_images_are_divided_evenly() -> None:
    """60,000 groups, of which most are dealt round."""
    rng = np.random.default_rng(0)
    n = 60_000
    cropset = crop_set([str(i) for i in range(n)], rng.choice(["train", "val"], n, p=[0.98, 0.02]).tolist())
    expression = pl.Series("expression", rng.choice(["neutral", "anger", "fear"], n, p=[0.7, 0.29, 0.01]).tolist())
    cropset.manifest = cropset.manifest.with_columns(expression)
    official = split_fold(cropset, protocol("official"), 1, 0)
    assert len(official.train) + len(official.val) + len(official.test) == n and len(official.test) > 0
    parts = split_fold(cropset, protocol("kfold"), 1, 0)
    shown = expression[parts.test].value_counts()
    for name, total in expression.value_counts().iter_rows():
        tested = shown.filter(pl.col("expression") == name)["count"][0]
        assert abs(5 * tested / total - 1) < 0.01
