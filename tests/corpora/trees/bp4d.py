"""BP4D in miniature, as its owner delivers it, and the FERA-2015 delivery of the same."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from faces import Faces

# Three subjects of each part of the usual three-fold protocol.
SUBJECTS = ("F001", "F018", "M007", "F003", "F005", "M002", "F007", "F015", "M006")
TASKS = ("T1", "T2")
FRAMES = 4  # coded frames of a sequence
EXTRA = 2  # frames before them that are not coded
HEADING = tuple(range(1, 64))  # BP4D's columns run over consecutive numbers
CODED = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 26, 27, 32, 38, 39)
INTENSITY_AUS = (6, 10, 12, 14, 17)
OPTIONS: list[list[str]] = [["--occlusion", "none"]]


def start(subject: int, task: int) -> int:
    """Return the number of the first coded frame: neither 0 nor 1, and another one for each sequence."""
    return 98 + 10 * subject + 300 * task


def code(subject: int, task: int, row: int, au: int) -> int:
    """Return an occurrence code that no column or row shares with its neighbours: 0, 1 or 9."""
    if au not in CODED or (au == 5 and row == 1):
        return 9
    return int((subject * 5 + task * 3 + row * 7 + au * au) % 3 == 0)


def intensity(subject: int, task: int, row: int, au: int) -> int:
    """Return an intensity code: 0..5, or 9 for the second row of AU 14."""
    return 9 if au == 14 and row == 1 else (subject + task + row + au) % 6


def build(root: Path, faces: Faces) -> None:
    """Write the owner's layout with the faults that are known.

    F001/T1 pads numbers to four digits, as does F003/T2, the others do not; the frames of M006 lie in an archive; the
    last coded frame of M002/T1 has no image; the landmarks of F018/T2 are missing, those of F001/T1 are empty for one
    frame; F007/T2 has no codes; one row of M007/T1 has no code at all.
    """
    for s, subject in enumerate(SUBJECTS):
        frames = write_frames(root, subject, s, faces)
        if subject == "M006":
            archive = root / "2D+3D" / f"{subject}.zip"
            archive.parent.mkdir(parents=True)
            with zipfile.ZipFile(archive, "w") as file:
                for name, content in frames.items():
                    file.writestr(name, content)
        else:
            for name, content in frames.items():
                write(root / "Sequences(2D+3D)" / name, content)
                write((root / "Sequences(2D+3D)" / name).with_suffix(".mtl"), b"# material of the scan\n")
        for t, task in enumerate(TASKS):
            if (subject, task) == ("F007", "T2"):
                continue
            write(root / "AUCoding" / "AU_OCC" / f"{subject}_{task}.csv", occurrence(subject, s, t, HEADING))
            for au in INTENSITY_AUS:
                name = f"{subject}_{task}_AU{au:02d}.csv"
                write(root / "AUCoding" / "AU_INT" / f"AU{au:02d}" / name, intensities(subject, s, t, au))
            if (subject, task) != ("F018", "T2"):
                write_points(root / "2DFeatures" / f"{subject}_{task}.mat", subject, s, t, faces)


def build_fera(root: Path, faces: Faces) -> None:
    """Write FERA-2015's folders; the last column of its occurrence files flags occluded frames."""
    for s, subject in enumerate(SUBJECTS):
        for name, content in write_frames(root, subject, s, faces).items():
            write(root / "Images" / name, content)
        for t, task in enumerate(TASKS):
            write(root / "AUCoding" / f"{subject}_{task}.csv", occurrence(subject, s, t, (*HEADING, 99)))
            for au in INTENSITY_AUS:
                name = f"{subject}_{task}_AU{au:02d}.csv"
                write(root / "AU Intensity Codes3.0" / f"AU{au:02d}" / name, intensities(subject, s, t, au))


def write_frames(root: Path, subject: str, s: int, faces: Faces) -> dict[str, bytes]:
    """Return the frames of a subject by their path, ``F001/T1/2440.jpg``."""
    frames = {}
    for t, task in enumerate(TASKS):
        padding = 4 if (subject, task) in (("F001", "T1"), ("F003", "T2")) else 0
        for k in range(-EXTRA, FRAMES):
            if (subject, task, k) != ("M002", "T1", FRAMES - 1):
                name = f"{subject}/{task}/{start(s, t) + k:0{padding}d}.jpg"
                frames[name] = faces.jpeg(s, 10 * t + max(k, 0))
    return frames


def occurrence(subject: str, s: int, t: int, heading: Sequence[int]) -> bytes:
    """Return an occurrence file; a column 99 flags every third row as occluded."""
    lines = [",".join(["0", *map(str, heading)])]
    for k in range(FRAMES):
        codes = [
            int(k == 2) if au == 99 else 9 if (subject, t, k) == ("M007", 0, 3) else code(s, t, k, au) for au in heading
        ]
        lines.append(",".join(map(str, [start(s, t) + k, *codes])))
    return "\r\n".join(lines).encode() + b"\r\n"


def intensities(subject: str, s: int, t: int, au: int) -> bytes:
    """Return an intensity file: two columns, no header."""
    unknown = (subject, t) == ("M007", 0)
    codes = [9 if unknown and k == 3 else intensity(s, t, k, au) for k in range(FRAMES)]
    return "".join(f"{start(s, t) + k},{c}\n" for k, c in enumerate(codes)).encode()


def write_points(path: Path, subject: str, s: int, t: int, faces: Faces) -> None:
    """Write a landmark file of MATLAB 7.3: ``fit.pred``, one reference a frame, from frame 1 on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    last = start(s, t) + FRAMES - 1
    with h5py.File(path, "w", userblock_size=512) as file:
        references = file.create_dataset("fit/pred", (last, 1), dtype=h5py.ref_dtype)
        empty = file.create_dataset("#refs#/empty", data=np.zeros(2, np.uint64))
        empty.attrs["MATLAB_empty"] = np.uint8(1)
        for frame in range(1, last + 1):
            k = frame - start(s, t)
            if k < 0 or (subject, t, k) == ("F001", 0, 1):
                references[frame - 1, 0] = empty.ref
            else:
                points = faces.points49(s, 10 * t + k) + 1  # MATLAB counts from 1
                references[frame - 1, 0] = file.create_dataset(f"#refs#/{frame}", data=points.T.astype(np.float64)).ref
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def write(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
