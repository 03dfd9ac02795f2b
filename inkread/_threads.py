"""How many CPUs this process may use, which is often fewer than the machine has, and how its threads wait."""

import math
import os
import re
import sys
from contextlib import suppress
from pathlib import Path


def available_cpus(processes: int = 1) -> int:
    """The number of CPUs that each of `processes` equal processes may use, at least 1.

    The limits are the CPU affinity, the quota of a container, and OMP_NUM_THREADS, which applies to each process and
    is what `--threads` sets.
    """
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        cpus = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):  # Linux
        cpus = len(os.sched_getaffinity(0))
    else:
        cpus = os.cpu_count() or 1
    shared = math.ceil(min(cpus, container_quota())) // processes
    threads = re.match(r"\s*(\d+)", os.environ.get("OMP_NUM_THREADS", ""))  # "4" or, for nested threads, "4,2"
    return max(1, min(shared, int(threads[1])) if threads and int(threads[1]) else shared)


def limit_threads(count: int) -> None:
    """Use at most so many CPUs, in this process and in those that it starts; under torchrun, in each of its processes.

    OpenMP and OpenBLAS read the variable once, so this must come before the first import of numpy or torch.
    """
    os.environ["OMP_NUM_THREADS"] = str(count)


def container_quota(root: Path = Path("/")) -> float:
    """The number of CPUs that the control groups of this process allow it on average; infinite without a limit."""
    quota = math.inf
    with suppress(OSError):
        for row in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, group = row.split(":", 2)
            if not controllers:  # version 2
                top, names = root / "sys/fs/cgroup", ["cpu.max"]
            elif "cpu" in controllers.split(","):  # version 1
                top, names = root / "sys/fs/cgroup/cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
            else:
                continue
            path = top / group.lstrip("/")  # may not exist in a container: its limits are then at the top
            for folder in (path, *path.parents):
                quota = min(quota, _quota([folder / name for name in names]))
                if folder == top:
                    break
    return quota


def _quota(files: list[Path]) -> float:
    """The quota of one control group: CPU time that may be used, divided by the period in which it may be used."""
    try:
        used, period = map(float, " ".join(file.read_text() for file in files).split())
    except (OSError, ValueError):  # no such file, or "max": no limit
        return math.inf
    return used / period if used > 0 and period > 0 else math.inf  # version 1 writes -1 for "no limit"


def wait_passively() -> None:
    """Let the threads of torch's OpenMP sleep while they wait for each other, unless the user has set OMP_WAIT_POLICY.

    By default they keep their cores busy while they wait. If other programs run at the same time, this makes reading
    many times slower. OpenMP reads the variable once, when torch is imported, so this does nothing afterwards.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
