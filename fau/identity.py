"""What decides a run's result, and so its id and its directory; all other settings are recorded and not hashed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fau.data.datamodule import FaceDataModule
from fau.modules.sources import fold_sources
from fau.nets.weight_files import path_of, sha256
from fau.runs import RunDirectory, run_id

# Settings of the trainer that do; others, such as devices, workers and logger, do not.
TRAINER_KEYS = (
    *("max_epochs", "min_epochs", "max_steps", "min_steps", "precision"),
    *("limit_train_batches", "limit_val_batches", "limit_test_batches", "overfit_batches", "fast_dev_run"),
    *("accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm", "sync_batchnorm"),
    *("max_time", "val_check_interval", "check_val_every_n_epoch", "callbacks"),
)

# Settings that came after runs which are kept, with the value at which all is as it was: it leaves their ids alone.
YOUNGER: dict[str, Any] = {"focal_gamma": 0.0, "logit_adjustment": 0.0, "resize": None, "start_from": None}

# Settings that name files of weights, at any depth of the model's configuration.
WEIGHT_KEYS = ("pretrained", "weights", "stage1", "start_from")


def find_place(config: Mapping[str, Any], data: FaceDataModule, precision: str) -> tuple[dict[str, Any], RunDirectory]:
    """Return what decides the result of a run, and its directory, which is named after the hash of that.

    Args:
        config: The resolved configuration.
        data: The data of the fold, set up.
        precision: The precision as chosen for this hardware.

    Raises:
        FauError: If a run that training would start from is not there.
    """
    sources = fold_sources(config["model"].get("init_args", {}), data)
    deciding = deciding_settings(config, data.describe(), precision, config["patience"], sources)
    return deciding, RunDirectory(Path(config["runs"]) / config["experiment"] / run_id(deciding))


def deciding_settings(
    config: Mapping[str, Any],
    data: Mapping[str, Any],
    precision: str,
    patience: int | None,
    sources: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Pick from a resolved configuration what decides the result, for the run id.

    Layout and compilation change speed and not the function, so they stay out, like devices and workers.

    Args:
        config: The resolved configuration with ``model``, ``trainer`` and ``seed``.
        data: What the data module says decides its batches.
        precision: The precision as chosen for this hardware.
        patience: Early stopping.
        sources: Ids of the runs that settings find among others, by setting (``fold_sources``). They stand under
            ``fold``: another fold has others, and is yet of the same row.
    """
    model = {key: value for key, value in config["model"].items() if key != "init_args"}  # dict_kwargs, for one
    model |= config["model"].get("init_args", {})
    model = _by_content(model) | {key: {"fold": identity} for key, identity in (sources or {}).items()}
    for key in ("channels_last", "compile"):
        model.pop(key, None)
    model = {key: value for key, value in model.items() if key not in YOUNGER or value != YOUNGER[key]}
    trainer = {key: config["trainer"].get(key) for key in TRAINER_KEYS} | {"precision": precision}
    return {"model": model, "data": dict(data), "trainer": trainer, "seed": config["seed"], "patience": patience}


def _by_content(settings: Any) -> Any:
    """Put in place of a weight file's path the hash of its content, of a run's folder its id: they move and change."""
    if not isinstance(settings, dict):
        return settings
    replaced = {key: _by_content(value) for key, value in settings.items()}
    for key in WEIGHT_KEYS:
        setting = replaced.get(key)
        if isinstance(setting, str) and path_of(setting).is_file():
            replaced[key] = f"sha256:{sha256(path_of(setting))}"
        elif isinstance(setting, str) and (Path(setting) / "run.json").is_file():
            replaced[key] = RunDirectory(Path(setting)).read().get("run_id", setting)
        elif isinstance(setting, str) and (files := _files_of(setting)):
            replaced[key] = {file.name: f"sha256:{sha256(file)}" for file in files}
    return replaced


def weight_files(settings: Any) -> dict[str, str]:
    """Return the checksums, SHA-256, of the weight files that a configuration names, by path."""
    found: dict[str, str] = {}
    for key, value in settings.items() if isinstance(settings, dict) else ():
        found |= weight_files(value)
        if key in WEIGHT_KEYS and isinstance(value, str):
            files = [path_of(value)] if path_of(value).is_file() else _files_of(value)
            found |= {str(file): sha256(file) for file in files}
    return found


def _files_of(folder: str) -> list[Path]:
    """Return the files of a folder of weights, as JAA-Net's authors save theirs."""
    return sorted(Path(folder).glob("*.pth"))
