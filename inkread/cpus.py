"""How many CPUs this process may use, which is often fewer than the machine has."""

import math
import os
import re
from contextlib import suppress
from pathlib import Path


def available_cpus(processes: int = 1) -> int:
    """The CPUs that each of so many processes may use, at least 1.

    The limits are the CPU affinity, the quota of a container, and OMP_NUM_THREADS, which is meant for each process.
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


def container_quota(root: Path = Path("/")) -> float:
    """The CPUs that the control groups of this process allow it on average; infinite without a limit."""
    quota = math.inf
    with suppress(OSError):
        for row in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, group = row.split(":", 2)
            if not controllers:  # version 2
                top, names = root / "sys/fs/cgroup", ["cpu.max"]
            elif "cpu" in controllers.split(","):
                top, names = root / "sys/fs/cgroup/cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
            else:
                continue
            place = top / group.lstrip("/")  # in a container it may not exist: there the limits are at the top
            for folder in (place, *place.parents):
                quota = min(quota, _quota([folder / name for name in names]))
                if folder == top:
                    break
    return quota


def _quota(files: list[Path]) -> float:
    """The quota of one control group: time that may be used, divided by the time in which it may be used."""
    try:
        used, period = map(float, " ".join(file.read_text() for file in files).split())
    except (OSError, ValueError):  # no such file, or "max": no limit
        return math.inf
    return used / period if used > 0 and period > 0 else math.inf  # version 1 says -1 where there is no limit
