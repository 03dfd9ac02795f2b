"""Several processes that train one network together, each on its share of every batch.

Either torchrun started them (it sets RANK and WORLD_SIZE), or `meet` starts a second one itself: two processes of one
thread each train a third faster on two cores than one process of two threads, which wait for each other after every
small product.

The processes that `meet` starts find each other through a file in a folder that no other user can read, and connect on
the loopback interface. What they exchange is numbers and JSON, never pickles.
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
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from inkread._locks import private_folder
from inkread._threads import available_cpus
from inkread.errors import InkreadError, TrainingFailed

MEETING = timedelta(minutes=1)  # all start at once; who is not there by then has died
LONGEST_WAIT = timedelta(minutes=10)  # for another one's share of the work, as of the lines to be made ready
TOGETHER = 2  # processes that `meet` makes of one


@dataclass(frozen=True)
class Workers:
    """This process's place among those that train together, and the threads that it may use."""

    rank: int = 0
    world: int = 1
    threads: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that reads the data, writes the files and talks."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes, put in its place."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def sum_all(self, tensors: list[Tensor]) -> None:
        """The sums of many tensors over all processes, put in their places, in one message."""
        if self.world > 1 and tensors:
            message = self.sum(torch.cat([tensor.flatten() for tensor in tensors]))
            parts = torch.split(message, [tensor.numel() for tensor in tensors])
            for tensor, part in zip(tensors, parts, strict=True):
                tensor.copy_(part.view_as(tensor))

    def most(self, value: int) -> int:
        """The largest of all processes' numbers."""
        if self.world == 1:
            return value
        most = torch.tensor(value)
        dist.all_reduce(most, dist.ReduceOp.MAX)
        return int(most)

    def all(self, own: Any) -> list[Any]:
        """What each process has, in the order of their ranks: anything that JSON can express."""
        if self.world == 1:
            return [own]
        text = json.dumps(own).encode()
        text = text.ljust(self.most(len(text)))  # messages of one length; JSON ignores spaces at the end
        messages = [torch.zeros(len(text), dtype=torch.uint8) for _ in range(self.world)]
        dist.all_gather(messages, torch.frombuffer(bytearray(text), dtype=torch.uint8))
        return [json.loads(message.numpy().tobytes()) for message in messages]


def is_first() -> bool:
    """Is this the first of the processes that torchrun started, or the only one?"""
    return os.environ.get("RANK", "0") == "0"


@contextlib.contextmanager
def meet(most: int, work: Callable[..., object], *arguments: Any) -> Iterator[tuple[Workers, Path]]:
    """This process's place among those that train together, and a private folder that all of them know.

    Without torchrun, and where there are two cores or more, a second process is started, unless `most` is 1. It calls
    `work(*arguments, processes, folder)`, a function of a module. Raises TrainingFailed when it ends too early.
    """
    if "WORLD_SIZE" in os.environ:
        with _torchrun() as processes:
            if processes.first:
                with private_folder() as folder:
                    processes.all(str(folder))
                    yield processes, folder
            else:
                yield processes, Path(processes.all("")[0])
        return
    cpus = available_cpus()
    world = min(TOGETHER, cpus, most)
    with private_folder() as folder:
        if world < 2 or dist.is_initialized():  # a program that already has a process group keeps it
            yield Workers(threads=cpus), folder
        else:
            processes = Workers(0, world, cpus // world)
            with _second_process(processes, folder, work, arguments):
                yield processes, folder


@contextlib.contextmanager
def _torchrun() -> Iterator[Workers]:
    """Join the processes that the environment names."""
    world = int(os.environ["WORLD_SIZE"])
    processes = Workers(int(os.environ.get("RANK", "0")), world, available_cpus(world))
    if world == 1 or dist.is_initialized():
        yield processes
        return
    store, rank, world = next(rendezvous("env://", timeout=MEETING))
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=LONGEST_WAIT)
    try:
        yield processes
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def _second_process(
    processes: Workers, folder: Path, work: Callable[..., object], arguments: tuple[Any, ...]
) -> Iterator[None]:
    """Run `work` in a second process, told by a file in the private folder what to do, and join it."""
    other = replace(processes, rank=1)
    (folder / "work").write_bytes(pickle.dumps((work, arguments, other)))
    package = str(Path(__file__).parents[2])
    # -P: no module of the working folder takes the place of one of Python's.
    command = [sys.executable, "-P", "-c", "from inkread.train.distributed import help_out; help_out()", str(folder)]
    with tempfile.TemporaryFile() as said:
        second = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([package, *sys.path])},
            stdin=subprocess.PIPE,  # closed when this process ends, however it does
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        try:
            _join(processes, folder, lambda: second.poll() is None)
            yield
        except RuntimeError as error:  # the other one was lost, or never came
            with contextlib.suppress(subprocess.TimeoutExpired):
                second.wait(5)
            if second.returncode is None:
                raise
            said.seek(0)
            last = said.read().decode(errors="replace").strip().rpartition("\n")[2].removeprefix("Error: ")
            raise TrainingFailed(
                f"the second process of this training ended ({last or second.returncode}); go on with --resume, "
                "or train in one process with WORLD_SIZE=1 in the environment"
            ) from error
        finally:
            if dist.is_initialized():
                dist.destroy_process_group()
            second.terminate()
            second.wait()
            assert second.stdin is not None
            second.stdin.close()


def help_out() -> None:
    """What the second process does: its work is in the folder that its command names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C the first process tells it
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    folder = Path(sys.argv[1])
    work, arguments, processes = pickle.loads((folder / "work").read_bytes())
    try:
        _join(processes, folder)
        work(*arguments, processes, folder)
    except InkreadError as error:
        sys.exit(f"Error: {error}")


def _end_with_the_first() -> None:
    while os.read(0, 1):  # returns nothing when the other end is closed
        pass
    os._exit(1)


def _join(processes: Workers, folder: Path, alive: Callable[[], bool] = lambda: True) -> None:
    """Meet the processes that know the folder. Raises RuntimeError when they don't come, or are not alive any more."""
    store = dist.FileStore(str(folder / "meeting"), processes.world)  # type: ignore[attr-defined]
    store.set(f"here {processes.rank}", "")
    latest = time.monotonic() + MEETING.total_seconds()
    while not store.check([f"here {rank}" for rank in range(processes.world)]):
        if not alive() or time.monotonic() > latest:
            raise RuntimeError("a process has not come")
        time.sleep(0.02)
    with _loopback():
        dist.init_process_group(
            "gloo", store=store, rank=processes.rank, world_size=processes.world, timeout=LONGEST_WAIT
        )


@contextlib.contextmanager
def _loopback() -> Iterator[None]:
    """Have gloo connect processes on the loopback interface alone."""
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
