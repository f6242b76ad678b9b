"""The folder of an unfinished crop set: what is to be done, and what is done already.

    .OUT.partial/
      plan.json            what decides the result; another plan is refused
      rows.parquet         the listing's rows
      jobs/00012.parquet   one row a row of the job: where its crop is, or why there is none
      jobs/00012.json      shards and counts of the job; written last, so that it says: done
      cropset/             the shards, later the whole crop set; takes the name OUT at the end
      losses.csv           what is lost, once all jobs are done

Each file is written whole or not at all, so that a kill at any moment loses no more than the jobs under way.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock, Timeout

from fau.crops.jobs import Job
from fau.crops.writer import polars_writes
from fau.errors import FauError


@dataclass(frozen=True)
class Done:
    """What a job has left.

    Attributes:
        shards: Entries for cropset.json, without those in which nothing was kept.
        faces: How many rows had no face, several, a tiny or a cut one.
    """

    shards: list[dict[str, Any]]
    faces: dict[str, int]


class Unfinished:
    """The folder in which a crop set is being made.

    Args:
        out: The crop set's folder-to-be, beside which this folder lies.
    """

    def __init__(self, out: Path) -> None:
        self.path = out.parent / f".{out.name}.partial"
        self.cropset = self.path / "cropset"
        self.rows = self.path / "rows.parquet"
        self.losses = self.path / "losses.csv"
        self._plan = self.path / "plan.json"
        self._jobs = self.path / "jobs"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the folder for this process; its parents are made.

        Raises:
            FauError: If another process has it, or it cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / "lock", timeout=0)
            lock.acquire()
        except Timeout:
            raise FauError(f"another process is at work in '{self.path}'; wait until it is done") from None
        except OSError as error:
            raise FauError(f"cannot write to '{self.path.parent}': {error.strerror}; name another folder") from error
        try:
            yield
        finally:
            lock.release()
            if not self._plan.exists() and not self.losses.exists():
                self.remove()

    def is_begun(self, plan: Mapping[str, Any]) -> bool:
        """Tell whether this was begun before.

        Raises:
            FauError: If something else was begun.
        """
        if not self._plan.exists():
            return False
        before, now = _read(self._plan), json.loads(json.dumps(plan))
        if before != now:
            found = _differences("", before, now) if isinstance(before, dict) else ["its plan.json is unreadable"]
            if not found:
                raise FauError(
                    f"the corpus's files or labels changed since the crop set in '{self.path}' was begun; remove that "
                    "folder and start again"
                )
            more = f"; {len(found) - 2} more differ" if len(found) > 2 else ""
            raise FauError(
                f"'{self.path}' holds an unfinished crop set of another configuration "
                f"({', '.join(found[:2])}{more}); finish it with that, or remove the folder"
            )
        return True

    def begin(self, plan: Mapping[str, Any], rows: pl.DataFrame) -> None:
        """Write down what is to be done."""
        shutil.rmtree(self._jobs, ignore_errors=True)
        shutil.rmtree(self.cropset, ignore_errors=True)
        with polars_writes(self.rows):
            rows.write_parquet(self.rows, row_group_size=2**15)
        write_whole(self._plan, json.dumps(plan, indent=1).encode())

    def tidy(self) -> None:
        """Make the folders, and remove what a killed process was writing."""
        for folder in (self._jobs, self.cropset):
            folder.mkdir(exist_ok=True)
            for file in folder.glob("*.tmp"):
                file.unlink(missing_ok=True)

    def remove_leftover(self) -> None:
        """Remove the folder if its crop set is finished, which a kill can leave so."""
        if self._plan.exists() and not self.cropset.exists():
            self.remove()

    def read_rows(self, job: Job) -> pl.DataFrame:
        """Return the rows of a job."""
        return pl.scan_parquet(self.rows).slice(job.start, job.stop - job.start).collect()

    def finish(self, job: Job, outcome: pl.DataFrame, done: Done) -> None:
        """Note that a job is done; its shards are in place."""
        table = BytesIO()
        outcome.write_parquet(table)
        content = json.dumps({"shards": done.shards, "faces": done.faces})
        for file, data in ((self._outcome(job), table.getvalue()), (self._done(job), content.encode())):
            write_whole(file, data, sync=False)  # after a power cut either of them may be empty: see is_done

    def is_done(self, job: Job) -> bool:
        """Tell whether a job is done and its shards are whole."""
        content = _read(self._done(job))
        try:
            rows = len(self.outcome(job))
        except (OSError, pl.exceptions.PolarsError):
            return False
        return (
            content is not None
            and rows == job.stop - job.start
            and all(
                _size(self.cropset / shard[kind]) == shard[f"{kind}_bytes"]
                for shard in content["shards"]
                for kind in ("crops", "landmarks")
            )
        )

    def done(self, job: Job) -> Done:
        """Return what a job has left.

        Raises:
            FauError: If it cannot be read.
        """
        content = _read(self._done(job))
        if content is None:
            raise FauError(f"'{self._done(job)}' cannot be read; remove '{self.path}' and start again")
        return Done(content["shards"], content["faces"])

    def outcome(self, job: Job) -> pl.DataFrame:
        """Return where the crops of a job are, one row a row of the job."""
        return pl.read_parquet(self._outcome(job))

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _outcome(self, job: Job) -> Path:
        return self._jobs / f"{job.number:05d}.parquet"

    def _done(self, job: Job) -> Path:
        return self._jobs / f"{job.number:05d}.json"


def hash_rows(rows: pl.DataFrame) -> str:
    """Hash rows by what they say, in pieces, so that millions fit."""
    digest = sha256()
    for part in rows.iter_slices(100_000):
        digest.update(part.write_csv().encode())
    return digest.hexdigest()[:16]


def write_whole(file: Path, content: bytes, sync: bool = True) -> None:
    """Write a file whole or not at all.

    Args:
        file: Where.
        content: What.
        sync: Whether that should hold for a power cut, too, and not for a kill alone.
    """
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        stream.write(content)
        if sync:
            stream.flush()
            os.fsync(stream.fileno())
    temporary.replace(file)


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.exists() else None


# Of a plan: what says nothing to people, or follows from the rest.
_UNSAID = {"rows", "jobs", "template"}


def _differences(key: str, before: object, now: object) -> list[str]:
    """Say what differs: ``recipe.alignment.size was 112, is 64``; nothing where that is the corpus itself."""
    if isinstance(before, dict) and isinstance(now, dict):
        inner = [name for name in {**before, **now} if before.get(name) != now.get(name) and name not in _UNSAID]
        found = [_differences(f"{key}.{name}" if key else name, before.get(name), now.get(name)) for name in inner]
        return list(itertools.chain.from_iterable(found))
    return [f"{key} was {json.dumps(before)}, is {json.dumps(now)}"]
