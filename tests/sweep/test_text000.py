"""Text 000's comparison on crop sets of BP4D and DISFA, prepared from trees in their owners' layouts."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fau.cli.sweep import main as sweep
from fau.cli.train_parser import parse, resolve
from fau.runs import ledger
from fau.sweep.spec import load

Prepared = Callable[[str], Path]
ROOT = Path(__file__).parents[2]
TINY = [
    *("--trainer.max_epochs=1", "--data.batch_size=4", "--model.allow_upsample=true", "--trainer.accelerator=cpu"),
    "--wandb=disabled",
]


def test_both_sizes_compare_the_same_families(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    real, tiny = (load(ROOT / "sweeps" / name) for name in ("text000.yaml", "text000-tiny.yaml"))
    assert [row.replace("-50", "") for row in real.rows] == tiny.rows
    assert [t.title for t in tiny.trials if t.starts_from_runs] == [f"ME-GraphAU stage 2 fold {f}" for f in (1, 2, 3)]
    assert all("text000-tiny" in trial.argv for trial in tiny.trials)


def test_disfa_has_its_own_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are those of BP4D's sweep, each with DISFA's labels and what the authors set otherwise for DISFA."""
    monkeypatch.chdir(ROOT)
    there, here = (load(ROOT / "sweeps" / name).trials for name in ("text000.yaml", "text000-disfa.yaml"))
    assert [trial.title for trial in here] == [trial.title for trial in there]
    others = [pair for pair in zip(there, here, strict=True) if pair[0].config_files() != pair[1].config_files()]
    assert {pair[1].row for pair in others} == set(DISFA)
    for first, second in (pair for pair in others if pair[1].replicate == "fold 1"):
        before = _settings(first.argv[1:])
        differing = {key: value for key, value in _settings(second.argv[1:]).items() if before[key] != value}
        assert differing.pop("experiment") == "text000-disfa"
        assert differing.pop("data.label_set") == differing.pop("model.init_args.label_set") == "disfa8"
        assert differing.pop("data.protocol") == "disfa3"
        assert differing == DISFA[second.row]


DISFA = {
    "ME-GraphAU stage 1": {"model.init_args.net.init_args.neighbours": 3},
    "ME-GraphAU stage 2": {
        "model.init_args.edge_weight": 0.01,
        "model.init_args.optimizer.init_args.lr": 1e-6,
        "model.init_args.stage1": "runs/text000-disfa",
    },
}


def _settings(argv: Sequence[str]) -> dict[str, Any]:
    """Return a command's settings, with dots between the names of all depths."""

    def flat(settings: Any, before: str = "") -> Iterator[tuple[str, Any]]:
        for key, value in settings.items():
            if isinstance(value, dict):
                yield from flat(value, f"{before}{key}.")
            else:
                yield f"{before}{key}", value

    return dict(flat(resolve(parse(argv))))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("corpus", "labels", "protocol"), [("disfa", "disfa8", "disfa3"), ("bp4d", "bp4d12", "bp4d3-jaa")]
)
def test_every_row_runs_by_one_command(
    corpus: str, labels: str, protocol: str, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops, runs = prepared(corpus), tmp_path / "runs"
    monkeypatch.chdir(ROOT)
    chosen = [f"--data.crop_set={crops}", f"--data.label_set={labels}", f"--data.protocol={protocol}"]
    command = ["sweeps/text000-tiny.yaml", "--runs", str(runs), "--jobs", "1", "--retries", "0"]
    assert sweep([*command, "--", *chosen, *TINY]) == 0
    records = [run.read() for run in ledger(runs)]
    assert len(records) == 15 and {record["status"] for record in records} == {"done"}
    started = {r["started_from"]["stage1"] for r in records if "started_from" in r and "stage1" in r["started_from"]}
    assert len(started) == 3 and all(Path(path).parent == runs / "text000-tiny" for path in started)
    report = runs / "text000-tiny" / "report"
    rows = {line["row"]: line for line in csv.DictReader((report / "report.csv").read_text().splitlines())}
    assert list(rows) == ["ResNet", "EAC-Net", "JAA-Net", "ME-GraphAU stage 1", "ME-GraphAU stage 2"]
    assert float(rows["JAA-Net"]["landmark_error"]) > 0 and rows["ResNet"]["landmark_error"] == ""
    published = list(csv.DictReader((report / "report_published.csv").read_text().splitlines()))
    comparable = {line["row"] for line in published if line["comparable"] == "True"}
    assert {"EAC-Net", "JAA-Net v1", "JAA-Net v2", "ME-GraphAU, ResNet-50"} <= comparable
    assert not comparable & {"FMAE", "MDHR, ResNet-50", "JAA-Net of text 000, best epoch"}
