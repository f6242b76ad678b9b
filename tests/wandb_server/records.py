"""What the server has been told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Run:
    """A W&B run.

    Attributes:
        id: Its id, which W&B's protocol calls the name.
        upserts: How often a client said that it begins or changes.
        raw_config: As sent: each value within ``{"value": ...}``, W&B's own entries under ``_wandb``.
        lines: Lines of each streamed file by their offset.
        files: Content of each uploaded file by its name.
        exit_code: As its client reported it; None until then.
    """

    id: str
    entity: str
    project: str
    name: str | None = None
    group: str | None = None
    job_type: str | None = None
    tags: list[str] = field(default_factory=list)
    sweep: str | None = None
    upserts: int = 0
    raw_config: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, dict[int, str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    exit_code: int | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The configuration, without what W&B adds for itself."""
        return {key: entry["value"] for key, entry in self.raw_config.items() if key != "_wandb"}

    @property
    def history(self) -> list[dict[str, Any]]:
        """The rows that were logged, in order."""
        return self._rows("wandb-history.jsonl")

    @property
    def summary(self) -> dict[str, Any]:
        """The last summary."""
        rows = self._rows("wandb-summary.json")
        return rows[-1] if rows else {}

    @property
    def state(self) -> str:
        """``running``, ``finished`` or ``failed``."""
        return "running" if self.exit_code is None else "failed" if self.exit_code else "finished"

    def line_count(self, file: str) -> int:
        """Return how many lines of a streamed file arrived."""
        return len(self.lines.get(file, {}))

    def _rows(self, file: str) -> list[dict[str, Any]]:
        return [json.loads(line) for _, line in sorted(self.lines.get(file, {}).items())]


@dataclass
class Sweep:
    """A sweep, and what is left to hand out.

    Attributes:
        points: Yields the values of further runs; a grid ends, a search goes on.
        runs: Values of the runs handed out, by run id.
        again: Run ids to hand out once more before any other.
        agents: Ids of its agents.
    """

    id: str
    entity: str
    project: str
    config: dict[str, Any]
    points: Iterator[dict[str, Any]]
    state: str = "RUNNING"
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)


@dataclass
class Artifact:
    """An artifact: its files by name, once its manifest has come."""

    id: str
    type: str
    name: str
    run: str | None
    state: str = "PENDING"
    aliases: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)


@dataclass
class Report:
    """A report ("view"); saving it again under its id changes it in place.

    Attributes:
        saves: How often it was saved.
        spec: What it shows.
    """

    id: str
    entity: str
    project: str
    name: str
    title: str
    description: str
    type: str
    spec: dict[str, Any]
    saves: int = 1
