"""Counts of a crop set beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from fau.labels import AU_NAMES, EXPRESSIONS, SPLITS, au_column

# What a key of the published counts may be, in the order of tables.
KINDS = ("whole", "split", "action unit", "class", "subject", "sequence")


@dataclass(frozen=True)
class Count:
    """One count.

    Attributes:
        key: As in ``Corpus.published``: ``crops``, ``au01``, ``train/happiness``, ``F001``, ...
        kind: One of ``KINDS``.
        here: The crop set's.
        published: The owner's or the literature's; None where nobody published it.
    """

    key: str
    kind: str
    here: int
    published: int | None

    @property
    def difference(self) -> int | None:
        """How many more the crop set has."""
        return None if self.published is None else self.here - self.published


def count(manifest: pl.DataFrame, published: Mapping[str, int]) -> list[Count]:
    """Count crops, subjects, sequences, splits, labels and classes.

    Returns:
        Everything that occurs, and everything that was published whether it occurs or not, in the order of ``KINDS``.
    """
    found: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
    found["whole"] = {"crops": len(manifest)}
    for key in ("subject", "sequence"):
        number = manifest[key].drop_nulls().n_unique()
        if number or f"{key}s" in published:
            found["whole"][f"{key}s"] = number
    units = [column for column in map(au_column, AU_NAMES) if column in manifest.columns]
    _count_labels(found, manifest, units, "")
    for split in SPLITS:
        part = manifest.filter(pl.col("split") == split)
        if len(part):
            found["split"][split] = len(part)
            _count_labels(found, part, units, f"{split}/")
    for kind in ("subject", "sequence"):
        values = manifest[kind].drop_nulls()
        found[kind] = dict(values.value_counts().sort(kind).iter_rows())
    for key in published:
        if not any(key in counts for counts in found.values()):
            found[_kind(key)][key] = 0
    return [
        Count(key, kind, here, published.get(key)) for kind, counts in found.items() for key, here in counts.items()
    ]


def _count_labels(found: dict[str, dict[str, int]], rows: pl.DataFrame, units: list[str], prefix: str) -> None:
    for column in units:
        if rows[column].count():  # never coded is not the same as never present
            found["action unit"][prefix + column] = int(rows[column].sum())
    shown = dict(rows["expression"].drop_nulls().value_counts().iter_rows())
    found["class"] |= {prefix + name: shown[name] for name in EXPRESSIONS if name in shown}


def _kind(key: str) -> str:
    """Return what a published count that does not occur here is of."""
    last = key.rsplit("/", 1)[-1]
    if key in SPLITS:
        return "split"
    if last in EXPRESSIONS:
        return "class"
    if last in map(au_column, AU_NAMES):
        return "action unit"
    return "sequence" if "/" in key else "subject"
