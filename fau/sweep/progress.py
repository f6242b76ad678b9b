"""Where each trial of a sweep stands, as its run directory tells it."""

from __future__ import annotations

import csv
import math
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any, Literal

from fau.atomic import read_json
from fau.sweep.spec import Trial

State = Literal["waiting", "running", "done", "failed", "interrupted"]
_MONITOR = "val/f1_macro"  # what chooses the checkpoint where the record does not say
# What the metric is called that chooses the checkpoint; another goes by its own name.
TITLES = {"f1_macro": "F1", "ccc_mean": "CCC", "mtl_score": "score"}
# ECMA-48: colours and the cursor, titles of windows, the rest.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)")
_LONGEST = 400  # characters of a line of a log that are shown


@dataclass
class Progress:
    """A trial and what has become of it.

    Attributes:
        trial: The trial.
        key: Its key in the state of the sweep.
        log: What it prints.
        state: Where it stands.
        found: Whether it was done before this call.
        attempts: How often this call started it.
        started: When it was last started, in the time of ``time.monotonic``.
        seconds: How long it took, of earlier calls too.
        run_dir: Its run directory, once it has one.
        epoch: Epochs ended.
        epochs: Epochs to train, 0 while unknown.
        monitor: Metric that chooses the checkpoint, as the record of the run names it.
        score: Best of it on the validation part.
        test_score: The same metric on the test fold, once done.
        reason: Why it failed.
        note: What it last printed, while it has no run directory: that a corpus is being drawn, for one.
    """

    trial: Trial
    key: str
    log: Path
    state: State = "waiting"
    found: bool = False
    attempts: int = 0
    started: float = 0.0
    seconds: float = 0.0
    run_dir: Path | None = None
    epoch: int = 0
    epochs: int = 0
    monitor: str = _MONITOR
    score: float | None = None
    test_score: float | None = None
    reason: str = ""
    note: str = ""
    _first_epoch: int | None = field(default=None, repr=False)
    _read: tuple[int, ...] = field(default=(), repr=False)  # which version of metrics.csv was read last

    @property
    def score_title(self) -> str:
        """What the score is called, such as ``F1``."""
        metric = self.monitor.rpartition("/")[2]
        return TITLES.get(metric, metric)

    def begin(self) -> None:
        """Note that an attempt starts."""
        self.state = "running"
        self.attempts += 1
        self.started = time.monotonic()
        self._first_epoch, self._read = None, ()

    @property
    def elapsed(self) -> float:
        """Seconds of the running attempt, or of the whole trial."""
        return time.monotonic() - self.started if self.state == "running" else self.seconds

    def refresh(self, record_file: Path) -> None:
        """Read how far a running trial is."""
        named = read_json(record_file).get("run_dir")
        if not named:
            last = tail(self.log)
            self.note = "" if last.startswith("#") else last
            return
        self.note = ""
        self.run_dir = Path(named)
        if not self.epochs:
            record = read_json(self.run_dir / "run.json")
            self.epochs, self.monitor = _epochs(record), _monitor(record)
        self._read_epochs()
        if self._first_epoch is None:
            self._first_epoch = self.epoch

    def finish(self, run_dir: Path) -> None:
        """Take the figures of a finished run."""
        self.state, self.run_dir = "done", run_dir
        record = read_json(run_dir / "run.json")
        self.seconds = _number(record, "wall_s") or self.seconds
        self.monitor = _monitor(record)
        metrics = record.get("metrics")
        self.score = _number(metrics, self.monitor)
        self.test_score = _number(metrics, f"test/{self.monitor.partition('/')[2]}")
        self._read_epochs()

    def _read_epochs(self) -> None:
        if self.run_dir is None:
            return
        try:
            with (self.run_dir / "metrics.csv").open(encoding="utf-8", newline="") as stream:
                stat = os.fstat(stream.fileno())
                version = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
                if version == self._read:  # asked several times a second, and an epoch may take an hour
                    return
                rows = list(csv.DictReader(stream))
            scores = [float(row[self.monitor]) for row in rows if row.get(self.monitor)]
        except (OSError, ValueError, csv.Error):  # a damaged file is the trial's to complain of
            return
        self._read = version
        self.epoch = len(rows)
        if scores and self.state == "running":
            self.score = max(scores)

    @property
    def time_left(self) -> float | None:
        """Estimate of the seconds that a running trial still needs; None before an epoch of this attempt has ended."""
        if self._first_epoch is None or self.epoch <= self._first_epoch or not self.epochs:
            return None
        return self.elapsed / (self.epoch - self._first_epoch) * (self.epochs - self.epoch)


def _number(content: Any, key: str) -> float | None:
    """Return a number of a record; None where it or the record is something else, which the report says."""
    value = content.get(key) if isinstance(content, dict) else None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _epochs(record: dict[str, Any]) -> int:
    config = record.get("config")
    trainer = config.get("trainer") if isinstance(config, dict) else None
    value = trainer.get("max_epochs") if isinstance(trainer, dict) else None
    return value if isinstance(value, int) and value > 0 else 0


def _monitor(record: dict[str, Any]) -> str:
    value = record.get("monitor")
    return value if isinstance(value, str) and "/" in value else _MONITOR


def time_left(trials: Sequence[Progress], jobs: int) -> float | None:
    """Estimate the seconds until the sweep ends; None while nothing is known.

    A trial is expected to take what the others of its row took, or else what all took on average.
    """
    done = [p for p in trials if p.state == "done" and p.seconds > 0]
    running = [p for p in trials if p.state == "running"]
    known = [p.seconds for p in done] + [p.elapsed + left for p in running if (left := p.time_left) is not None]
    waiting = [p for p in trials if p.state == "waiting"]
    if not known or not (waiting or running):
        return None
    by_row: dict[str, list[float]] = {}
    for p in done:
        by_row.setdefault(p.trial.row, []).append(p.seconds)

    def expected(p: Progress) -> float:
        return mean(by_row.get(p.trial.row) or known)

    ends = []
    for p in running:
        own = p.time_left
        ends.append(own if own is not None else max(0.0, expected(p) - p.elapsed))
    total = sum(ends) + sum(expected(p) for p in waiting)
    return max([total / jobs, *ends]) or None


def count(trials: Sequence[Progress], state: State) -> int:
    """Return how many trials are in a state."""
    return sum(p.state == state for p in trials)


def tail(log: Path) -> str:
    """Return the last line of a log that holds anything, fit to be shown; empty without one."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 4096))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    lines = _ESCAPES.sub("", text).replace("\r", "\n").splitlines()
    kept = [shown for line in lines if (shown := "".join(filter(str.isprintable, line)).strip())]
    last = kept[-1] if kept else ""
    return last if len(last) <= _LONGEST else f"{last[:_LONGEST]} …"
