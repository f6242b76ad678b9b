"""fau-report --wandb: what it says where it cannot, and the report that a server gets."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_runs import write_run

from fau.cli.report import main
from fau.report.build import build_report
from fau.report.formats.wandb_panels import varied
from fau.report.load import load_runs

if TYPE_CHECKING:
    from wandb_server import Server

MISSING = "the extra wandb-report is not installed"


@pytest.fixture
def arguments(ablation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    for key in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_ENTITY"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    return _arguments(ablation, tmp_path)


def _arguments(runs: Path, out: Path) -> list[str]:
    return [str(runs), "--formats", "none", "--quiet", "--resamples", "9", "--out", str(out / "out"), "--wandb"]


def test_without_the_extra_it_says_how_to_get_it(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)  # as if it were not there
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "pip install 'fau[wandb-report]'" in error and error.count("\n") == 1


def test_without_a_key_or_offline(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb_workspaces", reason=MISSING)
    assert main(arguments) == 2
    assert "no W&B key is set; run 'wandb login'" in capsys.readouterr().err
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert main(arguments) == 2
    assert "W&B is set to 'offline'" in capsys.readouterr().err


def _grids(spec: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yield the run set and the panels of each grid of a saved report."""
    for block in spec["blocks"]:
        if block["type"] == "panel-grid":
            (runs,) = block["metadata"]["runSets"]
            yield runs, block["metadata"]["panelBankSectionConfig"]["panels"]


def _check(spec: dict[str, Any]) -> None:
    tables = [block["content"] for block in spec["blocks"] if block["type"] == "markdown-block"]
    assert "no\\_attention" in tables[0] and "95 % interval" in tables[0] and "[" in tables[0]
    (rows, scores), (runs, single), (again, labels) = _grids(spec)
    for chosen in (rows, runs, again):
        (by_id,) = chosen["filters"]["filters"]
        assert by_id["key"] == {"section": "config", "name": "run_id"} and len(by_id["value"]) == 15
    assert rows["grouping"] == again["grouping"] == [{"section": "run", "name": "group"}] and not runs["grouping"]
    assert [panel["viewType"] for panel in scores] == ["Bar Chart", *["Run History Line Plot"] * 4]
    bars = [panel["config"] for panel in (scores[0], *labels)]
    assert {(bar["groupAgg"], bar["groupArea"]) for bar in bars} == {("mean", "stddev")}  # the error bars
    assert [bar["metrics"] for bar in bars[:2]] == [["test/f1_macro"], ["test/f1/AU1"]] and len(labels) == 12
    assert {bar["barLimit"] for bar in bars} == {panel["config"]["limit"] for panel in scores} == {5}  # every row
    assert {panel["config"]["xAxis"] for panel in scores[1:]} == {"epoch"}
    assert [panel["config"]["metrics"] for panel in scores[1:3]] == [["val/f1_macro"], ["train/loss"]]
    assert [panel["viewType"] for panel in single] == ["Parallel Coordinates Plot", "Run Comparer"]
    axes = [column["accessor"] for column in single[0]["config"]["columns"]]
    assert axes == ["config:model.value.name", "config:fold.value", "summary:val/f1_macro", "summary:test/f1_macro"]


def test_content_is_the_report_and_its_runs(ablation: Path) -> None:
    library = pytest.importorskip("wandb_workspaces.reports.v2", reason=MISSING)
    from fau.report.formats.wandb_report import blocks, title

    report = build_report(ablation, load_runs(ablation), resamples=9)
    # Without an entity and a project in the run sets, nothing is asked of a server.
    written = library.Report(project="fau", entity="me", title=title(report), blocks=blocks(report))
    _check(json.loads(written._to_model().model_dump_json(by_alias=True))["spec"])


def test_settings_that_vary_are_few_and_no_names(tmp_path: Path) -> None:
    for fold in (1, 2):
        for name in ("a", "b"):
            net = {"class_path": "x", "init_args": {"attention": name == "a", "width": 8}}
            config = {"fold": fold, "name": name, "model": {"net": net}, "data": {"fold": fold}}
            write_run(tmp_path, name, fold, folds=2, config=config, frames=5, subjects=4, predictions=False)
    assert varied(load_runs(tmp_path)) == ["model.net.init_args.attention"]


@pytest.mark.slow
def test_the_same_report_is_changed_in_place(
    wandb_server: Server, ablation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb_workspaces", reason=MISSING)
    arguments = _arguments(ablation, tmp_path)
    assert main(arguments) == 2
    assert "W&B has no project 'fau' of 'me'; send the runs there by `fau-sweep sync`" in capsys.readouterr().err
    wandb_server.projects.add(("me", "fau"))
    assert main(arguments) == 0
    first = capsys.readouterr().out.strip()
    (report,) = wandb_server.reports.values()
    assert first.startswith(f"{wandb_server.url}/me/fau/reports/") and report.title == "Ablation: gla"
    _check(report.spec)
    report.spec["width"] = "fluid"  # a reader widened it
    assert main([*arguments, "--reference", "resnet50"]) == 0
    (again,) = wandb_server.reports.values()
    assert again.id == report.id and again.saves == 2
    tables = [block["content"] for block in again.spec["blocks"] if block["type"] == "markdown-block"]
    assert tables[0].splitlines()[2].startswith("| resnet50")
    assert again.spec["width"] == "fluid" and len(list(_grids(again.spec))) == 3
    again.spec["blocks"].append({"type": "of-next-year"})  # a kind of block that the library does not know
    assert main(arguments) == 0
    (again,) = wandb_server.reports.values()
    assert again.id == report.id and again.saves == 3
    wandb_server.reports.clear()  # somebody deleted it: a new one takes its place
    assert main(arguments) == 0
    assert len(wandb_server.reports) == 1 and wandb_server.unknown == []
    assert main([*arguments, "--out", str(tmp_path / "elsewhere")]) == 0
    assert len(wandb_server.reports) == 2  # another folder, another report
