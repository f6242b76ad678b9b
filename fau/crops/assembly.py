"""Putting a crop set together once all jobs are done: losses, groups, manifest, report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.base import Corpus, Listing
from fau.corpora.losses import EXPECTED, Losses
from fau.crops.choose import NO_FACE, TINY
from fau.crops.duplicates import METHOD, Copies, groups
from fau.crops.format import CropSetInfo
from fau.crops.jobs import Job
from fau.crops.manifest import manifest_schema
from fau.crops.unfinished import Unfinished
from fau.crops.work import FACES
from fau.crops.writer import polars_writes, write_description
from fau.errors import FauError


@dataclass(frozen=True)
class Report:
    """What became of the rows of a corpus; report.json of the crop set.

    Attributes:
        rows: Rows that the reader listed.
        crops: Crops of them.
        lost: Left out by cause, by the reader and on the way.
        lost_share: Share of rows, from 0 to 1, that was lost under causes that a sound delivery does not show.
        expected: The causes of ``lost`` that a sound delivery shows.
        faces: Rows by what is odd: ``none`` or a ``tiny`` face, one that the picture's edge ``cut``, which are lost;
            ``several``, of which one was taken.
        duplicates: How crops without a subject were grouped, in how many groups there are several, and how many
            crops these have.
        found: What the reader found out about the delivery.
        extras: Columns of extras.parquet beside ``id``; empty where the owner says nothing more of a crop.
        protocol: The protocol that suits the corpus.
        published: Published counts to hold the crops against, as in ``fau.corpora.base.Corpus``.
    """

    rows: int
    crops: int
    lost: dict[str, int]
    lost_share: float
    expected: list[str]
    faces: dict[str, int]
    duplicates: dict[str, Any]
    found: list[str]
    extras: list[str]
    protocol: str
    published: dict[str, int]


def assemble(
    unfinished: Unfinished,
    info: CropSetInfo,
    jobs: list[Job],
    corpus: Corpus,
    listing: Listing,
    most: float,
    copies: Copies = "near",
) -> Report:
    """Write all but the shards.

    Args:
        unfinished: Where the jobs left what they did.
        info: What the crop set is.
        jobs: All of them.
        corpus: The reader.
        listing: What it listed.
        most: Share of rows that may be lost unexpectedly, 0 to 1.
        copies: Which crops without a subject form a group.

    Raises:
        FauError: If more is lost, or nothing is left.
    """
    done = [unfinished.done(job) for job in jobs]
    outcome = pl.concat([unfinished.outcome(job) for job in jobs])
    rows = listing.rows.hstack(outcome)
    losses = Losses()
    losses.extend(listing.losses)
    gone = rows.drop_nulls("cause")
    for cause in gone["cause"].unique(maintain_order=True):
        losses.add(cause, gone.filter(pl.col("cause") == cause)["id"])
    kept = rows.filter(pl.col("cause").is_null())
    share = refuse_losses(unfinished, losses, len(kept), most)
    if not len(kept):
        _write_losses(losses, unfinished.losses)
        raise FauError(f"not one crop is left; '{unfinished.losses}' lists why")
    # Shards in which nothing was kept have no file: those that are left are counted anew.
    kept = kept.with_columns(shard=pl.col("shard").rle_id().cast(pl.Int32))
    shards = [entry for part in done for entry in part.shards]
    look = _crops(unfinished.cropset, shards, kept) if copies == "near" else None
    kept = kept.with_columns(group=groups(kept, kept["hash"], look))
    write_description(unfinished.cropset, info, shards, to_manifest(kept, info))
    _write_losses(losses, unfinished.cropset / "losses.csv")
    report = Report(
        rows=len(rows),
        crops=len(kept),
        lost=losses.counts,
        lost_share=round(share, 6),
        expected=[cause for cause in losses.counts if cause in EXPECTED],
        faces={kind: sum(part.faces[kind] for part in done) for kind in FACES},
        duplicates=_duplicates(kept, copies, unfinished.cropset / "duplicates.csv"),
        found=listing.found,
        extras=_extras(kept, listing.extras, unfinished.cropset / "extras.parquet"),
        protocol=corpus.protocol,
        published=dict(corpus.published),
    )
    text = json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n"
    (unfinished.cropset / "report.json").write_text(text, encoding="utf-8")
    return report


def _crops(folder: Path, shards: Sequence[dict[str, Any]], kept: pl.DataFrame) -> Callable[[int], NDArray[np.uint8]]:
    """Return what gives the crop of a row, by its number."""
    files: dict[int, NDArray[np.uint8]] = {}
    shard, row = kept["shard"].to_numpy(), kept["row"].to_numpy()

    def crop(number: int) -> NDArray[np.uint8]:
        at = int(shard[number])
        if at not in files:
            files[at] = np.load(folder / shards[at]["crops"], mmap_mode="r")
        return np.asarray(files[at][row[number]])

    return crop


def _write_losses(losses: Losses, file: Path) -> None:
    with polars_writes(file):
        losses.write(file)


def to_manifest(rows: pl.DataFrame, info: CropSetInfo) -> pl.DataFrame:
    """Return rows in the manifest's columns; those that they lack are null."""
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in manifest_schema(info.aus).items()
    )


def _duplicates(kept: pl.DataFrame, copies: Copies, file: Path) -> dict[str, Any]:
    """Count the groups of crops that look the same, and list them where there are any."""
    alike = kept.filter(pl.col("subject").is_null()).select("group", "id")
    alike = alike.filter(pl.len().over("group") > 1).sort("group", maintain_order=True)
    if len(alike):
        with polars_writes(file):
            alike.write_csv(file)
    return {"method": METHOD[copies], "groups": alike["group"].n_unique(), "crops": len(alike)}


def _extras(kept: pl.DataFrame, extras: pl.DataFrame | None, file: Path) -> list[str]:
    """Write what else the owner says of the crops, in their order, and return the columns."""
    columns = [] if extras is None else [name for name in extras.columns if name != "id"]
    if extras is not None and columns:
        table = kept.select("id").join(extras, on="id", how="left", validate="1:1", maintain_order="left")
        with polars_writes(file):
            table.write_parquet(file)
    return columns


def refuse_losses(unfinished: Unfinished, losses: Losses, rows: int, most: float) -> float:
    """Return the share of rows that is lost unexpectedly; refuse when that is more than allowed.

    Args:
        unfinished: Where the list of losses is kept then.
        losses: What is lost.
        rows: Rows that are not.
        most: Greatest share, 0 to 1.
    """
    share = losses.unexpected / max(1, rows + losses.unexpected)
    if share > most:
        _write_losses(losses, unfinished.losses)
        counts = {cause: count for cause, count in losses.counts.items() if cause not in EXPECTED}
        causes = ", ".join(f"{cause} {count:,}" for cause, count in counts.items())
        aligned = " (pictures that are aligned crops already: --align resize)" if {NO_FACE, TINY} & set(counts) else ""
        raise FauError(
            f"{losses.unexpected:,} of {rows + losses.unexpected:,} rows ({100 * share:.1f} %) are lost ({causes}), "
            f"more than --max-lost {most:g} allows; '{unfinished.losses}' lists them: allow more, or mend "
            f"the delivery{aligned}, remove '{unfinished.path}' and start again"
        )
    return share
