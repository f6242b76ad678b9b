"""Paths that a list names, by the million: checked against the root, looked up by folder, put in natural order."""

from __future__ import annotations

import errno
from collections.abc import Sequence

import polars as pl

from fau.corpora.tree import Tree, inside, join, natural, scan
from fau.errors import FauError

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")

# What `inside` has to look at: parts `.` and `..`, empty parts, absolute paths, drives, zero bytes.
_ODD = r"(^|/)\.{0,2}(/|$)|^[A-Za-z]:|\x00"
_NUMBERED = r"^(.*?)(\d{1,18})(\D*)$"


def checked(paths: pl.Series, where: str) -> pl.Series:
    """Return what ``fau.corpora.tree.inside`` makes of each path.

    Args:
        paths: As a list has them.
        where: The list, for the message.

    Raises:
        FauError: If one is empty, absolute or leads out of the folder.
    """
    text = paths.str.strip_chars().str.replace_all("\\", "/", literal=True)
    odd = text.is_null() | text.str.contains(_ODD)
    if not odd.any():
        return text
    clean = {path: inside(path or "", where) for path in paths.filter(odd).unique()}
    fixed = paths.filter(odd).replace_strict(clean, return_dtype=pl.String)
    return text.scatter(odd.arg_true(), fixed)


def folders(paths: pl.Series) -> pl.Series:
    """Return the folder of each path; empty for the root."""
    return paths.str.extract(r"^(.*)/").fill_null("")


def listed(tree: Tree, paths: pl.Series) -> pl.Series:
    """Return the paths of all files in the folders of some paths, in no order; one listing a folder.

    A folder that is not there has none.
    """
    parts = [pl.Series([], dtype=pl.String)]
    for folder in folders(paths).unique():
        names = pl.Series(_names(tree, folder), dtype=pl.String)
        parts.append(join(folder, "") + names if folder else names)
    return pl.concat(parts)


def respelled(paths: pl.Series, there: pl.Series) -> pl.Series:
    """Return paths with their ending in the case of the file: ``a.JPG`` where a list has ``a.jpg``.

    Only a file that no path names as it is, and that is the only one of its kind, stands in for another.

    Args:
        paths: As a list has them.
        there: The files.
    """
    lost = ~paths.is_in(there.implode())
    if not lost.any():
        return paths
    files = pl.DataFrame({"key": _ending_lowered(there), "file": there})
    files = files.filter(~there.is_in(paths.implode())).unique("key", keep="none")
    wanted = pl.DataFrame({"path": paths, "key": _ending_lowered(paths)})
    found = wanted.join(files, on="key", how="left", maintain_order="left")
    return found.select(pl.when(lost).then(pl.coalesce("file", "path")).otherwise("path").alias(paths.name)).to_series()


def _ending_lowered(paths: pl.Series) -> pl.Series:
    return paths.str.replace(r"\.[^./]*$", "") + paths.str.extract(r"(\.[^./]*)$").fill_null("").str.to_lowercase()


def natural_order(frame: pl.DataFrame, path: str, before: Sequence[pl.Series] = ()) -> pl.DataFrame:
    """Sort rows by folder, then by name with the last number in it read as a number: ``2.jpg`` before ``10.jpg``.

    Args:
        frame: Any rows.
        path: The column of paths.
        before: Keys that come before the path, null last.
    """
    split = frame.select(
        pl.col(path).str.extract(_NUMBERED, 1).fill_null(pl.col(path)).alias("stem"),
        pl.col(path).str.extract(_NUMBERED, 2).cast(pl.Int64, strict=False).alias("number"),
    )
    keys = [*before, rank(folders(frame[path])), *split, frame[path]]
    table = pl.DataFrame([key.alias(str(i)) for i, key in enumerate(keys)])
    return frame[table.select(pl.arg_sort_by(*table.columns, nulls_last=True)).to_series()]


def rank(values: pl.Series) -> pl.Series:
    """Return the place of each value in the natural order of all of them, null last."""
    names = sorted(values.drop_nulls().unique(), key=natural)
    places = {name: i for i, name in enumerate(names)}
    return values.replace_strict(places, default=len(names), return_dtype=pl.UInt32)


def _names(tree: Tree, folder: str) -> list[str]:
    place = tree.on_disk(folder)
    if place is None:
        return tree.folder(folder)[1] if tree.is_folder(folder) else []
    try:
        return [name for name, _ in scan(place)]  # alone: sorting millions of them naturally would cost gigabytes
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return []
        raise FauError(f"'{place}' cannot be read: {error.strerror}") from error
