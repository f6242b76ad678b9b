"""A machine, a slot or a row on which every trial fails at once does not use up the sweep."""

from typing import Any

import pytest
from sweep_place import Place

from fau.cli.sweep import main
from fau.sweep.streak import ENOUGH, QUICK, Streaks

# A trial that does what the folder's `body.sh` says, then records that it is done.
TRIAL = """
D="runs/fake/$(echo "$@" | tr -c 'a-z0-9\\n' _)"; mkdir -p "$D" starts fails
touch "starts/$(basename "$D")-$$"
. ./body.sh
echo '{"status": "done"}' > "$D/run.json"
echo "{\\"run_dir\\": \\"$PWD/$D\\", \\"status\\": \\"done\\"}" > "$FAU_TRIAL_RECORD"
"""
FAIL = 'touch "fails/$$"; echo no driver >&2; exit 3'


def sweep(place: Place, body: str, *arguments: str) -> int:
    (place.folder / "body.sh").write_text(body + "\n")
    return main([str(place.file), "--no-report", "--threads", "1", *arguments])


def count(place: Place, kind: str, word: str = "") -> int:
    return sum(word in file.name for file in (place.folder / kind).glob("*"))


def write(place: Place, rows: list[str], seeds: int) -> None:
    (place.folder / "trial.sh").write_text(TRIAL)
    place.write({"name": rows, "seed": list(range(seeds))}, command=["sh", "trial.sh", "${args}"])


def test_a_machine_on_which_all_fails_starts_no_more(place: Place, capsys: Any) -> None:
    write(place, ["a"], 25)
    assert sweep(place, FAIL, "--jobs", "2") == 1
    assert count(place, "starts") == 2 * ENOUGH
    printed = capsys.readouterr().out
    assert (
        f"no more trials are started: the last {2 * ENOUGH} failed soon after their start; trials left: 25" in printed
    )
    assert sweep(place, "true", "--jobs", "2") == 0  # mended
    assert len(list(place.folder.glob("runs/fake/*/run.json"))) == 25


def test_rows_that_wait_for_others_do_not_keep_a_sweep_that_fails_alive(place: Place, capsys: Any) -> None:
    program = place.folder / "fau-train"
    program.write_text(f"#!/bin/sh\nmkdir -p fails\n{FAIL}\n")
    program.chmod(0o755)
    for row, settings in (("first", "{}"), ("second", "{start_from: runs}")):
        overlay = f"name: {row}\nmodel:\n  init_args: {settings}\n"
        (place.folder / f"{row}.yaml").write_text(overlay)
    parameters = {"config": ["first.yaml", "second.yaml"], "fold": [1, 2, 3, 4, 5]}
    place.write(parameters, command=[str(program), "${args}"])
    assert main([str(place.file), "--no-report", "--no-fork", "--threads", "1", "--jobs", "1"]) == 1
    assert "no more trials are started" in capsys.readouterr().out


def test_a_broken_row_does_not_stop_the_others(place: Place, capsys: Any) -> None:
    write(place, ["bad", "good"], 12)
    assert sweep(place, f'case "$D" in *bad*) {FAIL};; esac', "--jobs", "2") == 1
    assert len(list(place.folder.glob("runs/fake/*good*/run.json"))) == 12
    assert count(place, "starts", "bad") <= 24  # each at most twice
    capsys.readouterr()


def test_a_broken_gpu_is_set_aside(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    write(place, ["a"], 12)
    wait = f"while [ $(ls fails | wc -l) -lt {ENOUGH} ]; do sleep 0.02; done"  # so that the other slot gets as many
    body = f'if [ "$CUDA_VISIBLE_DEVICES" = 7 ]; then {FAIL}; else {wait}; fi'
    assert sweep(place, body, "--retries", str(ENOUGH)) == 0
    assert count(place, "fails") == ENOUGH
    printed = capsys.readouterr().out
    assert printed.count("slot 2 (GPU 7) is set aside: its last 5 trials failed") == 1
    assert "no driver" in printed


def test_slow_failures_and_successes_break_a_streak() -> None:
    for reason, seconds in (("", 1.0), ("out of memory", QUICK + 1)):
        streaks = Streaks([("0",), ("1",)])
        for _ in range(ENOUGH - 1):
            streaks.add(0, "a", "no driver", 1.0)
        streaks.add(0, "a", reason, seconds)
        streaks.add(0, "a", "no driver", 1.0)
        assert streaks.slot_for("a", [0]) == 0
        assert streaks.set_aside(["a"], [0], 1) == (False, [])


def test_enough_failures_leave_a_slot_to_other_rows() -> None:
    streaks = Streaks([()])
    for _ in range(ENOUGH):
        streaks.add(0, "a", "no driver", 1.0)
    assert (streaks.slot_for("a", [0]), streaks.slot_for("b", [0])) == (None, 0)
    assert streaks.set_aside(["a", "b"], [0], 2) == (False, [])
    assert streaks.set_aside([], [0], 0) == (False, [])
    stop, (sentence,) = streaks.set_aside(["a"], [0], 1)
    assert stop and "trials left: 1" in sentence
    assert streaks.set_aside(["a"], [], 1) == (False, []), "a trial still runs there"
