"""What a reader could not use, counted by cause, with the ids."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

# Causes that readers share. The first group is expected of a sound delivery; the second counts against the threshold.
NOT_CODED = "image without label"
NOT_ANNOTATED = "annotated as unknown"  # a row whose labels are all the owner's code for missing
NOT_A_FACE = "marked as no face"
OCCLUDED = "marked as occluded"
PARTLY_CODED = "coded for some action units only"
BAD_TRACKING = "listed as badly tracked"
DUPLICATE = "exact duplicate row"
NO_CROP = "frame without the owner's crop"
DEAD_LINK = "address without image"
NO_IMAGE = "label without image"
NO_LANDMARKS = "image without landmarks"
UNREADABLE = "unreadable image"

EXPECTED = frozenset(
    {NOT_CODED, NOT_ANNOTATED, NOT_A_FACE, OCCLUDED, PARTLY_CODED, BAD_TRACKING, DUPLICATE, NO_CROP, DEAD_LINK}
)


class Losses:
    """Ids of what was left out, by cause; a few bytes an id, so that millions fit."""

    def __init__(self) -> None:
        self._parts: list[pl.DataFrame] = []

    def add(self, cause: str, ids: Iterable[str] | pl.Series) -> None:
        """Note ids under a cause; no id, no entry."""
        series = ids if isinstance(ids, pl.Series) else pl.Series(list(ids), dtype=pl.String)
        if len(series):
            part = pl.DataFrame({"id": series.cast(pl.String)})
            self._parts.append(part.select(pl.lit(cause).cast(pl.Categorical).alias("cause"), "id"))

    def extend(self, other: Losses) -> None:
        """Take over all that another has noted."""
        self._parts += other._parts

    @property
    def frame(self) -> pl.DataFrame:
        """All of it, columns ``cause`` and ``id``, in the order of notes."""
        if not self._parts:
            return pl.DataFrame(schema={"cause": pl.String, "id": pl.String})
        return pl.concat([part.with_columns(pl.col("cause").cast(pl.String)) for part in self._parts])

    @property
    def counts(self) -> dict[str, int]:
        """Number of ids by cause, in the order in which causes were first noted."""
        counts: dict[str, int] = {}
        for part in self._parts:
            cause = str(part["cause"][0])
            counts[cause] = counts.get(cause, 0) + len(part)
        return counts

    @property
    def unexpected(self) -> int:
        """Number of ids under causes that a sound delivery does not show."""
        return sum(count for cause, count in self.counts.items() if cause not in EXPECTED)

    def write(self, file: Path) -> None:
        """Write ``cause,id`` as CSV."""
        self.frame.write_csv(file)
