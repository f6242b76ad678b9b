"""Which samples of an evaluation count."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def unique_samples(
    index: npt.NDArray[np.integer], *arrays: npt.NDArray[np.generic]
) -> tuple[npt.NDArray[np.generic], ...]:
    """Return index and arrays in order of index, each sample once: evaluation under DDP repeats some to pad batches.

    Args:
        index: (N,) integer ids of the samples.
        arrays: Arrays of first length N. Of a repeated sample the first row is kept.
    """
    kept, first = np.unique(index, return_index=True)
    return (kept, *(array[first] for array in arrays))
