"""The list files of ME-GraphAU, and the complete ones of MDHR, over frames of BP4D or DISFA."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import polars as pl

from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.folders import image_folder, levels
from fau.corpora.lists import Dataset, Pair, choose_dataset, join_pictures, read_pairs
from fau.corpora.losses import Losses
from fau.corpora.media import Picture, read_pictures
from fau.corpora.tree import Tree, join
from fau.errors import FauError
from fau.labels import au_column

_PATHS = re.compile(r"^(BP4D|DISFA)_(train|test)_(?:img_)?path_fold(\d+)\.txt$", re.IGNORECASE)
_IMAGES = ("img", "imgs", "images")


class MEGraphAU(Corpus):
    """Lists as ``BP4D_train_img_path_fold1.txt`` with ``BP4D_train_label_fold1.txt``, and the pictures that they name.

    MDHR's spelling ``DISFA_train_path_fold1.txt`` is read too. What a path says counts, not its spelling: subject, task
    and number find the picture, whether zeros pad its number and whether it is ``F001/T1/2440.jpg``,
    ``F001_T1_2440.jpg``, ``SN001/0.png`` or ``SN003/SN003_0.png``. A frame is one row, however many lists have it; the
    label 9 is unknown. Weights, relations and one-sided labels are not read.

    Args:
        root: The folder that holds the lists, such as ``data``.
        images: The folder of the pictures, below RAW or absolute; by default one called ``img`` beside the lists.
        dataset: Whose lists are read, if both are there.
    """

    name: ClassVar[str] = "megraphau"
    title: ClassVar[str] = "ME-GraphAU lists"
    ask: ClassVar[str] = "the owners of BP4D and DISFA; the code's public repository has incomplete lists of labels"
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign("lists of paths", ("*_test_img_path_fold?.txt", "*_test_path_fold?.txt")),
        Sign("lists of labels", ("*_test_label_fold?.txt",)),
    )

    def __init__(self, root: Path, *, images: str = "", dataset: Literal["auto", "bp4d", "disfa"] = "auto") -> None:
        super().__init__(root)
        self.images = images
        self.dataset = dataset
        self._pictures = self.tree

    def list(self) -> Listing:
        """Return a row for each listed frame with a picture and a label; see ``Corpus.list``.

        ``aus`` and ``protocol`` are known from here on.

        Raises:
            FauError: If there are no lists or no pictures, two lists differ in length or contradict each other, or a
                list has an unknown code or a foreign path.
        """
        folders = [(folder, files) for folder, _, files in levels(self.tree, skip=_IMAGES)]
        names = [name for _, files in folders for name in files if _PATHS.match(name)]
        dataset = choose_dataset(self.tree, self.dataset, names)
        self.aus, self.protocol = dataset.aus, dataset.protocol
        positives = {au_column(au): count for au, count in zip(dataset.aus, dataset.positives, strict=True)}
        self.published = {"crops": dataset.frames, **dataset.published, **positives}
        pairs, found = _pairs(self.tree, folders, dataset)
        labels, said = read_pairs(self.tree, pairs, dataset)
        losses = Losses()
        self._pictures, folder = _image_folder(self.tree, self.images, pairs[0].paths)
        rows = join_pictures(self._pictures, folder, labels, dataset, pairs[0].paths, losses)
        return Listing(to_rows(rows, self.aus), losses, found + said)

    def pictures(self, rows: pl.DataFrame) -> Iterator[Picture]:
        """Yield the picture of each row; see ``Corpus.pictures``."""
        return read_pictures(self._pictures, rows)


def _pairs(tree: Tree, folders: list[tuple[str, list[str]]], dataset: Dataset) -> tuple[list[Pair], list[str]]:
    """Return the lists of paths that have one of labels, and which have none."""
    pairs: dict[tuple[str, str], Pair] = {}
    found = []
    for folder, files in folders:
        for name in files:
            match = _PATHS.match(name)
            if not match or match[1].upper() != dataset.name:
                continue
            part, fold = match[2].lower(), match[3]
            label = next((f for f in files if f.lower() == f"{dataset.name}_{part}_label_fold{fold}.txt".lower()), None)
            if label is None:
                found.append(f"'{join(folder, name)}' has no list of labels beside it")
                continue
            if (part, fold) in pairs:
                raise FauError(
                    f"'{pairs[part, fold].paths}' and '{join(folder, name)}' are the same list; move one of them away"
                )
            tests = f"fold {fold} tests" if part == "test" else ""
            pairs[part, fold] = Pair(join(folder, name), join(folder, label), tests)
    if not pairs:
        raise FauError(
            f"no list of paths of {dataset.name} under '{tree.root}' has a list of labels such as "
            f"{dataset.name}_train_label_fold1.txt beside it; make them with the code that they belong to"
        )
    return list(pairs.values()), found


def _image_folder(tree: Tree, images: str, lists: str) -> tuple[Tree, str]:
    """Return where the pictures are: as the user says, else beside the lists, else anywhere."""
    if not images:
        above = "/".join(lists.split("/")[:-2])
        for name in _IMAGES:
            if tree.is_folder(join(above, name)):
                return tree, join(above, name)
    return image_folder(tree, images, _IMAGES)
