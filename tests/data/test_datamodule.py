from __future__ import annotations

import gc
import json
import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jsonargparse import ArgumentError, ArgumentParser
from numpy.typing import NDArray

from fau.crops.store import CropSet
from fau.data.datamodule import FaceDataModule
from fau.data.dataset import EpochLoader
from fau.errors import FauError
from fau.landmarks import to_49, to_68

Make = Callable[..., FaceDataModule]


def epoch_of(loader: EpochLoader, epoch: int) -> list[dict[str, torch.Tensor]]:
    loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
    return list(loader)


def same(a: list[dict[str, torch.Tensor]], b: list[dict[str, torch.Tensor]]) -> bool:
    return len(a) == len(b) and all(
        torch.equal(x[key].nan_to_num(-9), y[key].nan_to_num(-9)) for x, y in zip(a, b, strict=True) for key in x
    )


def test_batch_has_the_keys_types_and_shapes_of_the_contract(make_data: Make) -> None:
    batch = next(iter(make_data(landmarks="68").train_dataloader()))
    assert {key: (value.dtype, tuple(value.shape)) for key, value in batch.items()} == {
        "image": (torch.uint8, (16, 24, 24, 3)),
        "label": (torch.float32, (16, 12)),
        "label_mask": (torch.bool, (16, 12)),
        "intensity": (torch.float32, (16, 12)),
        "intensity_mask": (torch.bool, (16, 12)),
        "expression": (torch.int64, (16,)),
        "valence_arousal": (torch.float32, (16, 2)),
        "landmarks": (torch.float32, (16, 68, 2)),
        "window": (torch.float32, (16, 2)),
        "index": (torch.int64, (16,)),
        "epoch": (torch.int64, (16,)),
    }


def test_batches_hold_what_the_crop_set_holds(make_data: Make, cropset: CropSet) -> None:
    data = make_data(augment=None, landmarks="49")
    for batch in data.test_dataloader():
        rows = batch["index"].numpy()
        np.testing.assert_array_equal(batch["image"], cropset.crops(rows))
        np.testing.assert_array_equal(batch["landmarks"], to_49(to_68(cropset.landmarks(rows))))
        au1 = cropset.manifest["au01"].to_list()
        for i, row in enumerate(rows):
            assert bool(batch["label_mask"][i, 0]) == (au1[row] is not None)
            assert int(batch["label"][i, 0]) == (au1[row] or 0)


def test_every_test_sample_comes_once_and_in_order(make_data: Make) -> None:
    data = make_data()
    index = torch.cat([batch["index"] for batch in data.test_dataloader()]).numpy()
    np.testing.assert_array_equal(index, data.split.test)


def test_training_epochs_differ_and_reruns_agree(make_data: Make) -> None:
    data, again = make_data(landmarks="68"), make_data(landmarks="68")
    loader = data.train_dataloader()
    first = epoch_of(loader, 0)
    assert same(first, epoch_of(again.train_dataloader(), 0))
    second = epoch_of(loader, 1)
    assert not same(first, second)
    assert {int(b["epoch"][0]) for b in second} == {1}
    assert same(second, epoch_of(again.train_dataloader(), 1)), "an epoch must not depend on the ones before"
    assert not same(first, epoch_of(make_data(seed=1, landmarks="68").train_dataloader(), 0))
    index = torch.cat([b["index"] for b in first])
    assert len(index) == len(index.unique()) == len(data.split.train) // 16 * 16
    assert set(index.tolist()) <= set(data.split.train.tolist())


def test_an_augmented_sample_differs_between_epochs(make_data: Make) -> None:
    data = make_data()
    loader = data.train_dataloader()
    images = [
        {int(i): image for b in epoch_of(loader, epoch) for i, image in zip(b["index"], b["image"], strict=True)}
        for epoch in (0, 1)
    ]
    common = images[0].keys() & images[1].keys()
    assert common
    assert all(not torch.equal(images[0][i], images[1][i]) for i in common)


def test_only_augmented_batches_have_windows_of_their_own(make_data: Make) -> None:
    """Elsewhere a network cuts from the centre."""
    data = make_data()
    assert "window" not in next(iter(data.test_dataloader()))
    assert "window" not in next(iter(data.val_dataloader()))
    assert "window" not in next(iter(make_data(augment=None).train_dataloader()))


def test_landmarks_of_damaged_files_turn_no_face(write_cropset: Callable[..., Path], tmp_path: Path) -> None:
    """One point far away would decide which eye a mirrored face's right eye is taken for."""
    path = write_cropset(tmp_path / "damaged", landmark_set="49", groups=6)
    file = sorted(path.glob("landmarks-*.npy"))[0]
    points = np.load(file)
    points[:, 40], points[:, 41, 0], points[:, 42, 1] = 1e30, np.inf, -1e9
    np.save(file, points)
    data = FaceDataModule(str(path), folds=3, augment="flip", landmarks="49", batch_size=8)
    data.setup()
    stored = data.cropset.landmarks(np.arange(len(data.cropset)))
    loader = data.train_dataloader()
    seen = set()
    for batch in [batch for epoch in (0, 1) for batch in epoch_of(loader, epoch)]:
        for index, got in zip(batch["index"].tolist(), batch["landmarks"].numpy(), strict=True):
            if index >= 50 or np.isnan(stored[index, 0, 0]):  # of another file, or without a face
                continue
            mirrored = np.stack([23 - stored[index, 9, 0], stored[index, 9, 1]])  # a brow's end is its fellow's
            flipped = bool(np.allclose(got[0], mirrored, atol=1e-4))
            assert flipped or np.array_equal(got[0], stored[index, 0])
            assert np.isnan(got).all(axis=1).sum() == 3
            seen.add(flipped)
    assert seen == {True, False}


def test_the_share_with_landmarks_is_that_of_a_sample(make_data: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data()
    rows = data.split.train
    known = np.isfinite(data.cropset.landmarks(rows)).any(axis=(1, 2))
    assert data.landmark_share() == known.mean() < 1
    monkeypatch.setattr("fau.data.datamodule._LANDMARKS_READ", 20)
    sample = known[:: -(-len(rows) // 20)]
    assert len(sample) <= 20 and data.landmark_share() == sample.mean()
    read = data.cropset.landmarks
    last = rows[np.flatnonzero(known)[-1]]  # the one crop with landmarks is not in the sample

    def only_one(indices: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.where((indices == last)[:, None, None], read(indices), np.float32(np.nan))

    assert last not in rows[:: -(-len(rows) // 20)]
    monkeypatch.setattr(data.cropset, "landmarks", only_one)
    assert data.landmark_share() == 1 / len(rows)
    monkeypatch.setattr(data.cropset, "landmarks", lambda indices: np.full_like(read(indices), np.nan))
    assert data.landmark_share() == 0


def test_workers_change_nothing_and_persistent_ones_see_the_epoch(make_data: Make) -> None:
    settings: dict[str, Any] = {"landmarks": "68", "undersample": "classes"}
    here, there = (make_data(num_workers=n, **settings).train_dataloader() for n in (0, 2))
    for epoch in (0, 1, 2):
        assert same(epoch_of(here, epoch), epoch_of(there, epoch))


def test_an_epoch_begins_when_its_first_batch_is_asked_for(make_data: Make) -> None:
    """Lightning makes the first iterator before it sets the epoch; workers that read ahead must not have begun."""
    loader = make_data(num_workers=1).train_dataloader()
    iterator = iter(loader)
    loader.sampler.set_epoch(3)  # type: ignore[attr-defined]
    assert int(next(iterator)["epoch"][0]) == 3


def test_describe_and_record_are_json_and_decide(make_data: Make, cropset: CropSet, tmp_path: Path) -> None:
    data = make_data(weights="balanced", undersample="classes", holdout=0.2)
    described = data.describe()
    assert json.loads(json.dumps(described)) == described
    assert described["crop_set"] == cropset.id
    record = data.record()
    assert json.loads(json.dumps(record)) == record
    assert sum(record["sizes"].values()) == len(cropset)
    assert record["kept"]["frames"]["kept"] < record["kept"]["frames"]["of"]
    assert make_data(num_workers=2).describe() == make_data().describe(), "workers decide nothing"
    for change in ({"fold": 2}, {"seed": 1}, {"augment": None}, {"batch_size": 8}, {"weights": "inverse"}):
        assert make_data(**change).describe() != make_data().describe(), change


def test_kept_counts_of_an_epoch_average_to_the_expected_ones(make_data: Make) -> None:
    data = make_data(undersample="classes")
    epochs = [data.plan.kept_in(epoch) for epoch in range(200)]
    assert {e["frames"] for e in epochs} == {data.kept["frames"]["kept"]}
    for label in data.labels:
        mean = np.mean([e[label] for e in epochs])
        assert mean == pytest.approx(data.kept[label]["kept"], abs=1.0)


def test_expressions_are_undersampled_to_even_sets(make_data: Make) -> None:
    data = make_data(undersample="expressions", batch_size=4)
    drawn = data.targets.expression[data.plan.draw.chosen(0)]
    counts = np.bincount(drawn)
    assert len(set(counts[counts > 0])) == 1
    assert (drawn >= 0).all()


def test_weights_come_from_coded_training_labels_only(make_data: Make) -> None:
    data = make_data(weights="balanced")
    rows = data.split.train
    labels, mask = data.targets.present[rows], data.targets.coded[rows]
    np.testing.assert_allclose(data.positive_weights(), mask.sum(0) / (2 * labels.sum(0)), rtol=1e-6)
    assert make_data().positive_weights() is None
    inverse = make_data(weights="inverse").positive_weights()
    assert inverse is not None and inverse.sum() == pytest.approx(12, rel=1e-5)


def test_weights_follow_undersampling_by_default(make_data: Make) -> None:
    natural = make_data(weights="balanced", undersample="classes", weights_from="natural").positive_weights()
    sampled = make_data(weights="balanced", undersample="classes").positive_weights()
    assert natural is not None and sampled is not None
    np.testing.assert_allclose(natural, make_data(weights="balanced").positive_weights())  # type: ignore[arg-type]
    assert not np.allclose(natural, sampled)


def test_without_validation_there_is_no_validation_loader(make_data: Make) -> None:
    assert make_data(validation="none").val_dataloader() == []
    data = make_data(validation="test")
    loader = data.val_dataloader()
    assert isinstance(loader, EpochLoader)
    assert [b["index"].tolist() for b in loader] == [b["index"].tolist() for b in data.test_dataloader()]


def test_workers_end_with_a_loader_that_is_found_in_a_cycle(make_data: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that were not told to end are waited for, five seconds each, and killed."""
    killed: list[BaseProcess] = []
    monkeypatch.setattr(BaseProcess, "terminate", killed.append)
    others = set(multiprocessing.active_children())
    cycle: list[Any] = [make_data(num_workers=2).train_dataloader()]
    cycle.append(cycle)
    next(iter(cycle[0]))
    workers = set(multiprocessing.active_children()) - others
    del cycle
    gc.collect()
    assert len(workers) == 2
    assert not any(worker.is_alive() for worker in workers)
    assert not killed


def test_holdout_has_a_loader(make_data: Make) -> None:
    data = make_data(holdout=["S003"])
    index = torch.cat([b["index"] for b in data.holdout_dataloader()]).numpy()
    assert set(data.groups[index]) == {"S003"}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"fold": 0}, "fold 0 does not exist: protocol 'kfold' has folds 1 to 3"),
        ({"fold": 9, "folds": 5}, "fold 9 does not exist: protocol 'kfold' has folds 1 to 5"),
        ({"folds": 1}, "folds 1 is too few"),
        ({"folds": 16}, "16 folds need 16 groups or more"),
        ({"protocol": "leave"}, "protocol 'leave' is unknown"),
        ({"label_set": "disfa8"}, "crop set 'fake' has no labels for AU9, which label set 'disfa8' asks for"),
        ({"label_set": "bp5d"}, "label set 'bp5d' is unknown"),
        ({"augment": "heavy"}, "augmentation recipe 'heavy' is unknown"),
        ({"augment": "missing.json"}, "augmentation file 'missing.json' cannot be read"),
        ({"batch_size": 0}, "batch_size 0"),
        ({"num_workers": -1}, "num_workers -1"),
        ({"seed": -1}, "seed -1"),
        ({"undersample_ratio": 0.5}, "undersample_ratio 0.5"),
        ({"validation_share": 1.0}, "validation_share 1.0"),
        ({"holdout": 1.5}, "holdout 1.5"),
        ({"holdout": ["S099"]}, "holdout group 'S099' is not in the crop set"),
        ({"weights": "balanced", "weights_from": "sampled"}, "weights_from: sampled needs undersampling"),
        ({"occurrence_threshold": 6}, "occurrence_threshold 6"),
    ],
)
def test_bad_settings_are_said_in_one_sentence(make_data: Make, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FauError, match=sentence):
        make_data(**settings)


def test_a_missing_holdout_is_said(make_data: Make) -> None:
    with pytest.raises(FauError, match="no hold-out set"):
        make_data().holdout_dataloader()


def test_a_missing_crop_set_is_said() -> None:
    with pytest.raises(FauError, match="crop set 'nowhere' does not exist"):
        FaceDataModule("nowhere").prepare_data()


def test_a_unit_without_positives_in_training_is_said(write_cropset: Callable[..., Path], tmp_path: Path) -> None:
    path = write_cropset(tmp_path / "rare", groups=6, frames=2, seed=3)
    with pytest.raises(FauError, match=r"AU\d+ has no positive in the training part of fold 1"):
        FaceDataModule(str(path), folds=3).setup()


def test_a_synthetic_corpus_goes_by_its_name(tiny_cropset: Path) -> None:
    data = FaceDataModule("synthetic-tiny", label_set="synthetic18", folds=3)
    data.setup()
    assert data.cropset.path == tiny_cropset
    assert {part: len(groups) for part, groups in data.split.groups.items()} == {
        **{"train": 4, "val": 2, "test": 3, "holdout": 0}
    }
    batch = next(iter(data.test_dataloader()))
    assert batch["label"].shape[1] == 18


def test_occurrence_follows_another_threshold(make_data: Make) -> None:
    usual, strict = make_data(), make_data(occurrence_threshold=4)
    intensity, mask = strict.targets.intensity, strict.targets.intensity_mask
    np.testing.assert_array_equal(strict.targets.present, (intensity >= 4) & mask)
    np.testing.assert_array_equal(strict.targets.coded, mask)
    assert strict.targets.present.sum() < usual.targets.present.sum()
    assert strict.describe() != usual.describe()
    assert make_data(occurrence_threshold=2).describe() == usual.describe(), "it is the crop set's own"


def test_landmarks_that_are_not_stored_are_said(write_cropset: Callable[..., Path], tmp_path: Path) -> None:
    path = write_cropset(tmp_path / "bare", frames=8, landmark_set="none")
    FaceDataModule(str(path)).setup()
    with pytest.raises(FauError, match=r"has no landmarks, so data\.landmarks cannot be 68"):
        FaceDataModule(str(path), landmarks="68").setup()
    path = write_cropset(tmp_path / "inner", frames=8, landmark_set="49")
    with pytest.raises(FauError, match="stores landmark set '49', from which '68' cannot be made"):
        FaceDataModule(str(path), landmarks="68").setup()


@pytest.mark.parametrize(
    ("value", "parsed"), [("0.1", 0.1), ('["S001", "S002"]', ["S001", "S002"]), ("null", None)], ids=str
)
def test_the_signature_is_a_command_line(value: str, parsed: object) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(FaceDataModule, "data")
    arguments = [
        "--data.holdout",
        value,
        "--data.augment",
        "null",
        "--data.folds",
        "4",
        "--data.undersample",
        "classes",
    ]
    data = parser.instantiate_classes(parser.parse_args(arguments)).data
    assert (data.holdout, data.augment, data.folds, data.weights_from) == (parsed, None, 4, "sampled")
    with pytest.raises(ArgumentError):
        parser.parse_args(["--data.undersample", "some"])
    assert "counted from 1" in parser.format_help()
