"""Time the statistics of a full report: 41 subjects, 12 action units, 10 configurations, 2,000 random swaps each.

    python benchmarks/report_speed.py

Prints seconds for the resampling that the report does (paired swap tests of 10 configurations against the reference,
for macro F1 and every action unit), for the intervals, and for both at the report's own 9,999 swaps.
"""

from __future__ import annotations

import argparse
import platform
import time
from importlib.metadata import version

import numpy as np

from fau.stats import difference_intervals, f1_intervals, holm, swap_test


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of the report's statistics")
    parser.add_argument("--subjects", type=int, default=41)
    parser.add_argument("--labels", type=int, default=12)
    parser.add_argument("--configurations", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    size = (arguments.configurations + 1, arguments.subjects, arguments.labels, 3)
    counts = rng.poisson(rng.gamma(2.0, 20.0, size)).astype(np.float64)
    reference, systems = counts[0], counts[1:]

    def intervals() -> None:
        for system in counts:
            f1_intervals(system)
        for system in systems:
            difference_intervals(system, reference)

    def tests(resamples: int) -> None:
        results = [swap_test(system, reference, resamples) for system in systems]
        holm([result.macro for result in results])
        holm(np.array([result.labels for result in results]))

    print(
        f"{arguments.subjects} subjects x {arguments.labels} AUs x {arguments.configurations} configurations, "
        f"best of {arguments.repeats}; Python {platform.python_version()}, NumPy {version('numpy')}"
    )
    for name, call in {
        "intervals (no resampling)": intervals,
        "swap tests, 2,000 swaps": lambda: tests(2000),
        "swap tests, 9,999 swaps": lambda: tests(9999),
    }.items():
        seconds = []
        for _ in range(arguments.repeats):
            started = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - started)
        print(f"{name}: {min(seconds):.3f} s")


if __name__ == "__main__":
    main()
