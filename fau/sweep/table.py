"""How a running sweep shows itself: a live table on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fau.sweep.progress import Progress, State, count, time_left
from fau.units import duration

_STYLES: dict[State, str] = {
    "waiting": "dim",
    "running": "bold",
    "done": "green",
    "failed": "bold red",
    "interrupted": "yellow",
}
# Lines of a terminal that the table leaves to its own frame, the summary and the prompt.
_FRAME_LINES = 7
_REFRESH = 0.5  # s between drawings
_HEARTBEAT = 60.0  # s between summaries where nothing is drawn


class LiveTable:
    """A table of the trials that is drawn anew in place; messages about failures stay above it.

    Args:
        console: A terminal.
        jobs: Trials side by side, for the time that is left.
    """

    def __init__(self, console: Console, jobs: int) -> None:
        self._console, self._jobs = console, jobs
        self._drawn = 0.0
        # No thread of rich's: drawing waits for the runner, which then has one thread.
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def update(self, trials: list[Progress]) -> None:
        """Draw the table, if the last drawing is old enough or all is over."""
        now = time.monotonic()
        if now - self._drawn > _REFRESH or not any(p.state in ("waiting", "running") for p in trials):
            self._drawn = now
            notes = [f"{p.trial.title}: {p.note}" for p in trials if p.state == "running" and p.note]
            rows = max(3, self._console.height - _FRAME_LINES - len(notes))
            below = Text("\n".join([*notes, summary(trials, self._jobs)]), no_wrap=True, overflow="ellipsis")
            self._live.update(Group(trial_table(trials, rows), below), refresh=True)

    def say(self, message: str) -> None:
        """Print what the table itself does not show."""
        if not message.endswith("started") and ": done in" not in message:
            self._live.console.print(message, markup=False, highlight=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


class Lines:
    """A line for each event, and one a minute on the whole.

    Args:
        console: Anything.
        jobs: Trials side by side, for the time that is left.
    """

    def __init__(self, console: Console, jobs: int) -> None:
        self._console, self._jobs = console, jobs
        self._last = time.monotonic()

    def update(self, trials: list[Progress]) -> None:
        """Print a summary once a minute."""
        if time.monotonic() - self._last > _HEARTBEAT:
            self.say(summary(trials, self._jobs))

    def say(self, message: str) -> None:
        """Print a line."""
        self._last = time.monotonic()
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def view(console: Console, jobs: int) -> LiveTable | Lines:
    """Choose how to show a sweep."""
    return LiveTable(console, jobs) if console.is_terminal and not console.is_dumb_terminal else Lines(console, jobs)


def summary(trials: Sequence[Progress], jobs: int) -> str:
    """Return where the sweep stands, in one line."""
    parts = [f"{count(trials, 'done')} of {len(trials)} done"]
    states: tuple[State, ...] = ("running", "failed", "interrupted")
    parts += [f"{number} {state}" for state in states if (number := count(trials, state))]
    left = time_left(trials, jobs)
    if left is not None:
        parts.append(f"about {duration(left)} left")
    return ", ".join(parts)


def trial_table(trials: Sequence[Progress], rows: int) -> Table:
    """Lay out the trials; where they do not fit, those that run, have failed or are next.

    Args:
        trials: In the order of the sweep.
        rows: Most rows to show.
    """
    replicates = any(p.trial.replicate for p in trials)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", justify="right", style="dim")
    table.add_column("row", overflow="ellipsis", no_wrap=True)
    if replicates:
        table.add_column("fold", no_wrap=True)
    table.add_column("state", no_wrap=True)
    scored = sorted({p.score_title for p in trials if p.score is not None})
    named = scored[0] if len(scored) == 1 else "score" if scored else "F1"
    for title in ("epoch", "time", f"val {named}", f"test {named}"):
        table.add_column(title, justify="right", no_wrap=True)
    for p in choose(trials, rows):
        cells = [str(p.trial.number), escape(p.trial.row)]
        if replicates:
            cells.append(p.trial.replicate.removeprefix("fold "))
        state = f"{p.state}, done before" if p.found and p.state == "done" else p.state
        if p.state == "running" and p.attempts > 1:
            state += f", attempt {p.attempts}"
        epoch = f"{p.epoch}/{p.epochs}" if p.epochs else str(p.epoch or "")
        elapsed = duration(p.elapsed) if p.elapsed else ""
        kind = f"{p.score_title} " if len(scored) > 1 else ""
        scores = [f"{kind}{value:.3f}" if value is not None else "" for value in (p.score, p.test_score)]
        table.add_row(*cells, state, epoch, elapsed, *scores, style=_STYLES[p.state])
    return table


def choose(trials: Sequence[Progress], rows: int) -> list[Progress]:
    """Return the trials that matter most, in the order of the sweep."""
    if len(trials) <= rows:
        return list(trials)
    order: list[State] = ["running", "failed", "interrupted"]
    ranked = [p for state in order for p in trials if p.state == state]
    waiting = [p for p in trials if p.state == "waiting"]
    done = [p for p in trials if p.state == "done"][::-1]
    room = max(0, rows - len(ranked))
    ranked += done[: room // 2] + waiting[: room - min(room // 2, len(done))] + done[room // 2 :]
    return sorted(ranked[:rows], key=lambda p: p.trial.number)
