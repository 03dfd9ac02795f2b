"""Several processes that train one network together, each on its share of every batch.

Either torchrun started them (it sets RANK and WORLD_SIZE), or `alone_or_together` does, by running this very command
again: two processes of one thread each train a third faster on two cores than one process of two threads, which wait
for each other after every small product.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from inkread.errors import TrainingFailed

MEETING = timedelta(minutes=1)  # all start at once; who is not there by then has died
LONGEST_WAIT = timedelta(minutes=10)  # for another one's share of the work, as of the lines to be made ready


@dataclass(frozen=True)
class Processes:
    """This process's place among those that train together."""

    rank: int = 0
    world: int = 1

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
        """What each process has, in the order of their ranks; they hand it to one another."""
        if self.world == 1:
            return [own]
        everything: list[Any] = [None] * self.world
        dist.all_gather_object(everything, own)
        return everything

    @contextlib.contextmanager
    def shared_folder(self) -> Iterator[Path]:
        """A temporary folder that all of them know; gone at the end."""
        with tempfile.TemporaryDirectory(prefix="inkread-") as own:
            yield Path(self.all(own)[0])


def join() -> Processes:
    """Meet the processes that the environment tells of, and share the cores among them."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // world))
    if world > 1 and not dist.is_initialized():
        store, rank, world = next(rendezvous("env://", timeout=MEETING))
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=LONGEST_WAIT)
    return Processes(int(os.environ.get("RANK", "0")), world)


@contextlib.contextmanager
def alone_or_together() -> Iterator[None]:
    """Start a second process of this command where there are two cores or more and torchrun has not done it already."""
    if "WORLD_SIZE" in os.environ or (os.cpu_count() or 1) < 2:
        yield
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    package = str(Path(__file__).parent.parent)
    with tempfile.TemporaryFile() as said:
        second = subprocess.Popen(
            [sys.executable, "-m", "inkread", *sys.argv[1:]],
            env={**os.environ, **together, "RANK": "1", "PYTHONPATH": os.pathsep.join([package, *sys.path])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        os.environ.update(together, RANK="0")
        try:
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
            for name in (*together, "RANK"):
                del os.environ[name]
            second.terminate()
            second.wait()
