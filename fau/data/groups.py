"""The groups of a crop set and what each holds: what protocols deal to folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.crops.store import CropSet
from fau.labels import EXPRESSIONS, au_column

T = TypeVar("T")

_EXPRESSION = "expression_"


@dataclass(frozen=True)
class GroupTable:
    """The groups of a crop set in manifest order, and what each holds.

    Attributes:
        names: G group names.
        sizes: int64 (G,), crops of each group.
        counts: int64 (G, C), positives of each group, one column a label that occurs at all: every action unit of
            the crop set and every expression. Folds therefore stay the same whatever label set is trained.
        labels: The C labels: ``au01`` or ``expression_anger``.
        splits: The owner's split of each entry, where entries are told apart by it; else empty. A group that the owner
            split has one entry a part then.
    """

    names: tuple[str, ...]
    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]
    labels: tuple[str, ...] = ()
    splits: tuple[str | None, ...] = ()

    @classmethod
    def of(cls, cropset: CropSet, by_split: bool = False) -> GroupTable:
        """Count the groups of a crop set; see ``read_groups``."""
        return read_groups(cropset, by_split)[0]

    def take(self, positions: NDArray[np.int64]) -> GroupTable:
        """Return the table of some groups, in the order of ``positions``."""
        return GroupTable(
            pick(self.names, positions),
            self.sizes[positions],
            self.counts[positions],
            self.labels,
            pick(self.splits, positions) if self.splits else (),
        )

    def shares(self) -> NDArray[np.float64]:
        """Return each group's share of all crops and of each label's positives, float64 (G, 1 + C)."""
        shares = np.empty((len(self.sizes), 1 + self.counts.shape[1]))  # of millions of groups no copy is small
        shares[:, 0], shares[:, 1:] = self.sizes, self.counts
        total = shares.sum(0)
        if not (total > 0).all():
            shares, total = shares[:, total > 0], total[total > 0]
        shares /= total
        return shares

    def has_emotion(self) -> NDArray[np.bool_]:
        """Tell which groups show an expression other than neutral, bool (G,)."""
        wanted = [i for i, label in enumerate(self.labels) if label.removeprefix(_EXPRESSION) in EXPRESSIONS[1:]]
        return np.asarray(self.counts[:, wanted].sum(1) > 0)


def pick(names: tuple[T, ...], positions: NDArray[np.int64]) -> tuple[T, ...]:
    """Return the names at some positions."""
    return tuple(map(names.__getitem__, positions.tolist()))


def read_groups(cropset: CropSet, by_split: bool = False) -> tuple[GroupTable, NDArray[np.int64]]:
    """Count the groups of a crop set.

    Args:
        cropset: What to count.
        by_split: Whether rows of one group with different splits of the owner make different entries.

    Returns:
        The table, and the position in it of each manifest row, int64 (N,).
    """
    keys = ["group", "split"] if by_split else ["group"]
    sums = [pl.col(au_column(au)).cast(pl.Int64).sum() for au in cropset.info.aus]
    sums += [(pl.col("expression") == e).cast(pl.Int64).sum().alias(_EXPRESSION + e) for e in EXPRESSIONS]
    indexed = cropset.manifest.with_row_index("_index")
    grouped = indexed.group_by(keys, maintain_order=True).agg(pl.len().cast(pl.Int64), pl.col("_index"), *sums)
    sizes = grouped["len"].to_numpy().copy()
    position = np.empty(len(indexed), np.int64)
    position[grouped["_index"].explode().to_numpy()] = np.repeat(np.arange(len(grouped)), sizes)
    counted = grouped.drop(*keys, "len", "_index")
    counts = counted.to_numpy().astype(np.int64)
    occurring = counts.sum(0) > 0
    labels = tuple(name for name, occurs in zip(counted.columns, occurring, strict=True) if occurs)
    splits = tuple(grouped["split"]) if by_split else ()
    return GroupTable(tuple(grouped["group"]), sizes, counts[:, occurring], labels, splits), position
