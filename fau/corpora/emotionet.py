"""EmotioNet: addresses of images on the web with action units, and what could still be fetched of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import polars as pl

from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.folders import image_folder
from fau.corpora.join import decode
from fau.corpora.losses import DEAD_LINK, NOT_ANNOTATED, NOT_CODED, Losses
from fau.corpora.media import Picture, read_pictures
from fau.corpora.paths import IMAGES, folders, rank, respelled
from fau.corpora.tree import Tree, inside, join
from fau.errors import FauError
from fau.labels import AU_NAMES, au_column

LISTED_AGAIN = "image listed again"

_FIRST = 2  # columns before the values: current and original address
_KEY = r"([^/\\]+[/\\][^/\\?#]+)(?:[?#].*)?$"  # folder and file at the end of an address


class EmotioNet(Corpus):
    """EmotioNet's tab-separated ``dataFile_0001.txt``: two addresses, then a value for each action unit from 1 on.

    An address ends in ``Images/<folder>/<file>``; by ``<folder>/<file>`` an image is looked up, or by ``<file>`` alone
    where that is unique. Files with a header are read by its numbers. 1 is active, 0 not, 999 (recalled) and blank are
    unknown. Values of codes that are no action unit of ``fau.labels`` are passed over. Most addresses are dead by now:
    rows without a file are counted as such, and are no fault. Nobody says who is in an image.

    Args:
        root: The folder that holds the lists.
        images: The folder of the images, below RAW or absolute; by default one called ``Images``, else RAW itself.
    """

    name: ClassVar[str] = "emotionet"
    title: ClassVar[str] = "EmotioNet"
    ask: ClassVar[str] = "Ohio State University, A. M. Martinez: request for research; images are addresses on the web"
    signs: ClassVar[tuple[Sign, ...]] = (Sign("lists of addresses with action units", ("dataFile_*.txt",)),)
    aus: tuple[int, ...] = tuple(au for au in AU_NAMES if au <= 60)

    def __init__(self, root: Path, *, images: str = "") -> None:
        super().__init__(root)
        self.images = images
        self._pictures = self.tree

    def list(self) -> Listing:
        """Return a row for each address whose image is there; see ``Corpus.list``.

        ``aus`` are those that are coded at all from here on.

        Raises:
            FauError: If there are no lists or no images, or a list has a foreign column, address or code.
        """
        files = self.tree.find("dataFile_*.txt")
        if not files:
            raise FauError(f"'{self.tree.root}' has no dataFile_*.txt; give the folder that holds EmotioNet's lists")
        losses = Losses()
        rows = pl.concat([_read(self.tree, file, losses) for file in files], how="diagonal")
        first = rows["id"].is_first_distinct()
        losses.add(LISTED_AGAIN, rows.filter(~first)["id"])
        rows = rows.filter(first)
        self._pictures, folder = image_folder(self.tree, self.images, ("images",))
        rows = _with_paths(rows, _images(self._pictures, folder), losses)
        if not len(rows):
            raise FauError(
                f"none of the listed images is under '{self._pictures.root / folder}'; say with --images where they are"
            )
        codes = [name for name in rows.columns if name not in ("id", "path")]
        blank = pl.all_horizontal(pl.col(*codes).is_null())
        losses.add(NOT_ANNOTATED, rows.filter(blank)["id"])
        rows = rows.filter(~blank)
        self.aus = tuple(au for au in AU_NAMES if au_column(au) in codes and rows[au_column(au)].count())
        found = [f"{len(files)} lists; action units {', '.join(map(str, self.aus))} are coded"]
        rows = rows.select("id", "path", *map(au_column, self.aus)).sort(rank(folders(rows["id"])), "id")
        return Listing(to_rows(rows, self.aus), losses, found)

    def pictures(self, rows: pl.DataFrame) -> Iterator[Picture]:
        """Yield the picture of each row; see ``Corpus.pictures``."""
        return read_pictures(self._pictures, rows)


def _read(tree: Tree, file: str, losses: Losses) -> pl.DataFrame:
    """Return the rows of a list: ``id`` and a column for each action unit."""
    where = str(tree.root / file)
    text = tree.text(file).replace("\r\n", "\n").rstrip()
    line = text.partition("\n")[0]
    cells = line.split("\t")
    if not text:
        return pl.DataFrame(schema={"id": pl.String})
    if len(cells) <= _FIRST:
        raise FauError(f"'{where}' has {len(cells)} tab-separated columns, where two addresses and values are due")
    headed = "/" not in cells[0] and "\\" not in cells[0]
    numbers = _numbers(cells[_FIRST:], where) if headed else list(range(1, len(cells) - _FIRST + 1))
    names = [*(f"address {i}" for i in range(_FIRST)), *(f"value {i}" for i in range(len(numbers)))]
    body = text.partition("\n")[2] if headed else text
    try:
        content = "\t".join(names) + "\n" + body
        table = pl.read_csv(content.encode(), separator="\t", infer_schema=False, quote_char=None)
    except pl.exceptions.PolarsError as error:
        raise FauError(f"'{where}' is no table of {len(cells)} columns: {str(error).splitlines()[0]}") from error
    values = {}
    for name, au in zip(names[_FIRST:], numbers, strict=True):
        if au in AU_NAMES and au_column(au) not in values:
            values[au_column(au)] = decode(table[name], f"'{where}', AU{au},", (0, 1), (999,)).cast(pl.Int8)
    ids = _ids(table[names[0]], where)
    dead = table.with_row_index("line", 1 + headed).filter(ids.is_null())
    losses.add(DEAD_LINK, dead.select(pl.format("{} line {}", pl.lit(file), "line")).to_series())
    return pl.DataFrame({"id": ids, **values}).drop_nulls("id")


def _numbers(cells: list[str], where: str) -> list[int]:
    """Return the numbers of the action units in a header: ``AU 1``, ``AU1`` or ``1``."""
    found = [re.fullmatch(r"\s*\"?(?:AU)?[ _]*(\d+)\"?\s*", cell, re.IGNORECASE) for cell in cells]
    if None in found:
        strange = cells[found.index(None)]
        raise FauError(f"'{where}' has the column '{strange.strip()}', where numbers of action units are due")
    return [int(match[1]) for match in found if match]


def _ids(addresses: pl.Series, where: str) -> pl.Series:
    """Return ``<folder>/<file>`` of each address; null for a blank one."""
    text = addresses.str.strip_chars(" \"'").replace("", None)
    ids = text.str.extract(_KEY).str.replace("\\", "/", literal=True)
    strange = text.filter(text.is_not_null() & ids.is_null())
    if len(strange):
        raise FauError(f"'{where}' has '{strange[0]}', where the address of an image is due; correct that line")
    outside = ids.filter(ids.str.contains(r"(^|/)\.\.(/|$)"))
    if len(outside):
        inside(outside[0], f"'{where}'")
    return ids


def _images(tree: Tree, folder: str) -> pl.DataFrame:
    """Return the images of a folder: ``path``, ``id`` by folder and file, ``file``."""
    paths = [join(place, name) for place, names in tree.walk(folder) for name in names if name.lower().endswith(IMAGES)]
    table = pl.DataFrame({"path": paths}, schema={"path": pl.String})
    return table.with_columns(
        pl.col("path").str.extract(_KEY).alias("id"), pl.col("path").str.extract(r"([^/]+)$").alias("file")
    )


def _with_paths(rows: pl.DataFrame, images: pl.DataFrame, losses: Losses) -> pl.DataFrame:
    """Return the rows whose image is there, with ``path``; note the others, and images that no row names."""
    by_id = images.drop_nulls("id").unique("id", keep="none")
    found = _joined(rows, "id", by_id)
    rest = rows.join(found, on="id", how="anti").with_columns(pl.col("id").str.extract(r"([^/]+)$").alias("file"))
    by_file = images.join(found, on="path", how="anti").unique("file", keep="none").select("file", "path")
    alone = _joined(rest.filter(~rest["file"].is_duplicated()), "file", by_file).drop("file")
    found = pl.concat([found, alone.select(found.columns)])
    losses.add(DEAD_LINK, rows.join(found, on="id", how="anti")["id"])
    losses.add(NOT_CODED, images.join(found, on="path", how="anti")["path"])
    return found


def _joined(rows: pl.DataFrame, key: str, images: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that an image has the key of, with its path; ``x.jpg`` may lie there as ``x.JPG``."""
    keyed = rows.with_columns(respelled(rows[key], images[key]).alias("_key"))
    return keyed.join(images.select(pl.col(key).alias("_key"), "path"), on="_key", how="inner").drop("_key")
