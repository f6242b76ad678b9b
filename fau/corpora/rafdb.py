"""RAF-DB, basic set: faces in the wild, seven expressions, a train and a test part."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import polars as pl

from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.join import classes, join_labels
from fau.corpora.losses import NOT_CODED, Losses
from fau.corpora.naming import split
from fau.corpora.tree import Tree
from fau.errors import FauError
from fau.units import counted

CLASSES: dict[int, str | None] = {
    **{1: "surprise", 2: "fear", 3: "disgust", 4: "happiness", 5: "sadness", 6: "anger", 7: "neutral"},
}
_IMAGE = re.compile(r"((train|test)_\d+)(_aligned)?\.(jpg|jpeg|png)", re.IGNORECASE)
_ATTRIBUTES = re.compile(r"((train|test)_\d+)_manu_attri\.txt", re.IGNORECASE)
ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "gender": {"0": "male", "1": "female", "2": "unsure"},
    "race": {"0": "Caucasian", "1": "African-American", "2": "Asian"},
    "age": {"0": "0-3", "1": "4-19", "2": "20-39", "3": "40-69", "4": "70+"},
}
_COUNTS = {"train": (1290, 281, 717, 4772, 1982, 705, 2524), "test": (329, 74, 160, 1185, 478, 162, 680)}


class RafDb(Corpus):
    """RAF-DB's basic set as delivered (``EmoLabel``, ``Image/aligned.zip`` or unpacked), or ``DATASET/train/<1..7>``.

    Labels are joined to images by name; the part (train or test) is in the name. In the community's layout the folder
    is the label, and its CSV lists only have to agree. The compound set, whose classes are pairs, is refused. Gender,
    race and age of ``Annotation/manual/*_manu_attri.txt`` (recalled) go to extras.parquet where they are delivered.

    Args:
        root: The folder ``basic``, one above it, or the community's ``DATASET``.
        images: The owner's 100 x 100 crops, or the original pictures, in which faces have to be found.
    """

    name: ClassVar[str] = "rafdb"
    title: ClassVar[str] = "RAF-DB"
    ask: ClassVar[str] = "the RAF-DB page of its authors (Li, Deng and Du, BUPT): a signed request, research only"
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign(
            "labels",
            ("EmoLabel/list_patition_label.txt", "EmoLabel/list_partition_label.txt", "train/[1-7]/train_*.jpg"),
        ),
        Sign("images", ("train_*_aligned.jpg", "aligned.zip", "original/train_*.jpg")),
    )
    aligned = True
    protocol = "official"
    published: Mapping[str, int] = {
        "crops": 15339,
        **{str(CLASSES[k + 1]): sum(counts[k] for counts in _COUNTS.values()) for k in range(7)},
        **{f"{part}/{CLASSES[k + 1]}": count for part, counts in _COUNTS.items() for k, count in enumerate(counts)},
    }

    def __init__(self, root: Path, *, images: Literal["aligned", "original"] = "aligned") -> None:
        super().__init__(root)
        self._images = images
        self.aligned = images == "aligned"

    def list(self) -> Listing:
        """Return one row an image, by name."""
        losses = Losses()
        lists = self.tree.find("list_patition_label.txt", "list_partition_label.txt")
        basic = [path for path in lists if "compound" not in path.lower().split("/")]
        if lists and not basic:
            raise FauError(
                f"'{self.tree.root}' holds RAF-DB's compound set, whose classes are pairs of expressions; "
                "give the folder 'basic'"
            )
        found: list[str] = []
        pictures = _pictures(self.tree, self._images == "aligned", found)
        if basic:
            found.append(f"the owner's layout, labels from {basic[0]}")
            labels = _labels(self.tree, basic[0])
            labels = labels.with_columns(classes(labels["code"], basic[0], CLASSES).alias("expression"))
            rows = join_labels(pictures.drop("code"), labels, ["name"], losses, "{}")
        else:
            found.append("the community's layout, one folder a class")
            losses.add(NOT_CODED, pictures.filter(pl.col("code").is_null())["name"])
            rows = pictures.drop_nulls("code")
            _agree(self.tree, rows)
            rows = rows.with_columns(classes(rows["code"], "a folder of a class", CLASSES).alias("expression"))
        if not len(rows):
            raise FauError(
                f"'{self.tree.root}' holds no {self._images} picture of RAF-DB with a label; give the folder that "
                "has EmoLabel and Image, or the one that has train/1 to train/7"
            )
        people = _attributes(self.tree, rows["id"].to_list(), found)
        return Listing(to_rows(rows.select("id", "path", "split", "expression"), ()), losses, found, people)


def _pictures(tree: Tree, aligned: bool, found: list[str]) -> pl.DataFrame:
    """Return name, id, path, split and, where the folder is a class, code; each name once."""
    rows = []
    for path in tree.find("*.jpg", "*.jpeg", "*.png"):
        *folders, file = path.split("/")
        match = _IMAGE.fullmatch(file)
        if match is None or bool(match[3]) != aligned or "compound" in path.lower().split("/"):
            continue
        code = folders[-1] if folders and len(folders) > 1 and split(folders[-2]) else None
        rows.append((match[1].lower(), path, match[2].lower(), code))
    schema = {"name": pl.String, "path": pl.String, "split": pl.String, "code": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(id=pl.col("name"))
    once = frame.unique("name", keep="first", maintain_order=True)
    if len(once) < len(frame):
        found.append(
            f"there twice, such as unpacked and zipped: {counted(len(frame) - len(once), 'image')}; the first is taken"
        )
    return once


def _labels(tree: Tree, file: str) -> pl.DataFrame:
    rows = []
    for number, line in enumerate(tree.text(file).splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        match = _IMAGE.fullmatch(parts[0])
        if len(parts) != 2 or match is None:
            raise FauError(f"line {number} of {file} is '{line.strip()}', not such as 'train_00001.jpg 5'; correct it")
        rows.append((match[1].lower(), parts[1]))
    return pl.DataFrame(rows, schema={"name": pl.String, "code": pl.String}, orient="row")


def _attributes(tree: Tree, ids: Sequence[str], found: list[str]) -> pl.DataFrame | None:
    """Return gender, race and age of pictures as text, null where nothing is known; None where nothing is delivered."""
    wanted, rows, strange = set(ids), dict[str, tuple[str, ...]](), list[str]()
    for path in tree.find("*_manu_attri.txt"):
        match = _ATTRIBUTES.fullmatch(path.rpartition("/")[2])
        if match is None or match[1].lower() not in wanted or "compound" in path.lower().split("/"):
            continue
        # Five lines with a point each, then a line for each code.
        codes = tree.text(path).split()[10:]
        if len(codes) == len(ATTRIBUTES) and all(
            c in names for c, names in zip(codes, ATTRIBUTES.values(), strict=True)
        ):
            spelled = (names[c] for c, names in zip(codes, ATTRIBUTES.values(), strict=True))
            rows.setdefault(match[1].lower(), tuple(spelled))
        else:
            strange.append(path)
    if strange:
        found.append(
            f"of another shape, and not read: {counted(len(strange), 'file')} of attributes, such as {strange[0]}"
        )
    if not rows:
        return None
    found.append(f"{', '.join(ATTRIBUTES)} are known of {counted(len(rows), 'picture')}")
    schema = {"id": pl.String} | dict.fromkeys(ATTRIBUTES, pl.String)
    return pl.DataFrame([(name, *values) for name, values in rows.items()], schema=schema, orient="row")


def _agree(tree: Tree, rows: pl.DataFrame) -> None:
    """Check that the community's CSV lists give each image the class of its folder."""
    folder_of = dict(rows.select("name", "code").iter_rows())
    for file in tree.find("train_labels.csv", "test_labels.csv"):
        for number, line in enumerate(tree.text(file).splitlines(), 1):
            image, _, code = line.partition(",")
            match = _IMAGE.fullmatch(image.strip())
            name = match[1].lower() if match else ""
            if name in folder_of and folder_of[name] != code.strip():
                raise FauError(
                    f"line {number} of {file} gives '{image.strip()}' class {code.strip()}, but it lies in folder "
                    f"{folder_of[name]}; correct the one that is wrong"
                )
