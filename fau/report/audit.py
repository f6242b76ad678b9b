"""What makes the rows of a table incomparable or incomplete: said on top of every report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fau.report.load import Run
from fau.report.rows import Row


def audit(rows: list[Row], runs: list[Run]) -> list[str]:
    """Collect warnings about an experiment.

    Args:
        rows: Its rows.
        runs: All its runs, finished or not.

    Returns:
        Sentences, the gravest first.
    """
    used = [run for row in rows for run in row.runs]
    return [
        *_missing(rows, runs),
        *_mixed(used, "crop sets", lambda run: _part(run, "crop_set", "name") + f" ({_part(run, 'crop_set', 'id')})"),
        *_mixed(used, "label sets", lambda run: ", ".join(run.labels)),
        *_mixed(used, "thresholds", lambda run: str(run["threshold"])),
        *_mixed(used, "protocols", lambda run: f"{run['protocol']} with {run['folds']} folds"),
        *_mixed(used, "ways to choose the checkpoint", lambda run: str(run["selection"])),
        *_mixed(
            [run for run in used if _processes(run)],
            "numbers of processes (batch norm saw other shares of a batch)",
            lambda run: " then ".join(map(str, _processes(run))),
        ),
        *_mixed(used, "code versions", lambda run: str(run["code_version"])),
        *_within(rows),
        *_regrouped(used),
        *_partial(used),
        *_mixed(used, "machines (times and rates are not comparable)", _machine),
        *_own(used),
    ]


def _missing(rows: list[Row], runs: list[Run]) -> Iterable[str]:
    """Runs that are not finished, and folds that nobody started."""
    words = {"failed": "failed", "interrupted": "was interrupted", "running": "is still running"}
    rerun = {
        "failed": "mend the cause and train it again",
        "interrupted": "train it again, it goes on by itself",
        "running": "come back when it is done",
    }
    finished = {(run.name, run.seed, run.fold) for run in runs if run.status == "done"}
    for run in runs:
        if run.fault:
            yield run.fault
        if run.status not in ("done", "unreadable") and (run.name, run.seed, run.fold) not in finished:
            reason = f" ({_first_line(run['error'])})" if run["error"] else ""
            what = f"row '{run.name}', fold {run.fold}, seed {run.seed}"
            yield f"{what} {words.get(run.status, run.status)}{reason}: {rerun.get(run.status, 'left out')}"
    names_of: dict[str, list[str]] = {}
    for row in rows:
        known = {run.fold for run in row.all_runs}
        missing = sorted(set(range(1, row.expected_folds + 1)) - known)
        if missing:
            listed = f"fold{'s' if len(missing) > 1 else ''} {', '.join(map(str, missing))} of {row.expected_folds}"
            names_of.setdefault(listed, []).append(row.name)
    for listed, names in names_of.items():
        who = "every row" if len(names) == len(rows) > 1 else f"row {_some(names)}"
        yield f"{who}: {listed} missing, the subjects of it are not counted"
    for name in sorted({run.name for run in runs if run.status != "unreadable"} - {row.name for row in rows}):
        yield f"row '{name}' has no finished run and is left out"


def _mixed(runs: list[Run], what: str, value: Callable[[Run], str]) -> Iterable[str]:
    """One sentence if the runs differ in something that should be one."""
    rows_of: dict[str, list[str]] = {}
    for run in runs:
        names = rows_of.setdefault(value(run), [])
        if run.name not in names:
            names.append(run.name)
    if len(rows_of) > 1:
        parts = "; ".join(f"{kind}: {_some(names)}" for kind, names in rows_of.items())
        yield f"the rows mix {what}: {parts}"


def _within(rows: list[Row]) -> Iterable[str]:
    """Rows whose runs differ in more than fold and seed."""
    for row in rows:
        kinds = {repr(_stripped(run["deciding"])) for run in row.runs}
        if len(kinds) > 1:
            yield f"row '{row.name}' mixes {len(kinds)} configurations; give each a name of its own"


def _regrouped(runs: list[Run]) -> Iterable[str]:
    """Runs that were resumed with another number of processes."""
    for run in runs:
        if len(numbers := _processes(run)) > 1:
            what = f"row '{run.name}', fold {run.fold}, seed {run.seed}"
            yield f"{what} was trained by {' then '.join(map(str, numbers))} processes (batch norm saw other shares)"


def _partial(runs: list[Run]) -> Iterable[str]:
    """Rows that were tested on a part of the test fold."""
    names: dict[str, None] = {}
    for run in runs:
        limit = _trainer(run).get("limit_test_batches")
        whole = limit is None or (isinstance(limit, float) and limit == 1.0)  # 1 without a point is one batch
        if not whole or _trainer(run).get("fast_dev_run"):
            names[run.name] = None
    if names:
        yield f"only a part of the test folds was scored (limit_test_batches, fast_dev_run): {_some(list(names))}"


def _own(runs: list[Run]) -> Iterable[str]:
    """Warnings that the runs recorded themselves, each once."""
    rows_of: dict[str, list[str]] = {}
    for run in runs:
        for text in run["warnings"] or []:
            names = rows_of.setdefault(str(text), [])
            if run.name not in names:
                names.append(run.name)
    for text, names in rows_of.items():
        yield f"{_some(names)}: {text}"


def _stripped(value: Any) -> Any:
    """Settings without fold and seed, which may differ within a row."""
    if isinstance(value, dict):
        return {key: _stripped(entry) for key, entry in sorted(value.items()) if key not in ("fold", "seed")}
    return value


def _trainer(run: Run) -> dict[str, Any]:
    """Settings of the trainer; a config that lacks them gives none."""
    settings = (run["config"] or {}).get("trainer")
    return settings if isinstance(settings, dict) else {}


def _processes(run: Run) -> list[int]:
    """Numbers of processes that trained a run; none where unknown or, by synchronised batch norm, of no matter."""
    if _trainer(run).get("sync_batchnorm"):
        return []
    trained = run.epochs.get("processes") or [run["processes"] or run["devices"]]
    return list(dict.fromkeys(int(number) for number in trained if isinstance(number, int | float)))


def _machine(run: Run) -> str:
    hardware = run["hardware"] or {}
    gpus = hardware.get("gpus") or []
    return ", ".join(map(str, gpus)) if gpus else f"{hardware.get('cpu', 'unknown')}, {run['threads'] or '?'} threads"


def _part(run: Run, key: str, inner: str) -> str:
    return str((run[key] or {}).get(inner, "?"))


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _first_line(text: Any) -> str:
    line = str(text).strip().splitlines()[0] if str(text).strip() else ""
    return line if len(line) <= 200 else line[:197] + "..."
