"""From action units to expressions and back: what is carried over, by name; what is fresh; what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from relabelled import relabelled
from torch import Tensor

from fau.cli.train import main
from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.labels import output_labels
from fau.modules.detection import AUDetection
from fau.modules.sources import check_groups
from fau.nets.backbone import Backbone
from fau.runs import RunDirectory, ledger

EXPRESSION = ["--model", "fau.modules.expression.ExpressionClassification", "--data.label_set", "basic7"]
ACTION_UNITS = ["--model", "fau.modules.detection.AUDetection", "--data.label_set"]
NET = ["--model.net", "fau.nets.backbone.Backbone", "--model.net.name", "test_resnet", "--model.net.input_size", "32"]
NET += ["--model.net.attention", "false"]
TWO_PHASES = ["--trainer.callbacks+=fau.modules.finetuning.TwoPhases", "--trainer.callbacks.head_epochs", "1"]


def _train(cropset: Path, root: Path, *settings: str, net: list[str] = NET, epochs: str = "1") -> int:
    small = ["--data.crop_set", str(cropset), "--data.folds", "3", "--data.batch_size", "32"]
    limits = ["--trainer.accelerator", "cpu", "--trainer.limit_train_batches", "2", "--trainer.max_epochs", epochs]
    kind, rest = list(settings[:4]), list(settings[4:])
    return main([*kind, *small, *limits, *net, *rest, "--wandb", "disabled", "--runs", str(root)])


def _only(root: Path) -> RunDirectory:
    (run,) = ledger(root)
    return run


def _weights(run: RunDirectory) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(run.checkpoints / "best.ckpt", weights_only=True)["state_dict"]
    return {key.removeprefix("net."): value for key, value in state.items() if key.startswith("net.")}


@pytest.fixture(scope="module")
def source(tiny_cropset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one finished run of action units, fold 1."""
    root = tmp_path_factory.mktemp("source")
    assert _train(tiny_cropset, root, *ACTION_UNITS, "1,2,4,12,15,25") == 0
    return root


def test_action_units_to_expressions_and_back(
    source: Path, tiny_cropset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = _only(source)
    arguments = [*EXPRESSION, "--model.start_from", str(first.path), *TWO_PHASES]
    assert _train(tiny_cropset, tmp_path / "there", *arguments, epochs="1") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"starts from {first.path}".replace(" ", "") in said.replace(" ", "")
    assert "at random: head.classify, as no label is the same" in said
    second = _only(tmp_path / "there")
    record = second.read()
    started = record["started_from"]
    assert started["run_id"] == first.read()["run_id"] and started["label_set"] == "1,2,4,12,15,25"
    checkpoint = first.checkpoints / "best.ckpt"
    assert started["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert record["deciding"]["model"]["start_from"] == first.read()["run_id"]
    assert not [text for text in record["warnings"] if "starts from" in text]  # of the same fold
    # The first phase trained the head alone, so the body is still the one that the action units taught.
    before, after = _weights(first), _weights(second)
    body = [key for key in before if key.startswith("features.")]
    assert body and all(torch.equal(before[key], after[key]) for key in body)

    assert _train(tiny_cropset, tmp_path / "back", *ACTION_UNITS, "12,4", "--model.start_from", str(second.path)) == 0
    again = _only(tmp_path / "back").read()["started_from"]
    assert again["run"] == str(second.path) and "AU12" not in again["carried over"]


@pytest.mark.parametrize(
    ("module", "label_set", "carried"),
    [
        ("fau.modules.multitask.MultiTask", "12,4,6+basic7+va", ["AU12", "AU4"]),
        ("fau.modules.affect.AffectRegression", "va", []),
    ],
)
def test_to_and_from_every_module(
    module: str, label_set: str, carried: list[str], source: Path, tiny_cropset: Path, tmp_path: Path
) -> None:
    """There from action units, and from there on to expressions, each by the run's own folder."""
    there = ["--model", module, "--data.label_set", label_set, "--model.start_from", str(_only(source).path)]
    there += ["--data.weights", "none"]
    assert _train(tiny_cropset, tmp_path / "there", *there) == 0
    between = _only(tmp_path / "there")
    started = between.read()["started_from"]
    assert [name for name in started["carried over"] if ":" not in name] == carried
    assert started["run_id"] == _only(source).read()["run_id"]
    back = [*EXPRESSION, "--model.start_from", str(between.path)]
    assert _train(tiny_cropset, tmp_path / "back", *back) == 0
    started = _only(tmp_path / "back").read()["started_from"]
    names = [name for name in started["carried over"] if ":" not in name]
    assert names == (output_labels("basic7") if carried else []) and started["run"] == str(between.path)


def _started(source: Path, cropset: Path, label_set: str, net: Any = None, **data: Any) -> AUDetection:
    made = net or (lambda outputs: Backbone(outputs, "test_resnet", input_size=32, attention=False))
    module = AUDetection(label_set, made, start_from=str(source))
    datamodule = FaceDataModule(str(cropset), label_set=label_set, folds=3, batch_size=32, **data)
    datamodule.setup("fit")
    module.use_training_data(datamodule)
    return module


def test_labels_are_mapped_by_name(source: Path, tiny_cropset: Path) -> None:
    first = _only(source)
    module = _started(first.path, tiny_cropset, "25,6,1,12")
    there, here = _weights(first), module.net.state_dict()
    for key in ("head.classify.weight", "head.classify.bias"):
        for row, other in ((0, 5), (2, 0), (3, 3)):  # 25, 1 and 12 among 1,2,4,12,15,25
            assert torch.equal(here[key][row], there[key][other])
        assert not any(torch.equal(here[key][1], row) for row in there[key])  # nobody taught it AU6
    started = module.record()["started_from"]
    assert started["carried over"][-3:] == ["AU25", "AU1", "AU12"] and started["at random"] == ["AU6"]


def test_as_many_other_labels_are_not_mapped_by_position(source: Path, tiny_cropset: Path) -> None:
    first = _only(source)
    module = _started(first.path, tiny_cropset, "5,6,7,9,10,14")
    there, here = _weights(first)["head.classify.weight"], module.net.state_dict()["head.classify.weight"]
    assert here.shape == there.shape and not torch.isclose(here, there).all(1).any()


def test_the_run_of_the_fold_is_found_among_runs(source: Path, tiny_cropset: Path, tmp_path: Path) -> None:
    module = _started(source, tiny_cropset, "1,2", fold=1)
    assert module.record()["started_from"]["run"] == str(_only(source).path)
    with pytest.raises(Exception, match=r"holds no finished run with crop set .*fold 2"):
        _started(source, tiny_cropset, "1,2", fold=2)
    shutil.copytree(source, tmp_path / "runs")
    copied = _only(tmp_path / "runs").path
    shutil.copytree(copied, copied.parent / "another")
    with pytest.raises(Exception, match=r"holds 2 runs with .*name the folder of one"):
        _started(tmp_path / "runs", tiny_cropset, "1,2")


def test_a_run_is_found_by_its_id(
    source: Path, tiny_cropset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(source, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    run = _only(Path("runs"))
    assert _started(Path(run.path.name), tiny_cropset, "1,2").record()["started_from"]["run"] == str(run.path)
    with pytest.raises(Exception, match="no run 0123456789ab below 'runs'"):
        _started(Path("0123456789ab"), tiny_cropset, "1,2")


def _changed(run: RunDirectory, path: Path, **record: Any) -> Path:
    """Return a copy of a run whose record says something else."""
    shutil.copytree(run.path, path)
    copy = RunDirectory(path)
    copy.write(copy.read() | record)
    return path


def test_who_is_tested_here_and_was_learned_from_there_is_refused(
    source: Path, tiny_cropset: Path, tmp_path: Path
) -> None:
    first = _only(source)
    said = r"learned from \d+ groups that fold 2 tests; name its run of the same fold in model\.start_from"
    with pytest.raises(FauError, match=said):
        _started(first.path, tiny_cropset, "1,2", fold=2)
    # Not even through a run between, which itself learned from others; however it names where it began.
    nobody = first.read()["groups"] | {"train": [], "val": []}
    for key in ("run", "stage1", "weights"):
        before = {key: str(first.path if key == "run" else first.checkpoints / "best.ckpt")}
        between = _changed(first, tmp_path / key, groups=nobody, started_from=before)
        with pytest.raises(FauError, match=f"{first.path.name}' {said}"):
            _started(between, tiny_cropset, "1,2", fold=2)
    # The same crops of another size are the same people; another corpus' people only have the same names.
    there = first.read()["crop_set"] | {"id": "0" * 16}
    with pytest.raises(FauError, match=said):
        _started(_changed(first, tmp_path / "larger", crop_set=there), tiny_cropset, "1,2", fold=2)
    for about in ({"corpus": "bp4d"}, {"name": "drawn otherwise"}):
        other = _changed(first, tmp_path / "-".join(about), crop_set=there | about)
        assert not _started(other, tiny_cropset, "1,2", fold=2).record().get("warnings")
    # A network's own weights are a start like any other.
    config = {"model": {"init_args": {"net": {"init_args": {"weights": str(first.checkpoints / "best.ckpt")}}}}}
    loaded = _changed(first, tmp_path / "loaded", groups=nobody, started_from={}, config=config)
    with pytest.raises(FauError, match=f"{first.path.name}' {said}"):
        _started(loaded, tiny_cropset, "1,2", fold=2)
    gone = _changed(first, tmp_path / "gone", groups=nobody, started_from={"run": str(tmp_path / "nowhere")})
    (warning,) = _started(gone, tiny_cropset, "1,2", fold=2).record()["warnings"]
    assert "nowhere', where this one began, learned from is not known" in warning


def test_a_group_that_its_owner_divides_is_no_leak(source: Path, tiny_cropset: Path) -> None:
    data = FaceDataModule(str(tiny_cropset), label_set="1,2", folds=3, fold=2, batch_size=32)
    data.setup("fit")
    with pytest.raises(FauError, match="groups that fold 2 tests"):
        check_groups(_only(source), data, "model.start_from")
    parts = data.split.groups
    data.split = replace(data.split, groups=parts | {"train": (*parts["train"], *parts["test"])})
    assert check_groups(_only(source), data, "model.start_from") == []


def test_copies_that_are_grouped_otherwise_are_noticed(tiny_cropset: Path, tmp_path: Path) -> None:
    """Pictures of nobody known: each by itself in one crop set, four that look alike together in the other."""
    nobody = pl.lit(None, pl.String).alias("subject")
    equal = relabelled(tiny_cropset, tmp_path / "equal", nobody, pl.col("id").alias("group"))
    near = relabelled(tiny_cropset, tmp_path / "near", nobody, pl.col("id").first().over("sequence").alias("group"))
    folder = json.loads((near / "cropset.json").read_text())
    (near / "cropset.json").write_text(json.dumps(folder | {"id": "0" * len(folder["id"])}))
    for source, tested in ((equal, near), (near, equal)):
        runs = tmp_path / f"from {source.name}"
        assert _train(source, runs, *ACTION_UNITS, "1,2,4,12,15,25") == 0
        data = FaceDataModule(str(tested), label_set="1,2", folds=3, fold=1, batch_size=32)
        data.setup("fit")
        with pytest.raises(FauError, match=r"learned from \d+ groups that fold 1 tests"):
            check_groups(_only(runs), data, "model.start_from")
    gone = _only(tmp_path / "from equal").read()["crop_set"] | {"path": str(tmp_path / "gone")}
    run = RunDirectory(_changed(_only(tmp_path / "from near"), tmp_path / "run", crop_set=gone))
    run.write(run.read() | {"groups": {"train": [], "val": [], "test": []}})
    data = FaceDataModule(str(near), label_set="1,2", folds=3, fold=1, batch_size=32)
    data.setup("fit")
    (note,) = check_groups(run, data, "model.start_from")
    assert "is known by one picture of each group alone: its crop set is gone" in note


@pytest.mark.parametrize("readers", [("bp4d", "jaanet"), ("disfa", "megraphau"), ("fer2013", "ferplus")])
def test_other_readers_of_the_same_people_are_noticed(
    readers: tuple[str, str], source: Path, tiny_cropset: Path, tmp_path: Path
) -> None:
    data = FaceDataModule(str(tiny_cropset), label_set="1,2", folds=3, fold=2, batch_size=32)
    data.setup("fit")
    data.cropset.info = replace(data.cropset.info, corpus=readers[0])
    first = _only(source)
    there = first.read()["crop_set"] | {"id": "0" * 16, "corpus": readers[1]}
    with pytest.raises(FauError, match="groups that fold 2 tests"):
        check_groups(RunDirectory(_changed(first, tmp_path / "run", crop_set=there)), data, "model.start_from")


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (
            ["--model.net", "fau.nets.gla.GLACNN", "--model.net.input_size", "32"],
            "trained Backbone, and this is GLACNN",
        ),
        (
            [*NET, "--model.net.name", "test_efficientnet"],
            "Backbone with test_resnet, and this is Backbone with test_ef",
        ),
        ([*NET, "--model.net.options", "{stem_width: 8}"], "do not fit this Backbone, features.conv1"),
    ],
)
def test_another_architecture_is_refused(
    net: list[str], said: str, source: Path, tiny_cropset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*EXPRESSION, "--model.start_from", str(_only(source).path)]
    assert _train(tiny_cropset, tmp_path, *arguments, net=net) == 2
    said_there = capsys.readouterr().err
    assert said in said_there and len(said_there.strip().splitlines()) == 1


def test_what_is_no_run_is_refused(source: Path, tiny_cropset: Path, tmp_path: Path) -> None:
    for setting, said in ((tmp_path / "nowhere", "is no folder"), (tmp_path, "holds no finished run")):
        with pytest.raises(Exception, match=said):
            _started(setting, tiny_cropset, "1,2")
    shutil.copytree(source, tmp_path / "runs")
    run = _only(tmp_path / "runs")
    run.write(run.read() | {"status": "failed"})
    with pytest.raises(Exception, match="is not done; finish it before its weights are used"):
        _started(run.path, tiny_cropset, "1,2")
    run.write(run.read() | {"status": "done"})
    (run.checkpoints / "best.ckpt").write_bytes(b"no weights")
    with pytest.raises(Exception, match=r"best\.ckpt' cannot be read as weights"):
        _started(run.path, tiny_cropset, "1,2")


def test_the_record_keeps_checksums_of_weight_files(tiny_cropset: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save(Backbone(1, "test_resnet", input_size=32, attention=False).features.state_dict(), file)
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    plain, checked = [*NET, "--model.net.pretrained", str(file)], [*NET, "--model.net.pretrained"]
    assert _train(tiny_cropset, tmp_path / "runs", *EXPRESSION, net=plain) == 0
    run = _only(tmp_path / "runs")
    assert run.read()["weight_files"] == {str(file): checksum}
    # The same file with its checksum is the same run; a wrong checksum is none.
    assert _train(tiny_cropset, tmp_path / "runs", *EXPRESSION, net=[*checked, f"{file}#sha256={checksum[:10]}"]) == 0
    assert _only(tmp_path / "runs").path == run.path
    assert _train(tiny_cropset, tmp_path / "other", *EXPRESSION, net=[*checked, f"{file}#sha256={'0' * 64}"]) == 2
    assert not (tmp_path / "other").exists()
