"""Copies of crops, and crops that look alike across groups: what a division by groups does not keep apart."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fau.crops.duplicates import difference_hash
from fau.crops.lookalikes import DISTANCE, look_alike, near
from fau.crops.store import CropSet

_EXAMPLES = 12


@dataclass(frozen=True)
class Pair:
    """Two crops that look alike.

    Attributes:
        first: Manifest row.
        second: Manifest row, of another group.
        distance: Bits in which their hashes differ.
    """

    first: int
    second: int
    distance: int


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes:
        copies: Crops whose pixels are those of an earlier crop.
        copies_across: Those of them whose pixels occur in several groups.
        alike: Crops that look like one of another group, copies included.
        clusters: Into how many sets they fall.
        pairs: Examples, one a set, the most alike first.
    """

    copies: int
    copies_across: int
    alike: int
    clusters: int
    pairs: tuple[Pair, ...]


def find_duplicates(cropset: CropSet, distance: int = DISTANCE) -> Duplicates:
    """Search a crop set for copies, and for crops that look alike across groups.

    Args:
        cropset: Where to search.
        distance: Most bits, 0 to 3, in which the hashes of alike crops differ.
    """
    hashes = np.fromiter((difference_hash(cropset.crop(i)) for i in range(len(cropset))), np.uint64, len(cropset))
    group = cropset.manifest["group"].rank("dense").to_numpy().astype(np.int64)
    copies, across = _copies(cropset, hashes, group)
    return _alike(cropset, hashes, group, distance, copies, across)


def _copies(cropset: CropSet, hashes: NDArray[np.uint64], group: NDArray[np.int64]) -> tuple[int, int]:
    """Count crops with the pixels of an earlier one, and those of them with the pixels of another group's."""
    table = pl.DataFrame({"hash": hashes, "group": group}).with_row_index("row")
    table = table.filter(pl.col("hash").is_duplicated())  # equal pixels have equal hashes
    digests = [hashlib.blake2b(cropset.crop(row).tobytes(), digest_size=16).digest() for row in table["row"]]
    same = table.with_columns(digest=pl.Series(digests, dtype=pl.Binary)).group_by("digest")
    counts = same.agg(pl.len().cast(pl.Int64) - 1, pl.col("group").n_unique().alias("groups"))
    return int(counts["len"].sum()), int(counts.filter(pl.col("groups") > 1)["len"].sum())


def _alike(
    cropset: CropSet,
    hashes: NDArray[np.uint64],
    group: NDArray[np.int64],
    distance: int,
    copies: int,
    across: int,
) -> Duplicates:
    # A unit is a hash within a group: frames of a video that look the same are one, and its first row stands for it.
    units = (
        pl.DataFrame({"hash": hashes, "group": group})
        .with_row_index("row")
        .group_by("hash", "group")
        .agg(pl.col("row").first(), pl.len())
        .sort("hash", "row")
    )
    first, second = _candidates(units["hash"].to_numpy(), units["group"].to_numpy(), distance)
    row = units["row"].to_numpy().astype(np.int64)
    kept = look_alike(cropset.crop, row[first], row[second])
    first, second = first[kept], second[kept]
    if not len(first):
        return Duplicates(copies, across, 0, 0, ())
    ones = np.ones(len(first), np.int8)
    _, cluster = connected_components(coo_array((ones, (first, second)), shape=(len(units),) * 2), directed=False)
    touched = np.unique(np.concatenate([first, second]))
    alike = int(units["len"].to_numpy()[touched].sum())
    unit_hash = units["hash"].to_numpy()
    bits = np.bitwise_count(unit_hash[first] ^ unit_hash[second])
    order = np.lexsort((row[first], bits))
    _, example = np.unique(cluster[first[order]], return_index=True)
    pairs = []
    for i in order[np.sort(example)][:_EXAMPLES]:
        earlier, later = sorted((int(row[first[i]]), int(row[second[i]])))
        pairs.append(Pair(earlier, later, int(bits[i])))
    return Duplicates(copies, across, alike, len(np.unique(cluster[touched])), tuple(pairs))


def _candidates(
    hashes: NDArray[np.uint64], group: NDArray[np.int64], distance: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of units of different groups whose hashes are near; ``hashes`` is sorted."""
    known, start = np.unique(hashes, return_index=True)
    size = np.diff(np.append(start, len(hashes)))
    following = np.flatnonzero(hashes[1:] == hashes[:-1])  # same hash, hence different groups: each with the next
    pairs = [np.stack([following, following + 1])]
    a, b = near(known, distance)
    # A hash of several groups is compared by its first two: one of them differs from any other group.
    for i in (0, 1):
        for j in (0, 1):
            fits = (size[a] > i) & (size[b] > j)
            one, other = start[a[fits]] + i, start[b[fits]] + j
            apart = group[one] != group[other]
            pairs.append(np.stack([one[apart], other[apart]]))
    first, second = np.concatenate(pairs, axis=1).astype(np.int64)
    return first, second
