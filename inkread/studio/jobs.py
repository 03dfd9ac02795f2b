"""Work in processes of its own: a file that makes one of them crash, hang or grow does not harm the server."""

import asyncio
import multiprocessing
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from inkread.errors import BadInput, InkreadError

TASK_SECONDS = 120.0  # a page of a newspaper takes ten seconds on a slow machine
LARGEST_PROCESS = 8 * 1024**3  # bytes of address space, where the system can limit it


class Busy(Exception):
    """As many jobs run and wait as may; come again later."""


class Worker:
    """A process that does one task after the other. It is started when it is needed, and again after it was killed.

    `options` are those of `load_reader`. Without them, it is for all that needs no model, and its memory is limited.
    """

    def __init__(self, options: dict[str, Any] | None = None, seconds: float = TASK_SECONDS) -> None:
        self.options, self.seconds = options, seconds
        self._thread = ThreadPoolExecutor(1)  # waits for the process; also the queue of tasks, in order
        self._process: Any = None
        self._connection: Any = None
        self._closed = False

    async def run(self, task: str, *arguments: Any, place: str) -> Any:
        """The result of a function in tasks.py. `place` is what errors name.

        Raises the InkreadError of the function, and BadInput if it takes too long or the process ends.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, task, arguments, place)

    def _run(self, task: str, arguments: tuple[Any, ...], place: str) -> Any:
        if self._closed:
            raise InkreadError("the server is stopping", path=place)
        try:
            self._start()
            self._connection.send((task, arguments, place))
            if not self._connection.poll(self.seconds):
                self._kill()
                problem = f"reading it took longer than {self.seconds:.0f} s"
                raise BadInput(problem, path=place, hint="scale it down or divide it")
            kind, answer = self._connection.recv()
        except (EOFError, OSError) as error:
            self._kill()
            problem = "reading it needs too much memory, or the file is damaged"
            raise BadInput(problem, path=place, hint="scale it down, or export it again") from error
        if kind == "failed":
            raise answer
        return answer

    def _start(self) -> None:
        if self._process is not None and self._process.is_alive():
            return
        self._process, self._connection = start_process(_main, self.options)

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None

    def close(self) -> None:
        """Kill the process, whatever it does."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
        self._thread.shutdown(cancel_futures=True)
        self._kill()


def start_process(target: Callable[..., None], *arguments: Any, daemon: bool = True) -> tuple[SpawnProcess, Connection]:
    """Start a process that calls `target(connection, *arguments)`; what it is, and the other end of its connection.

    Unless it is a `daemon`, which ends with this process, it may start others.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=daemon)
    process.start()
    theirs.close()
    return process, ours


def _main(connection: Connection, options: dict[str, Any] | None) -> None:
    """What runs in the process. Ctrl-C reaches it too, but it is the server that ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if options is None:  # drivers of GPUs claim any amount
        _limit_memory()
    from inkread.studio.tasks import serve

    serve(connection, options or {})


def _limit_memory() -> None:
    with suppress(ImportError, OSError, ValueError):
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_AS, (LARGEST_PROCESS, resource.getrlimit(resource.RLIMIT_AS)[1]))


class Slots:
    """Places for jobs, of which some run and the others wait. Raises Busy when all are taken."""

    def __init__(self, count: int) -> None:
        self.free = count

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Take a place for the time of the context."""
        if not self.free:
            raise Busy
        self.free -= 1
        try:
            yield
        finally:
            self.free += 1


Page = tuple[str, int]  # the id of a document and the number of a page


class Background:
    """Reads pages one after the other, as they were asked for; the page on the screen comes first."""

    def __init__(self, read: Callable[[Page], Awaitable[None]]) -> None:
        self._read = read
        self.waiting: list[Page] = []
        self.reading: Page | None = None
        self.done = 0  # since nothing was waiting
        self._task: asyncio.Task[None] | None = None

    def add(self, pages: list[Page], first: bool = False) -> None:
        """Read these pages too, `first` before all others."""
        if not self.active:
            self.done = 0
        new = [page for page in pages if page != self.reading and (first or page not in self.waiting)]
        rest = [page for page in self.waiting if page not in new]
        self.waiting = new + rest if first else rest + new
        if not self.active and self.waiting:
            self._task = asyncio.create_task(self._work())

    def stop(self) -> None:
        """Forget the pages that wait; the one that is being read is finished."""
        self.waiting.clear()

    @property
    def active(self) -> bool:
        """Whether pages are being read."""
        return self._task is not None and not self._task.done()

    async def close(self) -> None:
        """Stop at once."""
        self.stop()
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _work(self) -> None:
        while self.waiting:
            self.reading = self.waiting.pop(0)
            try:
                await self._read(self.reading)
            finally:
                self.reading = None
                self.done += 1
