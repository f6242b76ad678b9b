"""Groups of crops without a subject: pictures that look the same belong together.

Two crops count as duplicates when their difference hashes are equal: the crop is made grey and shrunk to 9 x 8 pixels
(area means); each of the 64 bits says whether a pixel is darker than its right neighbour. Of 80 drawn faces all kept
their bits when they were halved, two in three when they were compressed again at quality 90, and no two different ones
were nearer than 7 bits. Copies that differ in some bits stay in groups of their own; ``fau-data check`` finds them.
Where different pictures agree by chance, they fall into the same fold, which does no harm.
"""

from __future__ import annotations

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

METHOD = "equal difference hash of the crop, 64 bits from 9 x 8 grey area means"


def difference_hash(crop: NDArray[np.uint8]) -> int:
    """Return the 64-bit difference hash of a crop, uint8 (H, W, 3), as an unsigned integer."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    small = np.asarray(cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA))
    return int.from_bytes(np.packbits(small[:, :-1] < small[:, 1:]).tobytes(), "big")


def groups(rows: pl.DataFrame, hashes: pl.Series) -> pl.Series:
    """Return each row's group: its subject, else the id of the first row that it hangs together with.

    Rows hang together that look the same, and faces of one picture, since a copy of one is beside a copy of the other.

    Args:
        rows: With ``id`` and ``subject``, and ``path`` and ``position`` as in ``fau.corpora.base.row_schema``.
        hashes: Difference hashes of the rows without a subject; others are passed over.
    """
    table = rows.select("id", "subject", "path", "position").with_columns(hash=hashes, row=pl.int_range(pl.len()))
    loose = table.filter(pl.col("subject").is_null())
    pictures = pl.when(pl.col("position").is_null()).then("path")
    places = loose.select("hash", path=pictures).select(pl.all().rank("dense").cast(pl.Int64) - 1)
    part = _connected(len(loose), *places.iter_columns())
    first = loose.select(row="row", group=pl.col("id").first().over(pl.Series(part)))
    return table.join(first, on="row", how="left").sort("row").select(pl.coalesce("subject", "group")).to_series()


def _connected(count: int, *shared: pl.Series) -> NDArray[np.int32]:
    """Return the component, (count,), of rows that share a value of any of some columns, null being nobody's."""
    edges, offset = [], count
    for column in shared:
        values = column.fill_null(-1).to_numpy()
        rows = np.flatnonzero(values >= 0)
        edges.append(np.stack([rows, values[rows] + offset]))
        offset += int(values.max(initial=-1)) + 1
    pairs = np.concatenate(edges, 1)
    graph = coo_array((np.ones(pairs.shape[1], np.int8), (pairs[0], pairs[1])), shape=(offset, offset))
    _, part = connected_components(graph, directed=False)
    return np.asarray(part[:count], np.int32)
