"""Data-parallel workers: they exchange values in private, and no process waits for ever for another."""

import os
import re
import stat
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import torch

from inkread.errors import BadConfig, BadInput, TrainingFailed
from inkread.training import distributed
from inkread.training.distributed import Workers, device_of_process, start_workers, training_device

OWN = [{"text": "é\udce9", "numbers": [1, 2.5]}, {"text": "", "numbers": [None, True]}]  # what each process has


@pytest.fixture(autouse=True)
def two_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr(distributed, "available_cpus", lambda world=1: 2 // world)


def exchange(word: str, workers: Workers, folder: Path) -> None:
    """What the second process does."""
    workers.gather(OWN[workers.rank])
    workers.gather([word, sys.argv[0], workers.threads, str(folder)])


def fail(workers: Workers, folder: Path) -> None:
    raise BadInput("no luck")


def test_values_are_exchanged_with_the_second_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its work comes with its arguments: the command line and the environment of this program are not its own."""
    monkeypatch.setattr(sys, "argv", ["a program of the user's", "train"])
    before = dict(os.environ)
    with start_workers(2, "cpu", exchange, "word") as (workers, folder):
        assert (workers.rank, workers.world_size, workers.threads) == (0, 2, 1)
        assert dict(os.environ) == before
        if sys.platform != "win32":
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert workers.gather(OWN[0]) == OWN
        assert workers.gather(None) == [None, ["word", "-c", 1, str(folder)]]
        if sys.platform == "linux":
            assert own_listening_addresses() <= {"0100007F"}  # 127.0.0.1
    assert dict(os.environ) == before and not folder.exists()


def own_listening_addresses() -> set[str]:
    """The addresses at which this process can be reached by TCP, as hexadecimal numbers."""
    files = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    own = set(re.findall(r"socket:\[(\d+)\]", " ".join(files)))
    rows = [
        row.split() for table in ("tcp", "tcp6") for row in Path(f"/proc/self/net/{table}").read_text().splitlines()
    ]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and row[9] in own}


def test_the_error_of_a_second_process_is_reported() -> None:
    with (
        pytest.raises(TrainingFailed, match=r"second process of this training ended \(no luck\)"),
        start_workers(2, "cpu", fail) as (
            workers,
            _,
        ),
    ):
        workers.gather(0)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script")
def test_a_second_process_that_ends_before_it_connects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dies = tmp_path / "python"
    dies.write_text("#!/bin/sh\necho 'Error: no memory left' >&2\nexit 3\n")
    dies.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dies))
    began = time.monotonic()
    with pytest.raises(TrainingFailed, match=r"ended \(no memory left\)"), start_workers(2, "cpu", exchange, ""):
        raise AssertionError("it did not connect")
    assert time.monotonic() - began < distributed.CONNECT_TIMEOUT.total_seconds() / 2


def test_waiting_for_a_connection_has_a_time_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(distributed, "CONNECT_TIMEOUT", timedelta(seconds=0.1))
    with pytest.raises(RuntimeError, match="did not connect"):
        distributed._connect(Workers(0, 2), tmp_path)


def test_no_process_is_started_without_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "there is none")
    with start_workers(1, "auto", exchange) as (workers, _):
        assert (workers.world_size, workers.threads) == (1, 2)
    monkeypatch.setattr(distributed, "available_cpus", lambda world=1: 1)
    with start_workers(16, "cpu", exchange) as (workers, _):
        assert (workers.world_size, workers.threads) == (1, 1)
    monkeypatch.setenv("WORLD_SIZE", "1")
    with start_workers(16, "cpu", exchange) as (workers, _):
        assert workers.world_size == 1


def test_a_gpu_is_used_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert str(training_device("auto")) == "cpu" and str(training_device("mps")) == "mps"
    with pytest.raises(BadConfig, match="device='cuda': not available on this machine; use \"cpu\""):
        training_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert str(training_device("auto")) == "cuda" and str(training_device("cuda:1")) == "cuda:1"
    monkeypatch.setattr(sys, "executable", "there is none")  # one process for the GPU, although there are two cores
    with start_workers(16, "auto", exchange) as (workers, _):
        assert (workers.world_size, workers.threads, str(workers.device)) == (1, 2, "cuda")


def test_each_process_has_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert str(device_of_process("auto")) == str(device_of_process("cuda")) == "cuda:1"
    assert str(device_of_process("cpu")) == "cpu"
    with pytest.raises(BadConfig, match="device='cuda:1': cannot be shared by several processes"):
        device_of_process("cuda:1")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(BadConfig, match="device='cuda:2': not available"):
        device_of_process("cuda")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert str(device_of_process("cuda:1")) == "cuda:1"
