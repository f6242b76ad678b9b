"""Aff-Wild2: videos from the web, frame by frame, as aligned crops with the annotations of an ABAW edition."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import ClassVar, Literal

import polars as pl

from fau.corpora.affwild2_labels import AUS, VideoLabels, find_labels, read_labels
from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.folders import find_folders
from fau.corpora.losses import NO_CROP, NO_IMAGE, NOT_ANNOTATED, NOT_CODED, Losses
from fau.corpora.tree import Tree, inside, join, natural
from fau.errors import FauError

Task = Literal["au", "expr", "va", "mtl"]

# In lower case. The names of the second edition, AU_Set and the like, are recalled.
_TASK_FOLDERS: Mapping[str, tuple[str, ...]] = {
    "au": ("au_detection_challenge", "au_set"),
    "expr": ("expr_classification_challenge", "expr_recognition_challenge", "expr_set"),
    "va": ("va_estimation_challenge", "va_set"),
    "mtl": ("mtl_challenge",),
}
_CROPS = "cropped_aligned"
_OTHER_PICTURES = ("cropped", "cropped_images")
_IMAGE = r"(?i)^(\d{1,9})\.(?:jpe?g|png)$"
_PERSON = re.compile(r"_(left|right)$")

# Training and validation videos of the fifth to eighth edition (recalled).
_SEQUENCES = {"au": 295 + 105, "expr": 248 + 70, "va": 356 + 76}


class AffWild2(Corpus):
    """Aff-Wild2 with the annotations of the second to eighth ABAW edition, over the owner's crops.

    Read are ``cropped_aligned/<video>/00001.jpg`` and the text files of one task; row k after the header is frame k.
    The videos themselves and ``cropped/`` are not read. Nobody says who is in a video. What must not be split is the
    video: the two people of ``<video>_left`` and ``<video>_right`` sit together, so ``subject`` is the name without
    that ending, and only where the owner puts the two into different sets is each a subject of its own.

    Args:
        root: The folder that holds ``cropped_aligned`` and the annotations.
        task: Whose annotations are read: ``au``, ``expr``, ``va``, or ``mtl``, the lists that have all three.
        annotations: The folder of one edition's annotations, where there are several.
    """

    name: ClassVar[str] = "affwild2"
    title: ClassVar[str] = "Aff-Wild2"
    ask: ClassVar[str] = "Imperial College London, iBUG group: form signed by an academic; research only"
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign("cropped and aligned frames", ("cropped_aligned/*/*.jpg",)),
        Sign("annotations", ("Train_Set/*.txt", "MTL_Challenge/*.txt")),
    )
    aligned: bool = True
    protocol: str = "official"

    def __init__(self, root: Path, *, task: Task = "au", annotations: str = "") -> None:
        super().__init__(root)
        if task not in _TASK_FOLDERS:
            raise FauError(f"option task is '{task}'; choose one of {', '.join(_TASK_FOLDERS)}")
        self.task = task
        self.annotations = annotations
        self.aus = AUS if task in ("au", "mtl") else ()
        self.published = {"sequences": _SEQUENCES[task]} if task in _SEQUENCES else {}

    def list(self) -> Listing:
        """Return a row for each crop with at least one label of the task; see ``Corpus.list``.

        Raises:
            FauError: If there are no crops or no annotations, or several editions of them, or a label file has a
                foreign column or code.
        """
        folders = _video_folders(self.tree)
        place = _one_edition(self.tree, self.task, self.annotations)
        labels = find_labels(self.tree, place, self.task)
        apart = _divided(labels)
        losses = Losses()
        parts = []
        for name in sorted({*folders, *labels}, key=lambda name: (natural(_video(name)), natural(name))):
            part = self._rows(name, folders.get(name), labels.get(name), losses)
            if len(part):
                video = _video(name)
                subject = name if video in apart else video
                parts.append(part.with_columns(subject=pl.lit(subject), split=pl.lit(labels[name].split)))
        if not parts:
            raise FauError(f"'{self.tree.root}' has no crop with a label of '{place}'; do the two belong together?")
        found = [f"{self.task} annotations from '{place}'"]
        if silent := folders.keys() - labels.keys():
            found.append(f"folders without labels, such as those of the test set: {_few(silent)}")
        if missing := labels.keys() - folders.keys():
            found.append(f"videos with labels but without a folder of crops: {_few(missing)}")
        if apart:
            found.append(f"videos whose two people the owner puts into different sets: {_few(apart)}")
        return Listing(to_rows(pl.concat(parts), self.aus), losses, found)

    def _rows(self, name: str, folder: str | None, labels: VideoLabels | None, losses: Losses) -> pl.DataFrame:
        """Return the labelled crops of a video, and note its losses."""
        images = _NO_IMAGES if folder is None else _images(self.tree, folder)
        if labels is None:
            losses.add(NOT_CODED, _ids(name, images))
            return images.clear()
        rows = read_labels(self.tree, self.task, labels)
        blank = pl.all_horizontal(pl.exclude("frame").is_null())
        unknown, coded = rows.filter(blank), rows.filter(~blank)
        losses.add(NOT_ANNOTATED, _ids(name, unknown))
        losses.add(NOT_CODED, _ids(name, images.join(rows, on="frame", how="anti")))
        # A frame in which the owner found no face has no crop; a video without crops is a fault of the delivery.
        losses.add(NO_IMAGE if folder is None else NO_CROP, _ids(name, coded.join(images, on="frame", how="anti")))
        part = images.join(coded, on="frame", how="inner", maintain_order="left")
        return part.with_columns(_ids(name, part).alias("id"), pl.lit(name).alias("sequence"))


_NO_IMAGES = pl.DataFrame(schema={"frame": pl.Int32, "path": pl.String})


def _video(name: str) -> str:
    return _PERSON.sub("", name)


def _ids(name: str, rows: pl.DataFrame) -> pl.Series:
    return rows.select(pl.concat_str(pl.lit(f"{name}/"), pl.col("frame").cast(pl.String))).to_series()


def _few(names: Collection[str]) -> str:
    some = ", ".join(sorted(names, key=natural)[:3])
    return f"{len(names)} ({some}{', ...' if len(names) > 3 else ''})"


def _divided(labels: Mapping[str, VideoLabels]) -> set[str]:
    """Return the videos whose people are in more than one of the owner's sets."""
    splits = defaultdict(set)
    for name, one in labels.items():
        splits[_video(name)].add(one.split)
    return {video for video, found in splits.items() if len(found) > 1}


def _video_folders(tree: Tree) -> dict[str, str]:
    """Return the folder of crops of each video."""
    places = find_folders(tree, (_CROPS,), skip=_OTHER_PICTURES)
    if not places:
        raise FauError(f"'{tree.root}' has no folder '{_CROPS}'; give the folder that holds it and the annotations")
    folders: dict[str, str] = {}
    for place in places:
        for name in tree.folder(place)[0]:
            if name in folders:
                raise FauError(f"'{tree.root / folders[name]}' and '{place}' both hold that video; remove one of them")
            folders[name] = join(place, name)
    return folders


def _one_edition(tree: Tree, task: Task, annotations: str) -> str:
    """Return the folder of the task's annotations."""
    within = inside(annotations, "--annotations") + "/" if annotations else ""
    places = find_folders(tree, _TASK_FOLDERS[task], skip=(*_OTHER_PICTURES, _CROPS))
    chosen = [place for place in places if f"{place}/".startswith(within)]
    if not chosen:
        raise FauError(
            f"'{tree.root / within}' has no folder '{_TASK_FOLDERS[task][0]}' (in any case); unpack the {task} "
            "annotations there, or choose another --task"
        )
    if len(chosen) > 1:
        raise FauError(f"'{tree.root}' has several: {', '.join(chosen)}; choose one with --annotations")
    return chosen[0]


def _images(tree: Tree, folder: str) -> pl.DataFrame:
    """Return the crops of a folder by frame: ``frame``, ``path``."""
    files = pl.DataFrame({"file": tree.folder(folder)[1]}, schema={"file": pl.String})
    images = files.select(
        pl.col("file").str.extract(_IMAGE).cast(pl.Int32).alias("frame"),
        pl.concat_str(pl.lit(f"{folder}/"), "file").alias("path"),
    ).drop_nulls("frame")
    twice = images.filter(images["frame"].is_duplicated())
    if len(twice):
        raise FauError(f"'{tree.root / twice['path'][0]}' and '{twice['path'][1]}' are one frame; remove one of them")
    return images.sort("frame")
