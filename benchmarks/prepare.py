"""Time `fau-data prepare`: crops a second of the whole command, from the listing to the finished crop set.

    python benchmarks/prepare.py                      # both rows, three runs each, on all cores
    python benchmarks/prepare.py --rows resize --runs 5 --workers 2

Rows:

* resize: JPEGs of 256 px to crops of 112 px, no detection; the target is 1,500 crops a second on two cores;
* mediapipe: JPEGs of 1024 px to aligned crops of 112 px with MediaPipe's landmarks; the target is 60 a second on two
  cores. A frame shows one face of about 350 px before a grey wall.

The tree is made of some drawn faces, each written many times (another quality each, so that no two files are alike), in
the layout of the `imagefolder` reader: a folder a class. Runs start with files in the page cache; a worker's start and
MediaPipe's are part of what is timed, as they are for users: the longer the run, the less they weigh.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.cores import usable_cores
from fau.corpora.registry import corpus
from fau.crops.prepare import Settings, prepare
from fau.synthetic.identity import make_identity
from fau.synthetic.render import render
from fau.synthetic.view import sample_view

CLASSES = ("anger", "happiness", "neutral")
DRAWN = 12  # different faces
ROWS = {
    "resize": (256, 24_000, Settings(size=112, align="resize", landmarks="none")),
    "mediapipe": (1024, 1_000, Settings(size=112, align="canonical", landmarks="mediapipe", max_lost=0.5)),
}


def faces(size: int) -> list[NDArray[np.uint8]]:
    """Draw faces; those of 1024 px fill half of a frame with a grey wall around."""
    pictures = []
    for subject in range(DRAWN):
        rng = np.random.default_rng([5, subject])
        person = make_identity(rng)
        drawn = min(size, 512)
        image = render(person, np.zeros(18, np.float32), sample_view(rng), drawn, rng).image
        edge = (size - drawn) // 2
        framed = cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=(150, 150, 150))
        pictures.append(np.asarray(framed, np.uint8))
    return pictures


def build(root: Path, size: int, count: int) -> float:
    """Write the tree and return the mean size of a file in KB."""
    pictures = faces(size)
    total = 0
    for i in range(count):
        folder = root / CLASSES[i % len(CLASSES)]
        folder.mkdir(parents=True, exist_ok=True)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 85 + i // DRAWN % 11]
        content = cv2.imencode(".jpg", pictures[i % DRAWN][..., ::-1], quality)[1].tobytes()
        (folder / f"{i:06d}.jpg").write_bytes(content)
        total += len(content)
    return total / count / 1000


def processor_time() -> float:
    """Return the seconds of all cores that this process and its ended children took."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=usable_cores())
    parser.add_argument("--count", type=int, help="pictures, in place of the rows' own numbers")
    parser.add_argument("--profile", action="store_true", help="one run in this process under cProfile")
    options = parser.parse_args()
    print(f"{processor()}, {usable_cores()} cores, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}")
    print(f"opencv {version('opencv-python-headless')}, {options.workers} workers")
    with tempfile.TemporaryDirectory() as temporary:
        for row in options.rows:
            size, count, settings = ROWS[row]
            count = options.count or count
            root = Path(temporary) / row
            kilobytes = build(root, size, count)
            reader = corpus("imagefolder")(root)
            if options.profile:
                import cProfile
                import pstats

                with cProfile.Profile() as profile:
                    prepare(reader, Path(temporary) / "out", settings, 0)
                pstats.Stats(profile).sort_stats("tottime").print_stats(25)
                shutil.rmtree(Path(temporary) / "out")
                continue
            rates, costs, kept = [], [], 0
            for _ in range(options.runs):
                out = Path(temporary) / "out"
                start, busy = time.perf_counter(), processor_time()
                report = prepare(reader, out, settings, options.workers)
                rates.append(report.rows / (time.perf_counter() - start))
                costs.append(1000 * (processor_time() - busy) / report.rows)
                kept = report.crops
                shutil.rmtree(out)
            spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
            print(
                f"{row}: {count:,} JPEGs of {size} px, {kilobytes:.0f} KB, {kept:,} crops of {settings.size} px: "
                f"median {statistics.median(rates):,.0f} rows/s of {len(rates)} runs ({spread}), "
                f"{statistics.median(costs):.2f} ms of processor time a row"
            )
            shutil.rmtree(root)


if __name__ == "__main__":
    main()
