"""What there is to know of a crop set beside its hashes: counts, losses, duplicates, rates, missing labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.registry import corpora
from fau.crops.audit_counts import Count, count
from fau.crops.audit_duplicates import Duplicates, find_duplicates
from fau.crops.audit_rates import Rates, missing, rates
from fau.crops.store import CropSet
from fau.errors import FauError
from fau.labels import AU_NAMES, au_column, au_label

_FEW = 5


@dataclass(frozen=True)
class Origin:
    """What is known of the corpus behind a crop set.

    Attributes:
        published: Published counts, as in ``fau.corpora.base.Corpus``.
        protocol: The protocol that suits the corpus; empty where nobody said.
        lost: What was left out when the crop set was prepared, by cause.
    """

    published: Mapping[str, int]
    protocol: str
    lost: Mapping[str, int]


def origin(cropset: CropSet) -> Origin:
    """Return what preparing wrote down, which depends on the reader's options; without it, what the reader knows.

    Raises:
        FauError: If what preparing wrote down cannot be read.
    """
    file = cropset.path / "report.json"
    if file.exists():
        try:
            report = json.loads(file.read_text(encoding="utf-8"))
            counts = ({str(key): int(value) for key, value in report[name].items()} for name in ("published", "lost"))
            published, lost = counts
            return Origin(published, str(report["protocol"]), lost)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FauError(f"'{file}' cannot be read: {error!r}; remove it to do without") from error
    reader = corpora().get(cropset.info.corpus)
    return Origin(reader.published, reader.protocol, {}) if reader else Origin({}, "", {})


@dataclass(frozen=True)
class Audit:
    """The findings; none of them is a fault.

    Attributes:
        crops: Number of crops.
        counts: All counts, beside the published ones where there are some.
        lost: What was left out when the crop set was prepared, by cause.
        duplicates: Copies, and crops that look alike across groups.
        missing: How many crops lack each label, by column.
        protocol: The protocol behind ``rates``; empty without one.
        rates: Rates in the parts that the protocol makes.
    """

    crops: int
    counts: list[Count]
    lost: Mapping[str, int]
    duplicates: Duplicates
    missing: dict[str, int]
    protocol: str
    rates: Rates | None

    @property
    def compared(self) -> list[Count]:
        """The counts that were published."""
        return [count for count in self.counts if count.published is not None]

    @property
    def different(self) -> list[Count]:
        """The published counts that the crop set does not have."""
        return [count for count in self.compared if count.difference]

    def sentences(self, cropset: CropSet) -> list[str]:
        """Return the findings in short, one sentence each."""
        return [
            *([self._counts()] if self.compared else []),
            *([self._lost()] if self.lost else []),
            *self._copies(cropset),
            self._missing(),
            *self._rates(),
        ]

    def _counts(self) -> str:
        total = len(self.compared)
        if not self.different:
            return f"counts: all {total} published counts agree"
        some = [f"{printed(c.key)} {c.here:,} instead of {c.published:,}" for c in self.different[:_FEW]]
        rest = ", ..." if len(self.different) > _FEW else ""
        return f"counts: {len(self.different)} of {total} published counts differ: {', '.join(some)}{rest}"

    def _lost(self) -> str:
        causes = sorted(self.lost.items(), key=lambda item: -item[1])
        return f"left out when prepared: {', '.join(f'{cause} {number:,}' for cause, number in causes)}"

    def _copies(self, cropset: CropSet) -> list[str]:
        found = self.duplicates
        sentences = []
        if found.copies:
            what = "1 crop has" if found.copies == 1 else f"{found.copies:,} crops have"
            across = (
                f"{found.copies_across:,} of them across groups" if found.copies_across else "all within their group"
            )
            sentences.append(f"copies: {what} the pixels of another, {across}")
        if found.alike:
            ids = cropset.manifest["id"]
            pair = f"{ids[found.pairs[0].first]} and {ids[found.pairs[0].second]}"
            sets = "1 set" if found.clusters == 1 else f"{found.clusters:,} sets"
            sentences.append(
                f"look-alikes: {found.alike:,} crops look like one of another group, in {sets}, such as {pair}"
            )
        return [*(sentences or ["duplicates: none"]), *_divided(cropset)]

    def _missing(self) -> str:
        partly = {name: number for name, number in self.missing.items() if 0 < number < self.crops}
        if not partly:
            return "missing labels: none where a label is coded at all"
        some = [f"{printed(name)} {100 * number / self.crops:.1f} %" for name, number in list(partly.items())[:_FEW]]
        rest = ", ..." if len(partly) > _FEW else ""
        return f"missing labels: in {len(partly)} of {len(self.missing)} columns: {', '.join(some)}{rest}"

    def _rates(self) -> list[str]:
        uneven = self.rates.most_uneven() if self.rates else None
        if uneven is None:
            return []
        label, low, high = uneven
        return [f"rates in the parts of protocol {self.protocol}: most uneven {label}, {low:.1f} to {high:.1f} %"]


def audit(cropset: CropSet, protocol: str = "", parts: Mapping[str, NDArray[np.int64]] | None = None) -> Audit:
    """Look into a crop set.

    Args:
        cropset: The crop set.
        protocol: The name of the protocol behind ``parts``.
        parts: Manifest rows of the parts of a protocol, by their names.

    Raises:
        FauError: If a shard is damaged or what preparing wrote down cannot be read.
    """
    source = origin(cropset)
    return Audit(
        crops=len(cropset),
        counts=count(cropset.manifest, source.published),
        lost=source.lost,
        duplicates=find_duplicates(cropset),
        missing=missing(cropset.manifest),
        protocol=protocol,
        rates=rates(cropset.manifest, parts) if parts else None,
    )


def _divided(cropset: CropSet) -> list[str]:
    """Say which groups the owner's split divides: a person, or copies of a picture, in training and test."""
    table = cropset.manifest.select("id", "group", "split").drop_nulls()
    divided = table.filter(pl.col("split").n_unique().over("group") > 1)
    if divided.is_empty():
        return []
    groups = divided["group"].n_unique()
    group = divided.filter(pl.col("group") == divided["group"][0]).unique("split", keep="first", maintain_order=True)
    pair = " and ".join(f"{name} ({split})" for name, _, split in group.iter_rows())
    what = "1 group has" if groups == 1 else f"{groups:,} groups have"
    return [f"owner's split: {what} crops in several of its parts, {len(divided):,} crops, such as {pair}"]


def printed(key: str) -> str:
    """Return a key of the published counts as people write it: ``AU1`` for ``au01``."""
    units = {au_column(au): au_label(au) for au in AU_NAMES}
    *before, last = key.split("/")
    return "/".join([*before, units.get(last, last)])
