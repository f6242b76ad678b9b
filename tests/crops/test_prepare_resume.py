"""A stopped prepare goes on where it was, with the bytes of one that never stopped, or refuses."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy_corpus import RESIZE, Toy, build, contents, damage, partial

import fau.crops.jobs
import fau.crops.prepare
from fau.crops.prepare import Settings, prepare
from fau.crops.store import CropSet, check
from fau.errors import FauError


def refused(root: Path, out: Path, settings: Settings, sentence: str, corpus: Toy | None = None) -> None:
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(FauError, match=sentence):
        prepare(corpus or Toy(root), out, settings, 0)
    assert sorted(out.parent.rglob("*")) == before


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
        damage(root / "S1/A/000.png")
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
