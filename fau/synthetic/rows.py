"""Manifest rows of the synthetic corpus."""

from __future__ import annotations

from typing import Any

import polars as pl

from fau.crops.manifest import manifest_schema
from fau.labels import au_column, intensity_column
from fau.synthetic.copula import AUS
from fau.synthetic.recipe import Recipe
from fau.synthetic.sequences import Sequence, make_labels


def manifest_row(
    recipe: Recipe, sequence: Sequence, frame: int, pose: tuple[float, float, float] | None = None
) -> dict[str, Any]:
    """Return the manifest row of one frame, without its place in a shard.

    Args:
        recipe: The corpus.
        sequence: The sequence's labels.
        frame: From 0.
        pose: Yaw, pitch and roll in degrees; None where the face was not drawn.
    """
    subject = f"S{sequence.subject:03d}"
    name = f"{subject}/T{sequence.task}"
    row: dict[str, Any] = {"id": f"{name}/{frame:03d}", "group": subject, "subject": subject, "sequence": name}
    row["frame"] = frame
    for au, coded, known in zip(AUS, sequence.coded[frame].tolist(), sequence.known[frame].tolist(), strict=True):
        row[au_column(au)] = int(coded >= recipe.occurrence_threshold) if known else None
        row[intensity_column(au)] = float(coded) if known else None
    row["expression"] = sequence.expression[frame]
    row["valence"], row["arousal"] = float(sequence.valence[frame]), float(sequence.arousal[frame])
    if pose is not None:
        row["yaw"], row["pitch"], row["roll"] = (float(angle) for angle in pose)
    return row


def labels_manifest(recipe: Recipe) -> pl.DataFrame:
    """Return the manifest that a recipe would have, without drawing a face: pose and place in a shard are null."""
    rows = [manifest_row(recipe, sequence, frame) for sequence in make_labels(recipe) for frame in range(recipe.frames)]
    return pl.DataFrame(rows, schema=manifest_schema(AUS), orient="row")
