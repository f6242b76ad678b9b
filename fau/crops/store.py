"""The crop set: one folder, one format for every corpus.

    manifest.parquet      one row a crop, scalars only
    crops-00000.npy ...   uint8 (N, H, W, 3), RGB, read by memory map
    landmarks-00000.npy   float32 (N, K, 2), pixels of the crop, NaN = none
    cropset.json          what it is, how it was made, hashes

Landmarks stay out of Parquet: three million rows of 478 points would be 11 GB there. Folds are not stored: protocols
own them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.crops.format import LANDMARK_POINTS, CropSetInfo, Stored, cropset_id, read_stored, sha256_array, sha256_file
from fau.crops.manifest import manifest_faults, manifest_schema
from fau.crops.writer import CropSetWriter
from fau.errors import FauError

__all__ = ["LANDMARK_POINTS", "CropSet", "CropSetInfo", "CropSetWriter", "check"]


class CropSet:
    """A crop set on disk, opened for reading.

    Opening checks the format version, the size of each shard and the manifest's hash, which is cheap; ``check`` reads
    every pixel.
    """

    def __init__(self, path: Path, stored: Stored, manifest: pl.DataFrame) -> None:
        self.path = path
        self.info = stored.info
        self.id = stored.id
        self.manifest = manifest
        self._stored = stored
        self._shard = manifest["shard"].to_numpy()
        self._row = manifest["row"].to_numpy()
        self._crops: list[NDArray[np.uint8] | None] = [None] * len(stored.shards)
        self._landmarks: list[NDArray[np.float32] | None] = [None] * len(stored.shards)

    @classmethod
    def open(cls, path: str | Path) -> CropSet:
        """Open a crop set.

        Raises:
            FauError: If the folder is missing, is no crop set, is from a newer format version, was truncated, or its
                manifest does not match its hash.
        """
        path = Path(path)
        stored = read_stored(path)
        for shard in stored.shards:
            for kind in ("crops", "landmarks"):
                file = path / shard[kind]
                size = file.stat().st_size if file.exists() else None
                if size != shard[f"{kind}_bytes"]:
                    what = "is missing" if size is None else f"has {size} bytes instead of {shard[f'{kind}_bytes']}"
                    raise FauError(f"crop set '{path}' is damaged: {shard[kind]} {what}; make it again")
        manifest_file = path / "manifest.parquet"
        if not manifest_file.exists():
            raise FauError(f"crop set '{path}' is damaged: manifest.parquet is missing; make it again")
        if sha256_file(manifest_file) != stored.manifest_sha256:
            raise FauError(f"crop set '{path}' is damaged: manifest.parquet does not match its hash; make it again")
        manifest = pl.read_parquet(manifest_file)
        if manifest.schema != pl.Schema(manifest_schema(stored.info.aus)):
            raise FauError(
                f"crop set '{path}' is damaged: manifest.parquet and cropset.json disagree on columns; make it again"
            )
        return cls(path, stored, manifest)

    def __len__(self) -> int:
        return self._stored.count

    def __getstate__(self) -> dict[str, Any]:
        # A memory map would be pickled as its whole array: workers open their own.
        state = self.__dict__.copy()
        state["_crops"] = [None] * len(self._stored.shards)
        state["_landmarks"] = [None] * len(self._stored.shards)
        return state

    @property
    def size(self) -> int:
        """Height and width of a crop in pixels."""
        return self.info.size

    def _shard_crops(self, shard: int) -> NDArray[np.uint8]:
        array = self._crops[shard]
        if array is None:
            array = self._crops[shard] = self._map(shard, "crops", (self.size, self.size, 3), np.uint8)
        return array

    def _shard_landmarks(self, shard: int) -> NDArray[np.float32]:
        array = self._landmarks[shard]
        if array is None:
            points = LANDMARK_POINTS[self.info.landmark_set]
            array = self._landmarks[shard] = self._map(shard, "landmarks", (points, 2), np.float32)
        return array

    def _map(self, shard: int, kind: str, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
        entry = self._stored.shards[shard]
        try:
            array: NDArray[Any] = np.load(self.path / entry[kind], mmap_mode="r")
        except (OSError, ValueError) as error:
            raise FauError(f"crop set '{self.path}' is damaged: {entry[kind]} cannot be read; make it again") from error
        if array.shape != (entry["count"], *shape) or array.dtype != dtype:
            raise FauError(
                f"crop set '{self.path}' is damaged: {entry[kind]} holds {array.dtype} {array.shape} instead of "
                f"{np.dtype(dtype)} {(entry['count'], *shape)}; make it again"
            )
        return array

    def crop(self, index: int) -> NDArray[np.uint8]:
        """Return one crop, shape (H, W, 3), as a read-only view of the memory map."""
        crop: NDArray[np.uint8] = self._shard_crops(int(self._shard[index]))[int(self._row[index])]
        return crop

    def crops(self, indices: NDArray[np.int64] | Sequence[int]) -> NDArray[np.uint8]:
        """Return crops by manifest row, shape (n, H, W, 3), copied."""
        out = np.empty((len(indices), self.size, self.size, 3), np.uint8)
        for i, index in enumerate(indices):
            out[i] = self.crop(int(index))
        return out

    def landmarks(self, indices: NDArray[np.int64] | Sequence[int]) -> NDArray[np.float32]:
        """Return landmarks by manifest row, shape (n, K, 2), pixels, NaN = none, copied."""
        out = np.empty((len(indices), LANDMARK_POINTS[self.info.landmark_set], 2), np.float32)
        for i, index in enumerate(indices):
            out[i] = self._shard_landmarks(int(self._shard[index]))[int(self._row[index])]
        return out

    def faults(self) -> list[str]:
        """Verify everything: counts, pixel and landmark hashes, label ranges, groups.

        Returns:
            One sentence a fault; empty when the crop set is sound.
        """
        faults = manifest_faults(self.manifest, self.info.aus)
        if len(self.manifest) != self._stored.count:
            faults.append(f"the manifest has {len(self.manifest)} rows, cropset.json says {self._stored.count}")
        per_shard = dict(self.manifest.group_by("shard").len().iter_rows())
        for i, shard in enumerate(self._stored.shards):
            if per_shard.get(i, 0) != shard["count"]:
                faults.append(f"shard {i} has {per_shard.get(i, 0)} manifest rows, cropset.json says {shard['count']}")
            for kind, read in (("crops", self._shard_crops), ("landmarks", self._shard_landmarks)):
                try:
                    same = sha256_array(read(i)) == shard[f"{kind}_sha256"]
                except FauError as error:
                    faults.append(str(error))
                    continue
                if not same:
                    what = "pixels" if kind == "crops" else kind
                    faults.append(f"{shard[kind]} does not match its hash: {what} were changed")
        if cropset_id(self.info, self.manifest) != self.id:
            faults.append("the id does not match recipe and rows")
        return faults


def check(path: str | Path) -> list[str]:
    """Verify a crop set to the last pixel and return its faults, one sentence each.

    Raises:
        FauError: If the folder cannot be opened as a crop set at all.
    """
    return CropSet.open(path).faults()
