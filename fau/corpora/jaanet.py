"""The list files of JAA-Net over frames of BP4D or DISFA, before or after its alignment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.folders import find_folders, image_folder, levels
from fau.corpora.lists import (
    Dataset,
    Pair,
    choose_dataset,
    join_pictures,
    read_lines,
    read_pairs,
    read_paths,
    same_length,
)
from fau.corpora.losses import Losses
from fau.corpora.media import Picture, read_pictures
from fau.corpora.tree import Tree, join
from fau.errors import FauError

_PATHS = re.compile(r"^(BP4D|DISFA)_(\w+)_path\.txt$", re.IGNORECASE)
# AU-Net's code reads one list of all frames, whose labels are in another of no corpus's name beside it.
_NAMES = re.compile(r"^(BP4D|DISFA)_names_label\.txt$", re.IGNORECASE)
_NAMES_LABELS = "au_labels.txt"
_CROPS = "imgs"  # the folder of pictures after the alignment
_FRAMES = "dataset"  # the folder of frames and landmarks before it
_POINTS = 49
_CHUNK = 20_000  # lines of landmarks at a time

# Frames that JAA-Net's lists have: those in which tracking failed are left out.
_LISTED = {"BP4D": 50_601 + 50_166 + 45_809, "DISFA": 43_173 + 40_344 + 42_627}


class JAANet(Corpus):
    """Lists ``BP4D_part1_path.txt`` with ``BP4D_part1_AUoccur.txt`` and ``BP4D_part1_land.txt``, and the pictures.

    ``part1`` may be any name, so that AU-Net's lists are read too once they have labels; so are the two lists that its
    code calls ``BP4D_names_label.txt`` and ``au_labels.txt`` (that their columns are JAA-Net's is inferred).
    ``combine_1_2`` and ``part1`` may both be there, a frame is one row. What a path says counts, not its spelling:
    subject, task and number find the picture, whether zeros pad its number and whether it is ``BP4D/F001/T1/0643.jpg``
    or ``F001_T1_0643.jpg``. The label 9 is unknown. Landmarks are the 49 of each line; before the alignment they count
    pixels from 1. Weights, eye distances and ``reflect_49.txt`` are not read.

    Args:
        root: The folder of the code, with ``data/list`` and ``data/imgs`` or ``dataset``.
        images: The folder of the pictures, below RAW or absolute; by default ``imgs``, else ``dataset``.
        dataset: Whose lists are read, if both are there.
        stage: Which pictures these are: JAA-Net's ``aligned`` crops of 200 pixels, or ``raw`` frames. ``auto``:
            aligned, if there is a folder ``imgs``.
    """

    name: ClassVar[str] = "jaanet"
    title: ClassVar[str] = "JAA-Net lists"
    ask: ClassVar[str] = "the owners of BP4D and DISFA; the code's public repository has the lists of paths only"
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign(
            "lists of paths", ("BP4D_*_path.txt", "DISFA_*_path.txt", "BP4D_names_label.txt", "DISFA_names_label.txt")
        ),
        Sign("lists of labels", ("BP4D_*_AUoccur.txt", "DISFA_*_AUoccur.txt", _NAMES_LABELS)),
        Sign("lists of landmarks", ("BP4D_*_land.txt", "DISFA_*_land.txt"), needed=False),
    )
    landmark_set: str = "49"

    def __init__(
        self,
        root: Path,
        *,
        images: str = "",
        dataset: Literal["auto", "bp4d", "disfa"] = "auto",
        stage: Literal["auto", "aligned", "raw"] = "auto",
    ) -> None:
        super().__init__(root)
        self.images = images
        self.dataset = dataset
        self.stage = stage
        self._pictures = self.tree
        self._lists: tuple[Dataset, tuple[tuple[str, str], ...]] | None = None  # paths and landmarks
        self._points: tuple[pl.DataFrame, NDArray[np.float32]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_points": None}  # 60 MB: another process reads its own

    def list(self) -> Listing:
        """Return a row for each listed frame with a picture and a label; see ``Corpus.list``.

        ``aus``, ``aligned``, ``landmark_set`` and ``protocol`` are known from here on.

        Raises:
            FauError: If there are no lists or no pictures, two lists differ in length or contradict each other, or a
                list has an unknown code or a foreign path.
        """
        files = _list_files(self.tree)
        names = [path.rsplit("/", 1)[-1] for path in files]
        names = [name for name in names if _PATHS.match(name) or _NAMES.match(name)]
        dataset = choose_dataset(self.tree, self.dataset, names)
        self.aus, self.protocol = dataset.aus, f"{dataset.protocol}-jaa"  # folds numbered in reverse
        self.published = {"crops": _LISTED[dataset.name], **dataset.published}
        self.aligned = self.stage == "aligned" or (self.stage == "auto" and bool(find_folders(self.tree, (_CROPS,))))
        pairs, found = _pairs(self.tree, files, dataset)
        labels, said = read_pairs(self.tree, pairs, dataset)
        points = _landmark_lists(self.tree, files, pairs, self.aligned)
        self._lists = dataset, points
        self.landmark_set = "49" if points else "none"
        found.append("pictures after JAA-Net's alignment" if self.aligned else "frames before JAA-Net's alignment")
        if len(points) < len(pairs):
            found.append(f"{len(points)} of {len(pairs)} lists have landmarks")
        losses = Losses()
        self._pictures, folder = image_folder(self.tree, self.images, (_CROPS,) if self.aligned else (_FRAMES,))
        rows = join_pictures(self._pictures, folder, labels, dataset, pairs[0].paths, losses)
        return Listing(to_rows(rows, self.aus), losses, found + said)

    def pictures(self, rows: pl.DataFrame) -> Iterator[Picture]:
        """Yield the picture of each row; see ``Corpus.pictures``."""
        return read_pictures(self._pictures, rows)

    def landmarks(self, rows: pl.DataFrame) -> NDArray[np.float32]:
        """Return the 49 points of each row, NaN where no list has them; see ``Corpus.landmarks``."""
        if self._lists is None:
            self.list()
        if self._points is None and self._lists is not None:
            self._points = _read_points(self.tree, *self._lists, first=0 if self.aligned else 1)
        if self._points is None or self.landmark_set == "none":
            return super().landmarks(rows)
        index, points = self._points
        keys = rows.select("sequence", "frame")
        places = keys.join(index, on=["sequence", "frame"], how="left", maintain_order="left")["row"]
        chosen: NDArray[np.float32] = points[places.fill_null(len(points) - 1).to_numpy()]
        return chosen


def _list_files(tree: Tree) -> tuple[str, ...]:
    """Return the text files of the upper levels."""
    return tuple(
        join(folder, name)
        for folder, _, files in levels(tree, skip=(_CROPS,))
        for name in files
        if name.lower().endswith(".txt")
    )


def _pairs(tree: Tree, files: tuple[str, ...], dataset: Dataset) -> tuple[list[Pair], list[str]]:
    """Return the lists of paths that have one of labels, and which have none."""
    lower = {path.lower(): path for path in files}
    pairs: dict[str, Pair] = {}
    found = []
    for path in files:
        folder, _, name = path.rpartition("/")
        if (match := _PATHS.match(name)) is not None:
            part, beside = match[2].lower(), path.lower().removesuffix("_path.txt") + "_auoccur.txt"
        elif (match := _NAMES.match(name)) is not None:
            part, beside = "", join(folder, _NAMES_LABELS).lower()
        if match is None or match[1].upper() != dataset.name:
            continue
        labels = lower.get(beside)
        if labels is None:
            found.append(f"'{path}' has no list of labels beside it")
        elif part in pairs:
            raise FauError(f"'{pairs[part].paths}' and '{path}' are the same list; move one of them away")
        else:
            pairs[part] = Pair(path, labels, part if re.fullmatch(r"(part|ts|test)_?\d+", part) else "")
    if not pairs:
        raise FauError(
            f"no list of paths of {dataset.name} under '{tree.root}' has a list of labels such as "
            f"{dataset.name}_part1_AUoccur.txt beside it; make them as JAA-Net's documentation says"
        )
    return [*pairs.values()], found


def _landmark_lists(
    tree: Tree, files: tuple[str, ...], pairs: list[Pair], aligned: bool
) -> tuple[tuple[str, str], ...]:
    """Return the lists of paths with their landmarks, those that belong to the pictures.

    After the alignment they stand beside the paths, before it in the folder of the frames under the same name.
    """
    found = []
    for pair in pairs:
        beside = re.sub(r"_path\.txt$", "_land.txt", pair.paths, flags=re.IGNORECASE)
        if beside == pair.paths:
            continue
        same = [path for path in files if path.rsplit("/", 1)[-1].lower() == beside.rsplit("/", 1)[-1].lower()]
        same.sort(key=lambda path: (path.lower() == beside.lower()) != aligned)
        if same and (not aligned or same[0].lower() == beside.lower()):
            count, other = len(read_lines(tree, pair.paths)), len(read_lines(tree, same[0]))
            same_length(tree, pair.paths, count, same[0], other)
            found.append((pair.paths, same[0]))
    return tuple(found)


def _read_points(
    tree: Tree, dataset: Dataset, lists: tuple[tuple[str, str], ...], first: int
) -> tuple[pl.DataFrame, NDArray[np.float32]]:
    """Return the place of each frame in an array of landmarks (n + 1, 49, 2), whose last row is NaN.

    Args:
        tree: Where the lists are.
        dataset: Whose they are.
        lists: Paths and landmarks.
        first: How the lists number the first pixel.
    """
    known = pl.DataFrame(schema={"sequence": pl.String, "frame": pl.Int32})
    points = []
    for paths, land in lists:
        lines = pl.DataFrame({"line": read_lines(tree, land)})
        table = pl.concat([read_paths(tree, paths, dataset), lines], how="horizontal").drop("subject")
        new = table.unique(["sequence", "frame"], keep="first", maintain_order=True)
        new = new.join(known, on=["sequence", "frame"], how="anti", maintain_order="left")
        known = pl.concat([known, new.drop("line")])
        points += [_numbers(chunk["line"], str(tree.root / land)) - first for chunk in new.iter_slices(_CHUNK)]
    array = np.concatenate([*points, np.full((1, _POINTS, 2), np.nan, np.float32)])
    return known.with_row_index("row"), array


def _numbers(lines: pl.Series, where: str) -> NDArray[np.float32]:
    """Return landmarks of text, float32 (n, 49, 2)."""
    parts = lines.str.extract_all(r"[^\s,]+")
    numbers = parts.explode().cast(pl.Float32, strict=False)
    wrong = parts.list.len() != 2 * _POINTS
    if wrong.any() or numbers.null_count():
        wrong |= parts.list.eval(pl.element().cast(pl.Float32, strict=False).is_null()).list.any()
        text = lines.filter(wrong)[0]
        raise FauError(
            f"'{where}' has the line '{text[:40]}...' with other than {2 * _POINTS} numbers, two for each of {_POINTS} "
            "points; make it again with JAA-Net's code"
        )
    return numbers.to_numpy().reshape(-1, _POINTS, 2)
