"""Groups of crops without a subject: pictures that look the same belong together.

Two crops count as duplicates when their difference hashes are equal: the crop is made grey and shrunk to 9 x 8 pixels
(area means); each of the 64 bits says whether a pixel is darker than its right neighbour. Half of the copies that were
scaled or compressed again keep all bits; so crops whose hashes differ in up to three bits count too, where they look
the same (``fau.crops.lookalikes``), which finds nine in ten (benchmarks/results/copies.md). Where different pictures
agree by chance, they fall into the same fold, which does no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fau.crops.lookalikes import DISTANCE, THUMBNAIL, TOLERANCE, look_alike, near

Copies = Literal["near", "equal"]
COPIES = ("near", "equal")
_EQUAL = "equal difference hash of the crop, 64 bits from 9 x 8 grey area means"
METHOD = {
    "equal": _EQUAL,
    "near": f"{_EQUAL}; or up to {DISTANCE} bits apart and, at {THUMBNAIL} px and equal brightness, {TOLERANCE:g} of "
    "255 grey levels apart on average at most",
}


def difference_hash(crop: NDArray[np.uint8]) -> int:
    """Return the 64-bit difference hash of a crop, uint8 (H, W, 3), as an unsigned integer."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    small = np.asarray(cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA))
    return int.from_bytes(np.packbits(small[:, :-1] < small[:, 1:]).tobytes(), "big")


def groups(rows: pl.DataFrame, hashes: pl.Series, crop: Callable[[int], NDArray[np.uint8]] | None = None) -> pl.Series:
    """Return each row's group: its subject, else the id of the first row that it hangs together with.

    Rows hang together that look the same, and faces of one picture, since a copy of one is beside a copy of the other.

    Args:
        rows: With ``id`` and ``subject``, and ``path`` and ``position`` as in ``fau.corpora.base.row_schema``.
        hashes: Difference hashes of the rows without a subject; others are passed over.
        crop: Gives a row's crop, uint8 (H, W, 3), by its number; without it only equal hashes count.
    """
    table = rows.select("id", "subject", "path", "position").with_columns(hash=hashes, row=pl.int_range(pl.len()))
    loose = table.filter(pl.col("subject").is_null())
    pictures = pl.when(pl.col("position").is_null()).then("path")
    places = loose.select("hash", path=pictures).select(pl.all().rank("dense").cast(pl.Int64) - 1)
    alike = np.zeros((2, 0), np.int64) if crop is None else _near_copies(loose, crop)
    part = _connected(len(loose), alike, *places.iter_columns())
    first = loose.select(row="row", group=pl.col("id").first().over(pl.Series(part)))
    return table.join(first, on="row", how="left").sort("row").select(pl.coalesce("subject", "group")).to_series()


def _near_copies(loose: pl.DataFrame, crop: Callable[[int], NDArray[np.uint8]]) -> NDArray[np.int64]:
    """Return pairs of hashes, (2, P), places among the sorted ones, whose crops look the same.

    The first row of a hash stands for all.
    """
    known = loose.group_by("hash").agg(pl.col("row").min()).sort("hash")
    first, second = near(known["hash"].to_numpy(), DISTANCE)
    row = known["row"].to_numpy()
    return np.stack([first, second])[:, look_alike(crop, row[first], row[second])]


def _connected(count: int, alike: NDArray[np.int64], *shared: pl.Series) -> NDArray[np.int32]:
    """Return the component, (count,), of rows that share a value of any of some columns, null being nobody's.

    Args:
        count: Number of rows.
        alike: Pairs of values of the first column, (2, P), that count as one.
        shared: Values from 0.
    """
    edges, offset = [alike + count], count
    for column in shared:
        values = column.fill_null(-1).to_numpy()
        rows = np.flatnonzero(values >= 0)
        edges.append(np.stack([rows, values[rows] + offset]))
        offset += int(values.max(initial=-1)) + 1
    pairs = np.concatenate(edges, 1)
    graph = coo_array((np.ones(pairs.shape[1], np.int8), (pairs[0], pairs[1])), shape=(offset, offset))
    _, part = connected_components(graph, directed=False)
    return np.asarray(part[:count], np.int32)
