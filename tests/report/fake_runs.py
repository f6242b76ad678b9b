"""Run directories as training leaves them, drawn from a simple model of subjects and classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from fau.runs import RunDirectory

LABELS = ("AU1", "AU2", "AU4", "AU6", "AU7", "AU10", "AU12", "AU14", "AU15", "AU17", "AU23", "AU24")
RATES = np.array([21.1, 17.1, 20.3, 46.1, 54.9, 59.4, 56.2, 46.6, 16.9, 34.3, 16.5, 15.1]) / 100


def finished_record(
    run: RunDirectory, name: str, fold: int, folds: int, seed: int, labels: tuple[str, ...]
) -> dict[str, Any]:
    """Return ``run.json`` of a finished run of action units, without its metrics."""
    return {
        "run_id": run.path.name,
        "experiment": run.path.parent.name,
        "name": name,
        "fold": fold,
        "folds": folds,
        "seed": seed,
        "status": "done",
        "deciding": {"model": {"name": name}, "data": {"fold": fold}, "seed": seed},
        "config": {"model": {"name": name}},
        "crop_set": {"id": "5a11c0de", "name": "synthetic", "corpus": "synthetic", "path": "crops", "size": 64},
        "label_set": "bp4d12",
        "labels": list(labels),
        "threshold": 0.5,
        "protocol": "kfold",
        "validation": "groups",
        "selection": "val",
        "code_version": "0.1.0+abc",
        "libraries": {"torch": "2.15.0"},
        "hardware": {"cpu": "Test CPU", "cores": 2, "gpus": []},
        "threads": 1,
        "precision": "32-true",
        "devices": 1,
        "started": f"2026-11-21T10:00:{fold:02d}+00:00",
        "finished": f"2026-11-21T11:00:{fold:02d}+00:00",
        "wall_s": 61.5,
        "images_per_s": 812.0 + fold,
        "parameters": 1164173,
        "epochs": 3,
        "best_epoch": 1,
        "kept": {},
        "weights": None,
        "published": [],
        "warnings": [],
        "metrics": {},
        "error": None,
    }


def write_run(
    root: Path,
    name: str = "full",
    fold: int = 1,
    *,
    experiment: str = "gla",
    folds: int = 3,
    seed: int = 0,
    skill: float = 1.0,
    subjects: int = 12,
    frames: int = 40,
    labels: tuple[str, ...] = LABELS,
    epochs: int = 8,
    order: int = 0,
    predictions: bool = True,
    absent: tuple[str, ...] = (),
    landmarks: float | None = None,
    **record: Any,
) -> RunDirectory:
    """Write one run; the truth depends on the subject alone, the scores on name, seed and skill as well.

    ``order`` sets the time of the start, ``landmarks`` a mean landmark error of runs that have one; further keywords
    replace keys of ``run.json``.
    """
    run = RunDirectory(root / experiment / f"{name}-s{seed}-f{fold}".replace("/", "_"))
    mine = [index for index in range(subjects) if index % folds == fold - 1]
    noise = np.random.default_rng([seed, fold, sum(name.encode())])
    parts = [_subject(index, frames, labels, absent, skill, noise) for index in mine]
    score, label = (np.concatenate(column) for column in zip(*parts, strict=True))
    mask = np.random.default_rng(fold).random(label.shape) < 0.98
    group = np.repeat([f"S{index + 1:03d}" for index in mine], frames)
    called, truth = score >= 0.5, label == 1
    cells = {"tp": called & truth, "fp": called & ~truth, "fn": ~called & truth, "tn": ~called & ~truth}
    names = np.array([f"S{index + 1:03d}" for index in mine])
    counts = {
        key: np.stack([(cell & mask)[group == one].sum(0) for one in names]).astype(np.int64)
        for key, cell in cells.items()
    }
    run.path.mkdir(parents=True)
    content = finished_record(run, name, fold, folds, seed, labels) | {
        "started": f"2026-11-21T10:{order:02d}:{fold:02d}+00:00",
        "finished": f"2026-11-21T11:{order:02d}:{fold:02d}+00:00",
        "epochs": epochs,
        "best_epoch": epochs - 2,
    }
    run.write(content | record)
    if (content | record)["status"] != "done":
        return run
    run.write_arrays("counts.npz", counts | {"groups": names, "labels": np.array(labels), "threshold": np.array(0.5)})
    if predictions:
        kept = {
            "test/au/score": score.astype(np.float32),
            "test/au/label": label.astype(np.int8),
            "test/au/mask": mask,
            "test/index": np.arange(len(label)),
            "test/group": group,
            "labels/au": np.array(labels),
        }
        if landmarks is not None:
            kept["test/au/landmark_error"] = _errors(group, landmarks, noise)
        run.write_arrays("predictions.npz", kept)
    points = landmarks is not None
    rows = ["epoch,train/loss,val/loss,val/f1_macro,lr" + ",val/landmark_error,val/landmark_failures" * points]
    for epoch in range(epochs):
        rise = 1 - np.exp(-(epoch + 1) / 3)
        loss = 0.65 - 0.3 * rise + 0.01 * noise.standard_normal()
        reached = (0.35 + 0.25 * skill) * rise + 0.01 * noise.standard_normal()
        rows.append(f"{epoch},{loss},{loss + 0.05},{reached},0.001" + f",{0.2 / (epoch + 2)},0.05" * points)
    (run.path / "metrics.csv").write_text("\n".join(rows) + "\n")
    return run


def _errors(group: np.ndarray, mean: float, noise: np.random.Generator) -> np.ndarray:
    """Landmark errors that differ from subject to subject; one face in fifty has no landmarks."""
    names, index = np.unique(group, return_inverse=True)
    of_subject = np.array([np.random.default_rng(int(name[1:])).normal(0, 0.2) for name in names])
    errors = mean * np.exp(of_subject[index] + 0.3 * noise.standard_normal(len(group)))
    errors[noise.random(len(group)) < 0.02] = np.nan
    return errors.astype(np.float32)


def write_ablation(root: Path, folds: int = 3, subjects: int = 12, **options: Any) -> None:
    """Write a reference and four other rows of different skill."""
    skills = {"full": 1.4, "no_attention": 1.2, "no_reweighting": 1.1, "resnet50": 1.5, "undersampled": 0.7}
    for order, (name, skill) in enumerate(skills.items()):
        for fold in range(1, folds + 1):
            write_run(root, name, fold, folds=folds, subjects=subjects, skill=skill, order=order, **options)


def _subject(
    index: int, frames: int, labels: tuple[str, ...], absent: tuple[str, ...], skill: float, noise: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    own = np.random.default_rng(1000 + index)
    rate = expit(np.log(RATES / (1 - RATES)) + 0.8 * own.standard_normal(len(RATES)))
    ease = skill * np.exp(0.25 * own.standard_normal(len(RATES)))
    label = own.random((frames, len(RATES))) < rate
    shared = own.standard_normal(label.shape)
    evidence = ease * (2 * label - 1) + 0.8 * shared + 0.6 * noise.standard_normal(label.shape) - 0.3
    columns = [LABELS.index(one) for one in labels]
    label[:, [LABELS.index(one) for one in absent]] = False
    return expit(1.5 * evidence)[:, columns], label[:, columns].astype(np.int8)
