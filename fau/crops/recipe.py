"""Settings of a preparation, and what follows from them for a corpus: alignment, landmarks, the recipe that is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import polars as pl

from fau.corpora.base import Corpus
from fau.crops.align import ALIGNMENTS, DEFAULT_SIZE, Alignment
from fau.crops.choose import Policy
from fau.crops.detect import Landmarker
from fau.crops.duplicates import COPIES, Copies
from fau.crops.format import CropSetInfo
from fau.crops.model_file import find_model
from fau.crops.unfinished import Unfinished
from fau.crops.work import Detector, Task
from fau.errors import FauError

VERSION = 1  # raise it when the same settings give other pixels
SIZES = (16, 1024)
LANDMARKS = ("auto", "corpus", "mediapipe", "none")
Source = Literal["auto", "corpus", "mediapipe", "none"]


@dataclass(frozen=True)
class Settings:
    """How a corpus becomes a crop set.

    Attributes:
        size: Height and width of a crop in pixels; None takes 200 for ``jaa`` and 112 else.
        align: One of ``ALIGNMENTS``; None takes ``resize`` for a corpus of aligned crops and ``canonical`` else.
        landmarks: ``corpus``: those that the owner gives; ``mediapipe``: detected; ``none``; ``auto``: the owner's
            where there are any, else detected where the alignment needs them.
        model: MediaPipe's model file or its address; None looks for one.
        faces: Which of several faces: the one ``nearest`` to the box given, else to the previous frame's, or the
            ``largest``.
        min_face: Least width and height of a face in pixels of the picture.
        min_score: Of MediaPipe's detector and landmarks, 0 to 1; a higher one drops more of what is no face.
        margin: Of ``box``: a share of the box's larger side; None takes its own.
        copies: Which pictures without a subject form a group: ``near`` copies too, or only those whose hash is
            ``equal``.
        max_lost: Share of rows that may be lost under unexpected causes, 0 to 1.
        name: How tables and logs call the crop set; None takes the corpus's.
        options: The corpus's own options, as they were given; part of the recipe.
    """

    size: int | None = None
    align: str | None = None
    landmarks: Source = "auto"
    model: str | Path | None = None
    faces: Policy = "nearest"
    min_face: float = 24.0
    min_score: float = 0.5
    margin: float | None = None
    copies: Copies = "near"
    max_lost: float = 0.1
    name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse values that cannot work.

        Raises:
            FauError: For the first of them.
        """
        if self.size is not None and not SIZES[0] <= self.size <= SIZES[1]:
            raise FauError(f"size = {self.size}; give a value from {SIZES[0]} to {SIZES[1]}")
        if self.align is not None and self.align not in ALIGNMENTS:
            raise FauError(f"alignment '{self.align}' is unknown; choose one of {', '.join(ALIGNMENTS)}")
        if self.landmarks not in LANDMARKS:
            raise FauError(f"landmarks '{self.landmarks}' are unknown; choose one of {', '.join(LANDMARKS)}")
        if self.copies not in COPIES:
            raise FauError(f"copies '{self.copies}' are unknown; choose one of {', '.join(COPIES)}")
        if not 0 <= self.max_lost <= 1:
            raise FauError(f"max-lost = {self.max_lost:g}; give a share from 0 to 1")
        if not self.min_face >= 0:
            raise FauError(f"min-face = {self.min_face:g}; give a number of pixels")
        if not 0 <= self.min_score <= 1:
            raise FauError(f"min-score = {self.min_score:g}; give a score from 0 to 1")


def refuse_early(corpus: Corpus, settings: Settings, has_detector: bool) -> None:
    """Refuse settings that cannot work whatever the corpus lists, before it does, which may take minutes.

    Args:
        corpus: The reader, which has listed nothing yet; one with landmarks may only then know of them, and of crops
            that are aligned.
        settings: What the user wants.
        has_detector: Whether something takes MediaPipe's place.

    Raises:
        FauError: For the first of them.
    """
    align = _alignment(corpus, settings).name
    source: str = settings.landmarks
    if type(corpus).landmarks is Corpus.landmarks or (source == "none" and settings.align is not None):
        source = _source(corpus, align, settings.landmarks, boxes=True)  # perhaps it has
    if not has_detector and (source == "mediapipe" or settings.model is not None):
        find_model(settings.model)


def make_task(
    corpus: Corpus,
    rows: pl.DataFrame,
    settings: Settings,
    unfinished: Unfinished,
    make_detector: Callable[[], Detector] | None,
) -> Task:
    """Decide alignment and landmarks for the rows of a corpus.

    Args:
        corpus: The reader, which has listed the rows.
        rows: The listing's.
        settings: What the user wants.
        unfinished: Where the crop set is made.
        make_detector: In place of MediaPipe.

    Raises:
        FauError: If the corpus lacks what the settings need, or MediaPipe's model is not to be had.
    """
    alignment = _alignment(corpus, settings)
    source = _source(corpus, alignment.name, settings.landmarks, rows["face_w"].count() > 0)
    if source == "mediapipe" and make_detector is None:
        make_detector = partial(Landmarker, find_model(settings.model), min_score=settings.min_score)
    return Task(
        corpus=corpus,
        alignment=alignment,
        landmarks=source,
        landmark_set={"corpus": corpus.landmark_set, "mediapipe": "478", "none": "none"}[source],
        make_detector=make_detector if source == "mediapipe" else None,
        faces=settings.faces,
        min_face=settings.min_face,
        unfinished=unfinished,
    )


def _alignment(corpus: Corpus, settings: Settings) -> Alignment:
    align = settings.align or ("resize" if corpus.aligned else "canonical")
    return Alignment(align, settings.size or DEFAULT_SIZE[align], settings.margin)


def _source(corpus: Corpus, align: str, wanted: Source, boxes: bool) -> str:
    """Return where landmarks come from: ``corpus``, ``mediapipe`` or ``none``."""
    enough = align == "resize" or (align == "box" and boxes)  # without landmarks
    if wanted == "corpus" and corpus.landmark_set == "none":
        raise FauError(f"this delivery of {corpus.title} has no landmarks; use --landmarks mediapipe or none")
    if wanted == "none" and not enough:
        ways = "--landmarks mediapipe, --align resize" + (" or, if the corpus gives boxes, box" if boxes else "")
        raise FauError(f"alignment '{align}' cannot do without landmarks here; use {ways}")
    if wanted != "auto":
        return wanted
    if corpus.landmark_set != "none":
        return "corpus"
    return "none" if enough else "mediapipe"


def describe(corpus: Corpus, settings: Settings, task: Task, anonymous: bool) -> CropSetInfo:
    """Return what the crop set will be, with the recipe: all that decides rows and pixels, and no path.

    Args:
        corpus: The reader.
        settings: What the user wants.
        task: What workers do.
        anonymous: Whether some rows have no subject.
    """
    reader = type(corpus)
    recipe: dict[str, Any] = {
        "version": VERSION,
        "reader": f"{reader.__module__}.{reader.__qualname__}",
        "options": dict(settings.options),
        "alignment": task.alignment.as_dict(),
        "landmarks": task.landmarks,
    }
    if anonymous:
        recipe["copies"] = settings.copies
    if corpus.upright:
        recipe["orientation"] = "EXIF"
    if task.make_detector is not None:
        with closing(task.make_detector()) as detector:  # here too, so that what it lacks is told before any work
            recipe["faces"] = {"choose": task.faces, "smallest": task.min_face} | detector.as_dict()
    return CropSetInfo(
        corpus=corpus.name,
        name=settings.name or corpus.name,
        recipe=json.loads(json.dumps(recipe, default=str)),
        size=task.alignment.size,
        aus=corpus.aus,
        occurrence_threshold=corpus.occurrence_threshold,
        landmark_set=task.landmark_set,
    )
