"""FER+: ten votes a picture of FER2013 for eight expressions, unknown and "not a face"."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.codefiles import read_csv
from fau.corpora.fer2013 import USAGES, PixelTable, pixel_table
from fau.corpora.join import decode, join_labels
from fau.corpora.losses import NOT_A_FACE, NOT_ANNOTATED, Losses
from fau.corpora.media import Picture, read_pictures
from fau.corpora.tree import Tree
from fau.errors import FauError
from fau.units import counted

# The columns of votes in the file's order; the last two are no expressions.
VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
CLASSES: dict[int, str | None] = {code: None if name in ("unknown", "NF") else name for code, name in enumerate(VOTES)}
_LIST = "fer2013new.csv"
_NAME = "Image name"
_FOLDERS = {"fer2013train": "Training", "fer2013valid": "PublicTest", "fer2013test": "PrivateTest"}
_MOST_VOTES = (10309, 7528, 3562, 3515, 2467, 191, 652, 165)  # of Training


class FerPlus(Corpus):
    """FER+ as delivered, ``fer2013new.csv``, with FER2013's pixels or with the pictures that the owner's script makes.

    ``fer2013new.csv`` has no key to ``fer2013.csv`` but the order of its rows: both must be complete and agree in
    Usage row by row, or nothing is read. Pictures named ``fer0000000.png`` are joined by name instead, and then the
    lists ``FER2013Train/label.csv`` (and Valid, Test) serve as well. Rows without a name are no faces. The votes of
    each picture go to extras.parquet.

    Args:
        root: The folder with ``fer2013new.csv`` and ``fer2013.csv``, or with the pictures.
        target: How votes become a class. majority: after the owner's code, single votes do not count, and a class
            needs more than half of the rest. plurality: most votes, the first of a tie.
    """

    name: ClassVar[str] = "ferplus"
    title: ClassVar[str] = "FER+"
    ask: ClassVar[str] = "labels: the FERPlus repository of Microsoft (MIT); pictures: see FER2013"
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign("votes", (_LIST, "FER2013Train/label.csv")),
        Sign("pictures", ("fer2013.csv", "icml_face_data.csv", "fer0*.png")),
    )
    aligned = True
    protocol = "official"

    def __init__(self, root: Path, *, target: Literal["majority", "plurality"] = "majority") -> None:
        super().__init__(root)
        self._target = target
        self._table = pixel_table(self.tree)
        if target == "plurality":
            self.published = {f"train/{VOTES[i]}": count for i, count in enumerate(_MOST_VOTES)}

    def list(self) -> Listing:
        """Return one row a picture, in the order of the votes."""
        losses = Losses()
        found: list[str] = []
        lists = self.tree.find(_LIST)
        if lists:
            votes, where = _votes(self.tree, lists[0]), lists[0]
        else:
            votes, where = _folder_votes(self.tree), "the label.csv files"
        if self._table is not None and lists:
            rows = _by_order(self._table, votes, where)
            found.append(f"votes of {where} joined to {self._table.path} by row; their Usage agrees in all rows")
            empty = rows["name"] == ""
            losses.add(NOT_A_FACE, rows.filter(empty)["id"])
            rows = rows.filter(~empty)
        else:
            empty = votes["name"] == ""
            losses.add(NOT_A_FACE, votes.filter(empty)["id"])
            rows = join_labels(_named(self.tree), votes.filter(~empty).drop("id"), ["name"], losses, "{}")
            rows = rows.with_columns(position=pl.lit(None, pl.Int32), id=pl.col("name"))
            found.append(f"votes of {where} joined to pictures by name")
        if not len(rows):
            raise FauError(
                f"'{self.tree.root}' holds no picture for {where}; put fer2013.csv beside it, or the pictures "
                "fer0000000.png that the owner's script makes"
            )
        counts = np.column_stack([decode(rows[vote], f"column {vote} of {where}", range(11)) for vote in VOTES])
        code, tied = _targets(counts.astype(np.int64), self._target)
        found.append(
            f"a tie of most votes: {counted(int(tied.sum()), 'picture')}"
            if self._target == "plurality"
            else f"no majority: {counted(int((code < 0).sum()), 'picture')}"
        )
        rows = rows.with_columns(
            *(pl.Series(vote, counts[:, i], dtype=pl.UInt8) for i, vote in enumerate(VOTES)),
            code=pl.Series(code, dtype=pl.Int32),
        )
        losses.add(NOT_A_FACE, rows.filter(pl.col("code") == VOTES.index("NF"))["id"])
        losses.add(NOT_ANNOTATED, rows.filter(pl.col("code").is_in([-1, VOTES.index("unknown")]))["id"])
        names = {code: name for code, name in CLASSES.items() if name}
        rows = rows.with_columns(
            expression=pl.col("code").replace_strict(names, default=None, return_dtype=pl.String),
            split=pl.col("usage").replace_strict(USAGES),
        ).drop_nulls("expression")
        votes_of = rows.select("id", *(pl.col(vote).alias(f"votes_{vote}") for vote in VOTES))
        kept = to_rows(rows.select("id", "path", "position", "split", "expression"), ())
        return Listing(kept, losses, found, votes_of)

    def pictures(self, rows: pl.DataFrame) -> Iterator[Picture]:
        """Yield the picture of each row; fastest in ascending order."""
        if not len(rows) or rows["position"][0] is None or self._table is None:
            yield from read_pictures(self.tree, rows)
            return
        for position in rows["position"]:
            yield self._table.picture(position)


def _targets(votes: NDArray[np.int64], target: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the class of each row of votes, -1 = none, and whether several have most votes."""
    if target == "majority":
        votes = np.where(votes > 1, votes, 0)
    most = votes.max(1)
    tied = (votes == most[:, None]).sum(1) > 1
    code = votes.argmax(1)
    if target == "majority":
        code = np.where(2 * most > votes.sum(1), code, -1)
    return code, tied


def _votes(tree: Tree, file: str) -> pl.DataFrame:
    """Return ``usage``, ``name`` (without .png, empty where there is none), ``id`` and a column a vote, as text."""
    try:
        frame = pl.read_csv(io.BytesIO(tree.read(file)), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise FauError(f"{file} is no CSV: {str(error).splitlines()[0]}") from error
    frame = frame.rename(lambda name: name.strip())
    for name in frame.columns:
        if name not in ("Usage", _NAME, *VOTES):
            raise FauError(f"{file} has the foreign column '{name}'; FER+ has Usage, {_NAME}, {', '.join(VOTES)}")
    for name in ("Usage", _NAME, *VOTES):
        if name not in frame.columns:
            raise FauError(f"{file} lacks the column '{name}'; fetch it again from the FERPlus repository")
    strange = frame.filter(~pl.col("Usage").str.strip_chars().is_in(list(USAGES)).fill_null(False))["Usage"]
    if len(strange):
        raise FauError(f"column Usage of {file} holds the unknown value '{strange[0]}'; known are {', '.join(USAGES)}")
    image = pl.col(_NAME).fill_null("").str.strip_chars().str.replace(r"\.png$", "")
    return frame.with_row_index("row").select(
        pl.col("Usage").str.strip_chars().alias("usage"),
        image.alias("name"),
        pl.when(image == "").then(pl.format("row {} of {}", "row", pl.lit(file))).otherwise(image).alias("id"),
        *VOTES,
    )


def _folder_votes(tree: Tree) -> pl.DataFrame:
    """Return the same from ``FER2013Train/label.csv`` and its like: name, box, ten votes, no header."""
    parts = []
    for file in tree.find("FER2013*/label.csv"):
        usage = _FOLDERS.get(file.split("/")[-2].lower())
        if usage is None:
            continue
        frame = read_csv(tree, file)
        if frame.width != 2 + len(VOTES):
            raise FauError(f"{file} has {frame.width} columns instead of name, box and {len(VOTES)} votes")
        frame.columns = ["name", "box", *VOTES]
        name = pl.col("name").fill_null("").str.replace(r"\.png$", "")
        parts.append(frame.select(pl.lit(usage).alias("usage"), name, name.alias("id"), *VOTES))
    if not parts:
        raise FauError(f"'{tree.root}' has neither {_LIST} nor FER2013Train/label.csv; give the folder of FERPlus")
    return pl.concat(parts)


def _by_order(table: PixelTable, votes: pl.DataFrame, where: str) -> pl.DataFrame:
    pixels = table.rows()
    if len(pixels) != len(votes):
        raise FauError(
            f"{where} has {len(votes)} rows and {table.path} {len(pixels)}, but their order is the only key between "
            "them; give both complete and as delivered"
        )
    differ = (pixels["usage"] != votes["usage"]).arg_true()
    if len(differ):
        row = differ[0]
        raise FauError(
            f"row {row + 1} is {votes['usage'][row]} in {where} and {pixels['usage'][row]} in {table.path}, so their "
            "rows are not in the same order; give both as delivered"
        )
    return votes.with_columns(pixels["position"], path=pl.lit(table.path))


def _named(tree: Tree) -> pl.DataFrame:
    paths = tree.find("fer[0-9]*.png")
    names = [path.rpartition("/")[2].rpartition(".")[0] for path in paths]
    frame = pl.DataFrame({"name": names, "path": paths}, schema={"name": pl.String, "path": pl.String})
    return frame.unique("name", keep="first", maintain_order=True)
