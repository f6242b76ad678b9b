"""DISFA in miniature: videos as its owner delivers them, or frames as users extract them."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
from faces import Faces
from scipy.io import savemat
from trees.bp4d import write

from fau.landmarks import to_49

# Two or three subjects of each part of the usual three-fold protocol.
SUBJECTS = ("SN001", "SN002", "SN010", "SN011", "SN031", "SN003", "SN029")
AUS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
FRAMES = 5  # of a video
OPTIONS: list[list[str]] = [
    ["--camera", "right", "--align", "resize"],
    ["--drop-bad-tracking"],
    ["--occurrence-threshold", "1"],
]

NAMINGS = {
    "0.png": ("Images/{subject}/{number}.png", 0),
    "00001.jpg": ("Images/{subject}/{number:05d}.jpg", 1),
    "frame-1.jpg": ("LeftVideo{subject}_comp.avi/frame-{number}.jpg", 1),
    "LeftVideoSN001_comp_0001.png": ("Images/LeftVideo{subject}_comp_{number:04d}.png", 1),
}


def intensity(s: int, k: int, au: int) -> int:
    """Return the intensity of a row, from 0."""
    return (s + 2 * k + au) % 6


def rows(subject: str) -> int:
    """Return how many rows the label files of a subject have: one less than frames for SN010."""
    return FRAMES - (subject == "SN010")


def build(root: Path, faces: Faces) -> None:
    """Write videos, labels and landmarks; those of SN031 are named from 1, and the last but one of them is missing."""
    write_labels(root)
    for s, subject in enumerate(SUBJECTS):
        left = root / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi"
        write_video(left, s, faces)
        right = root / "Video_RightCamera" / f"RightVideo{subject}_Comp.avi"
        right.parent.mkdir(exist_ok=True)
        shutil.copyfile(left, right)
        folder = root / "Landmark_Points" / subject / ("frame_lm" if subject == "SN002" else "tmp_frame_lm")
        folder.mkdir(parents=True)
        for k in range(FRAMES):
            if (subject, k) == ("SN031", FRAMES - 2):
                continue
            name = f"l{k + 1:05d}_lm.mat" if subject == "SN031" else f"{subject}_{k:04d}_lm.mat"
            savemat(folder / name, {"pts": points66(s, k, faces)})


def build_frames(root: Path, faces: Faces, naming: str = "0.png") -> None:
    """Write frames extracted from the left videos, in one of the namings in use, and labels."""
    write_labels(root)
    spelling, first = NAMINGS[naming]
    for s, subject in enumerate(SUBJECTS):
        for k in range(FRAMES):
            path = root / spelling.format(subject=subject, number=first + k)
            write(path, faces.png(s, k) if path.suffix == ".png" else faces.jpeg(s, k))


def write_labels(root: Path) -> None:
    """Write label files, the last action unit first."""
    for s, subject in enumerate(SUBJECTS):
        for au in reversed(AUS):
            lines = "".join(f"{k + 1},{intensity(s, k, au)}\n" for k in range(rows(subject)))
            write(root / "ActionUnit_Labels" / subject / f"{subject}_au{au}.txt", lines.encode())


def write_video(path: Path, s: int, faces: Faces) -> None:
    """Write a video of drawn faces."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = faces.image(s).shape[:2]
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20.0, (width, height))
    for k in range(FRAMES):
        video.write(np.ascontiguousarray(faces.image(s, k)[..., ::-1]))
    video.release()


def points66(s: int, k: int, faces: Faces) -> np.ndarray:
    """Return the points as the owner has them: jaw and 49, counted from 1."""
    points = faces.points68(s, k)
    return np.concatenate([points[:17], to_49(points)]).astype(np.float64) + 1
