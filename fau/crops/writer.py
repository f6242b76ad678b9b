"""Writing crop sets: shards as streams, the rest at the end, the whole or nothing."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.crops.format import (
    FORMAT_VERSION,
    LANDMARK_POINTS,
    CropSetInfo,
    Stored,
    cropset_id,
    refuse_inside_cropset,
    sha256_file,
)
from fau.crops.manifest import build_manifest, manifest_faults, manifest_schema
from fau.errors import FauError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def shard_limit(size: int) -> int:
    """Return how many crops of a size go into one file: 4096, less where that would pass 256 MiB."""
    return max(1, min(4096, 2**28 // (3 * size**2)))


def why(error: OSError) -> str:
    """Say what the operating system refused, with the file, and the way out of a full disk."""
    reason = f"{error.strerror or error}" + (f": '{error.filename}'" if error.filename else "")
    return reason + ("; free some space or choose another disk" if error.errno in _DISK_FULL else "")


@contextmanager
def polars_writes(file: Path) -> Iterator[None]:
    """Let a file that polars cannot write be an ``OSError`` with its number, which polars gives as text alone."""
    try:
        yield
    except (OSError, pl.exceptions.ComputeError) as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(file)) from error


class ArrayFile:
    """An .npy file that grows row by row, and has its name when it is whole.

    Args:
        file: Where; until ``close`` the rows are in a file beside it whose name ends in ``.tmp``.
        shape: Of one row.
        dtype: Of the values.
    """

    def __init__(self, file: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        self._file = file
        self._shape = shape
        self._dtype = np.dtype(dtype)
        self._hash = sha256()
        self.count = 0
        # Another process may still be dying over the same file.
        self._temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
        self._stream = self._temporary.open("wb")
        self._header()

    def _header(self) -> None:
        # NumPy leaves room in the header for any length of the first axis, so that it can be written again.
        content = {"descr": self._dtype.str, "fortran_order": False, "shape": (self.count, *self._shape)}
        np.lib.format.write_array_header_1_0(self._stream, content)

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows, shape (n, ...), C-contiguous."""
        data = rows.data.cast("B") if rows.size else b""
        self._stream.write(data)
        self._hash.update(data)
        self.count += len(rows)

    def close(self, keep: bool = True, sync: bool = False) -> str:
        """Give the file its name, or remove it, and return the hash of its values.

        Args:
            keep: Whether the rows are all there and wanted.
            sync: Whether it should outlast a power cut.
        """
        try:
            if keep:
                self._stream.seek(0)
                self._header()
                self._stream.flush()
                if sync and self.count and self._shape[0]:
                    os.fsync(self._stream.fileno())
        finally:
            self._stream.close()
            if not keep:
                self._temporary.unlink(missing_ok=True)
        if keep:
            self._temporary.replace(self._file)
        return self._hash.hexdigest()


class ShardWriter:
    """Writes one shard of a crop set, crop by crop.

    Args:
        folder: The crop set's.
        number: The shard's.
        size: Height and width of a crop in pixels.
        points: Landmarks a crop.
    """

    def __init__(self, folder: Path, number: int, size: int, points: int) -> None:
        self._folder = folder
        self._names = {kind: f"{kind}-{number:05d}.npy" for kind in ("crops", "landmarks")}
        self._crops = ArrayFile(folder / self._names["crops"], (size, size, 3), np.uint8)
        try:
            self._landmarks = ArrayFile(folder / self._names["landmarks"], (points, 2), np.float32)
        except OSError:
            self._crops.close(keep=False)
            raise

    @property
    def count(self) -> int:
        """Crops so far."""
        return self._crops.count

    def append(self, crops: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> None:
        """Add crops, shape (n, size, size, 3), with their landmarks, shape (n, K, 2)."""
        self._crops.append(np.ascontiguousarray(crops))
        self._landmarks.append(np.ascontiguousarray(landmarks))

    def close(self, sync: bool = False) -> dict[str, Any]:
        """Put the shard in place and return its entry in cropset.json."""
        entry: dict[str, Any] = {"count": self.count}
        for kind, file in (("crops", self._crops), ("landmarks", self._landmarks)):
            digest = file.close(sync=sync)
            entry[kind] = self._names[kind]
            entry[f"{kind}_bytes"] = (self._folder / self._names[kind]).stat().st_size
            entry[f"{kind}_sha256"] = digest
        return entry

    def abort(self) -> None:
        """Remove what is not finished."""
        self._crops.close(keep=False)
        self._landmarks.close(keep=False)


def write_description(folder: Path, info: CropSetInfo, shards: list[dict[str, Any]], manifest: pl.DataFrame) -> None:
    """Write manifest.parquet and cropset.json beside the shards.

    Raises:
        FauError: If a row of the manifest is not what it should be.
    """
    faults = manifest_faults(manifest, info.aus)
    if faults:
        raise FauError(faults[0])
    with polars_writes(folder / "manifest.parquet"):
        manifest.write_parquet(folder / "manifest.parquet")
    stored = Stored(
        format_version=FORMAT_VERSION,
        id=cropset_id(info, manifest),
        info=info,
        count=len(manifest),
        shards=shards,
        manifest_sha256=sha256_file(folder / "manifest.parquet"),
        counts={
            "groups": manifest["group"].n_unique(),
            "sequences": manifest["sequence"].n_unique(),
        },
    )
    (folder / "cropset.json").write_text(json.dumps(asdict(stored), indent=1) + "\n", encoding="utf-8")


class CropSetWriter:
    """Writes a crop set whole or not at all.

    Crops go to disk as they come, into a temporary folder beside the target, which takes the target's name when the
    last row is in. Leaving the ``with`` block by an exception removes the temporary folder.

    Args:
        out: The folder to make; it must not exist.
        info: What the crop set is.
        shard_size: Crops a file; None takes at most 4096, less where that would pass 256 MiB.

    Raises:
        FauError: If ``out`` exists, lies inside another crop set or cannot be made.
    """

    def __init__(self, out: Path, info: CropSetInfo, shard_size: int | None = None) -> None:
        if out.exists() or out.is_symlink():
            raise FauError(f"'{out}' exists already; choose another folder or remove it first")
        refuse_inside_cropset(out)
        if info.landmark_set not in LANDMARK_POINTS:
            raise FauError(f"landmark set '{info.landmark_set}' is unknown; choose one of {', '.join(LANDMARK_POINTS)}")
        self._out = out
        self._info = info
        self._shard_size = shard_size or shard_limit(info.size)
        self._points = LANDMARK_POINTS[info.landmark_set]
        self._rows: list[dict[str, Any]] = []
        self._shards: list[dict[str, Any]] = []
        self._open: ShardWriter | None = None
        self._schema = manifest_schema(info.aus)

    def __enter__(self) -> Self:
        try:
            self._out.parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=f".{self._out.name}.", dir=self._out.parent))
        except OSError as error:
            raise FauError(f"cannot write to '{self._out.parent}': {error.strerror}; name another folder") from error
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
            raise FauError(f"writing the crop set '{self._out}' failed: {why(failure)}") from failure
        finally:
            if self._open is not None:
                self._open.abort()
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
        done = 0
        while done < len(rows):
            if self._open is None:
                self._open = ShardWriter(self._folder, len(self._shards), self._info.size, self._points)
            first = self._open.count
            end = min(len(rows), done + self._shard_size - first)
            self._open.append(crops[done:end], landmarks[done:end])
            for i, row in enumerate(rows[done:end], first):
                self._rows.append(dict(row) | {"shard": len(self._shards), "row": i})
            done = end
            if self._open.count == self._shard_size:
                self._close_shard()

    def _close_shard(self) -> None:
        if self._open is not None:
            self._shards.append(self._open.close())
            self._open = None

    def _finish(self) -> None:
        if not self._rows:
            raise FauError(f"the crop set '{self._out}' has no rows; nothing was written")
        self._close_shard()
        try:
            manifest = build_manifest(self._rows, self._info.aus)
            write_description(self._folder, self._info, self._shards, manifest)
        except FauError as error:
            raise FauError(f"the crop set '{self._out}' was not written: {error}") from None
        self._folder.chmod(0o755)  # mkdtemp makes folders that only their owner may read
        try:
            self._folder.rename(self._out)
        except OSError as error:
            raise FauError(f"'{self._out}' could not be put in place: {error.strerror}") from error
