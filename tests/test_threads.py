"""How many CPUs may be used: the smallest of all limits, each of them set by hand here."""

import math
import os
import sys
from pathlib import Path

import pytest

from inkread import _threads
from inkread._threads import available_cpus, container_quota, limit_threads


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 8, raising=False)
    monkeypatch.setattr(_threads, "container_quota", lambda: math.inf)


@pytest.mark.parametrize(
    ("threads", "processes", "expected"),
    [
        ("", 1, 8),
        ("3", 1, 3),
        ("20", 1, 8),
        ("4,2", 1, 4),
        ("0", 1, 8),
        ("many", 1, 8),
        ("3", 2, 3),
        ("6", 2, 4),
        ("", 9, 1),
    ],
)
def test_threads_set_by_the_user(monkeypatch: pytest.MonkeyPatch, threads: str, processes: int, expected: int) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert available_cpus(processes) == expected


@pytest.mark.parametrize(("quota", "expected"), [(2, 2), (1.5, 2), (0.2, 1), (100, 8)])
def test_the_quota_of_a_container(monkeypatch: pytest.MonkeyPatch, quota: float, expected: int) -> None:
    monkeypatch.setattr(_threads, "container_quota", lambda: quota)
    assert available_cpus() == expected


def test_a_limit_holds_here_and_in_new_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as torchrun sets it, for example
    limit_threads(6)
    assert (available_cpus(), available_cpus(2), os.environ["OMP_NUM_THREADS"]) == (6, 4, "6")
    limit_threads(100)
    assert available_cpus() == 8


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no CPU affinity on this system")
def test_cpu_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "process_cpu_count")
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 5, 6})
    assert available_cpus() == 3


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.skipif(sys.platform == "win32", reason="no control groups on Windows")
def test_control_groups(tmp_path: Path) -> None:
    assert container_quota(tmp_path) == math.inf
    second = {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}
    assert container_quota(system(tmp_path / "2", second)) == math.inf
    assert container_quota(system(tmp_path / "2", {"sys/fs/cgroup/a/cpu.max": "150000 100000\n"})) == 1.5
    assert container_quota(system(tmp_path / "2", {"sys/fs/cgroup/a/b/cpu.max": "50000 100000\n"})) == 0.5
    top = {"proc/self/cgroup": "0::/not/in/the/container\n", "sys/fs/cgroup/cpu.max": "300000 100000\n"}
    assert container_quota(system(tmp_path / "top", top)) == 3
    first = {
        "proc/self/cgroup": "5:memory:/c\n4:cpu,cpuacct:/c\n",
        "sys/fs/cgroup/cpu/c/cpu.cfs_quota_us": "400000\n",
        "sys/fs/cgroup/cpu/c/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    assert container_quota(system(tmp_path / "1", first)) == 4
