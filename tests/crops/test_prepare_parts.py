"""The parts of prepare: how rows are cut into jobs, what is a duplicate, how workers report."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pool_work import fail, work, work_until_seen

import fau.crops.jobs
from fau.crops.duplicates import difference_hash, groups
from fau.crops.jobs import cut, sequence_starts
from fau.crops.pool import map_in_order
from fau.crops.space import free_bytes, needed_bytes, spell
from fau.crops.writer import ArrayFile, shard_limit

# A run of rows: subject, sequence (None for single images), video or not, how many.
RUNS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["a", "b", None]), st.booleans(), st.integers(1, 40)), max_size=12
)


def rows_of(runs: list[tuple[int, str | None, bool, int]]) -> pl.DataFrame:
    rows = [
        {"subject": f"S{subject}", "sequence": sequence, "path": f"S{subject}.avi" if video else f"{run}-{i}.png"}
        for run, (subject, sequence, video, count) in enumerate(runs)
        for i in range(count)
    ]
    return pl.DataFrame(rows, schema={"subject": pl.String, "sequence": pl.String, "path": pl.String})


@settings(deadline=None, max_examples=40)
@given(runs=RUNS, limit=st.integers(1, 30), smallest=st.integers(1, 50))
def test_jobs_cover_all_rows_once_and_split_no_sequence(
    runs: list[tuple[int, str | None, bool, int]], limit: int, smallest: int
) -> None:
    rows = rows_of(runs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fau.crops.jobs, "_SMALLEST", smallest)
        jobs = cut(rows, limit)
    assert [job.start for job in jobs] == [0, *(job.stop for job in jobs[:-1])][: len(jobs)]
    assert (jobs[-1].stop if jobs else 0) == len(rows)
    assert [job.number for job in jobs] == list(range(len(jobs)))
    shard = 0
    starts = set(sequence_starts(rows).tolist())
    for job in jobs:
        assert job.first_shard == shard and job.start < job.stop and job.start in starts
        shard += job.shards
        inner = [start for start in starts if job.start < start < job.stop]
        assert (
            job.stop - job.start <= min(limit, max(smallest, -(-len(rows) // 64))) or not inner
        )  # only one sequence may be longer
    for a, b in pairwise(jobs):
        before, after = rows.row(a.stop - 1, named=True), rows.row(b.start, named=True)
        same = ("subject", "sequence") if before["sequence"] is not None else ("path",)
        assert any(before[key] != after[key] for key in same)
        assert not before["path"].endswith(".avi") or before["path"] != after["path"]


def test_a_long_video_has_several_shards() -> None:
    (job,) = cut(rows_of([(0, "a", True, 10)]), 4)
    assert (job.start, job.stop, job.first_shard, job.shards, job.shard_rows) == (0, 10, 0, 3, 4)


def test_sequences_of_one_name_are_of_different_subjects() -> None:
    assert sequence_starts(rows_of([(0, "a", False, 3), (1, "a", False, 2)])).tolist() == [0, 3]


def test_two_sequences_of_one_video_stay_together() -> None:
    assert sequence_starts(rows_of([(0, "a", True, 3), (0, "b", True, 2)])).tolist() == [0]


def test_shards_are_bounded() -> None:
    assert (shard_limit(112), shard_limit(224), shard_limit(10_000)) == (4096, 1783, 1)


# Duplicates.


def face(seed: int, size: int = 64) -> np.ndarray:
    return cv2.resize(np.random.default_rng(seed).integers(0, 255, (6, 6, 3)).astype(np.uint8), (size, size))


def test_a_copy_has_the_same_hash_and_another_picture_has_not() -> None:
    copy = cv2.resize(face(0), (32, 32), interpolation=cv2.INTER_AREA)
    assert difference_hash(np.asarray(copy, np.uint8)) == difference_hash(face(0))
    assert len({difference_hash(face(seed)) for seed in range(20)}) == 20


def test_the_hash_says_where_it_gets_brighter() -> None:
    ramp = np.repeat(np.repeat(np.arange(0, 252, 7, dtype=np.uint8)[None, :, None], 36, 0), 3, 2)
    assert difference_hash(ramp) == 2**64 - 1
    assert difference_hash(np.ascontiguousarray(ramp[:, ::-1])) == 0


def test_groups() -> None:
    rows = pl.DataFrame(
        {"id": ["a", "b", "c", "d", "e"], "subject": [None, "S1", None, "S1", None], "path": list("pqrst")}
    ).with_columns(position=pl.lit(None, pl.Int32))
    look = pl.Series([7, 7, 8, None, 7], dtype=pl.UInt64)
    assert groups(rows, look).to_list() == ["a", "S1", "c", "S1", "a"]


def test_near_copies_chain_and_look_alike_hashes_do_not() -> None:
    """a, b and c show one face, their hashes two bits apart each; d shows another whose hash is near by chance."""
    rows = pl.DataFrame({"id": list("abcd"), "subject": [None] * 4, "path": list("pqrs")}).with_columns(
        subject=pl.lit(None, pl.String), position=pl.lit(None, pl.Int32)
    )
    look = pl.Series([0b0000, 0b0011, 0b1111, 0b0001], dtype=pl.UInt64)
    pictures = [face(0), cv2.add(face(0), (2, 2, 2, 0)), face(0), face(1)]
    assert groups(rows, look, lambda row: pictures[row]).to_list() == ["a", "a", "a", "d"]
    assert groups(rows, look).to_list() == list("abcd")


def test_faces_of_a_picture_and_of_its_copy_are_one_group() -> None:
    rows = pl.DataFrame(
        {
            "id": ["a1", "a2", "b1", "c1", "v1", "v2"],
            "path": ["a", "a", "b", "c", "v", "v"],
            "position": [None] * 4 + [0, 9],
        },
        schema_overrides={"position": pl.Int32},
    ).with_columns(subject=pl.lit(None, pl.String))
    look = pl.Series([1, 2, 2, 3, 4, 5], dtype=pl.UInt64)  # the second face of a is b's
    assert groups(rows, look).to_list() == ["a1", "a1", "a1", "c1", "v1", "v2"]


# Disk.


def test_what_is_needed_is_what_is_written(tmp_path: Path) -> None:
    assert needed_bytes(1000, 112, "68") > 1000 * (3 * 112 * 112 + 68 * 8)
    assert free_bytes(tmp_path / "not" / "there") == pytest.approx(free_bytes(tmp_path), rel=0.5)
    assert [spell(n) for n in (999, 2_500_000, 98_700_000_000, 3e12)] == ["1.0 kB", "2.5 MB", "98.7 GB", "3.0 TB"]


def test_an_array_file_is_what_numpy_writes(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 255, (130, 3, 2)).astype(np.uint8)
    file = ArrayFile(tmp_path / "a.npy", (3, 2), np.uint8)
    for start in range(0, 130, 40):
        file.append(rows[start : start + 40])
    assert not (tmp_path / "a.npy").exists()
    file.close(sync=True)
    np.save(tmp_path / "b.npy", rows)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert not list(tmp_path.glob("*.tmp"))


# Workers.


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_give_results_in_order(workers: int) -> None:
    seen: list[int] = []
    results = list(map_in_order(work, [90, 1, 5, 0], workers, 0, given="all", tick=seen.append))
    assert results == [(90, "all", False), (1, "all", False), (5, "all", False), (0, "all", False)]
    assert seen == sorted(seen) and seen[-1] <= 96
    assert workers or seen == [90, 91, 96, 96]


def test_workers_report_while_they_work(tmp_path: Path) -> None:
    file = tmp_path / "seen"

    def tick(done: int) -> None:
        if done == 5:
            file.touch()

    assert list(map_in_order(work_until_seen, [str(file), ""], 2, 0, tick=tick)) == [str(file), ""]


def test_a_failure_ends_the_others_at_once() -> None:
    start = time.monotonic()
    with pytest.raises(OSError, match="Input/output error"):
        list(map_in_order(fail, [0, 1], 2, 0, tick=lambda done: None))
    assert time.monotonic() - start < 300  # the other would work for ten minutes


def test_no_items() -> None:
    assert list(map_in_order(work, [], 2)) == []
