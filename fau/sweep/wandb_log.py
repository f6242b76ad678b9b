"""Whether the log of an offline W&B run can be sent: one that cannot would stop the sending of all others.

W&B's client writes records in the framing of LevelDB's logs: blocks of 32 KiB hold chunks of a checksum (CRC-32), a
length and a type, four, two and one byte before their content. Read in wandb 0.31.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from fau.errors import FauError

_HEADER = struct.pack("<4sHB", b":W&B", 0xBEE1, 0)
_CHUNK = struct.Struct("<IHB")
_BLOCK = 32768
_KINDS = (1, 2, 3, 4)  # a whole record, or the first, a middle or the last part of one
_ENDS = (1, 4)
_EMPTY = "it holds nothing: the run ended before it began"


def whole_length(file: Path) -> int:
    """Read a log from end to end.

    Returns:
        How many of its bytes hold whole records: fewer than it has where a kill or a full disk cut the last one short.

    Raises:
        FauError: If it holds no record, or is damaged.
        OSError: If it cannot be read.
    """
    content = file.read_bytes()
    if content[: len(_HEADER)] != _HEADER:
        if _HEADER.startswith(content):
            raise FauError(_EMPTY)
        raise FauError("it is no log of W&B's, or of another version")
    position, whole = len(_HEADER), 0
    while position < len(content):
        left = _BLOCK - position % _BLOCK
        if left < _CHUNK.size:  # too little for a chunk: filled with zeros
            position += left
            continue
        start = position + _CHUNK.size
        if start > len(content):
            break
        checksum, length, kind = _CHUNK.unpack_from(content, position)
        if start + length > len(content):
            break
        if kind not in _KINDS or zlib.crc32(content[start - 1 : start + length]) != checksum:
            raise FauError(f"it is damaged at byte {position}")
        position = start + length
        if kind in _ENDS:
            whole = position
    if not whole:
        raise FauError(_EMPTY)
    return whole
