"""Aligned crops a second, by step: decoding a 1024 px JPEG, MediaPipe, matrix and warp; on one process and on two.

    OMP_NUM_THREADS=1 python benchmarks/align_speed.py

Frames are drawn: 1024 px with a face 300 to 500 px high. Takes a minute.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fau.crops.align import Alignment, move, warp
from fau.crops.detect import Landmarker
from fau.synthetic.identity import make_identity
from fau.synthetic.render import render
from fau.synthetic.view import sample_view

FRAME, FRAMES = 1024, 12


def frames() -> list[bytes]:
    """Return drawn frames as JPEG files."""
    out = []
    for seed in range(FRAMES):
        rng = np.random.default_rng([95, seed])
        face = render(make_identity(rng), np.zeros(18, np.float32), sample_view(rng), int(rng.integers(400, 640)), rng)
        picture = cv2.resize(face.image[:1], (FRAME, FRAME))
        y, x = rng.integers(0, FRAME - len(face.image), 2)
        picture[y : y + len(face.image), x : x + len(face.image)] = face.image
        out.append(cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
    return out


def work(job: tuple[list[bytes], int, float]) -> tuple[int, float, float]:
    """Align for some seconds; return crops, wall seconds and CPU seconds."""
    files, size, seconds = job
    cv2.setNumThreads(1)
    align = Alignment("canonical", size)
    with Landmarker() as landmarker:
        count, start, cpu = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - start < seconds:
            data = np.frombuffer(files[count % len(files)], np.uint8)
            image = np.asarray(cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)
            for face in landmarker.detect(image)[:1]:
                matrix = align.matrix(face.points, "478", face.box, image.shape)
                if matrix is not None:
                    warp(image, matrix, size)
                    move(face.points, matrix)
            count += 1
        return count, time.perf_counter() - start, time.process_time() - cpu


def milliseconds(function: object, repeats: int) -> float:
    """Return the CPU time of one call."""
    function()  # type: ignore[operator]
    start = time.process_time()
    for _ in range(repeats):
        function()  # type: ignore[operator]
    return 1e3 * (time.process_time() - start) / repeats


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=112, help="pixels of a crop")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    files = frames()
    image = np.asarray(cv2.imdecode(np.frombuffer(files[0], np.uint8), cv2.IMREAD_COLOR), np.uint8)
    small = np.asarray(cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA), np.uint8)
    with Landmarker() as landmarker:
        points = landmarker.detect(image)[0].points
        detection = milliseconds(lambda: landmarker.detect(image), 40)
    align = Alignment("canonical", args.size)
    matrix, whole = align.matrix(points, "478", None, image.shape), Alignment("resize", args.size)
    print(f"CPU time of one process, crops of {args.size} px")
    print(f"  decode 1024 px   {milliseconds(lambda: cv2.imdecode(np.frombuffer(files[0], np.uint8), 1), 40):6.2f} ms")
    print(f"  detect           {detection:6.2f} ms")
    print(f"  matrix           {milliseconds(lambda: align.matrix(points, '478', None, image.shape), 2000):6.3f} ms")
    print(f"  warp 1024 px     {milliseconds(lambda: warp(image, matrix, args.size), 300):6.2f} ms")
    to_small = whole.matrix(None, "none", None, small.shape)
    print(f"  warp 256 px      {milliseconds(lambda: warp(small, to_small, args.size), 300):6.2f} ms")
    for processes in (1, 2):
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            done = pool.map(work, [(files, args.size, args.seconds)] * processes)
        rate, cpu = sum(n / wall for n, wall, _ in done), sum(c for *_, c in done) / sum(n for n, *_ in done)
        print(f"{processes} process(es): {rate:.0f} aligned crops/s, {1e3 * cpu:.1f} ms of CPU time each")


if __name__ == "__main__":
    main()
