"""What stands in a crop set's cropset.json, its hashes and its id."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

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


@dataclass(frozen=True)
class Stored:
    """The whole of cropset.json."""

    format_version: int
    id: str
    info: CropSetInfo
    count: int
    shards: list[dict[str, Any]]  # each: crops, landmarks (file names), count, sha256 of both
    manifest_sha256: str
    counts: dict[str, int] = field(default_factory=dict)


def cropset_id(info: CropSetInfo, manifest: pl.DataFrame) -> str:
    """Hash recipe and rows, not pixels: those may differ by a bit between machines; nor the cut into shards."""
    digest = hashlib.sha256(json.dumps(asdict(info), sort_keys=True).encode())
    digest.update(manifest.drop("shard", "row").write_csv(float_precision=6).encode())
    return digest.hexdigest()[:16]


def read_stored(path: Path) -> Stored:
    """Read the cropset.json of a crop set's folder.

    Raises:
        FauError: If there is none, or it is not what it should be.
    """
    if not path.exists():
        raise FauError(f"crop set '{path}' does not exist; give the folder that holds its cropset.json")
    file = path / "cropset.json"
    if not file.exists():
        raise FauError(
            f"'{path}' is not a crop set: it has no cropset.json; give the folder that 'fau-data prepare' or "
            "'fau-data synthesize' made"
        )
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
        stored = Stored(info=CropSetInfo(**(info | {"aus": tuple(info["aus"])})), **content)
        for shard in stored.shards:
            for kind in ("crops", "landmarks"):
                _ = path / shard[kind], shard[f"{kind}_sha256"], int(shard[f"{kind}_bytes"])
        if sum(shard["count"] for shard in stored.shards) != stored.count:
            raise ValueError("the shards' counts do not add up")
        return stored
    except (KeyError, TypeError, ValueError) as error:
        raise FauError(f"'{file}' cannot be read: {error}; make the crop set again") from error


def refuse_inside_cropset(folder: Path) -> None:
    """Refuse a folder that is a crop set or lies in one: files that others put there would pass for a part of it.

    Raises:
        FauError: If it is so.
    """
    place = folder.resolve()
    for above in (place, *place.parents):
        if (above / "cropset.json").exists():
            raise FauError(f"'{folder}' lies inside the crop set '{above}'; choose a folder outside of it")


def sha256_file(file: Path) -> str:
    """Hash a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_array(array: NDArray[Any]) -> str:
    """Hash an array's values in C order."""
    digest = hashlib.sha256()
    for start in range(0, len(array), 1024):
        digest.update(np.ascontiguousarray(array[start : start + 1024]).data)
    return digest.hexdigest()
