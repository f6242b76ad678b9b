"""How many altered copies of a picture ``fau-data prepare`` puts into the picture's group, and what else it merges.

    OMP_NUM_THREADS=1 python benchmarks/copies.py

Takes half a minute and the drawn corpus `synthetic`, which is drawn first if it is not there. Each way to alter a
crop is applied to the same crops; groups are made as for pictures of unknown people (``fau.crops.duplicates``), by
equal hashes alone and with near copies. The last lines group all crops as if nobody were known: how many groups hold
several people. Writes benchmarks/results/copies.md.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.crops.duplicates import difference_hash, groups
from fau.crops.store import CropSet
from fau.hardware import describe_hardware
from fau.synthetic.cache import default_cropset

Crop = NDArray[np.uint8]


def pressed(quality: int) -> Callable[[Crop], Crop]:
    def alter(crop: Crop) -> Crop:
        content = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)

    return alter


def scaled(size: int, grey: bool = False) -> Callable[[Crop], Crop]:
    def alter(crop: Crop) -> Crop:
        small = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
        if grey:
            small = cv2.cvtColor(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        return np.asarray(cv2.resize(small, crop.shape[:2]), np.uint8)

    return alter


def light(factor: float, more: int) -> Callable[[Crop], Crop]:
    return lambda crop: np.clip(crop * factor + more, 0, 255).astype(np.uint8)


def cut(pixels: int) -> Callable[[Crop], Crop]:
    inner = slice(pixels, -pixels)
    return lambda crop: np.asarray(cv2.resize(crop[inner, inner], crop.shape[:2]), np.uint8)


def turned(degrees: float) -> Callable[[Crop], Crop]:
    def alter(crop: Crop) -> Crop:
        size = crop.shape[0]
        turn = cv2.getRotationMatrix2D((size / 2, size / 2), degrees, 1)
        return np.asarray(cv2.warpAffine(crop, turn, (size, size)), np.uint8)

    return alter


WAYS: dict[str, Callable[[Crop], Crop]] = {
    **{f"JPEG, quality {quality}": pressed(quality) for quality in (90, 75, 50, 30)},
    **{"halved": scaled(56), "48 px, grey": scaled(48, grey=True)},
    **{"20 grey levels brighter": light(1.0, 20), "contrast x 1.1": light(1.1, 0)},
    **{"1 px to the right": lambda crop: np.roll(crop, 1, 1), "2 px cut off on each side": cut(2)},
    **{"turned by 3 degrees": turned(3), "mirrored": lambda crop: np.ascontiguousarray(crop[:, ::-1])},
}


def grouped(crops: Sequence[Crop] | CropSet, get: Callable[[int], Crop]) -> dict[str, list[str]]:
    """Return the groups of crops without a subject, by equal hashes alone and with near copies."""
    count = len(crops)
    look = pl.Series([difference_hash(get(i)) for i in range(count)], dtype=pl.UInt64)
    names = [str(i) for i in range(count)]
    rows = pl.DataFrame({"id": names, "path": names}).with_columns(
        subject=pl.lit(None, pl.String), position=pl.lit(None, pl.Int32)
    )
    return {"equal": groups(rows, look).to_list(), "near": groups(rows, look, get).to_list()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crops", type=int, default=500, help="crops that are altered")
    parser.add_argument("--note", default="", help="what to say of the machine, such as other load")
    options = parser.parse_args()
    cropset = CropSet.open(default_cropset("synthetic"))
    chosen = np.random.default_rng(1).choice(len(cropset), options.crops, replace=False)
    lines = ["| copy | equal hash | near |", "|:--|--:|--:|"]
    for name, way in WAYS.items():
        crops = [cropset.crop(int(i)) for i in chosen]
        crops += [np.ascontiguousarray(way(crop)) for crop in crops]
        together = {
            kind: sum(group[i] == group[i + options.crops] for i in range(options.crops)) / options.crops
            for kind, group in grouped(crops, lambda i, crops=crops: crops[i]).items()
        }
        lines.append(f"| {name} | {100 * together['equal']:.0f} % | {100 * together['near']:.0f} % |")
        print(lines[-1], flush=True)
    lines.append("")
    for kind, group in grouped(cropset, cropset.crop).items():
        table = cropset.manifest.select("subject", group=pl.Series(group)).group_by("group")
        sizes = table.agg(pl.col("subject").n_unique(), pl.len())
        several = int((sizes["subject"] > 1).sum())
        lines.append(
            f"All {len(cropset):,} crops, {kind}: {len(sizes):,} groups of up to {sizes['len'].max()}; {several} of "
            "them hold several people."
        )
        print(lines[-1])
    hardware = ", ".join(f"{key} {value}" for key, value in describe_hardware().items())
    (Path(__file__).parent / "results" / "copies.md").write_text(
        f"# Copies that end in the group of their picture\n\n`python benchmarks/copies.py --crops {options.crops}`, "
        f"load {os.getloadavg()[0]:.0f}. Hardware: {hardware}.\n{options.note}\nShare of {options.crops} crops of the "
        f"drawn corpus `synthetic` ({cropset.size} px, id {cropset.id}) whose altered copy is in their group.\n\n"
        + "\n".join(lines)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
