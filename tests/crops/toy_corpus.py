"""A small corpus for the tests of prepare, and a detector that takes MediaPipe's place; workers import both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.losses import NOT_CODED, Losses
from fau.corpora.media import Picture
from fau.crops.detect import Box, Face
from fau.crops.prepare import Settings

SIZE = 40  # pixels of a picture
COUNT = 60  # pictures of the tree that ``build`` writes
RESIZE = Settings(size=24, align="resize", landmarks="none")


class Toy(Corpus):
    """Pictures ``S1/A/000.png`` with their label in labels.csv: ``S1/A/000.png,1``; a box for each.

    Args:
        root: The folder.
        anonymous: Whether to hide who it is.
        stop_at: The picture, counted from 0, at which this process has had enough.
    """

    name: ClassVar[str] = "toy"
    title: ClassVar[str] = "Toy"
    ask: ClassVar[str] = "nobody"
    signs: ClassVar[tuple[Sign, ...]] = (Sign("labels", ("labels.csv",)),)
    aus = (1,)
    landmark_set = "68"

    def __init__(self, root: Path, *, anonymous: bool = False, stop_at: int = -1) -> None:
        super().__init__(root)
        self.anonymous = anonymous
        self.stop_at = stop_at

    def list(self) -> Listing:
        table = pl.read_csv(self.tree.root / "labels.csv", schema={"path": pl.String, "au01": pl.Int8})
        parts = pl.col("path").str.split("/")
        losses = Losses()
        losses.add(NOT_CODED, ["S0/A/000"])
        rows = table.with_columns(
            id=pl.col("path").str.strip_suffix(".png"),
            subject=pl.lit(None) if self.anonymous else parts.list.get(0),
            sequence=pl.lit(None) if self.anonymous else pl.concat_str(parts.list.get(0), parts.list.get(1)),
            frame=parts.list.get(2).str.extract(r"(\d+)").cast(pl.Int32),
            **{f"face_{name}": pl.lit(value) for name, value in zip("xywh", (4.0, 6.0, 30.0, 30.0), strict=True)},
        )
        ages = table.select(id=pl.col("path").str.strip_suffix(".png"), age=pl.int_range(pl.len())).reverse()
        return Listing(to_rows(rows, self.aus), losses, ["one of two layouts"], ages.slice(1))

    def pictures(self, rows: pl.DataFrame) -> Iterator[Picture]:
        for number, picture in zip(rows["frame"], super().pictures(rows), strict=True):
            if number == self.stop_at:
                raise KeyboardInterrupt
            yield picture

    def landmarks(self, rows: pl.DataFrame) -> NDArray[np.float32]:
        points = np.repeat(points68()[None], len(rows), 0)
        points[rows["frame"].to_numpy() % 5 == 4] = np.nan
        return points


def points68() -> NDArray[np.float32]:
    """Landmarks about the middle of a picture, a different place each."""
    turn = np.linspace(0, 6, 68)
    return np.stack([20 + 10 * np.cos(turn), 20 + 12 * np.sin(turn)], 1).astype(np.float32)


def build(root: Path, subjects: int = 3, frames: int = 10) -> Path:
    """Write a tree; picture k of all is grey with the value k in its upper left corner and stripes of its own."""
    rows, k = [], 0
    for subject in range(1, subjects + 1):
        for sequence in "AB":
            folder = root / f"S{subject}" / sequence
            folder.mkdir(parents=True)
            for frame in range(frames):
                rng = np.random.default_rng(k)
                image = cv2.resize(rng.integers(0, 255, (5, 5, 3)).astype(np.uint8), (SIZE, SIZE))
                image[0, 0] = k % 250
                cv2.imwrite(str(folder / f"{frame:03d}.png"), image)
                rows.append(f"S{subject}/{sequence}/{frame:03d}.png,{k % 2}")
                k += 1
    (root / "labels.csv").write_text("path,au01\n" + "\n".join(rows) + "\n")
    return root


class Seer:
    """Sees faces by the value of the upper left pixel: none in 1, two in 2, a tiny one in 3, a cut one in 4."""

    def detect(self, image: NDArray[np.uint8], near: Box | None = None) -> list[Face]:
        kind = int(image[0, 0, 0])
        if kind == 1:
            return []
        if kind == 3:
            return [face(10, 10, 5)]
        if kind == 4:
            return [face(-25, 10, 36)]
        return [face(4, 6, 30), face(30, 30, 8)] if kind == 2 else [face(4, 6, 30)]

    def as_dict(self) -> dict[str, str | int | float]:
        return {"detector": "seer"}

    def close(self) -> None:
        return


def face(x: float, y: float, side: float) -> Face:
    """Return a face of 478 points in a square."""
    turn = np.linspace(0, 6, 478)
    points = np.stack([x + side / 2 * (1 + np.cos(turn)), y + side / 2 * (1 + np.sin(turn))], 1)
    return Face(points.astype(np.float32), (x, y, side, side))


def contents(path: Path) -> dict[str, bytes]:
    """Read the files of a folder."""
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


def partial(out: Path) -> Path:
    """Return the folder in which ``out`` is made."""
    return out.parent / f".{out.name}.partial"


def damage(file: Path) -> None:
    """Cut the end off a picture."""
    file.write_bytes(file.read_bytes()[:-40])
