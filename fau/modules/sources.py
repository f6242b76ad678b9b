"""Weights that come out of a run: which run, of which labels it is, and whom it learned from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl

from fau.crops.store import CropSet
from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.nets.megraphau import MEGraphAUStage1
from fau.nets.weight_files import path_of
from fau.runs import RunDirectory, ledger

RUNS = Path("runs")  # where fau-train writes unless told otherwise: ids are looked for there
Setting = Literal["start_from", "stage1"]  # of the model: names a run, or a folder of runs
_KIND: dict[Setting, str] = {"start_from": "run", "stage1": "run of stage 1"}
_ID = re.compile(r"[0-9a-f]{12}")
# Readers of anybody's files, and drawn faces: groups of the same name are the same people only where crop sets have the
# same name too.
_ANYBODY = ("imagefolder", "synthetic", "table")
# Readers that give the same people the same names.
_SAME_NAMES = ({"bp4d", "disfa", "disfaplus", "jaanet", "megraphau"}, {"fer2013", "ferplus"})


def source_run(path: Path) -> RunDirectory | None:
    """Return the run that a folder is, or that a checkpoint lies in; None for another file."""
    folder = path if path.is_dir() else path.resolve().parent.parent
    return RunDirectory(folder) if (folder / "run.json").is_file() else None


def find_run(key: Setting, setting: str, data: FaceDataModule) -> RunDirectory:
    """Return the run that a setting names: by its folder, its id below ``runs``, or a folder of runs.

    Of a folder of runs, that of the same crop set, protocol, fold and seed is taken; of stage 1, of the same labels.

    Raises:
        FauError: If there is none, or more than one.
    """
    folder = Path(setting)
    if not folder.exists() and _ID.fullmatch(setting):
        found = [run for run in ledger(RUNS) if run.path.name == setting] if RUNS.is_dir() else []
        if not found:
            raise FauError(f"there is no run {setting} below '{RUNS}'; name its folder in model.{key}")
        return found[0]
    if not folder.is_dir():
        also = ", or a checkpoint" if key == "stage1" else ""
        raise FauError(f"model.{key} '{setting}' is no folder; name a run's folder or id, or a folder of runs{also}")
    if (folder / "run.json").exists():
        return RunDirectory(folder)
    fitting = _fitting(key, folder, data)
    if len(fitting) == 1:
        return fitting[0]
    kind, asked = _KIND[key], ", ".join(f"{name} {value}" for name, value in _wanted(key, data).items())
    if not fitting:
        raise FauError(f"'{setting}' holds no finished {kind} with {asked}; train it first, or name one run's folder")
    names = ", ".join(run.path.name for run in fitting)
    kinds = kind.replace("run", "runs")
    raise FauError(f"'{setting}' holds {len(fitting)} {kinds} with {asked}: {names}; name the folder of one")


def fold_sources(model: Mapping[str, Any], data: FaceDataModule) -> dict[str, str]:
    """Return the ids of the runs that settings find among others for a fold, by setting, for the run's own id.

    Args:
        model: Settings of the model.
        data: The data of the fold, set up.

    Raises:
        FauError: If there is no such run, or more than one.
    """
    found = {}
    for key in get_args(Setting):
        setting = model.get(key)
        if not isinstance(setting, str) or path_of(setting).is_file():
            continue
        if (Path(setting) / "run.json").exists() or any(Path(setting).glob("*.pth")):  # JAA-Net's authors' six
            continue
        found[key] = str(find_run(key, setting, data).read()["run_id"])
    return found


def _fitting(key: str, folder: Path, data: FaceDataModule) -> list[RunDirectory]:
    wanted = _wanted(key, data)
    done = [(run, run.read()) for run in ledger(folder) if run.status == "done"]
    return [run for run, record in done if _identity(key, record) == wanted and (key != "stage1" or _is_stage1(record))]


def check_same_data(run: RunDirectory, data: FaceDataModule) -> None:
    """Check that a run of stage 1 is of the data that stage 2 trains on.

    Raises:
        FauError: If it is not.
    """
    found = _identity("stage1", run.read())
    different = [
        f"{name} {found[name]} and not {value}"
        for name, value in _wanted("stage1", data).items()
        if found[name] != value
    ]
    if different:
        raise FauError(f"the stage 1 run '{run.path}' has {', '.join(different)}; name the run of the same data")


def _wanted(key: str, data: FaceDataModule) -> dict[str, Any]:
    wanted = {
        "crop set": data.cropset.id,
        "label set": data.label_set,
        "protocol": data.protocol_name,
        "number of folds": data.fold_count,
        "fold": data.fold,
        "seed": data.seed,  # which chooses the validation subjects
    }
    return {name: value for name, value in wanted.items() if key == "stage1" or name != "label set"}


def _identity(key: str, record: Mapping[str, Any]) -> dict[str, Any]:
    names = {"protocol": "protocol", "number of folds": "folds", "fold": "fold", "seed": "seed"}
    labels = {"label set": record.get("label_set")} if key == "stage1" else {}
    return {"crop set": record["crop_set"].get("id")} | labels | {name: record.get(own) for name, own in names.items()}


def _is_stage1(record: Mapping[str, Any]) -> bool:
    net = record["config"].get("model", {}).get("init_args", {}).get("net")
    return isinstance(net, dict) and str(net.get("class_path", "")).endswith(f".{MEGraphAUStage1.__name__}")


def check_weights(setting: str, data: FaceDataModule) -> list[str]:
    """Check that all weights of a network may come from where a setting says, as far as that is a run of ours.

    Args:
        setting: A run's folder, or a file of weights.
        data: The data of the fold, set up.

    Returns:
        Sentences for the warnings of the run.

    Raises:
        FauError: If the run had other labels, whose outputs would be taken for these, or learned from groups that are
            tested here.
    """
    run = source_run(path_of(setting))
    if run is None:
        return []
    record = run.read()
    if record.get("labels") != data.labels:
        raise FauError(
            f"the weights '{setting}' are of a run with label set {record['label_set']}, and data.label_set is "
            f"{data.label_set}; name a run of the same labels"
        )
    return check_groups(run, data, "model.net.weights")


def check_groups(run: RunDirectory, data: FaceDataModule, setting: str) -> list[str]:
    """Check that a run, and those that it started from in turn, learned from nobody whom this fold tests.

    Args:
        run: The run.
        data: The data of the fold, set up.
        setting: What names the run.

    Returns:
        Sentences for the warnings of the run: where that is not known.

    Raises:
        FauError: If one of them did.
    """
    parts = data.split.groups
    tested = {*parts.get("test", ()), *parts.get("holdout", ())}
    # A group that its owner divides is in several parts of `official`: this fold learns from it as well.
    tested -= {*parts.get("train", ()), *(() if data.validation == "test" else parts.get("val", ()))}
    pictures = _pictures(tested, data.cropset)
    notes: list[str] = []
    seen = set[Path]()
    source: RunDirectory | None = run
    while source is not None and source.path not in seen:
        seen.add(source.path)
        record = source.read()
        if _same_people(record["crop_set"], data):
            groups = source.groups()
            learned = {*groups.get("train", ()), *groups.get("val", ())}
            if pictures and record["crop_set"].get("id") != data.cropset.id:
                there = _crop_set(record["crop_set"])
                if there is None:
                    notes.append(
                        f"what the run '{source.path}' learned from is known by one picture of each group alone: its "
                        "crop set is gone"
                    )
                else:
                    learned |= _pictures(learned, there)
            shared = learned & (tested | pictures)
            if shared:
                names = pl.col("group").is_in(shared) | pl.col("id").is_in(shared)
                count = data.cropset.manifest.filter(names)["group"].n_unique()
                raise FauError(
                    f"the run '{source.path}' learned from {count} groups that fold {data.fold} tests; name its run of "
                    f"the same fold in {setting}"
                )
        started = _weights_of(record) | record.get("started_from", {})
        before = next((started[key] for key in ("run", "stage1", "weights") if key in started), None)
        source = None if before is None else source_run(path_of(before))
        if before is not None and source is None and ("run" in started or not path_of(before).exists()):
            return [*notes, f"whom the run '{before}', where this one began, learned from is not known: it is gone"]
    return notes


def _pictures(groups: set[str], cropset: CropSet) -> set[str]:
    """Return the ids of the crops of nobody known in some groups.

    Such a group is named after one of its crops, and which are copies is a setting: another crop set of the corpus may
    have them in groups of other names.
    """
    nobody = pl.col("subject").is_null() & pl.col("group").is_in(groups)
    return set(cropset.manifest.filter(nobody)["id"])


def _crop_set(about: Mapping[str, Any]) -> CropSet | None:
    """Return the crop set of a run's record; None where it is gone."""
    try:
        found = CropSet.open(str(about.get("path", "")))
    except FauError:
        return None
    return found if found.id == about.get("id") else None


def _weights_of(record: Mapping[str, Any]) -> dict[str, str]:
    net = record["config"].get("model", {}).get("init_args", {}).get("net")
    weights = (net.get("init_args") or {}).get("weights") if isinstance(net, dict) else None
    return {"weights": weights} if isinstance(weights, str) else {}


def _same_people(crop_set: Mapping[str, Any], data: FaceDataModule) -> bool:
    """Whether groups of the same name are the same people in a run's crop set and in this one."""
    info = data.cropset.info
    if crop_set.get("id") == data.cropset.id:
        return True
    if any({crop_set.get("corpus"), info.corpus} <= readers for readers in _SAME_NAMES):
        return True
    return crop_set.get("corpus") == info.corpus and (info.corpus not in _ANYBODY or crop_set["name"] == info.name)
