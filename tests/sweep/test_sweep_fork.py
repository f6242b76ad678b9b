"""The fork server with the real fau-train."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sweep_place import Place, tiny_training, wait_for

from fau.cli.sweep import main
from fau.runs import RunDirectory, ledger

BASE = tiny_training("fork", epochs=3)


@pytest.fixture
def real(place: Place, tiny_cropset: Path) -> Place:
    (place.folder / "base.yaml").write_text(yaml.safe_dump(BASE))
    place.write({"seed": [0, 1]}, command=["fau-train", "--config", "base.yaml", "${args}"])
    return place


def predictions(folder: str) -> dict[str, dict[str, Any]]:
    return {run.path.name: run.arrays("predictions.npz") for run in ledger(Path(folder)) if run.status == "done"}


def assert_equal(first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]]) -> None:
    assert len(first) == 2
    assert first.keys() == second.keys()
    for name, arrays in first.items():
        for key, values in arrays.items():
            assert np.array_equal(values, second[name][key]), (name, key)


@pytest.mark.slow
def test_forks_and_processes_of_their_own_give_the_same_predictions(
    real: Place, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert main([str(real.file), "--no-report", "--runs", "forked", "--threads", "1"]) == 0
    assert "imports for itself" not in capsys.readouterr().out  # the preloading process had one thread
    assert main([str(real.file), "--no-report", "--runs", "fresh", "--threads", "1", "--no-fork"]) == 0
    assert_equal(predictions("forked"), predictions("fresh"))
    # Changed code: each trial is asked, finds that nothing that decides its result has changed, and trains nothing.
    monkeypatch.setattr("fau.sweep.state.code_fingerprint", lambda: "other")
    before = [run.read() for run in ledger(Path("forked"))]
    assert main([str(real.file), "--no-report", "--runs", "forked"]) == 0
    assert [run.read() for run in ledger(Path("forked"))] == before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_sweep_goes_on_to_the_same_predictions(real: Place, number: signal.Signals) -> None:
    more = ["--threads", "1", "--jobs", "2", "--no-report"]
    longer = ["--", "--trainer.max_epochs=8"]

    def epochs() -> list[int]:
        return [len(run.metrics()) for run in ledger(Path(stopped))] if Path(stopped).exists() else []

    def is_at_work() -> bool:
        return any(RunDirectory(run.path).is_locked() for run in ledger(Path(stopped)))

    for attempt in range(5):  # where this process stalls, all epochs may be over before it looks again
        stopped = f"stopped-{attempt}"
        process = real.start("--runs", stopped, *more[:4], *longer)
        wait_for(lambda: max(epochs(), default=0) >= 2, 400)
        process.send_signal(number)
        process.communicate(timeout=180)
        wait_for(lambda: not is_at_work())
        states = {run.status for run in ledger(Path(stopped))}
        if "interrupted" in states:
            break
    assert states in ({"interrupted"}, {"interrupted", "done"})
    assert min(epochs()) < 8
    assert main([str(real.file), "--runs", stopped, *more, *longer]) == 0
    assert main([str(real.file), "--runs", "whole", *more, *longer]) == 0
    assert_equal(predictions(stopped), predictions("whole"))


@pytest.mark.slow
def test_errors_of_fau_train_are_shown_and_logged(real: Place, capsys: Any) -> None:
    assert main([str(real.file), "--no-report", "--retries", "0", "--", "--trainer.max_epoch=1"]) == 1
    printed = capsys.readouterr().out
    assert "fau-train: error: " in printed
    assert "max_epoch" in printed
    assert "Traceback" not in printed
