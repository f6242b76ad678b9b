"""What goes wrong while a corpus is prepared: full disks, lost pictures, too many of them."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from toy_corpus import COUNT, RESIZE, Toy, contents, damage, partial

import fau.crops.prepare
from fau.corpora.losses import Losses
from fau.crops.prepare import prepare
from fau.crops.store import CropSet, check
from fau.crops.writer import ArrayFile
from fau.errors import FauError


def test_a_full_disk(root: Path, tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    append, out = ArrayFile.append, tmp_path / "out"

    def full(self: ArrayFile, rows: Any) -> None:
        append(self, rows)
        if self.count == 7:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ArrayFile, "append", full)
        with pytest.raises(FauError, match=r"out' failed: No space left on device; free some space or choose another"):
            prepare(Toy(root), out, RESIZE, 0)
    assert not out.exists() and not list(partial(out).rglob("*.npy*"))
    prepare(Toy(root), out, RESIZE, 0)
    assert contents(out) == whole


def test_a_full_disk_at_the_end(
    root: Path, tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Losses, "write", full)
        with pytest.raises(FauError, match="No space left on device; free some space or choose another disk; the same"):
            prepare(Toy(root), tmp_path / "out", RESIZE, 0)
    assert not (tmp_path / "out").exists()
    prepare(Toy(root), tmp_path / "out", RESIZE, 0)
    assert contents(tmp_path / "out") == whole


@pytest.mark.parametrize(("limit", "workers"), [(10, 0), (3000, 0), (10_000, 0), (20_000, 1)])
def test_files_that_may_not_grow(root: Path, tmp_path: Path, whole: dict[str, bytes], limit: int, workers: int) -> None:
    """A real limit on the size of files, which workers inherit, met by the listing's rows, or by shards."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = tmp_path / "out"
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(FauError, match=r"File too large.*; free some space or choose another disk; the same com"):
            prepare(Toy(root), out, RESIZE, workers)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not out.exists()
    prepare(Toy(root), out, RESIZE, 0)
    assert contents(out) == whole


def test_a_picture_that_may_not_be_read(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes

    def deny(self: Path) -> bytes:
        if self.name == "004.png":
            raise PermissionError(errno.EACCES, "Permission denied")
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", deny)
    with pytest.raises(FauError, match=r"S1/A/004.png' cannot be read: Permission denied"):
        prepare(Toy(root), tmp_path / "out", RESIZE, 0)


def test_lost_pictures_are_counted_by_cause(root: Path, tmp_path: Path) -> None:
    (root / "S1/A/000.png").unlink()
    damage(root / "S1/B/001.png")
    (root / "S2/A/002.png").write_bytes(b"")
    (root / "S2/A/003.png").write_text("no picture at all")
    report = prepare(Toy(root), tmp_path / "out", RESIZE, 0)
    assert (report.crops, report.rows) == (COUNT - 4, COUNT)
    assert report.lost == {"image without label": 1, "label without image": 1, "unreadable image": 3}
    assert report.lost_share == pytest.approx(4 / 60, abs=1e-6) and report.expected == ["image without label"]
    losses = pl.read_csv(tmp_path / "out" / "losses.csv")
    assert losses["id"].to_list() == ["S0/A/000", "S1/A/000", "S1/B/001", "S2/A/002", "S2/A/003"]
    assert check(tmp_path / "out") == []


def test_too_many_lost(root: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    damage(root / "S1/A/000.png")
    out = tmp_path / "out"
    sentence = (
        r"^1 of 60 rows \(1.7 %\) are lost \(unreadable image 1\), more than --max-lost 0.01 allows; "
        rf"'{partial(out)}/losses.csv' lists them"
    )
    with pytest.raises(FauError, match=sentence):
        prepare(Toy(root), out, replace(RESIZE, max_lost=0.01), 0)
    assert not out.exists() and "unreadable image,S1/A/000" in (partial(out) / "losses.csv").read_text()
    said: list[str] = []
    prepare(Toy(root), out, RESIZE, 0, said.append)
    assert "going on: 3 of 3 parts are done" in said and len(CropSet.open(out)) == COUNT - 1


def test_too_many_lost_before_any_work(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Toy.list

    def lossy(self: Toy) -> Any:
        listing = listed(self)
        listing.losses.add("label without image", [str(i) for i in range(60)])
        return listing

    monkeypatch.setattr(Toy, "list", lossy)
    monkeypatch.setattr(fau.crops.prepare, "run", None)
    with pytest.raises(FauError, match=r"^60 of 120 rows \(50.0 %\) are lost \(label without image 60\)"):
        prepare(Toy(root), tmp_path / "out", RESIZE, 0)
    assert sorted(file.name for file in partial(tmp_path / "out").iterdir()) == ["lock", "losses.csv"]
    monkeypatch.undo()
    prepare(Toy(root), tmp_path / "out", RESIZE, 0)


def test_a_shard_of_which_nothing_is_left(root: Path, tmp_path: Path) -> None:
    for file in (root / "S2").rglob("*.png"):
        file.unlink()
    prepare(Toy(root), tmp_path / "out", replace(RESIZE, max_lost=0.5), 0)
    assert check(tmp_path / "out") == []
    assert CropSet.open(tmp_path / "out").manifest["shard"].unique().to_list() == [0, 1]


def test_nothing_is_left(root: Path, tmp_path: Path) -> None:
    for file in root.rglob("*.png"):
        file.unlink()
    with pytest.raises(FauError, match=r"not one crop is left; '.*losses.csv' lists why"):
        prepare(Toy(root), tmp_path / "out", replace(RESIZE, max_lost=1.0), 0)
    assert (partial(tmp_path / "out") / "losses.csv").exists()
