"""A trial that starts from another run's weights waits for the earlier trials of its fold."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from sweep_place import PROGRAM, Place

from fau.cli.sweep import main
from fau.sweep.spec import load

# Called as fau-train is, and named by its configuration file.
# Of a fold, plain and first end once the other has begun: they run side by side, or not at all.
TRAIN = f"""#!/bin/sh
for word; do case $word in
  --config=*) name=$(basename "${{word#--config=}}" .yaml);;
  --fold=*) fold=${{word#--fold=}};;
esac; done
case $name in plain) other=first;; first) other=plain;; *) other=$name;; esac
exec {sys.executable} {PROGRAM} "$@" --name=$name --sleep=300 --until=runs/fake/$other-$fold/starts.jsonl
"""


@pytest.fixture
def stages(place: Place) -> Place:
    """A sweep of two stages and two folds; the second stage names where it starts."""
    program = place.folder / "fau-train"
    program.write_text(TRAIN)
    program.chmod(0o755)
    contents = {"plain": {}, "first": {"stage1": None}, "second": {"stage1": "${runs}/${experiment}"}}
    for name, settings in contents.items():
        (place.folder / f"{name}.yaml").write_text(json.dumps({"name": name, "model": {"init_args": settings}}))
    files = [f"{name}.yaml" for name in contents]
    place.write({"config": files, "fold": [1, 2]}, command=[str(program), "${args}"])
    return place


def test_the_second_stage_waits_for_the_first_of_its_fold(stages: Place) -> None:
    assert main([str(stages.file), "--no-report", "--no-fork", "--jobs", "6"]) == 0
    for fold in (1, 2):
        ended = [float((stages.run(f"{name}-{fold}") / "ended.txt").read_text()) for name in ("plain", "first")]
        (start,) = stages.starts(f"second-{fold}")
        assert start["at"] > max(ended)
    # The others did not wait for each other to end.
    assert stages.starts("first-1")[0]["at"] < float((stages.run("plain-1") / "ended.txt").read_text())


def test_who_follows_whom(stages: Place) -> None:
    trials = load(stages.file).trials
    pairs = {(a.title, b.title) for a in trials for b in trials if a.follows(b)}
    earlier = {(f"second fold {fold}", f"{name} fold {fold}") for fold in (1, 2) for name in ("plain", "first")}
    assert pairs == earlier
    freed = load(stages.file, ["--model.stage1=null"]).trials  # the command line wins over the file
    assert not any(a.follows(b) for a in freed for b in freed)


def test_a_failed_first_stage_holds_nobody_up(stages: Place) -> None:
    program = stages.folder / "fau-train"
    program.write_text(TRAIN.replace("other=first", "other=plain").replace("first) other=plain", "first) exit 1"))
    assert main([str(stages.file), "--no-report", "--no-fork", "--jobs", "6", "--retries", "0"]) == 1
    assert stages.status("second-1") == "done" and not Path(stages.run("first-1") / "ended.txt").exists()
