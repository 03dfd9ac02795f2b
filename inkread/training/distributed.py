"""Data-parallel training: several processes train one network, each on its part of every batch.

Either torchrun started them, which sets RANK and WORLD_SIZE, or `start_workers` starts a second process itself. On two
cores, two processes with one thread each are a third faster than one process with two threads, which wait for each
other after every small matrix product.

The processes that `start_workers` starts find each other through a file in a folder that no other user can read, and
connect on the loopback interface. They exchange numbers and JSON, never pickles.
"""

import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from inkread._locks import private_folder
from inkread._threads import available_cpus
from inkread.errors import BadConfig, InkreadError, TrainingFailed
from inkread.model.device import find_device

CONNECT_TIMEOUT = timedelta(minutes=1)  # all processes start together, and need seconds to import torch
MESSAGE_TIMEOUT = timedelta(minutes=10)  # the longest wait for another process, for example while it prepares lines
LOCAL_WORKERS = 2  # processes of a training without torchrun, as measured on two cores (experiments/LOG.md)
EXIT_TIMEOUT = 5  # seconds that a process has to exit after it was lost


@dataclass(frozen=True)
class Workers:
    """The rank of this process among those that train together, their number, and the threads and device of each.

    Tensors on a GPU are exchanged by NCCL, and those in the memory of the CPU by gloo.
    """

    rank: int = 0
    world_size: int = 1
    threads: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        """Is this the process that writes the files and the log?"""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Replace a tensor by its sum over all processes."""
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def sum_all(self, tensors: list[Tensor]) -> None:
        """Replace each of many tensors by its sum over all processes, in one message."""
        if self.world_size > 1 and tensors:
            message = self.sum(torch.cat([tensor.flatten() for tensor in tensors]))
            parts = torch.split(message, [tensor.numel() for tensor in tensors])
            for tensor, part in zip(tensors, parts, strict=True):
                tensor.copy_(part.view_as(tensor))

    def max(self, value: int) -> int:
        """The largest of the values of all processes."""
        if self.world_size == 1:
            return value
        largest = torch.tensor(value)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    def gather(self, own: Any) -> list[Any]:
        """The values of all processes, in the order of their ranks. A value is anything that JSON can express."""
        if self.world_size == 1:
            return [own]
        text = json.dumps(own).encode()
        text = text.ljust(self.max(len(text)))  # messages of one length; JSON ignores spaces at the end
        messages = [torch.zeros(len(text), dtype=torch.uint8) for _ in range(self.world_size)]
        dist.all_gather(messages, torch.frombuffer(bytearray(text), dtype=torch.uint8))
        return [json.loads(message.numpy().tobytes()) for message in messages]


def is_first_process() -> bool:
    """Is this the first of the processes that torchrun started, or the only process?"""
    return os.environ.get("RANK", "0") == "0"


@contextlib.contextmanager
def start_workers(
    limit: int, device: str, work: Callable[..., object], *arguments: Any
) -> Iterator[tuple[Workers, Path]]:
    """Yield the Workers that this process belongs to, and a private folder that all of them know.

    Without torchrun, on a CPU, a second process is started if there are two cores or more and `limit`, the largest
    number of processes, is not 1. It calls `work(*arguments, workers, folder)`, a function at the top level of a
    module. Raises BadConfig for a device that is not available, and TrainingFailed if the second process ends early.
    """
    if "WORLD_SIZE" in os.environ:
        with _torchrun(device) as workers:
            if workers.is_first:
                with private_folder() as folder:
                    workers.gather(str(folder))
                    yield workers, folder
            else:
                yield workers, Path(workers.gather("")[0])
        return
    cpus, own_device = available_cpus(), training_device(device)
    world_size = min(LOCAL_WORKERS, cpus, limit) if own_device.type == "cpu" else 1
    with private_folder() as folder:
        if world_size < 2 or dist.is_initialized():  # a program that already has a process group keeps it
            yield Workers(threads=cpus, device=own_device), folder
        else:
            workers = Workers(0, world_size, cpus // world_size)
            with _second_process(workers, folder, work, arguments):
                yield workers, folder


def training_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU by NVIDIA or AMD, if there is one. Raises BadConfig.

    torch's support of the GPUs of Macs (mps) is incomplete for LSTMs and CTC, so these are used only if asked for.
    """
    return find_device("cpu" if name == "auto" and not torch.cuda.is_available() else name)


def device_of_process(name: str) -> torch.device:
    """The device of this process among those that torchrun started: one GPU for each. Raises BadConfig."""
    device = training_device(name)
    if device.type == "cpu" or os.environ["WORLD_SIZE"] == "1":
        return device
    if device.type != "cuda" or device.index is not None:
        raise BadConfig(f"device={name!r}: cannot be shared by several processes", hint='use "cuda" or "cpu"')
    return find_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")


@contextlib.contextmanager
def _torchrun(device: str) -> Iterator[Workers]:
    """Connect to the processes that torchrun started."""
    world_size, own_device = int(os.environ["WORLD_SIZE"]), device_of_process(device)
    workers = Workers(int(os.environ.get("RANK", "0")), world_size, available_cpus(world_size), own_device)
    if world_size == 1 or dist.is_initialized():
        yield workers
        return
    store, rank, world_size = next(rendezvous("env://", timeout=CONNECT_TIMEOUT))
    backend = "gloo"
    if own_device.type == "cuda":
        torch.cuda.set_device(own_device)  # NCCL uses the current device
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, store=store, rank=rank, world_size=world_size, timeout=MESSAGE_TIMEOUT)
    try:
        yield workers
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def _second_process(
    workers: Workers, folder: Path, work: Callable[..., object], arguments: tuple[Any, ...]
) -> Iterator[None]:
    """Start a second process that calls `work`, and connect to it. A file in the private folder tells it what to do."""
    (folder / "work").write_bytes(pickle.dumps((work, arguments, replace(workers, rank=1))))
    with tempfile.TemporaryFile() as stderr:
        process = _start_python("from inkread.training.distributed import run_second; run_second()", folder, stderr)
        try:
            _connect(workers, folder, lambda: process.poll() is None)
            yield
        except RuntimeError as error:  # the connection was lost, or never made
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(EXIT_TIMEOUT)
            if process.returncode is None:
                raise
            stderr.seek(0)
            last = stderr.read().decode(errors="replace").strip().rpartition("\n")[2].removeprefix("Error: ")
            raise TrainingFailed(
                f"the second process of this training ended ({last or process.returncode})",
                hint="go on with --resume, or train in one process with WORLD_SIZE=1 in the environment",
            ) from error
        finally:
            if dist.is_initialized():
                dist.destroy_process_group()
            process.terminate()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()


def _start_python(code: str, folder: Path, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    """Run Python code in a new process, which finds the same modules."""
    package = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code, str(folder)],  # -P: modules in the working folder do not replace Python's
        env={**os.environ, "PYTHONPATH": os.pathsep.join([package, *sys.path])},
        stdin=subprocess.PIPE,  # closed when this process ends for any reason
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )


def run_second() -> None:
    """The main function of the second process; its only argument is the private folder."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes, and the first one ends the second
    threading.Thread(target=_exit_with_first, daemon=True).start()
    folder = Path(sys.argv[1])
    work, arguments, workers = pickle.loads((folder / "work").read_bytes())
    try:
        _connect(workers, folder)
        work(*arguments, workers, folder)
    except InkreadError as error:
        sys.exit(f"Error: {error}")


def _exit_with_first() -> None:
    while os.read(0, 1):  # returns nothing when the first process has ended, which closes stdin
        pass
    os._exit(1)


def _connect(workers: Workers, folder: Path, alive: Callable[[], bool] = lambda: True) -> None:
    """Connect the processes that know the folder. Raises RuntimeError if one does not come, or is not alive."""
    store = dist.FileStore(str(folder / "store"), workers.world_size)  # type: ignore[attr-defined]
    store.set(f"ready {workers.rank}", "")
    deadline = time.monotonic() + CONNECT_TIMEOUT.total_seconds()
    while not store.check([f"ready {rank}" for rank in range(workers.world_size)]):
        if not alive() or time.monotonic() > deadline:
            raise RuntimeError("a process did not connect")
        time.sleep(0.02)
    with _loopback():
        dist.init_process_group(
            "gloo", store=store, rank=workers.rank, world_size=workers.world_size, timeout=MESSAGE_TIMEOUT
        )


@contextlib.contextmanager
def _loopback() -> Iterator[None]:
    """Let gloo connect processes only on the loopback interface."""
    before = os.environ.get("GLOO_SOCKET_IFNAME")
    if sys.platform != "win32":
        names = {name for _, name in socket.if_nameindex()}
        loopback = next((name for name in ("lo", "lo0") if name in names), None)
        if loopback:
            os.environ["GLOO_SOCKET_IFNAME"] = loopback
    try:
        yield
    finally:
        if before is not None:
            os.environ["GLOO_SOCKET_IFNAME"] = before
        else:
            os.environ.pop("GLOO_SOCKET_IFNAME", None)
