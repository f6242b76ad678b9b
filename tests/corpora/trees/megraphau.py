"""The folder ``data`` of ME-GraphAU in miniature, and MDHR's lists of DISFA."""

from __future__ import annotations

from pathlib import Path

from faces import Faces

AUS = {"BP4D": (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24), "DISFA": (1, 2, 4, 6, 9, 12, 25, 26)}
# Subjects of part 1, 2 and 3, as published; fold k tests part 4 - k.
PARTS = {
    "BP4D": (("F001", "F018"), ("F003", "M002"), ("F007", "M006")),
    "DISFA": (("SN001", "SN010"), ("SN013", "SN011"), ("SN003", "SN005")),
}
TASKS = ("T1", "T2")
FRAMES = 4
OPTIONS: list[list[str]] = []

Frame = tuple[str, int, int]  # subject, task (0 where there is none), number


def frames(dataset: str, subjects: tuple[str, ...]) -> list[Frame]:
    """Return the frames of some subjects in the order of the lists; BP4D's do not begin at 0."""
    if dataset == "DISFA":
        return [(subject, 0, number) for subject in subjects for number in range(FRAMES)]
    return [(s, task, 97 + 3 * task + k) for s in subjects for task in range(1, len(TASKS) + 1) for k in range(FRAMES)]


def code(frame: Frame, au: int) -> int:
    """Return a label; AU 2 is unknown in one frame, and every AU of F018's frame 101 of T1."""
    if (frame[0], frame[2]) == ("F001", 100) and au == 2:
        return 9
    if frame == ("F018", 1, 101):
        return 9
    return int((sum(map(ord, frame[0])) + frame[1] * 3 + frame[2] * 7 + au * au) % 3 == 0)


def listed(frame: Frame) -> str:
    """Return a path as the lists have it: no zeros before the number."""
    subject, task, number = frame
    return f"{subject}/T{task}/{number}.jpg" if task else f"{subject}/{subject}_{number}.png"


def on_disk(frame: Frame) -> str:
    """Return the picture's path: zeros before the number in some sequences."""
    subject, task, number = frame
    if not task:
        return listed(frame)
    return f"{subject}/T{task}/{number:0{4 if subject in ('F001', 'M006') else 1}d}.jpg"


def build(root: Path, faces: Faces, dataset: str = "BP4D") -> None:
    """Write lists and pictures.

    BP4D has a picture that no list names, and lacks one that they do; lists have no newline at their end.
    """
    folder = root / dataset / "list"
    everyone = [frame for part in PARTS[dataset] for frame in frames(dataset, part)]
    for i, frame in enumerate(everyone):
        if frame != ("F003", 1, 100):
            image = faces.jpeg(i // 8, i % 4) if dataset == "BP4D" else faces.png(i // 4, i % 4)
            write(root / dataset / "img" / on_disk(frame), image)
    if dataset == "BP4D":
        write(root / dataset / "img" / "F007" / "T1" / "0050.jpg", faces.jpeg(4, 0))
    for fold in (1, 2, 3):
        tested = PARTS[dataset][3 - fold]
        trained = tuple(s for part in PARTS[dataset] for s in part if s not in tested)
        write_lists(folder, dataset, "train", fold, frames(dataset, trained))
        write_lists(folder, dataset, "test", fold, frames(dataset, tested))
        write(folder / f"{dataset}_weight_fold{fold}.txt", b"1.0\t" * 11 + b"1.0")
    write(folder / f"{dataset}_train_AU_relation_fold1.txt", b"0 1 2 3")


def write_lists(folder: Path, dataset: str, part: str, fold: int, listed_frames: list[Frame]) -> None:
    """Write a list of paths and the list of labels beside it."""
    word = "img_path" if dataset == "BP4D" else "path"
    paths = [listed(frame) for frame in listed_frames]
    labels = [" ".join(str(code(frame, au)) for au in AUS[dataset]) for frame in listed_frames]
    write(folder / f"{dataset}_{part}_{word}_fold{fold}.txt", "\n".join(paths).encode())
    write(folder / f"{dataset}_{part}_label_fold{fold}.txt", "\n".join(labels).encode())


def write(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
