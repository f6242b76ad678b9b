"""fau-train in process, on real (tiny) faces."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml

from fau.cli._main import plain_warnings
from fau.cli.train import main, parse, resolve
from fau.crops.store import CropSet
from fau.modules.callbacks import WholeCheckpoints
from fau.modules.detection import AUDetection
from fau.runs import RunDirectory, ledger, run_id
from fau.training import deciding_settings

OnlyRun = Callable[[Path], tuple[Path, dict[str, Any]]]
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trained(tiny_args: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of fold 2."""
    root = tmp_path_factory.mktemp("trained")
    assert main([*tiny_args, "--fold", "2", "--runs", str(root)]) == 0
    return root


def test_a_run_keeps_all_that_tables_need(trained: Path, tiny_cropset: Path, only_run: OnlyRun) -> None:
    path, record = only_run(trained)
    assert record["status"] == "done"
    assert (record["fold"], record["folds"]) == (2, 3)
    assert record["parameters"] == 1_164_173
    assert record["run_id"] == path.name == run_id(record["deciding"])
    assert record["selection"] == "val"
    assert set(record["libraries"]) >= {"torch", "lightning", "timm"}
    predictions = RunDirectory(path).arrays("predictions.npz")
    cropset = CropSet.open(tiny_cropset)
    groups = cropset.manifest["group"].to_numpy()
    tested = predictions["test/index"]
    assert (np.diff(tested) > 0).all()
    assert set(groups[tested]) == set(record["groups"]["test"])
    assert not set(record["groups"]["test"]) & set(record["groups"]["train"] + record["groups"]["val"])
    coded = cropset.manifest["au12"].to_numpy()[tested]
    assert np.array_equal(predictions["test/au/mask"][:, 6], ~np.isnan(coded.astype(float)))


def test_counts_are_those_of_the_predictions(trained: Path, only_run: OnlyRun) -> None:
    path, record = only_run(trained)
    run = RunDirectory(path)
    counts, kept = run.arrays("counts.npz"), run.arrays("predictions.npz")
    score, label, mask = (kept[f"test/au/{name}"] for name in ("score", "label", "mask"))
    assert np.array_equal(counts["tp"].sum(0), ((score >= 0.5) & (label == 1) & mask).sum(0))
    assert np.array_equal(counts["fn"].sum(0), ((score < 0.5) & (label == 1) & mask).sum(0))
    tp, fp, fn = (counts[name].sum(0)[0] for name in ("tp", "fp", "fn"))
    assert record["metrics"]["test/f1/AU1"] == pytest.approx(2 * tp / (2 * tp + fp + fn), abs=1e-6)


def test_epochs_are_logged(trained: Path, only_run: OnlyRun) -> None:
    path, record = only_run(trained)
    epochs = RunDirectory(path).metrics()
    assert epochs["epoch"].to_list() == [0, 1]
    assert {"train/loss", "val/loss", "val/f1_macro", "lr"} <= set(epochs.columns)
    assert record["images_per_s"] > 0


def test_the_wandb_run_is_written_offline(trained: Path, only_run: OnlyRun) -> None:
    path, record = only_run(trained)
    (log,) = path.glob("wandb/offline-run-*/run-*.wandb")
    assert log.name == f"run-{record['run_id']}.wandb"
    assert log.stat().st_size > 7  # the header alone would be an empty run


def test_a_finished_run_says_so_and_rerun_trains_it_again(
    trained: Path, tiny_args: list[str], only_run: OnlyRun, capsys: pytest.CaptureFixture[str]
) -> None:
    path, before = only_run(trained)
    predictions = (path / "predictions.npz").read_bytes()
    arguments = [*tiny_args, "--fold", "2", "--runs", str(trained)]
    assert main(arguments) == 0
    assert "done already" in capsys.readouterr().out
    assert only_run(trained)[1] == before
    assert main([*arguments, "--rerun"]) == 0
    assert "done already" not in capsys.readouterr().out
    after = RunDirectory(only_run(trained)[0])
    old, new = np.load(path / "predictions.npz"), after.arrays("predictions.npz")
    assert predictions and all(np.array_equal(old[key], new[key]) for key in old.files)
    (log,) = path.glob("wandb/offline-run-*/run-*.wandb")
    assert log.name == f"run-{before['run_id']}-2.wandb"  # a W&B run of its own, not a second curve in the first


def _stop_in_epoch(monkeypatch: pytest.MonkeyPatch, epoch: int, error: BaseException) -> None:
    original = AUDetection.training_step

    def step(self: AUDetection, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == epoch and batch_idx == 1:
            raise error
        return original(self, batch, batch_idx)

    monkeypatch.setattr(AUDetection, "training_step", step)


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), 130), (OSError(errno.ENOSPC, "No space left on device"), 2)]
)
def test_an_interrupted_run_ends_like_one_that_was_not(
    error: BaseException,
    status: int,
    trained: Path,
    tiny_args: list[str],
    tmp_path: Path,
    only_run: OnlyRun,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = [*tiny_args, "--fold", "2", "--runs", str(tmp_path)]
    with monkeypatch.context() as patch:
        _stop_in_epoch(patch, 1, error)
        assert main(arguments) == status
    path, _ = only_run(tmp_path)
    assert RunDirectory(path).status == "interrupted"
    assert main(arguments) == 0
    expected = RunDirectory(only_run(trained)[0])
    resumed = RunDirectory(path)
    assert resumed.status == "done"
    want, got = expected.arrays("predictions.npz"), resumed.arrays("predictions.npz")
    assert want.keys() == got.keys()
    assert all(np.array_equal(want[key], got[key]) for key in want)
    times = resumed.metrics()["time_s"].to_list()
    assert 0 < times[0] < times[1] < resumed.read()["wall_s"]  # the first epoch's is of the first attempt
    drop = [name for name in expected.metrics().columns if "time" in name]
    assert resumed.metrics().drop(drop).equals(expected.metrics().drop(drop))


def _score(monkeypatch: pytest.MonkeyPatch, *scores: float) -> None:
    """Let the validation and test parts score these, one after another, the last for good."""
    left = list(scores)

    def au_metrics(*args: Any) -> dict[str, float]:
        return {"f1_macro": left.pop(0) if len(left) > 1 else left[0]}

    monkeypatch.setattr("fau.modules.detection.au_metrics", au_metrics)


def test_early_stopping_is_remembered(
    tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*tiny_args, "--trainer.max_epochs", "5", "--patience", "1", "--wandb", "disabled"]
    arguments += ["--trainer.limit_train_batches", "1", "--runs", str(tmp_path)]
    _score(monkeypatch, 0.5)
    with monkeypatch.context() as patch:
        patch.setattr("fau.training._load_weights", _interrupt)  # after training, before testing
        assert main(arguments) == 130
    run = RunDirectory(only_run(tmp_path)[0])
    assert run.status == "interrupted" and len(run.metrics()) == 2
    assert main(arguments) == 0
    assert len(run.metrics()) == 2 and run.read()["best_epoch"] == 0


def test_a_run_that_was_moved_remembers_its_best_epoch(
    tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*tiny_args, "--trainer.limit_train_batches", "2", "--wandb", "disabled"]
    _score(monkeypatch, 0.9, 0.1)
    with monkeypatch.context() as patch:
        _stop_in_epoch(patch, 1, KeyboardInterrupt())
        assert main([*arguments, "--runs", str(tmp_path / "here")]) == 130
    (tmp_path / "here").rename(tmp_path / "there")
    assert main([*arguments, "--runs", str(tmp_path / "there")]) == 0
    assert only_run(tmp_path / "there")[1]["best_epoch"] == 0


def _interrupt(*args: object) -> None:
    raise KeyboardInterrupt


def _terminate(*args: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("stop", "status", "sentence"),
    [
        (_interrupt, 130, "interrupted; the same command goes on from here"),
        (_terminate, 143, "terminated; give the same command again"),
    ],
)
def test_a_run_stopped_while_it_is_tested_says_so(
    stop: Callable[..., None],
    status: int,
    sentence: str,
    tiny_args: list[str],
    tmp_path: Path,
    only_run: OnlyRun,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [*tiny_args, "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--wandb", "disabled"]
    monkeypatch.setattr(AUDetection, "on_test_epoch_start", stop)
    handler = signal.getsignal(signal.SIGINT)
    try:
        ended = main([*arguments, "--runs", str(tmp_path)])
    except SystemExit as error:
        ended = int(error.code or 0)
    finally:
        signal.signal(signal.SIGINT, handler)  # Lightning leaves it ignored
    assert ended == status
    assert capsys.readouterr().err.endswith(f"{sentence}\n")
    run = RunDirectory(only_run(tmp_path)[0])
    assert run.status == "interrupted"
    if status == 130:  # and then loses its checkpoint
        (run.checkpoints / "best.ckpt").unlink()
        assert main([*arguments, "--runs", str(tmp_path)]) == 2
        assert "best.ckpt' is gone; train the run from the start with --rerun" in capsys.readouterr().err


def test_a_full_disk_leaves_the_checkpoint_that_there_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "checkpoints" / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"epoch": 1}, file)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        WholeCheckpoints().save_checkpoint({"epoch": 2}, file)
    assert torch.load(file, weights_only=True) == {"epoch": 1}
    assert list(file.parent.iterdir()) == [file]


def test_another_configurations_checkpoint_is_refused(
    trained: Path, tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*tiny_args, "--fold", "2", "--runs", str(tmp_path), "--seed", "5"]
    identity = _identity(arguments)
    target = tmp_path / "gla" / identity
    (target / "checkpoints").mkdir(parents=True)
    shutil.copy(only_run(trained)[0] / "checkpoints" / "last.ckpt", target / "checkpoints" / "last.ckpt")
    assert main(arguments) == 2
    assert "another configuration wrote it" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, [1, 2], {"state_dict": {}}])
def test_a_damaged_checkpoint_is_named(
    content: Any, tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*tiny_args, "--fold", "2", "--runs", str(tmp_path), "--seed", "6"]
    target = tmp_path / "gla" / _identity(arguments) / "checkpoints"
    target.mkdir(parents=True)
    (target / "last.ckpt").write_bytes(b"not a checkpoint")
    if content is not None:
        torch.save(content, target / "last.ckpt")
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "last.ckpt" in error and "--rerun" in error


def test_a_damaged_record_is_named_and_rerun_mends_it(
    trained: Path, tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    path, record = only_run(tmp_path / "runs")
    arguments = [*tiny_args, "--fold", "2", "--runs", str(tmp_path / "runs"), "--wandb", "disabled"]
    (path / "run.json").write_text(json.dumps(record | {"metrics": None}))
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "run.json' cannot be read ('metrics' is null); train the run again with --rerun" in error
    assert main([*arguments, "--rerun"]) == 0
    assert RunDirectory(path).read()["metrics"].keys() == record["metrics"].keys()
    # The epochs of a run that goes on
    RunDirectory(path).write(record | {"status": "running"})
    (path / "metrics.csv").write_bytes(b"")
    assert main(arguments) == 2
    assert "metrics.csv' cannot be read" in capsys.readouterr().err


def test_a_run_that_another_process_finished_meanwhile_is_not_trained_again(
    trained: Path, tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finish(*_: object, **__: object) -> None:
        shutil.copytree(trained, tmp_path, dirs_exist_ok=True)

    monkeypatch.setattr("fau.cli.train.pl.seed_everything", finish)  # after the look for a finished run
    monkeypatch.setattr("fau.training._train", _interrupt)
    assert main([*tiny_args, "--fold", "2", "--runs", str(tmp_path)]) == 0
    assert only_run(tmp_path)[1] == only_run(trained)[1]


def test_a_batch_larger_than_the_data_is_all_of_it(tiny_args: list[str], tmp_path: Path, only_run: OnlyRun) -> None:
    arguments = ["--data.batch_size", "100000", "--trainer.max_epochs", "1", "--wandb", "disabled"]
    assert main([*tiny_args, *arguments, "--runs", str(tmp_path)]) == 0
    path, record = only_run(tmp_path)
    assert len(RunDirectory(path).arrays("predictions.npz")["test/index"]) == record["sizes"]["test"]


def test_wandb_online_without_a_key_is_one_sentence(
    tiny_args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only_run: OnlyRun
) -> None:
    def init(**_: object) -> None:
        raise RuntimeError("api_key not configured (no-tty).\nUse wandb.login()")

    monkeypatch.setattr("wandb.init", init)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    arguments = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--wandb", "online"]
    with pytest.warns(UserWarning, match="W&B could not start .no key is set: run 'wandb login'") as caught:
        assert main([*tiny_args, *arguments, "--runs", str(tmp_path)]) == 0
    (said,) = [one for one in caught if "W&B" in str(one.message)]
    with plain_warnings("fau-train"):
        line = warnings.formatwarning(said.message, said.category, said.filename, said.lineno)
        other = warnings.formatwarning("x", UserWarning, "torch/y.py", 3)
    assert line == f"fau-train: warning: {said.message}\n"
    assert other == "torch/y.py:3: UserWarning: x\n"
    assert warnings.formatwarning("x", UserWarning, said.filename, 3) != "fau-train: warning: x\n"


def _identity(arguments: list[str]) -> str:
    cli = parse(arguments)
    config = resolve(cli)
    from fau.cli.train import FaceDataModule, default_precision

    data = FaceDataModule(**cli.config["data"].as_dict())
    data.setup("fit")
    precision = str(config["trainer"]["precision"] or default_precision("cpu"))
    return run_id(deciding_settings(config, data.describe(), precision, config["patience"]))


def test_speed_settings_do_not_change_the_id_and_others_do(tiny_args: list[str]) -> None:
    base = _identity(tiny_args)
    assert _identity([*tiny_args, "--data.num_workers", "1", "--model.channels_last", "false"]) == base
    assert _identity([*tiny_args, "--runs", "elsewhere", "--wandb", "disabled", "--name", "x"]) == base
    held = ["--data.holdout", "[S002,S001]"]
    assert _identity([*tiny_args, *held]) == _identity([*tiny_args, "--data.holdout", "[S001,S002]"]) != base
    changes = [["--seed", "1"], ["--fold", "2"], ["--model.net.attention", "false"], ["--data.weights", "none"]]
    for change in (*changes, ["--trainer.max_time", "00:00:01:00"], ["--trainer.val_check_interval", "0.5"]):
        assert _identity([*tiny_args, *change]) != base


def test_no_configuration_is_the_gla_experiment(tiny_cropset: Path) -> None:
    crops = ["--data.crop_set", str(tiny_cropset), "--model.net.input_size", "32"]
    experiment = ["--config", str(REPOSITORY / "experiments" / "gla.yaml")]
    assert _identity(crops) == _identity([*experiment, *crops])


def test_interpolated_values_follow_a_flag(tiny_args: list[str], tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump({"seed": 3, "patience": "${seed}"}))
    assert resolve(parse(["--config", str(file)]))["patience"] == 3
    assert resolve(parse(["--config", str(file), "--seed", "7"]))["patience"] == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fold", "0"], ["fold 0", "1 to 3"]),
        (["--fold", "9"], ["fold 9", "1 to 3"]),
        (["--nonsense", "1"], ["--nonsense"]),
        (["--trainer.max_epochs", "many"], ["trainer.max_epochs", "many", "int"]),
        (["--model.net.attentoin", "true"], ["attentoin", "--print_config"]),
        (["--data.label_set", "bp4d99"], ["bp4d99", "bp4d12"]),
        (["--data.folds", "20"], ["20"]),
        (["--data.crop_set", "no/such/folder"], ["no/such/folder"]),
        (["--model.net.input_size", "8"], ["8"]),
        (["--config", "no_such.yaml"], ["no_such.yaml"]),
        (["--experiment", "../elsewhere"], ["../elsewhere", "--runs"]),
        (["--model.optimizer.lr", "-1"], ["model.optimizer", "-1"]),
        (["--data.validation", "none", "--patience", "3"], ["--patience", "validation"]),
        (["--seed", "5000000000"], ["seed 5000000000", "4294967295"]),
        (["--trainer.accelerator", "abacus"], ["trainer's settings", "abacus"]),
        (["--trainer.strategy", "ddp_spawn"], ["ddp_spawn", "use ddp"]),
        (["--trainer.overfit_batches", "1"], ["trainer.overfit_batches", "limit_train_batches"]),
        (["--trainer.check_val_every_n_epoch", "5"], ["check_val_every_n_epoch 5", "max_epochs 2"]),
        (["--model.threshold", "1.5"], ["model.threshold 1.5", "0.5"]),
        (["--model.threshold", "0"], ["model.threshold 0"]),
        (["--patience", "0"], ["--patience 0", "1 or more"]),
        (["--name", ""], ["--name is empty"]),
        (["--runs", ""], ["--runs is empty"]),
        (["--runs", "/proc/foo"], ["No such file or directory '/proc/foo", "name another path"]),
        (["--data.holdout", "[]"], ["holdout names no group", "null"]),
        (["--data.holdout", f"[{','.join(f'S00{i}' for i in range(1, 10))}]"], ["holdout names all 9 groups"]),
        (["--data.folds", "0"], ["folds 0 is too few", "2 or more"]),
        (["--trainer.max_epochs", "0"], ["best.ckpt", "trainer.max_epochs"]),
        (["--trainer.limit_val_batches", "0", "--trainer.limit_train_batches", "0"], ["limit_train_batches"]),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str],
    words: list[str],
    tiny_args: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*tiny_args, "--runs", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("fau-train: error: ")
    assert "\n" not in error and "Traceback" not in error
    for word in words:
        assert word in error
    assert not list(tmp_path.glob("*/*/checkpoints/*"))


def test_validation_none_takes_the_last_epoch(tiny_args: list[str], tmp_path: Path, only_run: OnlyRun) -> None:
    arguments = ["--data.validation", "none", "--data.undersample", "classes", "--wandb", "disabled"]
    assert main([*tiny_args, "--runs", str(tmp_path), *arguments]) == 0
    path, record = only_run(tmp_path)
    assert record["selection"] == "last"
    assert record["best_epoch"] == 1
    assert record["groups"]["val"] == []
    assert not (path / "wandb").exists()
    assert record["kept"]["frames"]["kept"] < record["kept"]["frames"]["of"]
    assert not any(key.startswith("val/") for key in RunDirectory(path).arrays("predictions.npz"))
    epochs = RunDirectory(path).metrics()
    assert epochs["kept/frames"].to_list() == [record["kept"]["frames"]["kept"]] * 2


def test_a_holdout_set_is_scored_apart(tiny_args: list[str], tmp_path: Path, only_run: OnlyRun) -> None:
    arguments = ["--data.holdout", "[S001]", "--trainer.max_epochs", "1", "--wandb", "disabled"]
    assert main([*tiny_args, "--runs", str(tmp_path), *arguments]) == 0
    path, record = only_run(tmp_path)
    assert record["groups"]["holdout"] == ["S001"]
    assert not {"S001"} & {group for part in ("train", "val", "test") for group in record["groups"][part]}
    kept = RunDirectory(path).arrays("predictions.npz")
    assert not set(kept["holdout/index"]) & set(kept["test/index"])
    assert "holdout/f1_macro" in record["metrics"] and "test/f1_macro" in record["metrics"]


def test_all_folds_are_runs_of_their_own(tiny_args: list[str], tmp_path: Path) -> None:
    arguments = ["--fold", "all", "--trainer.max_epochs", "1", "--runs", str(tmp_path)]
    assert main([*tiny_args, *arguments]) == 0
    runs = ledger(tmp_path)
    assert sorted(run.read()["fold"] for run in runs) == [1, 2, 3]
    logs = [log.name for run in runs for log in run.path.glob("wandb/offline-run-*/run-*.wandb")]
    assert sorted(logs) == sorted(f"run-{run.path.name}.wandb" for run in runs)
    tested = [group for run in runs for group in run.read()["groups"]["test"]]
    assert len(tested) == len(set(tested)) == 9


def test_a_run_in_use_is_left_alone(tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*tiny_args, "--runs", str(tmp_path)]
    path = tmp_path / "gla" / _identity(arguments)
    path.mkdir(parents=True)
    hold = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
time.sleep(600)
"""
    command = [sys.executable, "-c", hold, str(path / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        status = main(arguments)
        holder.kill()
    assert status == 2
    assert "another process" in capsys.readouterr().err


def test_one_real_process(tiny_args: list[str], tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("fau-train")
    command = [str(program), *tiny_args, "--trainer.max_epochs", "1", "--runs", str(tmp_path)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    assert "mean" in finished.stdout and "run directory" in finished.stdout
    assert "Warning" not in finished.stderr and "WARNING" not in finished.stderr, finished.stderr
    record = json.loads(next(tmp_path.glob("*/*/run.json")).read_text())
    assert pl.Series(record["metrics"].values()).is_finite().all()


def test_wandb_may_fail_in_the_middle_of_a_run(
    tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the connection is gone")

    monkeypatch.setattr("wandb.sdk.wandb_run.Run.log", fail)
    with pytest.warns(UserWarning, match="W&B fails .the connection is gone"):
        assert main([*tiny_args, "--runs", str(tmp_path)]) == 0
    assert only_run(tmp_path)[1]["status"] == "done"


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_rate_that_falls_on_a_plateau(mode: str, tiny_args: list[str], tmp_path: Path, only_run: OnlyRun) -> None:
    scheduler = ["--model.scheduler", "torch.optim.lr_scheduler.ReduceLROnPlateau", "--model.scheduler.mode", mode]
    assert main([*tiny_args, *scheduler, "--runs", str(tmp_path), "--wandb", "disabled"]) == 0
    assert only_run(tmp_path)[1]["epochs"] == 2


@pytest.mark.parametrize("setting", ["pretrained", "weights", "stage1"])
def test_a_weight_file_decides_by_its_content(setting: str, tmp_path: Path) -> None:
    def identity(file: Path) -> str:
        net = {"class_path": "fau.nets.backbone.Backbone", "init_args": {setting: str(file)}}
        config = {"model": {"class_path": "x", "init_args": {"net": net}}, "trainer": {}, "seed": 0}
        return run_id(deciding_settings(config, {}, "32-true", None))

    first, moved, changed = (tmp_path / name for name in ("a.pt", "b.pt", "c.pt"))
    for file, content in ((first, b"1"), (moved, b"1"), (changed, b"2")):
        file.write_bytes(content)
    assert identity(first) == identity(moved) != identity(changed)


def test_all_of_no_folds_is_refused(tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*tiny_args, "--data.folds", "0", "--fold", "all", "--runs", str(tmp_path)]) == 2
    assert "folds 0 is too few" in capsys.readouterr().err
