"""One fold: train or resume, test the chosen checkpoint, write the run directory."""

from __future__ import annotations

import time
import warnings
from typing import Any

from fau.errors import FauError
from fau.modules.callbacks import PREVIOUS, EpochLog, mend_last
from fau.modules.processes import is_main_process
from fau.runs import record_trial
from fau.tracking.results import log_test
from fau.tracking.run import finish_run
from fau.training.fold import Fold
from fau.training.record import finish_record, start_record, write_predictions
from fau.training.refused import Before
from fau.training.stages import drop_averaging, evaluate, fit, load_weights, score
from fau.training.trainer import build_trainer

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


def train_fold(fold: Fold, fresh: bool = False) -> dict[str, Any]:
    """Train a fold, or take it up where it was interrupted, and test it.

    Args:
        fold: What was asked for.
        fresh: Train from the start whatever there is, for ``--rerun``.

    Returns:
        The finished record, as written to ``run.json``.

    Raises:
        FauError: If another process trains the run, or its checkpoints cannot be read or are another run's.
        SystemExit: With 130 after Ctrl-C and 143 after SIGTERM; the next call goes on from the last epoch's end.
    """
    if not is_main_process():  # a process that Lightning's DDP launcher started: rank 0 keeps the directory
        return _train(fold)
    record_trial(fold.run, "waiting")  # before the lock: a sweep then knows which run a refused trial has to wait for
    before: Before | None = None
    try:
        with fold.run.locked():
            if not fresh and fold.run.status == "done":  # by another process, while this one waited for the lock
                record_trial(fold.run, "done")
                return fold.run.read()
            before = Before(fold.run, fresh)
            return _told(fold, before)
    except FauError:
        if before is not None:
            before.remove_if_new()
        raise


def _told(fold: Fold, before: Before) -> dict[str, Any]:
    """Train a fold; its record, the sweep and W&B are told how that ends."""
    try:
        return _train(fold)
    except (SystemExit, KeyboardInterrupt, OSError):  # a full or vanished disk loses nothing: the run can go on
        record_trial(fold.run, "interrupted")
        finish_run(exit_code=1)
        raise
    except Exception as error:
        finish_run(exit_code=1)
        if not (isinstance(error, FauError) and before.put_back()):
            fold.run.write(fold.record | {"status": "failed", "error": f"{type(error).__name__}: {error}"})
        record_trial(fold.run, "failed")
        raise
    finally:
        before.forget()


def _train(fold: Fold) -> dict[str, Any]:
    started = time.monotonic()
    if is_main_process():
        mend_last(fold.run.checkpoints)
        start_record(fold)
    module, datamodule, run = fold.module, fold.datamodule, fold.run
    module.run_id, module.training_seed = fold.record["run_id"], fold.record["seed"]
    module.use_training_data(datamodule)
    about = module.record()
    fold.record["warnings"] = [*fold.record["warnings"], *about.pop("warnings", [])]
    fold.record |= about
    log = EpochLog(run, began=started - fold.record.get("wall_s", 0.0))
    last = run.checkpoints / "last.ckpt"
    with warnings.catch_warnings():
        for message in EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        trainer = build_trainer(fold, log)
        fit(trainer, module, datamodule, last if last.exists() else None)
        best_epoch = load_weights(module, run, run.checkpoints / ("best.ckpt" if fold.selects else "last.ckpt"))
        drop_averaging(trainer)
        metrics: dict[str, float] = {}
        if fold.selects:
            datamodule.validated_epoch = best_epoch
            metrics |= evaluate(trainer, trainer.validate, module, datamodule)
        metrics |= evaluate(trainer, trainer.test, module, datamodule)
        if len(datamodule.split.holdout):
            metrics |= score(trainer, module, "holdout", datamodule.holdout_dataloader())
        if fold.score_training:
            metrics |= score(trainer, module, "training", datamodule.training_part_dataloader())
    if is_main_process():
        write_predictions(fold)
        finish_record(fold, log, metrics, best_epoch, trainer.world_size)
        (run.checkpoints / PREVIOUS).unlink(missing_ok=True)  # a finished run goes on no more
        log_test(module, datamodule, run.path, fold.record, fold.wandb)
        kept = ("best_epoch", "images_per_s", "parameters")
        finish_run(summary=metrics | {key: fold.record[key] for key in kept})
    return fold.record
