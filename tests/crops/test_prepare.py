"""Preparing a corpus: the same bytes whatever happens on the way, nothing lost without a word."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest
from filelock import FileLock
from toy_corpus import Seer, Toy, build

import fau.crops.jobs
import fau.crops.prepare
import fau.crops.work
import fau.crops.writer
from fau.corpora.base import Corpus, Listing
from fau.corpora.losses import Losses
from fau.corpora.tree import Tree
from fau.crops.align import Alignment, move, warp
from fau.crops.prepare import Report, Settings, prepare
from fau.crops.store import CropSet, check
from fau.crops.writer import ArrayFile, CropSetWriter
from fau.errors import FauError

RESIZE = Settings(size=24, align="resize", landmarks="none")
COUNT = 60


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build(tmp_path / "raw")


@pytest.fixture(autouse=True)
def _small_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six sequences of ten pictures make three jobs."""
    monkeypatch.setattr(fau.crops.jobs, "_SMALLEST", 20)


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


def partial(out: Path) -> Path:
    return out.parent / f".{out.name}.partial"


def test_a_corpus_becomes_a_crop_set(root: Path, tmp_path: Path) -> None:
    said: list[str] = []
    steps: list[tuple[int, int]] = []
    out = tmp_path / "deep" / "out"
    report = prepare(Toy(root), out, RESIZE, 0, said.append, lambda done, total: steps.append((done, total)))
    assert check(out) == []
    cropset = CropSet.open(out)
    manifest = cropset.manifest
    assert manifest["id"].to_list()[:2] == ["S1/A/000", "S1/A/001"] and len(manifest) == report.crops == COUNT
    assert manifest["au01"].to_list() == [k % 2 for k in range(COUNT)]
    assert manifest["group"].to_list() == manifest["subject"].to_list() == [f"S{k // 20 + 1}" for k in range(COUNT)]
    assert manifest["shard"].to_list() == [k // 20 for k in range(COUNT)]
    picture = cv2.imread(str(root / "S2/B/003.png"))[..., ::-1]
    matrix = Alignment("resize", 24).matrix(None, "none", None, picture.shape)
    assert matrix is not None and np.array_equal(cropset.crop(33), warp(np.ascontiguousarray(picture), matrix, 24))
    assert (cropset.info.corpus, cropset.info.landmark_set, cropset.info.size) == ("toy", "none", 24)
    assert cropset.info.recipe["alignment"] == Alignment("resize", 24).as_dict()
    assert str(tmp_path) not in json.dumps(cropset.info.recipe)
    assert steps[0] == (0, COUNT) and steps[-1] == (COUNT, COUNT)
    assert said[0] == "one of two layouts"
    assert said[1] == "Toy: 60 rows, 3 subjects, 6 sequences; left out: 1 x image without label"
    assert said[2].startswith("needs up to 1.2 MB in ") and "are free" in said[2]
    assert json.loads((out / "report.json").read_text())["lost"] == {"image without label": 1}
    assert (out / "losses.csv").read_text() == "cause,id\nimage without label,S0/A/000\n"
    assert not partial(out).exists()


@pytest.fixture
def whole(root: Path, tmp_path: Path) -> dict[str, bytes]:
    """The crop set as one process makes it at one go."""
    prepare(Toy(root), tmp_path / "whole", RESIZE, 0)
    return contents(tmp_path / "whole")


@pytest.mark.parametrize("workers", [1, 2])
def test_the_bytes_do_not_depend_on_the_workers(
    root: Path, tmp_path: Path, whole: dict[str, bytes], workers: int
) -> None:
    prepare(Toy(root), tmp_path / "out", RESIZE, workers)
    assert contents(tmp_path / "out") == whole


@pytest.mark.parametrize("at", [0, 9])
def test_an_interrupted_one_goes_on(root: Path, tmp_path: Path, whole: dict[str, bytes], at: int) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        prepare(Toy(root, stop_at=at), out, RESIZE, 0)
    assert not out.exists() and partial(out).is_dir()
    said: list[str] = []
    prepare(Toy(root), out, RESIZE, 0, said.append)
    assert contents(out) == whole
    assert not partial(out).exists()


def test_finished_jobs_are_kept(root: Path, tmp_path: Path, whole: dict[str, bytes], monkeypatch: Any) -> None:
    out = tmp_path / "out"
    done: list[int] = []
    stopped: list[bool] = []
    work = fau.crops.prepare.run

    def stop_in_the_second(job: fau.crops.jobs.Job) -> object:
        if job.number == 1 and len(done) == 1 and not stopped:
            stopped.append(True)
            raise KeyboardInterrupt
        done.append(job.number)
        return work(job)

    monkeypatch.setattr(fau.crops.prepare, "run", stop_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        prepare(Toy(root), out, RESIZE, 0)
    assert done == [0]
    said: list[str] = []
    prepare(Toy(root), out, RESIZE, 0, said.append)
    assert done == [0, 1, 2] and said[-1] == "going on: 1 of 3 parts are done"
    assert "1.1 MB of it still to come" in said[-2]
    assert contents(out) == whole


HARMED = ("cropset/crops-00000.npy", "jobs/00000.parquet", "jobs/00000.json")


@pytest.mark.parametrize(
    ("harm", "size"), [("plan.json", None), *((name, n) for name in HARMED for n in (None, 0, 10))]
)
def test_what_is_damaged_is_made_again(
    root: Path, tmp_path: Path, whole: dict[str, bytes], harm: str, size: int | None
) -> None:
    out = tmp_path / "out"
    with pytest.raises(FauError, match="max-lost"):
        _break(root / "S1/A/000.png")
        prepare(Toy(root), out, replace(RESIZE, max_lost=0.0), 0)
    build(tmp_path / "again")
    (tmp_path / "again/S1/A/000.png").replace(root / "S1/A/000.png")
    if size is None:
        (partial(out) / harm).unlink()
    else:
        os.truncate(partial(out) / harm, size)
    (partial(out) / "cropset" / "crops-00001.npy.77.tmp").write_bytes(b"of a killed process")
    prepare(Toy(root), out, RESIZE, 0)
    assert contents(out) == whole


def _break(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])


def test_a_finished_one_that_was_not_tidied_up(root: Path, tmp_path: Path, monkeypatch: Any) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(fau.crops.prepare.Unfinished, "remove", lambda self: None)
        prepare(Toy(root), out, RESIZE, 0)
    assert partial(out).exists()
    with pytest.raises(FauError, match="exists already; choose another folder or remove it first"):
        prepare(Toy(root), out, RESIZE, 0)
    assert not partial(out).exists() and check(out) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"size": 32}, r"crop set.recipe.alignment.size was 24, is 32"),
        ({"align": "box"}, r'crop set.recipe.alignment.name was "resize", is "box"'),
        ({"landmarks": "corpus"}, r'landmark_set was "none", is "68"'),
    ],
)
def test_another_configuration_is_refused(root: Path, tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        prepare(Toy(root, stop_at=3), out, RESIZE, 0)
    before = sorted(partial(out).rglob("*"))
    with pytest.raises(FauError, match=sentence) as caught:
        prepare(Toy(root), out, replace(RESIZE, **change), 0)
    assert f"'{partial(out)}' holds an unfinished crop set of another configuration" in str(caught.value)
    assert sorted(partial(out).rglob("*")) == before


def test_other_rows_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare(Toy(root, stop_at=3), tmp_path / "out", RESIZE, 0)
    with (root / "labels.csv").open("a") as file:
        file.write("S3/B/010.png,1\n")
    with pytest.raises(FauError, match=r"the corpus's files or labels changed since .*partial' was begun; remove that"):
        prepare(Toy(root), tmp_path / "out", RESIZE, 0)


def test_another_size_is_said_without_what_follows_from_it(root: Path, tmp_path: Path) -> None:
    settings = Settings(size=24, align="canonical", landmarks="corpus")
    with pytest.raises(KeyboardInterrupt):
        prepare(Toy(root, stop_at=3), tmp_path / "out", settings, 0)
    with pytest.raises(FauError, match="size was 24, is 32") as caught:
        prepare(Toy(root), tmp_path / "out", replace(settings, size=32), 0)
    assert "template" not in str(caught.value) and "[" not in str(caught.value)


def test_the_name_may_change_on_the_way(root: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare(Toy(root, stop_at=3), tmp_path / "out", RESIZE, 0)
    prepare(Toy(root), tmp_path / "out", replace(RESIZE, name="mine"), 0)
    assert CropSet.open(tmp_path / "out").info.name == "mine"


# Refused before anything is written.


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
    refused(root, tmp_path / "out", RESIZE, "holds nothing of Toy that could be used")


def test_two_at_once(root: Path, tmp_path: Path) -> None:
    partial(tmp_path / "out").mkdir()
    with FileLock(partial(tmp_path / "out") / "lock"), pytest.raises(FauError, match="another process is at work in"):
        prepare(Toy(root), tmp_path / "out", RESIZE, 0)


# What goes wrong on the way.


def test_a_full_disk(root: Path, tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    append, out = ArrayFile.append, tmp_path / "out"

    def full(self: ArrayFile, rows: Any) -> None:
        append(self, rows)
        if self.count == 7:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ArrayFile, "append", full)
        with pytest.raises(FauError, match=r"out' failed: No space left on device; free some space or choose another"):
            prepare(Toy(root), out, RESIZE, 0)
    assert not out.exists() and not list(partial(out).rglob("*.npy*"))
    prepare(Toy(root), out, RESIZE, 0)
    assert contents(out) == whole


def test_a_full_disk_at_the_end(
    root: Path, tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Losses, "write", full)
        with pytest.raises(FauError, match="No space left on device; free some space or choose another disk; the same"):
            prepare(Toy(root), tmp_path / "out", RESIZE, 0)
    assert not (tmp_path / "out").exists()
    prepare(Toy(root), tmp_path / "out", RESIZE, 0)
    assert contents(tmp_path / "out") == whole


@pytest.mark.parametrize(("limit", "workers"), [(10, 0), (3000, 0), (10_000, 0), (20_000, 1)])
def test_files_that_may_not_grow(root: Path, tmp_path: Path, whole: dict[str, bytes], limit: int, workers: int) -> None:
    """A real limit on the size of files, which workers inherit, met by the listing's rows, or by shards."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = tmp_path / "out"
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(FauError, match=r"File too large.*; free some space or choose another disk; the same com"):
            prepare(Toy(root), out, RESIZE, workers)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not out.exists()
    prepare(Toy(root), out, RESIZE, 0)
    assert contents(out) == whole


def test_a_picture_that_may_not_be_read(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes

    def deny(self: Path) -> bytes:
        if self.name == "004.png":
            raise PermissionError(errno.EACCES, "Permission denied")
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", deny)
    with pytest.raises(FauError, match=r"S1/A/004.png' cannot be read: Permission denied"):
        prepare(Toy(root), tmp_path / "out", RESIZE, 0)


def test_lost_pictures_are_counted_by_cause(root: Path, tmp_path: Path) -> None:
    (root / "S1/A/000.png").unlink()
    _break(root / "S1/B/001.png")
    (root / "S2/A/002.png").write_bytes(b"")
    (root / "S2/A/003.png").write_text("no picture at all")
    report = prepare(Toy(root), tmp_path / "out", RESIZE, 0)
    assert (report.crops, report.rows) == (COUNT - 4, COUNT)
    assert report.lost == {"image without label": 1, "label without image": 1, "unreadable image": 3}
    assert report.lost_share == pytest.approx(4 / 60, abs=1e-6) and report.expected == ["image without label"]
    losses = pl.read_csv(tmp_path / "out" / "losses.csv")
    assert losses["id"].to_list() == ["S0/A/000", "S1/A/000", "S1/B/001", "S2/A/002", "S2/A/003"]
    assert check(tmp_path / "out") == []


def test_too_many_lost(root: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    _break(root / "S1/A/000.png")
    out = tmp_path / "out"
    sentence = (
        r"^1 of 60 rows \(1.7 %\) are lost \(unreadable image 1\), more than --max-lost 0.01 allows; "
        rf"'{partial(out)}/losses.csv' lists them"
    )
    with pytest.raises(FauError, match=sentence):
        prepare(Toy(root), out, replace(RESIZE, max_lost=0.01), 0)
    assert not out.exists() and "unreadable image,S1/A/000" in (partial(out) / "losses.csv").read_text()
    said: list[str] = []
    prepare(Toy(root), out, RESIZE, 0, said.append)
    assert "going on: 3 of 3 parts are done" in said and len(CropSet.open(out)) == COUNT - 1


def test_too_many_lost_before_any_work(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Toy.list

    def lossy(self: Toy) -> Any:
        listing = listed(self)
        listing.losses.add("label without image", [str(i) for i in range(60)])
        return listing

    monkeypatch.setattr(Toy, "list", lossy)
    monkeypatch.setattr(fau.crops.prepare, "run", None)
    with pytest.raises(FauError, match=r"^60 of 120 rows \(50.0 %\) are lost \(label without image 60\)"):
        prepare(Toy(root), tmp_path / "out", RESIZE, 0)
    assert sorted(file.name for file in partial(tmp_path / "out").iterdir()) == ["lock", "losses.csv"]
    monkeypatch.undo()
    prepare(Toy(root), tmp_path / "out", RESIZE, 0)


def test_a_shard_of_which_nothing_is_left(root: Path, tmp_path: Path) -> None:
    for file in (root / "S2").rglob("*.png"):
        file.unlink()
    prepare(Toy(root), tmp_path / "out", replace(RESIZE, max_lost=0.5), 0)
    assert check(tmp_path / "out") == []
    assert CropSet.open(tmp_path / "out").manifest["shard"].unique().to_list() == [0, 1]


def test_nothing_is_left(root: Path, tmp_path: Path) -> None:
    for file in root.rglob("*.png"):
        file.unlink()
    with pytest.raises(FauError, match=r"not one crop is left; '.*losses.csv' lists why"):
        prepare(Toy(root), tmp_path / "out", replace(RESIZE, max_lost=1.0), 0)
    assert (partial(tmp_path / "out") / "losses.csv").exists()


# Landmarks and faces.


def test_the_corpus_landmarks_move_with_the_crop(root: Path, tmp_path: Path) -> None:
    report = prepare(Toy(root), tmp_path / "out", Settings(size=32, align="jaa", max_lost=0.5), 0)
    cropset = CropSet.open(tmp_path / "out")
    assert cropset.info.landmark_set == "68" and cropset.info.recipe["landmarks"] == "corpus"
    assert report.lost["image without landmarks"] == COUNT // 5
    points = Toy(root).landmarks(pl.DataFrame({"frame": [0]}))[0]
    matrix = Alignment("jaa", 32).matrix(points, "68", None, (40, 40))
    assert matrix is not None and np.allclose(cropset.landmarks([5])[0], move(points, matrix))


def test_a_crop_may_lack_landmarks_where_the_alignment_does_without(root: Path, tmp_path: Path) -> None:
    prepare(Toy(root), tmp_path / "out", Settings(size=24, align="box", margin=0.1), 0)
    landmarks = CropSet.open(tmp_path / "out").landmarks(range(COUNT))
    assert [np.isnan(points).all() for points in landmarks] == [k % 5 == 4 for k in range(COUNT)]


def test_odd_faces_are_counted(root: Path, tmp_path: Path) -> None:
    settings = Settings(size=24, landmarks="mediapipe", max_lost=0.5)
    report = prepare(Toy(root), tmp_path / "out", settings, 0, make_detector=Seer)
    assert report.faces == {"none": 1, "several": 1, "tiny": 1, "cut": 1}
    assert report.crops == COUNT - 3
    assert {cause: report.lost[cause] for cause in list(report.lost)[1:]} == {
        "no face": 1,
        "tiny face": 1,
        "face cut by the picture's edge": 1,
    }
    cropset = CropSet.open(tmp_path / "out")
    assert cropset.info.landmark_set == "478"
    assert cropset.info.recipe["faces"] == {"choose": "nearest", "smallest": 24.0, "detector": "seer"}
    assert check(tmp_path / "out") == []


def test_the_previous_face_is_that_of_the_sequence(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    choose = fau.crops.work.choose

    def spy(*args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["previous"])
        return choose(*args, **kwargs)

    monkeypatch.setattr(fau.crops.work, "choose", spy)
    prepare(Toy(root), tmp_path / "out", Settings(size=24, landmarks="mediapipe"), 0, make_detector=Seer)
    assert [i for i, previous in enumerate(seen) if previous is None] == [0, 10, 20, 30, 40, 50]


@pytest.mark.parametrize(
    ("align", "landmark_set", "expected"),
    [
        ("canonical", "68", "corpus"),
        ("canonical", "none", "mediapipe"),
        ("box", "none", "none"),
        ("resize", "none", "none"),
        ("resize", "68", "corpus"),
    ],
)
def test_where_landmarks_come_from(root: Path, tmp_path: Path, align: str, landmark_set: str, expected: str) -> None:
    corpus = Toy(root)
    corpus.landmark_set = landmark_set
    prepare(corpus, tmp_path / "out", Settings(size=24, align=align, max_lost=0.5), 0, make_detector=Seer)
    assert CropSet.open(tmp_path / "out").info.recipe["landmarks"] == expected


def test_landmarks_that_the_corpus_has_not(root: Path, tmp_path: Path) -> None:
    corpus = Toy(root)
    corpus.landmark_set = "none"
    sentence = "this delivery of Toy has no landmarks; use --landmarks mediapipe or none"
    refused(root, tmp_path / "out", Settings(landmarks="corpus"), sentence, corpus)


def test_aligned_crops_are_only_resized(root: Path, tmp_path: Path) -> None:
    corpus = Toy(root)
    corpus.aligned, corpus.landmark_set = True, "none"
    prepare(corpus, tmp_path / "out", Settings(), 0)
    info = CropSet.open(tmp_path / "out").info
    assert (info.recipe["alignment"]["name"], info.recipe["landmarks"], info.size) == ("resize", "none", 112)


# Groups of crops without a subject.


def test_pictures_that_look_the_same_are_one_group(root: Path, tmp_path: Path) -> None:
    image = cv2.imread(str(root / "S1/A/003.png"))
    cv2.imwrite(str(root / "S2/A/007.png"), image, [cv2.IMWRITE_PNG_COMPRESSION, 0])  # other bytes, the same picture
    report = prepare(Toy(root, anonymous=True), tmp_path / "out", RESIZE, 0)
    manifest = CropSet.open(tmp_path / "out").manifest
    assert manifest["subject"].null_count() == COUNT
    groups = dict(manifest.select("id", "group").iter_rows())
    assert groups["S2/A/007"] == groups["S1/A/003"] == "S1/A/003" and len(set(groups.values())) == COUNT - 1
    assert (report.duplicates["groups"], report.duplicates["crops"]) == (1, 2)
    listed = (tmp_path / "out" / "duplicates.csv").read_text()
    assert listed == "group,id\nS1/A/003,S1/A/003\nS1/A/003,S2/A/007\n"


def test_a_reader_that_gives_too_few_pictures(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few: Callable[..., Any] = lambda self, rows: iter([])  # noqa: E731
    monkeypatch.setattr(Toy, "pictures", few)
    with pytest.raises(RuntimeError, match="gave 0 pictures for 20 rows"):
        prepare(Toy(root), tmp_path / "out", RESIZE, 0)


def test_a_symlink_loop_is_a_sentence(root: Path) -> None:
    (root / "S1" / "again").symlink_to(root)
    with pytest.raises(FauError, match="is a symbolic link to a folder that contains it; remove the link"):
        list(Tree(root).walk())


def test_reports_are_plain(root: Path, tmp_path: Path) -> None:
    report = prepare(Toy(root), tmp_path / "out", RESIZE, 0)
    assert Report(**json.loads((tmp_path / "out" / "report.json").read_text())) == report
