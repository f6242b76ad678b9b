"""The log of an offline W&B run, read and written without W&B's client."""

from __future__ import annotations

import json
import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2 as pb

HEADER = struct.pack("<4sHB", b":W&B", 0xBEE1, 0)
BLOCK = 32768


@dataclass
class Logged:
    """What a log says of its run; keys within keys are joined by dots."""

    run: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: list[Any] = field(default_factory=list)
    artifacts: list[Any] = field(default_factory=list)
    exit_code: int | None = None

    def points(self, name: str) -> list[tuple[Any, Any]]:
        """Return the epochs and values of a curve."""
        return [(row.get("epoch"), row[name]) for row in self.history if name in row]


def records(file: Path) -> Iterator[pb.Record]:
    """Yield the records of a log."""
    content = file.read_bytes()
    assert content[:7] == HEADER
    position, parts = 7, b""
    while position < len(content):
        if BLOCK - position % BLOCK < 7:
            position += BLOCK - position % BLOCK
            continue
        if position + 7 > len(content):
            return
        _, length, kind = struct.unpack_from("<IHB", content, position)
        if position + 7 + length > len(content):
            return
        parts += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):
            yield pb.Record.FromString(parts)
            parts = b""


def write(file: Path, content: Iterable[pb.Record]) -> None:
    """Write a log of records."""
    out = bytearray(HEADER)
    for record in content:
        data, first = record.SerializeToString(), True
        while data or first:
            left = BLOCK - len(out) % BLOCK
            if left < 7:
                out += bytes(left)
                continue
            part, data = data[: left - 7], data[left - 7 :]
            kind = 1 if first and not data else 2 if first else 3 if data else 4
            out += struct.pack("<IHB", zlib.crc32(bytes([kind]) + part), len(part), kind) + part
            first = False
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(out)


def wait_for_end(file: Path, deadline: float = 120) -> Path:
    """Wait until a log has its last record: W&B's process writes on after the run has ended, and return the log."""
    end = time.monotonic() + deadline
    while not any(record.WhichOneof("record_type") == "exit" for record in records(file)):
        assert time.monotonic() < end, f"{file} has no end"
        time.sleep(0.05)
    return file


def read(file: Path) -> Logged:
    """Read the log of a run that has ended."""
    logged = Logged()
    wait_for_end(file)
    for record in records(file):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            logged.run = record.run
            logged.config |= _items(record.run.config.update)
        elif kind == "config":
            logged.config |= _items(record.config.update)
        elif kind == "history":
            logged.history.append(_items(record.history.item))
        elif kind == "summary":
            logged.summary |= _items(record.summary.update)
        elif kind == "metric":
            logged.metrics.append(record.metric)
        elif kind == "artifact":
            logged.artifacts.append(record.artifact)
        elif kind == "exit":
            logged.exit_code = record.exit.exit_code
    return logged


def _items(items: Any) -> dict[str, Any]:
    return {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}


def copy_as(log: Path, run_id: str, folder: Path) -> Path:
    """Write a log again as that of another run, into a run directory's ``wandb``; return its path."""
    copied = folder / "wandb" / f"offline-run-20261121_120000-{run_id}" / f"run-{run_id}.wandb"
    changed = []
    for record in records(log):
        if record.WhichOneof("record_type") == "run":
            record.run.run_id = run_id
        if record.HasField("_info"):
            record._info.stream_id = run_id
        changed.append(record)
    write(copied, changed)
    return copied
