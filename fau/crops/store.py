"""The crop set: one folder, one format for every corpus.

    manifest.parquet      one row a crop, scalars only
    crops-00000.npy ...   uint8 (N, H, W, 3), RGB, read by memory map
    landmarks-00000.npy   float32 (N, K, 2), pixels of the crop, NaN = none
    cropset.json          what it is, how it was made, hashes

Landmarks stay out of Parquet: three million rows of 478 points would be 11 GB there. Folds are not stored: protocols
own them.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.crops.manifest import build_manifest, manifest_faults, manifest_schema
from fau.errors import FauError

FORMAT_VERSION = 2  # 2: the manifest has the owner's split
LANDMARK_POINTS = {"none": 0, "49": 49, "68": 68, "478": 478}


@dataclass(frozen=True)
class CropSetInfo:
    """What a crop set is, apart from its rows.

    Attributes:
        corpus: The corpus it came from, such as ``synthetic`` or ``bp4d``.
        name: How tables and logs call it.
        recipe: All that decided rows and pixels, plain JSON values; part of the id.
        size: Height and width of a crop in pixels.
        aus: The action units that have columns in the manifest, in order.
        occurrence_threshold: Least intensity that counts as present, None where the corpus codes occurrence itself.
        landmark_set: A key of ``LANDMARK_POINTS``.
        encoding: How crops are stored; only ``raw`` so far.
    """

    corpus: str
    name: str
    recipe: dict[str, Any]
    size: int
    aus: tuple[int, ...]
    occurrence_threshold: int | None = 2
    landmark_set: str = "478"
    encoding: str = "raw"


_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class _Stored:
    """The whole of cropset.json."""

    format_version: int
    id: str
    info: CropSetInfo
    count: int
    shards: list[dict[str, Any]]  # each: crops, landmarks (file names), count, sha256 of both
    manifest_sha256: str
    counts: dict[str, int] = field(default_factory=dict)


class CropSetWriter:
    """Writes a crop set whole or not at all.

    Crops go to disk as they come, into a temporary folder beside the target, which takes the target's name when the
    last row is in. Leaving the ``with`` block by an exception removes the temporary folder.

    Args:
        out: The folder to make; it must not exist.
        info: What the crop set is.
        shard_size: Crops a file, and so in memory; None takes at most 4096, less where that would pass 256 MiB.

    Raises:
        FauError: If ``out`` exists or cannot be made.
    """

    def __init__(self, out: Path, info: CropSetInfo, shard_size: int | None = None) -> None:
        if out.exists():
            raise FauError(f"'{out}' exists already; choose another folder or remove it first")
        if info.landmark_set not in LANDMARK_POINTS:
            raise FauError(f"landmark set '{info.landmark_set}' is unknown; choose one of {', '.join(LANDMARK_POINTS)}")
        self._out = out
        self._info = info
        self._shard_size = shard_size or max(1, min(4096, 2**28 // (3 * info.size**2)))
        self._points = LANDMARK_POINTS[info.landmark_set]
        self._rows: list[dict[str, Any]] = []
        self._shards: list[dict[str, Any]] = []
        self._crops: list[NDArray[np.uint8]] = []
        self._landmarks: list[NDArray[np.float32]] = []
        self._pending = 0
        self._schema = manifest_schema(info.aus)

    def __enter__(self) -> Self:
        try:
            self._out.parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=f".{self._out.name}.", dir=self._out.parent))
        except OSError as error:
            raise FauError(f"cannot write to '{self._out.parent}': {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
            elif isinstance(error, OSError):
                raise error
        except OSError as failure:
            reason = f"{failure.strerror or failure}" + (f": '{failure.filename}'" if failure.filename else "")
            way_out = "; free some space or choose another disk" if failure.errno in _DISK_FULL else ""
            raise FauError(f"writing the crop set '{self._out}' failed: {reason}{way_out}") from failure
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def append(
        self, crops: NDArray[np.uint8], landmarks: NDArray[np.float32], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Add crops with their landmarks and manifest rows.

        Args:
            crops: Shape (n, size, size, 3).
            landmarks: Shape (n, K, 2) of the crop set's landmark set; K = 0 for ``none``.
            rows: n manifest rows without ``shard`` and ``row``; a missing key is null.

        Raises:
            FauError: If shapes disagree with the crop set or a row has an unknown key or a label outside its range.
        """
        size = self._info.size
        if crops.shape != (len(rows), size, size, 3) or landmarks.shape != (len(rows), self._points, 2):
            raise FauError(
                f"crops {crops.shape} and landmarks {landmarks.shape} do not fit {len(rows)} rows of "
                f"{size} px with {self._points} landmarks"
            )
        if crops.dtype != np.uint8 or landmarks.dtype != np.float32:
            raise FauError(f"crops are {crops.dtype} and landmarks {landmarks.dtype}; give uint8 and float32")
        for row in rows:
            unknown = row.keys() - self._schema.keys()
            if unknown:
                raise FauError(f"row '{row.get('id')}' has the unknown column '{sorted(unknown)[0]}'")
            self._rows.append(dict(row))
        self._crops.append(crops)
        self._landmarks.append(landmarks)
        self._pending += len(rows)
        while self._pending >= self._shard_size:
            self._write_shard(self._shard_size)

    def _write_shard(self, count: int) -> None:
        crops, landmarks = np.concatenate(self._crops), np.concatenate(self._landmarks)
        shard = len(self._shards)
        done = sum(s["count"] for s in self._shards)
        for i in range(count):
            self._rows[done + i] |= {"shard": shard, "row": i}
        entry: dict[str, Any] = {"count": count}
        for kind, array in (("crops", crops[:count]), ("landmarks", landmarks[:count])):
            name = f"{kind}-{shard:05d}.npy"
            _save(self._folder / name, np.ascontiguousarray(array))
            entry[kind] = name
            entry[f"{kind}_bytes"] = (self._folder / name).stat().st_size
            entry[f"{kind}_sha256"] = _sha256_array(array)
        self._shards.append(entry)
        self._crops, self._landmarks = [crops[count:]], [landmarks[count:]]
        self._pending -= count

    def _finish(self) -> None:
        if not self._rows:
            raise FauError(f"the crop set '{self._out}' has no rows; nothing was written")
        if self._pending:
            self._write_shard(self._pending)
        try:
            manifest = build_manifest(self._rows, self._info.aus)
        except FauError as error:
            raise FauError(f"the crop set '{self._out}' was not written: {error}") from None
        faults = manifest_faults(manifest, self._info.aus)
        if faults:
            raise FauError(f"the crop set '{self._out}' was not written: {faults[0]}")
        manifest.write_parquet(self._folder / "manifest.parquet")
        stored = _Stored(
            format_version=FORMAT_VERSION,
            id=_cropset_id(self._info, manifest),
            info=self._info,
            count=len(manifest),
            shards=self._shards,
            manifest_sha256=_sha256_file(self._folder / "manifest.parquet"),
            counts={
                "groups": manifest["group"].n_unique(),
                "sequences": manifest["sequence"].n_unique(),
            },
        )
        (self._folder / "cropset.json").write_text(json.dumps(asdict(stored), indent=1) + "\n", encoding="utf-8")
        self._folder.chmod(0o755)  # mkdtemp makes folders that only their owner may read
        try:
            self._folder.rename(self._out)
        except OSError as error:
            raise FauError(f"'{self._out}' could not be put in place: {error.strerror}") from error


class CropSet:
    """A crop set on disk, opened for reading.

    Opening checks the format version, the size of each shard and the manifest's hash, which is cheap; ``check`` reads
    every pixel.
    """

    def __init__(self, path: Path, stored: _Stored, manifest: pl.DataFrame) -> None:
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
        stored = _read_json(path)
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
        if _sha256_file(manifest_file) != stored.manifest_sha256:
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
                    same = _sha256_array(read(i)) == shard[f"{kind}_sha256"]
                except FauError as error:
                    faults.append(str(error))
                    continue
                if not same:
                    what = "pixels" if kind == "crops" else kind
                    faults.append(f"{shard[kind]} does not match its hash: {what} were changed")
        if _cropset_id(self.info, self.manifest) != self.id:
            faults.append("the id does not match recipe and rows")
        return faults


def check(path: str | Path) -> list[str]:
    """Verify a crop set to the last pixel and return its faults, one sentence each.

    Raises:
        FauError: If the folder cannot be opened as a crop set at all.
    """
    return CropSet.open(path).faults()


def _cropset_id(info: CropSetInfo, manifest: pl.DataFrame) -> str:
    """Hash recipe and rows, not pixels: those may differ by a bit between machines; nor the cut into shards."""
    digest = hashlib.sha256(json.dumps(asdict(info), sort_keys=True).encode())
    digest.update(manifest.drop("shard", "row").write_csv(float_precision=6).encode())
    return digest.hexdigest()[:16]


def _read_json(path: Path) -> _Stored:
    if not path.exists():
        raise FauError(f"crop set '{path}' does not exist; give the folder that holds its cropset.json")
    file = path / "cropset.json"
    if not file.exists():
        raise FauError(f"'{path}' is not a crop set: it has no cropset.json")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        version = int(content["format_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise FauError(f"'{file}' cannot be read: {error}; make the crop set again") from error
    if version > FORMAT_VERSION:
        raise FauError(
            f"crop set '{path}' has format version {version}, this fau reads up to {FORMAT_VERSION}; update fau"
        )
    if version < FORMAT_VERSION:
        raise FauError(
            f"crop set '{path}' has the old format version {version}, this fau reads {FORMAT_VERSION}; make it again"
        )
    try:
        info = content.pop("info")
        stored = _Stored(info=CropSetInfo(**(info | {"aus": tuple(info["aus"])})), **content)
        for shard in stored.shards:
            for kind in ("crops", "landmarks"):
                _ = path / shard[kind], shard[f"{kind}_sha256"], int(shard[f"{kind}_bytes"])
        if sum(shard["count"] for shard in stored.shards) != stored.count:
            raise ValueError("the shards' counts do not add up")
        return stored
    except (KeyError, TypeError, ValueError) as error:
        raise FauError(f"'{file}' cannot be read: {error}; make the crop set again") from error


def _save(file: Path, array: NDArray[Any]) -> None:
    """Write an .npy file; unlike ``numpy.save`` it says why it could not."""
    with file.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
        stream.write(array.data)


def _sha256_file(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sha256_array(array: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for start in range(0, len(array), 1024):
        digest.update(np.ascontiguousarray(array[start : start + 1024]).data)
    return digest.hexdigest()
