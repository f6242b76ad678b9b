"""Making the synthetic corpus: labels and pictures to a crop set, on any number of processes the same bytes."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fau.cores import usable_cores
from fau.crops.pool import map_in_order, stopped
from fau.crops.store import CropSetInfo, CropSetWriter
from fau.errors import FauError
from fau.synthetic.copula import AUS
from fau.synthetic.identity import Identity, make_identity
from fau.synthetic.occluders import sample_occluder
from fau.synthetic.recipe import Recipe
from fau.synthetic.render import render
from fau.synthetic.rows import manifest_row
from fau.synthetic.sequences import (
    STREAM_FRAME,
    STREAM_IDENTITY,
    STREAM_VIEW,
    Sequence,
    make_person,
    make_sequence,
    stream,
)
from fau.synthetic.view import sample_view


@dataclass(frozen=True)
class _Chunk:
    """Some sequences of one subject: what a worker draws at a time."""

    recipe: Recipe
    subject: int
    tasks: range


@dataclass(frozen=True)
class Drawn:
    """Crops (n, size, size, 3), landmarks (n, 478, 2) and manifest rows of a chunk, in order."""

    crops: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    rows: list[dict[str, Any]]


def synthesize(recipe: Recipe, out: Path, workers: int | None = None, progress: bool = True) -> Path:
    """Draw a corpus and write it as a crop set.

    Crops go to disk as they come and in order, so that memory stays bounded and the bytes do not depend on ``workers``.
    Stopped by an error or Ctrl-C it leaves nothing behind.

    Args:
        recipe: What to draw.
        out: The crop set's folder; it must not exist.
        workers: Processes; 0 draws in this one; None takes one a core.
        progress: Show a progress bar on stderr where that is a terminal.

    Returns:
        ``out``.

    Raises:
        FauError: If ``out`` exists or cannot be written, the disk is full, or a worker dies.
    """
    workers = usable_cores() if workers is None else workers
    if workers < 0:
        raise FauError(f"workers = {workers}; give 0 for this process or a number of processes")
    info = CropSetInfo(
        corpus="synthetic",
        name=recipe.name,
        recipe=recipe.as_dict(),
        size=recipe.size,
        aus=AUS,
        occurrence_threshold=recipe.occurrence_threshold,
    )
    chunks = _chunks(recipe, workers)
    bar = Progress(
        TextColumn("drawing faces"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not (progress and sys.stderr.isatty()),
        transient=True,
    )
    with CropSetWriter(out, info) as writer, bar, closing(map_in_order(_draw_chunk, chunks, workers)) as parts:
        task = bar.add_task("", total=recipe.crops)
        for drawn in parts:
            writer.append(drawn.crops, drawn.landmarks, drawn.rows)
            bar.advance(task, len(drawn.rows))
    return out


def draw_sequence(recipe: Recipe, sequence: Sequence) -> Drawn:
    """Draw the frames of one sequence with their landmarks and manifest rows."""
    identity = _identity(recipe, sequence.subject)
    rng = stream(recipe, STREAM_VIEW, sequence.subject, sequence.task)
    view = sample_view(rng, sequence.occluder)
    if sequence.occluder == "glasses":  # a subject wears one pair
        pair = sample_occluder(stream(recipe, STREAM_IDENTITY, sequence.subject, 1), "glasses")
        view = replace(view, occluder=pair)
    crops = np.empty((recipe.frames, recipe.size, recipe.size, 3), np.uint8)
    landmarks = np.empty((recipe.frames, 478, 2), np.float32)
    rows = []
    for frame in range(recipe.frames):
        seen = view.drift(rng, float(sequence.time[frame]))
        noise = stream(recipe, STREAM_FRAME, sequence.subject, sequence.task, frame)
        picture = render(identity, sequence.drawn[frame], seen, recipe.size, noise)
        crops[frame], landmarks[frame] = picture.image, picture.landmarks
        rows.append(manifest_row(recipe, sequence, frame, (seen.yaw, seen.pitch, seen.roll)))
    return Drawn(crops, landmarks, rows)


@lru_cache(maxsize=2)
def _identity(recipe: Recipe, subject: int) -> Identity:
    return make_identity(stream(recipe, STREAM_IDENTITY, subject))


def _draw_chunk(chunk: _Chunk) -> Drawn:
    person = make_person(chunk.recipe, chunk.subject)
    parts = []
    for task in chunk.tasks:
        if stopped():
            raise InterruptedError
        parts.append(draw_sequence(chunk.recipe, make_sequence(chunk.recipe, person, chunk.subject, task)))
    return Drawn(
        np.concatenate([part.crops for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
        [row for part in parts for row in part.rows],
    )


def _chunks(recipe: Recipe, workers: int) -> list[_Chunk]:
    """Cut the corpus into chunks: whole subjects, less where that would leave workers idle or hold too much memory."""
    per_sequence = recipe.frames * recipe.size**2 * 3
    step = max(1, min(recipe.tasks, 2**25 // per_sequence))  # at most 32 MiB of crops a chunk
    if workers > 1 and recipe.subjects < 8 * workers:
        step = min(step, max(1, recipe.subjects * recipe.tasks // (8 * workers)))
    return [
        _Chunk(recipe, subject, range(first, min(first + step, recipe.tasks + 1)))
        for subject in range(1, recipe.subjects + 1)
        for first in range(1, recipe.tasks + 1, step)
    ]
