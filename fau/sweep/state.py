"""What a sweep remembers between calls: ``runs/.sweeps/<name>-<hash>/``.

    .lock          held by the runner
    trials.jsonl   one line for each end of a trial, added as they happen
    ends/          the same of trials on other machines, a file each: lines added from several machines would mix
    slurm.json     which Slurm job each trial was last submitted as
    slurm/         what submitit keeps of them
    records/       which run directory each trial became, written by the trial itself
    logs/          what each trial printed
    arguments/     files of ``${args_json_file}``
    rerun.json     the rerun in progress; gone once every trial has been trained again

Whether a trial is done stands in its run directory alone; what is kept here only says where to look.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fau
from fau.atomic import read_json, write_atomically
from fau.heartbeat import Hold
from fau.sweep.spec import Sweep, Trial

FOLDER = ".sweeps"


class SweepState:
    """The folder of one sweep file under one folder of runs.

    Args:
        runs: Folder of all runs.
        file: The sweep file.
        extra: Words that the caller adds to each command.
    """

    def __init__(self, runs: Path, file: Path, extra: Sequence[str] = ()) -> None:
        identity = json.dumps([os.fspath(file.resolve()), *extra])
        self.folder = runs / FOLDER / f"{file.stem}-{_digest(identity)[:8]}"
        self._journal = self.folder / "trials.jsonl"
        self._code = code_fingerprint()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the sweep, against other runners here and on machines that see the folder.

        Raises:
            FauError: If another runner holds it.
        """
        for folder in ("logs", "records"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        with Hold(self.folder, "this sweep is being run", "fau-sweep").taken(timeout=0):
            yield

    @property
    def supervisor_log(self) -> Path:
        """File for what the process that starts the trials prints, normally nothing."""
        return self.folder / "supervisor.log"

    @property
    def arguments(self) -> Path:
        """Folder for the files of ``${args_json_file}``."""
        return (self.folder / "arguments").absolute()

    def write_arguments(self, sweep: Sweep) -> None:
        """Write the files of ``${args_json_file}``, if the command asks for them."""
        if "${args_json_file}" in sweep.configuration.get("command", ()):
            self.arguments.mkdir(exist_ok=True)
            for trial in sweep.trials:
                content = json.dumps(dict(trial.values)).encode()
                write_atomically(self.arguments / f"config-{trial.number}.json", content)

    def record_file(self, key: str) -> Path:
        """Return where a trial writes which run directory it became."""
        return (self.folder / "records" / f"{key}.json").absolute()

    def log_file(self, trial: Trial, key: str) -> Path:
        """Return the file for what a trial prints."""
        readable = "".join(c if c.isalnum() or c in "._-=" else "_" for c in trial.title)
        readable = readable.encode()[:80].decode(errors="ignore")  # a name of a file has at most 255 bytes
        return (self.folder / "logs" / f"{trial.number:04d}-{readable}-{key[:6]}.log").absolute()

    def write_end(self, key: str, entry: Mapping[str, Any]) -> None:
        """Add the end of a trial to the journal."""
        line = json.dumps({"key": key, "code_fingerprint": self._code, **entry}).encode() + b"\n"
        with self._journal.open("ab+") as stream:
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":  # the line before was cut short; this one is not to be lost with it
                    line = b"\n" + line
            stream.write(line)

    def write_end_elsewhere(self, key: str, entry: Mapping[str, Any] | None) -> None:
        """Write how a trial ended on a machine that does not hold the sweep; None while it runs."""
        file = self.folder / "ends" / f"{key}.json"
        file.parent.mkdir(exist_ok=True)
        if entry is None:
            file.unlink(missing_ok=True)
        else:
            write_atomically(file, json.dumps({"key": key, "code_fingerprint": self._code, **entry}).encode())

    def slurm_jobs(self) -> dict[str, str]:
        """Return the Slurm job that each trial was last submitted as, by the trial's key."""
        return {key: str(job) for key, job in read_json(self.folder / "slurm.json").items()}

    def write_slurm_jobs(self, jobs: Mapping[str, str]) -> None:
        """Add Slurm jobs of trials to those that are known."""
        write_atomically(self.folder / "slurm.json", json.dumps(self.slurm_jobs() | dict(jobs)).encode())

    def journal(self) -> dict[str, dict[str, Any]]:
        """Return the last entry of each trial; a line that a kill cut short does not count."""
        entries: dict[str, dict[str, Any]] = {}
        try:
            lines = self._journal.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            lines = []
        for line in lines:
            try:
                entry = json.loads(line)
                entries[entry["key"]] = entry
            except (ValueError, KeyError, TypeError):
                continue
        for file in sorted((self.folder / "ends").glob("*.json")):
            entry = read_json(file)
            if str(entry.get("ended", "")) >= str(entries.get(file.stem, {}).get("ended", "")):
                entries[file.stem] = entry
        return entries

    @property
    def rerun_file(self) -> Path:
        """File that names the rerun in progress."""
        return self.folder / "rerun.json"

    def rerun(self) -> str | None:
        """Return the name of the rerun that an earlier call began and did not finish, its time of day; else None."""
        name = read_json(self.rerun_file).get("began")
        return name if isinstance(name, str) and name else None

    def begin_rerun(self) -> str:
        """Begin a rerun of all trials, unless one is in progress, and return its name."""
        name = self.rerun()
        if name is None:
            name = datetime.now(UTC).isoformat(timespec="microseconds")
            write_atomically(self.rerun_file, json.dumps({"began": name}).encode())
        return name

    def end_rerun(self) -> None:
        """Forget the rerun: every trial has been trained again."""
        self.rerun_file.unlink(missing_ok=True)

    def finished(self, entry: Mapping[str, Any] | None, rerun: str | None = None) -> Path | None:
        """Return the run directory of a trial that need not even be asked whether it is done.

        Source files that changed since, or a crop set made anew at its place, may give the trial another run id:
        then None, and the trial finds out by itself, at once if nothing that decides its result has changed.

        Args:
            entry: The trial's last entry in the journal.
            rerun: Name of the rerun in progress; a run that was not trained in it is not done.
        """
        if not entry or not entry.get("run_dir") or entry.get("code_fingerprint") != self._code:
            return None
        path = Path(entry["run_dir"])
        record = read_json(path / "run.json")
        if record.get("status") != "done" or (rerun is not None and record.get("rerun") != rerun):
            return None
        crops = record.get("crop_set") or {}
        if not isinstance(crops, dict):  # damaged: the trial says so
            return None
        stored = read_json(Path(str(crops.get("path") or "")) / "cropset.json")
        if stored.get("id", crops.get("id")) != crops.get("id"):
            return None
        return path

    def last_run(self, key: str, entry: Mapping[str, Any] | None) -> Path | None:
        """Return the run directory that a trial had when it was last heard of."""
        path = read_json(self.record_file(key)).get("run_dir") or (entry or {}).get("run_dir")
        return Path(path) if path else None


def trial_key(trial: Trial) -> str:
    """Hash what a trial is: its words and the content of the configuration files that they name."""
    contents = [_digest(file.read_text(encoding="utf-8")) for file in trial.config_files()]
    return _digest(json.dumps([trial.argv, contents]))[:16]


def code_fingerprint() -> str:
    """Hash name, size and time of fau's source files: equal means that the code has not changed."""
    root = Path(fau.__file__).parent
    stats = ((file.relative_to(root), file.stat()) for file in sorted(root.rglob("*.py")))
    return _digest(json.dumps([[str(file), stat.st_size, stat.st_mtime_ns] for file, stat in stats]))[:16]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
