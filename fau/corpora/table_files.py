"""Where the pictures and videos lie that a table names."""

from __future__ import annotations

import polars as pl

from fau.corpora.losses import NO_IMAGE, NOT_CODED, Losses
from fau.corpora.media import VIDEO_ENDINGS
from fau.corpora.paths import IMAGES, checked, listed, respelled
from fau.corpora.tree import Tree, join
from fau.errors import FauError

_FOLDERS = 100  # of the root, in which the start of paths is looked for


def relative(paths: pl.Series, file: str) -> pl.Series:
    """Return the paths that a table names, as they lead from some folder of the root.

    Args:
        paths: As the table has them.
        file: The table.

    Raises:
        FauError: If one is absolute, or leads out of the folder.
    """
    absolute = paths.str.extract(r"^([/\\].*[/\\]|[/\\]|[A-Za-z]:(?:.*[/\\])?)")
    if len(before := absolute.drop_nulls()):
        raise FauError(
            f"{file} names '{paths.filter(absolute.is_not_null())[0]}', which is no path inside its folder; take off "
            f"what comes before with --strip, such as --strip '{before[0]}'"
        )
    return checked(paths, file)


def start_folder(tree: Tree, paths: pl.Series, folder: str) -> str:
    """Return the folder from which most of some paths lead to files: the table's, one above it, or one in the root.

    Args:
        tree: The root.
        paths: Some of the table's, relative.
        folder: The table's.
    """
    above = [folder]
    while above[-1]:
        above.append(above[-1].rpartition("/")[0])
    inner = [name for name in tree.folder()[0] if name not in above][:_FOLDERS]
    for candidates in (above, inner):
        hits = [sum(_is_file(tree, join(start, path)) for path in paths) for start in candidates]
        if any(hits):
            return candidates[hits.index(max(hits))]
    return folder


def _is_file(tree: Tree, path: str) -> bool:
    stem, dot, ending = path.rpartition(".")
    try:
        return any(tree.is_file(stem + dot + spelled) for spelled in (ending, ending.lower(), ending.upper()))
    except OSError:  # such as a name that is too long for a file
        return False


def video_beside(tree: Tree, file: str) -> str:
    """Return the name of the one video that lies beside a table and has its name.

    Raises:
        FauError: If there is none, or several.
    """
    folder, _, name = file.rpartition("/")
    stem = name.rpartition(".")[0].lower()
    videos = [video for video in tree.folder(folder)[1] if video.lower() in [stem + ending for ending in VIDEO_ENDINGS]]
    if len(videos) != 1:
        raise FauError(f"{file} has no column of paths, such as path or file_name; name it with --path-column")
    return videos[0]


def existing(tree: Tree, rows: pl.DataFrame, losses: Losses, where: str) -> pl.DataFrame:
    """Return the rows whose files are there; note the others, and pictures beside them that no row names.

    Args:
        tree: The root.
        rows: With ``path``, from the root, and ``id``.
        losses: Takes what is left out.
        where: The table, for messages.

    Raises:
        FauError: If none of the files is there.
    """
    there = listed(tree, rows["path"])
    rows = rows.with_columns(respelled(rows["path"], there).alias("path"))
    present = rows["path"].is_in(there.implode())
    if not present.any():
        raise FauError(
            f"none of the {len(rows)} files that {where} names is there, such as '{rows['path'][0]}'; say with "
            "--images in which folder its paths start"
        )
    losses.add(NO_IMAGE, rows.filter(~present)["id"])
    endings = "|".join(ending[1:] for ending in IMAGES)
    unnamed = there.filter(~there.is_in(rows["path"].implode()))
    losses.add(NOT_CODED, unnamed.filter(unnamed.str.contains(rf"(?i)\.({endings})$")).sort())
    return rows if present.all() else rows.filter(present)
