"""The manifest of a crop set: its columns, and what may stand in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from fau.errors import FauError
from fau.labels import EXPRESSIONS, MAX_INTENSITY, SPLITS, au_column, intensity_column


def manifest_schema(aus: Sequence[int]) -> dict[str, type[pl.DataType]]:
    """Return the columns of a manifest in order, with their types."""
    schema: dict[str, type[pl.DataType]] = {
        **{"id": pl.String, "group": pl.String, "subject": pl.String, "sequence": pl.String},
        **{"frame": pl.Int32, "split": pl.String, "shard": pl.Int32, "row": pl.Int32},
    }
    schema |= {au_column(au): pl.Int8 for au in aus}
    schema |= {intensity_column(au): pl.Float32 for au in aus}
    schema |= {"expression": pl.String, "valence": pl.Float32, "arousal": pl.Float32}
    schema |= {"yaw": pl.Float32, "pitch": pl.Float32, "roll": pl.Float32}
    return schema


def build_manifest(rows: Sequence[Mapping[str, Any]], aus: Sequence[int]) -> pl.DataFrame:
    """Make a manifest of rows; a missing key is null.

    Raises:
        FauError: If a value does not fit its column's type.
    """
    columns = []
    for name, kind in manifest_schema(aus).items():
        values = [row.get(name) for row in rows]
        try:
            columns.append(pl.Series(name, values, dtype=kind, strict=True))
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
            bad = next(i for i, value in enumerate(values) if not _fits(value, kind))
            raise FauError(
                f"row '{rows[bad].get('id')}' has {name} = {values[bad]!r}, which is no {kind.__name__}"
            ) from None
    return pl.DataFrame(columns)


def _fits(value: object, kind: type[pl.DataType]) -> bool:
    try:
        pl.Series([value], dtype=kind, strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        return False
    return True


def manifest_faults(manifest: pl.DataFrame, aus: Sequence[int]) -> list[str]:
    """Return what is wrong with a manifest: ids, groups, labels outside their range; one sentence each."""
    faults = []
    for column in ("id", "group"):
        if count := manifest[column].null_count():
            faults.append(f"{count} {'row has' if count == 1 else 'rows have'} no {column}")
    ids = manifest["id"].drop_nulls()
    if ids.is_duplicated().any():
        faults.append(f"id '{ids.filter(ids.is_duplicated())[0]}' occurs twice")
    groups = manifest.drop_nulls("subject").group_by("subject").agg(pl.col("group").n_unique())
    split = groups.filter(pl.col("group") > 1)
    if len(split):
        faults.append(f"subject '{split['subject'].sort()[0]}' is in more than one group")
    strange = manifest.filter(~pl.col("expression").is_in(list(EXPRESSIONS)))
    if len(strange):
        faults.append(
            f"row '{strange['id'][0]}' has the unknown expression '{strange['expression'][0]}'; "
            f"known are {', '.join(EXPRESSIONS)}"
        )
    strange = manifest.filter(~pl.col("split").is_in(list(SPLITS)))
    if len(strange):
        faults.append(
            f"row '{strange['id'][0]}' has the unknown split '{strange['split'][0]}'; known are {', '.join(SPLITS)}"
        )
    ranges: dict[str, tuple[float, float]] = {au_column(au): (0, 1) for au in aus}
    ranges |= {intensity_column(au): (0, MAX_INTENSITY) for au in aus}
    ranges |= {"valence": (-1, 1), "arousal": (-1, 1), "yaw": (-180, 180), "pitch": (-180, 180), "roll": (-180, 180)}
    for column, (low, high) in ranges.items():
        bad = manifest.filter(~(pl.col(column).is_between(low, high) & pl.col(column).cast(pl.Float64).is_finite()))
        if len(bad):
            faults.append(f"row '{bad['id'][0]}' has {column} = {bad[column][0]:.6g}, outside {low}..{high}")
    return faults
