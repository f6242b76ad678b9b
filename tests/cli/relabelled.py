"""Crop sets whose labels a test changes: the pixels of another, with columns of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import polars as pl

from fau.crops.store import CropSet
from fau.labels import au_column


def relabelled(cropset: Path, out: Path, *columns: pl.Expr) -> Path:
    """Copy a crop set and give its manifest other columns."""
    shutil.copytree(cropset, out)
    manifest = out / "manifest.parquet"
    pl.read_parquet(manifest).with_columns(*columns).write_parquet(manifest)
    stored = json.loads((out / "cropset.json").read_text())
    stored["manifest_sha256"] = hashlib.sha256(manifest.read_bytes()).hexdigest()
    (out / "cropset.json").write_text(json.dumps(stored))
    return out


def with_gaps(cropset: Path, out: Path) -> Path:
    """Copy a crop set as a multi-task corpus has it: every label is missing somewhere, all of them in some frames."""
    aus = CropSet.open(cropset).info.aus
    frame = pl.int_range(pl.len())
    columns = [pl.when(frame % 3 != 0).then(pl.col(au_column(au))).alias(au_column(au)) for au in aus]
    columns += [pl.when(frame % 3 != 1).then(pl.col("expression")).alias("expression")]
    columns += [pl.when(frame % 4 == 0).then(pl.col(name)).alias(name) for name in ("valence", "arousal")]
    return relabelled(cropset, out, *columns)
