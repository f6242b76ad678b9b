"""fau-sweep status on this machine, and what --launcher slurm decides before it asks a Slurm."""

from pathlib import Path
from typing import Any

import pytest
from sweep_place import Place, wait_for

from fau.cli.sweep import main
from fau.errors import FauError
from fau.sweep import slurm, spec
from fau.sweep.progress import Progress
from fau.sweep.runner import survey
from fau.sweep.state import SweepState


def status(place: Place, capsys: Any) -> tuple[int, str]:
    code = main(["status", str(place.file)])
    return code, " ".join(capsys.readouterr().out.split())


def test_status_of_a_sweep_that_was_never_started(place: Place, capsys: Any) -> None:
    place.write({"name": "row", "fold": [1, 2]})
    code, said = status(place, capsys)
    assert code == 0 and "0 of 2 done" in said and said.count("waiting") == 2
    assert not Path("runs").exists()


def test_status_without_the_words_that_the_sweep_was_started_with(place: Place, capsys: Any) -> None:
    place.write({"name": "row", "fold": [1, 2]})
    SweepState(Path("runs"), place.file, ["--fold", "1"]).folder.mkdir(parents=True)
    assert "what followed -- then must follow here too" in status(place, capsys)[1]


def test_status_while_the_runner_works_and_after(place: Place, capsys: Any) -> None:
    place.write({"name": "row", "fold": [1, 2, "none"], "lock": "yes", "until": "go", "sleep": 100})
    process = place.start("--jobs", "1", "--retries", "0")
    wait_for(lambda: place.status("row-1") == "running")
    code, said = status(place, capsys)
    assert code == 0 and "0 of 3 done, 1 running" in said
    (place.folder / "go").touch()
    assert process.wait(180) == 1
    code, said = status(place, capsys)
    assert code == 1 and "2 of 3 done, 1 failed" in said
    assert "row fold none: failed: exit status 1: ValueError: invalid literal" in said and "log runs/.sweeps" in said


def test_status_after_a_kill_says_interrupted(place: Place, capsys: Any) -> None:
    place.write({"name": "row", "fold": [1, 2], "lock": "yes", "until": "go", "sleep": 100})
    process = place.start("--jobs", "1")
    wait_for(lambda: place.status("row-1") == "running")
    process.kill()
    process.wait()
    wait_for(lambda: "1 interrupted" in status(place, capsys)[1])


def test_status_takes_slurms_word_for_what_it_ended(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    place.write({"name": "row", "fold": [1, 2, 3, 4, 5]})
    state = SweepState(Path("runs"), place.file)
    state.folder.mkdir(parents=True)
    trials = survey(spec.load(place.file), state)
    state.write_slurm_jobs({p.key: f"7_{index}" for index, p in enumerate(trials)})
    states = {"7_0": "OUT_OF_MEMORY", "7_1": "CANCELLED", "7_2": "PENDING", "7_3": "RUNNING"}
    answer = {job: slurm.Queued(word, "Priority") for job, word in states.items()}
    monkeypatch.setattr("fau.sweep.status.queue", lambda _: answer)
    monkeypatch.setattr("fau.sweep.status.shutil.which", lambda _: "/usr/bin/squeue")
    code, said = status(place, capsys)
    assert code == 1 and "0 of 5 done, 1 running, 1 failed, 2 interrupted" in said
    assert "row fold 1: failed: Slurm ended its job 7_0: OUT_OF_MEMORY" in said
    assert "row fold 2: interrupted: Slurm ended its job 7_1: CANCELLED" in said
    assert "row fold 5: interrupted: its job 7_4 is not in Slurm's queue any more" in said
    assert "in Slurm's queue: 1 (Priority)" in said


def test_an_end_told_from_elsewhere_counts_if_it_is_the_later(place: Place) -> None:
    state = SweepState(Path("runs"), place.file)
    with state.locked():
        state.write_end("a", {"state": "failed", "ended": "2026-01-01T00:00:01+00:00"})
        state.write_end_elsewhere("a", {"state": "done", "ended": "2026-01-01T00:00:02+00:00"})
        state.write_end("b", {"state": "failed", "ended": "2026-01-01T00:00:02+00:00"})
        state.write_end_elsewhere("b", {"state": "done", "ended": "2026-01-01T00:00:01+00:00"})
    assert {key: entry["state"] for key, entry in state.journal().items()} == {"a": "done", "b": "failed"}
    state.write_end_elsewhere("a", None)
    assert state.journal()["a"]["state"] == "failed"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90),
        ("4:00:00", 240),
        ("0:00:30", 1),
        ("1:30:01", 91),
        ("2-12", 3600),
        ("1-0:5", 1445),
        ("1-00:00:10", 1441),
    ],
)
def test_time_limits_as_slurm_writes_them(text: str, expected: int) -> None:
    assert slurm.minutes(text) == expected


@pytest.mark.parametrize("text", ["", "0", "4:00", "two hours", "1:00:00:00", "-5"])
def test_other_time_limits_are_refused(text: str) -> None:
    with pytest.raises(FauError, match="no time limit"):
        slurm.minutes(text)


def test_trials_that_start_from_others_come_in_a_later_array(place: Place) -> None:
    (place.folder / "two.yaml").write_text("name: two\nmodel: {init_args: {stage1: runs/x}}\n")
    (place.folder / "one.yaml").write_text("name: one\n")
    place.write({"config": ["one.yaml", "two.yaml"], "fold": [1, 2]}, command=["fau-train", "${args}"])
    sweep = spec.load(place.file)
    trials = [Progress(trial, str(trial.number), Path("log")) for trial in sweep.trials]
    assert [[p.trial.title for p in array] for array in slurm.arrays(trials)] == [
        ["one fold 1", "one fold 2"],
        ["two fold 1", "two fold 2"],
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--partition", "gpu"], "--partition is for --launcher slurm"),
        (["--launcher", "slurm", "--memory", "0"], "--memory 0.0 is too small"),
        (["--launcher", "slurm", "--sbatch", "qos"], "--sbatch qos is not KEY=VALUE"),
        (["--launcher", "slurm", "--time", "soon"], "--time soon is no time limit"),
        (["--launcher", "slurm"], "there is no `squeue` here"),
    ],
)
def test_options_that_cannot_be_met_are_one_sentence(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: Any, options: list[str], said: str
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    place.write({"name": "row", "fold": [1]})
    assert main([str(place.file), *options]) == 2
    assert said in capsys.readouterr().err
    assert not place.run("row-1").exists()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("squeue: fatal: Could not establish a configuration source", "no Slurm cluster is configured on this machine"),
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", "try again later, or run the"),
    ],
)
def test_a_slurm_that_cannot_be_asked_is_said_before_anything_is_written(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: Any, answer: str, said: str
) -> None:
    squeue = place.folder / "squeue"
    squeue.write_text(f"#!/bin/sh\necho '{answer}' >&2\nexit 1\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", str(place.folder))
    place.write({"name": "row", "fold": [1]})
    assert main([str(place.file), "--launcher", "slurm"]) == 2
    error = capsys.readouterr().err
    assert said in error and answer in error and "without --launcher slurm" in error
    assert not (place.folder / "runs").exists()


def test_a_dry_run_for_slurm_prints_the_commands(place: Place, capsys: Any) -> None:
    place.write({"name": "row", "fold": [1, 2]})
    assert main([str(place.file), "--launcher", "slurm", "--dry-run", "--gpus-per-trial", "8"]) == 0
    assert capsys.readouterr().out.count("to run") == 2
