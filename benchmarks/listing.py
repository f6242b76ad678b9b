"""Time how long readers take to list corpora at their full size, and how much memory that takes.

    python benchmarks/listing.py               # full size: up to 3 million files at once, about 9 million in turn
    python benchmarks/listing.py --scale 0.1   # a tenth of the rows

Trees are in the owners' layouts, with empty files for pictures, since a listing opens none. Each listing is a process
of its own; its peak is of all memory that it held (ru_maxrss). Writes benchmarks/results/listing.md.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fau.corpora.registry import corpus

AUS = (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26)  # Aff-Wild2's
CLASSES = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")


def touch(folder: Path, names: Iterable[str]) -> int:
    """Make empty files and return their number."""
    folder.mkdir(parents=True, exist_ok=True)
    place = os.open(folder, os.O_RDONLY)
    count = 0
    for name in names:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=place))
        count += 1
    os.close(place)
    return count


def write(file: Path, text: str) -> None:
    """Write a file and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="ascii")


def bp4d(root: Path, scale: float) -> int:
    """41 people x 8 tasks x 1000 frames, each a picture, a mesh and its material; codes of half of the frames."""
    count, frames = 0, round(1000 * scale)
    codes = ",".join(str(at % 2) for at in range(63))
    for subject in [*(f"F{at:03d}" for at in range(1, 24)), *(f"M{at:03d}" for at in range(1, 19))]:
        for task in range(1, 9):
            names = (f"{frame:04d}.{ending}" for frame in range(frames) for ending in ("jpg", "obj", "mtl"))
            count += touch(root / "Sequences(2D+3D)" / subject / f"T{task}", names)
            lines = [
                ",".join(map(str, range(64))),
                *(f"{frame},{codes}" for frame in range(frames // 4, 3 * frames // 4)),
            ]
            write(root / "AUCoding" / "AU_OCC" / f"{subject}_T{task}.csv", "\n".join(lines) + "\n")
    return count


def affwild2(root: Path, scale: float) -> int:
    """541 videos of 4,800 crops, 400 of them with action units."""
    count, frames = 0, round(4800 * scale)
    code = ",".join(str(at % 2) for at in range(len(AUS)))
    text = "\n".join([",".join(f"AU{au}" for au in AUS), *[code] * frames]) + "\n"
    for video in range(541):
        name = f"video{video}"
        count += touch(root / "cropped_aligned" / name, (f"{frame:05d}.jpg" for frame in range(1, frames + 1)))
        if video < 400:
            part = "Train_Set" if video < 295 else "Validation_Set"
            write(root / "6th ABAW Annotations" / "AU_Detection_Challenge" / part / f"{name}.txt", text)
    return count


def affectnet8(root: Path, scale: float) -> int:
    """287,651 pictures for training and 3,999 for validation, each with four annotation files."""
    contents = {}
    for kind, value in {"exp": 3, "val": 0.25, "aro": -0.5}.items():
        contents[kind] = _npy(np.asarray(str(value)))
    contents["lnd"] = _npy(np.zeros((68, 2)))
    count = 0
    for part, images in (("train_set", 287_651), ("val_set", 3_999)):
        numbers = range(round(images * scale))
        count += touch(root / part / "images", (f"{image}.jpg" for image in numbers))
        folder = root / part / "annotations"
        folder.mkdir()
        for image in numbers:
            for kind, content in contents.items():
                (folder / f"{image}_{kind}.npy").write_bytes(content)
                count += 1
    return count


def _npy(value: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, value)
    return stream.getvalue()


def imagefolder(root: Path, scale: float) -> int:
    """3 million pictures in seven folders."""
    total = round(3_000_000 * scale)
    return sum(
        touch(root / name, (f"{picture:07d}.jpg" for picture in range(at, total, len(CLASSES))))
        for at, name in enumerate(CLASSES)
    )


def _table(root: Path, scale: float, ending: str) -> int:
    """3 million rows: a path, one of 1,000 people, an expression, twelve action units; their pictures are there."""
    total = imagefolder(root, scale)
    number = np.arange(total)
    classes = np.array(CLASSES)[number % len(CLASSES)]
    rows = pl.DataFrame({"picture": number, "class": classes}).select(
        path=pl.format("{}/{}.jpg", "class", pl.col("picture").cast(pl.String).str.zfill(7)),
        subject=pl.format("p{}", pl.col("picture") % 1000),
        expression="class",
        **{f"au{au}": (pl.col("picture") // (at + 1) % 2).cast(pl.Int8) for at, au in enumerate(AUS)},
    )
    file = root / f"labels.{ending}"
    rows.write_csv(file) if ending == "csv" else rows.write_parquet(file)
    return total + 1


def table_csv(root: Path, scale: float) -> int:
    """3 million rows of a CSV file, with their pictures."""
    return _table(root, scale, "csv")


def table_parquet(root: Path, scale: float) -> int:
    """3 million rows of a Parquet file, with their pictures."""
    return _table(root, scale, "parquet")


@dataclass(frozen=True)
class Tree:
    """A row of the table: a reader and what makes a tree for it."""

    reader: str
    build: Callable[[Path, float], int]


TREES = {
    "BP4D": Tree("bp4d", bp4d),
    "Aff-Wild2": Tree("affwild2", affwild2),
    "AffectNet-8": Tree("affectnet8", affectnet8),
    "a folder a class": Tree("imagefolder", imagefolder),
    "table, CSV": Tree("table", table_csv),
    "table, Parquet": Tree("table", table_parquet),
}


def list_once(reader: str, root: str) -> None:
    """List in this process and print rows, seconds and the peak of memory as JSON."""
    began, busy = time.perf_counter(), time.process_time()
    rows = len(corpus(reader)(Path(root)).list().rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    seconds, processor = time.perf_counter() - began, time.process_time() - busy
    print(json.dumps({"rows": rows, "seconds": seconds, "processor": processor, "peak": peak}))


def main() -> None:
    """Build each tree, list it, and write the table."""
    if sys.argv[1:2] == ["--list-once"]:
        list_once(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--runs", type=int, default=3, help="listings of each tree")
    parser.add_argument("--trees", nargs="+", choices=list(TREES), default=list(TREES))
    parser.add_argument("--folder", type=Path, help="where trees are made for the time (default: the system's)")
    parser.add_argument("--note", default="", help="what to say of the machine, such as other load")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "listing.md")
    options = parser.parse_args()
    lines = []
    for name in options.trees:
        tree = TREES[name]
        root = Path(tempfile.mkdtemp(prefix="fau-listing-", dir=options.folder))
        try:
            began = time.perf_counter()
            files = tree.build(root, options.scale)
            print(f"{name}: {files:,} files made in {time.perf_counter() - began:.0f} s, not counted below", flush=True)
            command = [sys.executable, __file__, "--list-once", tree.reader, str(root)]
            found = [json.loads(subprocess.run(command, check=True, stdout=-1).stdout) for _ in range(options.runs)]
        finally:
            shutil.rmtree(root)
        seconds, processor = ([run[key] for run in found] for key in ("seconds", "processor"))
        spread = f"{statistics.median(seconds):.1f} ({min(seconds):.1f}-{max(seconds):.1f})"
        cells = [name, f"{files:,}", f"{found[0]['rows']:,}", spread, f"{statistics.median(processor):.1f}"]
        lines.append(f"| {' | '.join(cells)} | {max(run['peak'] for run in found) / 1e9:.2f} |")
        print(lines[-1], flush=True)
        write_page(options, lines)


def write_page(options: argparse.Namespace, lines: list[str]) -> None:
    """Write what is known so far."""
    from fau.hardware import describe_hardware  # late: it loads torch, whose memory is no listing's

    hardware = ", ".join(f"{key} {value}" for key, value in describe_hardware().items())
    share = "" if options.scale == 1 else f" --scale {options.scale:g}"
    options.out.write_text(
        f"""# Listing corpora at full size

`python benchmarks/listing.py{share} --runs {options.runs}`, polars {pl.__version__}. Hardware: {hardware}.
{options.note}
Trees in the owners' layouts, empty files for pictures, in the page cache; median (least-most) of {options.runs} runs,
each a process of its own, from the reader's start to its rows. The peak is of all memory of that process, Python and
libraries included.

| corpus | files | rows | seconds | processor seconds | peak GB |
|:--|--:|--:|--:|--:|--:|
"""
        + "\n".join(lines)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
