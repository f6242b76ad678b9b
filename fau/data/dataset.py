"""Batches out of a crop set: gathered by memory map, uint8, augmented sample by sample."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from fau.cores import usable_cores
from fau.crops.store import CropSet
from fau.data.augment import Augmenter
from fau.data.sampling import BatchKey
from fau.data.targets import Targets
from fau.errors import FauError
from fau.landmarks import believed, convert

Batch = dict[str, Tensor]


def check_landmarks(cropset: CropSet, wanted: str) -> None:
    """Check that a crop set can give a landmark set.

    Raises:
        FauError: If it cannot.
    """
    possible = {"478": ("none", "478", "68", "49"), "68": ("none", "68", "49"), "49": ("none", "49")}
    stored = cropset.info.landmark_set
    if stored == "none" and wanted != "none":
        raise FauError(
            f"crop set '{cropset.info.name}' has no landmarks, so data.landmarks cannot be {wanted}; prepare the "
            "corpus with --landmarks mediapipe, or train a network that needs none"
        )
    if wanted not in possible.get(stored, ("none",)):
        raise FauError(
            f"crop set '{cropset.info.name}' stores landmark set '{stored}', from which '{wanted}' cannot be made; "
            f"choose one of {', '.join(possible.get(stored, ('none',)))}"
        )


class BatchDataset(Dataset[Batch]):
    """Makes whole batches by key.

    Args:
        cropset: Where crops and landmarks come from.
        targets: Labels of all crops.
        landmark_set: Landmarks of the batch, ``none`` leaves them out.
        augmenter: Changes training batches; None leaves crops as they are.
    """

    def __init__(
        self, cropset: CropSet, targets: Targets, landmark_set: str = "none", augmenter: Augmenter | None = None
    ) -> None:
        check_landmarks(cropset, landmark_set)
        self._cropset = cropset
        self._targets = targets
        self._landmark_set = landmark_set
        self._augmenter = augmenter

    def __getitem__(self, key: BatchKey) -> Batch:
        """Return a batch.

        Returns:
            ``image`` uint8 (B, H, W, 3); the labels of ``Targets.take``; ``landmarks`` float32 (B, K, 2) when asked
            for; ``index`` int64 (B,), rows of the manifest; ``epoch`` int64 (B,); in augmented batches ``window``
            float32 (B, 2), of ``Augmenter.windows``.
        """
        images = self._cropset.crops(key.indices)
        points = self._landmarks(key.indices)
        batch: Batch = {}
        if self._augmenter is not None:
            self._augmenter(images, points, key.indices, key.epoch)
            batch["window"] = torch.from_numpy(self._augmenter.windows(key.indices, key.epoch))
        batch |= {"image": torch.from_numpy(images)} | self._targets.take(key.indices)
        if points is not None:
            batch["landmarks"] = torch.from_numpy(points)
        batch["index"] = torch.from_numpy(key.indices.copy())
        batch["epoch"] = torch.full((len(key.indices),), key.epoch)
        return batch

    def _landmarks(self, indices: NDArray[np.int64]) -> NDArray[np.float32] | None:
        if self._landmark_set == "none":
            return None
        points = believed(self._cropset.landmarks(indices), self._cropset.size)
        return np.ascontiguousarray(convert(points, self._cropset.info.landmark_set, self._landmark_set))


class EpochLoader:
    """Iterates batches, and begins an epoch only when its first batch is asked for.

    Lightning makes the first iterator of a fit before it tells the sampler the epoch; a data loader with workers reads
    ahead at once and would begin a resumed run with the order of epoch 0. Not being a torch ``DataLoader``, it is also
    left as it is, whatever ``use_distributed_sampler`` says: the samplers here share batches out themselves.

    Args:
        dataset: Makes the batches.
        sampler: Yields their keys.
        workers: Number of worker processes, kept alive between epochs; 0 loads in this process.
        pin_memory: Copy batches to page-locked memory for a quicker way to a GPU.
    """

    def __init__(self, dataset: BatchDataset, sampler: Sampler[BatchKey], workers: int, pin_memory: bool) -> None:
        self.sampler = sampler
        self.batch_sampler = None  # Lightning looks for it where there is a sampler
        self.dataset = dataset
        self._loader: DataLoader[Batch] = DataLoader(
            dataset,
            batch_size=None,
            sampler=sampler,
            num_workers=workers,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
            worker_init_fn=_start_worker,
        )
        # Kept alive from here until nobody has this object. Were it collected together with it, in a cycle (a trainer
        # is one), its queues would be closed before it had told its workers to end: it waits five seconds for each.
        weakref.finalize(self, _let_go, self._loader).atexit = False

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        yield from self._loader


def default_workers(on_gpu: bool, processes: int) -> int:
    """Return how many workers to use: none on a CPU, where training takes the cores, else a share of the cores.

    Args:
        on_gpu: Whether the network runs on an accelerator.
        processes: Training processes on this machine.
    """
    if not on_gpu:
        return 0
    return min(16, max(0, usable_cores() // processes - 1))


def _let_go(_: DataLoader[Batch]) -> None:
    """Do nothing: a loader that is referred to no more ends its workers by itself."""


def _start_worker(_: int) -> None:
    gc.freeze()  # a worker must not collect what it has from its parent, whose other loaders' workers it would end
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
