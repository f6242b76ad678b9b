"""What a run directory keeps beside its record."""

import json
from pathlib import Path

import pytest

from fau.errors import FauError
from fau.runs import RunDirectory


@pytest.mark.parametrize("count", [3, 1000, 1001, 300_000])
def test_groups_are_read_as_they_were_kept(tmp_path: Path, count: int) -> None:
    run = RunDirectory(tmp_path)
    names = [f"image/{i:06d}.jpg" for i in range(count)]
    parts = {"train": names[: count // 2], "val": [], "test": names[count // 2 :], "holdout": []}
    run.write({"status": "running", **run.keep_groups(parts)})
    assert run.groups() == parts
    record = run.read()
    assert record["group_counts"] == {part: len(groups) for part, groups in parts.items()}
    assert ("groups" in record) == (count <= 1000)
    assert (tmp_path / "run.json").stat().st_size < 50_000


def test_records_of_before_are_read(tmp_path: Path) -> None:
    groups = {"train": [f"g{i}" for i in range(2000)], "val": [], "test": ["s"], "holdout": []}
    run = RunDirectory(tmp_path)
    run.write({"status": "running", "groups": groups})
    assert run.groups() == groups


@pytest.mark.parametrize("content", [None, b"", b"nothing", b"\x1f\x8b\x08\0"])
def test_lost_groups_are_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    run = RunDirectory(tmp_path)
    run.write({"status": "running", **run.keep_groups({"train": [str(i) for i in range(2000)]})})
    (tmp_path / "groups.json.gz").unlink()
    if content is not None:
        (tmp_path / "groups.json.gz").write_bytes(content)
    with pytest.raises(FauError, match=r"groups\.json\.gz' cannot be read .*train it again with --rerun$"):
        run.groups()


def test_groups_that_are_no_lists_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"format": 1, "status": "running", "groups": {"train": 7}}))
    with pytest.raises(FauError, match=r"run\.json' cannot be read"):
        RunDirectory(tmp_path).groups()
