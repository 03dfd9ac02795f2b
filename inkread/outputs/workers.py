"""Who reads the documents of a queue: this process, processes that it starts, or the machines of a Ray cluster.

`open_workers` gives what Queue.read calls. Other processes read one document at a time on
one core, so that a process which dies takes one document with it. It is replaced, and the others go on.
"""

import faulthandler
import json
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from inkread.document.elements import Page
from inkread.errors import BadConfig, BadInput, InkreadError
from inkread.inputs import INK_SUFFIXES
from inkread.inputs.collect import Input
from inkread.model.recognizer import Recognizers
from inkread.outputs.batch import OnPage, ReadDocument, Result, make_outputs, write_documents
from inkread.outputs.files import Outputs
from inkread.outputs.queue import Claim, Read
from inkread.pages.layout import PageLayout
from inkread.pages.reader import Check, Reader

log = logging.getLogger("inkread")

THREADS = "OMP_NUM_THREADS"  # see inkread/_threads.py
PRELOAD = "INKREAD_PRELOAD"  # names the file that says what inkread/outputs/preloaded.py loads
ATTEMPTS = 2  # at a document on Ray, where a machine may be lost through no fault of the document
PAGE_SECONDS = 600.0  # after which a page is given up: one of a newspaper takes ten seconds on a slow machine
TOO_SLOW = 1  # exit code of a process that `_page_limit` ends


@dataclass(frozen=True)
class Work:
    """How documents are read and written. It can be sent to other processes as long as no model is loaded."""

    reader: Reader
    outputs: Outputs
    page: bool | None = None
    check: Check | None = None
    on_page: OnPage | None = None
    page_seconds: float = PAGE_SECONDS  # after which a process that takes longer for a page is ended

    def read(self, claims: Iterator[Claim]) -> Generator[Result, None, None]:
        """Read the documents of claims, and write their outputs. Raises BadModel."""
        held: dict[Input, Claim] = {}

        def inputs() -> Iterator[Input]:
            for claim in claims:
                held[claim.document] = claim
                yield claim.document

        def write(read: ReadDocument, document: Input, outputs: Outputs) -> Any:
            contents = make_outputs(read, document, outputs)
            return held.pop(document).write(contents, len(read.document.pages), outputs.overwrite)

        yield from write_documents(self.reader, inputs(), self.outputs, self.page, self.check, self.on_page, write)


@contextmanager
def open_workers(work: Work, documents: list[Input], processes: int | None, ray: str | None) -> Iterator[Read]:
    """What reads `documents`: Ray if its address is given ("" for the cluster of this machine), else processes."""
    if ray is not None:
        with read_on_ray(work, processes, ray or None) as read:
            yield read
    elif processes and processes > 1:
        with read_in_processes(work, processes, documents) as read:
            yield read
    else:
        yield work.read


# ---- processes of this machine


@contextmanager
def read_in_processes(work: Work, processes: int, documents: list[Input]) -> Iterator[Read]:
    """Read with so many processes, which end with the context. They start when there is something to read.

    On Linux they are forked from one process that has loaded the models for `documents`, and share its memory. On other
    systems, where libraries may not survive a fork, each loads the models itself.
    """
    pool = _Pool(work, processes, documents)
    try:
        yield pool.read
    finally:
        pool.stop()


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    claim: Claim | None = None  # what it reads now
    began: float = 0.0


class _Pool:
    """Processes that read one document after another."""

    def __init__(self, work: Work, processes: int, documents: list[Input]) -> None:
        self.work, self.processes = work, processes
        self.models = _models(work.reader, documents)
        self.forks = sys.platform == "linux"
        self.context: Any = multiprocessing.get_context("forkserver" if self.forks else "spawn")
        self.workers: list[_Worker] = []

    def read(self, claims: Iterator[Claim]) -> Generator[Result, None, None]:
        while True:
            while (worker := self._idle()) and (claim := next(claims, None)):
                self._send(worker, claim)
            busy = {worker.connection: worker for worker in self.workers if worker.claim}
            if not busy:
                return
            for connection in wait(list(busy)):
                yield self._receive(busy[connection])  # type: ignore[index]

    def stop(self) -> None:
        for worker in self.workers:
            worker.connection.close()  # ends it, unless it is reading
            if worker.claim:
                worker.process.terminate()
        for worker in self.workers:
            worker.process.join()

    def _idle(self) -> _Worker | None:
        """A worker that reads nothing; a new one if all are busy and more are allowed."""
        for worker in self.workers:
            if not worker.claim:
                return worker
        if len(self.workers) == self.processes:
            return None
        here, there = self.context.Pipe()
        process = self.context.Process(target=_serve, args=(there, self.work), daemon=True)
        with self._models_to_share() as preload, _environment({THREADS: "1"} | preload):
            process.start()
        there.close()
        self.workers.append(_Worker(process, here))
        return self.workers[-1]

    @contextmanager
    def _models_to_share(self) -> Iterator[dict[str, str]]:
        """The environment in which the process that others are forked from is started, with the first of them."""
        if not self.forks:
            yield {}
            return
        multiprocessing.set_forkserver_preload(["inkread.outputs.preloaded"])
        with tempfile.NamedTemporaryFile("w") as file:  # an environment variable has no room for the words of a user
            file.write(json.dumps([_settings(self.work.reader), self.models]))
            file.flush()
            yield {PRELOAD: file.name}

    def _send(self, worker: _Worker, claim: Claim) -> None:
        worker.claim, worker.began = claim, time.monotonic()
        with suppress(OSError):  # it has died, which `_receive` finds
            worker.connection.send(claim)

    def _receive(self, worker: _Worker) -> Result:
        """The result of a worker, or that it has died, after which another takes its place. Raises BadModel."""
        assert worker.claim
        document, worker.claim = worker.claim.document, None
        try:
            received = worker.connection.recv()
        except (EOFError, OSError):
            self.workers.remove(worker)
            worker.connection.close()
            worker.process.join()
            return Result(document, error=_died(document, worker.process.exitcode, self.work.page_seconds))
        if isinstance(received, BaseException):
            raise received
        assert isinstance(received, Result)
        _log_notes(received)
        return replace(received, seconds=time.monotonic() - worker.began)


def _serve(connection: Connection, work: Work) -> None:
    """The work of a process: read the documents of claims until the other end closes."""
    from inkread.outputs import preloaded

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the first one ends us
    if preloaded.loaded and preloaded.settings == _settings(work.reader):
        assert isinstance(work.reader.recognizer, Recognizers)
        work.reader.recognizer.loaded |= preloaded.loaded
    with suppress(EOFError, OSError):  # the first process has ended, perhaps killed
        while True:
            connection.send(_read_one(work, connection.recv()))


def _read_one(work: Work, claim: Claim) -> Result | Exception:
    """The result of one document, or an error that concerns all of them. Ends the process if a page takes too long."""
    with _page_limit(work.page_seconds) as restart, _logged() as notes:

        def on_page(layout: PageLayout, page: Page) -> None:
            restart()
            if work.on_page:
                work.on_page(layout, page)

        try:
            (result,) = replace(work, on_page=on_page).read(iter([claim]))
        except Exception as error:
            return error
    return replace(result, notes=tuple(notes))


@contextmanager
def _logged() -> Iterator[list[tuple[int, str]]]:
    """A list of what is logged within the context, as a process without a terminal cannot show it."""
    notes: list[tuple[int, str]] = []
    handler, level = logging.Handler(), log.level
    handler.emit = lambda record: notes.append((record.levelno, record.getMessage()))  # type: ignore[method-assign]
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield notes
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def _log_notes(result: Result) -> None:
    """Log here what another process has logged."""
    for level, text in result.notes:
        log.log(level, "%s", text)


@contextmanager
def _page_limit(seconds: float) -> Iterator[Callable[[], None]]:
    """End this process if so long passes, within the context, without a call of the function that it gives.

    A thread in C does this, whatever Python or a library in C is doing.
    """
    with open(os.devnull, "wb") as nowhere:
        restart = partial(faulthandler.dump_traceback_later, seconds, exit=True, file=nowhere)
        restart()
        try:
            yield restart
        finally:
            faulthandler.cancel_dump_traceback_later()


def _died(document: Input, code: int | None, seconds: float) -> InkreadError:
    """The error for a document that has ended the process that read it; `seconds` is the limit for a page."""
    if code == TOO_SLOW:
        problem = f"reading a page took longer than {seconds:.0f} s"
        return BadInput(problem, path=document.path, hint="scale it down, or read it without --jobs")
    how = "" if code is None else f" (signal {-code})" if code < 0 else f" (exit code {code})"
    reason = "perhaps as the memory was full" if code == -9 else "perhaps as the file is damaged"
    problem = f"the process that read it has died{how}, {reason}"
    return BadInput(problem, path=document.path, hint="read it alone, or scale it down")


def _settings(reader: Reader) -> str:
    """What decides how a reader reads, as JSON; "" where it has no models."""
    recognizer = reader.recognizer
    return json.dumps(recognizer.settings()) if isinstance(recognizer, Recognizers) else ""


def _models(reader: Reader, documents: list[Input]) -> list[str]:
    """The names of the models that documents need, by the endings of their names."""
    if not isinstance(reader.recognizer, Recognizers):
        return []
    inks = [os.path.splitext(document.path)[1].lower() in INK_SUFFIXES for document in documents]
    return [reader.recognizer.images] * (not all(inks)) + [reader.recognizer.strokes] * any(inks)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Start processes with other values of environment variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# ---- Ray


@contextmanager
def read_on_ray(work: Work, processes: int | None, address: str | None) -> Iterator[Read]:
    """Read with Ray actors that keep the models loaded: so many, or by default one on each core of the cluster.

    All machines need inkread, and the inputs and outputs under the same paths. `address` is that of ray.init. Raises
    BadConfig where Ray is missing or no cluster is found.
    """
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise BadConfig("--ray needs Ray, which is not installed", hint="run: pip install 'inkread[ray]'") from error
    ours = not ray.is_initialized()
    try:
        if ours:
            ray.init(address, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray has many
        raise BadConfig(f"no Ray cluster at {address or 'this machine'} ({error})", hint="start one") from error
    try:
        cores = processes or max(1, int(ray.cluster_resources().get("CPU", 1)))
        yield _Actors(ray, work, cores).read
    finally:
        if ours:
            ray.shutdown()


class _Actor:
    """What Ray runs on other machines."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def ready(self) -> None:
        """Nothing: that it answers shows that it was started."""

    def read(self, claim: Claim) -> Result | Exception:
        began = time.monotonic()
        result = _read_one(self.work, claim)
        return replace(result, seconds=time.monotonic() - began) if isinstance(result, Result) else result


class _Actors:
    """Actors that read one document after another. One that dies is replaced, and its document is tried again."""

    def __init__(self, ray: Any, work: Work, count: int) -> None:
        self.ray, self.work, self.count = ray, work, count
        self.new: Callable[..., Any] = ray.remote(num_cpus=1, max_restarts=0)(_Actor).remote
        self.tasks: dict[Any, tuple[Any, Claim | None]] = {}  # by what Ray waits for: the actor, and what it reads
        self.idle: list[Any] = []

    def read(self, claims: Iterator[Claim]) -> Generator[Result, None, None]:
        again: list[Claim] = []
        attempts: dict[Input, int] = {}
        for _ in range(self.count - len(self.idle) - len(self.tasks)):
            self._start()
        while True:
            while self.idle and (claim := again.pop() if again else next(claims, None)):
                actor = self.idle.pop()
                self.tasks[actor.read.remote(claim)] = (actor, claim)
                attempts[claim.document] = attempts.get(claim.document, 0) + 1
            if not again and self.idle and not any(claim for _, claim in self.tasks.values()):
                return
            done, _ = self.ray.wait(list(self.tasks), num_returns=1)
            actor, claim = self.tasks.pop(done[0])
            try:
                received = self.ray.get(done[0])
            except self.ray.exceptions.RayActorError as error:
                if claim is None:
                    raise BadConfig(f"Ray cannot start a worker ({error})", hint="install inkread there") from error
                self._start()
                if attempts[claim.document] < ATTEMPTS:
                    again.append(claim)
                else:
                    yield Result(claim.document, error=_died(claim.document, None, self.work.page_seconds))
                continue
            self.idle.append(actor)
            if isinstance(received, Exception):
                raise received
            if claim:
                attempts.pop(claim.document)
                _log_notes(received)
                yield received

    def _start(self) -> None:
        actor = self.new(self.work)
        self.tasks[actor.ready.remote()] = (actor, None)
