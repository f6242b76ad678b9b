"""Weights that come out of a run: of which labels they are, and whom they learned from."""

from __future__ import annotations

from pathlib import Path

from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.nets.weight_files import path_of
from fau.runs import RunDirectory


def source_run(path: Path) -> RunDirectory | None:
    """Return the run that a folder is, or that a checkpoint lies in; None for another file."""
    folder = path if path.is_dir() else path.resolve().parent.parent
    return RunDirectory(folder) if (folder / "run.json").is_file() else None


def check_weights(setting: str, data: FaceDataModule) -> None:
    """Check that all weights of a network may come from where a setting says, as far as that is a run of ours.

    Args:
        setting: A run's folder, or a file of weights.
        data: The data of the fold, set up.

    Raises:
        FauError: If the run had other labels, whose outputs would be taken for these, or learned from groups that are
            tested here.
    """
    run = source_run(path_of(setting))
    if run is None:
        return
    record = run.read()
    if record.get("labels") != data.labels:
        raise FauError(
            f"the weights '{setting}' are of a run with label set {record['label_set']}, and data.label_set is "
            f"{data.label_set}; name a run of the same labels"
        )
    check_groups(run, data, "model.net.weights")


def check_groups(run: RunDirectory, data: FaceDataModule, setting: str) -> None:
    """Check that a run learned from nobody whom this fold tests.

    Raises:
        FauError: If it did.
    """
    if run.read()["crop_set"]["id"] != data.cropset.id:
        return
    groups = run.groups()
    shared = {*groups["train"], *groups["val"]}.intersection(data.split.groups["test"])
    if shared:
        raise FauError(
            f"the run '{run.path}' learned from {len(shared)} groups that fold {data.fold} tests; name its run of the "
            f"same fold in {setting}"
        )
