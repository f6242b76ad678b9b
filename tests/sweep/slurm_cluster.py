"""A real Slurm for tests: a controller and two nodes on loopback, started and ended here; nothing of the machine's."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
SEARCHED = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"

# cred_expire is also what a job that is queued again waits, 120 s by default; config_overrides lets a node claim more
# cores and memory than the machine has.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}({address})
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/sock,cred_expire=5
{listening}StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,batch_sched_delay=0
ReturnToService=2
MinJobAge=300
KillWait=3
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=n1 NodeHostname={host} NodeAddr={address} Port={ports[1]} CPUs=16 RealMemory=64000 Gres=gpu:4 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr={address} Port={ports[2]} CPUs=16 RealMemory=64000 Gres=gpu:4 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=gpu Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10
"""
# Devices that are everywhere stand for GPUs: Slurm counts and numbers them, and tells jobs their numbers.
GPUS = "".join(
    f"NodeName=n[1-2] Name=gpu Flags=nvidia_gpu_env File=/dev/{name}\n" for name in ("null", "zero", "full", "random")
)


def absent() -> str:
    """Say what is missing for a Slurm of our own; empty if nothing."""
    if missing := [program for program in PROGRAMS if shutil.which(program, path=SEARCHED) is None]:
        return f"no {missing[0]} here; Debian: apt-get install slurmctld slurmd slurm-client munge"
    return "" if os.geteuid() == 0 else "a Slurm of our own starts as root only"


def slurm(*words: str) -> str:
    """Run a Slurm command and return what it prints."""
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout


@contextmanager
def cluster() -> Iterator[None]:
    """Run a Slurm; its commands find it by SLURM_CONF, which is set meanwhile. Skips where it does not start."""
    before = {name: os.environ.get(name) for name in ("SLURM_CONF", "PATH")}
    processes: list[subprocess.Popen[bytes]] = []
    folders: list[Path] = []
    try:
        for attempt in range(3):  # somebody may have taken a port since it was found free
            # A short path, whatever TMPDIR says: it holds a socket, whose name has at most 107 bytes.
            folders.append(Path(tempfile.mkdtemp(prefix="fau-slurm-", dir="/tmp")))
            try:
                _start(folders[-1], processes)
                break
            except (OSError, TimeoutError) as error:
                said = _last_words(folders[-1])
                _end_all(processes)
                if attempt == 2:
                    pytest.skip(f"a Slurm of our own does not start on this machine: {error}; {said}")
        yield
        _answer("scancel", "--user=root")
        _until(lambda: not _answer("squeue", "-h"), "jobs do not end")
    finally:
        _end_all(processes)
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, processes: list["subprocess.Popen[bytes]"]) -> None:
    for name in ("munge", "state", "spool", "log"):
        (folder / name).mkdir(mode=0o700)
    address, listening = _address()
    written = CONFIGURATION.format(host=_host(), folder=folder, ports=_ports(3), address=address, listening=listening)
    (folder / "slurm.conf").write_text(written)
    (folder / "gres.conf").write_text(GPUS)
    os.environ.update(SLURM_CONF=str(folder / "slurm.conf"), PATH=SEARCHED)
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    files = {"socket": "sock", "key-file": "key", "log-file": "log", "pid-file": "pid", "seed-file": "seed"}
    munged = ["munged", "--foreground", "--force", *(f"--{k}={key.with_name(v)}" for k, v in files.items())]
    for command in (munged, ["slurmctld", "-D", "-c"], ["slurmd", "-D", "-N", "n1"], ["slurmd", "-D", "-N", "n2"]):
        with (folder / "log" / "output").open("ab") as stream:
            process = subprocess.Popen(
                command, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent
            )
        processes.append(process)
        if command is munged:
            _until(lambda: key.with_name("sock").exists() or _ended(processes), "munged does not start")
    _until(lambda: _idle() or _ended(processes), "no idle nodes")
    if program := _ended(processes):
        raise TimeoutError(f"{program} ended")


def _idle() -> bool:
    return _answer("sinfo", "-h", "-N", "-p", "main", "-o", "%t").split() == ["idle"] * 2


def _ended(processes: list["subprocess.Popen[bytes]"]) -> str:
    """Return the name of a program that has ended, empty if all run."""
    return next((str(process.args[0]) for process in processes if process.poll() is not None), "")  # type: ignore[index]


def _end_with_parent() -> None:
    """Let a killed test run leave no Slurm behind."""
    ctypes.CDLL(None).prctl(1, int(signal.SIGTERM), 0, 0, 0)  # PR_SET_PDEATHSIG


def _last_words(folder: Path) -> str:
    """Return the last lines of the logs."""
    lines = [file.read_text(errors="replace").splitlines()[-2:] for file in folder.glob("log/*")]
    return " | ".join(line for some in lines for line in some)


def _address() -> tuple[str, str]:
    """Return the address that this machine's name has and a line that keeps Slurm's sockets on it.

    A name that no resolver knows leaves loopback, on sockets that listen everywhere and ask for munge's key.
    """
    try:
        address = socket.gethostbyname(_host())
        with socket.socket() as probe:
            probe.bind((address, 0))
    except OSError:
        return "127.0.0.1", ""
    return address, "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny\n"


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def _ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _answer(*words: str) -> str:
    try:
        return slurm(*words)
    except subprocess.SubprocessError as error:
        return f"? {error}"


def _until(condition, what: str, seconds: float = 120.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.1)


def _end_all(processes: list["subprocess.Popen[bytes]"]) -> None:
    """End nodes, controller and munge, in this order."""
    while processes:
        process = processes.pop()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":  # a cluster to try things on, until Enter
    print(absent(), file=sys.stderr)
    with cluster():
        print(f"export SLURM_CONF={os.environ['SLURM_CONF']}", flush=True)
        sys.stdin.readline()
