"""The annotation files of Aff-Wild2: one text file a video and task, and the lists of the multi-task challenge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from fau.corpora.affect import affect
from fau.corpora.join import classes, decode
from fau.corpora.tree import Tree, inside, join
from fau.errors import FauError
from fau.labels import EXPRESSIONS, LABEL_SETS, au_column

AUS = LABEL_SETS["affwild12"]

_AU_CELLS = tuple(f"au{au}" for au in AUS)
_VA_CELLS = ("valence", "arousal")
_CLASSES = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "other")
_MTL_CELLS = ("image", *_VA_CELLS, "expression", *_AU_CELLS)
_SETS = (("train", "train"), ("val", "val"))  # how the name of a set begins, and its split


@dataclass(frozen=True)
class VideoLabels:
    """Where the labels of a video are.

    Attributes:
        split: ``train`` or ``val``.
        file: The label file.
        rows: The video's lines of a multi-task list as text, with ``frame``; None where the file is the video's own.
    """

    split: str
    file: str
    rows: pl.DataFrame | None = None


def find_labels(tree: Tree, folder: str, task: str) -> dict[str, VideoLabels]:
    """Return the labels of each video of a challenge's folder.

    Raises:
        FauError: If there are none, or a video has two.
    """
    labels: dict[str, VideoLabels] = {}

    def add(name: str, new: VideoLabels) -> None:
        if name in labels:
            old = labels[name].file
            raise FauError(
                f"video '{name}' has labels in both '{tree.root / old}' and '{new.file}'; remove one of them"
            )
        labels[name] = new

    folders, files = tree.folder(folder)
    if task == "mtl":
        for split, name in _sets(files):
            file = join(folder, name)
            for video, rows in _mtl_rows(tree, file).items():
                add(video, VideoLabels(split, file, rows))
    else:
        for split, place in _sets(folders):
            for name in tree.folder(join(folder, place))[1]:
                if name.lower().endswith(".txt") and not name.startswith("."):
                    add(name[:-4], VideoLabels(split, join(join(folder, place), name)))
    if not labels:
        raise FauError(
            f"'{tree.root / folder}' has no labels in sets of training and validation; fetch it from the owner again"
        )
    return labels


def read_labels(tree: Tree, task: str, labels: VideoLabels) -> pl.DataFrame:
    """Return the labels of a video, one row a frame: ``frame``, Int32 from 1, and the task's columns of a listing.

    Raises:
        FauError: If the header or a code is foreign.
    """
    where = str(tree.root / labels.file)
    if labels.rows is not None:
        return _decode_mtl(labels.rows, where)
    return _READ[task](tree, labels.file, where)


def _sets(names: list[str]) -> list[tuple[str, str]]:
    return [(split, name) for name in names for begins, split in _SETS if name.lower().startswith(begins)]


def _parts(tree: Tree, file: str) -> tuple[list[str], str]:
    """Return the cells of a file's header in lower case, and the text below it."""
    header, _, body = tree.text(file).replace("\r\n", "\n").partition("\n")
    if not header.strip():
        raise FauError(f"'{tree.root / file}' is empty, without even a header; fetch it from the owner again")
    return [cell.strip().lower() for cell in header.split(",")], body


def _table(body: str, where: str, columns: list[str]) -> pl.DataFrame:
    """Return comma-separated rows as text; an empty line is a row without values, so that none moves up."""
    body = body.rstrip()
    if not body:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    for i, row in enumerate(body.split("\n"), 2):
        if row.count(",") < len(columns) - 1 and row.strip():
            raise FauError(
                f"line {i} of '{where}' has {row.count(',') + 1} of {len(columns)} columns; fetch it from the owner "
                "again"
            )
    try:
        return pl.read_csv(f"{','.join(columns)}\n{body}".encode(), infer_schema=False, quote_char=None)
    except pl.exceptions.PolarsError:
        line = next((i for i, row in enumerate(body.split("\n"), 2) if row.count(",") >= len(columns)), 0)
        raise FauError(
            f"line {line} of '{where}' has more than {len(columns)} columns; fetch it from the owner again"
        ) from None


def _numbered(tree: Tree, file: str, where: str, names: tuple[str, ...]) -> pl.DataFrame:
    """Return the rows of a file as text, columns by the names in its header, with ``frame``."""
    cells, body = _parts(tree, file)
    if sorted(cells) != sorted(names):
        strange = next(
            (f"the column '{cell}'" for cell in cells if cell not in names), f"the header '{','.join(cells)}'"
        )
        raise FauError(f"'{where}' has {strange}, where '{','.join(names)}' are due; check --task and the file")
    return _with_frames(_table(body, where, cells))


def _with_frames(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias("frame"))


def _read_au(tree: Tree, file: str, where: str) -> pl.DataFrame:
    rows = _numbered(tree, file, where, _AU_CELLS)
    return rows.select("frame", *_au_columns(rows, where))


def _au_columns(rows: pl.DataFrame, where: str) -> list[pl.Series]:
    return [
        decode(rows[f"au{au}"], f"'{where}', AU{au},", (0, 1), (-1,)).cast(pl.Int8).alias(au_column(au)) for au in AUS
    ]


def _read_va(tree: Tree, file: str, where: str) -> pl.DataFrame:
    rows = _numbered(tree, file, where, _VA_CELLS)
    return rows.select("frame", *_va_columns(rows, where))


def _va_columns(rows: pl.DataFrame, where: str) -> list[pl.Series]:
    return [affect(rows[name], f"'{where}', {name},", -5) for name in _VA_CELLS]


def _read_expr(tree: Tree, file: str, where: str) -> pl.DataFrame:
    """Read classes: the header names them in the order of their codes; a row is one code."""
    cells, body = _parts(tree, file)
    if len(cells) not in (7, 8) or not set(cells) <= set(EXPRESSIONS):
        raise FauError(
            f"'{where}' has the header '{','.join(cells)}', where '{','.join(_CLASSES)}' is due; "
            "check --task and the file"
        )
    rows = _with_frames(_table(body, where, ["code"]))
    names = classes(rows["code"], f"'{where}'", dict(enumerate(cells)), (-1,))
    return rows.select("frame", names.alias("expression"))


def _mtl_rows(tree: Tree, file: str) -> dict[str, pl.DataFrame]:
    """Return the lines of a multi-task list as text by video, with ``frame``."""
    where = str(tree.root / file)
    cells, body = _parts(tree, file)
    # Some headers may have one word for all action units: the order of the columns is documented.
    by_name = len(cells) == len(_MTL_CELLS) and set(cells[1:]) == set(_MTL_CELLS[1:])
    if not by_name and tuple(cells[1:4]) != _MTL_CELLS[1:4]:
        raise FauError(
            f"'{where}' has the header '{','.join(cells)}', where '{','.join(_MTL_CELLS)}' is due; check the file"
        )
    rows = _table(body, where, ["image", *(cells[1:] if by_name else _MTL_CELLS[1:])]).drop_nulls("image")
    parts = pl.col("image").str.strip_chars().str.extract_groups(r"^(?<video>[^/\\]+)[/\\](?<frame>\d{1,9})\.\w+$")
    rows = rows.with_columns(parts.alias("parts")).unnest("parts").with_columns(pl.col("frame").cast(pl.Int32))
    strange = rows.filter(pl.col("frame").is_null() | (pl.col("video") == ".."))["image"]
    if len(strange):
        inside(strange[0], f"'{where}'")
        raise FauError(f"'{where}' names '{strange[0]}', which is not of the form video/00001.jpg; correct that line")
    twice = rows.filter(rows.select("video", "frame").is_duplicated())
    if len(twice):
        raise FauError(f"'{where}' has two lines for '{twice['image'][0]}'; remove one of them")
    return {str(key[0]): part.drop("video", "image") for key, part in rows.partition_by("video", as_dict=True).items()}


def _decode_mtl(rows: pl.DataFrame, where: str) -> pl.DataFrame:
    expression = classes(rows["expression"], f"'{where}', expression,", dict(enumerate(_CLASSES)), (-1,))
    return rows.select("frame", expression, *_va_columns(rows, where), *_au_columns(rows, where))


_READ: Mapping[str, Callable[[Tree, str, str], pl.DataFrame]] = {"au": _read_au, "expr": _read_expr, "va": _read_va}
