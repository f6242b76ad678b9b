"""The rows of a table as those of a listing: subjects, sequences and ids, each face once, in order."""

from __future__ import annotations

import polars as pl

from fau.corpora import naming
from fau.corpora.losses import DUPLICATE, Losses
from fau.corpora.media import VIDEO_ENDINGS
from fau.corpora.paths import natural_order, rank
from fau.errors import FauError
from fau.units import counted


def doubtful_people(rows: pl.DataFrame) -> list[str]:
    """Say what makes subjects or sequences doubtful, so that one person may come to stand in two folds."""
    found = []
    for role in ("subject", "sequence"):
        groups = naming.alike(rows[role]) if role in rows.columns else []
        if groups:
            few = "; ".join(" and ".join(f"'{name}'" for name in group) for group in groups[:3])
            found.append(
                f"{role}s that differ only by case, blanks or zeros count as different: {few}"
                f"{'; ...' if len(groups) > 3 else ''}; correct the table if they are the same"
            )
    if "subject" in rows.columns and (blank := rows["subject"].null_count()):
        found.append(f"a blank subject: {counted(blank, 'row')}; the sequence stands for it, else each stands alone")
    return found


def with_ids(rows: pl.DataFrame, first_frame: int, where: str) -> pl.DataFrame:
    """Give rows frame, position, subject, sequence and id.

    A video without a sequence is one. A sequence without a subject stands for its subject: its frames show one person,
    and no fold may split them.

    Args:
        rows: With ``path``, and what the table has of ``frame``, ``position``, ``subject`` and ``sequence``.
        first_frame: Number of a video's first frame in the column of frames.
        where: The table, for messages.

    Raises:
        FauError: If a row names a video and no frame of it.
    """
    missing = [name for name in ("frame", "position") if name not in rows.columns]
    rows = rows.with_columns(pl.lit(None, pl.Int32).alias(name) for name in missing)
    for name in {"subject", "sequence"} - set(rows.columns):
        rows = rows.with_columns(pl.lit(None, pl.String).alias(name))
    endings = "|".join(ending[1:] for ending in VIDEO_ENDINGS)
    video = rows["path"].str.contains(rf"(?i)\.({endings})$")
    position = pl.coalesce("position", pl.col("frame") - first_frame)
    rows = rows.with_columns(
        pl.when(video).then(position).alias("position"),
        pl.when(video).then(pl.coalesce("sequence", "path")).otherwise("sequence").alias("sequence"),
    ).with_columns(pl.coalesce("subject", "sequence").alias("subject"))
    bad = rows.filter(video & (pl.col("position").is_null() | (pl.col("position") < 0)))
    if len(bad):
        raise FauError(
            f"{where} names the video '{bad['path'][0]}' without a frame of it; add a column frame_index, which counts "
            "from 0, or see --first-frame"
        )
    number = pl.format("{}/{}", "path", "position")
    return rows.with_columns(pl.when(video).then(number).otherwise("path").alias("id"))


def once(rows: pl.DataFrame, losses: Losses, where: str) -> pl.DataFrame:
    """Return each row once; faces of one picture are numbered.

    Args:
        rows: With ``id``, and ``face`` or ``face_x`` where pictures have several faces.
        losses: Takes the rows that stand again.
        where: The table, for messages.

    Raises:
        FauError: If two rows label the same face differently.
    """
    twice = rows["id"].is_duplicated()
    if twice.any():
        several = rows.filter(twice)
        first = several.select(pl.struct(pl.all()).is_first_distinct()).to_series()
        losses.add(DUPLICATE, several.filter(~first)["id"])
        several = several.filter(first)
        again = several["id"].is_duplicated()
        if again.any():
            faces = [name for name in ("face", "face_x") if name in several.columns]
            if not faces:
                raise FauError(
                    f"{where} labels '{several.filter(again)['id'][0]}' twice and differently; remove one of the rows, "
                    "or add columns of face boxes if these are two faces"
                )
            face = pl.col("face") if faces[0] == "face" else pl.int_range(pl.len()).over("id")
            several = several.with_columns(
                pl.when(again).then(pl.format("{}/{}", "id", face)).otherwise("id").alias("id")
            )
            if several["id"].is_duplicated().any():
                face_id = several.filter(several["id"].is_duplicated())["id"][0]
                raise FauError(f"{where} labels the face '{face_id}' twice and differently; remove one of the rows")
        rows = pl.concat([rows.filter(~twice), several])
    return rows.drop("face", strict=False)


def ordered(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows by subject, sequence, frame, position and path, in natural order: a2 before a10."""
    before = [rank(rows["subject"]), rank(rows["sequence"]), rows["frame"], rows["position"]]
    return natural_order(rows, "path", before)
