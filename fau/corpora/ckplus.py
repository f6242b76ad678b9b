"""CK+: posed sequences from neutral to a peak, FACS coded at the peak; or the community's CK+48."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.join import classes
from fau.corpora.losses import NO_IMAGE, NOT_CODED, Losses
from fau.corpora.naming import expression
from fau.corpora.tree import Tree, join
from fau.errors import FauError
from fau.labels import AU_NAMES, MAX_INTENSITY, au_column, intensity_column
from fau.units import counted

CLASSES: dict[int, str | None] = {
    **{0: "neutral", 1: "anger", 2: "contempt", 3: "disgust", 4: "fear", 5: "happiness", 6: "sadness", 7: "surprise"},
}
_FILE = re.compile(r"(S\d+)_(\d+)_(\d+)(_facs\.txt|_emotion\.txt|_landmarks\.txt|\.png|\.jpg)", re.IGNORECASE)
_NUMBER = re.compile(r"([LR]?)(\d+(\.\d*)?(e[+-]?\d+)?)", re.IGNORECASE)
_LABELLED = {"anger": 45, "contempt": 18, "disgust": 59, "fear": 25, "happiness": 69, "sadness": 28, "surprise": 83}
_CK48 = {"anger": 135, "contempt": 54, "disgust": 177, "fear": 75, "happiness": 207, "sadness": 84, "surprise": 249}

# Subject and number of a sequence, as in the names of its files.
Sequence = tuple[str, str]
# Intensity by action unit; None = present, intensity not given.
Codes = Mapping[int, float | None]


@dataclass
class _Files:
    """The files of a delivery by sequence and frame; labels have the frame of the peak."""

    images: dict[Sequence, dict[int, str]] = field(default_factory=dict)
    landmarks: dict[Sequence, dict[int, str]] = field(default_factory=dict)
    facs: dict[Sequence, dict[int, str]] = field(default_factory=dict)
    emotion: dict[Sequence, dict[int, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Labels:
    """What is known of a peak; None where there is no file, or nothing in it."""

    frame: int
    expression: str | None
    codes: Codes | None


class CkPlus(Corpus):
    """CK+ as delivered: four zip archives or what is in them, found by the names of files; or ``CK+48/<class>``.

    The owner's labels describe the peak, the last frame of a sequence. The last ``frames`` frames get its expression
    and its action units; intensities are given to the peak alone. In a FACS file intensity 0 means present with unknown
    intensity; an action unit that an existing file does not name is absent. A sequence without such a file has no
    label of that kind. A one-sided action unit (prefix L or R, should one occur) counts as present, the stronger side
    giving the intensity. Landmarks are taken as pixels from 0 (inferred; the owner's text is not at hand).

    In CK+48 the folder is the expression; there are no action units and no landmarks.

    Args:
        root: The folder with the four archives or folders, or ``CK+48``.
        frames: How many frames at the end of a sequence get the labels of its peak.
        neutral_first: Take the first frame of each sequence with an expression as neutral, without action units.
    """

    name: ClassVar[str] = "ckplus"
    title: ClassVar[str] = "CK+"
    ask: ClassVar[str] = "the Affect Analysis Group, University of Pittsburgh: a signed request, research only"
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign("images", ("S[0-9][0-9][0-9]_[0-9][0-9][0-9]_[0-9]*.png",)),
        Sign("emotion labels", ("*_emotion.txt", "happy/S[0-9][0-9][0-9]_*.png")),
        Sign("FACS codes", ("*_facs.txt",), needed=False),
        Sign("landmarks", ("*_landmarks.txt",), needed=False),
    )

    protocol = "ckplus10"

    def __init__(self, root: Path, *, frames: int = 3, neutral_first: bool = False) -> None:
        super().__init__(root)
        if frames < 1:
            raise FauError(f"option frames is {frames}; it needs 1 or more frames at the end of a sequence")
        self._frames = frames
        self._neutral_first = neutral_first
        files = self._files
        self._community = not files.facs and not files.emotion
        known = {au for peak in self._labels.values() for au in peak.codes or {}}
        self.aus = tuple(sorted(known & set(AU_NAMES)))
        self.aligned = self._community
        self.landmark_set = "68" if files.landmarks else "none"
        if self._community:
            self.published = {"crops": sum(_CK48.values()), "subjects": 118, "sequences": 327, **_CK48}
        else:
            neutral = sum(_LABELLED.values()) if neutral_first else 0
            self.published = {
                **{"crops": 593 * frames + neutral, "subjects": 123, "sequences": 593},
                **{name: count * frames for name, count in _LABELLED.items()},
                **({"neutral": neutral} if neutral else {}),
            }

    @cached_property
    def _files(self) -> _Files:
        return _index(self.tree)

    @cached_property
    def _labels(self) -> dict[Sequence, _Labels]:
        return _labels(self.tree, self._files)

    def list(self) -> Listing:
        """Return the labelled frames by subject, sequence and frame."""
        if not self._files.images:
            raise FauError(
                f"'{self.tree.root}' holds no pictures such as S005_001_00000011.png; give the folder of CK+ that "
                "holds cohn-kanade-images, Emotion, FACS and Landmarks, zipped or not"
            )
        losses = Losses()
        if self._community:
            rows = _by_folder(self._files, losses)
            found = ["CK+48, the folder is the expression"]
        else:
            rows = _by_peak(self._files, self._labels, self.aus, self._frames, self._neutral_first, losses)
            found = _findings(self._labels)
        if not rows:
            raise FauError(
                f"'{self.tree.root}' holds pictures of CK+ but no label for them; put Emotion and FACS beside them"
            )
        return Listing(to_rows(pl.DataFrame(rows, infer_schema_length=None), self.aus), losses, found)

    def landmarks(self, rows: pl.DataFrame) -> NDArray[np.float32]:
        """Return the owner's 68 points of rows, NaN where there is no such file or it has no 68 lines."""
        if not self._files.landmarks:
            return super().landmarks(rows)
        points = np.full((len(rows), 68, 2), np.nan, np.float32)
        for i, (subject, sequence, frame) in enumerate(rows.select("subject", "sequence", "frame").iter_rows()):
            path = self._files.landmarks.get((subject, sequence.rpartition("/")[2]), {}).get(frame)
            numbers = self.tree.text(path).split() if path else []
            if len(numbers) == 136:
                try:
                    points[i] = np.array(numbers, np.float32).reshape(68, 2)
                except ValueError as error:
                    raise FauError(f"{path} holds something that is no number: {error}") from error
        return points


def _index(tree: Tree) -> _Files:
    """Sort the files of a tree by their names; of two with one name the first counts."""
    files = _Files()
    for folder, names in tree.walk():
        for name in names:
            match = _FILE.fullmatch(name)
            if match is None:
                continue
            kind = match[4].lower()
            part = files.images if kind in (".png", ".jpg") else getattr(files, kind[1:-4])
            part.setdefault((match[1].upper(), match[2]), {}).setdefault(int(match[3]), join(folder, name))
    return files


def _labels(tree: Tree, files: _Files) -> dict[Sequence, _Labels]:
    """Read the FACS and emotion files of all sequences."""
    labels = {}
    for key in sorted(files.facs.keys() | files.emotion.keys()):
        peaks = {**files.facs.get(key, {}), **files.emotion.get(key, {})}
        if len(peaks) > 1:
            raise FauError(
                f"the labels of sequence {'/'.join(key)} are of several frames ({', '.join(map(str, sorted(peaks)))}); "
                "CK+ labels one peak, so remove what does not belong there"
            )
        frame = next(iter(peaks))
        emotion = files.emotion.get(key, {}).get(frame)
        facs = files.facs.get(key, {}).get(frame)
        labels[key] = _Labels(
            frame, _expression(tree, emotion) if emotion else None, _codes(tree, facs) if facs else None
        )
    return labels


def _expression(tree: Tree, path: str) -> str | None:
    numbers = tree.text(path).split()
    if not numbers:
        return None
    return classes(pl.Series(numbers[:1]), path, CLASSES)[0]  # type: ignore[no-any-return]


def _codes(tree: Tree, path: str) -> Codes | None:
    """Return the action units of a FACS file; an intensity of 0, or one beyond E, is present and unknown."""
    codes: dict[int, float | None] = {}
    for number, line in enumerate(tree.text(path).splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        matches = [_NUMBER.fullmatch(part) for part in parts]
        values = [float(match[2]) for match in matches if match is not None]
        if len(values) != 2 or len(parts) != 2 or values[0] % 1 or (matches[1] and matches[1][1]):
            raise FauError(f"line {number} of {path} is '{line.strip()}', not an action unit and an intensity")
        au, intensity = int(values[0]), values[1] if 0 < values[1] <= MAX_INTENSITY else None
        both = [value for value in (codes.get(au), intensity) if value is not None]
        codes[au] = max(both, default=None)
    return codes or None


def _by_peak(
    files: _Files,
    labels: Mapping[Sequence, _Labels],
    aus: tuple[int, ...],
    count: int,
    neutral_first: bool,
    losses: Losses,
) -> list[dict[str, object]]:
    """Return the last frames up to each peak with the peak's labels."""
    rows: list[dict[str, object]] = []
    uncoded: list[str] = []
    for key in sorted(files.images):
        peak = labels.get(key, _Labels(0, None, None))
        images = files.images[key]
        frames = sorted(frame for frame in images if frame <= peak.frame)
        first = frames[0] if frames and neutral_first and peak.expression else None
        last = [frame for frame in frames if frame != first][-count:]
        if peak.expression is None and peak.codes is None:
            last = []
        for frame in sorted(images):
            row: dict[str, object] = _row(key, frame, images[frame])
            if frame in last:
                row["expression"] = peak.expression
                row |= _au_columns(peak.codes, aus, frame == peak.frame)
            elif frame == first:
                row["expression"] = "neutral"
            else:
                uncoded.append(str(row["id"]))
                continue
            rows.append(row)
    losses.add(NOT_CODED, uncoded)
    absent = [(key, peak.frame) for key, peak in labels.items() if peak.frame not in files.images.get(key, {})]
    losses.add(NO_IMAGE, [str(_row(key, frame, "")["id"]) for key, frame in absent])
    return rows


def _by_folder(files: _Files, losses: Losses) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    uncoded: list[str] = []
    for key in sorted(files.images):
        for frame, path in sorted(files.images[key].items()):
            row = _row(key, frame, path)
            label = expression(path.split("/")[-2]) if "/" in path else None
            if label in CLASSES.values():
                rows.append(row | {"expression": label})
            else:
                uncoded.append(str(row["id"]))
    losses.add(NOT_CODED, uncoded)
    return rows


def _row(key: Sequence, frame: int, path: str) -> dict[str, object]:
    sequence = "/".join(key)
    return {"id": f"{sequence}/{frame}", "path": path, "subject": key[0], "sequence": sequence, "frame": frame}


def _au_columns(codes: Codes | None, aus: tuple[int, ...], at_peak: bool) -> dict[str, object]:
    if codes is None:
        return {}
    columns: dict[str, object] = {}
    for au in aus:
        columns[au_column(au)] = int(au in codes)
        columns[intensity_column(au)] = codes.get(au, 0.0) if at_peak else None
    return columns


def _findings(labels: Mapping[Sequence, _Labels]) -> list[str]:
    expressions = sum(peak.expression is not None for peak in labels.values())
    coded = [peak.codes for peak in labels.values() if peak.codes is not None]
    found = [f"{counted(expressions, 'sequence')} with an expression, {len(coded)} with FACS codes"]
    strange = Counter(au for codes in coded for au in codes if au not in AU_NAMES)
    if strange:
        spelled = ", ".join(f"{au} ({count})" for au, count in sorted(strange.items()))
        found.append(f"codes that are no action unit of fau are left out: {spelled}")
    return found
