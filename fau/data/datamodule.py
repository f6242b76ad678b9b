"""The one LightningDataModule for all corpora."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch.utils.data import Sampler

from fau.crops.store import CropSet
from fau.data.augment import Augmenter
from fau.data.dataset import BatchDataset, EpochLoader, check_landmarks, default_workers
from fau.data.plan import TrainingPlan, Undersample, WeightsFrom
from fau.data.protocols import protocol as find_protocol
from fau.data.sampling import BatchKey, EvalSampler, RotatingSampler, TrainSampler
from fau.data.split import Split, Validation, split_fold
from fau.data.targets import Targets, read_targets
from fau.data.weights import Weights
from fau.errors import FauError
from fau.labels import output_labels
from fau.landmarks import believed
from fau.synthetic.cache import default_cropset
from fau.synthetic.recipe import RECIPES

_LANDMARKS_READ = 10_000  # crops whose landmarks are read before training: 38 MB of 478 points


class FaceDataModule(LightningDataModule):
    """Crops, labels and folds of one crop set.

    Args:
        crop_set: A synthetic corpus by its recipe's name, drawn on demand and cached (synthetic, synthetic-quick,
            synthetic-people, synthetic-uneven, synthetic-tiny), or the path of a crop set.
        label_set: What to train, by the name of its set: action units (bp4d12, disfa8, disfa12, affwild12,
            synthetic18, or numbers such as "1,2,12") or, with a module for expressions, basic7, affectnet8 or affwild8
            (or names such as "anger,happiness") or, with one for it, va (valence and arousal). With a module for
            several tasks, one set of each with plus signs between: "affwild12+affwild8+va".
        protocol: How groups are divided: kfold (even label counts), consecutive, a published division by name, or the
            path of a .json file that lists the groups of each fold.
        folds: Number of folds; null takes the protocol's own, which is 5 for kfold and consecutive.
        fold: The fold to test, counted from 1.
        seed: Seed of validation groups, order, undersampling and augmentation; the folds themselves do not move.
        validation: Where the groups come from that choose the checkpoint: groups (cut from the training groups), none
            (train on all of them and take the last epoch), test (select on the test fold, as some papers do; such rows
            are marked), or rotating (another of the folds that are not tested each epoch, as text 001 does; every one
            is trained on in the other epochs, so validation scores leak).
        validation_share: Share of the training groups that validate; at least two do.
        holdout: Groups outside all folds: their share of all groups, or a list of their names; null for none.
        batch_size: Samples a step over all processes together.
        num_workers: Processes that load batches, for each training process; null chooses by cores and accelerator.
        augment: Augmentation of training crops: a recipe (default, geometry, flip, megraphau), the path of a pipeline
            saved by albumentations, or null for none. Where one is set and ``model.resize`` is, windows lie at random.
        undersample: What is cut in training, drawn anew each epoch: none, classes (of the label set: frames that show
            only common action units, or none; or common expressions, to even sets), expressions (the same by expression
            where action units are trained; frames without one are left out).
        undersample_ratio: How far to cut, as a multiple of the rarest label's count; 1 cuts most.
        weights: Weights against imbalance: none, balanced (coded / (2 positives) of an action unit's positives, coded /
            (K positives) of one of K expressions), inverse (in inverse proportion to the rate, their sum being the
            number of labels) or effective (in inverse proportion to the effective number of positives, with that sum).
        weights_beta: Of weights effective, 0 (all alike) or more and below 1 (inverse counts): how soon another sample
            of a class adds nothing; 0.9 to 0.9999 are usual.
        weights_from: Counts behind the weights: natural (the training groups) or sampled (what undersampling keeps of
            them, in expectation over epochs); null takes sampled when undersampling is on.
        occurrence_threshold: Least intensity, 1..5, that counts as present; null takes occurrence as the crop set
            codes it.
        landmarks: Landmarks that batches carry: none, 49, 68 or 478 points.
        votes: Learn expressions from the shares of people's votes, where the crop set keeps them (FER+), rather than
            from the one class; what is scored, weighted and undersampled is the class.
    """

    def __init__(
        self,
        crop_set: str = "synthetic",
        label_set: str = "bp4d12",
        protocol: str = "kfold",
        folds: int | None = None,
        fold: int = 1,
        seed: int = 0,
        validation: Validation = "groups",
        validation_share: float = 0.2,
        holdout: float | list[str] | None = None,
        batch_size: int = 256,
        num_workers: int | None = None,
        augment: str | None = "default",
        undersample: Undersample = "none",
        undersample_ratio: float = 1.0,
        weights: Weights = "none",
        weights_from: WeightsFrom | None = None,
        weights_beta: float = 0.999,
        occurrence_threshold: int | None = None,
        landmarks: Literal["none", "49", "68", "478"] = "none",
        votes: bool = False,
    ) -> None:
        super().__init__()
        self.crop_set = crop_set
        self.label_set = label_set
        self.protocol_name = protocol
        self.folds = folds
        self.fold = fold
        self.seed = seed
        self.validation: Validation = validation
        self.validation_share = validation_share
        self.holdout = holdout
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.augment = augment
        self.undersample: Undersample = undersample
        self.undersample_ratio = undersample_ratio
        self.weights: Weights = weights
        self.weights_from: WeightsFrom = weights_from or ("natural" if undersample == "none" else "sampled")
        self.weights_beta = weights_beta
        self.occurrence_threshold = occurrence_threshold
        self.landmarks = landmarks
        self.votes = votes
        self.validated_epoch: int | None = None  # whose part validates once training is over, where parts take turns
        self._cropset: CropSet | None = None

    # What a run needs to know before and after training ---------------------------------------------------------------

    @property
    def labels(self) -> list[str]:
        """Printed names of the label set, such as ``AU1`` or ``happiness``, in output order."""
        return output_labels(self.label_set)

    @property
    def fold_count(self) -> int:
        """Number of folds of the protocol; known before any data is read."""
        return find_protocol(self.protocol_name, self.folds).folds

    @property
    def cropset(self) -> CropSet:
        """The crop set; opened, and a synthetic one drawn, when first asked for."""
        if self._cropset is None:
            path = default_cropset(self.crop_set) if self.crop_set in RECIPES else Path(self.crop_set)
            if len(path.parts) == 1 and not path.exists():  # a name rather than a path
                raise FauError(
                    f"crop set '{path}' does not exist; give the folder that holds its cropset.json, or one of "
                    f"{', '.join(RECIPES)}"
                )
            self._cropset = CropSet.open(path)
        return self._cropset

    def prepare_data(self) -> None:
        """Draw the synthetic corpus if it is not there yet, and open the crop set."""
        _ = self.cropset

    def setup(self, stage: str | None = None) -> None:
        """Read labels and divide the groups; all stages need the same, and a second call changes nothing.

        Raises:
            FauError: If settings, labels and crop set do not fit each other.
        """
        if hasattr(self, "split"):
            return
        _check_ranges(self)
        check_landmarks(self.cropset, self.landmarks)
        self.augmenter = None if self.augment is None else Augmenter(self.augment, self.seed, self.landmarks)
        self.targets: Targets = read_targets(self.cropset, self.label_set, self.occurrence_threshold, self.votes)
        self.groups: NDArray[np.str_] = self.cropset.manifest["group"].to_numpy().astype(str)
        self._protocol = find_protocol(self.protocol_name, self.folds)
        split = split_fold(
            self.cropset, self._protocol, self.fold, self.seed, self.validation, self.validation_share, self.holdout
        )
        if list(self.targets.tasks) != ["au"]:
            split = self._with_label(split)
        self.plan = TrainingPlan.make(
            self.targets, split.train, self.undersample, self.undersample_ratio, self.seed, self.fold, split.rotation
        )
        self.split: Split = split  # last: it says that all is set up

    def _with_label(self, split: Split) -> Split:
        """Leave out of every part the crops without any label of the set, as practice is but for action units alone."""
        coded: NDArray[np.bool_] = self.targets.coded.max(1)
        parts = {name: getattr(split, name) for name in ("train", "val", "test", "holdout")}
        kept = {name: rows[coded[rows]] for name, rows in parts.items()}
        for name, rows in parts.items():
            if len(rows) and not len(kept[name]):
                what = "shows no class" if self.targets.single else "has no label"
                raise FauError(f"the {name} part of fold {self.fold} {what} of label set '{self.label_set}'")
        turns = tuple(rows[coded[rows]] for rows in split.rotation)
        if not all(map(len, turns)):
            raise FauError(f"a fold has no crop with a label of '{self.label_set}', so it cannot validate an epoch")
        return replace(split, **kept, rotation=turns)

    def positive_weights(self) -> NDArray[np.float32] | None:
        """Return the weights, float32 (L,), from coded labels of the fold's training groups; None without weighting.

        Raises:
            FauError: If what undersampling keeps holds no positive of an action unit.
        """
        return self.plan.weights(self.weights, self.weights_from, self.weights_beta)

    def landmark_share(self) -> float:
        """Return the share of the training crops of which a landmark is known; after ``setup``.

        Of a large training part it is that of a sample, spread evenly: 3 million crops of 478 points are 11 GB, which
        every process would read. It is 0 only where no crop has any.
        """
        rows = self.split.train
        sample = rows[:: math.ceil(len(rows) / _LANDMARKS_READ)]
        share = sum(self._with_landmarks(sample)) / len(sample)
        if share or len(sample) == len(rows):
            return share
        return 1 / len(rows) if any(self._with_landmarks(rows)) else 0.0

    def _with_landmarks(self, rows: NDArray[np.int64]) -> Iterator[int]:
        """Yield how many crops have a landmark, chunk by chunk."""
        for start in range(0, len(rows), 1024):
            points = believed(self.cropset.landmarks(rows[start : start + 1024]), self.cropset.size)
            yield int(np.isfinite(points).any(axis=(1, 2)).sum())

    @property
    def kept(self) -> dict[str, dict[str, float]]:
        """What undersampling keeps of the training part, by frames and by label; see ``TrainingPlan.kept``."""
        return self.plan.kept()

    def describe(self) -> dict[str, Any]:
        """Return what decides the data of this run as plain JSON values, for the run id; after ``setup``.

        Workers, paths and devices are not among it.
        """
        return {
            "crop_set": self.cropset.id,
            "label_set": self.label_set,
            "labels": self.labels,
            "occurrence_threshold": self.occurrence_threshold or self.cropset.info.occurrence_threshold,
            "protocol": self._protocol.describe(),
            "fold": self.fold,
            "seed": self.seed,
            "validation": self.validation,
            "validation_share": self.validation_share if self.validation == "groups" else None,
            "holdout": sorted(set(self.holdout)) if isinstance(self.holdout, list) else self.holdout,
            "batch_size": self.batch_size,
            "augment": None if self.augmenter is None else self.augmenter.describe(),
            "undersample": self.undersample,
            "undersample_ratio": None if self.undersample == "none" else self.undersample_ratio,
            "weights": self.weights,
            "weights_from": None if self.weights == "none" else self.weights_from,
            **({"weights_beta": self.weights_beta} if self.weights == "effective" else {}),
            "landmarks": self.landmarks,
            **({} if self.targets.votes is None else {"votes": _hash(self.targets.votes)}),
        }

    def record(self) -> dict[str, Any]:
        """Return what the run record says of the data beside ``describe``, as plain JSON values; after ``setup``."""
        weights = self.positive_weights()
        parts = {name: getattr(self.split, name) for name in ("train", "val", "test", "holdout")}
        return {
            "sizes": {name: len(rows) for name, rows in parts.items()},
            "groups": {name: list(groups) for name, groups in self.split.groups.items()},
            "fold_name": self._protocol.fold_name(self.fold),
            "kept": self.kept,
            "weights": None if weights is None else dict(zip(self.labels, weights.tolist(), strict=True)),
        }

    # Loaders ----------------------------------------------------------------------------------------------------------

    def train_dataloader(self) -> EpochLoader:
        """Return the loader of training batches.

        Raises:
            FauError: If the global batch cannot be shared equally, or the training part is smaller than the number of
                processes.
        """
        rank, world = self._place()
        sampler = TrainSampler(self.plan.draw, self.batch_size, rank, world)
        if not len(sampler):
            raise FauError(
                f"{self.plan.draw.size} training samples are too few for {world} processes; use fewer devices"
            )
        return self._loader(sampler, self.augmenter)

    def val_dataloader(self) -> EpochLoader | list[EpochLoader]:
        """Return the loader of validation batches; an empty list without a validation part.

        Where parts take turns, Lightning tells the loader its epoch, unless ``validated_epoch`` is set.
        """
        if self.split.rotation:
            turns = RotatingSampler(self.split.rotation, self.batch_size, *self._place())
            return self._loader(turns if self.validated_epoch is None else turns.fixed(self.validated_epoch), None)
        return self._eval_loader(self.split.val) if len(self.split.val) else []

    def test_dataloader(self) -> EpochLoader:
        """Return the loader of test batches."""
        return self._eval_loader(self.split.test)

    def holdout_dataloader(self) -> EpochLoader:
        """Return the loader of the hold-out set.

        Raises:
            FauError: If there is none.
        """
        if not len(self.split.holdout):
            raise FauError("there is no hold-out set; set holdout to a share of the groups or to a list of groups")
        return self._eval_loader(self.split.holdout)

    def training_part_dataloader(self) -> EpochLoader:
        """Return the loader of the training part as evaluation sees it: in order, whole, not augmented."""
        return self._eval_loader(self.split.train)

    def _eval_loader(self, indices: NDArray[np.int64]) -> EpochLoader:
        return self._loader(EvalSampler(indices, self.batch_size, *self._place()), None)

    def _place(self) -> tuple[int, int]:
        """Return this process's rank and the number of processes, once the global batch is known to divide."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        if self.batch_size % world:
            raise FauError(
                f"batch_size {self.batch_size} is the batch of all processes together and cannot be shared equally by "
                f"{world}; use a multiple of {world}"
            )
        return rank, world

    def _loader(self, sampler: Sampler[BatchKey], augmenter: Augmenter | None) -> EpochLoader:
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        processes = self.trainer.num_devices if self.trainer else 1
        workers = default_workers(on_gpu, processes) if self.num_workers is None else self.num_workers
        dataset = BatchDataset(self.cropset, self.targets, self.landmarks, augmenter)
        return EpochLoader(dataset, sampler, workers, pin_memory=on_gpu and torch.cuda.is_available())


def _hash(array: NDArray[np.float32]) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()[:12]


def _check_ranges(data: FaceDataModule) -> None:
    if data.batch_size < 1:
        raise FauError(f"batch_size {data.batch_size} is too small; give 1 or more")
    if data.num_workers is not None and data.num_workers < 0:
        raise FauError(f"num_workers {data.num_workers} is negative; give 0 or more, or null")
    if not 0 <= data.seed < 2**32:
        raise FauError(f"seed {data.seed} is outside 0..{2**32 - 1}")
    if not 1 <= data.undersample_ratio < math.inf:
        raise FauError(f"undersample_ratio {data.undersample_ratio} must be 1 (the rarest label's count) or more")
    if not 0 <= data.weights_beta < 1:
        raise FauError(f"weights_beta {data.weights_beta} is outside 0..1; 0.999 is usual, 1 is approached by inverse")
    if data.weights_from == "sampled" and data.undersample == "none" and data.weights != "none":
        raise FauError("weights_from: sampled needs undersampling; set undersample: classes, or weights_from: natural")
