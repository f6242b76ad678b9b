"""Drawing a corpus: the same bytes on any number of workers, whole or not at all, once per cache."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest

import fau.crops.pool
import fau.synthetic.cache
import fau.synthetic.corpus
from fau.crops.store import CropSet, check
from fau.errors import FauError
from fau.paths import cache_folder
from fau.synthetic.cache import default_cropset
from fau.synthetic.corpus import synthesize
from fau.synthetic.recipe import RECIPES, Recipe
from fau.synthetic.rows import labels_manifest

SMALL = Recipe("small", subjects=3, tasks=2, frames=2, size=32)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesize(SMALL, tmp_path_factory.mktemp("corpus") / "0", workers=0, progress=False)


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_bytes_do_not_depend_on_the_workers(small: Path, tmp_path: Path, workers: int) -> None:
    other = synthesize(SMALL, tmp_path / "other", workers, progress=False)
    assert contents(other) == contents(small)


def test_a_corpus_is_a_sound_crop_set(small: Path) -> None:
    cropset = CropSet.open(small)
    assert check(small) == []
    assert (len(cropset), cropset.size, cropset.info.landmark_set) == (12, 32, "478")
    assert cropset.info.corpus == "synthetic" and cropset.info.occurrence_threshold == 2
    assert Recipe(**cropset.info.recipe) == SMALL
    assert cropset.manifest["id"].to_list()[:3] == ["S001/T1/000", "S001/T1/001", "S001/T2/000"]


def test_labels_are_those_of_the_recipe(small: Path) -> None:
    drawn = CropSet.open(small).manifest
    pose = ["yaw", "pitch", "roll"]
    assert drawn.drop("shard", "row", *pose).equals(labels_manifest(SMALL).drop("shard", "row", *pose))
    assert drawn.select(pose).null_count().sum_horizontal()[0] == 0
    assert drawn.select(pl.max_horizontal(pl.col(pose).abs().max()))[0, 0] < 90


def test_pictures_hold_faces(small: Path) -> None:
    """Not a picture's quality, which the judges measure: contrast, landmarks in the frame, subjects that differ."""
    cropset = CropSet.open(small)
    crops = cropset.crops(range(len(cropset))).astype(float)
    landmarks = cropset.landmarks(range(len(cropset)))
    assert crops.std((1, 2, 3)).min() > 10
    assert np.isfinite(landmarks).all()
    assert (np.abs(landmarks.mean(1) - 15.5) < 8).all()
    same, other = np.abs(crops[0] - crops[1]).mean(), np.abs(crops[0] - crops[4]).mean()
    assert same < other


def test_a_frame_does_not_depend_on_its_company(small: Path, tmp_path: Path) -> None:
    alone = synthesize(replace(SMALL, subjects=1), tmp_path / "alone", workers=0, progress=False)
    np.testing.assert_array_equal(CropSet.open(alone).crops(range(4)), CropSet.open(small).crops(range(4)))


def test_another_seed_is_another_corpus(small: Path, tmp_path: Path) -> None:
    other = CropSet.open(synthesize(replace(SMALL, seed=1), tmp_path / "seed", workers=0, progress=False))
    one = CropSet.open(small)
    assert other.id != one.id
    assert (other.crops(range(12)) != one.crops(range(12))).any((1, 2, 3)).all()


def test_workers_must_be_a_number(tmp_path: Path) -> None:
    with pytest.raises(FauError, match="workers = -1; give 0 for this process"):
        synthesize(SMALL, tmp_path / "out", workers=-1)


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> None:
    def fail(*args: object) -> None:
        raise failure

    monkeypatch.setattr(fau.synthetic.corpus.CropSetWriter, "append", fail)
    expected = FauError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(expected, match="No space left" if expected is FauError else None):
        synthesize(SMALL, tmp_path / "out", workers=1, progress=False)
    assert list(tmp_path.iterdir()) == []


def _die(*args: object) -> None:
    os._exit(1)


def test_a_dead_worker_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fau.crops.pool, "_start", _die)
    with pytest.raises(FauError, match="a worker process died, perhaps for want of memory; try with fewer workers"):
        synthesize(SMALL, tmp_path / "out", workers=1, progress=False)
    assert list(tmp_path.iterdir()) == []


def start_drawing(out: Path) -> subprocess.Popen[str]:
    """Start a program that draws for a minute, and return when it is at work."""
    command = [sys.executable, "-m", "fau.cli.data", "synthesize", str(out), "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 300
    while not list(out.parent.glob(f".{out.name}.*")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    time.sleep(3.0)
    return process


def survivors(group: int, patience: float = 120.0) -> list[int]:
    """Return the processes of a group that are alive after a while; a zombie, for want of an init, is dead."""
    deadline = time.monotonic() + patience
    while True:
        alive = []
        for process in psutil.process_iter(["status"]):
            with contextlib.suppress(ProcessLookupError):
                if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                    alive.append(process.pid)
        if not alive or time.monotonic() > deadline:
            return alive
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_program_leaves_nothing_and_no_workers(tmp_path: Path, signal_number: signal.Signals) -> None:
    process = start_drawing(tmp_path / "out")
    os.killpg(process.pid, signal_number)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 128 + signal_number
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
    assert survivors(process.pid) == []


@pytest.mark.slow
def test_a_killed_program_leaves_no_workers(tmp_path: Path) -> None:
    process = start_drawing(tmp_path / "out")
    process.kill()
    process.communicate(timeout=300)
    left = survivors(process.pid)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


# The cache.


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache in which a small recipe takes the place of synthetic-tiny."""
    monkeypatch.setenv("FAU_CACHE", str(tmp_path))
    monkeypatch.setitem(RECIPES, "synthetic-tiny", replace(SMALL, name="synthetic-tiny"))
    return tmp_path / "cropsets"


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAU_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    monkeypatch.setenv("HOME", "/c")
    assert cache_folder() == Path("/a")
    monkeypatch.delenv("FAU_CACHE")
    assert cache_folder() == Path("/b/fau")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == Path("/c/.cache/fau")


def test_a_named_corpus_is_drawn_once(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = default_cropset("synthetic-tiny")
    assert path == cache / f"synthetic-tiny-{RECIPES['synthetic-tiny'].hash}"
    assert capsys.readouterr().err == f"drawing the crop set 'synthetic-tiny', 12 crops of 32 px, kept in {path}\n"
    before = (path / "cropset.json").stat().st_mtime_ns
    assert default_cropset("synthetic-tiny") == path
    assert capsys.readouterr().err == ""
    assert (path / "cropset.json").stat().st_mtime_ns == before


def test_a_damaged_corpus_is_drawn_anew_and_leftovers_go(cache: Path) -> None:
    path = default_cropset("synthetic-tiny")
    (path / "crops-00000.npy").unlink()
    leftover = cache / f".{path.name}.abc"
    leftover.mkdir()
    assert check(default_cropset("synthetic-tiny")) == []
    assert not leftover.exists()


def test_threads_that_ask_at_once_draw_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Path] = []
    draw = fau.synthetic.corpus.synthesize

    def count(recipe: Recipe, out: Path, workers: int) -> Path:
        drawn.append(out)
        return draw(recipe, out, workers, progress=False)

    monkeypatch.setattr(fau.synthetic.corpus, "synthesize", count)
    threads = [threading.Thread(target=default_cropset, args=("synthetic-tiny",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == 1 and check(drawn[0]) == []


@pytest.mark.slow
def test_a_large_corpus_is_drawn_by_a_program_of_its_own(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fau.synthetic.cache, "SMALL", 0)
    monkeypatch.setitem(RECIPES, "synthetic-tiny", Recipe("synthetic-tiny", subjects=9, frames=4, size=32))
    assert check(default_cropset("synthetic-tiny")) == []


def test_a_program_that_fails_is_a_sentence(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fau.synthetic.cache, "SMALL", 0)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(FauError, match=r"'synthetic-tiny' could not be drawn \(exit status 1\)"):
        default_cropset("synthetic-tiny")


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FAU_CACHE", str(tmp_path / "file"))
    with pytest.raises(FauError, match=r"cannot write to '.*file/cropsets': .*; set FAU_CACHE to a folder"):
        default_cropset("synthetic-tiny")


def test_an_unknown_name() -> None:
    with pytest.raises(FauError, match="recipe 'nobody' is unknown"):
        default_cropset("nobody")
