"""What a training writes of itself: the run record as it begins and ends, and the predictions."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from fau.atomic import write_atomically
from fau.hardware import describe_hardware
from fau.identity import weight_files
from fau.modules.callbacks import EpochLog
from fau.runs import RunDirectory, record_trial
from fau.training.fold import Fold
from fau.versions import code_version, library_versions

RECORD, CONFIG = "run.json", "config.yaml"


def start_record(fold: Fold) -> None:
    """Write the record with status ``running``, and the configuration.

    The time that earlier attempts took to the last epoch's end is kept.
    """
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
    write_atomically(fold.run.path / CONFIG, fold.settings.encode())
    fold.run.write(fold.record)
    record_trial(fold.run, "running")


def finish_record(fold: Fold, log: EpochLog, metrics: dict[str, float], best_epoch: int, processes: int) -> None:
    """Write the record with status ``done``.

    Args:
        fold: What was trained.
        log: The log of its epochs.
        metrics: Of the chosen checkpoint.
        best_epoch: That it is from, counted from 0.
        processes: Number of processes that scored it.
    """
    fold.record |= {
        "status": "done",
        "finished": _now(),
        "wall_s": time.monotonic() - log.began,
        "images_per_s": log.images_per_s or fold.record.get("images_per_s"),
        "processes": processes,
        "processes_trained": _processes(fold.run),
        "epochs": len(fold.run.metrics()),
        "best_epoch": best_epoch,
        "metrics": metrics,
        "error": None,
    }
    fold.run.write(fold.record)
    record_trial(fold.run, "done")


def _processes(run: RunDirectory) -> list[int]:
    """Return the numbers of processes that trained the epochs of a run, each once: more than one if it was resumed."""
    epochs = run.metrics()
    return sorted(set(epochs["processes"].drop_nulls())) if "processes" in epochs.columns else []


def _seconds_so_far(run: RunDirectory) -> float:
    epochs = run.metrics()
    return float(epochs["time_s"][-1]) if "time_s" in epochs.columns and len(epochs) else 0.0


def write_predictions(fold: Fold) -> None:
    """Write scores, labels and masks by sample, and hits and misses by group."""
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
