"""What a worker does with a job: pictures to crops, crops to shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.base import Corpus
from fau.corpora.losses import NO_IMAGE, NO_LANDMARKS, UNREADABLE
from fau.corpora.media import NO_FILE, NO_FRAME, Picture
from fau.crops.align import Alignment, move, warp
from fau.crops.choose import CUT, NO_FACE, TINY, Policy, choose
from fau.crops.detect import Box, Face
from fau.crops.duplicates import difference_hash
from fau.crops.format import LANDMARK_POINTS
from fau.crops.jobs import Job, sequence_starts
from fau.crops.pool import advance, shared, stopped
from fau.crops.unfinished import Done, Unfinished
from fau.crops.writer import ShardWriter

NO_PLACE = "image without face box"
FACES = ("none", "several", "tiny", "cut")
_FAULTS = {NO_FACE: "none", TINY: "tiny", CUT: "cut"}


class Detector(Protocol):
    """Finds faces: ``fau.crops.detect.Landmarker``, or what takes its place in a test."""

    def detect(self, image: NDArray[np.uint8], near: Box | None = None) -> list[Face]:
        """Return the faces of a picture, uint8 (H, W, 3), RGB; ``near`` says where one should be."""
        ...

    def as_dict(self) -> dict[str, str | int | float]:
        """Return what decides the result, for the recipe."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


@dataclass(frozen=True)
class Task:
    """What all jobs of a crop set share; sent to each worker once.

    Attributes:
        corpus: Gives pictures and landmarks.
        alignment: Says where the crop lies in the picture.
        landmarks: ``corpus``, ``mediapipe`` or ``none``.
        landmark_set: A key of ``LANDMARK_POINTS``.
        make_detector: Makes the detector in the worker; None where none is needed.
        faces: Which of several faces.
        min_face: Least width and height of a face in pixels of the picture.
        unfinished: Where all is written.
    """

    corpus: Corpus
    alignment: Alignment
    landmarks: str
    landmark_set: str
    make_detector: Callable[[], Detector] | None
    faces: Policy
    min_face: float
    unfinished: Unfinished


_OUTCOME = {"shard": pl.Int32, "row": pl.Int32, "hash": pl.UInt64, "cause": pl.String}


@dataclass(frozen=True)
class _Crop:
    """A crop with its landmarks, or why there is none."""

    image: NDArray[np.uint8] | None
    points: NDArray[np.float32]
    cause: str = ""


def run(job: Job) -> Done:
    """Prepare the rows of a job and write their shards."""
    task: Task = shared()
    rows = task.unfinished.read_rows(job)
    anonymous = rows["subject"].is_null().to_list()
    outcome: list[tuple[int | None, int | None, int | None, str | None]] = []
    faces, entries = dict.fromkeys(FACES, 0), []
    writer: ShardWriter | None = None
    try:
        for i, crop in enumerate(_crops(task, rows, faces)):
            if stopped():
                raise InterruptedError
            if i % job.shard_rows == 0 and writer is not None:
                entries.append(writer.close(sync=True))
                writer = None
            shard = job.first_shard + i // job.shard_rows
            if crop.image is None:
                outcome.append((None, None, None, crop.cause))
            else:
                if writer is None:
                    points = LANDMARK_POINTS[task.landmark_set]
                    writer = ShardWriter(task.unfinished.cropset, shard, task.alignment.size, points)
                look = difference_hash(crop.image) if anonymous[i] else None
                outcome.append((shard, writer.count, look, None))
                writer.append(crop.image[None], crop.points[None])
            advance(1)
        if writer is not None:
            entries.append(writer.close(sync=True))
        if len(outcome) != len(rows):
            raise RuntimeError(f"the reader gave {len(outcome)} pictures for {len(rows)} rows")
    except BaseException:
        if writer is not None:
            writer.abort()
        raise
    done = Done(entries, faces)
    task.unfinished.finish(job, pl.DataFrame(outcome, schema=_OUTCOME, orient="row"), done)
    return done


def _crops(task: Task, rows: pl.DataFrame, faces: dict[str, int]) -> Iterator[_Crop]:
    """Yield the crop of each row; count what is odd about faces."""
    none = np.full((LANDMARK_POINTS[task.landmark_set], 2), np.nan, np.float32)
    given = task.corpus.landmarks(rows) if task.landmarks == "corpus" else None
    boxes = _boxes(rows)
    begins = set(sequence_starts(rows).tolist())
    previous: Box | None = None
    for i, picture in enumerate(task.corpus.pictures(rows)):
        if i in begins:
            previous = None
        if picture.image is None:
            yield _Crop(None, none, _cause(picture))
            continue
        box, points = boxes[i], None
        if given is not None:
            points = given[i] if np.isfinite(given[i]).any() else None
        elif task.make_detector is not None:
            found = _detector(task.make_detector).detect(picture.image, box)
            choice = choose(
                found, picture.image.shape[:2], task.faces, near=box, previous=previous, min_size=task.min_face
            )
            if choice.face is None:
                faces[_FAULTS[choice.fault]] += 1
                yield _Crop(None, none, choice.fault)
                continue
            faces["several"] += choice.several
            points, previous = choice.face.points, choice.face.box
            box = box or choice.face.box
        matrix = task.alignment.matrix(points, task.landmark_set, box, picture.image.shape[:2])
        if matrix is None:
            yield _Crop(None, none, NO_PLACE if task.landmarks == "none" else NO_LANDMARKS)
            continue
        image = warp(picture.image, matrix, task.alignment.size)
        yield _Crop(image, none if points is None else move(points, matrix))


def _cause(picture: Picture) -> str:
    return NO_IMAGE if picture.fault in (NO_FILE, NO_FRAME) else UNREADABLE


def _boxes(rows: pl.DataFrame) -> list[Box | None]:
    """Return the boxes that the corpus gives; None where it gives none or an empty one."""
    table = rows.select("face_x", "face_y", "face_w", "face_h").cast(pl.Float64).fill_nan(None)
    return [
        None if None in box or box[2] <= 0 or box[3] <= 0 else (box[0], box[1], box[2], box[3])
        for box in table.iter_rows()
    ]


_detectors: list[tuple[Callable[[], Detector], Detector]] = []  # this process's, at most one; making one takes a second


def _detector(make: Callable[[], Detector]) -> Detector:
    if not _detectors or _detectors[0][0] is not make:
        close_detector()
        _detectors.append((make, make()))
    return _detectors[0][1]


def close_detector() -> None:
    """Free this process's detector, if it has made one."""
    while _detectors:
        _detectors.pop()[1].close()
