"""Every YAML in experiments/, found by itself and run for real at tiny size; those in sweeps/ have their own tests.

A file with a ``-tiny`` variant beside it is of real size and trains in the slow tests, as overlays do. Every overlay is
built; of those beside a file of real size only the ones that name another network train, and those of published rows,
which name a protocol, have commands in their heads that are parsed.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from jsonargparse import Namespace

from fau.cli.train import main as train
from fau.cli.train_parser import parse
from fau.data.protocols import protocol
from fau.labels import output_labels
from fau.runs import ledger

REPOSITORY = Path(__file__).parents[1]
EXPERIMENTS = sorted((REPOSITORY / "experiments").rglob("*.yaml"))
TINY = [
    *("--data.batch_size=8", "--model.allow_upsample=true", "--trainer.accelerator=cpu", "--trainer.max_epochs=1"),
    *("--trainer.limit_train_batches=2", "--trainer.limit_val_batches=1", "--trainer.limit_test_batches=2"),
    "--trainer.check_val_every_n_epoch=1",
]


def _name(file: Path) -> str:
    return str(file.relative_to(REPOSITORY))


def _base(file: Path) -> Path:
    """An overlay lies in a folder named after the file that it changes."""
    base = file.parent.with_suffix(".yaml")
    return base if base.exists() else file


def _real(file: Path) -> bool:
    base = _base(file)
    return base.with_name(f"{base.stem}-tiny.yaml").exists()


def _configurations(file: Path) -> list[str]:
    files = [file] if _base(file) == file else [_base(file), file]
    return [word for name in files for word in ("--config", str(name))]


def _names_a_network(file: Path) -> bool:
    """Whether an overlay takes another of timm's networks, so that it is more than other settings of the same."""
    return re.search(r"^ {8}name: ", file.read_text(encoding="utf-8"), re.MULTILINE) is not None


BUILT = [file for file in EXPERIMENTS if _base(file) != file]
PUBLISHED = [file for file in BUILT if _real(file) and "  protocol: " in file.read_text(encoding="utf-8")]
TRAINED = [file for file in EXPERIMENTS if file not in BUILT or not _real(file) or _names_a_network(file)]
# The largest network of all, so that one of the rows is seen to train.
TRAINED.append(REPOSITORY / "experiments/megraphau_stage2/disfa_swin_base.yaml")


def _elsewhere(file: Path) -> list[str]:
    """Settings that a corpus, a run or a download other than the tiny corpus would be needed for."""
    settings = []
    text = "".join(path.read_text(encoding="utf-8") for path in {_base(file), file})
    if "stage1: $" in text:  # the run that it starts from is trained in its sweep's test
        settings.append("--model.stage1=null")
    if "start_from: $" in text:
        settings.append("--model.start_from=null")
    if "pretrained: true" in text:
        settings.append("--model.net.pretrained=false")
    if "head_epochs: 2" in text:  # so that all of the network takes the steps, and not its head alone
        settings += ["--trainer.callbacks.head_epochs=0", "--data.batch_size=4"]
    if re.search(r"^ *protocol: (bp4d|disfa)", text, re.MULTILINE):
        settings.append("--data.protocol=kfold")
    return settings


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(file, id=_name(file), marks=[pytest.mark.slow] if _real(file) or file in BUILT else [])
        for file in TRAINED
    ],
)
def test_every_experiment_trains(file: Path, tiny_cropset: Path, tmp_path: Path) -> None:
    arguments = [*_configurations(file), f"--data.crop_set={tiny_cropset}", *TINY, f"--runs={tmp_path}"]
    assert train([*arguments, *_elsewhere(file), "--wandb=disabled"]) == 0
    (run,) = ledger(tmp_path)
    record = run.read()
    assert record["status"] == "done"
    assert record["allow_upsample"] is True
    shutil.rmtree(run.checkpoints)  # of all experiments gigabytes, which pytest would keep


@pytest.mark.parametrize("file", EXPERIMENTS, ids=_name)
def test_every_experiment_opens_with_what_it_is(file: Path) -> None:
    assert file.read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("file", BUILT, ids=_name)
def test_every_overlay_can_be_built(file: Path) -> None:
    cli = parse([*_configurations(file), *_elsewhere(file)])
    with torch.device("meta"):  # shapes without memory
        module = cli.parser.instantiate(Namespace(model=cli.config["model"], data=cli.config["data"])).model
    assert module.net.num_outputs == len(output_labels(cli.config["data"]["label_set"]))


@pytest.mark.parametrize("file", PUBLISHED, ids=_name)
def test_a_published_row_s_head_has_its_commands(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    head = re.sub(r"\\\n# *", " ", file.read_text(encoding="utf-8"))
    commands = re.findall(r"^# +fau-train (.*)$", head, re.MULTILINE)
    assert commands
    parsed = [parse(shlex.split(command, comments=True)).config for command in commands]
    own = parse(_configurations(file)).config
    assert parsed[-1]["experiment"] == own["experiment"]
    assert parsed[-1]["name"] == own["name"]
    assert all(config["data"]["crop_set"] != "synthetic" for config in parsed)
    assert protocol(own["data"]["protocol"], own["data"]["folds"]).folds == 3
