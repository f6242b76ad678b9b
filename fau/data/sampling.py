"""What an epoch is made of: undersampling, order, batches, and their shares under DDP.

Every draw follows from (seed, fold, epoch) alone and is made alike on every rank; a rank then takes its slice of each
global batch. So a run gives the same global batches whatever the number of processes and workers, and a resumed run
goes on with the batches of an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

# Constants that keep the random streams of unrelated decisions apart.
_ORDER_STREAM = 0x6F7264
_UNDERSAMPLE_STREAM = 0x756E64


class BatchKey(NamedTuple):
    """What a dataset needs to make one batch; the epoch travels with it, so that persistent workers know it too."""

    epoch: int
    indices: NDArray[np.int64]


@dataclass(frozen=True)
class Undersampling:
    """How many samples of each stratum an epoch keeps; which ones is drawn anew each epoch.

    Attributes:
        stratum: int64 (n,), the stratum of each sample, -1 = never drawn.
        sizes: int64 (S,), samples of each stratum.
        keep: int64 (S,), how many of them an epoch keeps.
    """

    stratum: NDArray[np.int64]
    sizes: NDArray[np.int64]
    keep: NDArray[np.int64]

    @property
    def size(self) -> int:
        """Number of samples that an epoch keeps; the same in every epoch."""
        return int(self.keep.sum())

    @property
    def share(self) -> NDArray[np.float64]:
        """Probability (n,) that an epoch keeps each sample."""
        return np.append(self.keep / np.maximum(self.sizes, 1), 0.0)[self.stratum]

    def draw(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw one epoch: ``keep[s]`` samples of each stratum without replacement, as sorted positions."""
        order = np.lexsort((rng.random(len(self.stratum)), self.stratum))
        order = order[self.stratum[order] >= 0]
        strata = self.stratum[order]
        starts = np.cumsum(self.sizes) - self.sizes
        place = np.arange(len(order)) - starts[strata]
        return np.sort(order[place < self.keep[strata]])


def undersample_classes(classes: NDArray[np.int64], ratio: float = 1.0) -> Undersampling:
    """Cut the common classes of a single-label task to the size of the rarest one.

    Args:
        classes: Shape (n,), class of each sample, -1 = unlabelled; unlabelled samples belong to no class and are left
            out.
        ratio: Largest kept class as a multiple of the rarest class that occurs, 1 or more; 1 makes even sets.

    Returns:
        One stratum a class. Kept of class c: min(n_c, ceil(ratio * n_rarest)).
    """
    sizes = np.bincount(classes[classes >= 0])
    if not sizes.sum():
        return Undersampling(classes, sizes, sizes)
    floor = int(np.ceil(ratio * sizes[sizes > 0].min()))
    return Undersampling(classes, sizes, np.minimum(sizes, floor))


def undersample_labels(labels: NDArray[np.bool_], mask: NDArray[np.bool_], ratio: float = 1.0) -> Undersampling:
    """Cut the common labels of a multi-label task down towards the rarest, without losing a rare positive.

    A sample cannot be dropped for one of its labels and kept for another, so it is judged by the rarest label it
    shows. Let n_a be the positives of label a, and F = ratio * min n_a. Label a keeps the share k_a = min(1, F / n_a).
    A sample belongs to the stratum of the rarest label that it shows, hence gets the largest k among its labels.
    Samples that show none of their coded labels form a stratum of their own of n_0 samples with k_0 = min(1, F / n_0).
    An epoch keeps ceil(k n) of the n samples of each stratum, drawn at random. Samples with no coded label at all
    belong nowhere and are left out; a label that is not coded counts neither as shown nor as absent.

    It follows that

    * no sample that shows a label with n_a <= F is ever dropped, so positives of the rarest label never are, and its
      ratio of negatives to positives never grows;
    * every label keeps at least min(n_a, F) positives in expectation;
    * every epoch keeps the same number of samples, and each sample of a stratum is as likely as any other;
    * where each sample shows exactly one label this is ``undersample_classes``.

    The share has the form of the repeat factor by which LVIS (Gupta et al., 2019) repeats images of rare categories,
    turned round, without its square root.

    Args:
        labels: Shape (n, L), True where a label is present.
        mask: Shape (n, L), True where it is coded.
        ratio: How far to cut, as a multiple of the rarest label's count, 1 or more; larger is milder.
    """
    present = labels & mask
    positives = present.sum(0)
    occurring = np.flatnonzero(positives)
    order = occurring[np.argsort(positives[occurring], kind="stable")]
    none = len(order)
    shown = present[:, order]
    stratum = np.where(shown.any(1), shown.argmax(1) if none else none, none)
    stratum = np.where(mask.any(1), stratum, -1).astype(np.int64)
    sizes = np.bincount(stratum[stratum >= 0], minlength=none + 1)
    if not none:
        return Undersampling(stratum, sizes, sizes)
    floor = ratio * positives[order[0]]
    counts = np.append(positives[order], sizes[none])
    # Share k = min(1, F / n); multiplied before dividing, so that ceil sees whole numbers as whole.
    keep = np.where(counts <= floor, sizes, np.ceil(sizes * floor / np.maximum(counts, 1)))
    return Undersampling(stratum, sizes, np.minimum(keep, sizes).astype(np.int64))


@dataclass(frozen=True)
class EpochDraw:
    """The samples of each training epoch, in order.

    Attributes:
        indices: int64, manifest rows of the training part.
        seed: Seed of the run.
        fold: Fold of the run.
        undersampling: What to cut, over positions in ``indices``; None keeps all.
    """

    indices: NDArray[np.int64]
    seed: int
    fold: int
    undersampling: Undersampling | None = None

    @property
    def size(self) -> int:
        """Number of samples of an epoch, the same in every epoch."""
        return len(self.indices) if self.undersampling is None else self.undersampling.size

    @property
    def share(self) -> NDArray[np.float64]:
        """Probability that an epoch keeps each of ``indices``."""
        return np.ones(len(self.indices)) if self.undersampling is None else self.undersampling.share

    def chosen(self, epoch: int) -> NDArray[np.int64]:
        """Return the manifest rows that an epoch keeps, in manifest order."""
        if self.undersampling is None:
            return self.indices
        rng = np.random.default_rng([_UNDERSAMPLE_STREAM, self.seed, self.fold, epoch])
        return self.indices[self.undersampling.draw(rng)]

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the manifest rows of an epoch in the order of training."""
        rng = np.random.default_rng([_ORDER_STREAM, self.seed, self.fold, epoch])
        return rng.permutation(self.chosen(epoch))


@dataclass(frozen=True)
class RotatingDraw:
    """The samples of each training epoch, where epochs leave parts out by turns.

    Attributes:
        indices: int64, manifest rows of the training part.
        turns: The draw of each turn, over a part of ``indices``; epoch e takes the one at e modulo their number.
    """

    indices: NDArray[np.int64]
    turns: tuple[EpochDraw, ...]

    @property
    def size(self) -> int:
        """Number of samples of an epoch: the smallest turn's; the last of the order of larger ones are left out."""
        return min(draw.size for draw in self.turns)

    @property
    def share(self) -> NDArray[np.float64]:
        """Mean over turns of the probability that an epoch keeps each of ``indices``."""
        share = np.zeros(len(self.indices))
        for draw in self.turns:
            share[np.searchsorted(self.indices, draw.indices)] += draw.share * self.size / max(1, draw.size)
        return share / len(self.turns)

    def chosen(self, epoch: int) -> NDArray[np.int64]:
        """Return the manifest rows that an epoch keeps, in manifest order."""
        return np.sort(self.order(epoch))

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the manifest rows of an epoch in the order of training."""
        return self.turns[epoch % len(self.turns)].order(epoch)[: self.size]


class TrainSampler(Sampler[BatchKey]):
    """Yields this rank's share of each global batch of an epoch.

    Global batch b is positions b*B to (b+1)*B of the epoch's order; rank r of W takes every W-th of it, from r. Every
    rank gets equally many batches of equal size. The last incomplete batch, fewer than B samples that differ from epoch
    to epoch, is dropped, since batch statistics of a few samples harm; if an epoch has fewer than B samples in all, it
    is one smaller batch without its last ``size % W`` samples.

    Args:
        draw: The samples of each epoch.
        batch_size: Global batch size B, a multiple of ``world``.
        rank: This process, from 0.
        world: Number of processes W.
    """

    def __init__(self, draw: EpochDraw | RotatingDraw, batch_size: int, rank: int = 0, world: int = 1) -> None:
        self._draw = draw
        self._batch_size = batch_size if draw.size >= batch_size else max(world, draw.size // world * world)
        self._rank, self._world = rank, world
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, counted from 0, that the next iteration yields."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._draw.size // self._batch_size

    def __iter__(self) -> Iterator[BatchKey]:
        epoch = self._epoch
        order = self._draw.order(epoch)
        for batch in range(len(self)):
            whole = order[batch * self._batch_size : (batch + 1) * self._batch_size]
            yield BatchKey(epoch, whole[self._rank :: self._world])


class EvalSampler(Sampler[BatchKey]):
    """Yields batches of one size, in manifest order, every sample at least once over all ranks.

    What a network makes of a sample differs in the last digits between batches of other shapes, so every batch of every
    process has the same: ``batch_size`` samples, or the whole part where that is smaller, whatever the number of
    processes. The last ones are filled up by repeating the part from its start, which also keeps collective operations
    from hanging; duplicates are dropped by ``index`` afterwards.

    Args:
        indices: int64, manifest rows of the part.
        batch_size: Samples in a batch of one process.
        rank: This process, from 0.
        world: Number of processes.
    """

    def __init__(self, indices: NDArray[np.int64], batch_size: int, rank: int = 0, world: int = 1) -> None:
        batch_size = max(1, min(batch_size, len(indices)))
        padding = -len(indices) % (batch_size * world)
        self._indices = np.concatenate([indices, np.resize(indices, padding)]) if padding else indices
        self._batch_size, self._rank, self._world = batch_size, rank, world

    def __len__(self) -> int:
        return len(self._indices) // (self._batch_size * self._world)

    def __iter__(self) -> Iterator[BatchKey]:
        first = self._rank * self._batch_size
        for start in range(first, len(self._indices), self._batch_size * self._world):
            yield BatchKey(0, self._indices[start : start + self._batch_size])


class RotatingSampler(Sampler[BatchKey]):
    """Yields the part of an epoch as ``EvalSampler`` does, and for every epoch equally many batches of one size.

    Lightning asks once how many there are. A part smaller than the largest is filled up by repeating it.

    Args:
        parts: int64 each, manifest rows of the parts; epoch e takes the one at e modulo their number.
        batch_size: Samples in a batch of one process.
        rank: This process, from 0.
        world: Number of processes.
    """

    def __init__(self, parts: Sequence[NDArray[np.int64]], batch_size: int, rank: int = 0, world: int = 1) -> None:
        largest = max(map(len, parts))
        self._samplers = [EvalSampler(np.resize(part, largest), batch_size, rank, world) for part in parts]
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, counted from 0, whose part the next iteration yields."""
        self._epoch = epoch

    def fixed(self, epoch: int) -> EvalSampler:
        """Return what yields one epoch's part, the same batches, whatever epoch it is told."""
        return self._samplers[epoch % len(self._samplers)]

    def __len__(self) -> int:
        return len(self._samplers[0])

    def __iter__(self) -> Iterator[BatchKey]:
        return iter(self.fixed(self._epoch))
