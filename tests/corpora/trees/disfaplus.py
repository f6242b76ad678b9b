"""DISFA+ in miniature, as its owner delivers it."""

from __future__ import annotations

from pathlib import Path

from faces import Faces
from trees.bp4d import write

SUBJECTS = ("SN001", "SN003", "SN004", "SN007", "SN009", "SN010")
TRIALS = ("A1_AU1_TrailNo_1", "A2_AU12_TrailNo_2", "A10_Happy_TrailNo_1")
AUS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)


def frames(t: int) -> int:
    """Return how many images a trial has."""
    return 3 + t


def intensity(s: int, t: int, k: int, au: int) -> int:
    """Return the intensity of a frame."""
    return (s + t + 2 * k + au) % 6


def build(root: Path, faces: Faces) -> None:
    """Write labels and images.

    Labels of SN003 double the level; AU 26 of SN004's first trial ends one frame early; SN007's first trial has no file
    for AU 20; the last image of SN009's first trial is missing.
    """
    for s, subject in enumerate(SUBJECTS):
        for t, trial in enumerate(TRIALS):
            labels = root / "Labels" / subject / (subject if subject == "SN003" else "") / trial
            for au in AUS:
                if (subject, t, au) == ("SN007", 0, 20):
                    continue
                count = frames(t) - ((subject, t, au) == ("SN004", 0, 26))
                lines = ["# image intensity", *(f"{k:03d}.jpg {intensity(s, t, k, au)}" for k in range(count))]
                write(labels / f"AU{au}.txt", "\n".join(lines).encode())
            for k in range(frames(t)):
                if (subject, t, k) != ("SN009", 0, frames(0) - 1):
                    write(root / "Images" / subject / trial / f"{k:03d}.jpg", faces.jpeg(s, 10 * t + k))
