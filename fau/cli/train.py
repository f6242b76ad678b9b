"""fau-train: one fold of one configuration, or all of them; asked again, it resumes or says that it is done."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Sequence

from fau.cli._main import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_TERMINATED, guarded, plain_warnings
from fau.cli.train_fold import run_fold
from fau.cli.train_parser import PROGRAM, TrainCLI, check, parse, resolve
from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.hardware import limit_threads
from fau.sweep.spec import option_values
from fau.tracking.agents import agent_row, failure_told
from fau.tracking.settings import agents_run

_PATIENCE = 10.0  # seconds that an interrupted child gets to tidy up


def main(argv: Sequence[str] | None = None, said: set[str] | None = None) -> int:
    """Run fau-train and return its exit status.

    Args:
        argv: Arguments; those of the command line if None.
        said: Errors that were printed before and are not printed again; takes this call's.
    """
    words = sys.argv[1:] if argv is None else argv
    fresh = any(word.partition("=")[0] == "--rerun" for word in words)
    with plain_warnings(PROGRAM):
        again = "the same command without --rerun" if fresh else "the same command"
        return guarded(PROGRAM, lambda: _run(words), again, said=said)


def _run(args: Sequence[str]) -> int:
    with failure_told("disabled" if "disabled" in option_values(args, "wandb") else "auto"):
        limit_threads()
        logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # tips, and which accelerators are absent
        cli = parse(args)
        cli.config["name"] = agent_row(cli.config["name"])
        config = resolve(cli)
        check(config)
        if config["fold"] == "all":
            return _all_folds(args, cli)
        run_fold(cli, config)
        return 0


def _all_folds(args: Sequence[str], cli: TrainCLI) -> int:
    """Run the folds one after another, each as a run of its own."""
    if agents_run():
        raise FauError("a W&B agent's trial is one W&B run, and so one fold; let the sweep file vary fold instead")
    datamodule = FaceDataModule(**cli.config["data"].as_dict())
    status = 0
    said: set[str] = set()
    alike: list[str] = []  # folds that ended as one before them did
    for fold in range(1, datamodule.fold_count + 1):
        print(f"fold {fold} of {datamodule.fold_count}", flush=True)
        command = [*args, "--fold", str(fold)]
        if cli.config["trainer"]["devices"] in (1, "1"):
            errors = len(said)
            code = main(command, said)
            if code == EXIT_ERROR and len(said) == errors:
                alike.append(str(fold))
            status = max(status, code)
        else:  # Lightning's DDP launcher runs the command line again, so each fold needs one of its own
            code = _run_apart([sys.executable, "-m", "fau.cli.train", *command])
            status = max(status, code if code >= 0 else 128 - code)  # killed by a signal
        if status in (EXIT_INTERRUPTED, EXIT_TERMINATED):
            break
    if alike:
        folds = f"fold {alike[0]}" if len(alike) == 1 else f"folds {', '.join(alike[:-1])} and {alike[-1]}"
        print(f"{PROGRAM}: error: the same in {folds}", file=sys.stderr)
    return status


def _run_apart(command: list[str]) -> int:
    """Run a command and return its exit code; SIGTERM goes on to it, and Ctrl-C leaves it the time to tidy up."""
    process = subprocess.Popen(command)
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        return process.wait()
    except KeyboardInterrupt:  # in a terminal it reached the child as well
        try:
            return process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.terminate()
            return process.wait()
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
