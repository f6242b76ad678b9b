"""A real Slurm for tests: a controller and two nodes on loopback, started and ended here; nothing of the machine's."""

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

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
SEARCHED = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"

# cred_expire is also what a job that is queued again waits, 120 s by default; config_overrides lets a node claim more
# cores than the machine has.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/sock,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
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
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=4000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10
"""


def absent() -> str:
    """Say what is missing for a Slurm of our own; empty if nothing."""
    if missing := [program for program in PROGRAMS if shutil.which(program, path=SEARCHED) is None]:
        return f"no {missing[0]} here; Debian: apt-get install slurmctld slurmd slurm-client munge"
    if os.geteuid() != 0:
        return "a Slurm of our own starts as root only"
    try:
        local = socket.gethostbyname(_host()).startswith("127.")
    except OSError:
        local = False
    return "" if local else f"the name of this machine, {_host()}, is not a loopback address"


def slurm(*words: str) -> str:
    """Run a Slurm command and return what it prints."""
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout


@contextmanager
def cluster() -> Iterator[None]:
    """Run a Slurm; its commands find it by SLURM_CONF, which is set meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="fau-slurm-"))  # a short path: it holds a socket
    before = {name: os.environ.get(name) for name in ("SLURM_CONF", "PATH")}
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for name in ("munge", "state", "spool", "log"):
            (folder / name).mkdir(mode=0o700)
        (folder / "slurm.conf").write_text(CONFIGURATION.format(host=_host(), folder=folder, ports=_ports(3)))
        os.environ.update(SLURM_CONF=str(folder / "slurm.conf"), PATH=SEARCHED)
        key = folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        files = {"socket": "sock", "key-file": "key", "log-file": "log", "pid-file": "pid", "seed-file": "seed"}
        munged = ["munged", "--foreground", "--force", *(f"--{k}={key.with_name(v)}" for k, v in files.items())]
        for command in (munged, ["slurmctld", "-D", "-c"], ["slurmd", "-D", "-N", "n1"], ["slurmd", "-D", "-N", "n2"]):
            with (folder / "log" / "output").open("ab") as stream:
                processes.append(subprocess.Popen(command, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL))
            if command is munged:
                _until(lambda: key.with_name("sock").exists(), "munged does not start")
        _until(lambda: _answer("sinfo", "-h", "-N", "-p", "main", "-o", "%t").split() == ["idle"] * 2, "no idle nodes")
        yield
        _answer("scancel", "--user=root")
        _until(lambda: not _answer("squeue", "-h"), "jobs do not end")
    finally:
        for process in reversed(processes):  # nodes, controller, munge
            _end(process)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        shutil.rmtree(folder, ignore_errors=True)


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def _ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _answer(*words: str) -> str:
    try:
        return slurm(*words)
    except subprocess.SubprocessError as error:
        return f"? {error}"


def _until(condition, what: str, seconds: float = 60.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.1)


def _end(process: "subprocess.Popen[bytes]") -> None:
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
