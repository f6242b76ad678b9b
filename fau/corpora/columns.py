"""What the columns of a table of labels are, by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fau.corpora import naming
from fau.errors import FauError
from fau.labels import AU_NAMES

# By what a column is, the names it goes by in lower case, the likeliest first. Among them: Hugging Face (file_name),
# LibreFace (image_path), Hu et al. 2024 (name), py-feat (input, FaceRectX), OpenFace (face_id, success).
ROLES: Mapping[str, tuple[str, ...]] = {
    "path": (
        *("path", "image_path", "img_path", "file_name", "filename", "file_path", "filepath", "image", "image_name"),
        *("img", "img_name", "file", "frame_path", "video_path", "video", "input", "name"),
    ),
    "subject": (
        *("subject", "subject_id", "subjectid", "subject_key", "person", "person_id", "participant"),
        *("participant_id", "identity", "identity_id"),
    ),
    "sequence": ("sequence", "sequence_id", "sequence_key", "seq", "video_id", "clip", "clip_id"),
    "frame": ("frame", "frame_number", "frame_id", "frame_no", "frame_num"),
    "position": ("position", "frame_index"),
    "split": ("split", "usage", "partition", "subset", "set"),
    "expression": ("expression", "emotion", "expr", "label", "class", "category"),
    "valence": ("valence",),
    "arousal": ("arousal",),
    "face": ("face_id", "face"),
    "face_x": ("face_x", "facerectx"),
    "face_y": ("face_y", "facerecty"),
    "face_w": ("face_w", "face_width", "facerectwidth"),
    "face_h": ("face_h", "face_height", "facerectheight"),
    "success": ("success",),
    **{"gender": ("gender", "sex"), "race": ("race", "ethnicity"), "age": ("age", "age_group")},
}
ABOUT_PEOPLE = ("gender", "race", "age")  # told in reports, never learned
_AU = re.compile(r"au[_ ]?(\d{1,3})(_c|_r|_int|_intensity)?")
_LEAST_EXPRESSIONS = 3  # so many columns named after expressions are scores of expressions


@dataclass(frozen=True)
class Columns:
    """The columns of a table by what they are, in the table's own spelling.

    Attributes:
        roles: Column by key of ``ROLES``.
        plain: Column by action unit: ``AU01``, which may hold occurrence, intensity or probability.
        occurrence: Column by action unit: ``AU01_c``.
        intensity: Column by action unit: ``AU01_r``, ``au01_int``.
        scores: Columns of scores or votes by expression, where no column is the expression itself.
        unused: The others.
    """

    roles: Mapping[str, str]
    plain: Mapping[int, str] = field(default_factory=dict)
    occurrence: Mapping[int, str] = field(default_factory=dict)
    intensity: Mapping[int, str] = field(default_factory=dict)
    scores: Mapping[str, str] = field(default_factory=dict)
    unused: Sequence[str] = ()

    @property
    def aus(self) -> tuple[int, ...]:
        """Action units that have a column, in ascending order."""
        return tuple(sorted({*self.plain, *self.occurrence, *self.intensity}))

    @property
    def kinds(self) -> Mapping[str, Mapping[int, str]]:
        """Columns of action units by kind: ``plain``, ``occurrence``, ``intensity``."""
        return {"plain": self.plain, "occurrence": self.occurrence, "intensity": self.intensity}

    @property
    def has_labels(self) -> bool:
        """Whether any column is a label."""
        return bool(self.aus or self.scores or {"expression", "valence", "arousal"} & self.roles.keys())

    def __str__(self) -> str:
        spelled = [f"{role} = {name.strip()}" for role, name in self.roles.items()]
        if self.aus:
            spelled.append(f"{len(self.aus)} action units")
        if self.scores:
            spelled.append(f"{len(self.scores)} scores of expressions")
        return ", ".join(spelled)


def columns_of(names: Sequence[str], chosen: Mapping[str, str], ignored: Sequence[str], where: str) -> Columns:
    """Find out what the columns of a table are.

    Args:
        names: The columns; spaces around a name do not count.
        chosen: Columns that the user names, by key of ``ROLES``.
        ignored: Columns to leave alone.
        where: The table, for messages.

    Raises:
        FauError: If a chosen or ignored column is not there, two columns are the same thing, or a column is of an
            action unit that does not exist.
    """
    spelled = {name.strip(): name for name in names}
    for name in [*chosen.values(), *ignored]:
        if name not in spelled:
            raise FauError(f"{where} has no column '{name}'; its columns are {', '.join(spelled)}")
    free = {name.lower(): own for name, own in spelled.items() if name not in ignored and name not in chosen.values()}
    roles: dict[str, str] = {}
    for role, candidates in ROLES.items():
        if role in chosen:
            roles[role] = spelled[chosen[role]]
            continue
        for candidate in candidates:
            if candidate in free:
                roles[role] = free.pop(candidate)
                break
    kinds: dict[str, dict[int, str]] = {"plain": {}, "occurrence": {}, "intensity": {}}
    for name, own in list(free.items()):
        match = _AU.fullmatch(name)
        if match is None:
            continue
        au = int(match[1])
        if au not in AU_NAMES:
            raise FauError(
                f"column '{own.strip()}' of {where} is of no action unit that fau knows; leave it out with "
                f"--ignore {own.strip()}"
            )
        kind = {None: "plain", "_c": "occurrence"}.get(match[2], "intensity")
        if au in kinds[kind]:
            raise FauError(
                f"columns '{kinds[kind][au].strip()}' and '{own.strip()}' of {where} are both of AU{au}; leave one "
                f"out with --ignore {own.strip()}"
            )
        kinds[kind][au] = free.pop(name)
    scores = {naming.expression(name): own for name, own in free.items() if naming.expression(name)}
    if "expression" in roles or len(scores) < _LEAST_EXPRESSIONS:
        scores = {}
    left = {name: own for name, own in free.items() if own not in scores.values()}
    unused = tuple(own.strip() for own in left.values())
    for name, (first, second) in _doubled(names, [*chosen.values(), *ignored]).items():
        if name not in left:
            raise FauError(f"{where} has two columns '{first}'; remove one, or leave it out with --ignore {second}")
    by_name = {name: own for name, own in scores.items() if name}
    return Columns(roles, kinds["plain"], kinds["occurrence"], kinds["intensity"], by_name, unused)


def _doubled(names: Sequence[str], settled: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the first two columns of each name in lower case that several columns have.

    Polars calls the second ``au1`` of a CSV ``au1_duplicated_0``.

    Args:
        names: All columns.
        settled: Columns that the user has named.
    """
    first: dict[str, str] = {}
    doubled: dict[str, tuple[str, str]] = {}
    for name in names:
        own = name.strip()
        key = re.sub(r"_duplicated_\d+$", "", own).strip().lower()
        if own in settled:
            continue
        if key in first:
            doubled.setdefault(key, (first[key], own))
        first.setdefault(key, own)
    return doubled
