"""A trial that takes no time: writes a run directory as fau-train does, and misbehaves on request."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout


def write(file: Path, content: dict) -> None:
    temporary = file.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(content))
    temporary.replace(file)


def main() -> int:
    values = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
    run = Path("runs") / "fake" / f"{values.get('name', 'run')}-{values.get('fold', 1)}"
    run.mkdir(parents=True, exist_ok=True)
    with (run / "starts.jsonl").open("a") as stream:  # how often, with what, and when
        names = (
            "CUDA_VISIBLE_DEVICES",
            "OMP_NUM_THREADS",
            "FAU_THREADS",
            "MASTER_PORT",
            "SLURM_JOB_ID",
            "WANDB_SWEEP_ID",
        )
        stream.write(
            json.dumps({"pid": os.getpid(), "at": time.monotonic(), **{n: os.environ.get(n) for n in names}}) + "\n"
        )
    starts = len((run / "starts.jsonl").read_text().splitlines())
    record = {"format": 1, "name": values.get("name", "run"), "fold": int(values.get("fold", 1)), "status": "running"}
    target = os.environ.get("FAU_TRIAL_RECORD")

    def tell(status: str) -> None:
        write(run / "run.json", record | {"status": status})
        if target and values.get("silent") != "yes":
            write(Path(target), {"run_dir": str(run.absolute()), "status": status})

    before = json.loads((run / "run.json").read_text()) if (run / "run.json").exists() else {}
    record["rerun"] = os.environ.get("FAU_RERUN") or before.get("rerun")
    again = values.get("rerun") == "true" and before.get("rerun") != os.environ.get("FAU_RERUN")
    if before.get("status") == "done" and not again:
        tell("done")
        return 0
    if values.get("lock") == "yes":
        lock = FileLock(run / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            write(Path(target), {"run_dir": str(run.absolute()), "status": "waiting"})
            return 2
    if values.get("stubborn") == "yes":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    tell("running")
    print("working", values, flush=True)
    fail = int(values.get("fail", 0))  # so many first attempts fail
    if starts <= fail:
        print("something broke", file=sys.stderr)
        return 3
    if values.get("liar") == "yes":  # ends well without having done anything, as Lightning does after SIGTERM
        return 0
    until = Path(values["until"]) if "until" in values else None
    deadline = time.monotonic() + float(values.get("sleep", 0))
    ends = [until, until.with_name(f"{until.name}-{run.name}")] if until else []  # of all trials, of this one
    while time.monotonic() < deadline and not any(file.exists() for file in ends):
        time.sleep(0.02)
    (run / "ended.txt").write_text(str(time.monotonic()))
    record["wall_s"] = 1.5
    tell("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
