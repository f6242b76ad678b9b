"""RAF-AU: faces in the wild with action units."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import polars as pl

from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.join import join_labels
from fau.corpora.losses import NOT_ANNOTATED, Losses
from fau.corpora.tree import Tree
from fau.errors import FauError
from fau.labels import AU_NAMES, au_column

_LIST = "RAFAU_label.txt"
_IMAGE = re.compile(r"(\d+)(_aligned)?\.(jpg|jpeg|png)", re.IGNORECASE)
_CODE = re.compile(r"([LR]?)(\d{1,3})", re.IGNORECASE)


class RafAu(Corpus):
    """RAF-AU as delivered: ``RAFAU_label.txt`` and ``aligned/0001_aligned.jpg``.

    A line names the action units that are present; those of the corpus that it does not name are absent. A prefix L or
    R means one side of the face and counts as present. The corpus's action units are those that the list names at all.

    Args:
        root: The folder with the list and the folder ``aligned``.
        images: The owner's crops, or the original pictures, in which faces have to be found.
        null: What the label ``null`` means: nothing is known (missing), or no action unit is present (absent). The
            owner's text is not at hand; missing is the careful reading.
    """

    name: ClassVar[str] = "rafau"
    title: ClassVar[str] = "RAF-AU"
    ask: ClassVar[str] = "the RAF-AU page of its authors (Yan, Li, Que et al., BUPT): a request, research only"
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign("labels", (_LIST,)),
        Sign("images", ("[0-9]*_aligned.jpg", "aligned.zip", "[0-9][0-9][0-9][0-9].jpg")),
    )
    published: Mapping[str, int] = {"crops": 4601}  # recalled

    def __init__(
        self,
        root: Path,
        *,
        images: Literal["aligned", "original"] = "aligned",
        null: Literal["missing", "absent"] = "missing",
    ) -> None:
        super().__init__(root)
        self._images = images
        self._null = null
        self.aligned = images == "aligned"
        files = self.tree.find(_LIST)
        if not files:
            raise FauError(f"'{root}' has no {_LIST}; give the folder of RAF-AU that holds it and 'aligned'")
        self._file = files[0]
        self._labels, self._counts = _labels(self.tree, self._file)
        self.aus = tuple(sorted(au for au in self._counts if au in AU_NAMES))

    def list(self) -> Listing:
        """Return one row an image, by number."""
        losses = Losses()
        pictures = _pictures(self.tree, self._images == "aligned")
        labels = pl.DataFrame(
            {
                "number": list(self._labels),
                "null": [present is None for present in self._labels.values()],
                **{
                    au_column(au): [None if p is None else int(au in p) for p in self._labels.values()]
                    for au in self.aus
                },
            },
            schema_overrides={"number": pl.Int32} | {au_column(au): pl.Int8 for au in self.aus},
        )
        rows = join_labels(pictures, labels, ["number"], losses, "{}")
        if not len(rows):
            raise FauError(
                f"'{self.tree.root}' holds none of the {self._images} pictures that {self._file} names; unpack them, "
                "or say with --images which there are"
            )
        columns = [au_column(au) for au in self.aus]
        if self._null == "missing":
            losses.add(NOT_ANNOTATED, rows.filter("null")["id"])
            rows = rows.filter(~pl.col("null"))
        else:
            rows = rows.with_columns(pl.col(columns).fill_null(0))
        found = [f"'null' is read as {self._null} in {sum(p is None for p in self._labels.values())} lines"]
        strange = {au: count for au, count in sorted(self._counts.items()) if au not in AU_NAMES}
        if strange:
            found.append(
                f"codes that are no action unit are left out: {', '.join(f'{a} ({n})' for a, n in strange.items())}"
            )
        return Listing(to_rows(rows.select("id", "path", *columns), self.aus), losses, found)


def _labels(tree: Tree, file: str) -> tuple[dict[int, set[int] | None], Counter[int]]:
    """Return the action units by image number, None for ``null``, and how often each code occurs."""
    labels: dict[int, set[int] | None] = {}
    counts: Counter[int] = Counter()
    for number, line in enumerate(tree.text(file).splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        match = _IMAGE.fullmatch(parts[0])
        codes = [] if parts[-1].lower() == "null" else [_CODE.fullmatch(code) for code in parts[-1].split("+")]
        if len(parts) != 2 or match is None or None in codes:
            raise FauError(f"line {number} of {file} is '{line.strip()}', not such as '0001.jpg 1+L12+25'; correct it")
        image = int(match[1])
        if image in labels:
            raise FauError(f"line {number} of {file} labels '{parts[0]}' a second time; remove one of the lines")
        present = {int(code[2]) for code in codes if code is not None}
        labels[image] = present or None
        counts.update(present)
    return labels, counts


def _pictures(tree: Tree, aligned: bool) -> pl.DataFrame:
    rows = []
    for path in tree.find("*.jpg", "*.jpeg", "*.png"):
        match = _IMAGE.fullmatch(path.rpartition("/")[2])
        if match is not None and bool(match[2]) == aligned:
            rows.append((int(match[1]), match[1], path))
    frame = pl.DataFrame(rows, schema={"number": pl.Int32, "id": pl.String, "path": pl.String}, orient="row")
    return frame.unique("number", keep="first", maintain_order=True).sort("number")
