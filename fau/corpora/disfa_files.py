"""What lies where in a delivery of DISFA: codes, videos, extracted frames and landmarks, found by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from fau.corpora.media import is_video
from fau.corpora.tree import Tree, join

_LABELS = re.compile(r"^(SN\d{3})_AU(\d+)\.txt$", re.IGNORECASE)
_SUBJECT = re.compile(r"SN\d{3}", re.IGNORECASE)
_IMAGE = re.compile(r"\.(?:jpe?g|png|bmp)$", re.IGNORECASE)
_CAMERA = re.compile(r"(left|right)_?(?:video|camera)", re.IGNORECASE)
_FROM_0 = re.compile(r"^SN\d{3}_(\d+)_lm\.mat$", re.IGNORECASE)
_FROM_1 = re.compile(r"^l(\d+)_lm\.mat$", re.IGNORECASE)


@dataclass
class Files:
    """What a delivery holds for one camera; where several files claim the same, all of them."""

    labels: dict[tuple[str, int], list[str]] = field(default_factory=dict)  # by subject and action unit
    videos: dict[str, list[str]] = field(default_factory=dict)
    images: list[tuple[str, str]] = field(default_factory=list)  # subject, path
    points: dict[str, list[str]] = field(default_factory=dict)  # folders


def scan(tree: Tree, camera: str) -> Files:
    """Look at every name under the root once.

    Args:
        tree: The root.
        camera: ``left`` or ``right``: the other's videos and images are passed over.
    """
    files = Files()
    for folder, names in tree.walk():
        subjects = _SUBJECT.findall(folder)
        if subjects and any(name.lower().endswith("_lm.mat") for name in names):
            files.points.setdefault(subjects[-1].upper(), []).append(folder)
            continue
        for name in names:
            if match := _LABELS.match(name):
                files.labels.setdefault((match[1].upper(), int(match[2])), []).append(join(folder, name))
                continue
            is_image = _IMAGE.search(name)
            subject = (_SUBJECT.findall(name) or subjects)[-1:]
            if not subject or not (is_image or is_video(name)):
                continue
            path = join(folder, name)
            side = _CAMERA.findall(path)[-1:]
            if side and side[0].lower() != camera:
                continue
            if is_image:
                files.images.append((subject[0].upper(), path))
            else:
                files.videos.setdefault(subject[0].upper(), []).append(path)
    return files


def landmark_files(tree: Tree, folders: Sequence[str]) -> dict[int, str]:
    """Return landmark files by frame number from 1; names that count from 0 before those that count from 1."""
    by_name: list[dict[int, str]] = [{}, {}]
    for folder in folders:
        for name in tree.folder(folder)[1]:
            if match := _FROM_0.match(name):
                by_name[0][int(match[1]) + 1] = join(folder, name)
            elif match := _FROM_1.match(name):
                by_name[1][int(match[1])] = join(folder, name)
    return by_name[1] | by_name[0]
