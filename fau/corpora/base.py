"""What a reader of a corpus is: a class that lists rows lazily and gives their pictures and landmarks on demand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.losses import Losses
from fau.corpora.media import Picture, read_pictures
from fau.corpora.tree import Tree
from fau.errors import FauError
from fau.labels import au_column, intensity_column

# Columns that do not depend on the action units. `path` is a file of the tree; `position` is the frame of a video or
# the row of a table there, from 0, null for an image. The face box is in pixels of the picture, from 0.
_SCHEMA: Mapping[str, type[pl.DataType]] = {
    **{"id": pl.String, "path": pl.String, "position": pl.Int32},
    **{"subject": pl.String, "sequence": pl.String, "frame": pl.Int32, "split": pl.String},
    **{"expression": pl.String, "valence": pl.Float32, "arousal": pl.Float32},
    **{"face_x": pl.Float32, "face_y": pl.Float32, "face_w": pl.Float32, "face_h": pl.Float32},
}


def row_schema(aus: tuple[int, ...]) -> dict[str, type[pl.DataType]]:
    """Return the columns of a listing with their types."""
    schema = dict(_SCHEMA)
    for au in aus:
        schema |= {au_column(au): pl.Int8, intensity_column(au): pl.Float32}
    return schema


def to_rows(frame: pl.DataFrame, aus: tuple[int, ...]) -> pl.DataFrame:
    """Return a frame in the schema of rows: missing columns as null, types cast.

    Raises:
        FauError: If the frame has a column that no listing has.
    """
    schema = row_schema(aus)
    foreign = [name for name in frame.columns if name not in schema]
    if foreign:
        raise FauError(f"a listing has no column '{foreign[0]}'")
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in schema.items()
    )


@dataclass(frozen=True)
class Listing:
    """The rows of a corpus and what was left out of them.

    Attributes:
        rows: In the schema of ``row_schema``, one row a face sample, frames of a sequence together and in order. At
            least one label of each row is coded.
        losses: What did not become a row, by cause.
        found: What the reader found out about the delivery, one sentence each, such as which of two layouts it is.
        extras: What else the owner says of rows, such as gender or votes: ``id`` and a column each, null where it says
            nothing; extras.parquet of the crop set. None where there is nothing.
    """

    rows: pl.DataFrame
    losses: Losses
    found: list[str] = field(default_factory=list)
    extras: pl.DataFrame | None = None


@dataclass(frozen=True)
class Sign:
    """Something by which a delivery is known.

    Attributes:
        what: What it is, for people: "occurrence codes".
        patterns: Shell patterns for the end of a file's path, any case; one match is enough.
        needed: Whether the reader can do without.
    """

    what: str
    patterns: tuple[str, ...]
    needed: bool = True


class Corpus(ABC):
    """One corpus as its owner delivers it.

    A subclass in a file of this package is found by itself. Its docstring says which layouts it reads, from which
    release, and where it follows a recalled or inferred fact. Keyword parameters of its constructor are options of
    ``fau-data prepare``; their types are bool, int, float, str or a ``Literal``. It can be pickled.

    Attributes:
        name: How commands call it: ``bp4d``.
        title: How people call it: ``BP4D``.
        ask: Where a licence is asked for, one line.
        signs: By what a delivery is known.
        generic: Whether its signs are those of many a delivery.
        aus: Action units that have labels, in ascending order.
        occurrence_threshold: Least intensity that counts as present; None where the corpus codes occurrence itself or
            no action units.
        landmark_set: What ``landmarks`` gives: ``none``, ``49`` or ``68``.
        aligned: Whether the pictures are aligned crops already, so that they are only resized by default.
        upright: Whether pictures are turned as their EXIF orientation says: only where the corpus gives neither boxes
            nor landmarks, which count the pixels as they are stored.
        protocol: The protocol that ``fau-train`` should use by default: a name of ``fau.data.protocols``.
        published: Published counts to hold the crop set against, by key: ``crops``, ``subjects``, ``sequences``,
            ``au01`` (positives), ``happiness`` (images of a class), ``train/happiness``, ``F001`` (frames of a
            subject).

    Args:
        root: The folder that the owner delivered, or one zip archive of it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    ask: ClassVar[str]
    signs: ClassVar[tuple[Sign, ...]]
    generic: ClassVar[bool] = False
    aus: tuple[int, ...] = ()
    occurrence_threshold: int | None = None
    landmark_set: str = "none"
    aligned: bool = False
    upright: bool = False
    protocol: str = "kfold"
    published: Mapping[str, int] = {}

    def __init__(self, root: Path) -> None:
        self.tree = Tree(root)

    @abstractmethod
    def list(self) -> Listing:
        """Return all rows; no picture is opened.

        Raises:
            FauError: If the tree is not this corpus, or a label file is not what it should be.
        """

    def pictures(self, rows: pl.DataFrame) -> Iterator[Picture]:
        """Yield the picture of each row, in order; each frame of a video is decoded once."""
        return read_pictures(self.tree, rows, self.upright)

    def landmarks(self, rows: pl.DataFrame) -> NDArray[np.float32]:
        """Return the owner's landmarks of rows, shape (n, K, 2), pixels of the picture from 0, NaN = none.

        Raises:
            FauError: If the corpus has none.
        """
        raise FauError(f"{self.title} comes without landmarks; use --landmarks mediapipe or none")
