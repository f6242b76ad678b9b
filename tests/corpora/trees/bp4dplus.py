"""BP4D+ in miniature, as its owner delivers it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from faces import Faces
from trees.bp4d import INTENSITY_AUS, write

SUBJECTS = ("F001", "F002", "F030", "F041", "F082", "M001", "M019", "M040")
TASKS = ("T1", "T2", "T7")  # T2 is not coded
AUS = (*(1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24), *range(27, 40))
FRAMES = 3  # frames of a sequence, all coded


def code(s: int, t: int, k: int, au: int) -> int:
    """Return an occurrence code; AU 39, the last column, is often present."""
    return 9 if au in (36, 37) else int((s * 3 + t * 5 + k * 7 + au) % 2)


def build(root: Path, faces: Faces) -> None:
    """Write one archive of frames a subject, and codes; F082 has no codes, F041/T7 no frames."""
    for s, subject in enumerate(SUBJECTS):
        archive = root / "2D+3D" / f"{subject}.zip"
        archive.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive, "w") as file:
            for t, task in enumerate(TASKS):
                if (subject, task) == ("F041", "T7"):
                    continue
                for k in range(FRAMES):
                    name = f"{k + 1:03d}.jpg" if s % 2 else f"{k + 1:04d}.jpg"
                    file.writestr(f"{subject}/{task}/{name}", faces.jpeg(s, 10 * t + k))
        write(root / "Physiology" / subject / "T1" / "BP_mmHg.txt", b"80.1\n80.2\n")
        for t, task in enumerate(TASKS):
            if task == "T2" or subject == "F082":
                continue
            lines = [",".join(["0", *map(str, AUS)])]
            lines += [",".join(map(str, [k + 1, *(code(s, t, k, au) for au in AUS)])) for k in range(FRAMES)]
            write(root / "AUCoding" / "AU_OCC" / f"{subject}_{task}.csv", "\n".join(lines).encode())
            for au in INTENSITY_AUS:
                rows = "".join(f"{k + 1},{(s + k) % 6}\n" for k in range(FRAMES))
                write(root / "AUCoding" / "AU_INT" / f"AU{au:02d}" / f"{subject}_{task}_AU{au:02d}.csv", rows.encode())
