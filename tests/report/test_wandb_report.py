import json
import sys

import pytest

from fau.cli.report import main
from fau.report.build import build_report
from fau.report.load import load_runs


@pytest.fixture
def arguments(ablation, tmp_path, monkeypatch):
    for key in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_ENTITY"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    return [str(ablation), "--formats", "none", "--quiet", "--resamples", "9", "--wandb"]


def test_without_the_extra_it_says_how_to_get_it(arguments, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)  # as if it were not there
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "pip install 'fau[wandb-report]'" in error and error.count("\n") == 1


def test_without_a_key_or_offline(arguments, monkeypatch, capsys):
    pytest.importorskip("wandb_workspaces", reason="the extra wandb-report is not installed")
    assert main(arguments) == 2
    assert "no W&B key is set; run 'wandb login'" in capsys.readouterr().err
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert main(arguments) == 2
    assert "WANDB_MODE is 'offline'" in capsys.readouterr().err


def test_content_is_the_report_and_its_runs(ablation):
    library = pytest.importorskip("wandb_workspaces.reports.v2", reason="the extra wandb-report is not installed")
    from fau.report.wandb_report import blocks, title

    report = build_report(ablation, load_runs(ablation), resamples=9)
    # Without an entity and a project in the run sets, nothing is asked of a server.
    written = library.Report(project="fau", entity="me", title=title(report), blocks=blocks(report))
    spec = json.loads(written._to_model().model_dump_json(by_alias=True))["spec"]
    tables = [block["content"] for block in spec["blocks"] if block["type"] == "markdown-block"]
    assert len(tables) == 5 and "no\\_attention" in tables[0]
    [grid] = [block for block in spec["blocks"] if block["type"] == "panel-grid"]
    [runs] = grid["metadata"]["runSets"]
    [chosen] = runs["filters"]["filters"]
    assert chosen["key"] == {"section": "config", "name": "run_id"} and len(chosen["value"]) == 15
    assert runs["grouping"] == [{"section": "run", "name": "group"}]
    assert len(grid["metadata"]["panelBankSectionConfig"]["panels"]) == 4
