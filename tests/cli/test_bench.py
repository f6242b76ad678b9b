"""fau-bench: what it counts is right, and how it is asked is what a user of fau-train expects."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from fau.bench.memory import LiveMemory
from fau.cli.bench import main
from fau.cli.train import main as train
from fau.report.build import build_report
from fau.report.load import load_runs
from fau.report.tables.side_by_side import side_by_side

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
QUICK = ["--rounds=2", "--device=cpu", "--batch=4"]


def _models(file: Path) -> dict[str, dict[str, object]]:
    return {model["name"]: model for model in json.loads(file.read_text())["models"]}


def test_configurations_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One row a file: JAA-Net with its landmarks, ME-GraphAU and expressions, at the sizes that their files say."""
    names = ["jaanet-tiny", "megraphau_stage2-tiny", "expression"]
    files = [str(EXPERIMENTS / f"{name}.yaml") for name in names]
    out = tmp_path / "cost.json", tmp_path / "cost.csv", tmp_path / "cost.md"
    assert main([*files, *QUICK, f"--json={out[0]}", f"--csv={out[1]}", f"--markdown={out[2]}", "--precision=32"]) == 0
    found = _models(out[0])
    assert list(found) == names
    assert [found[name]["size"] for name in names] == [64, 64, 112]
    for model in found.values():
        assert model["batch"] == 4
        assert model["precision"] == "32-true"
        assert len(model["latency"]["1"]["seconds"]) == 10  # type: ignore[index]
        assert len(model["latency"]["16"]["seconds"]) == len(model["step"]["seconds"]) == 2  # type: ignore[index]
        step = model["step"]["median"]  # type: ignore[index]
        assert model["train_images_per_s"] == pytest.approx(4 / step)
        weights = 4 * model["parameters"]  # type: ignore[operator]
        assert model["memory"] > 2 * weights  # type: ignore[operator]  # weights and gradients at least
    rows = list(csv.DictReader(out[1].open()))
    assert [row["name"] for row in rows] == names
    assert float(rows[0]["frames_per_s"]) == pytest.approx(1 / float(rows[0]["latency_b1_s"]))
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)
    assert out[2].read_text().count("\n| ") == 2 + len(names)  # heading, rule, a row each


def test_an_overlay_is_read_over_the_file_that_it_changes(tmp_path: Path) -> None:
    out = tmp_path / "cost.json"
    files = [str(EXPERIMENTS / "text001-tiny" / f"{name}.yaml") for name in ("resnet", "landmark_transformer")]
    assert main([*files, *QUICK, "--rounds=1", f"--json={out}"]) == 0
    found = _models(out)
    assert list(found) == ["resnet", "landmark_transformer"]
    assert [model["size"] for model in found.values()] == [64, 64]
    assert [model["parameters"] for model in found.values()] == [373464, 460808]


def test_operations_and_parameters_are_those_known(tmp_path: Path) -> None:
    """ResNet-18 has 1.81 G multiply-adds at 224 px, and 11.18 M parameters before its last layer."""
    out = tmp_path / "cost.json"
    net = ["--model.net=fau.nets.backbone.Backbone", "--model.net.name=resnet18", "--model.net.attention=false"]
    assert main([*QUICK, "--rounds=1", "--batch=2", "--size=64", f"--json={out}", *net]) == 0
    (model,) = _models(out).values()
    assert model["name"] == "resnet18"
    assert model["flops"] == pytest.approx(2 * 1.814e9 * (64 / 224) ** 2, rel=0.01)
    assert model["parameters"] == pytest.approx(11.18e6, rel=0.02)


def test_a_run_is_measured_as_it_was_configured(tiny_args: list[str], tmp_path: Path) -> None:
    arguments = [*tiny_args, "--trainer.max_epochs=1", "--data.validation=none", "--wandb=disabled"]
    assert train([*arguments, f"--runs={tmp_path}", "--model.threshold=0.4"]) == 0
    (run,) = (file.parent for file in tmp_path.glob("*/*/run.json"))
    out = tmp_path / "cost.json"
    assert main([str(run), *QUICK, "--rounds=1", f"--json={out}"]) == 0
    (model,) = _models(out).values()
    assert model["name"] == f"{run.parent.name}/{run.name}"
    assert model["size"] == 32
    assert model["parameters"] == json.loads((run / "run.json").read_text())["parameters"]
    # By its experiment's folder, and kept for its report.
    assert main([str(run.parent), *QUICK, "--rounds=1", "--keep"]) == 0
    kept = json.loads((run / "cost.json").read_text())["model"]
    assert kept["flops"] == model["flops"]
    (experiment,) = build_report(tmp_path, load_runs(tmp_path), resamples=9).experiments
    table = side_by_side(experiment)
    shown = dict(zip(table.headings, table.rows[0], strict=True))
    assert shown["GFLOP"] == f"{kept['flops'] / 1e9:.2f}"
    milliseconds, rate = (float(shown[heading].replace(",", "")) for heading in ("ms, batch 1", "frames/s"))
    assert milliseconds == pytest.approx(1e3 * kept["latency"]["1"]["median"], rel=1e-2)
    assert rate == pytest.approx(kept["frames_per_s"], rel=1e-2)
    assert "32-true" in table.notes[-1] or "bf16-mixed" in table.notes[-1]


@pytest.mark.parametrize("setting", ["--model.start_from=runs/nowhere", "--model.net.pretrained=nowhere.pth"])
def test_what_training_starts_from_is_not_needed(setting: str) -> None:
    net = ["--model.net=fau.nets.backbone.Backbone", "--model.net.name=test_resnet", "--model.net.attention=false"]
    assert main([*QUICK, "--rounds=1", "--size=32", *net, setting]) == 0


def test_memory_is_that_of_tensors_alive_at_once() -> None:
    """A linear layer of n x n: weights, gradients, input, output, and the gradient of the output at the peak."""
    n, batch = 256, 32
    layer = nn.Linear(n, n, bias=False)
    image = torch.zeros(batch, n)
    with LiveMemory([layer.weight, image]) as memory:
        output = layer(image)
        assert memory.live == 4 * (n * n + 2 * batch * n)
        output.backward(torch.ones(batch, n))
        assert memory.peak == 4 * (2 * n * n + 3 * batch * n)
        del output
        assert memory.live <= 4 * (2 * n * n + 2 * batch * n)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no.yaml"], "'no.yaml' does not exist"),
        (["empty.yaml"], "'empty': 'empty.yaml' holds no settings"),  # a bare name: its folder is the current one
        (["."], "'.' is no run and holds none that is finished"),
        (["--keep"], "--keep writes into the folders of runs"),
        ([str(EXPERIMENTS / "gla.yaml"), "--keep"], "--keep writes into the folders of runs"),
        (["--batch=0"], "--batch is 0"),
        (["--rounds=0"], "--rounds is 0"),
        (["--json=none/cost.json"], "'none' is not a folder"),
        (["--csv=."], "'.' cannot be written"),
        (["--precision=8-true"], "precision '8-true' is not measured"),
        (["--model.net", "fau.nets.gla.GLACNN", "late.yaml"], "'late.yaml' stands among the flags"),
        (["--model.net.nothing=1"], "unknown setting"),
        ([str(EXPERIMENTS / "jaanet-tiny.yaml"), "--data.landmarks=none"], "'jaanet-tiny': .*landmarks"),
        ([str(EXPERIMENTS / "gla.yaml"), "--size=7"], "'gla': "),
    ],
)
def test_what_cannot_work_is_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.yaml").touch()
    assert main(arguments) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert line.startswith("fau-bench: error: ")
    assert re.search(sentence, line)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--device=cuda"]) == 2
    assert "torch finds no GPU here" in capfd.readouterr().err


def test_models_of_one_file_name_are_told_apart(tmp_path: Path) -> None:
    files = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        files.append(tmp_path / folder / "net.yaml")
        files[-1].write_text("model:\n  init_args:\n    net:\n      init_args:\n        input_size: 32\n")
    out = tmp_path / "cost.json"
    assert main([*map(str, files), *QUICK, "--rounds=1", f"--json={out}"]) == 0
    assert list(_models(out)) == ["a/net", "b/net"]
