"""GPUs asked from a real Slurm, on a machine that has none: its nodes claim four each."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from slurm_cluster import absent, cluster, slurm
from sweep_place import Place, wait_for

from fau.cli.sweep import main

pytest.importorskip("submitit", reason="the extra `slurm` is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(absent()), reason=absent() or "Slurm is here")]

OPTIONS = ["--launcher", "slurm", "--no-report", "--retries", "0", "--partition", "gpu", "--memory", "1"]


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    with cluster():
        yield


def test_trials_side_by_side_have_gpus_of_their_own(place: Place) -> None:
    place.write({"name": "row", "fold": [1, 2, 3, 4], "until": "go", "sleep": 600})
    assert main([str(place.file), *OPTIONS, "--gpus-per-trial", "2", "--threads", "3"]) == 0
    wait_for(lambda: all(place.status(f"row-{fold}") == "running" for fold in (1, 2, 3, 4)))
    nodes: dict[str, list[str]] = {}
    for fold in (1, 2, 3, 4):
        (log,) = place.folder.glob(f"runs/.sweeps/*/logs/*fold_{fold}*.log")
        (start,) = place.starts(f"row-{fold}")
        assert start["OMP_NUM_THREADS"] == "3"
        node = log.read_text().partition(" on ")[2].partition(":")[0]
        nodes.setdefault(node, []).extend(start["CUDA_VISIBLE_DEVICES"].split(","))
    assert {node: sorted(devices) for node, devices in nodes.items()} == {n: ["0", "1", "2", "3"] for n in ("n1", "n2")}
    (file,) = place.folder.glob("runs/.sweeps/*/slurm.json")
    asked = slurm("scontrol", "show", "job", next(iter(json.loads(file.read_text()).values())))
    assert "TresPerNode=gres:gpu:2" in asked and "Partition=gpu" in asked
    (place.folder / "go").touch()
    wait_for(lambda: all(place.status(f"row-{fold}") == "done" for fold in (1, 2, 3, 4)))


def test_more_gpus_than_a_node_has_are_refused(place: Place, capsys: Any) -> None:
    place.write({"name": "row", "fold": [1]})
    assert main([str(place.file), *OPTIONS, "--gpus-per-trial", "5"]) == 2
    assert "Slurm refused the trials" in capsys.readouterr().err
