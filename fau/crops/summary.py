"""What a crop set holds, in figures: sizes, label rates, what was not coded."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from fau.labels import AU_NAMES, EXPRESSIONS, au_column, intensity_column


@dataclass(frozen=True)
class AUSummary:
    """Figures of one action unit.

    Attributes:
        au: The action unit.
        positives: Coded frames with it present.
        rate: Percent of coded frames with it present; None where nothing was coded.
        group_low: 10th percentile over groups of that rate, percent.
        group_high: 90th percentile over groups of that rate, percent.
        uncoded: Percent of frames in which it was not coded.
        intensities: Frames with intensity 0, 1, ..., 5 (rounded); zeros where intensity was not coded.
    """

    au: int
    positives: int
    rate: float | None
    group_low: float | None
    group_high: float | None
    uncoded: float
    intensities: tuple[int, ...]


@dataclass(frozen=True)
class Summary:
    """Figures of a crop set.

    Attributes:
        crops: Number of crops.
        groups: Number of groups.
        sequences: Number of sequences.
        aus: One entry an action unit with a column in the manifest.
        expressions: Frames of each class that occurs, and of None where no class was given.
    """

    crops: int
    groups: int
    sequences: int
    aus: tuple[AUSummary, ...]
    expressions: dict[str | None, int]


def summarise(manifest: pl.DataFrame) -> Summary:
    """Count a manifest's labels."""
    aus = [au for au in AU_NAMES if au_column(au) in manifest.columns]
    counts = dict(manifest.group_by("expression").len().iter_rows())
    return Summary(
        crops=len(manifest),
        groups=manifest["group"].n_unique(),
        sequences=manifest["sequence"].drop_nulls().n_unique(),
        aus=tuple(_summarise_au(manifest, au) for au in aus),
        expressions={name: counts[name] for name in (*EXPRESSIONS, None) if name in counts},
    )


def _summarise_au(manifest: pl.DataFrame, au: int) -> AUSummary:
    column = manifest[au_column(au)]
    rates = 100.0 * manifest.group_by("group").agg(pl.col(au_column(au)).mean())[au_column(au)].drop_nulls()
    steps = dict(manifest.group_by(pl.col(intensity_column(au)).round()).len().iter_rows())
    mean = column.cast(pl.Float64).drop_nulls().to_numpy()
    return AUSummary(
        au=au,
        positives=int(column.sum()),
        rate=100.0 * float(mean.mean()) if len(mean) else None,
        group_low=rates.quantile(0.1, "linear"),
        group_high=rates.quantile(0.9, "linear"),
        uncoded=100.0 * column.null_count() / max(len(column), 1),
        intensities=tuple(steps.get(float(step), 0) for step in range(6)),
    )
