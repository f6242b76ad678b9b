"""How often the 95 % intervals of CCC and RMSE hold the truth, and the swap test errs, in simulated studies.

    python benchmarks/coverage_affect.py [STUDIES]

A study has subjects of 30 frames on average. A subject's labels lie about a mean of its own; a system sees them with an
error that has a part of the subject (its bias), a gain of the subject and a part of the frame. The truth is CCC over
2,000 subjects of the same kind.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from fau.metrics import moment_scores
from fau.stats.ccc import ccc_difference, ccc_intervals, ccc_swap_test, rmse_intervals

Array = NDArray[np.float64]
SHAPES = {  # spread of subjects' means, of their biases, of frames' errors, of subjects' sizes
    "even": (0.2, 0.1, 0.25, 0.0),
    "biased": (0.2, 0.3, 0.2, 0.0),
    "uneven": (0.2, 0.15, 0.25, 1.0),
    "weak": (0.1, 0.15, 0.6, 0.3),
    "strong": (0.3, 0.02, 0.05, 0.3),
}


def study(rng: np.random.Generator, subjects: int, shape: str) -> tuple[Array, Array]:
    """Return moments (1, subjects, 2, 7) of two systems that are equally good."""
    means, biases, errors, sizes = SHAPES[shape]
    systems = np.zeros((2, 1, subjects, 2, 7))
    for subject in range(subjects):
        frames = max(3, int(30 * np.exp(rng.normal(0, sizes))))
        y = np.tanh(rng.normal(0, means, 2) + rng.normal(0, 0.35, (frames, 2)))
        shared, gain = rng.normal(0, biases / 2, 2), np.exp(rng.normal(0, 0.2, 2))
        for system in range(2):
            own = shared + rng.normal(0, biases, 2)
            x = np.clip(0.8 * gain * y + own + rng.normal(0, errors, y.shape), -1, 1)
            agree = np.sign(x) == np.sign(y)
            systems[system, 0, subject] = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, agree], -1).sum(0)
    return systems[0], systems[1]


def main(studies: int) -> None:
    """Print one line a shape and number of subjects."""
    print("shape    n   CCC mean  CCC column  RMSE mean  difference  swap p <= .05")
    for shape in SHAPES:
        rng = np.random.default_rng(0)
        population = np.concatenate(study(rng, 2000, shape), 1).sum(1)
        truth = {name: value[0] for name, value in moment_scores(population).items()}
        for subjects in (9, 14, 27, 41):
            held = np.zeros(5)
            for _ in range(studies):
                one, other = study(rng, subjects, shape)
                ccc, rmse = ccc_intervals(one), rmse_intervals(one)
                difference = ccc_difference(one, other).macro
                held += [
                    ccc.macro.low <= truth["ccc"].mean() <= ccc.macro.high,
                    ccc.labels[0].low <= truth["ccc"][0] <= ccc.labels[0].high,
                    rmse.macro.low <= truth["rmse"].mean() <= rmse.macro.high,
                    difference.low <= 0 <= difference.high,
                    ccc_swap_test(one, other, resamples=199).macro <= 0.05,
                ]
            print(
                f"{shape:8s} {subjects:2d} " + "  ".join(f"{100 * share:8.1f}" for share in held / studies), flush=True
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
