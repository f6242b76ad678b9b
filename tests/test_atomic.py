"""Files are replaced whole, or stay what they were."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from fau.atomic import write_atomically


def test_a_file_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    for content in (b"one", b"", b"three"):
        write_atomically(file, content)
        assert file.read_bytes() == content
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    file = tmp_path / "a.json"
    write_atomically(file, b"before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(file, b"after")
    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]
