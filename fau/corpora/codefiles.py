"""Label files that come one a sequence: read as text, then decoded together, so that hundreds of them take seconds."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import polars as pl

from fau.corpora.join import decode
from fau.corpora.tree import Tree
from fau.errors import FauError


def read_csv(tree: Tree, path: str) -> pl.DataFrame:
    """Return a comma-separated file as text, columns ``cell_0`` onwards, its first line among the rows.

    An empty file gives a frame without columns. Polars would fill up a line that was cut off as if its codes were not
    known.

    Raises:
        FauError: If its lines do not have the same number of cells, or it cannot be read.
    """
    content = tree.read(path)
    if not content.strip():
        return pl.DataFrame()
    lines = content.splitlines()
    commas = lines[0].count(b",")
    if not commas and b";" in lines[0]:
        raise FauError(
            f"'{tree.root / path}' has semicolons where the owner's file has commas; save it with commas, or fetch it "
            "from the owner again"
        )
    short = next((i for i, line in enumerate(lines) if line.count(b",") < commas and line.strip()), None)
    if short is not None and b'"' not in content:  # between quotes, a comma is text
        raise FauError(
            f"line {short + 1} of '{tree.root / path}' has {lines[short].count(b',') + 1} cells, its first line "
            f"{commas + 1}; fetch the file from the owner again"
        )
    try:
        table = pl.read_csv(content, has_header=False, infer_schema=False, encoding="utf8-lossy")
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise FauError(f"'{tree.root / path}' is no table of comma-separated codes: {reason}") from error
    table.columns = [f"cell_{i}" for i in range(table.width)]
    return table


def unpacked(paths: Iterable[str], preferred: str, what: str) -> str:
    """Choose among the files that claim to be the same: in a preferred folder, and unpacked, before others.

    Args:
        paths: The files.
        preferred: Name of the folder in which the owner has it.
        what: What they are, for the message.

    Raises:
        FauError: If two are equally good.
    """
    ranked = sorted((f"/{preferred}/".lower() not in f"/{path}".lower(), is_zipped(path), path) for path in paths)
    if len(ranked) > 1 and ranked[0][:2] == ranked[1][:2]:
        raise FauError(f"both '{ranked[0][2]}' and '{ranked[1][2]}' give {what}; move one of them away")
    return ranked[0][2]


def is_zipped(path: str) -> bool:
    """Tell whether a path of a tree leads into an archive."""
    return ".zip/" in path.lower()


def one_image_each(images: pl.DataFrame, keys: list[str]) -> tuple[pl.DataFrame, int]:
    """Keep one image of each key: unpacked images before those in archives.

    Args:
        images: One row an image, with ``path``.
        keys: What names a picture.

    Returns:
        The images, and how many archived ones were left aside.

    Raises:
        FauError: If two images of one key are both unpacked, or both in archives.
    """
    images = images.with_columns(pl.col("path").str.to_lowercase().str.contains(".zip/", literal=True).alias("_zipped"))
    kept = images.sort("_zipped", maintain_order=True).unique([*keys, "_zipped"], keep="first", maintain_order=True)
    if len(kept) < len(images):
        twice = images.filter(images.select(*keys, "_zipped").is_duplicated()).sort(*keys, "_zipped", "path")
        raise FauError(
            f"both '{twice['path'][0]}' and '{twice['path'][1]}' give one frame; move one of their folders away"
        )
    single = kept.unique(keys, keep="first", maintain_order=True)
    return single.drop("_zipped"), len(kept) - len(single)


def decode_files(
    table: pl.DataFrame, column: str, what: str, known: Collection[float] | range, missing: Collection[float] = ()
) -> pl.Series:
    """Decode a column that comes from many files, as ``fau.corpora.join.decode`` does.

    Args:
        table: With the column as text, and ``file``: where each row stands.
        column: Which column.
        what: Name of the column, for the message.
        known: Codes that say something.
        missing: Codes that say that nothing is known.

    Raises:
        FauError: If a code is neither; the message names the file.
    """
    text = table[column].str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    allowed = pl.Series([float(code) for code in (*known, *missing)], dtype=pl.Float64)
    doubtful = text.is_not_null() & (text != "") & ~numbers.is_in(allowed.implode()).fill_null(False)
    if doubtful.any():
        row = table.filter(doubtful).head(1)
        decode(row[column], f"'{row['file'][0]}', {what},", known, missing)
    return decode(table[column], what, known, missing)


def decode_frames(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose text column ``frame`` has become Int32.

    Args:
        table: With ``frame``, ``sequence`` and ``file``.

    Raises:
        FauError: If a frame is no whole number, or is coded twice in a file.
    """
    frames = table["frame"].str.strip_chars().str.extract(r"^(\d{1,9})(?:\.0*)?$", 1).cast(pl.Int32, strict=False)
    if frames.null_count():
        row = table.filter(frames.is_null()).row(0, named=True)
        raise FauError(f"'{row['file']}' has '{row['frame'] or ''}' where a frame number belongs; correct that line")
    decoded = table.with_columns(frames.alias("frame"))
    twice = decoded.select("file", "frame").is_duplicated()
    if twice.any():
        row = decoded.filter(twice).row(0, named=True)
        raise FauError(f"'{row['file']}' codes frame {row['frame']} twice; remove one of the lines")
    return decoded
