"""The crop set: a round trip, and one clear sentence for each way in which it can be wrong."""

from __future__ import annotations

import errno
import json
import pickle
import resource
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fau.crops.manifest import manifest_faults, manifest_schema
from fau.crops.store import CropSet, CropSetInfo, CropSetWriter, check
from fau.errors import FauError

AUS = (1, 12)
SIZE = 8


def info(**changes: Any) -> CropSetInfo:
    settings_ = {
        "corpus": "test",
        "name": "test",
        "recipe": {"version": 1},
        "size": SIZE,
        "aus": AUS,
        "landmark_set": "49",
    }
    return CropSetInfo(**(settings_ | changes))


def row(i: int, **changes: Any) -> dict[str, Any]:
    subject = f"S{i // 4:03d}"
    values: dict[str, Any] = {
        "id": f"{subject}/T1/{i:03d}",
        "group": subject,
        "subject": subject,
        "sequence": f"{subject}/T1",
    }
    values |= {"frame": i, "au01": i % 2, "au01_int": float(i % 6), "au12": None, "expression": "fear", "valence": -0.5}
    return values | changes


def pixels(count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    crops = rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    landmarks = rng.uniform(0, SIZE, (count, 49, 2)).astype(np.float32)
    landmarks[::3] = np.nan
    return crops, landmarks


def write(out: Path, rows: list[dict[str, Any]], shard_size: int = 4, **changes: Any) -> Path:
    crops, landmarks = pixels(len(rows))
    with CropSetWriter(out, info(**changes), shard_size) as writer:
        for start in range(0, len(rows), 3):  # batches that do not divide a shard
            part = slice(start, start + 3)
            writer.append(crops[part], landmarks[part], rows[part])
    return out


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "set", [row(i) for i in range(10)])


def test_round_trip(path: Path) -> None:
    cropset = CropSet.open(path)
    crops, landmarks = pixels(10)
    assert len(cropset) == 10 and cropset.size == SIZE and cropset.info == info()
    assert sorted(file.name for file in path.glob("crops-*")) == [f"crops-0000{i}.npy" for i in range(3)]
    order = np.array([9, 0, 4, 4, 3])
    np.testing.assert_array_equal(cropset.crops(order), crops[order])
    np.testing.assert_array_equal(cropset.landmarks(order), landmarks[order])
    np.testing.assert_array_equal(cropset.crop(7), crops[7])
    assert cropset.manifest.schema == pl.Schema(manifest_schema(AUS))
    assert cropset.manifest["au12"].null_count() == 10
    assert cropset.manifest["shard"].to_list() == [0] * 4 + [1] * 4 + [2] * 2
    assert check(path) == []


def test_nothing_but_the_crop_set_is_left(path: Path) -> None:
    assert [entry.name for entry in path.parent.iterdir()] == ["set"]


def test_workers_open_their_own_memory_maps(path: Path) -> None:
    cropset = CropSet.open(path)
    cropset.crops([0, 9])
    sent = pickle.dumps(cropset)
    assert len(sent) < 100_000
    np.testing.assert_array_equal(pickle.loads(sent).crops([5]), cropset.crops([5]))


def test_crops_are_read_only(path: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        CropSet.open(path).crop(0)[0] = 0


def test_id_follows_recipe_and_rows_not_pixels(tmp_path: Path) -> None:
    rows = [row(i) for i in range(5)]
    one = CropSet.open(write(tmp_path / "one", rows))
    same = CropSet.open(write(tmp_path / "same", rows, shard_size=4))
    assert one.id == same.id
    assert CropSet.open(write(tmp_path / "recipe", rows, recipe={"version": 2})).id != one.id
    assert CropSet.open(write(tmp_path / "rows", [*rows[:4], row(4, au01=1)])).id != one.id


@pytest.mark.parametrize("shard_size", [1, 4, 5, 100])
def test_id_does_not_follow_the_shard_size(tmp_path: Path, shard_size: int) -> None:
    rows = [row(i) for i in range(5)]
    assert CropSet.open(write(tmp_path / "a", rows, shard_size)).id == CropSet.open(write(tmp_path / "b", rows, 2)).id


# What can be wrong with a folder.


def edit_json(path: Path, **changes: Any) -> None:
    file = path / "cropset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def truncate(path: Path) -> None:
    file = path / "crops-00001.npy"
    file.write_bytes(file.read_bytes()[:-100])


def rewrite_manifest(path: Path) -> None:
    manifest = pl.read_parquet(path / "manifest.parquet")
    manifest.with_columns(pl.lit(1).cast(pl.Int8).alias("au01")).write_parquet(path / "manifest.parquet")


DAMAGE = {
    "missing folder": (shutil.rmtree, r"crop set '.*set' does not exist; give the folder that holds its cropset\.json"),
    "no cropset.json": (lambda path: (path / "cropset.json").unlink(), r"'.*set' is not a crop set"),
    "broken cropset.json": (lambda path: (path / "cropset.json").write_text("{"), r"cropset\.json' cannot be read"),
    "cropset.json is a list": (lambda path: (path / "cropset.json").write_text("[]"), r"cropset\.json' cannot be read"),
    "cropset.json is not text": (lambda path: (path / "cropset.json").write_bytes(b"\xff\xfe"), r"cannot be read"),
    "unknown key": (lambda path: edit_json(path, colour="red"), r"cropset\.json' cannot be read"),
    "shards is no list": (lambda path: edit_json(path, shards=[{}]), r"cropset\.json' cannot be read"),
    "a folder too many": (lambda path: edit_json(path, info={}), r"cropset\.json' cannot be read"),
    "newer version": (
        lambda path: edit_json(path, format_version=3),
        r"format version 3, this fau reads up to 2; update fau",
    ),
    "truncated shard": (truncate, r"crops-00001\.npy has \d+ bytes instead of \d+; make it again"),
    "missing shard": (lambda path: (path / "landmarks-00000.npy").unlink(), r"landmarks-00000\.npy is missing"),
    "missing manifest": (lambda path: (path / "manifest.parquet").unlink(), r"manifest\.parquet is missing"),
    "changed manifest": (rewrite_manifest, r"manifest\.parquet does not match its hash"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_one_sentence(path: Path, case: str) -> None:
    harm, sentence = DAMAGE[case]
    harm(path)
    with pytest.raises(FauError, match=sentence) as caught:
        CropSet.open(path)
    assert "\n" not in str(caught.value)


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "set"
    file.write_text("")
    with pytest.raises(FauError, match="is not a crop set"):
        CropSet.open(file)


def flip_byte(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(("name", "what"), [("crops-00001.npy", "pixels"), ("landmarks-00002.npy", "landmarks")])
def test_check_finds_one_flipped_bit(path: Path, name: str, what: str) -> None:
    flip_byte(path / name, -5)
    CropSet.open(path)  # opening is cheap and does not read pixels
    assert check(path) == [f"{name} does not match its hash: {what} were changed"]


def test_check_finds_a_broken_array_header(path: Path) -> None:
    flip_byte(path / "crops-00000.npy", 1)
    (fault,) = check(path)
    assert "crops-00000.npy" in fault


def test_check_finds_another_size(path: Path) -> None:
    edit_json(path, info={**json.loads((path / "cropset.json").read_text())["info"], "size": 9})
    with pytest.raises(FauError, match=r"crops-00000\.npy holds uint8 \(4, 8, 8, 3\) instead of uint8 \(4, 9, 9, 3\)"):
        CropSet.open(path).crop(0)
    assert any("crops-00000.npy" in fault for fault in check(path))


def test_check_finds_a_foreign_id(path: Path) -> None:
    edit_json(path, id="0" * 16)
    assert check(path) == ["the id does not match recipe and rows"]


# Writing whole or not at all.


def test_an_existing_folder_is_left_alone(path: Path) -> None:
    with pytest.raises(FauError, match="exists already; choose another folder"):
        write(path, [row(0)])
    assert check(path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("x"), FauError("x")])
def test_an_exception_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    crops, landmarks = pixels(8)
    with pytest.raises(type(error)), CropSetWriter(tmp_path / "set", info(), 4) as writer:
        writer.append(crops, landmarks, [row(i) for i in range(8)])
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(FauError, match=r"set' failed: File too large; free some space or choose another disk$"):
            write(tmp_path / "set", [row(i) for i in range(10)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_at_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(FauError, match="set' failed: No space left on device"):
        write(tmp_path / "set", [row(i) for i in range(2)])
    assert list(tmp_path.iterdir()) == []


def test_no_rows(tmp_path: Path) -> None:
    with pytest.raises(FauError, match="has no rows"):
        write(tmp_path / "set", [])
    assert list(tmp_path.iterdir()) == []


def test_unwritable_parent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FauError, match="cannot write to"):
        write(tmp_path / "file" / "set", [row(0)])


def test_unknown_landmark_set(tmp_path: Path) -> None:
    with pytest.raises(FauError, match="landmark set '50' is unknown; choose one of none, 49, 68, 478"):
        write(tmp_path / "set", [row(0)], landmark_set="50")


def test_shapes_must_agree(tmp_path: Path) -> None:
    crops, landmarks = pixels(2)
    with pytest.raises(FauError, match="do not fit 1 rows of 8 px"), CropSetWriter(tmp_path / "set", info()) as writer:
        writer.append(crops, landmarks, [row(0)])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"au01": 2}, r"row 'S000/T1/000' has au01 = 2, outside 0\.\.1"),
        ({"au01": -1}, r"au01 = -1, outside"),
        ({"au01": 999}, r"au01"),
        ({"au01": 0.5}, r"au01"),
        ({"au12_int": 5.5}, r"au12_int = 5\.5, outside 0\.\.5"),
        ({"au12_int": float("nan")}, r"au12_int = nan"),
        ({"valence": 1.01}, r"valence = 1\.01"),
        ({"arousal": float("-inf")}, r"arousal = -inf"),
        ({"group": None}, r"1 rows? ha(s|ve) no group"),
        ({"id": None}, r"1 rows? ha(s|ve) no id"),
        ({"expression": "joy"}, r"row 'S000/T1/000' has the unknown expression 'joy'; known are neutral, anger"),
        ({"id": "S000/T1/001"}, r"id 'S000/T1/001' occurs twice"),
        ({"group": "G"}, r"subject 'S000' is in more than one group"),
        ({"frame": "first"}, r"frame"),
        ({"au09": 1}, r"unknown column 'au09'"),
        ({"yaw": float("nan")}, r"yaw = nan"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FauError, match=sentence) as caught:
        write(tmp_path / "set", [row(0, **changes), row(1)])
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


ROW = st.fixed_dictionaries(
    {
        "group": st.sampled_from(["A", "B", "C"]),
        "frame": optional(st.integers(-(2**31), 2**31 - 1)),
        "au01": optional(st.integers(0, 1)),
        "au12": optional(st.integers(0, 1)),
        "au01_int": optional(st.floats(0, 5, width=32)),
        "expression": optional(st.sampled_from(["neutral", "contempt"])),
        "valence": optional(st.floats(-1, 1, width=32)),
        "pitch": optional(st.floats(-180, 180, width=32)),
    }
)
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(rows=st.lists(ROW, min_size=1, max_size=12), shard_size=st.integers(1, 5))
def test_any_sound_manifest_survives(tmp_path: Path, rows: list[dict[str, Any]], shard_size: int) -> None:
    out = tmp_path / "set"
    rows = [values | {"id": str(i), "subject": values["group"]} for i, values in enumerate(rows)]
    write(out, rows, shard_size)
    try:
        cropset = CropSet.open(out)
        assert check(out) == []
        assert cropset.manifest.select(list(rows[0])).to_dicts() == rows
        np.testing.assert_array_equal(cropset.crops(range(len(rows))), pixels(len(rows))[0])
    finally:
        shutil.rmtree(out)


@QUICK
@given(
    column=st.sampled_from(["au01", "au12", "au01_int", "au12_int", "valence", "arousal"]),
    value=st.floats(width=32) | st.integers(-100, 100),
)
def test_out_of_range_labels_are_always_found(column: str, value: float) -> None:
    schema = manifest_schema(AUS)
    if schema[column] == pl.Int8:
        value = int(np.nan_to_num(np.clip(value, -100, 100)))
    low, high = {"au01": (0, 1), "au12": (0, 1), "valence": (-1, 1), "arousal": (-1, 1)}.get(column, (0, 5))
    manifest = pl.DataFrame([row(0, **{column: value})], schema=schema, orient="row")
    assert bool(manifest_faults(manifest, AUS)) == (not low <= value <= high)


def test_a_crop_set_without_landmarks(tmp_path: Path) -> None:
    with CropSetWriter(tmp_path / "set", info(landmark_set="none")) as writer:
        writer.append(pixels(3)[0], np.empty((3, 0, 2), np.float32), [row(i) for i in range(3)])
    cropset = CropSet.open(tmp_path / "set")
    assert cropset.landmarks([0, 2]).shape == (2, 0, 2)
    assert check(tmp_path / "set") == []
