"""What prepare refuses before it writes anything."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from toy_corpus import RESIZE, Toy, partial

import fau.crops.prepare
from fau.corpora.base import Corpus, Listing
from fau.crops.prepare import Settings, prepare
from fau.crops.store import CropSet
from fau.crops.writer import CropSetWriter
from fau.errors import FauError


def refused(root: Path, out: Path, settings: Settings, sentence: str, corpus: Toy | None = None) -> None:
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(FauError, match=sentence):
        prepare(corpus or Toy(root), out, settings, 0)
    assert sorted(out.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"size": 9}, "size = 9; give a value from 16 to 1024"),
        ({"align": "none"}, "alignment 'none' is unknown; choose one of canonical, jaa, box, resize"),
        ({"landmarks": "all"}, "landmarks 'all' are unknown; choose one of auto, corpus, mediapipe, none"),
        ({"max_lost": 2.0}, "max-lost = 2; give a share from 0 to 1"),
        ({"min_face": -1.0}, "min-face = -1; give a number of pixels"),
        ({"min_score": 1.5}, "min-score = 1.5; give a score from 0 to 1"),
        ({"copies": "all"}, "copies 'all' are unknown; choose one of near, equal"),
        ({"align": "canonical"}, "alignment 'canonical' cannot do without landmarks here; use --landmarks mediapipe"),
        ({"align": "resize", "margin": 0.5}, "the alignment 'resize' has no margin; only 'box' has one"),
    ],
)
def test_settings_that_cannot_work(root: Path, tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    refused(root, tmp_path / "out", replace(RESIZE, **change), sentence)


def test_out_exists(root: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    refused(root, tmp_path / "out", RESIZE, r"out' exists already; choose another folder or remove it first")


def test_out_lies_in_the_corpus(root: Path) -> None:
    refused(root, root / "out", RESIZE, "lies inside '.*raw'; choose a folder outside the corpus's own")


def test_out_is_a_link_to_nothing_or_lies_in_a_crop_set(root: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    refused(root, tmp_path / "link", RESIZE, "link' exists already")
    refused(root, tmp_path / "whole" / "deep" / "out", RESIZE, "out' lies inside the crop set '.*whole'; choose")
    for out, sentence in (("link", "exists already"), ("whole/out", "lies inside the crop set")):
        with pytest.raises(FauError, match=sentence):
            CropSetWriter(tmp_path / out, CropSet.open(tmp_path / "whole").info)


class _Plain(Toy):
    """A corpus that never gives landmarks, and must not be asked for its rows."""

    landmarks = Corpus.landmarks
    landmark_set = "none"

    def list(self) -> Listing:
        raise AssertionError("it was listed")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"align": "resize", "margin": 0.5}, "has no margin"),
        ({"margin": 0.5}, "has no margin"),
        ({"landmarks": "corpus"}, "has no landmarks"),
        ({"landmarks": "none"}, "cannot do without landmarks here"),
        ({"landmarks": "mediapipe"}, "model 'no.task' does not exist"),
        ({"landmarks": "auto"}, "model 'no.task' does not exist"),
        ({"align": "resize", "model": Path("no.task")}, "model 'no.task' does not exist"),
    ],
)
def test_what_never_works_is_refused_before_the_listing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], sentence: str
) -> None:
    monkeypatch.setenv("FAU_FACE_MODEL", "no.task")
    refused(root, tmp_path / "out", Settings(**change), sentence, _Plain(root))


def test_a_disk_that_is_too_small(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fau.crops.prepare, "free_bytes", lambda folder: 1000_000)
    refused(root, tmp_path / "out", RESIZE, r"has 1.0 MB free, but up to 1.2 MB are needed; free some space, or choose")


def test_a_folder_that_may_not_be_written(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", deny)
    refused(root, tmp_path / "out", RESIZE, "cannot write to '.*': Permission denied")


def test_an_id_twice(root: Path, tmp_path: Path) -> None:
    with (root / "labels.csv").open("a") as file:
        file.write("S3/B/009.png,1\n")
    refused(root, tmp_path / "out", RESIZE, "gives rows that no crop set may have: id 'S3/B/009' occurs twice")


def test_a_corpus_of_nothing(root: Path, tmp_path: Path) -> None:
    (root / "labels.csv").write_text("path,au01\n")
    refused(
        root, tmp_path / "out", RESIZE, r"nothing of Toy that could be used \(1 x image without label\); compare it"
    )


def test_two_at_once(root: Path, tmp_path: Path) -> None:
    partial(tmp_path / "out").mkdir()
    with FileLock(partial(tmp_path / "out") / "lock"), pytest.raises(FauError, match="another process is at work in"):
        prepare(Toy(root), tmp_path / "out", RESIZE, 0)


def test_landmarks_that_the_corpus_has_not(root: Path, tmp_path: Path) -> None:
    corpus = Toy(root)
    corpus.landmark_set = "none"
    sentence = "this delivery of Toy has no landmarks; use --landmarks mediapipe or none"
    refused(root, tmp_path / "out", Settings(landmarks="corpus"), sentence, corpus)
