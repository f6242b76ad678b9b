"""AffectNet as first released in 2017: images of the web with lists in CSV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.affect import affect
from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.folders import find_files, find_folders
from fau.corpora.join import classes
from fau.corpora.losses import NO_IMAGE, NOT_A_FACE, NOT_ANNOTATED, NOT_CODED, Losses
from fau.corpora.paths import IMAGES, checked, folders, listed, rank, respelled
from fau.corpora.tree import Tree, join
from fau.errors import FauError

LISTED_AGAIN = "image listed again"

_PATH, _POINTS = "subDirectory_filePath", "facial_landmarks"
_BOX = ("face_x", "face_y", "face_width", "face_height")
_LABELS = ("expression", "valence", "arousal")
_COLUMNS = (_PATH, *_BOX, _POINTS, *_LABELS)

# None (8) and uncertain (9) say nothing of the expression.
_CLASSES: Mapping[int, str | None] = {
    **{0: "neutral", 1: "happiness", 2: "sadness", 3: "surprise", 4: "fear", 5: "disgust", 6: "anger", 7: "contempt"},
    **{8: None, 9: None, 10: None},
}
_NO_FACE = "10"

_MANUAL = ("manually_annotated_images", "manually_annotated")
_AUTOMATIC = ("automatically_annotated_images", "automatically_annotated")
_CHUNK = 20_000  # lines
_TRAIN = (74_874, 134_415, 25_459, 14_090, 6_378, 3_803, 24_882, 3_750)


@dataclass(frozen=True)
class _List:
    """A list of images.

    Attributes:
        file: Its path.
        split: Of its rows.
        images: The folder of its images.
        before: What comes before the listed path in an id.
        columns: Its columns in order.
        headed: Whether its first line names them.
    """

    file: str
    split: str
    images: str
    before: str
    columns: tuple[str, ...]
    headed: bool


class AffectNet(Corpus):
    """AffectNet's release of 2017: images ``Manually_Annotated_Images/<int>/<hash>`` with any ending.

    The lists ``training.csv`` and ``validation.csv`` are found in any folder, with a header or without one (recalled:
    some deliveries lack it). The owner calls the two parts training and validation, and the literature tests on the
    latter: rows have split ``train`` and ``test``. Classes 8 (none) and 9 (uncertain) have no expression, but count
    where valence and arousal are known; class 10 is no face. Nobody says who is in an image. A face box is cut off at
    the picture's left and top edge; how far the picture reaches is not known before it is opened.

    Args:
        root: The folder that the owner delivered.
        automatic: Whether the automatically annotated images are read too, as further training images.
    """

    name: ClassVar[str] = "affectnet"
    title: ClassVar[str] = "AffectNet (2017)"
    ask: ClassVar[str] = "University of Denver, M. H. Mahoor: form signed by a professor or laboratory manager"
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign("list of validation images", ("validation.csv",)),
        Sign("manually annotated images", ("Manually_Annotated_Images/*/*", "Manually_Annotated/*/*")),
        Sign("list of training images", ("training.csv",), needed=False),
        Sign("automatically annotated list", ("automatically_annotated.csv",), needed=False),
    )
    landmark_set: str = "68"
    protocol: str = "official"

    def __init__(self, root: Path, *, automatic: bool = False) -> None:
        super().__init__(root)
        self.automatic = automatic
        train = {} if automatic else {f"train/{_CLASSES[code]}": count for code, count in enumerate(_TRAIN)}
        self.published = train | {f"test/{_CLASSES[code]}": 500 for code in range(8)}
        self._points: tuple[pl.DataFrame, NDArray[np.float32]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_points": None}  # 200 MB: another process reads its own

    def list(self) -> Listing:
        """Return a row for each listed image with a face and a label; see ``Corpus.list``.

        Raises:
            FauError: If there are no lists or no images, or a list has a foreign column or code, or a path that leads
                out of the folder.
        """
        lists = _lists(self.tree, self.automatic)
        losses = Losses()
        rows = pl.concat([_read(self.tree, one) for one in lists])
        files = _files(self.tree, {one.images for one in lists})
        rows = rows.with_columns(respelled(rows["path"], files["path"]).alias("path"))
        first = rows["path"].is_first_distinct()
        losses.add(LISTED_AGAIN, rows.filter(~first)["id"])
        rows = rows.filter(first)
        losses.add(NOT_CODED, files.join(rows, on="path", how="anti")["path"])
        present = rows["path"].is_in(files["path"].implode())
        losses.add(NO_IMAGE, rows.filter(~present)["id"])
        rows = rows.filter(present)
        losses.add(NOT_A_FACE, rows.filter("no_face")["id"])
        rows = rows.filter(~pl.col("no_face")).drop("no_face")
        blank = pl.all_horizontal(pl.col(*_LABELS).is_null())
        losses.add(NOT_ANNOTATED, rows.filter(blank)["id"])
        rows = rows.filter(~blank)
        rows = rows.sort(rank(folders(rows["path"])), "path")
        found = [f"'{one.file}' {'has' if one.headed else 'lacks'} a header" for one in lists]
        return Listing(to_rows(rows, self.aus), losses, found)

    def landmarks(self, rows: pl.DataFrame) -> NDArray[np.float32]:
        """Return the 68 points of each row, NaN where the list has none; see ``Corpus.landmarks``."""
        if self._points is None:
            self._points = _read_points(self.tree, _lists(self.tree, self.automatic))
        index, points = self._points
        places = rows.select("id").join(index, on="id", how="left", maintain_order="left")["row"]
        chosen: NDArray[np.float32] = points[places.fill_null(len(points) - 1).to_numpy()]
        return chosen


def _lists(tree: Tree, automatic: bool) -> list[_List]:
    """Return the lists to read; validation first, so that an image that is in several lists tests."""
    found = []
    for name, split, names, before in (
        ("validation.csv", "test", _MANUAL, ""),
        ("training.csv", "train", _MANUAL, ""),
        ("automatically_annotated.csv", "train", _AUTOMATIC, "automatic/"),
    ):
        if before and not automatic:
            continue
        files = find_files(tree, (name,), skip=(_MANUAL[0], _AUTOMATIC[0]))
        if len(files) > 1:
            raise FauError(f"'{tree.root}' has several: {', '.join(files)}; move all but one away")
        if files:
            columns, headed = _columns(tree, files[0])
            found.append(_List(files[0], split, _image_folder(tree, names), before, columns, headed))
        elif before:
            raise FauError(f"'{tree.root}' has no '{name}'; leave --automatic out, or unpack that list there")
    if not found:
        raise FauError(f"'{tree.root}' has no training.csv and no validation.csv; give the folder that holds AffectNet")
    return found


def _image_folder(tree: Tree, names: tuple[str, ...]) -> str:
    """Return the folder of numbered folders of images."""
    places = [place for place in find_folders(tree, names) if any(name.isdecimal() for name in tree.folder(place)[0])]
    if not places:
        raise FauError(
            f"'{tree.root}' has no folder '{names[0]}' (in any case) with numbered folders of images; unpack it there"
        )
    if len(places) > 1:
        raise FauError(f"'{tree.root}' has images in {', '.join(places)}; move all but one away")
    return places[0]


def _columns(tree: Tree, file: str) -> tuple[tuple[str, ...], bool]:
    """Return the columns of a list, and whether it names them."""
    with tree.open(file) as stream:
        line = stream.readline().decode("utf-8-sig", "replace")
    cells = [cell.strip().strip('"') for cell in line.split(",")]
    known = {name.lower(): name for name in _COLUMNS}
    if any(cell.lower() in known for cell in cells):
        strange = [cell for cell in cells if cell.lower() not in known]
        missing = [name for name in _COLUMNS if name.lower() not in {cell.lower() for cell in cells}]
        if strange or missing:
            fault = f"has the foreign column '{strange[0]}'" if strange else f"lacks the column '{missing[0]}'"
            raise FauError(f"'{tree.root / file}' {fault}; its columns are {', '.join(_COLUMNS)}")
        return tuple(known[cell.lower()] for cell in cells), True
    if line.strip() and len(cells) != len(_COLUMNS):
        raise FauError(
            f"'{tree.root / file}' has {len(cells)} columns and no header; its columns are {', '.join(_COLUMNS)}"
        )
    return _COLUMNS, False


def _read(tree: Tree, one: _List) -> pl.DataFrame:
    """Return the rows of a list, decoded, without landmarks."""
    path = str(tree.root / one.file)
    with tree.open(one.file) as stream:
        for number, line in enumerate(stream, 1):
            if line.count(b",") < len(one.columns) - 1:
                fault = f"has {line.count(b',') + 1} of {len(one.columns)} columns" if line.strip() else "is blank"
                raise FauError(f"line {number} of '{path}' {fault}; remove it, or fetch the file from the owner again")
    content = tree.on_disk(one.file) or BytesIO(tree.read(one.file))
    text = dict.fromkeys(one.columns, pl.String)
    try:
        lines = pl.scan_csv(
            content, has_header=False, skip_rows=int(one.headed), schema=text, quote_char=None, raise_if_empty=False
        )
        table = lines.select(name for name in one.columns if name != _POINTS).collect()
    except pl.exceptions.PolarsError as error:
        raise FauError(f"'{path}' is no table of comma-separated values: {str(error).splitlines()[0]}") from error
    names = checked(table[_PATH], f"'{path}'")
    place = pl.lit(f"{one.images}/")
    return table.select(
        pl.concat_str(pl.lit(one.before), names).alias("id"),
        pl.concat_str(place, names).alias("path"),
        pl.lit(one.split).alias("split"),
        (pl.col("expression").str.strip_chars() == _NO_FACE).fill_null(False).alias("no_face"),
        classes(table["expression"], f"'{path}', expression,", _CLASSES),
        *(affect(table[name], f"'{path}', {name},", -2) for name in ("valence", "arousal")),
    ).with_columns(_boxes(table, path))


def _boxes(table: pl.DataFrame, path: str) -> list[pl.Series]:
    """Return the face boxes cut off at the picture's left and top; one without area is null."""
    columns = {}
    for name in _BOX:
        text = table[name].str.strip_chars().replace("", None)
        columns[name] = text.cast(pl.Float32, strict=False)
        strange = text.filter(columns[name].is_null() & text.is_not_null())
        if len(strange):
            raise FauError(f"'{path}', {name}, holds '{strange[0]}', which is no number; correct that row")
    x, y, w, h = (pl.col(name) for name in _BOX)
    left, top = pl.max_horizontal(x, 0), pl.max_horizontal(y, 0)
    width, height = x + w - left, y + h - top
    whole = (width > 0) & (height > 0)
    cut = {"face_x": left, "face_y": top, "face_w": width, "face_h": height}
    frame = pl.DataFrame(columns).select(pl.when(whole).then(value).alias(name) for name, value in cut.items())
    return frame.get_columns()


def _files(tree: Tree, places: set[str]) -> pl.DataFrame:
    """Return the images in the numbered folders: ``path``."""
    numbered = [join(join(place, name), "") for place in sorted(places) for name in tree.folder(place)[0]]
    files = listed(tree, pl.Series(numbered, dtype=pl.String))
    return pl.DataFrame({"path": files}).filter(
        pl.any_horizontal(pl.col("path").str.to_lowercase().str.ends_with(ending) for ending in IMAGES)
    )


def _read_points(tree: Tree, lists: list[_List]) -> tuple[pl.DataFrame, NDArray[np.float32]]:
    """Return the place of each id in an array of landmarks (n + 1, 68, 2), whose last row is NaN."""
    ids = [pl.Series([], dtype=pl.String)]
    points = []
    for one in lists:
        where = str(tree.root / one.file)
        at, of = one.columns.index(_PATH), one.columns.index(_POINTS)
        with tree.open(one.file) as stream:
            if one.headed:
                stream.readline()
            while lines := list(islice(stream, _CHUNK)):  # the text of all would take gigabytes
                cells = [line.decode("utf-8", "replace").split(",") for line in lines]
                some = [row for row in cells if len(row) > max(at, of) and row[of].strip()]
                ids.append(one.before + checked(pl.Series([row[at] for row in some], dtype=pl.String), where))
                points.append(_numbers(pl.Series([row[of] for row in some], dtype=pl.String), ids[-1], where))
    array = np.concatenate([*points, np.full((1, 68, 2), np.nan, np.float32)])
    return pl.DataFrame({"id": pl.concat(ids)}).with_row_index("row").unique("id", keep="first"), array


def _numbers(texts: pl.Series, ids: pl.Series, where: str) -> NDArray[np.float32]:
    """Return landmarks of text, shape (n, 68, 2)."""
    parts = texts.str.strip_chars(" ;").str.split(";")
    numbers = parts.explode().str.strip_chars().cast(pl.Float32, strict=False)
    if numbers.null_count() or (parts.list.len() != 136).any():
        wrong = parts.list.len() != 136
        wrong |= parts.list.eval(pl.element().str.strip_chars().cast(pl.Float32, strict=False).is_null()).list.any()
        raise FauError(
            f"'{where}' has other than 136 numbers as landmarks of '{ids.filter(wrong)[0]}'; correct that row"
        )
    return numbers.to_numpy().reshape(-1, 68, 2)
