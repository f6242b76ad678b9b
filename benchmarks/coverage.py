"""Simulate how often the intervals of fau.stats hold the truth, and how often the swap test cries wolf.

    python benchmarks/coverage.py  # 10 minutes on one core, writes benchmarks/results/coverage.{csv,md}
    python benchmarks/coverage.py --simulations 400 --out /tmp/coverage

A simulated study draws subjects, each with rates of its own for every action unit, a number of frames, and a hit rate
and false alarm rate of its own for each of two systems; counts are binomial. The truth is the pooled F1 of infinitely
many such subjects. Shapes differ in rates, in the spread between subjects and in the quality of the classifier.
"""

from __future__ import annotations

import argparse
import csv
import platform
import time
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from fau.stats import difference_intervals, f1_intervals, f1_scores, macro_mean, swap_test

Array = NDArray[np.float64]
GROUPS = (9, 14, 27, 41)
# Occurrence rates of BP4D's 12 and DISFA's 8 action units, and a set of rare ones.
BP4D = np.array([21.1, 17.1, 20.3, 46.1, 54.9, 59.4, 56.2, 46.6, 16.9, 34.3, 16.5, 15.1]) / 100
DISFA = np.array([5.0, 4.0, 15.0, 8.0, 4.0, 13.0, 28.0, 9.0]) / 100
RARE = np.array([1.0, 1.0, 1.5, 2.0, 2.0, 3.0, 3.0, 4.0, 5.0, 5.0, 8.0, 10.0]) / 100
SPORADIC = np.append(BP4D[:11], 0.02)


@dataclass(frozen=True)
class Shape:
    """A population of subjects and two systems; spreads are standard deviations on the logit scale.

    ``shown`` is the share of subjects who show an action unit at all; ``frames_spread`` is on the log scale;
    ``hard`` is an effect on hits and false alarms that all action units of a subject share; ``tied`` lets hits rise
    with a subject's rate; ``gap`` is what the second system's hits fall short by.
    """

    rates: Array
    spread: float = 1.0
    shown: float | Array = 1.0
    frames: int = 1000
    frames_spread: float = 0.3
    hits: float = 0.75
    alarms: float = 0.20
    quality_spread: float = 0.5
    hard: float = 0.3
    tied: float = 0.0
    gap: float = 0.3


SHAPES = {
    "BP4D-like": Shape(BP4D, frames=3500),
    "synthetic (240 frames)": Shape(BP4D, frames=240, frames_spread=0.0),
    "DISFA-like": Shape(DISFA, 1.2, 0.8, 4800, 0.0, 0.6, 0.05, 0.8, 0.4),
    "rare": Shape(RARE, 1.5, 0.6, 1000, 0.3, 0.5, 0.02, 1.0, 0.5),
    "one AU in a tenth of subjects": Shape(SPORADIC, shown=np.append(np.ones(11), 0.1)),
    "homogeneous": Shape(BP4D, spread=0.3, frames_spread=0.0, hits=0.8, alarms=0.15, quality_spread=0.2, hard=0.1),
    "uneven subjects": Shape(BP4D, 1.5, 0.8, 1000, 1.0, 0.7, 0.2, 0.8, 0.6, 0.5),
    "near perfect": Shape(BP4D, hits=0.97, alarms=0.02, quality_spread=0.8, hard=0.4),
    "calls nearly everything": Shape(BP4D, hits=0.95, alarms=0.85),
}


def expected(shape: Shape, subjects: int, rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """Draw subjects: frames, rates, and hit and false alarm rates with the two systems along the first axis."""
    size = (subjects, len(shape.rates))
    # The factor keeps the mean rate near its nominal value under a normal spread of the logit.
    centre = logit(shape.rates) * np.sqrt(1 + shape.spread**2 / 2.9)
    deviation = rng.standard_normal(size)
    rate = expit(centre + shape.spread * deviation) * (rng.random(size) < shape.shown)
    frames = shape.frames * np.exp(
        shape.frames_spread * rng.standard_normal((subjects, 1)) - shape.frames_spread**2 / 2
    )
    frames = np.broadcast_to(np.maximum(np.round(frames), 20), size)
    hard = shape.hard * rng.standard_normal((subjects, 1))
    # Half of the variance of quality is common to both systems: faces that are hard for one are hard for the other.
    common, own = rng.standard_normal((2, *size)), rng.standard_normal((2, 2, *size))
    quality = shape.quality_spread * np.sqrt(0.5) * (common[:, None] + own)
    gap = np.array([0.0, shape.gap])[:, None, None]
    hits = expit(logit(shape.hits) - gap + quality[0] + hard + shape.tied * deviation)
    alarms = expit(logit(shape.alarms) + quality[1] - hard + shape.tied / 2 * deviation)
    return frames, rate, hits, alarms


def draw(shape: Shape, subjects: int, rng: np.random.Generator) -> Array:
    """Draw a study: counts ``(systems, subjects, labels, 3)``."""
    frames, rate, hits, alarms = expected(shape, subjects, rng)
    positives = rng.binomial(frames.astype(int), rate)
    tp = rng.binomial(positives, hits)
    fp = rng.binomial(frames.astype(int) - positives, alarms)
    return np.stack([tp, fp, positives - tp], -1).astype(np.float64)


def truth(shape: Shape, rng: np.random.Generator) -> Array:
    """F1 of each system and label over 400,000 subjects."""
    total = np.zeros((2, len(shape.rates), 3))
    for _ in range(40):
        frames, rate, hits, alarms = expected(shape, 10_000, rng)
        positives, negatives = frames * rate, frames * (1 - rate)
        total += np.stack([positives * hits, negatives * alarms, positives * (1 - hits)], -1).sum(1)
    return f1_scores(total)


def bootstrap(counts: Array, rng: np.random.Generator, resamples: int = 400) -> tuple[float, float]:
    """Percentile bootstrap of macro F1 over subjects, for comparison."""
    subjects = len(counts)
    weights = rng.multinomial(subjects, np.full(subjects, 1 / subjects), resamples)
    totals = np.tensordot(weights.astype(np.float64), counts, 1)
    low, high = np.nanquantile(macro_mean(f1_scores(totals)), [0.025, 0.975])
    return float(low), float(high)


def simulate(shape: Shape, groups: int, simulations: int, seed: int) -> dict[str, float]:
    """Coverage of all intervals and the size of the test in one cell of the table."""
    rng = np.random.default_rng([seed, groups])
    scores = truth(shape, np.random.default_rng(seed))
    even = replace(shape, gap=0.0)
    hits: dict[str, list[float]] = {key: [] for key in ("macro", "bootstrap", "difference", "test", "width")}
    labels, label_differences = [], []
    for index in range(simulations):
        counts = draw(shape, groups, rng)
        estimate = f1_intervals(counts[0])
        present = ~np.isnan([label.value for label in estimate.labels])
        target = scores[0][present].mean()
        hits["macro"].append(estimate.macro.low <= target <= estimate.macro.high)
        hits["width"].append(estimate.macro.high - estimate.macro.low)
        low, high = bootstrap(counts[0], rng)
        hits["bootstrap"].append(low <= target <= high)
        difference = difference_intervals(counts[0], counts[1])
        target = (scores[0] - scores[1])[present].mean()
        hits["difference"].append(difference.macro.low <= target <= difference.macro.high)
        labels.append(_held(estimate.labels, scores[0]))
        label_differences.append(_held(difference.labels, scores[0] - scores[1]))
        null = draw(even, groups, rng)
        hits["test"].append(swap_test(null[0], null[1], resamples=399, seed=index).macro <= 0.05)
    held, held_difference = np.nanmean(labels, 0), np.nanmean(label_differences, 0)
    return {
        "true_macro_f1": float(scores[0].mean()),
        "true_difference": float((scores[0] - scores[1]).mean()),
        "coverage_macro": float(np.mean(hits["macro"])),
        "coverage_macro_bootstrap": float(np.mean(hits["bootstrap"])),
        "coverage_difference": float(np.mean(hits["difference"])),
        "coverage_label_mean": float(held.mean()),
        "coverage_label_worst": float(held.min()),
        "coverage_label_difference_mean": float(held_difference.mean()),
        "coverage_label_difference_worst": float(held_difference.min()),
        "median_width": float(np.median(hits["width"])),
        "test_size_at_5_percent": float(np.mean(hits["test"])),
    }


def _held(intervals: tuple, scores: Array) -> list[float]:  # type: ignore[type-arg]
    """Whether each label's interval holds the truth; NaN where none could be estimated."""
    return [float(i.low <= s <= i.high) if i.estimable else np.nan for i, s in zip(intervals, scores, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulated coverage of fau.stats")
    parser.add_argument("--simulations", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "coverage")
    arguments = parser.parse_args()
    started = time.monotonic()
    lines: list[dict[str, object]] = []
    for name, shape in SHAPES.items():
        for groups in GROUPS:
            cell = simulate(shape, groups, arguments.simulations, arguments.seed)
            lines.append({"shape": name, "subjects": groups, **cell})
            print(f"{name}, {groups}: " + ", ".join(f"{key} {value:.3f}" for key, value in cell.items()), flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with arguments.out.with_suffix(".csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: f"{v:.4f}" if isinstance(v, float) else v for k, v in line.items()} for line in lines)
    arguments.out.with_suffix(".md").write_text(_markdown(lines, arguments, time.monotonic() - started))


def _markdown(lines: list[dict[str, object]], arguments: argparse.Namespace, seconds: float) -> str:
    error = np.sqrt(0.95 * 0.05 / arguments.simulations)
    columns = {
        "macro F1": "coverage_macro",
        "(percentile bootstrap)": "coverage_macro_bootstrap",
        "difference of macro F1": "coverage_difference",
        "F1 of an AU: mean": "coverage_label_mean",
        "worst AU": "coverage_label_worst",
        "difference of an AU: mean": "coverage_label_difference_mean",
        "worst AU ": "coverage_label_difference_worst",
        "swap test p ≤ 0.05 under no difference": "test_size_at_5_percent",
    }
    text = [
        "# Simulated coverage of the 95 % intervals, %",
        "",
        f"`python benchmarks/coverage.py --simulations {arguments.simulations} --seed {arguments.seed}`, "
        f"{date.today()}, {seconds / 60:.0f} min on one core ({_cpu()}), Python {platform.python_version()}, "
        f"NumPy {version('numpy')}, SciPy {version('scipy')}, fau {version('fau')}.",
        "",
        f"{arguments.simulations} studies a line; Monte-Carlo standard error {100 * error:.2f} points at 95 %. "
        "The truth of a study's macro F1 is the mean over the action units of which it has a positive. "
        "Action units whose positives lie in one subject are left out of the AU columns (no interval is given there). "
        "The bootstrap column is what is not used, for comparison. Shapes are defined in `benchmarks/coverage.py`.",
        "",
        "| shape | subjects | true macro F1 | " + " | ".join(columns) + " |",
        "|:--|--:|--:|" + "--:|" * len(columns),
    ]
    for line in lines:
        numbers = [f"{100 * float(str(line[key])):.1f}" for key in ("true_macro_f1", *columns.values())]
        text.append(f"| {line['shape']} | {line['subjects']} | " + " | ".join(numbers) + " |")
    return "\n".join(text) + "\n"


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
