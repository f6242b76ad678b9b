"""Rates of labels in the parts of a division, and what is not coded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.labels import AU_NAMES, EXPRESSIONS, au_column, au_label, intensity_column


@dataclass(frozen=True)
class Rates:
    """How often labels occur in each of P parts.

    Attributes:
        parts: Names of the parts.
        groups: Groups of each part.
        crops: Crops of each part.
        labels: Printed names of L labels, those coded anywhere: action units, then expressions.
        values: float64 (P, L), percent of coded crops that show the label; NaN where none is coded.
    """

    parts: tuple[str, ...]
    groups: tuple[int, ...]
    crops: tuple[int, ...]
    labels: tuple[str, ...]
    values: NDArray[np.float64]

    def most_uneven(self) -> tuple[str, float, float] | None:
        """Return the label with the largest ratio of rates between parts, with its lowest and highest rate.

        None where fewer than two parts have the label.
        """
        known = ~np.isnan(self.values)
        low = np.where(known, self.values, np.inf).min(0, initial=np.inf)
        high = np.where(known, self.values, -np.inf).max(0, initial=-np.inf)
        ratio = np.where((known.sum(0) > 1) & (high > 0), high / np.maximum(low, 1e-9), -1.0)
        if not len(ratio) or ratio.max() < 0:
            return None
        worst = int(ratio.argmax())
        return self.labels[worst], float(low[worst]), float(high[worst])


def rates(manifest: pl.DataFrame, parts: Mapping[str, NDArray[np.int64]]) -> Rates:
    """Return the rates of all labels in parts.

    Args:
        manifest: Of the crop set.
        parts: Manifest rows of each part, by its name.
    """
    units = {au_label(au): pl.col(au_column(au)) for au in AU_NAMES if au_column(au) in manifest.columns}
    columns = units | {name: pl.col("expression") == name for name in EXPRESSIONS}
    whole = manifest.select(column.cast(pl.Int8).sum().alias(name) for name, column in columns.items())
    coded = manifest.select(column.count().alias(name) for name, column in columns.items()).row(0)
    kept = [
        name
        for name, known in zip(columns, coded, strict=True)
        if known and (name in units or whole[name][0])  # expressions that occur, action units that are coded
    ]
    values = np.full((len(parts), len(kept)), np.nan)
    groups = []
    for i, rows in enumerate(parts.values()):
        part = manifest[rows]
        groups.append(part["group"].n_unique())
        means = part.select(columns[name].cast(pl.Float64).mean().alias(name) for name in kept)
        if kept:
            values[i] = [np.nan if mean is None else 100.0 * mean for mean in means.row(0)]
    return Rates(tuple(parts), tuple(groups), tuple(map(len, parts.values())), tuple(kept), values)


def missing(manifest: pl.DataFrame) -> dict[str, int]:
    """Return how many crops lack each label, by column, most first; columns that are not coded at all stand last.

    An intensity that is coded where the occurrence is, is not told apart from it.
    """
    counts = {}
    for au in AU_NAMES:
        if au_column(au) in manifest.columns:
            counts[au_column(au)] = manifest[au_column(au)].null_count()
            intensity = manifest[intensity_column(au)].null_count()
            if intensity != counts[au_column(au)]:
                counts[intensity_column(au)] = intensity
    counts |= {name: manifest[name].null_count() for name in ("expression", "valence", "arousal")}
    return dict(sorted(counts.items(), key=lambda item: (item[1] == len(manifest), -item[1])))
