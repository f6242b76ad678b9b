"""fau-sweep sync: what is sent, what is left, and that one broken run stops no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import wandb
import wandb_log
from hypothesis import given, settings
from hypothesis import strategies as st
from wandb.proto import wandb_internal_pb2 as pb

from fau.cli.sweep import main
from fau.errors import FauError
from fau.runs import RunDirectory
from fau.sweep import spec, sync, sync_plan
from fau.sweep.state import SweepState, trial_key
from fau.sweep.sync_plan import SENDING, TRAINING, WRITING, is_sent, plan
from fau.sweep.wandb_log import whole_length

if TYPE_CHECKING:
    from wandb_server import Server


def record(text: str) -> pb.Record:
    made = pb.Record()
    made.output.line = text
    return made


def write_run(root: Path, name: str, parts: int = 1) -> list[Path]:
    """Write a run directory with the logs of its attempts, and return these."""
    folder = root / "gla" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text("{}")
    logs = [folder / f"wandb/offline-run-20261121_12000{part}-{name}/run-{name}.wandb" for part in range(parts)]
    for log in logs:
        wandb_log.write(log, [record("a" * 100), record("b" * 70000), record("c")])
    latest = folder / "wandb" / "latest-run"
    latest.symlink_to(logs[-1].parent.name)
    return logs


def tear(log: Path, by: int) -> None:
    """Cut the end of a log off, as a kill did some time ago."""
    log.write_bytes(log.read_bytes()[:-by])
    os.utime(log, (0, 0))


def mark(log: Path) -> None:
    log.with_name(f"{log.name}.synced").touch()


# The log -------------------------------------------------------------------------------------------------------------


def test_a_log_is_whole_to_its_last_byte(tmp_path: Path) -> None:
    (log,) = write_run(tmp_path, "x")
    assert whole_length(log) == log.stat().st_size > 2 * 32768


@settings(max_examples=12)
@given(cut=st.integers(1, 70200))
def test_a_log_cut_anywhere_keeps_its_whole_records(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    log = tmp_path_factory.mktemp("cut") / "run-x.wandb"
    wandb_log.write(log, [record("a" * 100), record("b" * 70000), record("c")])
    whole = log.read_bytes()
    log.write_bytes(whole[:-cut])
    try:
        kept = whole_length(log)
    except FauError as error:
        assert "holds nothing" in str(error) and len(whole) - cut < 200
        return
    log.write_bytes(whole[:kept])
    texts = [read.output.line[:1] for read in wandb_log.records(log)]
    assert texts in (["a"], ["a", "b"]) and kept <= len(whole) - cut


@pytest.mark.parametrize("at", [20, 5000, -3])
def test_a_changed_byte_is_found(at: int, tmp_path: Path) -> None:
    (log,) = write_run(tmp_path, "x")
    content = bytearray(log.read_bytes())
    content[at] ^= 1
    log.write_bytes(content)
    with pytest.raises(FauError, match="damaged at byte"):
        whole_length(log)


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "nothing"), (b":W&B\xe1\xbe\x00", "nothing"), (b"PK12345", "no log")]
)
def test_what_is_no_log_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "run-x.wandb").write_bytes(content)
    with pytest.raises(FauError, match=said):
        whole_length(tmp_path / "run-x.wandb")


# The plan ------------------------------------------------------------------------------------------------------------


def test_plan_leaves_what_was_sent_and_what_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_plan, "_SETTLED", 1e6)
    one, two, three = (write_run(tmp_path, name, parts) for name, parts in (("a", 2), ("b", 1), ("c", 1)))
    mark(one[0])
    two[0].write_bytes(b"")
    runs = [RunDirectory(tmp_path / "gla" / name) for name in "abc"]
    with runs[2].locked():
        found = plan(runs)
    assert found.waiting == [[one[1]]] and found.sent == 1 and found.later == {runs[2].path: TRAINING}
    assert list(found.broken) == two
    assert plan(runs).waiting == [[one[1]], three]  # its training has ended
    tear(three[0], 5)
    assert plan(runs).torn == {three[0]: whole_length(three[0])}
    three[0].touch()  # W&B's process may still write, on another machine
    assert plan(runs).later == {runs[2].path: WRITING}


def test_a_log_that_a_process_has_open_is_left(tmp_path: Path) -> None:
    (log,) = write_run(tmp_path, "a")
    run = RunDirectory(tmp_path / "gla" / "a")
    with log.open("ab"):
        found = plan([run])
    assert found.later == {run.path: WRITING} and not found.waiting
    assert plan([run]).waiting == [[log]]


def test_a_run_killed_seconds_ago_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_plan, "_SETTLED", 1e6)
    (log,) = write_run(tmp_path, "a")
    run = RunDirectory(tmp_path / "gla" / "a")
    run.write({"status": "running"})  # and nobody holds it
    assert plan([run]).later == {run.path: WRITING}
    os.utime(log, (0, 0))
    assert plan([run]).waiting == [[log]]
    log.touch()
    run.write({"status": "failed"})  # it came to its own end
    assert plan([run]).waiting == [[log]]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    logs = [write_run(tmp_path, name)[0] for name in ("a", "b")]
    (tmp_path / "gla" / "a" / "wandb" / ".sync.lock").mkdir()
    found = plan([RunDirectory(tmp_path / "gla" / name) for name in "ab"])
    assert found.waiting == [logs[1:]] and "cannot be marked" in found.broken[logs[0]]


# Sending, W&B's client replaced by one that starts at once -----------------------------------------------------------

CLIENT = """
import pathlib, sys
logs = [word for word in sys.argv[1:] if word.endswith('.wandb')]
with open(OUT, 'a') as stream:
    print(*[log.split('run-')[-1][:-6] for log in logs], file=stream)
if any(log.endswith('run-stop.wandb') for log in logs):
    print('wandb: ERROR Failed to read "run-stop"')
    sys.exit(0)  # as W&B's does, which sends none of the others either
for log in logs:
    if log.endswith('run-refused.wandb'):
        print('wandb: ERROR run refused was deleted')
    else:
        pathlib.Path(log + '.synced').touch()
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the client that stands in for W&B's writes what it was called with, a line a call."""
    out = tmp_path / "calls"
    program = CLIENT.replace("OUT", repr(str(out)))
    real = subprocess.Popen

    def start(command: list[str], **options: Any) -> Any:
        assert command[:4] == [sys.executable, "-m", "wandb", "sync"]
        return real([sys.executable, "-S", "-c", program, *command[4:]], **options)

    monkeypatch.setattr("fau.sweep.sync.subprocess.Popen", start)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setattr(sync, "_POLL", 0.02)
    yield out


def test_everything_is_sent_once(calls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "runs"
    for name in ("a", "b"):
        write_run(root, name, parts=2)
    assert main(["sync", str(root), "--dry-run"]) == 0 and not calls.exists()
    assert "offline-run-20261121_120001-a" in capsys.readouterr().out
    assert main(["sync", str(root), "--jobs", "3", "--wandb-project", "p"]) == 0
    assert calls.read_text() == "a a b b\n"  # one call, the attempts of a run in their order
    assert capsys.readouterr().out == "4 to send, 0 sent before\n4 sent\n"
    assert main(["sync", str(root)]) == 0
    assert calls.read_text() == "a a b b\n"
    assert "0 to send, 4 sent before" in capsys.readouterr().out


def test_a_sweep_file_stands_for_the_runs_of_its_trials(
    calls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, file = tmp_path / "runs", tmp_path / "sweep.yaml"
    file.write_text('method: grid\ncommand: [fau-train, "${args}"]\nparameters:\n  fold:\n    values: [1, 2]\n')
    (log,), _ = write_run(root, "mine"), write_run(root, "other")
    state = SweepState(root, file)
    record = state.record_file(trial_key(spec.load(file).trials[1]))
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"run_dir": str(log.parents[2]), "status": "done"}))
    assert main(["sync", str(file), "--runs", str(root)]) == 0
    assert calls.read_text() == "mine\n"
    assert "1 to send, 0 sent before\n1 sent" in capsys.readouterr().out


def test_broken_runs_stop_no_other(calls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "runs"
    logs = {name: write_run(root, name)[0] for name in ("a", "b", "refused", "stop", "torn", "void")}
    tear(logs["torn"], 5)
    logs["void"].write_bytes(b"")
    assert main(["sync", str(root)]) == 1
    out = capsys.readouterr().out
    assert {name for name, log in logs.items() if is_sent(log)} == {"a", "b", "torn"}
    assert f"{logs['refused'].parent}: run refused was deleted" in out
    assert f"{logs['stop'].parent}: Failed to read" in out
    assert f"{logs['void'].parent}: it holds nothing" in out
    assert out.endswith("3 sent, 3 could not be sent\n")
    assert whole_length(logs["torn"]) == logs["torn"].stat().st_size  # else W&B would never mark it as sent


def test_a_server_that_takes_nothing_is_not_asked_for_ever(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "runs"
    monkeypatch.setattr(sync, "BATCH", 1)
    for index in range(12):
        folder = root / "gla" / str(index)
        write_run(root, "refused")
        (root / "gla" / "refused").rename(folder)
    assert main(["sync", str(root)]) == 1
    assert len(calls.read_text().splitlines()) == sync._GIVE_UP
    assert "0 sent, 12 could not be sent" in capsys.readouterr().out


def test_two_calls_do_not_send_a_run_at_once(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    run = RunDirectory(tmp_path / "gla" / "a")
    with sync_plan.sending(run.path) as lock, sync_plan.sending(run.path) as other:
        assert lock is not None and other is None
        assert plan([run]).later == {run.path: SENDING}
    assert plan([run]).logs == 1


@pytest.mark.parametrize(
    ("batch", "sent", "inner", "outer"),
    [
        (2, "a b\n", ["0 to send", "a: is being sent by another call", "b: is being sent", "0 sent"], ["2 sent"]),
        (1, "b\na\n", ["1 to send", "a: is being sent by another call", "1 sent"], ["1 taken up by another", "1 sent"]),
    ],
)
def test_calls_on_nested_folders_send_each_run_once(
    batch: int,
    sent: str,
    inner: list[str],
    outer: list[str],
    calls: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "runs"
    for name in ("a", "b"):
        write_run(root, name)
    monkeypatch.setattr(sync, "BATCH", batch)
    start = subprocess.Popen

    def overlapping(command: list[str], **options: Any) -> Any:
        monkeypatch.setattr("fau.sweep.sync.subprocess.Popen", start)
        assert main(["sync", str(root / "gla")]) == 0
        return start(command, **options)

    monkeypatch.setattr("fau.sweep.sync.subprocess.Popen", overlapping)
    assert main(["sync", str(root)]) == 0
    assert calls.read_text() == sent
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 to send")
    for line, said in zip(lines[1:], inner + outer, strict=True):
        assert said in line


def test_bad_input_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path, "a")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    for words, said in (
        ([str(tmp_path)], "no W&B key is set; run 'wandb login' or set WANDB_API_KEY"),
        ([str(tmp_path / "nowhere")], "is not a folder"),
        ([str(tmp_path), "--jobs", "0"], "--jobs 0 is too small"),
        ([str(tmp_path), "--", "--x=1"], "belongs to a sweep file"),
    ):
        assert main(["sync", *words]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1


# W&B's own client and a server ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_tens_of_runs_arrive_by_wandb_sync(
    wandb_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "runs"
    run = wandb.init(
        **{"project": "fau", "id": "model", "dir": tmp_path, "mode": "offline", "group": "full"},
        settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
    )
    for epoch in range(3):
        run.log({"epoch": epoch, "val/f1_macro": epoch / 10})
    run.log({"charts/labels": wandb.Table(columns=["label", "F1"], data=[["AU1", 0.5]])})
    run.finish()
    (log,) = map(wandb_log.wait_for_end, tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    names = [f"r{index:02d}" for index in range(24)]
    logs = {name: wandb_log.copy_as(log, name, root / "gla" / name) for name in names}
    for name in names:
        (root / "gla" / name / "run.json").write_text("{}")
    content = logs["r03"].read_bytes()
    tear(logs["r03"], 4)
    logs["r05"].write_bytes(content[:200] + b"?" + content[201:])  # damaged
    wandb_server.refused_runs = {"r07"}  # deleted
    assert main(["sync", str(root)]) == 1
    out = capsys.readouterr().out
    assert out.endswith("22 sent, 2 could not be sent\n") and "r05: it is damaged at byte" in out and "r07" in out
    assert set(names) - {"r05", "r07"} <= set(wandb_server.runs) <= set(names) - {"r05"}
    for name in ("r00", "r03", "r23"):
        assert [row.get("epoch") for row in wandb_server.runs[name].history] == [0, 1, 2, None]
        assert wandb_server.runs[name].group == "full"
    wandb_server.refused_runs = set()
    assert main(["sync", str(root)]) == 1  # r05 stays damaged
    assert capsys.readouterr().out.endswith("1 sent, 1 could not be sent\n")
    for name in ("r00", "r07"):  # one not sent again, one sent now
        assert [row.get("epoch") for row in wandb_server.runs[name].history] == [0, 1, 2, None]
    assert wandb_server.unknown == []


KILLED = """
import sys, wandb
quiet = wandb.Settings(silent=True, console='off', x_disable_stats=True)
run = wandb.init(project='fau', id='a', dir=sys.argv[1], mode='offline', settings=quiet)
for epoch in range(400):
    run.log({'epoch': epoch, 'note': 'x' * 500})
print('logged', flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_run_is_sent_once_its_killed_training_is_gone(
    wandb_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDirectory(tmp_path / "runs" / "gla" / "a")
    run.write({"status": "running"})
    monkeypatch.setattr(sync_plan, "_SETTLED", 1e6)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", KILLED, str(run.path)], **pipes, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "logged\n"
        assert main(["sync", str(tmp_path / "runs")]) == 0  # nobody holds the run, but W&B's process has its log open
        assert f"{run.path}: {WRITING}\n0 sent" in capsys.readouterr().out and not wandb_server.runs
        process.kill()
    assert main(["sync", str(tmp_path / "runs")]) == 0  # killed this moment
    assert f"{run.path}: {WRITING}\n0 sent" in capsys.readouterr().out and not wandb_server.runs
    monkeypatch.setattr(sync_plan, "_SETTLED", 0.0)
    while WRITING in plan([run]).later.values():
        time.sleep(0.05)
    (log,) = run.path.glob("wandb/offline-run-*/run-a.wandb")
    whole_length(log)  # W&B's process has written some of what it had
    assert main(["sync", str(tmp_path / "runs")]) == 0
    assert capsys.readouterr().out.endswith("1 sent\n") and is_sent(log)
    logged = [record.WhichOneof("record_type") for record in wandb_log.records(log)].count("history")
    sent = [row.get("epoch") for row in wandb_server.runs["a"].history if row.get("epoch") is not None]
    assert sent == list(range(logged)) and 0 < logged <= 400
