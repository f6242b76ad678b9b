"""FER2013: 48 x 48 grey faces from the web, seven expressions, delivered as one CSV of pixels or as folders."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.join import classes
from fau.corpora.losses import NOT_CODED, Losses
from fau.corpora.media import Picture, read_pictures
from fau.corpora.naming import expression, split
from fau.corpora.tree import Tree
from fau.errors import FauError
from fau.units import counted

CLASSES: dict[int, str | None] = {
    **{0: "anger", 1: "disgust", 2: "fear", 3: "happiness", 4: "sadness", 5: "surprise", 6: "neutral"},
}
USAGES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
SIDE = 48  # pixels
_TABLES = ("fer2013.csv", "icml_face_data.csv")
_USAGE_IN_NAME = re.compile(r"(Training|PublicTest|PrivateTest)_\d+", re.IGNORECASE)
_ALL = (4953, 547, 5121, 8989, 6077, 4002, 6198)
_TRAINING = (3995, 436, 4097, 7215, 4830, 3171, 4965)


class PixelTable:
    """``fer2013.csv`` or ``icml_face_data.csv``: a line a picture, read as a stream, from zips too.

    A picture is decoded from its line when it is asked for. Going forward costs one pass over the file in all; going
    back starts again at the top.
    """

    def __init__(self, tree: Tree, path: str) -> None:
        self.path = path
        self._tree = tree
        self._lines: Iterator[bytes] | None = None
        self._next = 0  # row that the stream gives next
        self._column = 0  # of the pixels

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_lines": None}  # an open file stays here

    def rows(self) -> pl.DataFrame:
        """Return ``position`` (row from 0), ``code``, ``usage`` and ``black`` (whether all pixels are 0).

        Raises:
            FauError: If the header or a line is not FER2013's.
        """
        with self._tree.open(self.path) as file:
            columns = self._header(file)
            code, pixels, usage = (columns[name] for name in ("emotion", "pixels", "Usage"))
            rows = []
            for number, line in enumerate(file, 2):
                cells = line.strip().split(b",")
                if len(cells) == len(columns):
                    black = not cells[pixels].strip(b' 0"')
                    rows.append((cells[code].decode("latin-1"), cells[usage].decode("latin-1").strip(' "'), black))
                elif line.strip():
                    raise FauError(
                        f"line {number} of {self.path} has {len(cells)} cells instead of {len(columns)}; "
                        "fetch the file again"
                    )
        schema = {"code": pl.String, "usage": pl.String, "black": pl.Boolean}
        frame = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("position")
        strange = frame.filter(~pl.col("usage").is_in(list(USAGES)))
        if len(strange):
            raise FauError(
                f"column Usage of {self.path} holds the unknown value '{strange['usage'][0]}'; "
                f"known are {', '.join(USAGES)}"
            )
        return frame.with_columns(
            pl.col("position").cast(pl.Int32),
            classes(frame["code"].str.strip_chars(' "'), f"column emotion of {self.path}", CLASSES).alias("expression"),
        )

    def picture(self, position: int) -> Picture:
        """Return the picture of a row."""
        if self._lines is None or position < self._next:
            file = self._tree.open(self.path)
            self._column = self._header(file)["pixels"]
            self._lines, self._next = (line for line in file if line.strip()), 0
        line = b""
        while self._next <= position:
            line = next(self._lines, b"")
            self._next += 1
        cells = line.split(b",")
        return _decoded(cells[self._column]) if len(cells) > self._column else Picture(None, "no such row")

    def _header(self, file: IO[bytes]) -> dict[str, int]:
        names = [cell.strip(' "') for cell in file.readline().decode("utf-8-sig", "replace").strip().split(",")]
        if names == [""]:
            raise FauError(f"{self.path} is empty, or begins with an empty line; fetch the file again")
        for name in names:
            if name not in ("emotion", "pixels", "Usage"):
                raise FauError(
                    f"{self.path} has the foreign column '{name}'; FER2013's are emotion, pixels and Usage, "
                    "and any other table is read by 'table'"
                )
        if len(names) != 3 or len(set(names)) != 3:
            raise FauError(f"{self.path} has the columns {', '.join(names)}; it needs emotion, pixels and Usage")
        return {name: i for i, name in enumerate(names)}


def _decoded(cell: bytes) -> Picture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # text that is no number: the length tells below
        try:
            values = np.fromstring(cell.strip(b' "\r\n'), np.int64, sep=" ")
        except ValueError:
            values = np.zeros(0, np.int64)
    if len(values) != SIDE * SIDE or values.min() < 0 or values.max() > 255:
        return Picture(None, "no 48 x 48 grey values")
    grey: NDArray[np.uint8] = values.astype(np.uint8).reshape(SIDE, SIDE)
    return Picture(np.repeat(grey[..., None], 3, axis=2))


class Fer2013(Corpus):
    """FER2013 as ``fer2013.csv``, as ``icml_face_data.csv`` (spaces in its header), or as folders of classes.

    Training is the train part, PublicTest the validation part, PrivateTest the test part. In folders
    (``train/happy/Training_3908.jpg``, ``test/sad/PrivateTest_12.jpg``) the file's name tells the two tests apart;
    where it does not, the folder's name is the part. Pictures of one grey level are kept and counted (CSV only).

    Args:
        root: The folder with the CSV, or with ``train`` and ``test``.
    """

    name: ClassVar[str] = "fer2013"
    title: ClassVar[str] = "FER2013"
    ask: ClassVar[str] = "no form: the ICML 2013 challenge's page and mirrors; the photos are scraped, not clearly free"
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign(
            "pictures and labels",
            (*_TABLES, "train/*/Training_*.jpg", "test/*/PublicTest_*.jpg", "test/*/PrivateTest_*.jpg"),
        ),
    )
    aligned = True
    protocol = "official"
    published: Mapping[str, int] = {
        "crops": 35887,
        **{str(CLASSES[code]): count for code, count in enumerate(_ALL)},
        **{f"train/{CLASSES[code]}": count for code, count in enumerate(_TRAINING)},
    }

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._table = pixel_table(self.tree)

    def list(self) -> Listing:
        """Return one row a picture, in the order of the CSV or of the folders."""
        losses = Losses()
        if self._table is None:
            frame, found = _folders(self.tree, losses)
            return Listing(to_rows(frame, ()), losses, found)
        frame = self._table.rows()
        black = int(frame["black"].sum())
        frame = frame.select(
            pl.format("fer{}", pl.col("position").cast(pl.String).str.zfill(7)).alias("id"),
            pl.lit(self._table.path).alias("path"),
            pl.col("usage").replace_strict(USAGES).alias("split"),
            "position",
            "expression",
        )
        found = [f"pixels from {self._table.path}", f"all black, and kept: {counted(black, 'picture')}"]
        return Listing(to_rows(frame, ()), losses, found)

    def pictures(self, rows: pl.DataFrame) -> Iterator[Picture]:
        """Yield the picture of each row; fastest in ascending order."""
        if self._table is None:
            yield from read_pictures(self.tree, rows)
            return
        for position in rows["position"]:
            yield self._table.picture(position)


def pixel_table(tree: Tree) -> PixelTable | None:
    """Return the table of pixels in a tree, the original before the challenge's; None if there is none."""
    for name in _TABLES:
        files = tree.find(name)
        if files:
            return PixelTable(tree, files[0])
    return None


def _folders(tree: Tree, losses: Losses) -> tuple[pl.DataFrame, list[str]]:
    rows = []
    unlabelled = []
    unnamed = 0
    for path in tree.find("*.jpg", "*.jpeg", "*.png"):
        *folders, file = path.split("/")
        stem = file.rpartition(".")[0]
        label = expression(folders[-1]) if folders else None
        part = split(folders[-2]) if len(folders) > 1 else None
        usage = _USAGE_IN_NAME.fullmatch(stem)
        if usage:
            part = next(part for name, part in USAGES.items() if name.lower() == usage[1].lower())
        if label is None or label not in CLASSES.values() or part is None:
            unlabelled.append(path)
            continue
        unnamed += usage is None
        rows.append(("/".join([*folders[-2:], stem]), path, part, label))
    losses.add(NOT_CODED, unlabelled)
    if not rows:
        raise FauError(
            f"'{tree.root}' holds neither fer2013.csv nor icml_face_data.csv nor folders such as train/happy; "
            "give the folder of FER2013 that holds one of them"
        )
    found = ["folders of classes"]
    if unnamed:
        found.append(
            f"not named after their Usage, so that their folder is their part: {counted(unnamed, 'picture')}; the two "
            "tests cannot be told apart there"
        )
    schema = {"id": pl.String, "path": pl.String, "split": pl.String, "expression": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row"), found
