"""ExpW, expressions in the wild: several faces a picture, each with a box."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.join import classes
from fau.corpora.losses import DUPLICATE, NO_IMAGE, NOT_CODED, Losses
from fau.corpora.paths import respelled
from fau.corpora.tree import Tree, inside
from fau.errors import FauError

CLASSES: dict[int, str | None] = {
    **{0: "anger", 1: "disgust", 2: "fear", 3: "happiness", 4: "sadness", 5: "surprise", 6: "neutral"},
}
_CONTRADICTION = "two labels for one face"
# The box's order is the owner's: top, left, right, bottom.
_NUMBERS = ("face", "top", "left", "right", "bottom", "confidence", "code")


class ExpW(Corpus):
    """ExpW as delivered: ``label/label.lst`` and the pictures of ``image/origin``.

    A line is a face: image, number of the face in it, box (top, left, right, bottom), confidence of the owner's
    detector (not used), class. The same line twice counts once; a face with two different lines is left out.

    Args:
        root: The folder with ``image`` and ``label``; pictures unpacked, or zipped anew as .zip.
    """

    name: ClassVar[str] = "expw"
    title: ClassVar[str] = "ExpW"
    ask: ClassVar[str] = "the ExpW page of its authors (Zhang, Luo, Loy and Tang, CUHK): a request, research only"
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign("labels", ("label.lst",)),
        Sign("images", ("image/origin/*.jpg", "origin/*.jpg", "origin.zip")),
    )
    published: Mapping[str, int] = {"crops": 91793}  # recalled

    def list(self) -> Listing:
        """Return one row a face, by image and number of the face."""
        files = self.tree.find("label.lst")
        if not files:
            raise FauError(f"'{self.tree.root}' has no label/label.lst; give the folder of ExpW that holds it")
        losses = Losses()
        labels = _labels(self.tree, files[0])
        labels = labels.with_columns(classes(labels["code"], files[0], CLASSES).alias("expression")).drop("code")
        found = []
        first = labels.select(pl.struct(pl.all()).is_first_distinct()).to_series()
        if not first.all():
            losses.add(DUPLICATE, labels.filter(~first)["id"])
            found.append(f"{len(labels) - int(first.sum())} lines of {files[0]} are exact duplicates")
        labels = labels.filter(first)
        contradicting = labels["id"].is_duplicated()
        losses.add(_CONTRADICTION, labels.filter(contradicting)["id"].unique(maintain_order=True))
        labels = labels.filter(~contradicting)
        paths = self.tree.find("*.jpg", "*.jpeg", "*.png")
        images = pl.DataFrame(
            {"path": paths, "file": [p.rpartition("/")[2] for p in paths]},
            schema_overrides={"path": pl.String, "file": pl.String},
        )
        images = images.unique("file", keep="first", maintain_order=True).with_row_index("order")
        labels = labels.with_columns(respelled(labels["image"], images["file"]).alias("file"))
        losses.add(NOT_CODED, images.join(labels, on="file", how="anti")["file"])
        losses.add(NO_IMAGE, labels.join(images, on="file", how="anti")["id"])
        rows = labels.join(images, on="file", how="inner").sort("order", "face")
        if not len(rows):
            raise FauError(f"'{self.tree.root}' holds none of the pictures that {files[0]} names; unpack image/origin")
        whole = (pl.col("right") > pl.col("left")) & (pl.col("bottom") > pl.col("top"))
        rows = rows.with_columns(
            face_x=pl.when(whole).then("left"),
            face_y=pl.when(whole).then("top"),
            face_w=pl.when(whole).then(pl.col("right") - pl.col("left")),
            face_h=pl.when(whole).then(pl.col("bottom") - pl.col("top")),
        )
        columns = ("id", "path", "expression", "face_x", "face_y", "face_w", "face_h")
        return Listing(to_rows(rows.select(columns), ()), losses, found)


def _labels(tree: Tree, file: str) -> pl.DataFrame:
    """Return a line a row: image, the numbers, id."""
    rows = []
    for number, line in enumerate(tree.text(file).splitlines(), 1):
        if not line.strip():
            continue
        parts = line.strip().rsplit(maxsplit=len(_NUMBERS))
        try:
            numbers = [float(part) for part in parts[1:]]
        except ValueError:
            numbers = []
        if len(numbers) != len(_NUMBERS):
            raise FauError(
                f"line {number} of {file} is '{line.strip()}', not image, face, top, left, right, bottom, confidence "
                "and class; correct it"
            )
        rows.append((inside(parts[0], f"line {number} of {file}"), *numbers))
    schema = {"image": pl.String} | dict.fromkeys(_NUMBERS, pl.Float64)
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(id=pl.format("{}/{}", "image", pl.col("face").cast(pl.Int32)))
