"""How fau-sweep ends: what failed and where to look, then the report on the sweep's runs."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from fau.atomic import read_json
from fau.errors import FauError
from fau.runs import RunDirectory
from fau.sweep.runner import Outcome, shown_path
from fau.sweep.spec import Trial, load_yaml, option_values


def end(outcome: Outcome, console: Console) -> int:
    """Print how the sweep ended and return its exit status."""

    def say(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    done = sum(p.state == "done" for p in outcome.trials)
    if outcome.stopped_by is not None:
        name = outcome.stopped_by.name
        say(f"stopped by {name} with {done} of {len(outcome.trials)} trials done; the same command goes on from here")
    for later, earlier in outcome.shared_runs:
        numbers = f"trial {later.trial.number} ({later.trial.title}) is the same run as trial {earlier.trial.number}"
        say(f"{numbers} ({earlier.trial.title}): nothing that decides a result differs")
    if outcome.failed:
        say(f"{len(outcome.failed)} of {len(outcome.trials)} trials failed; the same command tries them again:")
        for p in outcome.failed:
            say(f"  {p.trial.title}: {p.reason}")
            say(f"    log {shown_path(p.log)}")
            say(f"    try {p.trial.shell_line}")
    return outcome.exit_code


def report(outcome: Outcome, reference: str, folder: Path | None, console: Console, ensemble: bool = False) -> int:
    """Print the table that compares the sweep's rows and write its report.

    Args:
        outcome: Of the runner.
        reference: Row of the sweep that the others are compared to.
        folder: For the files; beside the runs of the experiment if None.
        console: To print on.
        ensemble: Whether to write the rows' ensembles first, and report on them too.

    Returns:
        0, or 1 if there is nothing to report on.
    """
    if not outcome.run_dirs:
        return 1
    # Imported late: plotly and polars are of no use to a sweep that stops before its end.
    from fau.cli.report import FORMATS
    from fau.ensemble.write import BOTH, write_ensembles
    from fau.report.build import build_report
    from fau.report.formats.text import print_report
    from fau.report.load import load_runs
    from fau.report.write import write_report

    mine = {p.run_dir.resolve() for p in outcome.trials if p.run_dir is not None}
    experiments = sorted({path.parent for path in outcome.run_dirs})
    try:
        if ensemble:
            members = [RunDirectory(path) for path in sorted(mine)]
            written = write_ensembles(members, BOTH, experiment=experiments[0])
            mine |= {run.path.resolve() for run in written}
        runs = [run for experiment in experiments for run in load_runs(experiment) if run.path.resolve() in mine]
        root = experiments[0] if len(experiments) == 1 else experiments[0].parent
        recorded = _recorded_names(outcome).get(reference, [None])[0]
        result = build_report(root, runs, recorded)
        print_report(result, console)
        for line in renamed(outcome):
            console.print(line, markup=False, soft_wrap=True)
        console.print("report:", highlight=False)
        for file in write_report(result, folder or root / "report", FORMATS):
            console.print(f"  {shown_path(file.absolute())}", markup=False, soft_wrap=True)
    except FauError as error:
        console.print(f"no report: {error}", markup=False, soft_wrap=True)
        return 1
    return 0


def _recorded_names(outcome: Outcome) -> dict[str, list[str]]:
    """Return what the finished runs of each row call it: one that was made earlier may carry another name."""
    names: dict[str, list[str]] = {}
    for p in outcome.trials:
        if p.state == "done" and p.run_dir is not None:
            name = str(read_json(p.run_dir / "run.json").get("name") or p.trial.row)
            names.setdefault(p.trial.row, []).append(name)
    return names


def renamed(outcome: Outcome) -> list[str]:
    """Say of the rows that the report does not show, or not whole, under their own name which name they have there."""
    own = {p.trial.row: name for p in outcome.trials if (name := _own_name(p.trial)) is not None}
    lines = []
    for row, names in _recorded_names(outcome).items():
        for name in dict.fromkeys(name for name in names if name != own.get(row, name)):
            what = "it shows" if own[row] not in names else f"{names.count(name)} of its {len(names)} runs show"
            lines.append(f"row '{row}' is the same configuration as '{name}'; {what} as '{name}'")
    return lines


def _own_name(trial: Trial) -> str | None:
    """Return the name that a trial's command and files give its run; None where they leave it to fau-train."""
    if not trial.is_fau_train:
        return None
    contents = [load_yaml(file) for file in trial.config_files() if file.is_file()]
    names = [content["name"] for content in contents if isinstance(content, dict) and content.get("name")]
    return next(iter([*option_values(trial.argv, "name")[-1:], *map(str, names[-1:])]), None)
