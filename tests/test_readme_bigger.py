"""README's "Bigger than one machine": each of its commands run as printed, on a Slurm and a W&B server of our own.

There is no GPU: a stand-in for nvidia-smi names eight, so that the runner deals out eight, and the trials find that
torch sees none and train on the CPU.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from wandb_server import Server

from fau.runs import RunDirectory, ledger

sys.path.append(str(Path(__file__).parent / "sweep"))  # where the tests of the engine keep their Slurm
from slurm_cluster import absent, cluster, slurm
from sweep_place import wait_for

REPOSITORY = Path(__file__).parents[1]
README = REPOSITORY / "README.md"
SMI = """#!/bin/sh
case "$*" in *query*) for i in 0 1 2 3 4 5 6 7; do echo "$i, 10, 80000"; done;; esac
"""


def _commands() -> list[str]:
    section = README.read_text(encoding="utf-8").partition("## Bigger than one machine")[2].partition("\n## ")[0]
    return [line.removeprefix("$ ") for line in section.splitlines() if line.startswith("$ ")]


class Place:
    """A folder with fau's sweeps and experiments, as a clone has them, and the programs of this environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("sweeps", "experiments"):
            (folder / name).symlink_to(REPOSITORY / name)
        self.programs = folder / "programs"
        self.programs.mkdir()

    def run(self, start: str, *, instead: dict[str, str] | None = None) -> str:
        """Run the one command of the section that starts so, and return what it printed."""
        (command,) = [command for command in _commands() if command.startswith(start)]
        for placeholder, word in (instead or {}).items():
            command = command.replace(placeholder, word)
        paths = [self.programs, Path(sys.executable).parent]
        environment = os.environ | {"PATH": os.pathsep.join([*map(str, paths), os.environ["PATH"]]), "COLUMNS": "120"}
        done = subprocess.run(
            shlex.split(command, comments=True), cwd=self.folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def done(self) -> list[RunDirectory]:
        """Return the finished runs."""
        return [run for run in ledger(self.folder / "runs") if run.status == "done"]


@pytest.fixture
def place(tmp_path: Path, tiny_cropset: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    del tiny_cropset  # drawn
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return Place(tmp_path)


def test_the_section_has_one_command_a_place() -> None:
    programs = [" ".join(shlex.split(command, comments=True)[:2]) for command in _commands()]
    assert programs.count("fau-sweep sweeps/smoke.yaml") == 2
    for one in ("fau-sweep status", "wandb sweep", "wandb agent", "fau-sweep sync"):
        assert programs.count(one) == 1
    assert len(programs) == 6  # another one needs a test of its own


@pytest.mark.slow
def test_one_machine_with_eight_gpus_and_its_offline_runs_to_wandb(
    place: Place, wandb_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi = place.programs / "nvidia-smi"
    smi.write_text(SMI)
    smi.chmod(0o755)
    monkeypatch.setenv("WANDB_MODE", "offline")
    said = place.run("fau-sweep sweeps/smoke.yaml  ")
    assert "2 trials, 0 done before; 2 at a time, 1 GPU each" in said and "report:" in said
    assert len(place.done()) == 2
    assert not wandb_server.runs
    monkeypatch.setenv("WANDB_MODE", "online")
    assert "2 sent" in place.run("fau-sweep sync")
    assert {run.state for run in wandb_server.runs.values()} == {"finished"} and len(wandb_server.runs) == 2
    assert "0 to send, 2 sent before" in place.run("fau-sweep sync")
    assert not wandb_server.unknown


@pytest.mark.slow
@pytest.mark.skipif(bool(absent()), reason=absent() or "Slurm is here")
def test_slurm(place: Place) -> None:
    pytest.importorskip("submitit", reason="the extra `slurm` is not installed")
    with cluster():
        assert "submitted 2 trials" in place.run("fau-sweep sweeps/smoke.yaml --launcher slurm")
        wait_for(lambda: not slurm("squeue", "-h"), 500)
        assert "2 of 2 done" in place.run("fau-sweep status")
        assert "report:" in place.run("fau-sweep sweeps/smoke.yaml --launcher slurm")  # the same command again
    assert len(place.done()) == 2


@pytest.mark.slow
def test_wandb_agents(place: Place, wandb_server: Server) -> None:
    said = place.run("wandb sweep")
    printed = re.search(r"wandb agent (\S+)", said)
    assert printed, said
    place.run("wandb agent", instead={"ENTITY/PROJECT/SWEEP": printed[1]})
    assert len(place.done()) == 2
    assert [run.state for run in wandb_server.runs.values()] == ["finished", "finished"]
    assert {run.sweep for run in wandb_server.runs.values()} == set(wandb_server.sweeps)
    assert not wandb_server.unknown
