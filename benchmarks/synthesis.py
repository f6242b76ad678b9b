"""Time drawing the synthetic corpus, and say how near its labels are to BP4D's.

    python benchmarks/synthesis.py [--workers 0 2] [--subjects 41] [--size 112]

Prints crops per second for each number of workers, in a run of its own each, then the default recipe's label rates and
phi coefficients beside BP4D's. About two minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from fau.synthetic.copula import AUS, BP4D_PHI, BP4D_RATES, COLUMN, TARGET_RATES
from fau.synthetic.corpus import synthesize
from fau.synthetic.recipe import named_recipe
from fau.synthetic.sequences import make_labels


def time_drawing(workers: int, subjects: int, size: int) -> None:
    recipe = named_recipe("synthetic", subjects=subjects, size=size)
    folder = Path(tempfile.mkdtemp())
    try:
        start = perf_counter()
        synthesize(recipe, folder / "out", workers, progress=True)
        seconds = perf_counter() - start
    finally:
        shutil.rmtree(folder)
    per_10k = 10_000 * seconds / recipe.crops
    print(
        f"{workers} workers: {recipe.crops} crops of {size} px in {seconds:.1f} s, "
        f"{recipe.crops / seconds:.0f} crops/s, 10,000 in {per_10k:.1f} s"
    )


def print_labels() -> None:
    start = perf_counter()
    sequences = make_labels(named_recipe("synthetic"))
    seconds = perf_counter() - start
    coded = np.concatenate([sequence.coded for sequence in sequences]) >= 2
    known = np.concatenate([sequence.known for sequence in sequences])
    print(f"\nlabels alone: {len(coded)} frames in {seconds:.1f} s; not coded {100 * (1 - known.mean()):.1f} %")
    print("percent of coded frames present, at intensity >= 2 (target; * = BP4D's)")
    for au in AUS:
        rate = 100 * coded[known[:, COLUMN[au]], COLUMN[au]].mean()
        print(f"  AU{au:<3} {rate:5.1f}  ({TARGET_RATES[au]:.1f}{'*' if au in BP4D_RATES else ''})")
    twelve = coded[:, [COLUMN[au] for au in BP4D_RATES]].sum(1)
    none = 100 * (twelve == 0).mean()
    print(f"  of the twelve on per frame: {twelve.mean():.2f} (4.05*); percent of frames with none: {none:.1f} (7.9*)")
    print("phi (BP4D's)")
    for (a, b), target in BP4D_PHI.items():
        both = known[:, COLUMN[a]] & known[:, COLUMN[b]]
        phi = np.corrcoef(coded[both, COLUMN[a]], coded[both, COLUMN[b]])[0, 1]
        print(f"  {a:>2}-{b:<2} {phi:5.2f}  ({target:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--subjects", type=int, default=41)
    parser.add_argument("--size", type=int, default=112)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at the start")
    for workers in options.workers:
        time_drawing(workers, options.subjects, options.size)
    # ru_maxrss is in KiB on Linux.
    own, children = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(f"largest memory: this process {own:.0f} MiB, a worker {children:.0f} MiB")
    print_labels()


if __name__ == "__main__":
    main()
