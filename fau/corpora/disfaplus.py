"""DISFA+: posed trials of nine subjects of DISFA."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import polars as pl

from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.codefiles import decode_files, decode_frames, one_image_each
from fau.corpora.join import join_labels
from fau.corpora.losses import PARTLY_CODED, Losses
from fau.corpora.tree import join, natural
from fau.errors import FauError
from fau.labels import LABEL_SETS, MAX_INTENSITY, au_column, intensity_column
from fau.units import counted

_TRIAL = re.compile(r"(?:^|/)(SN\d{3})/([^/]+)$", re.IGNORECASE)  # a doubled SN001/SN001/<trial> ends alike
_LABELS = re.compile(r"^AU(\d+)\.txt$", re.IGNORECASE)
_IMAGE = re.compile(r"\.(?:jpe?g|png|bmp)$", re.IGNORECASE)
_KEYS = ["sequence", "frame"]
_Texts = list[str]  # inside the class, `list` is the method


class DISFAPlus(Corpus):
    """DISFA+ as the University of Denver delivers it.

    Codes are searched as ``SN001/<trial>/AU1.txt``, images as ``SN001/<trial>/000.jpg``, anywhere under the root, also
    where an unpacked copy doubles the level (``SN001/SN001/<trial>``). A sequence is a trial, ``SN001/<trial>``; a
    frame's number is the one in its image's name. A frame counts if it is coded in every file that its trial has.
    Occurrence is intensity of at least ``occurrence_threshold``.

    The owner's landmarks are not read: public code finds 49 points of a face cropped to 200 x 200 pixels there, and the
    file does not say where in the picture that crop was.

    Args:
        root: The folder that the owner delivered, or one zip archive of it.
        occurrence_threshold: Least intensity that counts as present.
    """

    name: ClassVar[str] = "disfaplus"
    title: ClassVar[str] = "DISFA+"
    ask: ClassVar[str] = (
        "University of Denver, Computer Vision and Social Robotics Laboratory (Mohammad Mahoor); request"
    )
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign("intensity codes", ("SN[0-9][0-9][0-9]/*/AU[0-9].txt",)),
        Sign("images", ("SN[0-9][0-9][0-9]/*/[0-9][0-9][0-9].jpg",)),
    )
    aus: tuple[int, ...] = LABEL_SETS["disfa12"]
    published: Mapping[str, int] = {"subjects": 9}

    def __init__(self, root: Path, *, occurrence_threshold: int = 2) -> None:
        super().__init__(root)
        if not 1 <= occurrence_threshold <= MAX_INTENSITY:
            raise FauError(
                f"occurrence_threshold is {occurrence_threshold}; choose an intensity from 1 to {MAX_INTENSITY}"
            )
        self.occurrence_threshold: int | None = occurrence_threshold

    def list(self) -> Listing:
        """Return a row for each image that every code file of its trial codes; see ``Corpus.list``.

        Raises:
            FauError: If there are no codes or no images, a code file has an unknown code, a line that is none, an
                unknown action unit or a frame twice, or two files claim to be the same.
        """
        losses = Losses()
        found: list[str] = []
        codes, images = self._scan()
        if not codes:
            raise FauError(
                f"'{self.tree.root}' has no intensity codes of DISFA+ (SN001/<trial>/AU1.txt); give the folder that "
                "holds Labels and Images"
            )
        if images.is_empty():
            raise FauError(
                f"'{self.tree.root}' has codes of DISFA+ but no images (SN001/<trial>/000.jpg); give the folder that "
                "holds Labels and Images"
            )
        losses.add("image without a frame number in its name", images.filter(pl.col("frame").is_null())["path"])
        images, archived = one_image_each(images.drop_nulls("frame"), _KEYS)
        if archived:
            found.append(f"unpacked and in archives: {counted(archived, 'image')}; the unpacked ones are used")
        rows = join_labels(images, self._labels(codes, found), _KEYS, losses).with_columns(
            id=pl.format("{}/{}", "sequence", "frame"), subject=pl.col("sequence").str.head(5)
        )
        losses.add(PARTLY_CODED, rows.filter(~pl.col("whole"))["id"])
        rows = rows.filter("whole").drop("whole")
        order = sorted(rows["sequence"].unique().to_list(), key=natural)
        rows = rows.sort(pl.col("sequence").cast(pl.Enum(order)), "frame")
        return Listing(to_rows(rows, self.aus), losses, found)

    def _scan(self) -> tuple[dict[tuple[str, int], str], pl.DataFrame]:
        """Return code files by sequence and action unit, and ``sequence``, ``frame``, ``path`` of every image."""
        codes: dict[tuple[str, int], str] = {}
        images: list[tuple[str, str, str]] = []
        for folder, names in self.tree.walk():
            match = _TRIAL.search(folder)
            if not match:
                continue
            sequence = f"{match[1].upper()}/{match[2]}"
            for name in names:
                path = join(folder, name)
                if label := _LABELS.match(name):
                    twin = codes.setdefault((sequence, int(label[1])), path)
                    if twin != path:
                        raise FauError(
                            f"both '{twin}' and '{path}' give AU {int(label[1])} of {sequence}; move one of them away"
                        )
                elif _IMAGE.search(name):
                    images.append((sequence, name, path))
        table = pl.DataFrame(images, schema=dict.fromkeys(["sequence", "name", "path"], pl.String), orient="row")
        number = pl.col("name").str.extract(r"^(\d{1,9})\.", 1).cast(pl.Int32)
        return codes, table.select("sequence", number.alias("frame"), "path")

    def _labels(self, codes: dict[tuple[str, int], str], found: _Texts) -> pl.DataFrame:
        """Return ``sequence``, ``frame``, the codes, and ``whole``: whether all files of the trial code the frame."""
        files = []
        for (sequence, au), path in codes.items():
            if au not in self.aus:
                raise FauError(
                    f"'{self.tree.root / path}' codes AU {au}, which DISFA+ does not; move it out of the folder"
                )
            lines = [line.strip() for line in self.tree.text(path).splitlines()]
            files.append((sequence, au, str(self.tree.root / path), [s for s in lines if s and not s.startswith("#")]))
        table = pl.DataFrame(files, schema=["sequence", "au", "file", "line"], orient="row")
        table = table.with_columns(pl.col("line").cast(pl.List(pl.String))).explode("line").drop_nulls("line")
        if table.is_empty():
            raise FauError(f"every code file under '{self.tree.root}' is empty; fetch them from the owner again")
        table = table.with_columns(
            frame=pl.col("line").str.extract(r"^(\d{1,9})\.\w+\s+\S+$", 1),
            code=pl.col("line").str.extract(r"^\S+\s+(\S+)$", 1),
        )
        strange = table.filter(pl.col("frame").is_null())
        if len(strange):
            raise FauError(
                f"'{strange['file'][0]}' has the line '{strange['line'][0]}', where an image's name and an intensity "
                "belong (000.jpg 2); correct it"
            )
        table = decode_frames(table.drop("line"))
        table = table.with_columns(decode_files(table, "code", "intensity", range(MAX_INTENSITY + 1)).alias("code"))
        coded = table.group_by("sequence").agg(pl.col("au").n_unique().alias("files"))
        wide = table.pivot("au", index=_KEYS, values="code", sort_columns=True)
        wide = wide.rename({str(au): intensity_column(au) for au in self.aus if str(au) in wide.columns})
        present = [intensity_column(au) for au in self.aus if intensity_column(au) in wide.columns]
        few = {sequence: count for sequence, count in coded.iter_rows() if count < len(self.aus)}
        if few:
            some = min(few, key=natural)
            found.append(f"trials that lack code files: {len(few)}, such as {some} ({few[some]} of {len(self.aus)})")
        occurrence = [
            (pl.col(intensity_column(au)) >= self.occurrence_threshold).cast(pl.Int8).alias(au_column(au))
            for au in self.aus
            if intensity_column(au) in present
        ]
        whole = pl.sum_horizontal(pl.col(present).is_not_null()) == pl.col("files")
        return wide.join(coded, on="sequence").with_columns(*occurrence, whole=whole).drop("files")
