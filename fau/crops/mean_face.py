"""The mean of all crops: where alignment works, eyes and mouth stand out sharply (text 001, figure 3)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fau.crops.store import CropSet
from fau.errors import FauError

_CHUNK: Final = 256  # crops in memory at a time


def mean_face(cropset: CropSet, limit: int | None = None) -> NDArray[np.uint8]:
    """Return the mean of a crop set's crops, read shard by shard.

    Args:
        cropset: The crop set.
        limit: Take at most so many crops, evenly spread over the rows; None takes all.

    Returns:
        uint8 (H, W, 3).

    Raises:
        FauError: If ``limit`` is less than 1, or a shard is damaged.
    """
    if limit is not None and limit < 1:
        raise FauError(f"a mean of {limit} crops was asked for; give a limit of at least 1")
    count = len(cropset) if limit is None else min(limit, len(cropset))
    rows = np.arange(count) * len(cropset) // count
    total = np.zeros((cropset.size, cropset.size, 3), np.uint64)
    for start in range(0, count, _CHUNK):
        total += cropset.crops(rows[start : start + _CHUNK]).sum(0, dtype=np.uint64)
    return np.asarray(np.round(total / count), np.uint8)
