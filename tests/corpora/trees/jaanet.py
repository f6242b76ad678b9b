"""The folders of JAA-Net's code in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from faces import Faces
from numpy.typing import NDArray

AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
PARTS = (("F001", "F018"), ("F003", "M002"), ("F007", "M006"))  # as published
FRAMES = 4
SIZE = {"aligned": 200, "raw": 160}  # pixels; the owner's frames are larger
OPTIONS: list[list[str]] = [["--stage", "raw"]]

Frame = tuple[str, int, int]  # subject, task, number


def frames(subjects: tuple[str, ...]) -> list[Frame]:
    """Return the frames of some subjects in the order of the lists."""
    return [(subject, task, 97 + 3 * task + k) for subject in subjects for task in (1, 2) for k in range(FRAMES)]


def code(frame: Frame, au: int) -> int:
    """Return a label; AU 2 is unknown in one frame, and every AU of another."""
    if (frame == ("F001", 1, 100) and au == 2) or frame == ("F018", 1, 101):
        return 9
    return int((sum(map(ord, frame[0])) + frame[1] * 3 + frame[2] * 7 + au * au) % 3 == 0)


def person(frame: Frame) -> tuple[int, int]:
    """Return the numbers by which a frame's face is drawn."""
    subjects = [subject for part in PARTS for subject in part]
    return subjects.index(frame[0]), (frame[1] * FRAMES + frame[2]) % 5


def points(frame: Frame, faces: Faces, stage: str) -> NDArray[np.float32]:
    """Return the 49 points of a frame in pixels from 0."""
    return faces.points49(*person(frame), SIZE[stage])


def path(frame: Frame) -> str:
    """Return a path as the lists have it."""
    return f"BP4D/{frame[0]}/T{frame[1]}/{frame[2]:04d}.jpg"


def build(root: Path, faces: Faces) -> None:
    """Write the folders with pictures before and after the alignment.

    Lists end lines as Windows does; one picture is missing in both folders; the numbers of M002's have no zeros before
    them. ``combine_1_2`` repeats part 1 and 2.
    """
    everyone = frames(tuple(subject for part in PARTS for subject in part))
    for stage, folder in (("aligned", "data/imgs"), ("raw", "dataset")):
        for frame in everyone:
            if frame != ("F003", 1, 101):
                name = path(frame).replace("/0", "/") if frame[0] == "M002" else path(frame)
                write(root / folder / name, faces.jpeg(*person(frame), SIZE[stage]))
    write(root / "data" / "list" / "reflect_49.txt", b"10 9 8")
    for name, subjects in {
        **{f"part{k}": part for k, part in enumerate(PARTS, 1)},
        "combine_1_2": (*PARTS[0], *PARTS[1]),
    }.items():
        write_lists(root, f"BP4D_{name}", frames(subjects), faces)


def write_lists(root: Path, name: str, listed: list[Frame], faces: Faces) -> None:
    """Write the parallel lists; those before the alignment count pixels from 1."""
    lists = root / "data" / "list"
    write(lists / f"{name}_path.txt", "".join(path(frame) + "\r\n" for frame in listed).encode())
    labels = [" ".join(str(code(frame, au)) for au in AUS) for frame in listed]
    write(lists / f"{name}_AUoccur.txt", "\n".join(labels).encode() + b"\n")
    write(lists / f"{name}_biocular.txt", b"4480.0\n" * len(listed))
    for stage, folder, first, blank in (("aligned", lists, 0, "\t"), ("raw", root / "dataset", 1, " ")):
        lines = [blank.join(f"{v + first:.5f}" for v in points(frame, faces, stage).ravel()) for frame in listed]
        write(folder / f"{name}_land.txt", "\n".join(lines).encode() + b"\n")


def write(path_: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path_.parent.mkdir(parents=True, exist_ok=True)
    path_.write_bytes(content)
