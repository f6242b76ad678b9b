"""Sweeps on a real Slurm: a controller and two nodes on loopback, trials submitted, interrupted and asked after."""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from slurm_cluster import absent, cluster, slurm
from sweep_place import Place, tiny_training, wait_for

from fau.cli.sweep import main
from fau.runs import ledger

pytest.importorskip("submitit", reason="the extra `slurm` is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(absent()), reason=absent() or "Slurm is here")]

OPTIONS = ["--launcher", "slurm", "--no-report", "--gpus-per-trial", "0", "--retries", "0", "--memory", "0.5"]

BASE = tiny_training("slurm", epochs=5)


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    with cluster():
        yield


def submit(place: Place, *options: str) -> int:
    return main([str(place.file), *OPTIONS, *options])


def jobs(place: Place) -> list[str]:
    (file,) = place.folder.glob("runs/.sweeps/*/slurm.json")
    return list(json.loads(file.read_text()).values())


def state(job: str) -> str:
    return slurm("squeue", "-h", "-r", "-t", "all", "-j", job, "-o", "%T").strip()


def test_trials_are_an_array_and_all_get_done(place: Place, capsys: Any) -> None:
    place.write({"name": "row", "fold": [1, 2, 3, 4]})
    assert submit(place, "--jobs", "2", "--threads", "2", "--time", "10", "--partition", "main") == 0
    said = capsys.readouterr().out
    array = re.search(r"submitted 4 trials as job (\d+)\n", said)
    assert array and "fau-sweep status" in said
    assert jobs(place) == [f"{array[1]}_{index}" for index in range(4)]
    asked = slurm("scontrol", "show", "job", f"{array[1]}_0")
    assert "TimeLimit=00:10:00" in asked and "Requeue=1" in asked and "Partition=main" in asked
    assert "NumCPUs=2" in asked and "MinMemoryNode=512M" in asked
    wait_for(lambda: all(place.status(f"row-{fold}") == "done" for fold in (1, 2, 3, 4)))
    (start,) = place.starts("row-1")
    assert start["SLURM_JOB_ID"] is None  # Lightning would take the trial for a rank of the job
    assert start["OMP_NUM_THREADS"] == start["FAU_THREADS"] == "2"
    wait_for(lambda: main(["status", str(place.file)]) == 0 and "4 of 4 done" in capsys.readouterr().out)
    # The same command again finds them done, submits nothing and says so; so does one on this machine.
    assert submit(place) == 0 and "4 trials, 4 done before" in capsys.readouterr().out
    assert main([str(place.file), "--no-report"]) == 0 and "4 done before" in capsys.readouterr().out
    assert len(place.starts("row-1")) == 1


def test_status_tells_what_runs_waits_and_failed_and_the_next_call_submits_what_failed(
    place: Place, capsys: Any
) -> None:
    place.write({"name": "row", "fold": [1, 2, "none", 4], "until": "go", "sleep": 600})
    assert submit(place, "--jobs", "1", "--sbatch", "comment=two words") == 0
    first = jobs(place)
    wait_for(lambda: place.status("row-1") == "running" and state(first[0]) == "RUNNING")
    assert submit(place) == 0  # what is queued is not submitted again
    assert jobs(place) == first and "4 in Slurm's queue before" in capsys.readouterr().out
    said = ""

    def waits() -> bool:  # Slurm finds a reason when it next looks through its queue
        nonlocal said
        assert main(["status", str(place.file)]) == 0
        return "in Slurm's queue: 3 (JobArrayTaskLimit)" in (said := capsys.readouterr().out)

    wait_for(waits)
    assert "0 of 4 done, 1 running" in said
    slurm("scancel", first[3])
    (place.folder / "go").touch()
    wait_for(lambda: not slurm("squeue", "-h"))
    assert main(["status", str(place.file)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "row fold none: failed: exit status 1: ValueError: invalid literal" in said
    assert "2 of 4 done, 1 failed, 1 interrupted" in said and "row fold 4: interrupted" in said
    assert submit(place) == 0
    assert "submitted 2 trials" in capsys.readouterr().out
    wait_for(lambda: not slurm("squeue", "-h"))
    assert main(["status", str(place.file)]) == 1
    assert "3 of 4 done, 1 failed\n" in capsys.readouterr().out


@pytest.mark.parametrize("how", ["preempted", "signal"])
def test_an_interrupted_trial_is_queued_again_and_resumes(
    place: Place, tiny_cropset: Path, how: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    # The trial stays in its third epoch until it is interrupted, however fast or slow the machine.
    held = {"class_path": "holding.HoldEpoch", "init_args": {"epoch": 2, "until": str(place.folder / "go")}}
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    trainer = BASE["trainer"] | {"callbacks": [held]}
    (place.folder / "base.yaml").write_text(yaml.safe_dump(BASE | {"trainer": trainer}))
    place.write({"seed": [0]}, command=["fau-train", "--config", "base.yaml", "${args}"])
    assert submit(place) == 0
    (job,) = jobs(place)

    def epochs() -> int:
        rows = [file.read_text().count("\n") - 1 for file in place.folder.glob("runs/slurm/*/metrics.csv")]
        return rows[0] if rows else 0

    wait_for(lambda: epochs() >= 2)
    if how == "preempted":
        slurm("sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--output=urgent", "--wrap", "sleep 1")
    else:  # what it sends before a time limit
        slurm("scancel", "--signal=USR2", job)
    wait_for(lambda: state(job) == "PENDING")
    assert epochs() == 2
    (place.folder / "go").touch()
    wait_for(lambda: state(job) == "COMPLETED", 400)
    assert main(["status", str(place.file)]) == 0 and "1 of 1 done" in capsys.readouterr().out
    (run,) = ledger(Path("runs"))
    assert run.status == "done" and run.metrics()["epoch"].to_list() == list(range(5))
    (log,) = place.folder.glob("runs/.sweeps/*/logs/*.log")
    assert "it goes on from its last epoch" in log.read_text()
    assert main([str(place.file), "--launcher", "slurm"]) == 0  # all done, so it reports
    assert "1 done before" in (said := capsys.readouterr().out) and "report:\n" in said


def test_what_slurm_refuses_is_one_sentence(place: Place, capsys: Any) -> None:
    place.write({"name": "row", "fold": [1, 2]})
    assert submit(place, "--partition", "nowhere") == 2
    said = capsys.readouterr().err
    assert "Slurm refused the trials" in said and said.startswith("fau-sweep: error: ") and said.count("\n") == 1
    assert "Invalid partition" in said
    assert not place.run("row-1").exists()


def test_one_trial_over_two_nodes(place: Place, tiny_cropset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command of docs/sweeps.md, on CPUs; only Slurm knows the nodes' names, hence the address."""
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    (place.folder / "base.yaml").write_text(yaml.safe_dump(BASE))
    train = f"srun {sys.executable} -m fau.cli.train --config base.yaml --trainer.max_epochs 1 --trainer.strategy ddp"
    train += " --fold 1 --trainer.devices 1 --trainer.num_nodes 2"
    job = slurm("sbatch", "--parsable", "--nodes=2", "--ntasks-per-node=1", "--output=log", "--wrap", train).strip()
    wait_for(lambda: state(job) in ("COMPLETED", "FAILED"), 400)
    said = Path("log").read_text()
    assert state(job) == "COMPLETED", said
    (run,) = ledger(Path("runs"))
    assert run.status == "done" and "MEMBER: 2/2" in said and said.count("run directory: ") == 1
