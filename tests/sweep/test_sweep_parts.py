"""The parts of the runner: slots, environments, launching, what is shown."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fau.atomic import read_json
from fau.cli.sweep_ending import renamed
from fau.errors import FauError
from fau.sweep import resources
from fau.sweep.launch import can_fork, full_command
from fau.sweep.progress import Progress, tail, time_left
from fau.sweep.resources import free_gpus, plan, scrubbed_environment
from fau.sweep.runner import Outcome, _done_text
from fau.sweep.spec import Trial
from fau.sweep.state import SweepState, trial_key
from fau.sweep.table import Lines, LiveTable, choose, summary, trial_table


def trial(*words: str, number: int = 1, row: str = "full", replicate: str = "fold 1") -> Trial:
    return Trial(number, {}, tuple(words) or ("fau-train",), row, replicate)


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "usable_cores", lambda: 8)
    monkeypatch.setattr(resources, "_memory", lambda: 64 * 2**30)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.usefixtures("eight_cores")
def test_cores_are_shared_out() -> None:
    assert (len(plan(100, None, None, None)), plan(100, None, None, None).threads) == (8, 1)
    assert (len(plan(3, None, None, None)), plan(3, None, None, None).threads) == (3, 2)
    assert (len(plan(100, 2, None, None)), plan(100, 2, None, None).threads) == (2, 4)
    assert plan(100, 2, None, 1).threads == 1


@pytest.mark.usefixtures("eight_cores")
def test_memory_bounds_the_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_memory", lambda: 7 * 2**30)
    assert len(plan(100, None, None, None)) == 3


@pytest.mark.usefixtures("eight_cores")
def test_threads_that_the_user_named_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert plan(100, 8, None, None).threads == 2


@pytest.mark.usefixtures("eight_cores")
def test_gpus_are_cut_into_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,GPU-7,8")
    assert plan(9, None, 2, None).gpus == (("4", "5"), ("6", "GPU-7"))
    assert plan(9, None, None, None).gpus == (("4",), ("5",), ("6",), ("GPU-7",), ("8",))
    assert plan(9, 1, 2, None).gpus == (("4", "5"),)
    assert plan(2, 3, 5, None).gpus == (("4", "5", "6", "GPU-7", "8"),) * 3  # asked for: they share
    assert plan(9, None, 0, None).gpus == ((),) * 8


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(
    ("jobs", "gpus", "threads"), [(0, None, None), (None, -1, None), (None, None, 0), (None, 2, None)]
)
def test_impossible_plans_are_refused(jobs: Any, gpus: Any, threads: Any) -> None:
    with pytest.raises(FauError, match=r"--(jobs|gpus-per-trial|threads)"):
        plan(3, jobs, gpus, threads)


def test_gpus_are_counted_by_the_drivers_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    tool = tmp_path / "nvidia-smi"

    def answer(listing: str, query: str) -> None:
        tool.write_text(f"#!/bin/sh\ncase \"$1\" in -L) printf '{listing}';; *) printf '{query}';; esac\n")
        tool.chmod(0o755)

    answer("GPU 0: X (UUID: GPU-a)\\n", "0, 1, 81920\\n1, 40960, 81920\\n2, 500, 81920\\n")
    devices, notes = free_gpus()
    assert devices == ["0", "2"]
    assert "GPU 1 is left out, 50%" in notes[0]
    answer("GPU 0: X (UUID: GPU-a)\\n  MIG 1g.5gb Device 0: (UUID: MIG-b)\\n", "0, 1, 81920\\n")
    assert free_gpus() == (["MIG-b"], [])
    tool.write_text("#!/bin/sh\necho failed to communicate >&2; exit 9\n")
    assert free_gpus() == ([], [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,-1,2")
    assert free_gpus() == (["1"], [])


def test_launchers_leave_nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_PORT", "LOCAL_RANK", "WORLD_SIZE", "NODE_RANK", "PL_GLOBAL_SEED", "SLURM_NTASKS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    environment = scrubbed_environment()
    assert not {"MASTER_PORT", "LOCAL_RANK", "WORLD_SIZE", "NODE_RANK", "PL_GLOBAL_SEED", "SLURM_NTASKS"} & set(
        environment
    )
    assert environment["WANDB_SWEEP_ID"] == "s"
    import sys

    assert environment["PATH"].split(":")[0] == str(Path(sys.executable).parent)


def test_only_single_process_fau_train_is_forked(tmp_path: Path) -> None:
    overlay = tmp_path / "ddp.yaml"
    overlay.write_text("trainer: {devices: 2, strategy: ddp}\n")
    one = tmp_path / "one.yaml"
    one.write_text("trainer: {devices: 1}\n")
    assert can_fork(trial("fau-train", "--fold=1"), 1)
    assert can_fork(trial("/x/bin/fau-train", f"--config={one}"), 0)
    for words in (
        ("python", "train.py"),
        ("/usr/bin/env", "fau-train"),
        ("fau-train", "--trainer.devices=2"),
        ("fau-train", "--trainer.devices", "2"),
        ("fau-train", "--trainer={'devices': 2}"),
        ("fau-train", "--trainer.strategy=ddp"),
        ("fau-train", "--trainer.num_nodes=2"),
        ("fau-train", "--config", str(overlay)),
        ("fau-train", f"--config={overlay}", f"--config={one}"),  # strategy: ddp still stands
    ):
        assert not can_fork(trial(*words), 1), words
    assert not can_fork(trial("fau-train"), 2)


def test_what_is_added_to_commands() -> None:
    assert full_command(trial("fau-train"), Path("r"), True, 1) == ["fau-train", "--runs=r", "--rerun=true"]
    assert full_command(trial("fau-train"), None, False, 4) == ["fau-train", "--trainer.devices=4"]
    assert full_command(trial("fau-train", "--trainer.devices=2"), None, False, 4)[-1] == "--trainer.devices=2"
    assert full_command(trial("python", "x"), None, False, 4) == ["python", "x"]


def test_a_trial_is_its_words_and_the_content_of_its_files(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("x: 1")
    keys = {trial_key(trial("fau-train", f"--config={file}")), trial_key(trial("fau-train", f"--config={file}", "-x"))}
    file.write_text("x: 2")
    keys.add(trial_key(trial("fau-train", f"--config={file}")))
    assert len(keys) == 3


def test_a_crop_set_made_anew_makes_a_trial_be_asked(tmp_path: Path) -> None:
    run, crops = tmp_path / "run", tmp_path / "crops"
    run.mkdir()
    crops.mkdir()
    state = SweepState(tmp_path / "runs", tmp_path / "s.yaml")
    with state.locked():
        state.write_end("k", {"run_dir": str(run)})
    entry = state.journal()["k"]
    (run / "run.json").write_text(json.dumps({"status": "done", "crop_set": {"id": "1", "path": str(crops)}}))
    assert state.finished(entry) == run  # the crops may be gone: the result stands
    (crops / "cropset.json").write_text('{"id": "1"}')
    assert state.finished(entry) == run
    (crops / "cropset.json").write_text('{"id": "2"}')
    assert state.finished(entry) is None
    assert state.finished({**entry, "code_fingerprint": "x"}) is None


def progresses(states: str) -> list[Progress]:
    names = {"w": "waiting", "r": "running", "d": "done", "f": "failed"}
    return [
        Progress(
            trial(number=i, row=f"row{i % 3}"), str(i), Path(f"{i}.log"), state=names[c], seconds=10.0 * (c == "d")
        )
        for i, c in enumerate(states, start=1)
    ]


def test_a_long_sweep_shows_what_runs_failed_or_is_next() -> None:
    trials = progresses("d" * 50 + "rr" + "w" * 50 + "f")
    shown = choose(trials, 10)
    assert len(shown) == 10
    assert [p.state for p in shown].count("running") == 2
    assert "failed" in [p.state for p in shown]
    assert {"done", "waiting"} <= {p.state for p in shown}
    assert choose(trials[:5], 10) == trials[:5]
    assert len(choose(progresses("r" * 20), 3)) == 3


def test_the_time_that_is_left() -> None:
    assert time_left(progresses("ww"), 2) is None
    assert time_left(progresses("dd"), 2) is None
    assert time_left(progresses("ddwwww"), 2) == pytest.approx(20.0)
    assert summary(progresses("ddwwww"), 2) == "2 of 6 done, about 20 s left"


def test_progress_is_read_from_the_run_directory(tmp_path: Path) -> None:
    run, record = tmp_path / "run", tmp_path / "record.json"
    run.mkdir()
    p = Progress(trial(), "k", tmp_path / "log")
    p.begin()
    p.refresh(record)
    assert p.run_dir is None
    record.write_text(json.dumps({"run_dir": str(run)}))
    (run / "run.json").write_text(json.dumps({"config": {"trainer": {"max_epochs": 4}}}))
    (run / "metrics.csv").write_text("epoch,val/f1_macro\n0,0.2\n")  # resumed: this epoch is of an earlier attempt
    p.refresh(record)
    assert (p.epoch, p.epochs, p.score, p.time_left) == (1, 4, 0.2, None)
    (run / "metrics.csv").write_text("epoch,val/f1_macro\n0,0.2\n1,0.5\n2,\n")
    p.started -= 10
    p.refresh(record)
    assert (p.epoch, p.score) == (3, 0.5)
    assert p.time_left == pytest.approx(5.0, rel=0.1)
    (run / "run.json").write_text(json.dumps({"wall_s": 12, "metrics": {"val/f1_macro": 0.6, "test/f1_macro": 0.4}}))
    p.finish(run)
    assert (p.state, p.seconds, p.score, p.test_score) == ("done", 12.0, 0.6, 0.4)


def test_the_score_is_what_chose_the_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "record.json").write_text(json.dumps({"run_dir": str(run)}))
    record = {"config": {"trainer": {"max_epochs": 2}}, "monitor": "val/mtl_score"}
    (run / "run.json").write_text(json.dumps(record))
    (run / "metrics.csv").write_text("epoch,val/au/f1_macro,val/mtl_score\n0,0.3,1.2\n1,0.3,1.1\n")
    p = Progress(trial(), "k", tmp_path / "log")
    p.begin()
    p.refresh(tmp_path / "record.json")
    assert (p.score, p.score_title) == (1.2, "score")
    metrics = {"val/mtl_score": 1.2, "test/mtl_score": 1.0}
    (run / "run.json").write_text(json.dumps(record | {"wall_s": 5, "metrics": metrics}))
    p.finish(run)
    assert _done_text(p, 5) == "done in 5 s, val score 1.200, test score 1.000"
    other = Progress(trial(), "k", tmp_path / "log", "done", monitor="val/ccc_mean", score=0.5, test_score=0.4)
    stream = io.StringIO()
    console = Console(file=stream, width=120)
    console.print(trial_table([other], 5))
    assert "val CCC" in stream.getvalue() and "test CCC" in stream.getvalue()
    console.print(trial_table([p, other], 5))
    assert "CCC 0.400" in stream.getvalue() and "val score" in stream.getvalue()


def test_the_last_line_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == ""
    log.write_bytes(b"first\nbar 10%\rbar 100%\n\n  \xff last \n\n")
    assert tail(log) == "\ufffd last"
    assert read_json(log) == {}
    log.write_bytes(b"\x1b[31mred\x1b[0m \x1b]0;title\x07and\x00 bold\x1b[?25h\n\x1b[2K\r\x08\n")
    assert tail(log) == "red and bold"
    log.write_bytes(b"x" * 10_000)  # a line without an end
    assert tail(log) == "x" * 400 + " …"


def test_the_name_of_a_log_fits_whatever_a_row_is_called(tmp_path: Path) -> None:
    state = SweepState(tmp_path, tmp_path / "sweep.yaml")
    logs = [state.log_file(trial(row=row), "0123456789") for row in ("表情" * 200, "a" * 500, "a/b c")]
    assert all(len(log.name.encode()) < 128 for log in logs)
    assert [log.name[:11] for log in logs] == ["0001-表情表情表情", "0001-aaaaaa", "0001-a_b_c_"]


def test_a_table_on_a_terminal_and_lines_elsewhere() -> None:
    trials = progresses("drwf")
    stream = io.StringIO()
    with LiveTable(Console(file=stream, force_terminal=True, width=100, height=20), 2) as table:
        table.update(trials)
        table.say("[1/4] row1: started")
        table.say("[4/4] row1: failed (exit status 3)")
    drawn = stream.getvalue()
    assert "failed (exit status 3)" in drawn
    assert "started" not in drawn
    assert "1 of 4 done, 1 running, 1 failed" in drawn
    lines = io.StringIO()
    with Lines(Console(file=lines, width=30), 2) as plain:
        plain.update(trials)
        plain.say("[1/4] a [bold] name that is longer than the console is wide")
    assert lines.getvalue().splitlines() == ["[1/4] a [bold] name that is longer than the console is wide"]


def test_rows_that_a_report_shows_under_another_name_are_said(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("name: c\n")
    words = {"a": "--name=a", "b": "--name=b", "c": f"--config={tmp_path / 'c.yaml'}", "d": "--seed=1"}
    trials = [
        Progress(trial("fau-train", words[row], number=i, row=row), str(i), Path("l"), state="done")
        for i, row in enumerate("aabbcd")
    ]
    found = (("1", "a"), ("2", "b"), ("1", "a"), ("2", "b"), ("3", "a"), ("4", "full"))
    for p, (run, name) in zip(trials, found, strict=True):
        p.run_dir = tmp_path / run
        p.run_dir.mkdir(exist_ok=True)
        (p.run_dir / "run.json").write_text(json.dumps({"name": name}))
    assert renamed(Outcome(trials)) == [
        "row 'a' is the same configuration as 'b'; 1 of its 2 runs show as 'b'",
        "row 'b' is the same configuration as 'a'; 1 of its 2 runs show as 'a'",
        "row 'c' is the same configuration as 'a'; it shows as 'a'",
    ]


def test_row_names_are_not_markup() -> None:
    trials = [Progress(trial(row="x=[1, 2]"), "k", Path("l"))]
    stream = io.StringIO()
    Console(file=stream, width=100).print(trial_table(trials, 5))
    assert "x=[1, 2]" in stream.getvalue()
