"""Aff-Wild2 in miniature: crops of eight videos, and one edition's annotations of all tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from faces import Faces

AUS = (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26)
EXPRESSIONS = ("Neutral", "Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Other")
FRAMES = 8  # crops of a video, if nothing is wrong with it
EDITION = "6th ABAW Annotations"

# Names as the owner gives them: with dashes, resolutions, spaces, and the side on which a person sits.
TRAIN = ("10-60-1280x720_left", "10-60-1280x720_right", "video4", "video12")
VAL = ("my video 2", "video3", "video5_left")
UNLABELLED = ("video6",)  # of the test set
UNSEEN = "video7"  # has labels of three frames, but no folder
OPTIONS: list[list[str]] = [["--task", "expr"], ["--task", "va"], ["--task", "mtl"]]


def au_code(video: int, frame: int, au: int) -> int:
    """Return an occurrence code: frame 3 of the first video is not annotated, nor is AU 4 in its frame 4."""
    if video == 0 and (frame == 3 or (frame == 4 and au == 4)):
        return -1
    return int((video * 5 + frame * 7 + au * au) % 3 == 0)


def expression_code(video: int, frame: int) -> int:
    """Return a class code; frame 5 of each video is to be ignored."""
    return -1 if frame == 5 else (video + frame) % 8


def affect(video: int, frame: int) -> tuple[float, float]:
    """Return valence and arousal; frame 6 of each video is to be ignored."""
    return (-5.0, -5.0) if frame == 6 else (round(0.1 * video - 0.05 * frame, 3), round(-1 + 0.2 * frame, 3))


def crops(video: str) -> list[int]:
    """Return the frames of a video that have a crop: in two frames of ``my video 2`` no face was found."""
    return [frame for frame in range(1, FRAMES + 1) if video != "my video 2" or frame not in (2, 7)]


def labelled(video: str) -> int:
    """Return the number of label rows: two too many for ``video3``, one too few for ``video4``."""
    return FRAMES + {"video3": 2, "video4": -1, UNSEEN: 3 - FRAMES}.get(video, 0)


def build(root: Path, faces: Faces, edition: str = EDITION, expr: str = "EXPR_Classification_Challenge") -> None:
    """Write the owner's layout with the faults that are known; see the constants and functions above."""
    for i, video in enumerate((*TRAIN, *VAL, *UNLABELLED)):
        for frame in crops(video):
            write(root / "cropped_aligned" / video / f"{frame:05d}.jpg", faces.jpeg(i, frame, 112))
    write(root / "cropped_aligned" / "video12" / ".DS_Store", b"\0\0\0\1Bud1")
    write(root / "cropped" / "video12" / "00001.jpg", faces.jpeg(3, 1))  # crops before alignment: not read
    write(root / "batch1" / "video12.mp4", b"\0\0\0\x18ftypmp42")
    write_tasks(root / edition, expr)
    write(root / "AU_Detection_Challenge_test_set_release.txt", "\n".join(UNLABELLED).encode())


def write_tasks(root: Path, expr: str = "EXPR_Classification_Challenge") -> None:
    """Write the annotations of all tasks."""
    heading = ",".join(f"AU{au}" for au in AUS)
    tasks: dict[str, tuple[str, Callable[[int, int], str]]] = {
        "AU_Detection_Challenge": (heading, lambda v, f: ",".join(str(au_code(v, f, au)) for au in AUS)),
        expr: (",".join(EXPRESSIONS), lambda v, f: str(expression_code(v, f))),
        "VA_Estimation_Challenge": ("valence,arousal", lambda v, f: ",".join(map(str, affect(v, f)))),
    }
    for task, (header, row) in tasks.items():
        for part, videos in (("Train_Set", (*TRAIN, UNSEEN)), ("Validation_Set", VAL)):
            for video in videos:
                lines = [header, *(row(index(video), frame) for frame in range(1, labelled(video) + 1))]
                write(root / task / part / f"{video}.txt", "\n".join(lines).encode() + b"\n")
    write(root / "AU_Detection_Challenge" / "Train_Set" / "._video4.txt", b"\0\5\x16\7")
    for name, videos in (("train_set", (*TRAIN, UNSEEN)), ("validation_set", VAL)):
        lines = [f"image,valence,arousal,expression,{heading}"]
        for video in videos:
            for frame in (1,) if video == UNSEEN else (1, 3, 5, 6):  # static frames
                v = index(video)
                codes = [*affect(v, frame), expression_code(v, frame), *(au_code(v, frame, au) for au in AUS)]
                if (video, frame) == ("video4", 6):
                    codes = [-5, -5, *[-1] * 13]
                lines.append(",".join([f"{video}/{frame:05d}.jpg", *map(str, codes)]))
        write(root / "MTL_Challenge" / f"{name}.txt", "\n".join(lines).encode())


def index(video: str) -> int:
    """Return a video's number in the rules above."""
    return (*TRAIN, *VAL, UNSEEN).index(video)


def write(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
