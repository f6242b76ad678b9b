"""Cutting the rows of a corpus into jobs and shards: always the same way, whatever the number of workers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.media import VIDEO_ENDINGS

_SMALLEST = 256  # rows; smaller jobs would spend their time on files
_JOBS = 64  # a small corpus is cut into about as many, so that all workers have some


@dataclass(frozen=True)
class Job:
    """Rows that one worker prepares at a time.

    Attributes:
        number: From 0.
        start: First row.
        stop: Row after the last.
        first_shard: Number of its first shard.
        shard_rows: Rows a shard; the last shard takes the rest.
    """

    number: int
    start: int
    stop: int
    first_shard: int
    shard_rows: int

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-(self.stop - self.start) // self.shard_rows)


def sequence_starts(rows: pl.DataFrame) -> NDArray[np.int64]:
    """Return the rows at which another sequence or video begins; a row without either is one of its own."""
    same_sequence = (
        pl.col("sequence").is_not_null()
        & (pl.col("sequence") == pl.col("sequence").shift())
        & pl.col("subject").eq_missing(pl.col("subject").shift())
    )
    path = pl.col("path").str.to_lowercase()
    video = pl.any_horizontal([path.str.ends_with(ending) for ending in VIDEO_ENDINGS])
    same_video = video & (pl.col("path") == pl.col("path").shift())
    starts = rows.select(~(same_sequence | same_video).fill_null(False)).to_series()
    return np.flatnonzero(starts.to_numpy())


def cut(rows: pl.DataFrame, shard_limit: int) -> list[Job]:
    """Cut rows into jobs: whole sequences and whole videos, small ones together.

    Args:
        rows: A listing's, in order.
        shard_limit: Most crops of a file.
    """
    starts, count = sequence_starts(rows), len(rows)
    most = min(shard_limit, max(_SMALLEST, -(-count // _JOBS)))
    jobs: list[Job] = []
    begin = shard = 0
    while begin < count:
        i = int(np.searchsorted(starts, begin + most, "right")) - 1  # the last start within reach
        if begin + most >= count:
            end = count
        elif starts[i] > begin:
            end = int(starts[i])
        else:
            end = int(starts[i + 1]) if i + 1 < len(starts) else count
        jobs.append(Job(len(jobs), begin, end, shard, shard_limit))
        shard += jobs[-1].shards
        begin = end
    return jobs
