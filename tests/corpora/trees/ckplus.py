"""CK+ in miniature: four archives as delivered, the same unpacked, and the community's CK+48."""

from __future__ import annotations

import zipfile
from pathlib import Path

from faces import Faces

SUBJECTS = ("S005", "S010", "S011", "S022", "S026", "S028", "S037", "S050", "S130", "S501", "S999")
OPTIONS: list[list[str]] = [["--frames", "1"], ["--neutral-first"]]
FRAMES = 5
CLASS_FOLDERS = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
ARCHIVES = {
    "images": ("extended-cohn-kanade-images.zip", "cohn-kanade-images"),
    "emotion": ("Emotion_labels.zip", "Emotion"),
    "facs": ("FACS_labels.zip", "FACS"),
    "landmarks": ("Landmarks.zip", "Landmarks"),
}


def sequences() -> list[tuple[str, str]]:
    """Return two sequences of each subject."""
    return [(subject, sequence) for subject in SUBJECTS for sequence in ("001", "004")]


def emotion(subject: str, sequence: str) -> int | None:
    """Return the class of a sequence, 1..7; none for S010/004, S011/004 and S130/001."""
    if (subject, sequence) in (("S010", "004"), ("S011", "004"), ("S130", "001")):
        return None
    return (SUBJECTS.index(subject) * 2 + int(sequence)) % 7 + 1


def facs(subject: str, sequence: str) -> list[tuple[str, str]] | None:
    """Return the lines of a FACS file; S010/004 has none.

    S005/001 has intensity 0 (present); S022/001 one-sided codes; S026/004 a code that is no action unit (54).
    """
    match subject, sequence:
        case "S010", "004":
            return None
        case "S005", "001":
            return [("1.2000000e+01", "4.0000000e+00"), ("2.5000000e+01", "0.0000000e+00")]
        case "S022", "001":
            return [("L14", "2.0000000e+00"), ("R14", "3.0000000e+00"), ("R12", "0.0000000e+00")]
        case "S026", "004":
            return [("5.4000000e+01", "0.0000000e+00"), ("4.0000000e+00", "5.0000000e+00")]
    return [("1.0000000e+00", "1.0000000e+00"), ("4.0000000e+00", "3.0000000e+00")]


def files(faces: Faces) -> dict[str, dict[str, bytes]]:
    """Return the contents of the four archives; the middle frame of S501/001 has no landmarks, the peak 67 points."""
    content: dict[str, dict[str, bytes]] = {kind: {} for kind in ARCHIVES}
    for i, (subject, sequence) in enumerate(sequences()):
        place = f"{subject}/{sequence}/{subject}_{sequence}_"
        peak = f"{place}{FRAMES:08d}"
        for frame in range(1, FRAMES + 1):
            stem = f"{place}{frame:08d}"
            content["images"][f"{stem}.png"] = faces.png(i // 2, frame)
            points = faces.points68(i // 2, frame)
            if (subject, sequence) == ("S501", "001"):
                if frame == 4:
                    continue
                points = points[: 67 if frame == FRAMES else 68]
            lines = [f"   {x:.7e}   {y:.7e}\n" for x, y in points]
            content["landmarks"][f"{stem}_landmarks.txt"] = "".join(lines).encode()
        code = emotion(subject, sequence)
        if code is not None:
            content["emotion"][f"{peak}_emotion.txt"] = f"   {code:.7e}\n".encode()
        codes = facs(subject, sequence)
        if codes is not None:
            content["facs"][f"{peak}_facs.txt"] = "".join(f"   {au}   {level}\n" for au, level in codes).encode()
    content["images"][".DS_Store"] = b"\0"
    content["emotion"]["S777/001/S777_001_00000009_emotion.txt"] = b"   3.0000000e+00\n"  # no such pictures
    return content


def build(root: Path, faces: Faces) -> None:
    """Write the four archives."""
    root.mkdir(parents=True, exist_ok=True)
    for kind, content in files(faces).items():
        archive, folder = ARCHIVES[kind]
        with zipfile.ZipFile(root / archive, "w") as file:
            for name, data in content.items():
                file.writestr(f"{folder}/{name}", data)


def build_unpacked(root: Path, faces: Faces) -> None:
    """Write what is in the archives."""
    for kind, content in files(faces).items():
        for name, data in content.items():
            file = root / ARCHIVES[kind][1] / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)


def build_48(root: Path, faces: Faces) -> None:
    """Write ``CK+48/<class>``, three frames of each labelled sequence."""
    names = (None, "anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
    for i, (subject, sequence) in enumerate(sequences()):
        code = emotion(subject, sequence)
        if code is None:
            continue
        for frame in range(FRAMES - 2, FRAMES + 1):
            file = root / "CK+48" / str(names[code]) / f"{subject}_{sequence}_{frame:08d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(faces.png(i // 2, frame, 48))
