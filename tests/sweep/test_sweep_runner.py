"""The engine, with trials that take no time."""

import itertools
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sweep_place import Place, is_alive, read_until, wait_for

from fau.cli.sweep import main


def sweep(place: Place, *arguments: str) -> int:
    return main([str(place.file), "--no-report", *arguments])


def test_trials_run_once_and_a_second_call_starts_nothing(place: Place, capsys: Any) -> None:
    place.write({"name": ["a", "b"], "fold": [1, 2]})
    assert sweep(place) == 0
    assert all(place.status(f"{n}-{f}") == "done" for n in "ab" for f in (1, 2))
    assert sweep(place) == 0
    assert "4 trials, 4 done before" in capsys.readouterr().out
    assert all(len(place.starts(f"{n}-{f}")) == 1 for n in "ab" for f in (1, 2))


def test_a_failure_is_retried_once_and_the_others_go_on(place: Place, capsys: Any) -> None:
    place.write({"name": ["a", "b", "c"], "fail": 1})
    assert sweep(place) == 0
    assert {entry["attempt"] for entry in place.journal()} == {1, 2}
    place.write({"name": ["x", "y", "z"], "fail": [2, 0]})
    assert sweep(place, "--retries", "0", "--jobs", "1") == 1  # else a slow first start finds the run done
    printed = capsys.readouterr().out
    # x, y and z share their run between fail=2 and fail=0: the second of each finds the first's start.
    assert "exit status 3: something broke" in printed
    assert "3 of 6 trials failed" in printed
    assert "log runs/.sweeps/" in printed
    assert all(place.status(f"{n}-1") == "done" for n in "xyz")


def test_a_failed_trial_is_tried_again_by_the_next_call(place: Place) -> None:
    place.write({"name": ["a", "b"], "fail": 3})
    assert sweep(place) == 1
    assert sweep(place) == 0
    assert len(place.starts("a-1")) == 4


def test_a_wrong_setting_is_not_tried_again(place: Place, capsys: Any) -> None:
    program = place.folder / "fau-train"  # the name decides that the exit status is understood
    program.write_text("#!/bin/sh\necho fau-train: error: no such setting >&2\nexit 2\n")
    program.chmod(0o755)
    place.write({"seed": [0]}, command=[str(program), "${args}"])
    assert sweep(place, "--no-fork") == 1
    assert [entry["attempt"] for entry in place.journal()] == [1]
    assert "fau-train: error: no such setting" in capsys.readouterr().out


def test_success_is_the_runs_own_record_and_not_an_exit_code(place: Place, capsys: Any) -> None:
    place.write({"name": ["a"], "liar": "yes"})
    assert sweep(place, "--retries", "0") == 1
    place.write({"name": ["b"], "silent": "yes"})
    assert sweep(place, "--retries", "0") == 1
    assert "left no run record" in capsys.readouterr().out


def test_a_command_that_cannot_be_started_is_a_failed_trial(place: Place, capsys: Any) -> None:
    place.write({"name": ["a"]}, command=["no-such-program", "${args}"])
    assert sweep(place) == 1
    assert "cannot start 'no-such-program'" in capsys.readouterr().out


def test_the_environment_of_a_trial(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_PORT", "SLURM_JOB_ID", "WANDB_SWEEP_ID"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,8,9")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    place.write({"name": ["a", "b", "c"], "sleep": 0.3})
    assert sweep(place, "--gpus-per-trial", "2", "--threads", "3") == 0
    starts = [place.starts(f"{name}-1")[0] for name in "abc"]
    assert {start["CUDA_VISIBLE_DEVICES"] for start in starts[:2]} == {"3,5", "8,9"}
    for start in starts:
        assert (start["MASTER_PORT"], start["SLURM_JOB_ID"], start["WANDB_SWEEP_ID"]) == (None, None, "7")
        assert start["OMP_NUM_THREADS"] == start["FAU_THREADS"] == "3"


def test_gpus_are_never_shared_between_trials_that_overlap(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    place.write({"name": list("abcdef"), "sleep": 0.2})
    assert sweep(place) == 0
    spans: dict[str, list[tuple[float, float]]] = {"0": [], "1": []}
    for name in "abcdef":
        (start,) = place.starts(f"{name}-1")
        end = float((place.run(f"{name}-1") / "ended.txt").read_text())
        spans[start["CUDA_VISIBLE_DEVICES"]].append((start["at"], end))
    for busy in spans.values():
        assert busy
        busy.sort()
        assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(busy))


def test_an_edited_overlay_is_asked_anew_but_not_trained_anew(place: Place) -> None:
    overlay = place.folder / "full.yaml"
    overlay.write_text("name: full\n")
    place.write({"config": ["full.yaml"], "name": ["a"]}, command=named_fau_train(place))
    assert sweep(place, "--no-fork") == 0
    assert sweep(place, "--no-fork") == 0
    assert len(place.starts("a-1")) == 1
    overlay.write_text("name: full\nseed: 1\n")
    assert sweep(place, "--no-fork") == 0
    assert len(place.starts("a-1")) == 2


def named_fau_train(place: Place) -> list[str]:
    """Return a command under fau-train's name, which decides that its words are understood."""
    program = place.folder / "fau-train"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("trial_program.py")} "$@"\n')
    program.chmod(0o755)
    return [str(program), "${args}"]


@pytest.mark.parametrize("again", [["--rerun"], []], ids=["with --rerun", "without"])
def test_a_stopped_rerun_goes_on_where_it_was(
    place: Place, again: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("fau.sweep.state.code_fingerprint", lambda: "same")
    go = place.folder / "go"
    place.write({"name": list("abc"), "until": str(go), "sleep": 600}, command=named_fau_train(place))
    go.touch()
    assert sweep(place, "--no-fork") == 0
    go.rename(place.folder / "go-a-1")

    def stop_in_b() -> None:
        wait_for(lambda: place.status("b-1") == "running")
        os.kill(os.getpid(), signal.SIGINT)

    stopper = threading.Thread(target=stop_in_b)
    stopper.start()
    assert sweep(place, "--no-fork", "--rerun", "--jobs", "1") == 130
    stopper.join()
    go.touch()
    capsys.readouterr()
    assert main([str(place.file), "--dry-run", *again]) == 0
    assert capsys.readouterr().out.count("  done ") == 1
    assert sweep(place, "--no-fork", *again) == 0
    printed = capsys.readouterr().out
    assert "3 trials, 1 done before" in printed
    assert "the rerun of 20" in printed
    assert [len(place.starts(f"{name}-1")) for name in "abc"] == [2, 3, 2]
    names = {json.loads((place.run(f"{name}-1") / "run.json").read_text())["rerun"] for name in "abc"}
    assert len(names) == 1
    # It has finished, so the next call finds all done, and another --rerun trains all again.
    assert sweep(place, "--no-fork") == 0
    assert sweep(place, "--no-fork", "--rerun") == 0
    printed = capsys.readouterr().out
    assert "3 trials, 3 done before" in printed
    assert "the rerun of" not in printed
    assert [len(place.starts(f"{name}-1")) for name in "abc"] == [3, 4, 3]


def test_a_rerun_with_a_failure_is_not_over(place: Place, capsys: Any) -> None:
    place.write({"name": ["a", "b"], "fail": 3}, command=named_fau_train(place))
    assert sweep(place, "--no-fork", "--rerun") == 1
    assert sweep(place, "--no-fork", "--rerun") == 0  # the fourth start ends well
    assert [len(place.starts(f"{name}-1")) for name in "ab"] == [4, 4]
    assert "the rerun of 20" in capsys.readouterr().out
    assert not list(place.folder.glob("runs/.sweeps/*/rerun.json"))


def test_changed_code_or_crops_make_a_trial_be_asked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write({"name": ["a"]})
    assert sweep(place) == 0
    monkeypatch.setattr("fau.sweep.state.code_fingerprint", lambda: "other")
    assert sweep(place) == 0
    assert len(place.starts("a-1")) == 2
    assert sweep(place) == 0
    assert len(place.starts("a-1")) == 2


def test_two_runners_on_one_sweep(place: Place) -> None:
    place.write({"name": ["a"], "until": str(place.folder / "go"), "sleep": 600})
    first = place.start()
    wait_for(lambda: place.status("a-1") == "running")
    second = place.start()
    output, _ = second.communicate(timeout=180)
    assert second.returncode == 2
    assert "another fau-sweep" in output
    (place.folder / "go").touch()
    assert first.wait(180) == 0
    assert len(place.starts("a-1")) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_trials_and_the_next_call_goes_on(place: Place, number: signal.Signals, code: int) -> None:
    place.write({"name": list("abc"), "until": str(place.folder / "go"), "sleep": 600})
    process = place.start("--jobs", "2")
    wait_for(lambda: place.status("a-1") == place.status("b-1") == "running")
    process.send_signal(number)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == code
    assert "0 of 3 trials done; the same command goes on" in output
    assert not any(is_alive(place.starts(f"{name}-1")[0]["pid"]) for name in "ab")
    assert place.starts("c-1") == []
    assert {entry["state"] for entry in place.journal()} == {"interrupted"}
    (place.folder / "go").touch()
    assert sweep(place) == 0
    assert [len(place.starts(f"{name}-1")) for name in "abc"] == [2, 2, 1]


def test_a_second_ctrl_c_kills(place: Place) -> None:
    place.write({"name": ["a"], "stubborn": "yes", "sleep": 600})
    process = place.start()
    wait_for(lambda: place.status("a-1") == "running")
    process.send_signal(signal.SIGINT)
    read_until(process, "trials are asked to end")
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=180)
    assert process.returncode == 130
    assert not is_alive(place.starts("a-1")[0]["pid"])


def test_ctrl_c_in_process(place: Place) -> None:
    place.write({"name": list("ab"), "sleep": 600})

    def interrupt() -> None:
        wait_for(lambda: place.status("a-1") == "running")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert sweep(place, "--jobs", "1") == 130
    thread.join()
    assert place.starts("b-1") == []


def test_a_killed_runner_leaves_no_trial_behind_and_the_next_call_finishes(place: Place) -> None:
    place.write({"name": list("abc"), "until": str(place.folder / "go"), "sleep": 600})
    process = place.start("--jobs", "2")
    wait_for(lambda: place.status("a-1") == place.status("b-1") == "running")
    process.kill()
    process.communicate()
    pids = [place.starts(f"{name}-1")[0]["pid"] for name in "ab"]
    wait_for(lambda: not any(map(is_alive, pids)))
    (place.folder / "go").touch()
    assert sweep(place) == 0
    assert all(place.status(f"{name}-1") == "done" for name in "abc")


def test_a_killed_supervisor_takes_its_trials_along(place: Place) -> None:
    place.write({"name": ["a"], "until": str(place.folder / "go"), "sleep": 600})
    process = place.start()
    wait_for(lambda: place.status("a-1") == "running")
    trial = place.starts("a-1")[0]["pid"]
    supervisor = int(Path(f"/proc/{trial}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 2
    assert "ended by itself" in output
    wait_for(lambda: not is_alive(trial))


def test_what_a_trial_leaves_in_its_group_ends_with_it(place: Place) -> None:
    leaves = "import subprocess,sys; p=subprocess.Popen(['sleep','600']); open('pid','w').write(str(p.pid))"
    place.write({"name": ["a"]}, command=["python", "-c", leaves])
    assert sweep(place, "--retries", "0") == 1
    wait_for(lambda: not is_alive(int((place.folder / "pid").read_text())))


def test_a_run_that_another_process_holds_is_waited_for(place: Place) -> None:
    from fau.runs import RunDirectory

    place.write({"name": ["a"], "fail": 1})
    assert sweep(place, "--retries", "0") == 1
    held = RunDirectory(place.run("a-1"))
    with held.locked():
        process = place.start()
        read_until(process, "waits for the process that still holds its run")
        assert len(place.starts("a-1")) == 1
    process.communicate(timeout=180)
    assert process.returncode == 0
    assert len(place.starts("a-1")) == 2


def test_a_torn_journal_line_is_passed_over(place: Place) -> None:
    place.write({"name": ["a", "b"]})
    assert sweep(place) == 0
    (journal,) = place.folder.glob("runs/.sweeps/*/trials.jsonl")
    lines = journal.read_text().splitlines()
    journal.write_text(lines[0] + "\n" + lines[1][:40])
    for _ in range(2):  # what is written after it is not lost with it
        assert sweep(place) == 0
        assert sorted(len(place.starts(f"{name}-1")) for name in "ab") == [1, 2]


def test_trials_that_are_one_run_side_by_side_end_well(place: Place) -> None:
    place.write({"name": ["a"], "lock": "yes", "until": str(place.folder / "go"), "sleep": [600, 601]})

    def let_go() -> None:  # once one has found the run held by the other
        wait_for(lambda: any(file.stat().st_size for file in place.folder.glob("runs/.sweeps/*/trials.jsonl")))
        (place.folder / "go").touch()

    thread = threading.Thread(target=let_go)
    thread.start()
    assert sweep(place, "--jobs", "2") == 0
    thread.join()
    assert [entry["state"] for entry in place.journal()] == ["waiting", "done", "done"]


def test_rows_that_are_the_same_run_are_said(place: Place, capsys: Any) -> None:
    place.write({"name": ["a"], "sleep": [0, 0.01]})
    assert sweep(place, "--jobs", "1") == 0
    assert "is the same run as" in capsys.readouterr().out


def test_what_is_asked_of_other_commands_than_fau_train_is_refused(place: Place, capsys: Any) -> None:
    place.write({"name": ["a"]})
    assert sweep(place, "--rerun") == 2
    assert "--rerun needs a `command` that starts with fau-train" in capsys.readouterr().err


def test_a_thousand_trials_are_looked_through_in_seconds(place: Place) -> None:
    from fau.sweep.runner import survey
    from fau.sweep.spec import load
    from fau.sweep.state import SweepState, trial_key

    place.write({"fold": list(range(1, 6)), "name": [f"n{i}" for i in range(200)]})
    spec = load(place.file)
    state = SweepState(Path("runs"), place.file)
    with state.locked():
        for trial in spec.trials:
            run = place.run(f"{trial.values['name']}-{trial.values['fold']}")
            run.mkdir(parents=True)
            (run / "run.json").write_text('{"status": "done"}')
            state.write_end(trial_key(trial), {"run_dir": str(run)})
    began = time.monotonic()
    assert all(p.found for p in survey(load(place.file), state))
    assert time.monotonic() - began < 60  # 0.3 s on two cores; what is quadratic takes minutes
