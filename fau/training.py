"""One fold: train or resume, test the chosen checkpoint, write the run directory."""

from __future__ import annotations

import pickle
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, WeightAveraging
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher, _SubprocessScriptLauncher
from lightning.pytorch.trainer.states import TrainerStatus
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import nn

from fau import heartbeat, tracking, tracking_agents
from fau.data.datamodule import FaceDataModule
from fau.data.dataset import EpochLoader
from fau.errors import FauError
from fau.hardware import describe_hardware
from fau.identity import weight_files
from fau.modules.base import FaceModule
from fau.modules.callbacks import PREVIOUS, EpochLog, StayStopped, WholeCheckpoints, check_bytes, checkpoints, mend_last
from fau.modules.launcher import WatchedLauncher
from fau.modules.processes import is_main_process
from fau.runs import RunDirectory, code_version, library_versions, record_trial
from fau.tracking_results import log_test

# Lightning says these of what is done on purpose.
EXPECTED_WARNINGS = (
    ".*sync_dist=True.*",  # every process logs the same digits, computed from gathered arrays
    ".*does not have many workers.*",  # on few cores workers cost more than they bring
    ".*Checkpoint directory.*exists and is not empty.*",  # a resumed run
    ".*smaller than the logging interval.*",  # losses are logged an epoch
    ".*Total length of `list` across ranks is zero.*",  # no validation part
    ".*treespec.*is deprecated.*",  # its own use of torch
    ".*`srun` command is available.*",  # a cluster's machine, on which this run is no job
)


@dataclass
class Fold:
    """A fold that was asked for, with everything built and nothing written yet.

    Attributes:
        run: Its run directory.
        record: The record so far: identity, deciding settings, configuration.
        module: The LightningModule.
        datamodule: The data, set up.
        trainer: Arguments of Lightning's Trainer as configured.
        patience: Epochs without a better validation score after which to stop, None to go on to the end.
        score_training: Score the training part too, once training has ended.
        wandb: What goes to W&B, and how.
    """

    run: RunDirectory
    record: dict[str, Any]
    module: FaceModule
    datamodule: FaceDataModule
    trainer: dict[str, Any]
    patience: int | None
    score_training: bool
    wandb: tracking.Tracking

    @property
    def selects(self) -> bool:
        """Whether a validation part chooses the checkpoint; else the last epoch's is taken."""
        return self.datamodule.validation != "none"


def train_fold(fold: Fold) -> dict[str, Any]:
    """Train a fold, or take it up where it was interrupted, and test it.

    Returns:
        The finished record, as written to ``run.json``.

    Raises:
        FauError: If another process trains the run, or its checkpoints cannot be read or are another run's.
        SystemExit: With 130 after Ctrl-C and 143 after SIGTERM; the next call goes on from the last epoch's end.
    """
    if not is_main_process():  # a process that Lightning's DDP launcher started: rank 0 keeps the directory
        return _train(fold)
    record_trial(fold.run, "waiting")  # before the lock: a sweep then knows which run a refused trial has to wait for
    with fold.run.locked():
        if fold.run.status == "done":  # by another process, while this one waited for the lock
            record_trial(fold.run, "done")
            return fold.run.read()
        try:
            return _train(fold)
        except (SystemExit, KeyboardInterrupt):
            record_trial(fold.run, "interrupted")
            tracking.finish(exit_code=1)
            raise
        except OSError:  # a full or vanished disk: nothing was lost, the run can go on
            record_trial(fold.run, "interrupted")
            tracking.finish(exit_code=1)
            raise
        except Exception as error:
            fold.run.write(fold.record | {"status": "failed", "error": f"{type(error).__name__}: {error}"})
            record_trial(fold.run, "failed")
            tracking.finish(exit_code=1)
            raise


def _train(fold: Fold) -> dict[str, Any]:
    started = time.monotonic()
    if is_main_process():
        mend_last(fold.run.checkpoints)
    _start_record(fold)
    module, datamodule, run = fold.module, fold.datamodule, fold.run
    module.run_id, module.training_seed = fold.record["run_id"], fold.record["seed"]
    module.use_training_data(datamodule)
    about = module.record()
    fold.record["warnings"] = [*fold.record["warnings"], *about.pop("warnings", [])]
    fold.record |= about
    began = started - fold.record.get("wall_s", 0.0)
    log = EpochLog(run, began)
    last = run.checkpoints / "last.ckpt"
    with warnings.catch_warnings():
        for message in EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        trainer = _build_trainer(fold, log)
        _fit(trainer, module, datamodule, last if last.exists() else None)
        chosen = run.checkpoints / ("best.ckpt" if fold.selects else "last.ckpt")
        best_epoch = _load_weights(module, run, chosen)
        _drop_averaging(trainer)
        metrics: dict[str, float] = {}
        if fold.selects:
            datamodule.validated_epoch = best_epoch
            metrics |= _evaluate(trainer, trainer.validate, module, datamodule)
        metrics |= _evaluate(trainer, trainer.test, module, datamodule)
        if len(datamodule.split.holdout):
            metrics |= _score(trainer, module, "holdout", datamodule.holdout_dataloader())
        if fold.score_training:
            metrics |= _score(trainer, module, "training", datamodule.training_part_dataloader())
    if not is_main_process():
        return fold.record
    _write_predictions(fold)
    fold.record |= {
        "status": "done",
        "finished": _now(),
        "wall_s": time.monotonic() - began,
        "images_per_s": log.images_per_s or fold.record.get("images_per_s"),
        "processes": trainer.world_size,
        "processes_trained": _processes(run),
        "epochs": len(run.metrics()),
        "best_epoch": best_epoch,
        "metrics": metrics,
        "error": None,
    }
    run.write(fold.record)
    record_trial(run, "done")
    (run.checkpoints / PREVIOUS).unlink(missing_ok=True)  # a finished run goes on no more
    log_test(module, datamodule, run.path, fold.record, fold.wandb)
    tracking.finish(summary=metrics | {key: fold.record[key] for key in ("best_epoch", "images_per_s", "parameters")})
    return fold.record


def _start_record(fold: Fold) -> None:
    """Write the record with status ``running``; the time that earlier attempts took to the last epoch's end is kept."""
    if not is_main_process():
        return
    earlier: dict[str, Any] = fold.run.read() if fold.run.status != "new" else {}
    resumed = (fold.run.checkpoints / "last.ckpt").exists()
    fold.record |= {
        "status": "running",
        "attempt": earlier.get("attempt") or fold.record.get("attempt", 1),
        "rerun": fold.record.get("rerun") or earlier.get("rerun"),
        "started": earlier.get("started") or _now(),
        "finished": None,
        "wall_s": _seconds_so_far(fold.run) if resumed else 0.0,
        "images_per_s": earlier.get("images_per_s") if resumed else None,
        "parameters": sum(p.numel() for p in cast(nn.Module, fold.module.net).parameters()),
        "code_version": code_version(),
        "libraries": library_versions(),
        "hardware": describe_hardware(),
        "threads": torch.get_num_threads(),
        "monitor": fold.module.monitor,
        "weight_files": weight_files(fold.record["config"]["model"]),
        "metrics": {},
        "error": None,
    }
    fold.run.checkpoints.mkdir(parents=True, exist_ok=True)
    fold.record |= fold.run.keep_groups(fold.record.pop("groups"))
    fold.run.write(fold.record)
    record_trial(fold.run, "running")


def _processes(run: RunDirectory) -> list[int]:
    """Return the numbers of processes that trained the epochs of a run, each once: more than one if it was resumed."""
    epochs = run.metrics()
    return sorted(set(epochs["processes"].drop_nulls())) if "processes" in epochs.columns else []


def _seconds_so_far(run: RunDirectory) -> float:
    epochs = run.metrics()
    return float(epochs["time_s"][-1]) if "time_s" in epochs.columns and len(epochs) else 0.0


def _build_trainer(fold: Fold, log: EpochLog) -> Trainer:
    settings = dict(fold.trainer)
    callbacks: list[Callback] = list(settings.pop("callbacks", None) or [])
    if fold.patience is not None:
        if not fold.selects:
            raise FauError("--patience needs a validation part; leave it out where data.validation is 'none'")
        # Not strict: an epoch without a validation score, for want of a positive in it, neither stops nor counts.
        callbacks.append(EarlyStopping(fold.module.monitor, mode="max", patience=fold.patience, strict=False))
    callbacks.append(StayStopped())
    # The log comes before the checkpoints: a run killed between them does the epoch again and replaces its row.
    callbacks += [log, *checkpoints(fold.run, fold.selects, fold.module.monitor)]
    resumed = (fold.run.checkpoints / "last.ckpt").exists()
    logger = tracking.make_logger(fold.run.path, fold.record, fold.wandb, resumed)
    tracking_agents.begun(fold.run.path, resumed)
    plugins = settings.get("plugins") or []
    settings |= {
        "plugins": [*(plugins if isinstance(plugins, list) else [plugins]), WholeCheckpoints()],
        "logger": [logger] if logger is not None else False,
        "callbacks": callbacks,
        "default_root_dir": fold.run.path,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": True,
        "num_sanity_val_steps": 0,
        "log_every_n_steps": settings.get("log_every_n_steps") or 50,
        "use_distributed_sampler": False,  # ours pad and shard exactly
    }
    try:
        trainer = Trainer(**settings)
    except (MisconfigurationException, ValueError) as error:
        raise FauError(f"Lightning refuses the trainer's settings: {' '.join(str(error).split())}") from error
    if isinstance(trainer.strategy.launcher, _MultiProcessingLauncher):
        raise FauError(
            f"trainer.strategy '{settings['strategy']}' leaves its results in processes that end with it; use ddp"
        )
    if settings.get("sync_batchnorm") and trainer.world_size > 1 and trainer.strategy.root_device.type != "cuda":
        raise FauError("trainer.sync_batchnorm needs GPUs, one a process; leave it out on the CPU")
    if isinstance(trainer.strategy.launcher, _SubprocessScriptLauncher):
        trainer.strategy._launcher = WatchedLauncher(
            trainer.strategy.launcher, lost=lambda: record_trial(fold.run, "interrupted")
        )
    return trainer


@contextmanager
def _lightning_exits(trainer: Trainer) -> Iterator[None]:
    """Leave Lightning's stages as this program does: 143 after SIGTERM, KeyboardInterrupt, or one sentence."""
    try:
        yield
    except SIGTERMException:
        sys.exit(143)  # Lightning would leave with 0, as if the run had ended well
    except SystemExit as error:
        if trainer.state.status == TrainerStatus.INTERRUPTED and error.code == 1:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from None
        raise
    except MisconfigurationException as error:
        raise FauError(f"Lightning cannot go on with these settings: {' '.join(str(error).split())}") from error
    except ValueError as error:
        if "`val_check_interval`" not in str(error):  # known only once there are batches
            raise
        raise FauError(f"Lightning cannot go on with these settings: {' '.join(str(error).split())}") from error
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise FauError("memory is too small for this batch; lower data.batch_size or the network's size") from error


def _fit(trainer: Trainer, module: FaceModule, datamodule: FaceDataModule, checkpoint: Path | None) -> None:
    try:
        with _lightning_exits(trainer):
            trainer.fit(module, datamodule=datamodule, ckpt_path=checkpoint, weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        if checkpoint is not None and trainer.global_step == 0:
            raise _unreadable(checkpoint, error) from error
        raise


def _load_weights(module: FaceModule, run: RunDirectory, checkpoint: Path) -> int:
    """Load the chosen weights and return the epoch that they are from, counted from 0."""
    if not checkpoint.exists():
        epochs = run.metrics()
        if module.monitor in epochs.columns and epochs[module.monitor].is_not_null().any():  # so there was one
            raise FauError(f"checkpoint '{checkpoint}' is gone; train the run from the start with --rerun")
        raise FauError(
            f"training ended without '{checkpoint}'; it takes one whole epoch, and one with a validation score where "
            "that chooses: see trainer.max_epochs, limit_train_batches, limit_val_batches, check_val_every_n_epoch "
            "and fast_dev_run"
        )
    try:
        check_bytes(checkpoint)
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        if not isinstance(content, dict):
            raise pickle.UnpicklingError("not a checkpoint of a training")
        module.on_load_checkpoint(content)
        module.load_state_dict(content["state_dict"])
        return int(content["epoch"])
    except (OSError, pickle.UnpicklingError, EOFError, RuntimeError, KeyError) as error:
        raise _unreadable(checkpoint, error) from error


def _unreadable(checkpoint: Path, error: BaseException) -> FauError:
    first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
    return FauError(
        f"checkpoint '{checkpoint}' cannot be loaded ({first_line}); train the run from the start with --rerun"
    )


def _evaluate(trainer: Trainer, stage: Any, module: FaceModule, datamodule: FaceDataModule) -> dict[str, float]:
    with _lightning_exits(trainer):
        stage(module, datamodule=datamodule, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def _score(trainer: Trainer, module: FaceModule, part: str, loader: EpochLoader) -> dict[str, float]:
    """Score a part that is neither the validation part nor the test fold."""
    module.test_part = part
    try:
        with _lightning_exits(trainer):
            trainer.test(module, dataloaders=loader, verbose=False)
    finally:
        module.test_part = "test"
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def _drop_averaging(trainer: Trainer) -> None:
    """Keep a moving average of weights from taking the place of the loaded ones, which are the average already."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    callbacks[:] = [callback for callback in callbacks if not isinstance(callback, WeightAveraging)]


def _write_predictions(fold: Fold) -> None:
    named = fold.module.task_labels.items()
    arrays: dict[str, Any] = {f"labels/{task}": np.array(labels, dtype=np.str_) for task, labels in named}
    for stage, kept in fold.module.evaluated.items():
        arrays |= {f"{stage}/{name}": value for name, value in kept.items()}
        if stage in ("test", "holdout"):  # so that what the counts do not hold can be pooled by group as well
            arrays[f"{stage}/group"] = fold.datamodule.groups[kept["index"]].astype(np.str_)
    fold.run.write_arrays("predictions.npz", arrays)
    fold.run.write_arrays("counts.npz", fold.module.counts(fold.module.evaluated["test"], arrays["test/group"]))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def clear(run: RunDirectory) -> None:
    """Remove what an earlier training of the run left, for ``--rerun``.

    Raises:
        FauError: If a process is at work on it.
    """
    with run.locked():
        for entry in run.path.iterdir():
            if entry.name in heartbeat.FILES:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
