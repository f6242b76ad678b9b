"""Injects faults into real sweeps and counts what became of them; docs/faults.md has the table.

    python benchmarks/faults.py                          # all kinds, about 20 processor minutes
    python benchmarks/faults.py --kinds trial=50 rank=8  # these, so often

Trains small networks on the smallest synthetic corpus. After each fault the same command is given again, until it ends
with status 0; then predictions, counts, chosen weights, epochs and metrics of every trial are compared bit by bit with
those of a sweep that nothing happened to, every trial must stand in the journal as done once, and a further call must
start nothing. `disk` and `vanish` mount file systems, which needs root; `clock` needs a C compiler.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from fault_sweep import FaultSweep, NotWithstoodError, is_there, kill, mounted, wait_for

Row = dict[str, Any]
TRIALS, DDP_TRIALS = 4, 1
CALLS = 30  # after which a sweep that does not end is given up
SIGTERM_STATUS = 128 + signal.SIGTERM

# Shifts the clock that tells the time of day by a day, forward and back, every 1.5 s; leaves the monotonic one alone.
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static int (*real)(clockid_t, struct timespec *);
int clock_gettime(clockid_t id, struct timespec *t) {
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(id, t);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) {
        struct timespec m;
        real(CLOCK_MONOTONIC, &m);
        long turn = (m.tv_sec * 2 + m.tv_nsec / 500000000) / 3 % 3;
        t->tv_sec += turn == 1 ? 86400 : turn == 2 ? -86400 : 0;
    }
    return status;
}
time_t time(time_t *out) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out) *out = t.tv_sec;
    return t.tv_sec;
}
int gettimeofday(struct timeval *restrict v, void *restrict zone) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    v->tv_sec = t.tv_sec;
    v->tv_usec = t.tv_nsec / 1000;
    return 0;
}
"""


class Bench:
    """A folder, a source of random moments, and the sweeps that nothing happened to.

    Attributes:
        seconds: What such a sweep took, with one process a trial and with two.
        trial_seconds: What a trial of it took, the median.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.rng = folder, random.Random(seed)
        self.seconds: dict[bool, float] = {}
        self.trial_seconds: dict[bool, float] = {}
        self._undisturbed: dict[tuple[bool, int], FaultSweep] = {}
        self._number = sum(1 for _ in folder.glob("*-*"))

    def undisturbed(self, ddp: bool = False, trials: int = 0) -> FaultSweep:
        """Return the finished sweep to compare with."""
        trials = trials or (DDP_TRIALS if ddp else TRIALS)
        if (ddp, trials) not in self._undisturbed:
            sweep = FaultSweep(self.folder, f"undisturbed-{'ddp-' if ddp else ''}{trials}", trials, ddp)
            took, began = self.folder / f"{sweep.runs.name}.seconds", time.monotonic()
            if not took.exists():
                sweep.finish()
                took.write_text(str(time.monotonic() - began))
            self.seconds.setdefault(ddp, float(took.read_text()))
            self.trial_seconds.setdefault(ddp, median(entry["seconds"] for entry in sweep.journal()))
            self._undisturbed[ddp, trials] = sweep
        return self._undisturbed[ddp, trials]

    def fresh(self, name: str, ddp: bool = False, trials: int = 0) -> FaultSweep:
        """Return a sweep to disturb, and make sure first that there is one to compare with."""
        whole = self.undisturbed(ddp, trials)
        self._number += 1
        return FaultSweep(self.folder, f"{name}-{self._number}", whole.trials, ddp)


def trial(bench: Bench, times: int) -> Row:
    """Kill -9 of a trial's process, at random moments: every second attempt, until there were enough."""
    killed, sweeps = 0, 0
    while killed < times:
        sweep, seen = bench.fresh("trial"), dict[int, float]()
        for _ in range(CALLS):
            process = sweep.start("--retries=9")
            while process.poll() is None:
                for running in sweep.trial_processes(process.pid):
                    later = bench.rng.uniform(0, 1.2 * bench.trial_seconds[False])
                    later = later if bench.rng.random() < 0.5 else 1e9
                    due = seen.setdefault(running.pid, time.monotonic() + later)
                    if time.monotonic() > due and killed < times:
                        killed += kill([running], bench.rng) is not None
                        seen[running.pid] = 1e12
                time.sleep(0.02)
            if sweep.wait(process) == 0:
                break
        sweep.check(bench.undisturbed())
        sweeps += 1
    return {"fault": "kill -9 of a trial", "times": killed, "sweeps": sweeps}


def runner(bench: Bench, times: int) -> Row:
    """Kill -9 of fau-sweep, at random moments of its whole run."""
    killed, sweeps, gone = 0, 0, []
    while killed < times:
        sweep = bench.fresh("runner")
        while True:
            process = sweep.start()
            if killed < times:
                try:
                    process.wait(bench.rng.uniform(0, 1.2 * bench.seconds[False]))
                except subprocess.TimeoutExpired:
                    process.kill()
                    killed += 1
                    sweep.wait(process)
                    gone.append(sweep.orphans_gone())
                    continue
            if sweep.wait(process) == 0:
                break
        sweep.check(bench.undisturbed())
        sweeps += 1
    return {"fault": "kill -9 of fau-sweep", "times": killed, "sweeps": sweeps, "all gone after s": spread(gone)}


def rank(bench: Bench, times: int) -> Row:
    """Kill -9 of one process of a trial that has two, at random moments."""
    killed, sweeps, ended, said = [0, 0], 0, [], 0
    while sum(killed) < times:
        sweep = bench.fresh("rank", ddp=True)
        for _ in range(CALLS):
            process, seen = sweep.start("--retries=9"), set[int]()
            while process.poll() is None:
                running = sweep.trial_processes(process.pid)
                if running and running[0].pid not in seen and sum(killed) < times:
                    seen.add(running[0].pid)
                    if one_rank(bench, running[0], killed, ended):
                        continue
                time.sleep(0.05)
            if sweep.wait(process) == 0:
                break
        sweep.check(bench.undisturbed(ddp=True))
        logs = [file.read_text() for file in sweep.runs.glob(".sweeps/*/logs/*")]
        said += sum(log.count("process 2 of 2 was killed by SIGKILL") for log in logs)
        if any("Traceback" in log for log in logs):
            raise NotWithstoodError("a traceback in a log")
        sweeps += 1
    counts = {"times": sum(killed), "first process": killed[0], "second process": killed[1], "said so": said}
    return {"fault": "kill -9 of a DDP process", **counts, "sweeps": sweeps, "all gone after s": spread(ended)}


def one_rank(bench: Bench, first: Any, killed: list[int], ended: list[float]) -> bool:
    """Kill one process of a trial at a random moment, and time how long the other takes to end; False if too late."""
    other, whole = bench.rng.random() < 0.5, bench.trial_seconds[True]
    try:
        while other and not second_of(first):  # it comes once the first has imported, half through the trial
            time.sleep(0.02)
        due = time.monotonic() + bench.rng.uniform(0, whole / 2 if other else whole)
        while time.monotonic() < due and first.is_running():
            time.sleep(0.02)
        group, (chosen, *_) = [first, *first.children(recursive=True)], second_of(first) if other else [first]
    except (psutil.Error, ValueError):  # the trial has ended meanwhile, or its second process
        return False
    if kill([chosen], bench.rng) is None:
        return False
    began = time.monotonic()
    wait_for(lambda: not any(map(is_there, group)), "processes stay behind", 120)
    ended.append(time.monotonic() - began)
    killed[chosen is not first] += 1
    return True


def second_of(first: Any) -> list[Any]:
    """Return the second process of a trial, or nothing."""
    return [process for process in first.children() if "LOCAL_RANK" in process.environ()]


def terminate(bench: Bench, times: int) -> Row:
    """SIGTERM to fau-sweep, whose trials have one process and two by turns: status 143, all runs interrupted."""
    done, took = 0, []
    for ddp in [False, True] * ((times + 1) // 2):
        sweep = bench.fresh("term", ddp)
        process = sweep.start()
        wait_for(lambda sweep=sweep: sweep.epochs() >= 2, "no epoch ended")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = sweep.wait(process)
        took.append(time.monotonic() - began)
        states = {json.loads(file.read_text())["status"] for file in sweep.runs.glob("*/*/run.json")}
        ends = {entry["state"] for entry in sweep.journal()}
        if code != SIGTERM_STATUS or not states <= {"running", "done"} or not ends <= {"interrupted", "done"}:
            raise NotWithstoodError(f"status {code}, runs {states}, journal {ends}:\n{sweep.said}")
        sweep.orphans_gone()
        sweep.finish(calls=2)
        sweep.check(bench.undisturbed(ddp))
        done += 1
    return {"fault": "SIGTERM to fau-sweep", "times": done, "ended after s": spread(took)}


def disk(bench: Bench, times: int) -> Row:
    """A file system of 300 MB that something else fills up while trials run, and leaves again later."""
    messages = set()
    for _ in range(times):
        sweep = bench.fresh("disk")
        with mounted(None, sweep.runs, megabytes=300):
            process = sweep.start()
            wait_for(lambda sweep=sweep: sweep.epochs() >= bench.rng.randrange(1, 8), "no epoch ended")
            ballast = sweep.runs / "ballast"
            with ballast.open("wb", buffering=0) as stream:
                while True:
                    try:
                        if process.poll() is not None or not stream.write(bytes(1 << 16)):
                            break
                    except OSError:  # full; whatever is freed is taken at once
                        time.sleep(0.01)
            code = sweep.wait(process)
            if code == 0:
                raise NotWithstoodError("the disk was not full in time")
            messages |= {line for line in sweep.said.splitlines() if "No space left" in line}
            sweep.orphans_gone()
            ballast.unlink()
            sweep.finish(calls=2)
            sweep.check(bench.undisturbed())
    return {"fault": "full disk", "times": times, "said": sorted(messages)[:2]}


def damage(bench: Bench, times: int) -> Row:
    """The last checkpoint of every unfinished run is cut, changed in one bit, filled with zeros, or gone."""
    ways = ("cut", "one bit", "zeros", "gone")
    damaged, fell_back = dict.fromkeys(ways, 0), 0
    while sum(damaged.values()) < times:
        sweep = bench.fresh("damage")
        process = sweep.start()
        wait_for(lambda sweep=sweep: list(sweep.runs.glob("*/*/checkpoints/previous.ckpt")), "no second epoch ended")
        process.kill()
        sweep.wait(process)
        sweep.orphans_gone()
        for last in sweep.runs.glob("*/*/checkpoints/last.ckpt"):
            if not last.with_name("previous.ckpt").exists():
                continue
            way = ways[sum(damaged.values()) % len(ways)]
            content = bytearray(last.read_bytes())
            if way == "cut":
                del content[bench.rng.randrange(len(content)) :]
            elif way == "one bit":
                content[bench.rng.randrange(len(content) // 4, len(content) // 2)] ^= 1 << bench.rng.randrange(8)
            else:
                content = bytearray(len(content))
            last.write_bytes(content)
            if way == "gone":
                last.unlink()
            damaged[way] += 1
        sweep.finish(calls=2)
        logs = [file.read_text() for file in sweep.runs.glob(".sweeps/*/logs/*")]
        fell_back += sum(log.count("training goes on from the checkpoint before it") for log in logs)
        sweep.check(bench.undisturbed())
    return {"fault": "damaged last checkpoint", "times": sum(damaged.values()), **damaged, "said so": fell_back}


def vanish(bench: Bench, times: int, away: float = 60.0) -> Row:
    """The file system of the runs is unmounted under the trials for a minute, and comes back."""
    statuses, said = [], ""
    for _ in range(times):
        sweep = bench.fresh("vanish")
        real = bench.folder / f"{sweep.runs.name}-real"
        real.mkdir()
        with mounted(real, sweep.runs) as move:
            process = sweep.start()
            wait_for(lambda sweep=sweep: sweep.epochs() >= 2, "no epoch ended")
            move(True)
            time.sleep(away)
            move(False)
            statuses.append(sweep.wait(process))
            said = sweep.said.strip().splitlines()[-1]
            sweep.orphans_gone()
            sweep.finish(calls=3)
            sweep.check(bench.undisturbed())
    return {"fault": f"file system away for {away:.0f} s", "times": times, "status of the call": statuses, "said": said}


def twice(bench: Bench, times: int) -> Row:
    """The same sweep started twice, the second up to three seconds after the first."""
    refused = 0
    for _ in range(times):
        sweep = bench.fresh("twice")
        first = sweep.start()
        time.sleep(bench.rng.uniform(0, 3))
        second = sweep.start()
        codes = sorted([sweep.wait(first), sweep.wait(second)])
        if codes != [0, 2] or "another fau-sweep" not in sweep.said:
            raise NotWithstoodError(f"statuses {codes}:\n{sweep.said}")
        refused += 1
        sweep.check(bench.undisturbed())
    return {"fault": "two runners on one sweep", "times": times, "one refused": refused}


def everything(bench: Bench, times: int) -> Row:
    """A crop set that is gone: every trial fails at once, and comes back."""
    trials, started = 14, []
    for _ in range(times):
        sweep = bench.fresh("everything", trials=trials)
        crops, away = bench.folder / "crops", bench.folder / "crops-away"
        crops.rename(away)
        code = sweep.wait(sweep.start())
        away.rename(crops)
        if code != 1 or "no more trials are started" not in sweep.said:
            raise NotWithstoodError(f"status {code}:\n{sweep.said}")
        started.append(sum(": started" in line for line in sweep.said.splitlines()))
        sweep.finish()
        sweep.check(bench.undisturbed(trials=trials))
    return {"fault": "all trials fail at once", "times": times, "trials": trials, "started of them": started}


def clock(bench: Bench, times: int) -> Row:
    """The time of day jumps by a day, forward and back, every 1.5 s, in all processes."""
    library = bench.folder / "clock.so"
    source = library.with_suffix(".c")
    source.write_text(CLOCK)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    environment = {"LD_PRELOAD": str(library)}
    probe = "import time; a = time.time(); time.sleep(1.6); b = time.time(); print(abs(b - a) > 80000)"
    told = subprocess.run([sys.executable, "-c", probe], env=os.environ | environment, capture_output=True, text=True)
    if told.stdout.strip() != "True":
        raise NotWithstoodError("the clock does not jump")
    for _ in range(times):
        sweep = bench.fresh("clock")
        process = sweep.start(environment=environment)
        wait_for(lambda sweep=sweep: sweep.epochs() >= 3, "no epoch ended")
        process.send_signal(signal.SIGINT)
        sweep.wait(process)
        if sweep.wait(sweep.start(environment=environment)):
            raise NotWithstoodError(sweep.said)
        sweep.check(bench.undisturbed())
    return {"fault": "clock jumps by a day", "times": times, "interrupted and resumed": times}


def together(bench: Bench, times: int) -> Row:
    """Three DDP trials started at the same moment: none takes another's port."""
    ran = 0
    for _ in range(times):
        sweep = bench.fresh("together", ddp=True, trials=3)
        sweep._options = ["--jobs=3"]
        sweep.finish()
        sweep.check(bench.undisturbed(ddp=True, trials=3))
        if any(entry["attempt"] > 1 for entry in sweep.journal()):
            raise NotWithstoodError("a trial failed and was tried again")
        ran += 3
    return {"fault": "three DDP trials started at once", "times": times, "trials": ran}


def spread(seconds: list[float]) -> str:
    """Return median and largest."""
    return f"{median(seconds):.1f}, at most {max(seconds):.1f}" if seconds else "-"


KINDS: dict[str, tuple[Callable[[Bench, int], Row], int]] = {
    "trial": (trial, 50),
    "runner": (runner, 20),
    "rank": (rank, 8),
    "terminate": (terminate, 4),
    "disk": (disk, 3),
    "damage": (damage, 12),
    "vanish": (vanish, 2),
    "twice": (twice, 4),
    "everything": (everything, 1),
    "clock": (clock, 2),
    "together": (together, 1),
}


def main() -> int:
    """Run the kinds that are asked for and print a line of JSON each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), metavar="KIND[=TIMES]", help=", ".join(KINDS))
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--folder", type=Path, help="for sweeps and runs, kept (a temporary one)")
    arguments = parser.parse_args()
    status = 0
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(arguments.folder or Path(name), arguments.seed)
        for word in arguments.kinds:
            kind, _, times = word.partition("=")
            function, usual = KINDS[kind]
            before, began = os.times(), time.monotonic()
            try:
                row = {"kind": kind, **function(bench, int(times or usual)), "withstood": True}
            except NotWithstoodError as error:
                row, status = {"kind": kind, "withstood": False, "why": str(error)}, 1
            used = os.times()
            processor = used.children_user + used.children_system - before.children_user - before.children_system
            row |= {"wall_s": round(time.monotonic() - began), "processor_s": round(processor)}
            print(json.dumps(row), flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
